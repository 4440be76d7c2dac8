"""Prints where the processor time of `baler compress` goes: shares of its steps, sampled every 5 ms.

One line per step and one column per configuration. Everything runs on one core and one thread, so that a sample is of all
that runs; a process's start and its imports count.

    python benchmarks/time_shares.py CONFIG [CONFIG ...]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

STEPS = {
    "imports": ("importlib._bootstrap",),
    "training networks": ("table/schedule.py",),
    "trying ways to code each column": ("table/trials.py",),
    "choosing parents": ("relations/order.py:choose_parents", "relations/order.py:shared_information"),
    "finding relations": ("relations/search.py:find_relations",),
    "the rest of planning tables": ("table/planning.py", "table/sample.py"),
    "coding and verifying tables": ("table/model.py",),
    "fields": ("models/fields/",),
    "the baseline, estimated and coded": ("models/scalar", "models/exact.py"),
    "opening and reading the file": ("pipeline/input.py:open_input", "source.py:read", "source.py:_block", "/values/"),
    "names and bounds": ("pipeline/job.py:prepare", "config/"),
    "writing and checking": ("pipeline/",),
}
"""Parts of `file:function` of what runs: the innermost call that has one of them tells the step."""
_SAMPLED = """
import atexit, collections, json, signal, sys
counts = collections.Counter()
def sample(signum, frame):
    stack = []
    while frame is not None:
        stack.append(frame.f_code.co_filename + ":" + frame.f_code.co_name)
        frame = frame.f_back
    counts[chr(10).join(stack)] += 1
signal.signal(signal.SIGPROF, sample)
signal.setitimer(signal.ITIMER_PROF, 0.005, 0.005)
target = sys.argv[1]
def write():
    signal.setitimer(signal.ITIMER_PROF, 0, 0)
    with open(target, "w") as file:
        json.dump(counts, file)
atexit.register(write)
sys.argv = ["baler", *sys.argv[2:]]
from baler_core.__main__ import main
main()
"""


def step_of(stack: str) -> str:
    """Return the step that the innermost known call of a stack belongs to."""
    for call in stack.split("\n"):
        for step, parts in STEPS.items():
            if any(part in call for part in parts):
                return step
    return "the rest"


def sampled(config: Path) -> tuple[Counter[str], float]:
    """Return samples by step, and seconds of processor time."""
    with tempfile.TemporaryDirectory() as folder:
        samples = Path(folder) / "samples.json"
        command = [str(samples), "compress", str(config), "-o", str(Path(folder) / "x.bal")]
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", _SAMPLED, *command], check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found: Counter[str] = Counter()
        for stack, count in json.loads(samples.read_text()).items():
            found[step_of(stack)] += count
    return found, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("configs", nargs="+", type=Path)
    given = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    found = [sampled(config) for config in given.configs]
    names = [config.stem for config in given.configs]
    print("| step | " + " | ".join(names) + " |")
    print("|---|" + "---|" * len(names))
    for step in [*STEPS, "the rest"]:
        shares = [100 * counts[step] / max(1, counts.total()) for counts, _ in found]
        if max(shares) >= 0.5:
            print(f"| {step} | " + " | ".join(f"{share:.0f} %" for share in shares) + " |")
    print("| processor time in all | " + " | ".join(f"{seconds:.1f} s" for _, seconds in found) + " |")


if __name__ == "__main__":
    main()
