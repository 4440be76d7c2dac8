"""Speed of the table model at each effort beside xz and pcodec: native megabytes per second of processor time, and bytes.

Takes the numeric variables of a table's largest group, bounds its floats, trains once, and prints one line per effort and
compressor: training on two cores (wall seconds), encoding without training, decoding. Processor time counts all threads,
so that figures are per core whatever the machine does besides. The others code each column's native bytes losslessly.

    python benchmarks/table_speed.py [--data FOLDER] [--bound 1e-3] [NAME ...]
"""

from __future__ import annotations

import argparse
import lzma
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from pcodec import ChunkConfig, standalone
from tables import TABLES, Table, holds, numeric_columns

from baler_core import Tolerance
from baler_core.builtin.models.table.model import TableModel
from baler_core.builtin.models.table.options import TableOptions
from baler_core.data.block import make_block, values_of
from baler_core.data.variables import Layout, Variable
from baler_core.plugin.interfaces import Hints, Training
from baler_core.plugin.registry import load_plugins

Result = TypeVar("Result")


def clocked(function: Callable[[], Result]) -> tuple[Result, float]:
    """What a call returns, and its seconds of processor time on all cores together; the better of two calls."""
    best = np.inf
    for _ in range(2):
        started = time.process_time()
        result = function()
        best = min(best, time.process_time() - started)
    return result, best


def largest_group(path: Path, table: Table) -> dict[str, np.ndarray]:
    """The columns of the length that most have."""
    columns = numeric_columns(path, table)
    lengths = [len(values) for values in columns.values()]
    rows = max(set(lengths), key=lengths.count)
    return {name: values for name, values in columns.items() if len(values) == rows}


def run_model(columns: dict[str, np.ndarray], relative: float, effort: str) -> None:
    """Print one line for one effort."""
    rows = len(next(iter(columns.values())))
    layout = Layout("table", tuple(Variable(n, v.dtype.str, ("row",)) for n, v in columns.items()), {"row": rows})
    tolerances = {
        n: Tolerance("rel", relative) if v.dtype.kind == "f" else Tolerance("exact") for n, v in columns.items()
    }
    block = make_block({name: (("row",), values) for name, values in columns.items()})
    model = TableModel(TableOptions.model_validate({"effort": effort}))
    hints = Hints(formulas=load_plugins().formulas(list(columns)))
    started = time.perf_counter()
    model.fit([block], layout=layout, tolerances=tolerances, training=Training(), hints=hints)
    training = time.perf_counter() - started
    streams, encode = clocked(lambda: model.encode(block, layout, tolerances, hints=hints))
    restored, decode = clocked(lambda: model.decode(streams, layout, tolerances))
    right = all(holds(values, values_of(restored, name), relative) for name, values in columns.items())
    size = sum(map(len, streams.values())) + sum(array.nbytes for array in model.state().values())
    print(line(effort, columns.values(), size, encode, decode), f"training {training:5.1f} s", flush=True)
    if not right:
        print("BOUND BROKEN")


def run_lossless(columns: dict[str, np.ndarray]) -> None:
    """Print one line for each lossless compressor."""
    raw = [np.ascontiguousarray(values) for values in columns.values()]
    packed, encode = clocked(lambda: [lzma.compress(v.tobytes(), preset=9) for v in raw])
    _, decode = clocked(lambda: [lzma.decompress(p) for p in packed])
    print(line("xz -9", raw, sum(map(len, packed)), encode, decode), flush=True)
    wide = [v if v.dtype.itemsize > 2 else v.astype(np.int32) for v in raw]
    chunks, encode = clocked(lambda: [standalone.simple_compress(v, ChunkConfig()) for v in wide])
    _, decode = clocked(lambda: [standalone.simple_decompress(c) for c in chunks])
    print(line("pcodec", raw, sum(map(len, chunks)), encode, decode), flush=True)


def line(title: str, columns: Sequence[np.ndarray], size: int, encode: float, decode: float) -> str:
    """Bytes and speeds."""
    native = sum(values.nbytes for values in columns)
    return f"{title:9s} {size:9d} B  encode {native / 1e6 / encode:7.1f} MB/s  decode {native / 1e6 / decode:7.1f} MB/s"


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=["jets"], help=f"any of {', '.join(TABLES)}")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("BALER_SHARED_DATA", "../shared/data")))
    parser.add_argument("--bound", type=float, default=1e-3)
    given = parser.parse_args()
    for name in given.names:
        columns = largest_group(given.data / TABLES[name].file, TABLES[name])
        rows, native = len(next(iter(columns.values()))), sum(v.nbytes for v in columns.values())
        print(f"{name}: {rows} x {len(columns)}, {native} native bytes, floats within rel {given.bound:g}")
        for effort in ("fast", "balanced", "max"):
            run_model(columns, given.bound, effort)
        run_lossless(columns)


if __name__ == "__main__":
    main()
