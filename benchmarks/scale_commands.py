"""Run commands of baler on some cores, and tell the time and the memory that they and their workers take."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

BALER = [sys.executable, "-m", "baler_core"]


@dataclass
class Process:
    """A process as it was last seen.

    Attributes
    ----------
    cpu
        Seconds of processor time.
    peak
        The most megabytes that it took, as the kernel counts them.
    """

    cpu: float = 0.0
    peak: float = 0.0

    def look(self, number: int) -> None:
        """Look at it again, if it still lives."""
        try:
            status = Path(f"/proc/{number}/status").read_text()
            fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return
        self.cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        found = re.search(r"VmHWM:\s+([0-9]+) kB", status)
        self.peak = max(self.peak, int(found[1]) * 1024 / 1e6 if found else 0.0)


@dataclass
class Command:
    """A command that was run.

    Attributes
    ----------
    seconds
        Wall-clock time.
    client, workers
        Its process, and those that it started.
    """

    seconds: float
    client: Process
    workers: list[Process]

    @property
    def workers_cpu(self) -> float:
        """Processor time of all workers."""
        return sum(worker.cpu for worker in self.workers)

    @property
    def worker_peak(self) -> float:
        """The most megabytes that any worker took."""
        return max((worker.peak for worker in self.workers), default=0.0)


def run(arguments: list[str], folder: Path, cores: int | None = None, first: int = 0) -> Command:
    """Run a command, on so many cores if that is said, from one of them on."""
    allowed = sorted(os.sched_getaffinity(0))[first:][:cores]
    began = time.perf_counter()
    process = subprocess.Popen(
        [*BALER, *arguments],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        preexec_fn=lambda: os.sched_setaffinity(0, allowed),
    )
    seen = {process.pid: Process()}
    while process.poll() is None:
        for number in (process.pid, *descendants_of(process.pid)):
            seen.setdefault(number, Process()).look(number)
        time.sleep(0.02)
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)} ended with the exit code {process.returncode}")
    return Command(time.perf_counter() - began, seen.pop(process.pid), list(seen.values()))


def descendants_of(number: int) -> list[int]:
    """Return the processes that a process and those it started have started, as far as they live."""
    try:
        tasks = [task / "children" for task in Path(f"/proc/{number}/task").iterdir()]
        children = [int(child) for task in tasks for child in task.read_text().split()]
    except OSError:
        return []
    return children + [below for child in children for below in descendants_of(child)]


def apart(command: list[str], suffix: str, folder: Path) -> list[Command]:
    """Run a command twice at once, on a core each, with nothing in common but the memory."""
    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(run, [*command, f"apart{core}{suffix}", "--force"], folder, 1, core) for core in range(2)]
        return [call.result() for call in calls]
