"""Print what it takes to read parts of .bal files: time, bytes read and memory, as shares of reading all of them.

Files are made of synthetic data and kept in a folder. The aim: time of a part within 1.5 times its share of the values, and
20 ms; the first value of a large file within 0.3 s. Times are of the processor, all threads together, in a process that has
loaded what it needs: what else the machine does changes them little. `--block` states the bytes of a block, `--chunks` the
rows of a table, frames and edge of fields that are restored by themselves.

    python benchmarks/access.py --folder /tmp/access
    python benchmarks/access.py --folder /tmp/access --chunks 2000 10 64
"""

from __future__ import annotations

import argparse
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import baler_core
from baler_core.machine.byte_source import ByteSource, LocalFile

BRANCHES, FRAMES = 1600, 200
_ALLOWED, _GRACE = 1.5, 0.02


class Counted(ByteSource):
    """A file that counts what is read of it."""

    at_once = LocalFile.at_once

    def __init__(self, path: Path) -> None:
        self._file = LocalFile(path)
        self.name, self.size, self.count = path, self._file.size, 0

    def read(self, start: int, length: int) -> bytes:
        """Return bytes."""
        self.count += length
        return self._file.read(start, length)

    def close(self) -> None:
        """Release the file."""
        self._file.close()


def table(rows: int) -> dict[str, np.ndarray]:
    """Columns of measurements, some of which say something about others."""
    rng = np.random.default_rng(1)
    common = rng.normal(size=(8, rows))
    return {
        f"b{n:04}": (common[n % 8] * (n % 5) + rng.exponential(size=rows)).astype("<f4")
        if n % 3
        else rng.poisson(n % 40 / 10, rows).astype("<i4")
        for n in range(BRANCHES)
    }


def field(size: int) -> np.ndarray:
    """Waves with noise."""
    rng = np.random.default_rng(2)
    t, y, x = np.meshgrid(np.arange(FRAMES), np.linspace(0, 20, size), np.linspace(0, 30, size), indexing="ij")
    return (10 + np.sin(x - t / 9) * np.cos(y + t / 30) + 0.01 * rng.normal(size=x.shape)).astype("<f4")


def made(folder: Path, name: str, data: Callable[[], Any], **options: Any) -> Path:
    """Return a compressed file, made unless it is there."""
    path = folder / f"{name}.bal"
    if not path.exists():
        done = baler_core.compress(data(), path, **options)
        print(f"made {path.name}: {done.input_bytes / 1e6:.0f} MB as {done.file_bytes / 1e6:.1f} MB")
    return path


def measured(path: Path, read: Callable[[baler_core.File], Any]) -> tuple[float, int, int]:
    """Return the seconds, the bytes read and the most memory of opening a file and reading something of it."""
    best = float("inf")
    for _ in range(3):
        source = Counted(path)
        start = time.process_time()
        with baler_core.open_one(source) as file:
            read(file)
        best = min(best, time.process_time() - start)
    tracemalloc.start()
    with baler_core.open_one(path) as file:
        read(file)
    memory = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return best, source.count, memory


def everything(path: Path) -> tuple[float, int]:
    """Return the seconds and the most memory of restoring all values."""
    start = time.process_time()
    baler_core.open(path, as_="numpy")
    seconds = time.process_time() - start
    tracemalloc.start()
    baler_core.open(path, as_="numpy")
    memory = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return seconds, memory


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("access"))
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--block", type=int, default=64, metavar="MB")
    parser.add_argument("--chunks", nargs=3, type=int, metavar=("ROWS", "FRAMES", "EDGE"), help="cut files so")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    edge = int(given.size * 0.05**0.5)
    n, rows, fast = given.size, given.rows, {"effort": "fast"}
    of_rows, of_fields, marked = {}, {}, ""
    if given.chunks:
        length, frames, side = given.chunks
        of_rows = {"chunks": {"dim0": length}}
        of_fields = {"chunks": {"dim0": frames, "dim1": side, "dim2": side}}
        marked = "-" + "-".join(map(str, given.chunks))
    columns = made(
        given.folder,
        f"table-{rows}{marked}",
        lambda: table(rows),
        bounds={"*": {"rel": 1e-3}},
        model={"name": "table", **fast},
        **of_rows,
    )
    found = [(columns, "one of 1,600 branches", 1 / BRANCHES, lambda f: f["b0800"][:])]
    found += [(columns, "1 % of the events", 0.01, lambda f: f.rows(rows // 2, rows // 2 + rows // 100))]
    found += [(columns, "first value", 0.0, lambda f: f["b0000"][0])]
    for model in ("transform", "predictive"):
        path = made(
            given.folder,
            f"{model}-{n}{marked}" + (f"-{given.block}" if given.block != 64 else ""),
            lambda: {"u": field(n)},
            bounds={"*": {"abs": 0.01}},
            model={"name": model, **fast},
            block_bytes=given.block << 20,
            **of_fields,
        )
        found += [
            (path, f"one frame of 200, {model}", 1 / FRAMES, lambda f: f["u"][90]),
            (path, f"5 % of the area, {model}", 0.05, lambda f: f["u"][:, :edge, :edge]),
        ]
    print(f"{'part':32} {'share':>8} {'time':>9} {'of all':>8} {'allowed':>9} {'bytes':>8} {'memory':>9}")
    whole: dict[Path, float] = {}
    for path, what, share, read in found:
        if path not in whole:
            whole[path], memory = everything(path)
            print(
                f"{'all of ' + path.stem:32} {1:8.2%} {whole[path]:8.3f}s {1:8.2%} {'':9} {'':8} {memory / 1e6:7.1f}MB"
            )
        seconds, count, memory = measured(path, read)
        allowed = _ALLOWED * share * whole[path] + _GRACE
        print(
            f"{what:32} {share:8.2%} {seconds:8.3f}s {seconds / whole[path]:8.2%} {allowed:8.3f}s"
            f" {count / path.stat().st_size:8.2%} {memory / 1e6:7.1f}MB"
        )


if __name__ == "__main__":
    main()
