"""Trees whose order of entries means nothing come sorted, each entry with all that belongs to it."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import uproot

import baler_core
from baler_core.format.file_info import read_info


def test_entries_move_with_their_collections(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    counts = rng.integers(0, 4, 900)
    momenta = ak.unflatten(np.arange(counts.sum(), dtype=np.float32), counts)
    events = {"run": rng.integers(0, 40, 900), "met": rng.permutation(900).astype(np.int32), "pt": momenta}
    with uproot.recreate(tmp_path / "a.root") as file:
        file.mktree("Events", {"run": "int64", "met": "int32", "pt": "var * float32"})
        file["Events"].extend(events)
    baler_core.compress(tmp_path / "a.root", tmp_path / "a.bal", model={"name": "auto", "effort": "fast"}, order="free")
    assert read_info(tmp_path / "a.bal").header.order is not None
    baler_core.decompress(tmp_path / "a.bal", tmp_path / "b.root")
    with uproot.open(tmp_path / "b.root") as file:
        found = file["Events"].arrays(["run", "met", "pt"])
    places = np.argsort(events["met"])[ak.to_numpy(found["met"])]
    assert not np.array_equal(places, np.arange(900))
    assert ak.to_list(found["pt"]) == ak.to_list(momenta[places])
    assert np.array_equal(ak.to_numpy(found["run"]), events["run"][places])
