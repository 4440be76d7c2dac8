"""Processor time of whole commands on wide files: thousands of short variables, as ROOT, CSV and FITS.

Makes files of as many branches or columns as asked for: half are flags as of triggers, nearly always false; a tenth
are event-level numbers; the rest are members of jagged collections, decreasing momenta, angles, integers, flags and
quantised scores. In CSV and FITS, which have no collections, all are columns. Each figure is the processor time of a whole
process, user and system, of all threads, its start included.

    python benchmarks/wide.py [--branches 2656] [--events 200] [--effort balanced] [--bound 1e-3] [root csv fits]
    python benchmarks/wide.py --files FILE [FILE ...]
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

_MEMBERS = 32
"""Branches of a collection."""


def processor_time(arguments: list[str]) -> float:
    """Seconds of processor time of a `baler` command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    subprocess.run([sys.executable, "-m", "baler_core", *arguments], check=True, capture_output=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def rounded(values: np.ndarray, bits: int = 10) -> np.ndarray:
    """Keep some bits of the mantissa, as experiments do."""
    step = 1 << (23 - bits)
    return ((values.astype(np.float32).view(np.uint32) + step // 2) // step * step).view(np.float32)


def flat(number: int, rows: int, rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
    """Columns of one value per event: flags, and numbers."""
    for n in range(number):
        if n % 6:
            yield f"HLT_Path{n}", rng.random(rows) < rng.choice([0, 0, 0.01, 0.2])
        elif n % 12:
            yield f"Event_number{n}", rng.poisson(20, rows).astype(np.int32)
        else:
            yield f"Event_value{n}", rounded(rng.exponential(30, rows))


def members(prefix: str, count: int, rows: int, rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray]]:
    """Columns of one collection: momenta, angles, masses, scores, integers and flags."""
    momentum = rng.exponential(30, rows) + 15
    kinds: list[tuple[str, Callable[[], np.ndarray]]] = [
        ("pt", lambda: rounded(momentum * rng.normal(1, 0.03, rows))),
        ("eta", lambda: rounded(rng.normal(0, 1.5, rows))),
        ("phi", lambda: rounded(rng.uniform(-np.pi, np.pi, rows))),
        ("mass", lambda: rounded(0.15 * momentum)),
        ("score", lambda: rounded(rng.random(rows), 8)),
        ("share", lambda: rounded(np.where(rng.random(rows) < 0.6, 0, rng.random(rows)))),
        ("id", lambda: rng.integers(0, 7, rows, dtype=np.int32)),
        ("isGood", lambda: rng.random(rows) < 0.3),
    ]
    for n in range(count):
        name, make = kinds[n % len(kinds)]
        yield f"{prefix}_{name}{n // len(kinds) or ''}", make()


def columns(branches: int, events: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Make all columns flat, for formats without collections."""
    found = dict(flat(branches * 6 // 10, events, rng))
    for n in range(-(-(branches - len(found)) // _MEMBERS)):
        found |= members(f"Coll{n}", min(_MEMBERS, branches - len(found)), events, rng)
    return found


def write_root(path: Path, branches: int, events: int) -> None:
    """A TTree with jagged collections."""
    import awkward as ak
    import uproot

    rng = np.random.default_rng(1)
    data: dict[str, object] = dict(flat(branches * 6 // 10, events, rng))
    left, number = branches - len(data), 0
    while left > 1:
        counts = rng.poisson(rng.choice([0.5, 2, 6]), events)
        count = min(_MEMBERS, left - 1)  # the counts are a branch, too
        made = dict(members(f"Coll{number}", count, int(counts.sum()), rng))
        fields = {name.partition("_")[2]: ak.unflatten(values, counts) for name, values in made.items()}
        data[f"Coll{number}"] = ak.zip(fields)
        left, number = left - count - 1, number + 1
    with uproot.recreate(path) as file:
        tree = file.mktree("Events", {name: ak.type(values).content for name, values in data.items()})
        tree.extend(data)


def write_csv(path: Path, branches: int, events: int) -> None:
    """Text of short decimals."""
    made = columns(branches, events, np.random.default_rng(1))
    texts = [[f"{x:.5g}" if v.dtype.kind == "f" else str(int(x)) for x in v] for v in made.values()]
    lines = [",".join(made), *(",".join(row) for row in zip(*texts, strict=True))]
    path.write_text("\n".join(lines) + "\n")


def write_fits(path: Path, branches: int, events: int) -> None:
    """A binary table; the format allows 999 columns at most."""
    from astropy.io import fits
    from astropy.table import Table

    made = columns(min(branches, 999), events, np.random.default_rng(1))
    fits.table_to_hdu(Table(made)).writeto(path)


WRITERS: dict[str, tuple[str, Callable[[Path, int, int], None]]] = {
    "root": ("wide.root", write_root),
    "csv": ("wide.csv", write_csv),
    "fits": ("wide.fits", write_fits),
}


def measure(path: Path, effort: str, bound: float) -> None:
    """Print one line: bytes, and processor time of each command."""
    with tempfile.TemporaryDirectory() as folder:
        config, packed = Path(folder) / "wide.yaml", Path(folder) / "wide.bal"
        config.write_text(
            f"input: {path.resolve()}\nbounds:\n  '*': {{rel: {bound}}}\nmodel: {{name: auto, effort: {effort}}}\n"
        )
        restored = str(Path(folder) / f"restored{path.suffix}")
        times = [
            processor_time(["compress", str(config), "-o", str(packed)]),
            processor_time(["decompress", str(packed), "-o", restored]),
            processor_time(["info", str(packed)]),
        ]
        print(
            f"{path.name:36} {effort:8} {path.stat().st_size:>9} B to {packed.stat().st_size:>8} B  "
            f"compress {times[0]:6.2f} s  decompress {times[1]:6.2f} s  info {times[2]:5.2f} s",
            flush=True,
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("formats", nargs="*", help=f"any of {', '.join(WRITERS)}")
    parser.add_argument("--files", nargs="+", type=Path, default=[])
    parser.add_argument("--branches", type=int, default=2656)
    parser.add_argument("--events", type=int, default=200)
    parser.add_argument("--efforts", nargs="+", default=["max"])
    parser.add_argument("--bound", type=float, default=1e-3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = list(given.files)
        for name in given.formats or (() if paths else WRITERS):
            file, write = WRITERS[name]
            write(Path(folder) / file, given.branches, given.events)
            paths.append(Path(folder) / file)
        for path in paths:
            for effort in given.efforts:
                measure(path, effort, given.bound)


if __name__ == "__main__":
    main()
