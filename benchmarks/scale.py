"""What workers gain, what a task costs, and what a thousand workers would do.

    python benchmarks/scale.py two --megabytes 200        # two workers against one core, fields and tables, both ways
    python benchmarks/scale.py overhead                   # milliseconds per task besides its work
    python benchmarks/scale.py files --count 1000         # small files: one command against a shell loop
    python benchmarks/scale.py memory --rows 10000000     # the most memory of a process, with --memory and without
    python benchmarks/scale.py --quick                    # `two`, and `memory` without limits, in a few minutes
    python benchmarks/scale.py simulate --seconds 3.0 --overhead 0.005
                                                          # blocks of one file on up to 1000 workers, from measured times

Input files are made, with a fixed seed. Times are wall-clock times of whole commands, Python's start included; `two` runs one
command on one core and with `--workers 2` on two, one after the other. Each prints a line of JSON per measurement.
"""

from __future__ import annotations

import argparse
import hashlib
import heapq
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from baler_core.machine.in_order import Call, InOrder
from baler_core.machine.workers import Here, Processes

BALER = [sys.executable, "-m", "baler_core"]
WORKERS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1000)


def table(path: Path, megabytes: float) -> None:
    """Events with correlated columns of 32-bit floats."""
    random, rows = np.random.default_rng(1), int(megabytes * 1e6 / 32)
    pt, eta = random.exponential(30, rows), random.normal(0, 2, rows)
    mass = np.abs(random.normal(0.1, 0.02, rows)) * pt
    columns = {"pt": pt, "eta": eta, "mass": mass, "energy": np.hypot(pt * np.cosh(eta), mass)}
    columns |= {f"noise{n}": random.normal(size=rows) for n in range(4)}
    np.savez(path, **{name: values.astype("f4") for name, values in columns.items()})


def fields(path: Path, megabytes: float) -> None:
    """A wave that travels over a grid, with noise."""
    random, frames = np.random.default_rng(1), int(megabytes * 1e6 / (4 * 512 * 512))
    x = np.linspace(0, 12, 512)
    times = np.arange(frames)[:, None, None] / 20
    wave = np.sin(x[None, :, None] + times) * np.cos(x[None, None, :] - 2 * times)
    np.savez(path, u=(wave + random.normal(0, 0.01, wave.shape)).astype("f4"))


def timed(arguments: list[str], folder: Path, cores: int) -> float:
    """Seconds that a command takes on so many cores."""
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    began = time.perf_counter()
    subprocess.run(
        [*BALER, *arguments],
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: os.sched_setaffinity(0, allowed),
    )
    return time.perf_counter() - began


def two(folder: Path, options: argparse.Namespace) -> None:
    """Two workers on two cores against one process on one core."""
    for name, make in (("table", table), ("fields", fields)):
        make(folder / f"{name}.npz", options.megabytes)
        (folder / f"{name}.yaml").write_text(
            f"input: {name}.npz\nbounds: {{'*': {{rel: 1.0e-3}}}}\nmodel: {options.model}\n"
            f"block_size: {options.block} MB\n"
        )
        for word, command, made in (
            ("compress", ["compress", f"{name}.yaml", "-o"], ("one.bal", "two.bal")),
            ("decompress", ["decompress", "one.bal", "-o"], ("one.npz", "two.npz")),
        ):
            one = timed([*command, made[0], "--force"], folder, 1)
            both = timed([*command, made[1], "--force", "--workers", "2"], folder, 2)
            digests = {hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in made}
            tell(data=name, step=word, one=one, two=both, ratio=one / both, same=len(digests) == 1)


