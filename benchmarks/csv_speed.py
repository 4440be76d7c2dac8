"""Speed of the reader of text tables: megabytes of text per second of processor time, parsed with every cell's spelling checked.

Makes a table of so many rows and seven mixed columns (event numbers, charges, fixed and shortest decimals, scientific
notation, flags), and opens it as `compress` does: types found, each cell read and compared with what would be written of
it, values in memory. With `--files`, of those.

    python benchmarks/csv_speed.py [--rows 500000]
    python benchmarks/csv_speed.py --files FILE [FILE ...]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from baler_core.builtin.readers.csv.files import CsvReader
from baler_core.builtin.readers.csv.options import CsvOptions


def write(path: Path, rows: int) -> None:
    """Write the table, 100,000 rows at a time."""
    rng = np.random.default_rng(1)
    with path.open("w") as file:
        file.write("event,charge,pt,eta,phi,energy,good\n")
        for first in range(0, rows, 100_000):
            n = min(100_000, rows - first)
            columns = (
                map(str, range(first, first + n)),
                map(str, (2 * rng.integers(0, 2, n) - 1).tolist()),
                map("{:.3f}".format, rng.exponential(40, n).tolist()),
                map("{:.5f}".format, rng.normal(0, 2, n).tolist()),
                map(repr, np.round(rng.uniform(-np.pi, np.pi, n), 6).tolist()),
                map("{:.6e}".format, rng.exponential(80, n).tolist()),
                map(str, rng.integers(0, 2, n).tolist()),
            )
            file.writelines(",".join(cells) + "\n" for cells in zip(*columns, strict=True))


def measure(path: Path) -> None:
    """Print one line: speed of opening a table, and the types found."""
    started = time.process_time()
    with CsvReader(CsvOptions()).open(path) as source:
        blocks = list(source.blocks(1 << 30))
    seconds, size = time.process_time() - started, path.stat().st_size
    types = " ".join(variable.dtype for variable in source.schema.variables)
    print(f"{path.name:24} {size:>11} B  {size / 1e6 / seconds:7.1f} MB/s  {len(blocks)} blocks  {types}")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", nargs="+", type=Path, default=[])
    parser.add_argument("--rows", type=int, default=500_000)
    given = parser.parse_args()
    for path in given.files:
        measure(path)
    if not given.files:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "table.csv"
            write(path, given.rows)
            measure(path)


if __name__ == "__main__":
    main()
