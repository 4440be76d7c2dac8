"""Lists without a counter of their own: the counts made up for them can be asked for by name."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from baler_core import DataError, values_of
from baler_core.api import calls as api
from baler_root.reader import RootReader

COUNTS = np.array([2, 0, 3, 1, 0, 7])


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    """An RNTuple of vectors, which have no counters: `Jet_pt` and `Jet_eta` of equal lengths, `hits` of other ones."""
    path = tmp_path / "vectors.root"
    values = ak.unflatten(np.arange(COUNTS.sum(), dtype="f4"), COUNTS)
    hits = ak.unflatten(np.arange(12, dtype="i4"), [3, 1, 0, 5, 2, 1])
    with uproot.recreate(path) as file:
        record = ak.Array({"event": np.arange(6), "Jet_pt": values + 0.5, "Jet_eta": -values, "hits": hits})
        file.mkrntuple("Events", record)
    return path


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (["nJet", "Jet_pt", "Jet_eta"], ["nJet", "Jet_pt", "Jet_eta"]),
        (["nJet", "Jet_eta"], ["nJet", "Jet_eta"]),
        (["nJet", "Jet_*"], ["nJet", "Jet_pt", "Jet_eta"]),
        (["nJet_eta", "Jet_eta"], ["nJet_eta", "Jet_eta"]),
        (["Jet_eta"], ["nJet_eta", "Jet_eta"]),
        (["nhits", "event", "nJet", "Jet_pt", "hits"], ["event", "nJet", "Jet_pt", "nhits", "hits"]),
    ],
    ids=str,
)
def test_made_up_counts_come_with_their_lists(asked: list[str], expected: list[str], vectors: Path) -> None:
    with RootReader().open(vectors, asked) as source:
        assert source.schema.names == expected
        (block,) = source.blocks(10**9)
    for name in expected:
        if name.startswith("nJet"):
            assert values_of(block, name).tolist() == COUNTS.tolist()


def test_all_names_of_a_schema_can_be_asked_for(vectors: Path, tmp_path: Path) -> None:
    with RootReader().open(vectors) as source:
        names = source.schema.names
    api.compress(vectors, tmp_path / "v.bal", bounds="lossless", variables=names, model="scalar")
    restored = api.open(tmp_path / "v.bal")
    assert sorted(map(str, restored.variables)) == sorted(names)
    assert values_of(restored, "nJet").tolist() == COUNTS.tolist()


def test_counts_alone_are_refused_with_their_lists_named(vectors: Path) -> None:
    with pytest.raises(
        DataError, match=r"'nJet' is not a branch of the file but .*select one of the lists too \('Jet_pt', 'Jet_eta'\)"
    ):
        RootReader().open(vectors, ["nJet", "hits"])


def test_a_misspelt_count_is_put_right(vectors: Path) -> None:
    with pytest.raises(DataError, match=r"no variable 'nJets'. Did you mean 'nJet'"):
        RootReader().open(vectors, ["nJets", "Jet_pt"])


def test_chosen_lists_take_the_counter_of_the_whole_tree(tmp_path: Path) -> None:
    path = tmp_path / "counted.root"
    jets = ak.unflatten(np.arange(13.0), COUNTS)
    with uproot.recreate(path) as file:
        tree = file.mktree("t", {"x": "var * float64", "y": "var * float64"}, counter_name=lambda name: "n" + name)
        tree.extend({"x": jets, "y": jets})
    with RootReader().open(path, ["y"]) as source:
        assert source.schema.names == ["ny", "y"]
    with pytest.raises(DataError, match="no variable 'nz'"):
        RootReader().open(path, ["y", "nz"])


def test_variables_of_one_of_several_trees_keep_their_names(tmp_path: Path) -> None:
    path, out = tmp_path / "trees.root", tmp_path / "out.root"
    with uproot.recreate(path) as file:
        for name in ("Events", "Runs"):
            file.mktree(name, {"x": "float64", "y": "float64"}).extend({"x": np.arange(9.0), "y": np.ones(9)})
    reader = RootReader()
    with reader.open(path, ["Events/*"]) as source:
        sink = reader.create(out, source.schema)
        for block in source.blocks(10**6):
            sink.write(block)
        sink.close()
    with uproot.open(out) as file:
        assert file["Events"].keys() == ["x", "y"]
        assert file["Events/x"].array().tolist() == list(range(9))
    api.compress(path, tmp_path / "trees.bal")
    api.decompress(tmp_path / "trees.bal", tmp_path / "part.root", variables=["Runs/*"])
    with uproot.open(tmp_path / "part.root") as file:
        assert file["Runs"].keys() == ["x", "y"]


def test_a_title_that_lists_the_leaf_of_an_oddly_named_branch_is_no_label(tmp_path: Path) -> None:
    names = ["x/y", "sp ace", "m:n"]
    with uproot.recreate(tmp_path / "odd.root") as file:
        file.mktree("t", dict.fromkeys(names, "float32")).extend(dict.fromkeys(names, np.ones(9, "f4")))
    with RootReader().open(tmp_path / "odd.root") as source:
        assert {variable.name: variable.label for variable in source.schema.variables} == dict.fromkeys(names, "")