def peak_of(command: list[str], folder: Path) -> tuple[float, float]:
    """Return the most megabytes that a command took, and that any of its workers did, as the kernel counts them."""
    process = subprocess.Popen([*BALER, *command], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peaks: dict[int, float] = {}
    while process.poll() is None:
        for number in (process.pid, *children_of(process.pid)):
            peaks[number] = max(peaks.get(number, 0.0), high_water_of(number))
        time.sleep(0.05)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with the exit code {process.returncode}")
    return peaks.pop(process.pid), max(peaks.values(), default=0.0)


def children_of(number: int) -> list[int]:
    """Return the processes that a process has started, as far as they live."""
    try:
        return [int(child) for child in Path(f"/proc/{number}/task/{number}/children").read_text().split()]
    except OSError:
        return []


def high_water_of(number: int) -> float:
    """Return the most megabytes that a process has taken so far; 0 if it is gone."""
    try:
        status = Path(f"/proc/{number}/status").read_text()
    except OSError:
        return 0.0
    found = re.search(r"VmHWM:\s+([0-9]+) kB", status)
    return int(found[1]) * 1024 / 1e6 if found else 0.0


def memory(folder: Path, options: argparse.Namespace) -> None:
    """The most memory of a process: a table of many rows and fields, in blocks of 64 MB, and smaller as --memory says."""
    table(folder / "table.npz", options.rows * 32 / 1e6)
    fields(folder / "fields.npz", options.megabytes)
    for name in ("table", "fields"):
        (folder / f"{name}.yaml").write_text(
            f"input: {name}.npz\nbounds: {{'*': {{rel: 1.0e-3}}}}\nmodel: {options.model}\n"
        )
        for limit in (None,) if options.quick else (None, "1.7 GB", "600 MB"):
            command = ["compress", f"{name}.yaml", "-o", "m.bal", "--force", "--workers", "2"]
            client, worker = peak_of([*command, *(["--memory", limit] if limit else [])], folder)
            tell(data=name, step="compress", memory=limit, client_mb=client, worker_mb=worker, allowed_mb=1500 + 3 * 64)
        client, worker = peak_of(["decompress", "m.bal", "-o", "m.npz", "--force", "--workers", "2"], folder)
        tell(data=name, step="decompress", client_mb=client, worker_mb=worker)


def quick(folder: Path, options: argparse.Namespace) -> None:
    """What two workers gain, and the memory that they take."""
    options.rows = int(options.megabytes * 1e6 / 32)
    two(folder, options)
    memory(folder, options)


def nothing(number: int, plan: np.ndarray) -> int:
    """A task without work."""
    return number


def overhead(folder: Path, options: argparse.Namespace) -> None:
    """Milliseconds that a task costs besides its work, with a plan as large as those of tables (100 kB)."""
    plan = np.zeros(100_000, "u1")
    executors: dict[str, Callable[[], Any]] = {
        "here": Here,
        "thread": lambda: ThreadPoolExecutor(1),
        "process": lambda: Processes(1),
    }
    for name, make in executors.items():
        executor = make()
        for count in (10, options.count):  # the first starts the worker
            calls = (Call("task", nothing, (number, plan)) for number in range(count))
            began = time.perf_counter()
            for _ in InOrder(executor, 2).taken(calls):
                pass
            each = 1000 * (time.perf_counter() - began) / count
        tell(executor=name, tasks=options.count, milliseconds=each)
        if isinstance(executor, Processes):
            executor.__exit__(None, None, None)
        elif isinstance(executor, ThreadPoolExecutor):
            executor.shutdown()


def files(folder: Path, options: argparse.Namespace) -> None:
    """Small files: one command for all, against a loop in which the shell starts one for each."""
    random = np.random.default_rng(1)
    for number in range(options.count):
        np.savez(folder / f"run{number:04d}.npz", x=random.normal(size=1000).astype("f4"))
    settings = "bounds: {x: {rel: 1.0e-3}}\nmodel: scalar\n"
    (folder / "all.yaml").write_text(f'input: ["run*.npz"]\n{settings}')
    for workers in (1, 2):
        command = ["compress", "all.yaml", "--workers", str(workers)]
        (folder / "results" / "all.balset").unlink(missing_ok=True)
        seconds = timed(command, folder, workers)
        tell(how=f"--workers {workers}", files=options.count, seconds=seconds, per_second=options.count / seconds)
    (folder / "one.yaml").write_text(f"input: run0000.npz\n{settings}output: loop\n")
    count = min(options.count, options.looped)
    began = time.perf_counter()
    for number in range(count):
        timed(["compress", "one.yaml", "--input", f"run{number:04d}.npz"], folder, 1)
    seconds = time.perf_counter() - began
    tell(how="shell loop", files=count, seconds=seconds, per_second=count / seconds)


def makespan(blocks: int, workers: int, task: float, client: float) -> float:
    """Seconds until the last block is written: `task` in a worker, `client` in the one process that sends and writes.

    At most two blocks for each worker have begun and are not written, and blocks are written in order.
    """
    idle, window = [0.0] * workers, 2 * workers
    done: list[float] = []
    now = 0.0
    for block in range(blocks):
        if block >= window:
            now = max(now, done[block - window]) + client / 2  # writing
        now += client / 2  # sending
        start = max(now, heapq.heappop(idle))
        heapq.heappush(idle, start + task)
        done.append(start + task)
    for block in range(max(0, blocks - window), blocks):
        now = max(now, done[block]) + client / 2
    return now


def simulate(folder: Path, options: argparse.Namespace) -> None:
    """One file of many blocks on more and more workers; then as shards, each with a client of its own."""
    alone = makespan(options.blocks, 1, options.seconds, options.overhead)
    for workers in WORKERS:
        one = makespan(options.blocks, workers, options.seconds, options.overhead)
        shards = max(1, workers // 64)
        each = makespan(options.blocks // shards, workers // shards, options.seconds, options.overhead)
        tell(workers=workers, speedup=alone / one, shards=shards, speedup_of_shards=alone / each)
    tell(client_is_the_bottleneck_above=options.seconds / options.overhead)


def tell(**found: object) -> None:
    """Print a measurement."""
    rounded = {name: round(value, 4) if isinstance(value, float) else value for name, value in found.items()}
    print(json.dumps(rounded), flush=True)


def main() -> None:
    """Run one of the measurements in a temporary folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=["two", "overhead", "files", "memory", "simulate"])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rows", type=int, default=10_000_000, help="of the table of `memory`")
    parser.add_argument("--megabytes", type=float, default=200)
    parser.add_argument("--block", type=float, default=16, help="MB")
    parser.add_argument("--model", default="{name: auto, effort: fast}")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--looped", type=int, default=50, help="files of the shell loop")
    parser.add_argument("--blocks", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=3.0, help="of a block in a worker")
    parser.add_argument("--overhead", type=float, default=0.005, help="seconds of a block in the client")
    options = parser.parse_args()
    if not options.what and not options.quick:
        parser.error("say what to measure, or --quick")
    with tempfile.TemporaryDirectory() as place:
        measures = {"two": two, "overhead": overhead, "files": files, "memory": memory, "simulate": simulate}
        measure = quick if options.quick else measures[options.what]
        measure(Path(place), options)


if __name__ == "__main__":
    main()
