"""Feeds damaged bytes and odd arrays to baler, and counts what comes of it: a crash, a hang or a wrong answer is a failure.

Cases are numbered, and each follows from the seed and its number alone, so that any can be run again by itself:

    python benchmarks/fuzz.py models --cases 100000 --seed 1 --jobs 2
    python benchmarks/fuzz.py models --seed 1 --first 4711 --cases 1        # case 4711 again
    python benchmarks/fuzz.py arrays --cases 2600 --only grid
    python benchmarks/fuzz.py files --cases 20000 --only fits               # whole files of one reader
    python benchmarks/fuzz.py bounds --cases 3000 --only csv                # odd values under bounds of every kind

Cases run in worker processes, within limits of memory and time: where a worker dies, the case that it was at is to blame,
and another worker goes on after it. With BALER_LOOPS=checked compiled loops check their places (see CONTRIBUTING.md).
A target is an entry of TARGETS: a function that takes a word and a seed, makes ready, and returns a function that runs one
case with its own random numbers and says in a word how it ended; any exception is a failure.
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import faulthandler
import importlib
import os
import resource
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

Case = Callable[[np.random.Generator], str]
Target = Callable[[str, int], Case]
TARGETS = {
    "models": "fuzz_models:decoding",
    "arrays": "fuzz_arrays:round_trips",
    "files": "fuzz_files:files",
    "bounds": "fuzz_bounds:bounded_files",
}
SECONDS, TRIES = 20, 3
"""A case may take so long, or, since loops are compiled when they are first met and kept from then on, so often so long."""
MORE_MEMORY = 768 << 20
"""Address space that all cases together may take beyond what is there when everything is ready."""


@dataclass
class Found:
    """What came of many cases: how often each outcome, and what went wrong where."""

    outcomes: collections.Counter[str] = field(default_factory=collections.Counter)
    failures: list[str] = field(default_factory=list)


def work(target: str, only: str, seed: int, first: int, end: int) -> None:
    """Run cases and print a line for each: its number, and an outcome or a failure. Runs in a process of its own."""
    module, _, name = TARGETS[target].partition(":")
    prepare: Target = getattr(importlib.import_module(module), name)
    case = prepare(only, seed)
    limit = _address_space() + MORE_MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.enable()
    warnings.simplefilter("error")
    for number in range(first, end):
        faulthandler.dump_traceback_later(SECONDS, exit=True)
        print(number, _outcome(case, np.random.default_rng([seed, number])), flush=True)
    faulthandler.cancel_dump_traceback_later()


def _outcome(case: Case, random: np.random.Generator) -> str:
    try:
        return case(random)
    except Exception as error:  # whatever it is, it is what is looked for
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        where = "" if place is None else f" at {Path(place.tb_frame.f_code.co_filename).name}:{place.tb_lineno}"
        return f"! {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}{where}"


def _address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * os.sysconf("SC_PAGE_SIZE")


def run(target: str, only: str, seed: int, first: int, end: int) -> Found:
    """Cases from `first` to before `end`, by as many workers, one after the other, as it takes."""
    found, tries = Found(), 0
    while first < end:
        command = [sys.executable, __file__, target, "--only", only, "--seed", str(seed)]
        command += ["--first", str(first), "--cases", str(end - first), "--here"]
        with tempfile.TemporaryFile("w+") as errors:
            worker = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True)
            reached = _listen(worker, found)
            if worker.wait() == 0:
                break
            errors.seek(0)
            said = errors.read()
        if reached is None and "Traceback (most recent call last)" in said and "Fatal" not in said:
            raise SystemExit(f"a worker could not start:\n{said}")
        blamed = first if reached is None else reached + 1
        tries = tries + 1 if reached is None else 1
        if worker.returncode > 0 and tries < TRIES:
            first = blamed
            continue
        first, tries = blamed + 1, 0
        found.outcomes["died"] += 1
        found.failures.append(f"case {first - 1}: {_death(worker.returncode)}\n{said[:2000]}")
    return found


def _listen(worker: subprocess.Popen[str], found: Found) -> int | None:
    """Take in a worker's lines; the last case it finished."""
    reached = None
    assert worker.stdout is not None
    for line in worker.stdout:
        number, _, outcome = line.rstrip("\n").partition(" ")
        reached = int(number)
        if outcome.startswith("! "):
            found.failures.append(f"case {number}: {outcome[2:]}")
            outcome = "failed"
        found.outcomes[outcome] += 1
    return reached


def _death(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}, as after {SECONDS} s"


def main() -> None:
    """Run what the command line asks for, print counts, and fail if anything did."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("target", choices=sorted(TARGETS))
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--only", default="", help="subjects whose names hold this word")
    parser.add_argument("--here", action="store_true", help="in this process, without a guard")
    asked = parser.parse_args()
    end = asked.first + asked.cases
    if asked.here:
        work(asked.target, asked.only, asked.seed, asked.first, end)
        return
    borders = [asked.first + asked.cases * job // asked.jobs for job in range(asked.jobs + 1)]
    with concurrent.futures.ThreadPoolExecutor(asked.jobs) as pool:
        parts = list(
            pool.map(
                lambda job: run(asked.target, asked.only, asked.seed, borders[job], borders[job + 1]),
                range(asked.jobs),
            )
        )
    total = sum((part.outcomes for part in parts), collections.Counter())
    failures = [failure for part in parts for failure in part.failures]
    print(f"{asked.target}: {end - asked.first} cases of seed {asked.seed}: ", end="")
    print(", ".join(f"{count} {outcome}" for outcome, count in total.most_common()))
    print("\n".join(failures))
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
