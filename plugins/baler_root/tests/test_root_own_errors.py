"""Bounds in units of own errors, checked by uproot on branches of collections."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

import baler_core
from baler_core import ConfigError


@pytest.fixture
def events(tmp_path: Path) -> Path:
    rng = np.random.default_rng(2)
    counts = rng.integers(0, 4, 1500)
    error = np.exp(rng.normal(-5, 1, counts.sum())).astype("f4")
    error[:9] = 0
    muons = {
        "dxy": rng.normal(0, 0.01, counts.sum()).astype("f4"),
        "dxyErr": error,
        "dz": rng.normal(0, 0.02, counts.sum()).astype("f4"),
        "dzErr": 2 * error,
    }
    jagged = ak.zip({name: ak.unflatten(values, counts) for name, values in muons.items()})
    with uproot.recreate(tmp_path / "e.root") as file:
        file.mktree("Events", {"Muon": jagged.type, "sigma": "f8"})
        file["Events"].extend({"Muon": jagged, "sigma": np.exp(rng.normal(size=1500))})
        file.mktree("Other", {"n": "i4"})
        file["Other"].extend({"n": np.arange(5, dtype="i4")})
    return tmp_path / "e.root"


def test_branches_keep_a_share_of_their_errors(events: Path, tmp_path: Path) -> None:
    bounds = {"Muon_*Err": {"rel": 0.05}, "Muon_*": {"abs": "0.1 * {}Err"}}
    baler_core.compress(events, tmp_path / "e.bal", bounds=bounds)
    baler_core.decompress(tmp_path / "e.bal", tmp_path / "r.root")
    with uproot.open(events) as first, uproot.open(tmp_path / "r.root") as second:
        before, after = (file["Events"].arrays(filter_name="Muon_*", library="ak") for file in (first, second))
    for name in ("Muon_dxy", "Muon_dz"):
        x, y = (ak.to_numpy(ak.flatten(side[name])).astype(float) for side in (before, after))
        for side in (before, after):
            assert (np.abs(y - x) <= 0.1 * ak.to_numpy(ak.flatten(side[f"{name}Err"])).astype(float)).all()
        assert (x != y).mean() > 0.5
    assert ak.all(ak.num(before["Muon_dxy"]) == ak.num(after["Muon_dxy"]))


def test_an_error_per_event_is_none_per_muon(events: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="lies along other rows"):
        baler_core.compress(events, tmp_path / "e.bal", bounds={"Events/Muon_dxy": {"abs": "0.1 * sigma"}})
