"""`baler_root.open` lists folders, trees with their cycles and other objects as `uproot.open` does, and hands them out."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import uproot

import baler_core
import baler_root


def test_other_objects_are_those_of_uproot(tmp_path: Path) -> None:
    path = tmp_path / "h.root"
    rng = np.random.default_rng(3)
    with uproot.recreate(path) as file:
        file["Events"] = {"x": rng.normal(size=50)}
        file["cuts/flow"] = np.histogram(rng.normal(size=100), bins=5)
        file["both"] = np.histogram2d(rng.normal(size=100), rng.normal(size=100), bins=(3, 4))
        file["note"] = "selected by hand"
    baler_core.compress(path, tmp_path / "h.bal", bounds="lossless")
    with baler_root.open(tmp_path / "h.bal") as opened, uproot.open(path) as original:
        for filters in (
            {},
            {"cycle": False},
            {"recursive": False},
            {"filter_classname": "TH1*"},
            {"filter_name": "cuts*"},
        ):
            assert opened.classnames(**filters) == original.classnames(**filters), filters
        assert opened.keys() == original.keys()
        for name in ("cuts/flow;1", "both"):
            assert [a.tolist() for a in opened[name].to_numpy()] == [a.tolist() for a in original[name].to_numpy()]
        assert opened["note"] == original["note"] == "selected by hand"
        with pytest.raises(KeyError, match="no tree or object called 'bath'"):
            opened["bath"]


def test_folders_and_cycles_are_those_of_uproot(tmp_path: Path) -> None:
    path = tmp_path / "f.root"
    with uproot.recreate(path) as file:
        for entries in (5, 7):
            file["Events"] = {"x": np.arange(entries)}
            file["flow"] = np.histogram(np.arange(entries), bins=2)
        file["demo/Tree"] = {"y": np.arange(3)}
        file["demo/cuts/flow"] = np.histogram(np.arange(9), bins=3)
    baler_core.compress(path, tmp_path / "f.bal", bounds="lossless")
    with baler_root.open(tmp_path / "f.bal") as opened, uproot.open(path) as original:
        assert opened.keys() == [name for name in original.keys() if name != "Events;1"]  # noqa: SIM118
        assert (opened["Events"].num_entries, opened["Events;2"].num_entries) == (7, 7)
        assert "Events;1" not in opened
        with pytest.raises(baler_core.DataError, match="of the tree 'Events;1' no branch can be opened: restore"):
            opened["Events;1"]
        for name in ("flow;1", "flow;2", "flow", "demo/cuts;1/flow"):
            assert opened[name].values().tolist() == original[name].values().tolist()
        demo, other = opened["demo"], original["demo"]
        assert demo.keys() == other.keys()
        assert (demo.path, demo["cuts"].path) == (other.path, other["cuts"].path)
        assert demo["Tree"]["y"].array().tolist() == demo["Tree/y"].array().tolist() == [0, 1, 2]
        assert demo["cuts"]["flow"].values().tolist() == [3, 3, 3]
        assert (demo["cuts"].parent.path, demo.parent) == (("demo",), opened)
        again = pickle.loads(pickle.dumps(demo))  # noqa: S301
        assert again["Tree"].num_entries == 3
        with pytest.raises(KeyError, match=r"f\.bal, demo: there is no tree or object called 'Tre'.*Tree"):
            demo["Tre"]
        assert not opened.closed
    assert opened.closed


def test_a_file_without_trees_is_opened_by_uproot(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "h.root") as file:
        file["flow"] = np.histogram(np.arange(9), bins=3)
    baler_core.compress(tmp_path / "h.root", tmp_path / "h.bal", bounds="lossless")
    assert baler_root.open(f"{tmp_path / 'h.bal'}:flow").values().tolist() == [3, 3, 3]
