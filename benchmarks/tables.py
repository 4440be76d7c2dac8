"""Compares whole .bal files of tables with the best of other compressors at the same bound.

For each table and bound one line: rows and columns, native bytes, the best baseline (the sum over columns of the best of
all baselines for that column, or all columns in one stream), bytes of the .bal file, the factor between them, the bar
for it, and whether every restored value was within its bound by a check that uses nothing of the compressor's.

    python benchmarks/tables.py [--data FOLDER] [--bounds 1e-3 1e-2 lossless] [--model auto] [--effort max] [NAME ...]

Without SZ3 (pip install pysz) its three algorithms are left out of the baselines.
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from table_baselines import best

from baler_core.api import calls as api
from baler_core.data.block import values_of
from baler_core.plugin.registry import load_plugins


@dataclass(frozen=True)
class Table:
    """One benchmark table.

    Attributes
    ----------
    file
        Below the data folder.
    variables
        Patterns; only 1-D numeric variables count.
    bars
        `{bound: factor over the best baseline, or most bytes}` to reach.
    options
        Of the reader.
    """

    file: str
    variables: tuple[str, ...] = ("*",)
    bars: tuple[tuple[str, float], ...] = ()
    options: tuple[tuple[str, object], ...] = ()


TABLES = {
    "jets": Table("hep/jets_pythia24.root", bars=(("1e-3", 600_000), ("1e-2", 455_000))),
    "nanoaod": Table("hep/NanoAODv5_sample.root", ("Jet_*", "nJet"), (("1e-3", 1.2),), (("tree", "Events"),)),
    "genpart": Table("hep/NanoAODv5_sample.root", ("GenPart_*", "nGenPart"), (), (("tree", "Events"),)),
    "kepler": Table("astro/kepler_koi_cumulative.csv", bars=(("1e-3", 1.35),)),
    "hyg": Table("astro/hyg_stars.csv", bars=(("1e-3", 1.25),)),
    "gaia": Table("astro/gaia_hrd.csv", bars=(("1e-3", 1.2),)),
    "htru2": Table("astro/htru2_pulsars.csv", bars=(("1e-3", 1.2),)),
    "hyp3": Table("hep/alice_hyp3o2_issue85.root", bars=(("1e-3", 1.2),)),
    "magic": Table("astro/magic04.csv"),
    "zee": Table("hep/cms_zee_run2011a.csv"),
    "mlhep": Table("hep/mlhep_higgs_10000.root"),
    "fermi": Table("astro/gll_psc_v16.fit.gz", ("LAT_*",)),
    "tess": Table("astro/hlsp_tess-data-alerts_tess_phot_00025155310-s01_tess_v1_lc.fits", ("LIGHTCURVE/*",)),
    "zmumu": Table("hep/uproot-Zmumu.root"),
    "hepdata": Table("hep/uproot-hepdata-example.root"),
    "merit": Table("hep/glast_merit_mcgen.root", (), (), (("tree", "MeritTuple"),)),
    "jet15": Table("hep/nanoAOD_2015_CMS_Open_Data_ttbar.root", ("Jet_*",)),
    "muon15": Table("hep/nanoAOD_2015_CMS_Open_Data_ttbar.root", ("Muon_*", "Electron_*")),
    "gen15": Table("hep/nanoAOD_2015_CMS_Open_Data_ttbar.root", ("GenPart_*",)),
    "jet12": Table("hep/nano_tt_v12.root", ("Jet_*", "FatJet_*")),
    "muon12": Table("hep/nano_tt_v12.root", ("Muon_*", "Electron_*")),
    "gen12": Table("hep/nano_tt_v12.root", ("GenPart_*",)),
    "genjet12": Table("hep/nano_tt_v12.root", ("GenJet*",)),
    "dimuon": Table("hep/nano_dimuon.root", ("Jet_*", "FatJet_*", "Tau_*", "TrigObj_*")),
    "hzz": Table("hep/uproot-HZZ.root"),
    "double32": Table("hep/uproot-demo-double32.root"),
}


def numeric_columns(path: Path, table: Table) -> dict[str, np.ndarray]:
    """The table's 1-D numeric variables."""
    registry = load_plugins()
    reader = registry.reader(registry.reader_for(path))
    patterns = list(table.variables) if table.variables != ("*",) and table.variables else None
    columns: dict[str, list[np.ndarray]] = {}
    with reader(reader.Options(**dict(table.options))).open(path, patterns) as source:
        wanted = [v.name for v in source.schema.variables if v.is_numeric and len(v.dims) == 1]
        for block in source.blocks(256 << 20):
            for name in wanted:
                if name in block.variables:
                    columns.setdefault(name, []).append(values_of(block, name))
    return {name: np.concatenate(parts) for name, parts in columns.items()}


