"""What trees and branches of opened files say of themselves, and many files read as one: compared with uproot."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

import baler_core
import baler_root

FAST = {"name": "auto", "effort": "fast"}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A file with a tree in a folder and one beside it, and the same compressed in blocks."""
    folder = tmp_path_factory.mktemp("facts")
    root, bal = folder / "a.root", folder / "a.bal"
    counts = np.arange(300) % 4
    with uproot.recreate(root) as file:
        file.mktree("demo/Events", {"met": "float64", "n": "int32", "pt": "var * float32"})
        pt = ak.unflatten(np.arange(counts.sum(), dtype="f4"), counts)
        file["demo/Events"].extend({"met": np.arange(300) / 4, "n": np.arange(300), "pt": pt})
        file.mktree("top", {"x": "int16"})
        file["top"].extend({"x": np.arange(5)})
    baler_core.compress(root, bal, model=FAST, block_bytes=4000)
    return root, bal


def test_paths_are_those_of_uproot(files: tuple[Path, Path]) -> None:
    with uproot.open(files[0]) as original, baler_root.open(files[1]) as ours:
        for name in ("demo/Events", "top"):
            assert ours[name].object_path == original[name].object_path
            for branch in original[name].branches:
                assert ours[name][branch.name].object_path == branch.object_path
        assert ours.object_path == original.object_path == "/"
        assert ours["demo"].object_path == original["demo"].object_path == "/demo/"
        assert ours["demo/Events"].cache_key != ours["top"].cache_key


def test_sizes_are_those_of_values(files: tuple[Path, Path]) -> None:
    with baler_root.open(files[1]) as ours:
        tree = ours["demo/Events"]
        assert tree["met"].uncompressed_bytes == 300 * 8
        assert tree["pt"].uncompressed_bytes == 450 * 4 + 300 * 4
        assert tree.uncompressed_bytes == sum(branch.uncompressed_bytes for branch in tree.branches)
        assert tree["met"].entry_offsets == tree.common_entry_offsets()
        assert tree["met"].num_baskets == len(tree.common_entry_offsets()) - 1 > 1
        assert tree["pt"].count_branch.name == "npt"
        assert tree["met"].count_branch is None
        assert tree["met"].top_level
        for one in (tree, tree["met"]):
            assert not hasattr(one, "compressed_bytes")
            with pytest.raises(baler_core.DataError, match="codes branches together"):
                one.compression_ratio  # noqa: B018


def test_text_has_no_stated_bytes(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "s.root") as file:
        file.mktree("t", {"s": "string"})
        file["t"].extend({"s": ["a", "bcd"]})
    baler_core.compress(tmp_path / "s.root", tmp_path / "s.bal", model=FAST)
    with baler_root.open(f"{tmp_path / 's.bal'}:t") as tree, pytest.raises(AttributeError, match="its text takes"):
        tree["s"].uncompressed_bytes  # noqa: B018


def test_tables_of_many_files_are_numbered_as_by_uproot(files: tuple[Path, Path]) -> None:
    both = [[f"{path}:demo/Events"] * 2 for path in files]
    for options in ({}, {"cut": "n % 3 == 1"}, {"entry_start": 290, "entry_stop": 310}, {"entry_start": -7}):
        expected, found = (
            module.concatenate(places, ["met", "n"], library="pd", **options)
            for module, places in zip((uproot, baler_root), both, strict=True)
        )
        assert found.equals(expected)
        assert found.index.equals(expected.index)
    expected, found = (
        list(module.iterate(places, "n", library="pd", step_size=200, report=True))
        for module, places in zip((uproot, baler_root), both, strict=True)
    )
    for (table, report), (wanted, stated) in zip(found, expected, strict=True):
        assert table.index.equals(wanted.index)
        assert (report.global_entry_start, report.start) == (stated.global_entry_start, stated.start)


def test_entries_of_many_files_are_counted_over_all(files: tuple[Path, Path]) -> None:
    places = [f"{files[1]}:demo/Events"] * 2
    found = baler_root.concatenate(places, ["n", "pt"], entry_start=298, entry_stop=303)
    assert found.n.tolist() == [298, 299, 0, 1, 2]
    assert len(baler_root.concatenate(places, "n", entry_start=10**6)) == 0
    columns = baler_root.concatenate(places, ["n", "met"], library="np", how=tuple, entry_stop=-299)
    assert [len(column) for column in columns] == [301, 301]
    with pytest.raises(baler_core.ConfigError, match=r"entry_stop=\.\.\.\): goes over all entries"):
        baler_root.iterate(places, "n", entry_stop=3)


def test_series_and_merged_tables_are_those_of_uproot(files: tuple[Path, Path]) -> None:
    with uproot.open(f"{files[0]}:demo/Events") as original, baler_root.open(f"{files[1]}:demo/Events") as ours:
        series, wanted = (tree["met"].array(library="pd") for tree in (ours, original))
        assert series.equals(wanted)
        assert series.name is wanted.name is None
        assert ours.arrays("n", library="pd", how="outer").equals(original.arrays("n", library="pd", how="outer"))
