"""Makes a small input for each field, runs baler on it from input to report, and says where the reports are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
EXAMPLES = ("minimal", "particles", "flow", "sky")


def main() -> int:
    """Run the examples named on the command line, or all of them; returns the exit code."""
    names = sys.argv[1:] or EXAMPLES
    for name in names:
        print(f"\n=== {name} ===", flush=True)
        for command in (
            [sys.executable, HERE / name / "make_input.py"],
            [sys.executable, "-m", "baler_core", "run", HERE / name / "config.yaml"],
        ):
            done = subprocess.run([str(part) for part in command], check=False)
            if done.returncode:
                return done.returncode
    print("\nThe reports:")
    for name in names:
        print(f"  {HERE / 'output' / name / 'report.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
