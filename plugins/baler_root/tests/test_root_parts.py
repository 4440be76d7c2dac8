"""Some branches and events of a tree are restored into a ROOT file that holds these, as uproot reads it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import baler_core

ak = pytest.importorskip("awkward")
uproot = pytest.importorskip("uproot")
N = 600


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, rng = tmp_path_factory.mktemp("root"), np.random.default_rng(1)
    counts = rng.integers(0, 4, N)
    jets = ak.zip({name: ak.unflatten(rng.normal(size=counts.sum()).astype("f4"), counts) for name in ("pt", "eta")})
    with uproot.recreate(folder / "a.root") as file:
        file.mktree("Events", {"met": "float32", "Jet": "var * {pt: float32, eta: float32}", "run": "int64"})
        file["Events"].extend({"met": rng.normal(size=N).astype("f4"), "Jet": jets, "run": np.arange(N)})
        file["h"] = np.histogram(rng.normal(size=99))
        file["Other"] = {"x": np.arange(5)}
    baler_core.compress(
        folder / "a.root", folder / "a.bal", bounds={"*": {"abs": 0.01}}, model="scalar", block_bytes=2000
    )
    return folder


@pytest.mark.parametrize(("patterns", "left"), [(["Events/Jet_pt"], {"nJet", "Jet_pt"}), (["Events/*"], None)])
def test_branches_and_events(folder: Path, patterns: list[str], left: set[str] | None, tmp_path: Path) -> None:
    baler_core.decompress(folder / "a.bal", tmp_path / "p.root", variables=patterns, rows=(101, 437))
    whole = uproot.open(folder / "a.root")["Events"].arrays()[101:437]
    with uproot.open(tmp_path / "p.root") as file:
        assert file.keys(cycle=False) == ["Events"]
        found = file["Events"].arrays()
    assert set(found.fields) == (left or set(whole.fields))
    for name in found.fields:
        assert ak.all(abs(found[name] - whole[name]) <= 0.01)
        assert found[name].type.content == whole[name].type.content
    everything = baler_core.open_file(folder / "a.bal")
    pt = everything["Events/Jet_pt"].rows(101, 437)
    np.testing.assert_array_equal(ak.to_numpy(ak.flatten(found["Jet_pt"])), pt)


def test_variables_of_two_trees_are_no_part(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(baler_core.DataError, match="one tree"):
        baler_core.decompress(folder / "a.bal", tmp_path / "p.root", variables=["Events/met", "Other/x"])


def test_branches_and_trees_that_are_not_chosen_are_named(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "a.root") as file:
        file["Events"] = {"x": np.arange(3.0), "y": np.arange(3.0)}
        file["Runs"] = {"n": np.arange(2)}
    done = baler_core.compress(tmp_path / "a.root", tmp_path / "a.bal", variables=["Events/x"])
    assert "chosen: 1 of 3 variables; not in this file: Events/y, Runs/n" in done.left_out
