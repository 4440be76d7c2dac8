"""What workers gain, what a task costs, and what a thousand workers would do.

    python benchmarks/scale.py two --megabytes 200        # two workers against one core, fields and tables, both ways
    python benchmarks/scale.py overhead                   # milliseconds per task besides its work, calls alone and blocks of files
    python benchmarks/scale.py files --count 1000         # small files: one command against a shell loop
    python benchmarks/scale.py memory --rows 10000000     # the most memory of a process, with --memory and without
    python benchmarks/scale.py planning --columns 400 --memory 600e6     # what planning a wide table takes of that
    python benchmarks/scale.py training --memory 900e6    # the most memory that training an autoencoder takes, of two files
    python benchmarks/scale.py --quick                    # `two`, and `memory` without limits, in a few minutes
    python benchmarks/scale.py simulate --seconds 3.0 --overhead 0.005
                                                          # blocks of one file on up to 1000 workers, from measured times

Input files are made, with a fixed seed. Times are wall-clock times of whole commands, Python's start included; `two` runs one
command on one core, with `--workers 2` on two, and on two without that option, by threads of one process, one after the other.
It also tells processor times, which depend less on what else a machine does: of the process that plans, sends and writes (`client_cpu`), and of its workers. `ratio_of_two_apart` is
what two commands gain that share nothing but the machine, and run at once: no worker gains more. `files` tells what a
file costs more with two workers than with one, in processor time. Each prints a line of JSON per measurement.
"""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import heapq
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from scale_commands import Process, apart, run

from baler_core.builtin.models.table.effort import EFFORTS
from baler_core.builtin.models.table.planning import make_plan
from baler_core.builtin.models.table.sample import gather
from baler_core.data.bounds import Tolerance
from baler_core.data.variables import Layout, Variable
from baler_core.machine.in_order import Call, InOrder
from baler_core.machine.workers import Here, Processes

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


def two(folder: Path, options: argparse.Namespace) -> None:
    """Two workers, and two threads, on two cores against one process on one core, and against two such processes at once."""
    for name, make in (("table", table), ("fields", fields)):
        make(folder / f"{name}.npz", options.megabytes)
        (folder / f"{name}.yaml").write_text(
            f"input: {name}.npz\nbounds: {{'*': {{rel: 1.0e-3}}}}\nmodel: {options.model}\n"
            f"block_size: {options.block} MB\n"
        )
        for word, command, made in (
            ("compress", ["compress", f"{name}.yaml", "-o"], ("one.bal", "two.bal", "threads.bal")),
            ("decompress", ["decompress", "one.bal", "-o"], ("one.npz", "two.npz", "threads.npz")),
        ):
            one = run([*command, made[0], "--force"], folder, 1)
            threads = run([*command, made[2], "--force"], folder, 2)
            both = run([*command, made[1], "--force", "--workers", "2"], folder, 2)
            twice = apart(command, Path(made[0]).suffix, folder)
            digests = {hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in made}
            tell(
                data=name,
                step=word,
                one=one.seconds,
                two=both.seconds,
                ratio=one.seconds / both.seconds,
                threads=threads.seconds,
                ratio_of_threads=one.seconds / threads.seconds,
                ratio_of_two_apart=2 * one.seconds / max(other.seconds for other in twice),
                one_cpu=one.client.cpu,
                client_cpu=both.client.cpu,
                workers_cpu=both.workers_cpu,
                cpu_of_each_apart=sum(other.client.cpu for other in twice) / 2,
                same=len(digests) == 1,
            )


def memory(folder: Path, options: argparse.Namespace) -> None:
    """The most memory of a process: a table of many rows and fields, in blocks of 64 MB, and smaller as --memory says."""
    table(folder / "table.npz", options.rows * 32 / 1e6)
    fields(folder / "fields.npz", options.megabytes)
    for name in ("table", "fields"):
        (folder / f"{name}.yaml").write_text(
            f"input: {name}.npz\nbounds: {{'*': {{rel: 1.0e-3}}}}\nmodel: {options.model}\n"
        )
        for limit in (None,) if options.quick else (None, "1.7 GB", "600 MB", "340 MB"):
            command = ["compress", f"{name}.yaml", "-o", "m.bal", "--force", "--workers", "2"]
            done = run([*command, *(["--memory", limit] if limit else [])], folder)
            tell(
                data=name,
                step="compress",
                memory=limit,
                client_mb=done.client.peak,
                worker_mb=done.worker_peak,
                allowed_mb=1500 + 3 * 64,
            )
        done = run(["decompress", "m.bal", "-o", "m.npz", "--force", "--workers", "2"], folder)
        tell(data=name, step="decompress", client_mb=done.client.peak, worker_mb=done.worker_peak)


def training(folder: Path, options: argparse.Namespace) -> None:
    """The most memory that two epochs of an autoencoder take, of a table and of one four times as large; in both precisions."""
    for megabytes in (options.megabytes / 4, options.megabytes):
        table(folder / "table.npz", megabytes)
        for precision in ("float32", "bfloat16"):
            (folder / "table.yaml").write_text(
                "input: table.npz\nbounds: {'*': {rel: 1.0e-3}}\nmodel: {name: dense_autoencoder, hidden: [16]}\n"
                f"training: {{epochs: 2, batch_size: {options.batch}, precision: {precision}}}\n"
                f"memory: {options.memory / 1e6:.0f} MB\n"
            )
            done = run(["train", "table.yaml", "-o", "m.balm", "--force"], folder)
            tell(
                megabytes=megabytes,
                precision=precision,
                training_mb=done.client.peak,
                cpu=done.client.cpu,
                memory=options.memory / 1e6,
            )


