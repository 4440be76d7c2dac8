"""Bits per value under bounds of k times each value's own error, against one bound for a column and against peers.

    python benchmarks/sigma_bounds.py [DATA_FOLDER] [--only NAME] [--quick]
    python benchmarks/sigma_bounds.py --catalogue FILE

The second form compresses a whole file as `baler init` proposes, and with rel 1e-3 for all that this makes lossy: columns of
several values per row, text and positions count, too.

Every bound is checked value by value on what the file restores, with the errors of the original and the restored ones.
"""

from __future__ import annotations

import argparse
import bz2
import lzma
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
import zstandard

import baler_core
from baler_core.data.block import values_of
from baler_core.data.uncertainties import errors_beside
from baler_core.plugin.registry import load_plugins

SHARES = (0.1, 0.25)
OTHERWISE = 1e-3
ERRORS = 0.05
MODELS: dict[bool, dict[str, str]] = {
    False: {"name": "auto", "effort": "balanced"},
    True: {"name": "table", "effort": "balanced", "network": "off"},
}


@dataclass(frozen=True)
class Table:
    """Columns of one length, and which of them is the error of which."""

    name: str
    columns: Mapping[str, np.ndarray]
    errors: Mapping[str, str]


def tables(folder: Path) -> Iterator[Table]:
    """Yield the tables of the research data that have columns of errors."""
    for name, file, wanted in (
        ("Kepler", "astro/kepler_koi_cumulative.csv", ""),
        ("Fermi", "astro/gll_psc_v16.fit.gz", ""),
        ("Gaia", "astro/gaia_hrd.csv", ""),
        ("TESS light curve", "astro/hlsp_tess-data-alerts_tess_phot_00025155310-s01_tess_v1_lc.fits", ""),
        ("NanoAOD muons", "hep/NanoAODv5_sample.root", "Muon_"),
        ("NanoAOD electrons", "hep/NanoAODv5_sample.root", "Electron_"),
    ):
        path = folder / file
        if path.exists():
            yield from _tables(name, path, wanted)


def _tables(name: str, path: Path, wanted: str) -> Iterator[Table]:
    registry = load_plugins()
    reader = registry.reader(registry.reader_for(path))()
    with reader.open(path) as source:
        blocks = list(source.blocks(1 << 30))
        groups: dict[tuple[str, ...], dict[str, np.ndarray]] = {}
        for variable in source.schema.variables:
            if variable.is_numeric and len(variable.dims) == 1 and variable.name.startswith(wanted):
                found = [values_of(b, variable.name) for b in blocks if variable.name in b.variables]
                groups.setdefault(variable.dims, {})[variable.name] = np.concatenate(found)
    for columns in groups.values():
        pairs = {
            value: beside[0].name
            for value, beside in errors_beside(columns).items()
            if beside[0].measure == "sigma"
            and columns[value].dtype.kind == "f"
            and columns[beside[0].name].dtype.kind == "f"
        }
        usable = {
            v: e
            for v, e in pairs.items()
            if _known(columns[v], columns[e]).sum() > 20 and np.ptp(columns[v][_known(columns[v], columns[e])]) > 0
        }
        if usable:
            yield Table(name, columns, usable)


