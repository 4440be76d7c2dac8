"""Exported ROOT files are read by uproot, smaller than restored ones, within what was allowed."""

from pathlib import Path

import awkward as ak
import numpy as np
import uproot

import baler_core


def test_branches_are_rounded_and_packed(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    counts = rng.poisson(3, 4000)
    pt = ak.unflatten(rng.exponential(30, counts.sum()).astype("f4"), counts)
    with uproot.recreate(tmp_path / "a.root") as file:
        file.mktree("Events", {"pt": "var * float32", "met": "float64", "run": "uint32"})
        file["Events"].extend({"pt": pt, "met": rng.normal(50, 9, 4000), "run": np.arange(4000)})
    bounds = {"pt": {"rel": 1e-3}, "met": {"abs": 0.05}}
    fast = {"name": "auto", "effort": "fast"}
    baler_core.compress(tmp_path / "a.root", tmp_path / "a.bal", bounds=bounds, model=fast)
    done = baler_core.export(tmp_path / "a.bal", tmp_path / "b.root", extra=0.5)
    assert done.file_bytes < done.plain_bytes
    assert done.storage.endswith(")")
    with uproot.open(tmp_path / "a.root") as before, uproot.open(tmp_path / "b.root") as after:
        old, new = (file["Events"].arrays() for file in (before, after))
        assert ak.all(abs(new.pt - old.pt) <= 1.5e-3 * old.pt)
        assert ak.all(abs(new.met - old.met) <= 0.075)
        assert ak.all(new.run == old.run)
        assert not np.any(np.asarray(ak.flatten(new.pt)).view("u4") & ((1 << 13) - 1))
