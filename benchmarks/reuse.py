"""What a model trained on one part of the data saves on another, against learning anew, all bytes counted.

Each case is split in halves: fields along the leading axis, tables by alternating pieces of 64 rows. A model is trained
on the first half, and the second one (or a small part of it) is compressed with a model learned anew (fresh), with the
trained one inside, and with the trained one by reference. Prints bytes and
seconds of each, the bytes of the model file apart, and whether every restored value was within its bound by a check that
uses nothing of the compressor's.

    python benchmarks/reuse.py [--data FOLDER] [--bound 1e-3] [--model auto] [--rows 300] [NAME ...]

Bounds are relative to each value for tables, and to the range of the whole field for fields.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from baler_core.api import calls as api
from baler_core.data.block import values_of
from baler_core.plugin.registry import load_plugins

_PIECE = 64
Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Case:
    """Data of one kind in two parts.

    Attributes
    ----------
    file
        Below the data folder.
    variables
        Patterns.
    options
        Of the reader.
    fields
        Whether it holds fields or tables.
    collections
        Of events: trained on every second event, of the others those up to `--events` are compressed.
    members
        The leading axis holds members of an ensemble: the first is trained on, the second compressed.
    """

    file: str
    variables: tuple[str, ...] = ()
    options: tuple[tuple[str, object], ...] = ()
    fields: bool = False
    members: bool = False
    collections: tuple[str, ...] = ()


CASES = {
    "jets": Case("hep/jets_pythia24.root"),
    "nanoaod": Case("hep/NanoAODv5_sample.root", ("Jet_*",), (("tree", "Events"),)),
    "jets of events": Case("hep/NanoAODv5_sample.root", collections=("Jet",)),
    "leptons of events": Case("hep/NanoAODv5_sample.root", collections=("Muon", "Electron")),
    "particles of events": Case("hep/NanoAODv5_sample.root", collections=("GenPart",)),
    "jets of few events": Case("hep/nano_tt_v12.root", collections=("Jet",)),
    "kepler": Case("astro/kepler_koi_cumulative.csv"),
    "gaia": Case("astro/gaia_hrd.csv"),
    "htru2": Case("astro/htru2_pulsars.csv"),
    "cfd": Case("cfd/CFD_animation.npz", fields=True),
    "wake": Case("cfd/cylinder_wake.h5", ("u", "v", "p"), fields=True),
    "a1b": Case("cfd/A1B_north_america.nc", ("air_temperature",), fields=True),
    "era5": Case("cfd/era5_t2m_uk_hourly.nc", ("t2m",), fields=True),
    "ccsm": Case("cfd/ccsm_trefht_ens.nc", ("TREFHT",), fields=True, members=True),
    "turb": Case("cfd/turb2d.h5", ("vorticity",), fields=True),
}


def read(path: Path, case: Case) -> dict[str, np.ndarray]:
    """Numeric variables: 1-D for tables, of rank 2 and more for fields."""
    registry = load_plugins()
    reader = registry.reader(registry.reader_for(path))
    parts: dict[str, list[np.ndarray]] = {}
    with reader(reader.Options(**dict(case.options))).open(path, case.variables or None) as source:
        wanted = [v.name for v in source.schema.variables if v.is_numeric and (len(v.dims) > 1) == case.fields]
        for block in source.blocks(1 << 30):
            for name in (n for n in wanted if n in block.variables):
                parts.setdefault(name, []).append(values_of(block, name))
    return {name: np.concatenate(pieces) for name, pieces in parts.items()}


def split(arrays: Arrays, case: Case, small: int) -> tuple[Arrays, dict[str, Arrays]]:
    """What is trained on, and what is compressed."""
    if case.members:
        return {n: a[0] for n, a in arrays.items()}, {"second member": {n: a[1] for n, a in arrays.items()}}
    if case.fields:
        length = min(map(len, arrays.values()))
        first = {n: a[: length // 2] for n, a in arrays.items()}
        return first, {"second half": {n: a[length // 2 : length] for n, a in arrays.items()}}
    rows = statistics.mode(map(len, arrays.values()))
    columns = {n: a for n, a in arrays.items() if len(a) == rows}
    odd = (np.arange(rows) // _PIECE) % 2 == 1
    second = {n: a[odd] for n, a in columns.items()}
    parts = {"second half": second, f"{small} rows": {n: a[:small] for n, a in second.items()}}
    return {n: a[~odd] for n, a in columns.items()}, parts


def bounds_for(arrays: Arrays, case: Case, bound: float) -> dict[str, object]:
    """As `api.compress` takes them, the same for all parts."""
    floats = {n: a for n, a in arrays.items() if a.dtype.kind == "f"}
    stated: dict[str, object] = {n: {"rel": bound} for n in floats}
    if case.fields:
        stated = {n: {"abs": bound * float(np.nanmax(a) - np.nanmin(a))} for n, a in floats.items()}
    return {**stated, "*": "lossless"}


def holds(arrays: Arrays, path: Path, trained: Path, bounds: Mapping[str, object]) -> bool:
    """Whether every restored value is within its bound."""
    restored = api.open(path, trained=trained)
    for name, values in arrays.items():
        found, stated = values_of(restored, name), bounds.get(name)
        if not isinstance(stated, dict):
            if found.tobytes() != values.tobytes():
                return False
            continue
        finite = np.isfinite(values)
        x, y = values[finite].astype(np.float64), found[finite].astype(np.float64)
        allowed = stated["abs"] if "abs" in stated else stated["rel"] * np.abs(x)
        if not (np.abs(x - y) <= allowed).all() or not np.array_equal(values[~finite], found[~finite], equal_nan=True):
            return False
    return True


def timed(action: Callable[[], object]) -> float:
    """Seconds that an action takes."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def run_collections(name: str, data: Path, bound: float, model: str, events: int) -> None:
    """Print the lines of a case of collections of events, their branches in another order than in training."""
    import awkward as ak
    import uproot

    case = CASES[name]
    with uproot.open(data / case.file) as file:
        tree = file["Events"]
        names = [k for k in list(tree.keys()) if any(k.startswith(f"{c}_") or k == f"n{c}" for c in case.collections)]
        arrays = tree.arrays(names)
    bounds: dict[str, object] = {n: {"rel": bound} for n in names if "float" in str(arrays[n].type)}
    part = arrays[1::2][:events]
    part = ak.zip({n: part[n] for n in reversed(names)}, depth_limit=1)
    rows = ", ".join(f"{int(ak.sum(part[f'n{c}']))} {c}" for c in case.collections)
    with tempfile.TemporaryDirectory() as folder:
        trained = Path(folder) / "model.balm"
        api.train(arrays[::2], trained, bounds=bounds, model=model)
        line = f"{name} {bound:g}: {rows}, model file {trained.stat().st_size} B"
        for storage in ("fresh", "inside", "reference"):
            path = Path(folder) / f"{storage}.bal"
            given = {} if storage == "fresh" else {"trained": trained, "model_storage": storage}
            seconds = timed(lambda p=path, g=given: api.compress(part, p, bounds=bounds, model=model, **g))  # type: ignore[misc]
            line += f"  {storage} {path.stat().st_size:8d} B {seconds:5.1f} s"
        print(line, flush=True)


