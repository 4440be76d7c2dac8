"""Print the processor time that whole commands take beyond an empty Python, and what uncompiled loops cost.

Each figure is the median of several runs of a whole process, beside `python -c pass` in the same run. What `import numpy`
takes alone is part of all but `--help` and `import baler_core`. The last line restores a golden table in a warm process
with machine code and with `BALER_LOOPS=python`, and gives the ratio of both.

    python benchmarks/start.py
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

GOLDEN = Path(__file__).resolve().parents[1] / "tests" / "golden"
_TWICE = """
import sys, time, baler_core
for _ in range(2):
    start = time.process_time()
    baler_core.open(sys.argv[1], as_="numpy")
print(time.process_time() - start)
"""
_OPEN = "import sys, baler_core; baler_core.open(sys.argv[1], as_='numpy')['energy']"


def processor_time(arguments: list[str], loops: str = "") -> float:
    """Run Python with arguments; the seconds of processor time that it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "BALER_LOOPS": loops, "PYTHONDONTWRITEBYTECODE": ""}
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def median_time(arguments: list[str], runs: int, loops: str = "") -> float:
    """Return the median of several runs, after one that nothing is taken of."""
    processor_time(arguments, loops)
    return statistics.median(processor_time(arguments, loops) for _ in range(runs))


def second_time(path: str, loops: str) -> float:
    """Return the seconds of processor time that opening a file takes once all is loaded."""
    environment = {**os.environ, "BALER_LOOPS": loops}
    done = subprocess.run(
        [sys.executable, "-c", _TWICE, path], check=True, capture_output=True, text=True, env=environment
    )
    return float(done.stdout)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--runs", type=int, default=5)
    runs = parser.parse_args().runs
    table, field = str(GOLDEN / "table-0.1.0.bal"), str(GOLDEN / "predictive-0.1.0.bal")
    empty = median_time(["-c", "pass"], runs)
    with tempfile.TemporaryDirectory() as folder:
        restored = str(Path(folder) / "restored.npz")
        baler = ["-m", "baler_core"]
        commands = {
            "import numpy": ["-c", "import numpy"],
            "import baler_core": ["-c", "import baler_core"],
            "baler --help": [*baler, "--help"],
            "baler info": [*baler, "info", table],
            "baler decompress, a table": [*baler, "decompress", table, "-o", restored, "--force"],
            "baler decompress, fields": [*baler, "decompress", field, "-o", restored, "--force"],
            "open and take a variable": ["-c", _OPEN, table],
        }
        for name, command in commands.items():
            print(f"{name:28} {median_time(command, runs) - empty:6.2f} s")
    code, python = (second_time(table, loops) for loops in ("", "python"))
    print(
        f"uncompiled loops take {python / code:.0f} times as long to restore the table ({python:.2f} s, {code:.3f} s)"
    )


if __name__ == "__main__":
    main()