def holds(original: np.ndarray, restored: np.ndarray, relative: float | None) -> bool:
    """Whether every value is within the bound, or exactly the same where there is none."""
    if original.dtype.kind != "f" or relative is None:
        return original.tobytes() == restored.tobytes()
    finite = np.isfinite(original)
    x, y = original[finite].astype(np.float64), restored[finite].astype(np.float64)
    same = np.array_equal(original[~finite], restored[~finite], equal_nan=True)
    return same and bool((np.abs(x - y) <= relative * np.abs(x)).all())


def run(name: str, table: Table, bound: str, data: Path, model: dict[str, object]) -> float | None:
    """Print one line; returns the factor."""
    path = data / table.file
    columns = numeric_columns(path, table)
    relative = None if bound == "lossless" else float(bound)
    baseline = best(columns, relative)
    stated = "lossless" if relative is None else {"rel": relative}
    kinds = {v: stated if columns[v].dtype.kind == "f" else "lossless" for v in columns}
    reader = {"name": load_plugins().reader_for(path), **dict(table.options)}
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "table.bal"
        start = time.perf_counter()
        done = api.compress(path, target, bounds=kinds, model=model, reader=reader, variables=list(columns))
        packed = time.perf_counter() - start
        restored = api.open(target)
        unpacked = time.perf_counter() - start - packed
    right = all(holds(values, values_of(restored, v), relative) for v, values in columns.items())
    native = sum(values.nbytes for values in columns.values())
    factor = baseline / done.file_bytes
    print(
        f"{name:9s} {bound:8s} {max(map(len, columns.values())):7d} x {len(columns):4d} {native:9d} "
        f"baseline {baseline:8d} bal {done.file_bytes:8d} factor {factor:5.3f} {_verdict(table, bound, done.file_bytes, factor)} "
        f"{'bound holds' if right else 'BOUND BROKEN'} {packed:5.1f} s + {unpacked:4.1f} s",
        flush=True,
    )
    return factor


def _verdict(table: Table, bound: str, file_bytes: int, factor: float) -> str:
    bars = dict(table.bars)
    if bound not in bars:
        return " " * 14
    met = file_bytes <= bars[bound] if bars[bound] > 100 else factor >= bars[bound]
    return f"{bars[bound]:8g} {'met  ' if met else 'missed'}"


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"any of {', '.join(TABLES)}; default all")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("BALER_SHARED_DATA", "../shared/data")))
    parser.add_argument("--bounds", nargs="+", default=["1e-3"])
    parser.add_argument("--model", default="auto")
    parser.add_argument("--effort")
    given = parser.parse_args()
    model: dict[str, object] = {"name": given.model} | ({"effort": given.effort} if given.effort else {})
    for bound in given.bounds:
        factors = {}
        for name in given.names or TABLES:
            factor = run(name, TABLES[name], bound, given.data, model)
            if factor is not None:
                factors[name] = factor
        named = [factor for name, factor in factors.items() if TABLES[name].bars]
        if named:
            print(f"geometric mean over {len(named)} named tables: {math.prod(named) ** (1 / len(named)):.3f}")


if __name__ == "__main__":
    main()
