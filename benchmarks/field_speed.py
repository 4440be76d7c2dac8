"""Speed of fields at each effort beside SZ3, SPERR and ZFP: native megabytes per second of processor time, and bytes.

Takes the float fields of rank 2 and more of each file, bounds them by a fraction of each one's range, and prints one line
per file, bound and compressor. Processor time counts all threads, so figures are per core whatever the machine does
besides; reading and writing the file counts for baler and not for the others, which work in memory. Before anything is
timed, small fields go through every model and effort: loading compiled code, or compiling it where it is not kept from an
earlier run, takes seconds once per process whatever the size of the data, and has a line of its own; each file also goes
through once, which loads the libraries that read it. `--large` makes a field of travelling waves and noise of so many
megabytes instead, and adds wall time and the peak of memory.

    python benchmarks/field_speed.py FILE [FILE ...] [--bounds 1e-2 1e-3 1e-4] [--efforts fast balanced max]
    python benchmarks/field_speed.py --large 64 256
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from field_baselines import available
from fields import Fields, read_fields

import baler_core.api.calls as baler
from baler_core.data.bounds import usable, value_range
from baler_core.plugin.registry import load_plugins


@dataclass(frozen=True)
class Timed:
    """Bytes, and seconds of processor and wall time."""

    size: int
    encode: float
    decode: float
    wall: float = 0.0


def clocked(function: Callable[[], object]) -> float:
    """Seconds of processor time that a call takes, all threads together."""
    started = time.process_time()
    function()
    return time.process_time() - started


def timed_baler(path: Path, names: list[str] | None, fraction: float, model: object) -> Timed:
    """One file through baler, and all of it restored."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "fields.bal"
        bounds = {name: {"range": fraction} for name in names or ("*",)}
        started = time.perf_counter()
        encode = clocked(
            lambda: baler.compress(path, target, bounds=bounds, model=model, variables=names)  # type: ignore[arg-type]
        )
        wall = time.perf_counter() - started
        return Timed(target.stat().st_size, encode, clocked(lambda: baler.open(target, as_="numpy")), wall)


def timed_others(fields: Fields, fraction: float) -> dict[str, Timed]:
    """Every other compressor on each field as it is, missing values filled by the mean."""
    found: dict[str, Timed] = {}
    for name, run in available().items():
        total = Timed(0, 0.0, 0.0)
        try:
            for variable, values in fields.values():
                filled = np.where(usable(values, variable.fill), values, np.nanmean(values))
                cut = np.squeeze(filled).reshape(-1, *np.squeeze(filled).shape[-2:])
                bound = fraction * value_range(values, variable.fill).width
                started = time.process_time()
                size, _ = run(np.ascontiguousarray(cut if len(cut) > 1 else cut[0]), bound)
                total = Timed(total.size + size, total.encode + time.process_time() - started, 0.0)
        except (ValueError, RuntimeError, TypeError, OSError, AttributeError):
            continue
        found[f"{name} (encode and decode)"] = total
    return found


def line(title: str, native: int, timed: Timed) -> str:
    """One line of the table."""
    decode = f"decode {native / 1e6 / timed.decode:7.1f} MB/s" if timed.decode else " " * 19
    return f"  {title:38} {timed.size:>9} B  encode {native / 1e6 / timed.encode:7.1f} MB/s  {decode}"


def compare(path: Path, bounds: list[float], efforts: list[str], models: list[str]) -> None:
    """All lines of one file."""
    fields = read_fields(path, None, load_plugins())
    native = sum(values.nbytes for _, values in fields.values())
    if fields:  # loads the libraries that read the file
        timed_baler(path, list(fields), bounds[0], {"name": models[0], "effort": efforts[0]})
    for fraction in bounds if fields else ():
        print(f"{path.name} {native} bytes, range {fraction:.0e}")
        for model in models:
            for effort in efforts:
                stated = {"name": model, "effort": effort}
                print(
                    line(f"baler {model} {effort}", native, timed_baler(path, list(fields), fraction, stated)),
                    flush=True,
                )
        for name, timed in timed_others(fields, fraction).items():
            print(line(name, native, timed), flush=True)


def warm_up(efforts: list[str]) -> float:
    """Seconds of processor time that the first use of everything takes, on fields of a few kilobytes."""
    rng = np.random.default_rng(0)
    fields = {"smooth": waves(1)[:, ::8, ::8].repeat(9, axis=0), "noisy": rng.normal(size=(9, 40, 40)).astype("f4")}

    def use() -> None:
        for name, values in fields.items():
            np.savez(Path(folder) / name, values=values, other=values[::-1])
            for model in ("auto", "transform", "predictive"):
                for effort in efforts:
                    timed_baler(Path(folder) / f"{name}.npz", None, 1e-3, {"name": model, "effort": effort})

    with tempfile.TemporaryDirectory() as folder:
        return clocked(use)


def waves(megabytes: int) -> np.ndarray:
    """Smooth travelling waves and a little noise: float32 (frames, 512, 512)."""
    frames = megabytes
    rng = np.random.default_rng(1)
    y, x = np.meshgrid(np.linspace(0, 6, 512), np.linspace(0, 6, 512), indexing="ij")
    field = np.empty((frames, 512, 512), np.float32)
    for t in range(frames):
        field[t] = np.sin(3 * x - 0.05 * t) * np.cos(2 * y + 0.02 * t) + 0.4 * np.sin(9 * x + 5 * y - 0.11 * t)
        field[t] += 2e-3 * rng.normal(size=(512, 512)).astype(np.float32)
    return field


def large(path: Path, native: int, effort: str, fraction: float) -> None:
    """One large field at one effort, with wall time and memory; run in a process of its own."""
    warm_up([effort])
    timed = timed_baler(path, None, fraction, {"name": "auto", "effort": effort})
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(line(f"baler auto {effort}", native, timed), f" wall {timed.wall:.1f} s  peak {peak} MiB", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--bounds", nargs="+", type=float, default=[1e-3])
    parser.add_argument("--efforts", nargs="+", default=["fast", "balanced", "max"])
    parser.add_argument("--models", nargs="+", default=["auto"])
    parser.add_argument("--large", nargs="+", type=int, default=[], metavar="MEGABYTES")
    arguments = parser.parse_args()
    if arguments.files:
        print(f"first use of compiled code, before anything is timed: {warm_up(arguments.efforts):.1f} s", flush=True)
    for path in arguments.files:
        compare(path, arguments.bounds, arguments.efforts, arguments.models)
    for megabytes in arguments.large:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "waves.npy"
            np.save(path, waves(megabytes))
            print(f"waves of {megabytes} MiB, range {arguments.bounds[0]:.0e}")
            for effort in arguments.efforts:
                process = multiprocessing.get_context("spawn").Process(
                    target=large, args=(path, megabytes << 20, effort, arguments.bounds[0])
                )
                process.start()
                process.join()


if __name__ == "__main__":
    main()
