"""Real files: every key, tree and branch comes back, with its type, title and values."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from baler_core import Schema
from baler_root.reader import RootOptions, RootReader

Restore = Callable[..., tuple[Schema, Sequence[str], Path]]

# file, tree
FILES = [
    ("NanoAODv5_sample", "Events"),
    ("alice_hyp3o2_issue85", None),
    ("alice_v0_issue187", None),
    ("atlas_physlite_123b", "CollectionTree"),
    ("glast_merit_mcgen", "MeritTuple"),
    ("glast_merit_mcgen", None),
    ("jets_pythia24", None),
    ("mlhep_higgs_10000", None),
    ("nano_dimuon", "Events"),
    ("nano_tt_v12", None),
    ("treemaker", None),
    ("uproot-HZZ", None),
    ("uproot-Zmumu", None),
    ("uproot-demo-double32", None),
    ("uproot-hepdata-example", None),
    ("uproot-issue494", None),
]
# Values of about so many branches of a tree are compared.
COMPARED = 60


@pytest.mark.shared
@pytest.mark.parametrize(("name", "tree"), FILES, ids=[f"{name}-{tree}" for name, tree in FILES])
def test_a_real_file(name: str, tree: str | None, shared_data: Path, restore: Restore) -> None:
    path = shared_data / "hep" / f"{name}.root"
    _, _, again = restore(path, tree=tree, max_bytes=5 * 10**6)
    with uproot.open(path) as before, uproot.open(again) as after:
        assert before.classnames() == after.classnames()
        for key, kind in before.classnames().items():
            if kind == "TTree":
                assert_same_tree(before[key], after[key])


def assert_same_tree(before: Any, after: Any) -> None:
    assert (before.title, before.num_entries) == (after.title, after.num_entries)
    branches, others = (list(tree.iteritems(full_paths=True)) for tree in (before, after))
    assert [key for key, _ in branches] == [key for key, _ in others]
    for number, ((key, branch), (_, other)) in enumerate(zip(branches, others, strict=True)):
        assert (branch.title, branch.typename) == (other.title, other.typename), key
        if number % (1 + len(branches) // COMPARED) == 0 and not branch.branches:
            assert_same_values(key, branch, other)


def assert_same_values(key: str, before: Any, after: Any) -> None:
    try:
        values = before.array()
    except Exception:  # what uproot cannot read is compared by the bytes of its baskets
        raw = [[np.asarray(b.basket(n).data).tobytes() for n in range(b.num_baskets)] for b in (before, after)]
        assert b"".join(raw[0]) == b"".join(raw[1]), key
        return
    (_, _, old), (_, _, new) = (ak.to_buffers(ak.to_packed(array)) for array in (values, after.array()))
    assert old.keys() == new.keys(), key
    for buffer in old:
        assert np.asarray(old[buffer]).tobytes() == np.asarray(new[buffer]).tobytes(), key


@pytest.mark.shared
def test_a_wide_tree_is_read_in_seconds(shared_data: Path) -> None:
    start = time.process_time()
    with RootReader(RootOptions(tree="Events")).open(shared_data / "hep" / "NanoAODv5_sample.root") as source:
        (block,) = source.blocks(10**9)
    assert len(block.variables) == 1479
    assert time.process_time() - start < 10
