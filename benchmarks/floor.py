"""Compares whole .bal files with xz, zstd and gzip of the same values, column after column, at several bounds.

Prints one line per file and bound: native bytes, the three general compressors at their strongest, the .bal file, and
whether every restored value was found within its bound by a check that uses nothing of the compressor's.

    python benchmarks/floor.py FILE [FILE ...] [--bounds lossless rel:1e-3 range:1e-4] [--model auto]
"""

from __future__ import annotations

import argparse
import gzip
import lzma
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import zstandard

from baler_core.api.calls import compress
from baler_core.data.block import values_of
from baler_core.data.error_bound import ErrorBound
from baler_core.data.variables import Schema, Variable
from baler_core.pipeline.decode import BalFile
from baler_core.plugin.reading import Source
from baler_core.plugin.registry import Registry, load_plugins

BLOCK = 64 << 20


def columns(source: Source) -> dict[str, np.ndarray]:
    """All values of a file by variable."""
    parts: dict[str, list[np.ndarray]] = {}
    for block in source.blocks(BLOCK):
        for name in map(str, block.variables):
            parts.setdefault(name, []).append(values_of(block, name))
    return {name: np.concatenate(p) if p[0].ndim else p[0] for name, p in parts.items()}


def native_bytes(values: dict[str, np.ndarray]) -> bytes:
    """Values column after column as they lie in memory; text joined by newlines."""

    def raw(array: np.ndarray) -> bytes:
        if array.dtype.kind != "O":
            return np.ascontiguousarray(array).tobytes()
        return b"\n".join(c.encode("utf-8", "surrogatepass") if isinstance(c, str) else c for c in array.ravel())

    return b"".join(raw(array) for array in values.values())


def general_sizes(raw: bytes) -> dict[str, int]:
    """Bytes by the general compressors."""
    return {
        "xz": len(lzma.compress(raw, preset=9)),
        "zstd": len(zstandard.compress(raw, 19)),
        "gzip": len(gzip.compress(raw, 9)),
    }


def holds(original: dict[str, np.ndarray], restored: dict[str, np.ndarray], bound: ErrorBound, schema: Schema) -> bool:
    """Whether every float, packed ones in physical units, is within the bound and everything else exactly as it was."""
    return all(
        _column_holds(*(_physical(values[name], schema[name]) for values in (original, restored)), bound)
        for name in original
    )


def _physical(values: np.ndarray, variable: Variable) -> np.ndarray:
    """A packed variable's values as float64, fill values as NaN; any other as it is."""
    if (variable.scale, variable.offset) == (1.0, 0.0):
        return values
    return np.where(np.isin(values, variable.fill), np.nan, values * variable.scale + variable.offset)


def _column_holds(x: np.ndarray, y: np.ndarray, bound: ErrorBound) -> bool:
    if x.dtype.kind != "f" or bound.kind == "lossless":
        return bool((x == y).all()) if x.dtype.kind in "Ob" else x.tobytes() == y.tobytes()
    finite = np.isfinite(x)
    if not np.array_equal(x[~finite], y[~finite], equal_nan=True):
        return False
    a, b = x[finite].astype(np.float64), y[finite].astype(np.float64)
    allowed: np.ndarray | float = bound.value
    if bound.kind == "rel":
        allowed = bound.value * np.abs(a)
    if bound.kind == "range":
        allowed = bound.value * float(np.ptp(a)) if a.size else 0.0
    return bool((np.abs(a - b) <= allowed).all())


def restored_columns(path: Path, registry: Registry) -> dict[str, np.ndarray]:
    """All values of a .bal file by variable."""
    parts: dict[str, list[np.ndarray]] = {}
    with BalFile(path, registry) as stored:
        for block in stored.blocks():
            for name in map(str, block.variables):
                parts.setdefault(name, []).append(values_of(block, name))
    return {name: np.concatenate(p) if p[0].ndim else p[0] for name, p in parts.items()}


def stated(bound: ErrorBound, schema: Schema) -> dict[str, object]:
    """The bound for every real number by its full name, coordinates excepted: a wildcard would leave more of them exact."""
    named = [
        v.name
        for v in schema.variables
        if v.is_numeric and (v.numpy_dtype.kind == "f" or v.is_packed) and v.name not in v.dims
    ]
    lossy = {} if bound.kind == "lossless" else {name: {bound.kind: bound.value} for name in named}
    return {**lossy, "*": "lossless"}


def compare(path: Path, bounds: list[ErrorBound], model: str, registry: Registry) -> Iterator[str]:
    """One line per bound."""
    with registry.reader(registry.reader_for(path))().open(path) as source:
        values, schema = columns(source), source.schema
    raw = native_bytes(values)
    sizes = general_sizes(raw)
    best = min(sizes.values())
    for bound in bounds:
        with tempfile.TemporaryDirectory() as folder:
            target = Path(folder) / "file.bal"
            compress(path, target, bounds=stated(bound, schema), model=model)
            ours = target.stat().st_size
            kept = holds(values, restored_columns(target, registry), bound, schema)
        general = " ".join(f"{name} {size:>9}" for name, size in sizes.items())
        yield (
            f"{path.name:45.45} {bound!s:12} native {len(raw):>9} {general} bal {ours:>9} "
            f"best/bal {best / ours:6.3f} {'bounds hold' if kept else 'BOUND BROKEN'}{'' if ours <= best else ' LARGER'}"
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--bounds", nargs="+", default=["lossless", "rel:1e-4", "rel:1e-2"])
    parser.add_argument("--model", default="auto")
    arguments = parser.parse_args()
    registry = load_plugins()
    bounds = [
        ErrorBound(*((kind, float(value)) if value else (kind,)))
        for kind, _, value in (b.partition(":") for b in arguments.bounds)
    ]
    for path in arguments.files:
        try:
            for line in compare(path, bounds, arguments.model, registry):
                print(line, flush=True)
        except Exception as error:
            print(f"{path.name:45.45} failed: {type(error).__name__}: {error}", flush=True)


if __name__ == "__main__":
    main()
