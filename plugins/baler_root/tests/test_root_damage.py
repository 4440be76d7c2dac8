"""What is damaged is an error that tells what to do, and is left out by name where that is asked for; the rest comes back."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from baler_core import DataError
from baler_root.reader import RootOptions, RootReader

RNG = np.random.default_rng(10)
COUNTS = RNG.integers(0, 5, 200)
VALUES = {
    "run": RNG.integers(0, 9, 200),
    "MET_pt": RNG.exponential(30, 200),
    "Jet_pt": ak.unflatten(RNG.exponential(30, COUNTS.sum()), COUNTS),
}
LEFT_OUT = "1 branch left out, since the file is damaged there"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with a tree of events, one of runs, and a histogram."""
    path = tmp_path / "events.root"
    with uproot.recreate(path, compression=uproot.ZLIB(1)) as file:
        file.mktree("Events", {"run": "int64", "MET_pt": "float64", "Jet_pt": "var * float64"}).extend(VALUES)
        file.mktree("Runs", {"sum": "float64"}).extend({"sum": np.arange(300.0)})
        file["plots"] = np.histogram(VALUES["MET_pt"], bins=50)
    return path


def _damage(path: Path, key: Any) -> None:
    content = bytearray(path.read_bytes())
    place = key.fSeekKey + key.fKeylen + 20
    content[place : place + 40] = b"\xaa" * 40
    path.write_bytes(content)


def _damage_branch(path: Path, tree: str, branch: str) -> None:
    with uproot.open(path) as file:
        key = file[tree][branch].basket_key(0)
    _damage(path, key)


def _restored(path: Path, folder: Path) -> tuple[dict[str, Any], list[str]]:
    """Values of all trees of what is left, and the warnings."""
    reader = RootReader(RootOptions(allow_missing=True))
    with reader.open(path) as source:
        warnings = list(source.warnings)
        sink = reader.create(folder / "restored.root", source.schema)
        for block in source.blocks(10**6):
            sink.write(block)
        sink.close()
    with uproot.open(folder / "restored.root") as file:
        trees = {name: file[name] for name, kind in file.classnames(cycle=False).items() if kind == "TTree"}
        values = {f"{name}/{b.name}": b.array() for name, tree in trees.items() for b in tree.branches}
        return values | {name: None for name in file.keys(cycle=False) if name not in trees}, warnings


@pytest.mark.parametrize("branch", ["MET_pt", "nJet_pt", "Jet_pt"])
def test_a_damaged_branch(branch: str, path: Path, tmp_path: Path) -> None:
    _damage_branch(path, "Events", branch)
    with pytest.raises(DataError, match=f"'{branch}' cannot be read.* use --allow-missing or the reader's option"):
        list(RootReader().open(path).blocks(10**6))
    values, warnings = _restored(path, tmp_path)
    assert LEFT_OUT in warnings[0]
    assert branch in warnings[0]
    assert "plots" in values
    assert f"Events/{branch}" not in values
    for name in {"run", "MET_pt", "Jet_pt"} - {branch}:
        assert values[f"Events/{name}"].tolist() == VALUES[name].tolist()
    assert values["Runs/sum"].tolist() == list(range(300))


def test_a_damaged_tree_is_no_longer_left_out_unasked(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "baler_root.contents.trees.content_of", lambda key: zlib.decompress(b"")
    )  # uproot packs no trees
    with uproot.open(path) as file:
        key = file.key("Events")
    _damage(path, key)
    with pytest.raises(DataError, match=r"the tree 'Events' cannot be read.*use --allow-missing"):
        RootReader().open(path)
    values, warnings = _restored(path, tmp_path)
    assert warnings[0].endswith("this tree is left out")
    assert values["Runs/sum"].tolist() == list(range(300))
    assert not any(name.startswith("Events") for name in values)


def test_a_damaged_object(path: Path, tmp_path: Path) -> None:
    with uproot.open(path) as file:
        key = file.key("plots")
    _damage(path, key)
    with pytest.raises(DataError, match=r"the object plots .* cannot be read.*use --allow-missing"):
        RootReader().open(path)
    values, warnings = _restored(path, tmp_path)
    assert "the object plots" in warnings[0]
    assert warnings[0].endswith("it is left out")
    assert "plots" not in values
    assert values["Events/Jet_pt"].tolist() == VALUES["Jet_pt"].tolist()


def test_nothing_is_left_out_of_a_healthy_file(path: Path, tmp_path: Path) -> None:
    values, warnings = _restored(path, tmp_path)
    assert not warnings
    assert {"Events/MET_pt", "Events/nJet_pt", "Runs/sum", "plots"} <= values.keys()


def test_a_damaged_field_of_an_rntuple(tmp_path: Path) -> None:
    path = tmp_path / "ntuple.root"
    with uproot.recreate(path, compression=uproot.ZLIB(1)) as file:
        file.mkrntuple("Events", {"x": np.arange(1000.0), "y": np.arange(1000)})
    with uproot.open(path) as file:
        ntuple = file["Events"]
        pages = [ntuple.page_link_list[0][n].pages[0].locator for n in range(2)]
        place = pages[0].offset
    content = bytearray(path.read_bytes())
    content[place + 20 : place + 60] = b"\xaa" * 40
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"'x' cannot be read.*use --allow-missing"):
        list(RootReader().open(path).blocks(10**6))
    reader = RootReader(RootOptions(allow_missing=True))
    with reader.open(path) as source:
        assert "x (double)" in source.warnings[0]
        assert list(source.schema.names) == ["y"]
