"""Files that ROOT itself wrote: C++ collections, strings, leaf lists, split objects, RNTuple projections."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import uproot

import baler_core
import baler_root
from baler_core import DataError, Schema, values_of
from baler_root.reader import RootReader
from baler_root.schema.parts import take_parts
from baler_root.schema.skeleton import branches_of
from baler_root.values.ttree import collection_checksum

from .root_compare import differences

Restore = Callable[..., tuple[Schema, Sequence[str], Path]]
DATA = Path(__file__).parent / "data"


def test_a_tree_of_collections(restore: Restore) -> None:
    schema, warnings, out = restore(DATA / "collections.root", max_bytes=500)
    assert schema["v_unsigned_short"].dtype == "<u2"
    assert schema["v_bool"].dtype == "|b1"
    assert schema["vv_string"].dtype == schema["v_string"].dtype == schema["text"].dtype == "str"
    assert schema["Jet_corners"].dims == ("Jet", "[2]", "[2]'")
    assert schema["vv_float"].dims == schema["vv_bool"].dims
    assert not warnings
    with uproot.open({str(DATA / "collections.root"): "events"}) as original, uproot.open({str(out): "events"}) as tree:
        for key in [branch.key for branch in branches_of(take_parts(schema)[0].schema)]:
            assert tree[key].typename == original[key].typename
        assert original.keys(recursive=True) == tree.keys(recursive=True)
        assert original["momentum"].array().tolist() == tree["momentum"].array().tolist()


def test_nested_counts_chain(tmp_path: Path) -> None:
    with RootReader().open(DATA / "collections.root", ["vvv_int"]) as source:
        (block,) = source.blocks(10**9)
    counts = [values_of(block, name).tolist() for name in source.schema.names]
    assert counts[:3] == [[0, 1, 0, 1, 0, 1, 0], [2, 2, 2], [0, 1, 0, 1, 0, 1]]
    assert counts[3] == [1, 3, 5]


def test_an_unsplit_object_cannot_be_asked_for() -> None:
    with pytest.raises(DataError, match=r"'momentum' of type TLorentzVector cannot be kept: C\+\+ objects"):
        RootReader().open(DATA / "collections.root", ["Jet_pt", "momentum"])


def test_an_ntuple(restore: Restore) -> None:
    schema, warnings, out = restore(DATA / "ntuple.root", max_bytes=200)
    assert schema.counts["Jet"] == "nJet"
    assert schema["truncated"].units == "GeV"
    assert not warnings
    assert list(differences(DATA / "ntuple.root", out)) == []


@pytest.mark.parametrize(
    ("class_name", "checksum"), [("vector<int>", 9976712), ("vector<vector<int> >", 3104527037)], ids=str
)
def test_checksums_of_collections_are_those_of_root(class_name: str, checksum: int) -> None:
    assert collection_checksum(class_name) == checksum


def test_members_of_split_objects_are_called_as_uproot_calls_them(tmp_path: Path) -> None:
    baler_core.compress(DATA / "collections.root", tmp_path / "a.bal", model="scalar")
    with uproot.open(DATA / "collections.root") as original, baler_root.open(tmp_path / "a.bal") as ours:
        found, wanted = (file["events"].arrays(filter_name="points.f*") for file in (ours, original))
        assert found.fields == wanted.fields == [f"points.f{name}" for name in ("UniqueID", "Bits", "X", "Y", "Z")]
        assert repr(found.to_list()) == repr(wanted.to_list())
        assert ours["events"].arrays("points/points.fX").fields == ["points/points.fX"]
        (part,) = ours["events"].iterate(filter_name="points.fX")
        assert part.fields == ["points.fX"]
