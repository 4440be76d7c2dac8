"""Real files: everything that can be kept comes back exactly, and the rest is named."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import uproot

from baler_core import Schema
from baler_root.reader import RootOptions, RootReader
from baler_root.skeleton import branches_of

Restore = Callable[..., tuple[Schema, Sequence[str], Path]]

# file, tree, branches that hold values of their own, branches that are kept, jagged dimensions
FILES = [
    ("NanoAODv5_sample", "Events", 1479, 1479, 24),
    ("alice_hyp3o2_issue85", None, 48, 48, 0),
    ("alice_v0_issue187", None, 62, 62, 3),
    ("atlas_physlite_123b", "CollectionTree", 1593, 993, 59),
    ("glast_merit_mcgen", "MeritTuple", 1183, 1183, 0),
    ("glast_merit_mcgen", "user", 51, 51, 0),
    ("jets_pythia24", None, 25, 25, 1),
    ("mlhep_higgs_10000", None, 30, 30, 0),
    ("nano_dimuon", "Events", 1601, 1601, 14),
    ("nano_tt_v12", None, 654, 654, 14),
    ("treemaker", None, 391, 391, 25),
    ("uproot-HZZ", None, 51, 51, 4),
    ("uproot-Zmumu", None, 20, 20, 0),
    ("uproot-demo-double32", None, 25, 25, 0),
    ("uproot-hepdata-example", None, 5, 5, 0),
    ("uproot-issue494", "Event", 292, 273, 11),
]


@pytest.mark.shared
@pytest.mark.parametrize(("name", "tree", "branches", "kept", "jagged"), FILES, ids=[f"{f[0]}-{f[1]}" for f in FILES])
def test_a_real_file(
    name: str, tree: str | None, branches: int, kept: int, jagged: int, shared_data: Path, restore: Restore
) -> None:
    path = shared_data / "hep" / f"{name}.root"
    schema, warnings, _ = restore(path, tree=tree, max_bytes=5 * 10**6)
    found = {branch.key for branch in branches_of(schema)}
    with uproot.open({str(path): schema.skeleton["tree"]}) as original:
        all_keys = [key for key, branch in original.iteritems(full_paths=True) if not branch.branches]
    assert len(set(all_keys)) == branches
    assert len(found) == kept
    assert len(schema.counts) == jagged
    assert all(key in found or any(f"{key} (" in warning for warning in warnings) for key in all_keys)


@pytest.mark.shared
def test_a_wide_tree_is_read_in_seconds(shared_data: Path) -> None:
    start = time.process_time()
    with RootReader(RootOptions(tree="Events")).open(shared_data / "hep" / "NanoAODv5_sample.root") as source:
        (block,) = source.blocks(10**9)
    assert len(block.variables) == 1479
    assert time.process_time() - start < 10
