"""Shows what keeping all signs costs, for the fields of both signs in files and a ladder of bounds.

    python benchmarks/signs.py FILE [FILE ...] --bounds 1e-2 1e-3 1e-4

For each field: bytes of the .bal file with signs free, as they are by default, and kept, and how many values change theirs
by default. Bounds are shares of the range. Inputs are what `baler` reads; fields have two dimensions or more.
"""

from __future__ import annotations

import argparse
import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import baler_core
from baler_core.data.block import values_of
from baler_core.plugin.registry import load_plugins

MODES = ("free", "auto", "keep")
MOST_VALUES = 3_000_000


def fields_of(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yield fields of real numbers of both signs, of large ones the first rows."""
    registry = load_plugins()
    with registry.reader(registry.reader_for(path))().open(path) as source:
        for block in source.blocks(1 << 28):
            for name in map(str, block.variables):
                values = values_of(block, name)
                if values.dtype.kind != "f" or values.ndim < 2 or not values.size:
                    continue
                rows = max(1, len(values) * MOST_VALUES // max(values.size, MOST_VALUES))
                part = np.ascontiguousarray(values[:rows])
                if (part > 0).any() and (part < 0).any():
                    yield name, part


def measure(name: str, values: np.ndarray, bound: float, folder: Path) -> None:
    """Print one line."""
    sizes, turned = [], 0
    for mode in MODES:
        stated = {name: {"range": bound, "sign": mode}}
        done = baler_core.compress({name: values}, folder / "signs.bal", bounds=stated, overwrite=True)
        sizes.append(done.file_bytes)
        turned = done.flips.get(name, 0) if mode == "auto" else turned
    cost = 100 * (sizes[2] / sizes[0] - 1)
    columns = (f"{size:>11,}" for size in sizes)
    print(f"{name:24.24} {bound:<8g}", *columns, f"{turned:>10,} {cost:>+8.1f} %", flush=True)


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--bounds", nargs="+", type=float, default=[1e-2, 1e-3, 1e-4])
    asked = parser.parse_args()
    logging.disable(logging.WARNING)
    print(f"{'field':24} {'range':8}", *(f"{mode:>11}" for mode in MODES), f"{'turned':>10} {'keep/free':>10}")
    with tempfile.TemporaryDirectory() as folder:
        for path in asked.files:
            for name, values in fields_of(path):
                for bound in asked.bounds:
                    measure(name, values, bound, Path(folder))


if __name__ == "__main__":
    main()