def run(name: str, data: Path, bound: float, model: str, small: int) -> None:
    """Print the lines of one case."""
    case = CASES[name]
    arrays = read(data / case.file, case)
    bounds = bounds_for(arrays, case, bound)
    first, others = split(arrays, case, small)
    with tempfile.TemporaryDirectory() as folder:
        trained = Path(folder) / "model.balm"
        seconds = timed(lambda: api.train(first, trained, bounds=bounds, model=model))
        print(f"{name} {bound:g}: model file {trained.stat().st_size} B, trained in {seconds:.1f} s", flush=True)
        for what, part in others.items():
            line = f"  {what:13s} {sum(a.nbytes for a in part.values()):9d} B"
            for storage in ("fresh", "inside", "reference"):
                path = Path(folder) / f"{storage}.bal"
                given = {} if storage == "fresh" else {"trained": trained, "model_storage": storage}
                seconds = timed(
                    lambda p=path, g=given, d=part: api.compress(d, p, bounds=bounds, model=model, **g)  # type: ignore[misc]
                )
                right = "" if holds(part, path, trained, bounds) else " BOUND BROKEN"
                line += f"  {storage} {path.stat().st_size:8d} B {seconds:5.1f} s{right}"
            print(line, flush=True)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"any of {', '.join(CASES)}; default all")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("BALER_SHARED_DATA", "../shared/data")))
    parser.add_argument("--bound", type=float, default=1e-3)
    parser.add_argument("--model", default="auto")
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--events", type=int, default=40)
    given = parser.parse_args()
    for name in given.names or CASES:
        if CASES[name].collections:
            run_collections(name, given.data, given.bound, given.model, given.events)
        else:
            run(name, given.data, given.bound, given.model, given.rows)


if __name__ == "__main__":
    main()