def planning(folder: Path, options: argparse.Namespace) -> None:
    """The most memory that planning a wide table takes, beside its values, and what it was allowed."""
    random, names = np.random.default_rng(1), [f"c{number}" for number in range(options.columns)]
    shared = random.normal(size=(4, options.wide_rows)).astype("f4")
    columns = tuple(Variable(name, "<f4", ("row",)) for name in names)
    layout = Layout("table", columns, {"row": options.wide_rows})
    values = {
        name: shared[k % 4] * (k % 7) + random.normal(size=options.wide_rows).astype("f4")
        for k, name in enumerate(names)
    }
    block, tolerances = layout.build(values), dict.fromkeys(names, Tolerance("rel", 1e-3))
    ctypes.CDLL("libc.so.6").malloc_trim(0)  # what is free within the process would hide what is taken
    Path("/proc/self/clear_refs").write_text("5")
    (own := Process()).look(os.getpid())
    before, own.peak = own.peak, 0.0
    sample = gather([block], layout, tolerances, options.memory)
    make_plan(sample, (), EFFORTS[options.effort])
    own.look(os.getpid())
    rows = len(sample.columns[0].values)
    tell(columns=options.columns, rows=rows, planning_mb=own.peak - before, allowed_mb=options.memory / 1e6)


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
    blocks(folder, options)


def blocks(folder: Path, options: argparse.Namespace) -> None:
    """Milliseconds of processor time that a block costs more with workers than without; the blocks are small and coded at once."""
    np.savez(folder / "blocks.npz", x=np.arange(options.count * 512, dtype="f8"))  # 4 kB each
    (folder / "blocks.yaml").write_text("input: blocks.npz\nmodel: scalar\nblock_size: 4096\n")
    for word, source, made in (("compress", "blocks.yaml", "b.bal"), ("decompress", "b.bal", "b.npz")):
        done = [
            run([word, source, "-o", made, "--force", *more], folder, 2)
            for more in ([], ["--workers", "1"], ["--workers", "2"])
        ]
        cpu = [one.client.cpu + one.workers_cpu for one in done]
        for workers, one, more in zip((0, 1, 2), done, cpu, strict=True):
            tell(
                step=word,
                blocks=options.count,
                workers=workers,
                seconds=one.seconds,
                client_cpu=one.client.cpu,
                workers_cpu=one.workers_cpu,
                milliseconds_per_block_beyond_none=1000 * (more - cpu[0]) / options.count,
                milliseconds_of_the_client=1000 * one.client.cpu / options.count,
            )


def files(folder: Path, options: argparse.Namespace) -> None:
    """Small files: one command for all, against a loop in which the shell starts one for each."""
    random = np.random.default_rng(1)
    for number in range(options.count):
        np.savez(folder / f"run{number:04d}.npz", x=random.normal(size=1000).astype("f4"))
    settings = "bounds: {x: {rel: 1.0e-3}}\nmodel: scalar\n"
    (folder / "all.yaml").write_text(f'input: ["run*.npz"]\n{settings}')
    alone = 0.0
    times: dict[str, float] = {}
    for workers in (1, 2):
        shutil.rmtree(folder / "results", ignore_errors=True)
        done = run(["compress", "all.yaml", "--workers", str(workers)], folder, workers)
        cpu = done.client.cpu + done.workers_cpu
        alone = alone or cpu
        times[str(workers)] = done.seconds / options.count
        tell(
            how=f"--workers {workers}",
            files=options.count,
            seconds=done.seconds,
            per_second=options.count / done.seconds,
            client_cpu=done.client.cpu,
            workers_cpu=done.workers_cpu,
            milliseconds_per_file_beyond_one=1000 * (cpu - alone) / options.count,
        )
    (folder / "one.yaml").write_text(f"input: run0000.npz\n{settings}output: loop\n")
    count = min(options.count, options.looped)
    seconds = sum(
        run(["compress", "one.yaml", "--input", f"run{number:04d}.npz"], folder, 1).seconds for number in range(count)
    )
    tell(how="shell loop", files=count, seconds=seconds, per_second=count / seconds)
    tell(
        two_against_one=times["1"] / times["2"],
        one_against_loop=seconds / count / times["1"],
        two_against_loop=seconds / count / times["2"],
    )


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
    parser.add_argument(
        "what", nargs="?", choices=["two", "overhead", "files", "memory", "training", "planning", "simulate"]
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--rows", type=int, default=10_000_000, help="of the table of `memory`")
    parser.add_argument("--columns", type=int, default=400, help="of the table of `planning`")
    parser.add_argument("--wide-rows", type=int, default=131_072, help="of the same")
    parser.add_argument("--memory", type=float, default=768e6, help="bytes that `planning` or `training` may take")
    parser.add_argument("--effort", default="fast", help="of `planning`")
    parser.add_argument("--batch", type=int, default=8192, help="rows of a step of `training`")
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
        measures = {
            "two": two,
            "overhead": overhead,
            "files": files,
            "memory": memory,
            "training": training,
            "planning": planning,
            "simulate": simulate,
        }
        measure = quick if options.quick else measures[options.what]
        run(["compress", "--help"], Path(place))  # modules are compiled once, not by every command
        measure(Path(place), options)


if __name__ == "__main__":
    main()
