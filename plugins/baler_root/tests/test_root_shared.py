"""Real files: every key, tree and branch comes back, with its type, title and values."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import awkward as ak
import pytest
import uproot

import baler_core
import baler_root
from baler_core import Schema
from baler_root.reader import RootOptions, RootReader

from .root_compare import differences

Restore = Callable[..., tuple[Schema, Sequence[str], Path]]

# file, tree
FILES = [
    ("alice_hyp3o2_issue85", None),
    ("alice_v0_issue187", None),
    ("jets_pythia24", None),
    ("mlhep_higgs_10000", None),
    ("nano_tt_v12", None),
    ("treemaker", None),
    ("uproot-HZZ", None),
    ("uproot-Zmumu", None),
    ("uproot-demo-double32", None),
    ("uproot-hepdata-example", None),
]


@pytest.mark.shared
@pytest.mark.parametrize(("name", "tree"), FILES, ids=[f"{name}-{tree}" for name, tree in FILES])
def test_a_real_file(name: str, tree: str | None, shared_data: Path, restore: Restore) -> None:
    path = shared_data / "hep" / f"{name}.root"
    _, _, again = restore(path, tree=tree, max_bytes=2 * 10**6)
    assert list(differences(path, again)) == []


@pytest.mark.shared
def test_a_wide_tree_is_read_in_seconds(shared_data: Path) -> None:
    start = time.process_time()
    with RootReader(RootOptions(tree="Events")).open(shared_data / "hep" / "NanoAODv5_sample.root") as source:
        (block,) = source.blocks(10**9)
    assert len(block.variables) == 1479
    assert time.process_time() - start < 10


@pytest.mark.shared
def test_a_split_object_opens_as_a_record_of_its_members(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "hep" / "treemaker.root"
    model = {"name": "auto", "effort": "fast"}
    baler_core.compress(path, tmp_path / "a.bal", bounds="lossless", model=model, variables=["Jets/*", "MET"])
    with uproot.open(path) as original, baler_root.open(tmp_path / "a.bal") as ours:
        jets, other = ours["PreSelection"]["Jets"], original["PreSelection"]["Jets"]
        assert list(jets) == [branch.name for branch in other.branches]
        assert ak.array_equal(jets.array(), other.array())
        assert ak.array_equal(jets["Jets.fCoordinates.fPt"].array(), other["Jets.fCoordinates.fPt"].array())
        both = [tree["PreSelection"].arrays(["Jets"], entry_start=2, entry_stop=6) for tree in (ours, original)]
        assert ak.array_equal(*both)
        with pytest.raises(KeyError, match=r"Jets\.fCoordinates\.fPt"):
            jets["fCoordinates.fPt"]


@pytest.mark.shared
def test_packed_floats_open_as_in_uproot(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "hep" / "uproot-demo-double32.root"
    baler_core.compress(path, tmp_path / "a.bal", model="scalar")
    with uproot.open(path) as original, baler_root.open(tmp_path / "a.bal") as ours:
        (name,) = original.keys(filter_classname="TTree", cycle=False)
        assert any("Double32_t" in kind for kind in ours[name].typenames().values())
        for key, branch in ours[name].items():
            wanted = original[name][key]
            found, values = branch.array(library="np"), wanted.array(library="np")
            assert (branch.typename, found.dtype) == (wanted.typename, values.dtype)
            assert repr(found.tolist()) == repr(values.tolist())
