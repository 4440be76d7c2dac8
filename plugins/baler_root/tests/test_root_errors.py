"""What a user is told when a file, a tree or a branch is not there or cannot be read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import uproot

from baler_core import DataError, FormatError
from baler_root.reader import RootOptions, RootReader


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with two trees of equal weight, a small one, and a histogram."""
    path = tmp_path / "some.root"
    with uproot.recreate(path) as file:
        for name in ("Electrons", "Muons"):
            file.mktree(name, {"pt": "float64", "eta": "float64"}).extend({"pt": np.arange(5e4), "eta": np.ones(50000)})
        file.mktree("Run", {"number": "int32"}).extend({"number": np.arange(2)})
        file["histogram"] = np.histogram(np.arange(9))
    return path


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no\.root: there is no such file"):
        RootReader().open(tmp_path / "no.root")


def test_a_tree_that_is_not_there(path: Path) -> None:
    with pytest.raises(DataError, match=r"no tree 'Elektrons' in this file. Did you mean 'Electrons'"):
        RootReader(RootOptions(tree="Elektrons")).open(path)
    with pytest.raises(DataError, match=r"no tree 'histogram' in this file. It is a TH1"):
        RootReader(RootOptions(tree="histogram")).open(path)


def test_a_cycle_that_is_not_there(path: Path) -> None:
    with pytest.raises(DataError, match=r"the tree 'Muons' has no cycle 7"):
        RootReader(RootOptions(tree="Muons;7")).open(path)


def test_a_branch_that_is_not_there(path: Path) -> None:
    reader = RootReader(RootOptions(tree="Muons"))
    with pytest.raises(DataError, match=r"Muons: there is no variable 'etta'. Did you mean 'eta'"):
        reader.open(path, ["pt", "etta"])
    with pytest.raises(DataError, match=r"no variable matches mass\*"):
        reader.open(path, ["mass*"])


@pytest.mark.parametrize("part", [0.0, 0.3, 0.9, 0.999])
def test_a_file_cut_short(part: float, path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(DataError, match="cut short" if part else "the file is empty"):
        list(RootReader(RootOptions(tree="Muons")).open(path).blocks(10**6))


def test_no_root_file_at_all(tmp_path: Path) -> None:
    path = tmp_path / "text.root"
    path.write_text("this is a letter, not a ROOT file\n" * 100)
    with pytest.raises(DataError, match="this is not a ROOT file"):
        RootReader().open(path)


def test_classes_described_in_a_compression_that_nobody_reads_any_more(path: Path) -> None:
    with uproot.open(path) as file:
        place = file.file._fSeekInfo
    stored = bytearray(path.read_bytes())
    stored[place + 6 : place + 8] = (
        b"\x7f\xff"  # longer than what is stored, and so compressed, by an unknown algorithm
    )
    path.write_bytes(stored)
    with pytest.raises(DataError, match=r"the description of its classes cannot be read: .*'reader: whole_file'"):
        RootReader().open(path)


def test_damaged_values_name_the_branch(tmp_path: Path) -> None:
    path = tmp_path / "damaged.root"
    with uproot.recreate(path, compression=uproot.ZLIB(1)) as file:
        tree = file.mktree("t", {"good": "float64", "bad": "float64"})
        tree.extend({"good": np.arange(1000.0), "bad": np.random.default_rng(1).normal(size=1000)})
    with uproot.open(path) as file:
        place = int(file["t"]["bad"].member("fBasketSeek")[0])
    content = bytearray(path.read_bytes())
    content[place + 200 : place + 400] = bytes(200)
    path.write_bytes(content)
    with RootReader().open(path) as source, pytest.raises(DataError, match="the branch 'bad' cannot be read"):
        list(source.blocks(10**6))


def test_an_interrupted_output_can_be_removed(path: Path, tmp_path: Path) -> None:
    reader = RootReader(RootOptions(tree="Muons"))
    with reader.open(path) as source:
        sink = reader.create(tmp_path / "half.root", source.schema)
        sink.write(next(source.blocks(10**5)))
        sink.abort()
    (tmp_path / "half.root").unlink()


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "open"},
        {"tree": ""},
        {"odd": {"pt": {"form": {"list": "<f8"}}}},
        {"odd": {"pt": {"form": {"record": {"x": "<f8"}}}}},
        {"odd": {"pt": {"form": 7}}},
        {"odd": 3},
        {"titles": 3},
        {"made_up": 3},
    ],
    ids=str,
)
def test_a_damaged_description_is_refused(change: dict[str, object], path: Path, tmp_path: Path) -> None:
    reader = RootReader(RootOptions(tree="Muons"))
    with reader.open(path) as source:
        skeleton = source.schema.skeleton
        tree = {**skeleton["trees"][0], **change}
        schema = replace(source.schema, skeleton={**skeleton, "trees": [tree, *skeleton["trees"][1:]]})
    with pytest.raises(FormatError, match="description of the ROOT tree to be written is damaged"):
        reader.create(tmp_path / "out.root", schema)
    assert not (tmp_path / "out.root").exists()


def test_only_known_compressions_are_taken_from_a_description(path: Path, tmp_path: Path) -> None:
    reader = RootReader(RootOptions(tree="Muons"))
    with reader.open(path) as source:
        schema = replace(source.schema, skeleton={**source.schema.skeleton, "compression": ["open", 1]})
        sink = reader.create(tmp_path / "out.root", schema)
        for block in source.blocks(10**6):
            sink.write(block)
        sink.close()
    with uproot.open(tmp_path / "out.root") as file:
        assert file.file.compression.name == "ZLIB"
