"""Names of NanoAOD and of HATS catalogues tell which columns may lose digits: what `baler init` proposes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from astropy.table import Column, Table

import baler_core
from baler_core.cli import main
from baler_parquet.reader import ParquetReader

from .arrow_tables import assert_same_files


def catalogue(rows: int = 500) -> pa.Table:
    """A part of a HATS catalogue, as LSDB writes it."""
    draw = np.random.default_rng(3)
    ra, dec = draw.uniform(40, 41, rows), draw.uniform(-6, -5, rows)
    mag = draw.normal(21, 1.3, rows)
    error = (0.01 * np.exp(0.5 * (mag - 21))).astype("f4")
    missing = draw.random(rows) < 0.1
    index = np.sort(draw.integers(0, 2**60, rows))
    epochs = [int(n) for n in draw.integers(0, 5, rows)]
    return pa.table(
        {
            "_healpix_29": pa.array(index, pa.int64()),
            "objectId": pa.array(draw.integers(0, 2**62, rows)),
            "ra": ra,
            "dec": dec,
            "mag_g": pa.array(mag.astype("f4"), mask=missing),
            "mag_g_err": pa.array(error, mask=missing),
            "band": pa.array(["g", "r"] * (rows // 2)).dictionary_encode(),
            "lightcurve": pa.array([[{"mjd": 60_000.5 + k, "flux": float(k)} for k in range(n)] for n in epochs]),
            "Norder": pa.array([3] * rows, pa.uint8()),
            "Npix": pa.array([270] * rows, pa.uint64()),
        }
    )


def test_a_catalogue_is_proposed_losses_in_what_was_measured_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pq.write_table(catalogue(), "part0.snappy.parquet", row_group_size=200)
    with pytest.raises(SystemExit) as ended:
        main(["init", "part0.snappy.parquet"])
    assert not ended.value.code
    proposed = yaml.safe_load(next(tmp_path.glob("*.yaml")).read_text())["bounds"]
    assert proposed["mag_g"] == {"abs": "0.1 * mag_g_err"}
    lossy = {name for name, bound in proposed.items() if bound != "lossless"}
    assert not lossy & {"_healpix_29", "objectId", "ra", "dec", "band", "Norder", "Npix", "lightcurve.mjd"}
    baler_core.compress("part0.snappy.parquet", "x.bal", bounds=proposed, model="scalar")
    baler_core.decompress("x.bal", "y.parquet")
    before, after = pq.read_table("part0.snappy.parquet"), pq.read_table("y.parquet")
    for name in before.schema.names:
        if name not in ("mag_g", "mag_g_err", "lightcurve"):
            assert before[name].equals(after[name]), name
    gap = np.abs(before["mag_g"].to_numpy() - after["mag_g"].to_numpy())
    assert (gap <= 0.1 * before["mag_g_err"].to_numpy() * (1 + 1e-6))[~np.isnan(gap)].all()
    baler_core.compress("part0.snappy.parquet", "x.bal", bounds="lossless", model="scalar")
    baler_core.decompress("x.bal", "y.parquet", overwrite=True)
    assert_same_files(Path("part0.snappy.parquet"), Path("y.parquet"))


def test_tables_of_astropy_keep_units_and_tell_them(tmp_path: Path) -> None:
    before = Table({"ra": Column([1.0, 2, 3], unit="deg", description="right"), "f": Column([5.0, 6, 7], unit="Jy")})
    before.meta["survey"] = "x"
    before.write(tmp_path / "a.parquet")
    with ParquetReader().open(tmp_path / "a.parquet") as source:
        assert (source.schema["ra"].units, source.schema["ra"].label) == ("deg", "right")
        assert source.schema["f"].units == "Jy"
    baler_core.compress(tmp_path / "a.parquet", tmp_path / "x.bal", bounds={"f": {"abs": 0.1}}, model="scalar")
    baler_core.decompress(tmp_path / "x.bal", tmp_path / "y.parquet")
    after = Table.read(tmp_path / "y.parquet")
    assert after.meta == before.meta
    assert [str(after[name].unit) for name in after.colnames] == ["deg", "Jy"]
    assert (after["ra"] == before["ra"]).all()
    assert np.abs(after["f"] - before["f"]).max() <= 0.1


def test_names_of_events_tell_their_roles(tmp_path: Path) -> None:
    columns = {
        "run": [1], "nJet": [1], "HLT_IsoMu24": [True], "PV_npvs": [3], "genWeight": [0.5],
        "Jet_pt": [[3.0]], "Jet_puId": [[1]], "Muon_jetIdx": [[0]], "GenPart_pdgId": [[11]], "Muon_charge": [[-1]],
    }  # fmt: skip
    pq.write_table(pa.table(columns), tmp_path / "a.parquet")
    with ParquetReader().open(tmp_path / "a.parquet") as source:
        roles = {v.name: v.role for v in source.schema.variables}
    assert roles["run"] == roles["Muon_jetIdx"] == roles["GenPart_pdgId"] == "identifier"
    assert roles["nJet"] == roles["PV_npvs"] == "count"
    assert roles["HLT_IsoMu24"] == roles["Jet_puId"] == roles["Muon_charge"] == "flag"
    assert roles["genWeight"] == "weight"
    assert roles["Jet_pt"] == ""
