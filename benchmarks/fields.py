"""Compares whole .bal files of fields with the best of SZ3, SPERR, ZFP and quantise+Lorenzo+pcodec/xz at one bound.

Takes the float fields of rank 2 and more of each file, bounds them by a fraction of each one's range, and prints one
line per file and bound: bytes in memory, the .bal file, the sum over variables of the best baseline of each, the factor,
seconds, and whether every restored value was found within its bound. Baselines see missing values filled by the mean,
and their containers are not counted.

    python benchmarks/fields.py FILE [FILE ...] [--bounds 1e-2 1e-3 1e-4] [--variables PATTERN ...] [--integers]
        [--model auto]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from field_baselines import smallest

import baler_core.api.calls as baler
from baler_core.data.block import values_of
from baler_core.data.bounds import usable, value_range
from baler_core.data.variables import Variable
from baler_core.plugin.registry import Registry, load_plugins

BLOCK = 1 << 32
Fields = dict[str, tuple[Variable, np.ndarray]]


def read_fields(path: Path, patterns: list[str] | None, registry: Registry, kinds: str = "f") -> Fields:
    """Variables of rank 2 and more, floats unless said otherwise, with their values."""
    found: Fields = {}
    with registry.reader(registry.reader_for(path))().open(path, patterns) as source:
        for block in source.blocks(BLOCK):
            for name in map(str, block.variables):
                variable, values = source.schema[name], values_of(block, name)
                if values.ndim > 1 and values.dtype.kind in kinds and values.size > 1000:
                    found[name] = (variable, values.astype(values.dtype.newbyteorder("=")))
    return found


def baseline(variable: Variable, values: np.ndarray, fraction: float) -> tuple[str, int]:
    """The best other compressor of one field."""
    good = usable(values, variable.fill)
    if not good.any() or value_range(values, variable.fill).width == 0:
        return "constant", 0
    filled = np.where(good, values, values[good].mean())
    bound = fraction * value_range(values, variable.fill).width
    if values.dtype.kind == "f":
        return smallest(filled.astype(values.dtype), bound)
    # what rounds to an integer within the bound
    return smallest(filled.astype(np.float32), np.floor(bound) + 0.49)


def holds(variable: Variable, original: np.ndarray, restored: np.ndarray, fraction: float) -> bool:
    """Whether every value is within the bound, and what is missing stayed so."""
    good = usable(original, variable.fill)
    if not np.array_equal(original[~good], restored[~good], equal_nan=True):
        return False
    x, y = original[good].astype("f8"), restored[good].astype("f8")
    return bool((np.abs(x - y) <= fraction * (x.max() - x.min())).all()) if x.size else True


def compare(path: Path, fields: Fields, fraction: float, model: str) -> str:
    """One line."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "fields.bal"
        started = time.perf_counter()
        baler.compress(
            path, target, bounds={name: {"range": fraction} for name in fields}, model=model, variables=list(fields)
        )
        encoded = time.perf_counter()
        restored = baler.open(target)
        decoded = time.perf_counter()
        size = target.stat().st_size
        kept = all(holds(v, x, values_of(restored, name), fraction) for name, (v, x) in fields.items())
    best = [baseline(v, x, fraction) for v, x in fields.values()]
    others = sum(number for _, number in best)
    native = sum(x.nbytes for _, x in fields.values())
    return (
        f"{path.name:28.28} {fraction:7.0e} native {native:>9} bal {size:>8} others {others:>8} factor {others / size:6.3f} "
        f"encode {encoded - started:6.1f} s decode {decoded - encoded:5.1f} s "
        f"{'bounds hold' if kept else 'BOUND BROKEN'} ({', '.join(sorted({name for name, _ in best}))})"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--bounds", nargs="+", type=float, default=[1e-2, 1e-3, 1e-4])
    parser.add_argument("--variables", nargs="+")
    parser.add_argument(
        "--integers", action="store_true", help="integer fields in place of floats, as float32 for the others"
    )
    parser.add_argument("--model", default="auto")
    arguments = parser.parse_args()
    registry = load_plugins()
    for path in arguments.files:
        fields = read_fields(path, arguments.variables, registry, "iu" if arguments.integers else "f")
        for fraction in arguments.bounds if fields else ():
            print(compare(path, fields, fraction, arguments.model), flush=True)


if __name__ == "__main__":
    main()