def _known(values: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """Return which values have an error that counts."""
    with np.errstate(all="ignore"):
        return np.isfinite(values) & np.isfinite(errors) & (np.abs(errors) > 0)


def size(
    columns: Mapping[str, np.ndarray],
    bounds: Mapping[str, Any],
    model: Mapping[str, str],
    check: Callable[[Mapping[str, np.ndarray]], None] | None = None,
) -> int:
    """Return the bytes of the .bal file of a table."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.bal"
        baler_core.compress(dict(columns), path, bounds=dict(bounds), model=model)
        if check is not None:
            check({str(name): values.values for name, values in baler_core.open(path).items()})
        return path.stat().st_size


def checker(table: Table, share: float) -> Callable[[Mapping[str, np.ndarray]], None]:
    """Return what raises if a value lies outside its bound, by the errors of either file."""

    def check(restored: Mapping[str, np.ndarray]) -> None:
        for value, error in table.errors.items():
            x, y = table.columns[value].astype(np.float64), restored[value].astype(np.float64)
            for errors in (table.columns[error], restored[error]):
                known = _known(x, errors)
                if (np.abs(y - x)[known] > share * np.abs(errors.astype(np.float64))[known]).any():
                    raise AssertionError(f"{table.name}: {value} lies outside {share} {error}")
            with np.errstate(invalid="ignore"):
                near = (np.abs(y - x) <= OTHERWISE * np.abs(x)) | (x == y) | (np.isnan(x) & np.isnan(y))
            if not near[~_known(x, table.columns[error])].all():
                raise AssertionError(f"{table.name}: {value} without an error lies outside its other bound")

    return check


def peer_bytes(integers: np.ndarray) -> int:
    """Return what the best of xz, bz2, zstd and pcodec makes of integers."""
    kinds = (np.int8, np.int16, np.int32, np.int64)
    low, high = int(integers.min(initial=0)), int(integers.max(initial=0))
    kind = next(k for k in kinds if np.iinfo(k).min <= low and high <= np.iinfo(k).max)
    raw = integers.astype(kind).tobytes()
    sizes = [
        len(lzma.compress(raw, preset=9 | lzma.PRESET_EXTREME)),
        len(bz2.compress(raw)),
        len(zstandard.compress(raw, 22)),
    ]
    try:
        from pcodec import ChunkConfig, standalone

        wide = integers.astype(kind if kind is not np.int8 else np.int16)
        sizes.append(len(standalone.simple_compress(wide, ChunkConfig(compression_level=12))))
    except ImportError:
        pass
    return min(sizes)


def peers(table: Table, share: float) -> tuple[int, int]:
    """Return bytes of the best peer for one step per column, by the smallest error, and for values divided by their errors.

    Values without an error count nothing, in favour of the peers.
    """
    one = divided = 0
    for value, error in table.errors.items():
        known = _known(table.columns[value], table.columns[error])
        x, e = table.columns[value][known].astype(np.float64), np.abs(table.columns[error][known].astype(np.float64))
        step = 2 * share * e.min()
        codes = np.rint(x / step)
        raw = min(
            len(lzma.compress(table.columns[value][known].tobytes(), preset=9)),
            len(zstandard.compress(table.columns[value][known].tobytes(), 22)),
        )
        one += min(raw, peer_bytes(codes.astype(np.int64))) if np.abs(codes).max(initial=0) < 2**62 else raw
        divided += peer_bytes(np.rint(x / (2 * share * e)).astype(np.int64))
    return one, divided


def measured(table: Table, share: float, model: Mapping[str, str]) -> dict[str, float]:
    """Return bits per value: ours with own errors, ours with one bound per column, peers."""
    others = {name: values for name, values in table.columns.items() if name not in table.errors}
    errors = {error: {"rel": ERRORS} for error in table.errors.values()}
    own = {v: {"abs": f"{share} * `{e}`", "else": {"rel": OTHERWISE}} for v, e in table.errors.items()}
    smallest = {}
    for value, error in table.errors.items():
        known = _known(table.columns[value], table.columns[error])
        smallest[value] = {"abs": share * float(np.abs(table.columns[error][known].astype(np.float64)).min())}
    count = sum(int(_known(table.columns[v], table.columns[e]).sum()) for v, e in table.errors.items())
    base = size(others, errors, model)
    one, divided = peers(table, share)
    found = {
        "own errors": size(table.columns, {**errors, **own}, model, checker(table, share)) - base,
        "one bound": size(table.columns, {**errors, **smallest}, model) - base,
        "peer, one bound": one,
        "peer, divided": divided,
    }
    return {name: 8 * bytes_ / count for name, bytes_ in found.items()}


def whole(table: Table, share: float, model: Mapping[str, str]) -> tuple[int, int]:
    """Return the bytes of the whole table at a share of the errors, these at 0.05, and of all floats at rel 1e-3."""
    floats = [name for name, values in table.columns.items() if values.dtype.kind == "f"]
    plain = {name: {"rel": 1e-3} for name in floats}
    errors = {
        error: {"rel": ERRORS}
        for error in [beside.name for found in errors_beside(table.columns).values() for beside in found]
        if error in floats
    }
    own = {v: {"abs": f"{share} * `{e}`", "else": {"rel": OTHERWISE}} for v, e in table.errors.items()}
    return size(table.columns, {**plain, **errors, **own}, model, checker(table, share)), size(
        table.columns, plain, model
    )


def catalogue(path: Path) -> None:
    """Print the bytes of a file as it is proposed, and with rel 1e-3 in place of every loss that is proposed."""
    with tempfile.TemporaryDirectory() as folder:
        proposed = Path(folder) / "proposed.yaml"
        _baler("init", str(path), "-o", str(proposed))
        stated = yaml.safe_load(proposed.read_text())
        stated |= {"input": str(path.resolve()), "model": MODELS[False]}
        plain = {name: b if b == "lossless" else {"rel": 1e-3} for name, b in stated["bounds"].items()}
        sizes = []
        for name, bounds in (("own", stated["bounds"]), ("plain", plain)):
            config = Path(folder) / f"{name}.yaml"
            config.write_text(yaml.safe_dump({**stated, "bounds": bounds}, sort_keys=False))
            packed = config.with_suffix(".bal")
            _baler("compress", str(config), "-o", str(packed))
            sizes.append(packed.stat().st_size)
    print(f"{path.name}: {sizes[0]} B as proposed, {sizes[1]} B at rel 1e-3: {sizes[1] / sizes[0]:.3f} times smaller")


def _baler(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "baler_core", *arguments], check=True, capture_output=True)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line per table and share."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", default="shared/data", type=Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--whole", action="store_true", help="whole tables only")
    parser.add_argument("--quick", action="store_true", help="by the model table without networks, in minutes")
    parser.add_argument("--catalogue", type=Path, help="a whole file, as it is proposed")
    options = parser.parse_args(arguments)
    if options.catalogue:
        catalogue(options.catalogue)
        return
    model = MODELS[options.quick]
    logs: dict[float, list[tuple[int, dict[str, float]]]] = {share: [] for share in SHARES}
    for table in tables(options.folder):
        if options.only not in table.name:
            continue
        print(
            f"{table.name}: {len(table.errors)} of {len(table.columns)} columns, {len(next(iter(table.columns.values())))} rows",
            flush=True,
        )
        for share in () if options.whole else SHARES:
            found = measured(table, share, model)
            logs[share].append((len(table.errors), found))
            print(
                f"  {share}: " + ", ".join(f"{name} {bits:.2f}" for name, bits in found.items()),
                _factors(found),
                flush=True,
            )
        for share in SHARES:
            ours, plain = whole(table, share, model)
            print(
                f"  whole table at {share}: {ours} B, at rel 1e-3 {plain} B: {plain / ours:.3f} times smaller",
                flush=True,
            )
    for share, rows in logs.items():
        if rows:
            columns = sum(count for count, _ in rows)
            mean = {name: math.fsum(count * one[name] for count, one in rows) / columns for name in rows[0][1]}
            bits = ", ".join(f"{name} {value:.2f}" for name, value in mean.items())
            print(f"mean of {columns} columns at {share}: {bits}", _factors(mean))


def _factors(found: Mapping[str, float]) -> str:
    own = found["own errors"]
    return "| factors " + ", ".join(f"{found[name] / own:.2f}" for name in found if name != "own errors")


if __name__ == "__main__":
    main()
