"""Masses of pairs and sums of transverse momenta, kept, as uproot reads them from the restored file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

import baler_core
from baler_core import ConfigError

FAST = "scalar"
TIGHT = {"Muon_*": {"rel": 1e-3}}


@pytest.fixture(scope="module")
def muons(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Events of up to four muons, some pairs of which are a thousandth to a tenth of a radian apart."""
    rng = np.random.default_rng(3)
    counts = rng.choice([0, 1, 2, 2, 3, 4], 1500)
    total = int(counts.sum())
    pt = (3 + rng.exponential(20, total)).astype("f4")
    eta, phi = rng.normal(0, 1.3, total).astype("f4"), rng.uniform(-3.1, 3.1, total).astype("f4")
    close = (np.cumsum(counts) - counts)[(counts >= 2) & (rng.random(1500) < 0.4)]
    apart = 10 ** rng.uniform(-3, -1, close.size)
    eta[close + 1] = eta[close] + apart * rng.normal(size=close.size)
    phi[close + 1] = phi[close] + np.minimum(apart * rng.normal(size=close.size), 0.04)
    parts = {"pt": pt, "eta": eta, "phi": phi, "mass": np.full(total, 0.10565837, "f4")}
    path = tmp_path_factory.mktemp("muons") / "muons.root"
    columns: dict[str, Any] = {
        "Muon": ak.zip({name: ak.unflatten(values, counts) for name, values in parts.items()}),
        "Electron": ak.zip({n: ak.unflatten(v[: int(counts[::-1].sum())], counts[::-1]) for n, v in parts.items()}),
        "MET_pt": rng.exponential(20, 1500).astype("f4"),
        "MET_phi": rng.uniform(-3, 3, 1500).astype("f4"),
    }
    with uproot.recreate(path) as file:
        file.mktree("Events", {n: v.dtype if isinstance(v, np.ndarray) else v.type for n, v in columns.items()})
        file["Events"].extend(columns)
    return path


def read(path: Path, collection: str = "Muon") -> ak.Array:
    arrays = uproot.open(path)["Events"].arrays()
    names = ("pt", "eta", "phi", "mass")
    return ak.zip({n: ak.values_astype(arrays[f"{collection}_{n}"], np.float64) for n in names})


def mass(one: ak.Array, two: ak.Array) -> np.ndarray:
    def vector(p: ak.Array) -> list[Any]:
        x, y, z = p.pt * np.cos(p.phi), p.pt * np.sin(p.phi), p.pt * np.sinh(p.eta)
        return [np.sqrt(x**2 + y**2 + z**2 + p.mass**2), x, y, z]

    energy, *momentum = [a + b for a, b in zip(vector(one), vector(two), strict=True)]
    return ak.to_numpy(ak.flatten(np.sqrt(np.maximum(energy**2 - sum(p**2 for p in momentum), 0)), axis=None))


def pair_masses(path: Path) -> np.ndarray:
    return mass(*ak.unzip(ak.combinations(read(path), 2)))


def kept(muons: Path, tmp_path: Path, formula: str, bound: dict[str, float], **arguments: Any) -> tuple[Any, Path]:
    done = baler_core.compress(
        muons, tmp_path / "x.bal", model=FAST, derived={"q": {"of": formula, **bound}}, **arguments
    )
    return done, baler_core.decompress(tmp_path / "x.bal", tmp_path / "x.root")


def test_masses_of_close_pairs_move_by_percents_without_and_hold_on_every_pair_with_it(
    muons: Path, tmp_path: Path
) -> None:
    before = pair_masses(muons)
    baler_core.compress(muons, tmp_path / "without.bal", model={"name": "auto", "effort": "fast"}, bounds=TIGHT)
    without = pair_masses(baler_core.decompress(tmp_path / "without.bal", tmp_path / "without.root"))
    assert np.quantile(np.abs(without / before - 1), 0.98) > 0.02
    done, path = kept(muons, tmp_path, "pair_mass(Muon)", {"rel": 1e-3}, bounds=TIGHT, block_bytes=20_000)
    after = pair_masses(path)
    assert (np.abs(after - before) <= 1e-3 * before).all()
    assert done.derived["q"].cells == before.size
    assert done.derived["q"].units == ""
    for name in ("pt", "eta", "phi", "mass"):
        x, y = (ak.to_numpy(ak.flatten(read(file)[name])) for file in (muons, path))
        assert (np.abs(y - x) <= 1e-3 * np.abs(x)).all()
    assert done.ratio > 1.3


def test_only_pairs_count_of_variables_without_bounds_of_their_own(muons: Path, tmp_path: Path) -> None:
    done, path = kept(muons, tmp_path, "pair_mass(Muon, Electron)", {"rel": 1e-3})
    before, after = (mass(*ak.unzip(ak.cartesian([read(p), read(p, "Electron")]))) for p in (muons, path))
    assert (np.abs(after - before) <= 1e-3 * before).all()
    assert set(done.errors) == {f"{c}_{n}" for c in ("Muon", "Electron") for n in ("pt", "eta", "phi", "mass")}


def test_leading_pairs_are_those_of_the_original(muons: Path, tmp_path: Path) -> None:
    done, path = kept(muons, tmp_path, "leading_mass(Muon)", {"rel": 1e-3}, bounds=TIGHT)
    order = ak.argsort(read(muons).pt, ascending=False, stable=True)
    some = ak.num(order) >= 2
    first, second = ((read(p)[order][some][:, :1], read(p)[order][some][:, 1:2]) for p in (muons, path))
    before, after = mass(*first), mass(*second)
    assert (np.abs(after - before) <= 1e-3 * before).all()
    assert done.derived["q"].cells == before.size


@pytest.mark.parametrize("formula", ["HT(Muon)", "sum(Muon_pt)", "MET(Muon)", "HT(Muon, Electron)"])
def test_sums_of_events_hold(muons: Path, tmp_path: Path, formula: str) -> None:
    _, path = kept(muons, tmp_path, formula, {"rel": 1e-4})

    def by_awkward(file: Path) -> np.ndarray:
        muon, electron = read(file), read(file, "Electron")
        if formula == "MET(Muon)":
            return ak.to_numpy(np.hypot(*(ak.sum(muon.pt * f(muon.phi), 1) for f in (np.cos, np.sin))))
        total = ak.sum(muon.pt, 1) + (ak.sum(electron.pt, 1) if "Electron" in formula else 0)
        return ak.to_numpy(total)

    before, after = by_awkward(muons), by_awkward(path)
    assert (np.abs(after - before) <= 1e-4 * before * (1 + 1e-9)).all()
    assert (after != before).any()


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("pair_mass(Muons)", "there is no collection 'Muons' with momenta. Did you mean 'Muon'"),
        ("pair_mass(MET)", "the collection 'MET' lacks pt, eta, phi .* it has MET_pt, MET_phi"),
        ("pair_mass(Muon_pt + 1)", "pair_mass takes names"),
        ("pair_mass(Muon, Muon, Muon)", "pair_mass takes 1 to 2 values, found 3"),
        ("Muon_pt / MET_pt", "have other rows"),
        ("Muon_pT", "there is no variable 'Muon_pT'. Did you mean 'Muon_pt'"),
    ],
)
def test_what_does_not_fit_is_refused(muons: Path, tmp_path: Path, formula: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        kept(muons, tmp_path, formula, {"rel": 1e-3})
