"""The skeleton of a tree: nothing in it that the schema says, and all branches from both."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from baler_root.contents.branches import list_branches
from baler_root.contents.forms import Text
from baler_root.contents.keys import list_items
from baler_root.contents.trees import open_file, open_tree
from baler_root.reader import RootReader
from baler_root.schema.parts import take_parts
from baler_root.schema.skeleton import branches_of

DATA = Path(__file__).parent / "data"
COUNTS = np.array([2, 0, 3, 1])


@pytest.mark.parametrize("own", [False, True], ids=["shared counter", "own counters"])
def test_usual_branches_need_no_words(own: bool, tmp_path: Path) -> None:
    lists = ak.unflatten(np.arange(6, dtype="f4"), COUNTS)
    columns = {"event": np.arange(4), "Jet_pt": lists, "Jet_id": ak.values_astype(lists, "i4"), "xy": np.ones((4, 2))}
    with uproot.recreate(tmp_path / "t.root") as file:
        types = {key: ak.type(ak.Array(value)).content for key, value in columns.items()}
        tree = file.mktree("t", types, counter_name=lambda name: "n" + (name if own else name.partition("_")[0]))
        tree.extend(columns)
    with RootReader().open(tmp_path / "t.root") as source:
        assert source.schema.skeleton["trees"][0]["odd"] == {}
        assert source.schema.skeleton["trees"][0]["made_up"] == {}
        assert [branch.key for branch in branches_of(take_parts(source.schema)[0].schema)][-1] == "xy"


@pytest.mark.parametrize("name", ["collections.root", "ntuple.root"])
def test_every_branch_comes_back(name: str) -> None:
    file = open_file(DATA / name)
    readable, _ = list_branches(open_tree(list_items(file)[0], DATA / name))
    file.close()
    with RootReader().open(DATA / name) as source:
        found = branches_of(take_parts(source.schema)[0].schema)
    # a tree that is kept in its own bytes needs no titles
    titled = name == "ntuple.root"
    plain = [[replace(b, type="", title=b.title * titled) for b in each] for each in (found, readable)]
    assert plain[0] == plain[1]
    for branch, original in zip(found, readable, strict=True):
        assert not isinstance(branch.form, Text) or ("string" in branch.type) == ("string" in original.type)
