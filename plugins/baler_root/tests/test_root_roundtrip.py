"""Trees come back from blocks as they were: values, dtypes, lists, names, order, titles; made here with uproot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from baler_core import Schema, values_of
from baler_root.reader import RootReader

Restore = Callable[..., tuple[Schema, Sequence[str], Path]]
KINDS = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64", "bool"]
ODD_FLOATS = [np.nan, np.inf, -np.inf, -0.0, 0.0, 5e-324, 1e-45, 1.5]


def flat_columns(rows: int) -> dict[str, np.ndarray]:
    """A column of every kind, with extreme values."""
    rng = np.random.default_rng(1)
    columns = {}
    for kind in KINDS:
        values = rng.integers(0, 256, (rows, np.dtype(kind).itemsize), np.uint8).view(kind)[:, 0]
        columns[kind] = values if kind != "bool" else rng.random(rows) < 0.5
    columns["odd"] = np.resize(np.array(ODD_FLOATS, "f4"), rows)
    columns["matrix"] = rng.normal(size=(rows, 2, 3)).astype("f4")
    columns["vector"] = rng.integers(0, 2, (rows, 4)).astype(bool)
    return columns


def lists(counts: np.ndarray, dtype: str = "float32") -> ak.Array:
    """Lists of these lengths, all values different."""
    return ak.values_astype(ak.unflatten(np.arange(counts.sum()) + 0.5, counts), dtype)


def write_tree(path: Path, columns: dict[str, object], *, name: str = "Events", **options: object) -> None:
    """A TTree in three parts, so that it has several baskets."""
    rows = len(next(iter(columns.values())))
    types = {key: ak.type(ak.Array(value)).content for key, value in columns.items()}
    with uproot.recreate(path) as file:
        tree = file.mktree(name, types, title="the title", **options)
        for start in range(0, rows, max(1, rows // 3)):
            tree.extend({key: value[start : start + max(1, rows // 3)] for key, value in columns.items()})


@pytest.mark.parametrize("rows", [0, 1, 100])
def test_flat_columns_of_every_type(rows: int, tmp_path: Path, restore: Restore) -> None:
    path = tmp_path / "flat.root"
    write_tree(path, flat_columns(rows))
    schema, warnings, _ = restore(path)
    assert not warnings
    assert schema.names == [*KINDS, "odd", "matrix", "vector"]
    assert schema["matrix"].dims == ("entry", "[2]", "[3]")
    assert schema.sizes == {"entry": rows, "[2]": 2, "[3]": 3, "[4]": 4}


def test_values_are_native_and_exact(tmp_path: Path) -> None:
    path = tmp_path / "flat.root"
    columns = flat_columns(50)
    write_tree(path, columns)
    with RootReader().open(path) as source:
        (block,) = source.blocks(10**9)
    for name, values in columns.items():
        assert values_of(block, name).tobytes() == values.tobytes()
        assert values_of(block, name).dtype.isnative


def test_lists_share_the_dimension_of_their_counter(tmp_path: Path, restore: Restore) -> None:
    jets, muons = np.array([2, 0, 3, 1, 0, 7]), np.array([0, 0, 1, 1, 0, 2])
    columns = {
        "Jet_pt": lists(jets),
        "Jet_tag": lists(jets, "int8") > 3,
        "MET": np.arange(6.0),
        "Muon_pt": lists(muons, "float64"),
        "Muon_charge": lists(muons, "int8"),
    }
    path = tmp_path / "lists.root"
    write_tree(path, columns, counter_name=lambda branch: "n" + branch.partition("_")[0])
    schema, _, _ = restore(path)
    assert schema.counts == {"Jet": "nJet", "Muon": "nMuon"}
    assert schema.names == ["nJet", "Jet_pt", "Jet_tag", "MET", "nMuon", "Muon_pt", "Muon_charge"]


def test_counters_that_agree_throughout_share_a_dimension(tmp_path: Path, restore: Restore) -> None:
    counts = np.array([2, 0, 3, 1, 0, 7] * 50)
    later = counts.copy()
    later[[298, 299]] = later[[299, 298]]
    path = tmp_path / "lists.root"
    write_tree(path, {"Jet_pt": lists(counts), "Jet_eta": lists(counts), "Jet_raw": lists(later)})
    schema, _, _ = restore(path)
    assert schema["Jet_pt"].dims == schema["Jet_eta"].dims == ("Jet",)
    assert schema["Jet_raw"].dims != ("Jet",)
    assert schema.counts["Jet"] == "nJet_pt"
    assert schema["nJet_eta"].dims == ("entry",)


def test_lists_that_are_empty_everywhere(tmp_path: Path, restore: Restore) -> None:
    nothing = np.zeros(5, int)
    path = tmp_path / "empty.root"
    write_tree(path, {"Jet_pt": lists(nothing), "Tau_pt": lists(nothing), "Tau_eta": lists(nothing), "x": nothing})
    schema, _, _ = restore(path)
    assert schema["Tau_pt"].dims == schema["Tau_eta"].dims != schema["Jet_pt"].dims


def test_strings(tmp_path: Path, restore: Restore) -> None:
    words = ["", "a", "Größe", "x" * 300, "tab\there", "日本"]
    path = tmp_path / "strings.root"
    write_tree(path, {"word": ak.Array(words), "x": np.arange(6)})
    schema, _, _ = restore(path)
    assert schema["word"].dtype == "str"
    with RootReader().open(path) as source:
        assert [*values_of(next(source.blocks(10**9)), "word")] == words


def test_variables_by_pattern_bring_their_counter(tmp_path: Path, restore: Restore) -> None:
    counts = np.array([2, 0, 3])
    path = tmp_path / "lists.root"
    write_tree(
        path, {"Jet_pt": lists(counts), "Jet_eta": lists(counts), "a": np.arange(3)}, counter_name=lambda _: "nJet"
    )
    schema, _, _ = restore(path, variables=["Jet_e*"])
    assert schema.names == ["nJet", "Jet_eta"]


def test_branch_names_that_collide_with_dimensions(tmp_path: Path, restore: Restore) -> None:
    counts = np.array([2, 0, 3])
    path = tmp_path / "names.root"
    columns = {"entry": lists(counts), "Jet": np.arange(3), "Jet_pt": lists(counts + 1), "Jet_eta": lists(counts + 1)}
    write_tree(path, columns)
    schema, _, _ = restore(path)
    assert not set(schema.sizes) & set(schema.names)


def test_trees_in_folders_and_of_several_cycles(tmp_path: Path, restore: Restore) -> None:
    path = tmp_path / "folder.root"
    with uproot.recreate(path) as file:
        file.mktree("analysis/tree", {"x": "float64"}).extend({"x": np.arange(3.0)})
    assert restore(path)[0].skeleton["trees"][0]["tree"] == "analysis/tree"
    with uproot.recreate(path) as file:
        file.mktree("tree", {"x": "float64"}).extend({"x": np.arange(3.0)})
        file.mktree("tree", {"x": "float64"}).extend({"x": np.arange(4.0)})
    assert restore(path)[0].sizes["entry"] == 4
    assert RootReader(RootReader.Options(tree="tree;1")).open(path).schema.sizes["entry"] == 3


@pytest.mark.parametrize("compression", [None, uproot.ZLIB(4), uproot.LZ4(1), uproot.ZSTD(3), uproot.LZMA(1)])
def test_any_compression(compression: object, tmp_path: Path, restore: Restore) -> None:
    path = tmp_path / "zipped.root"
    with uproot.recreate(path, compression=compression) as file:
        file.mktree("t", {"x": "float64"}).extend({"x": np.arange(1000.0)})
    restore(path)
    with RootReader().open(path) as source:
        sink = RootReader().create(tmp_path / "again.root", source.schema)
    sink.abort()
    assert ["LZMA" in warning for warning in sink.warnings] == [True] * isinstance(compression, uproot.LZMA)


@pytest.mark.parametrize("rows", [0, 60])
def test_ntuples(rows: int, tmp_path: Path, restore: Restore) -> None:
    counts = np.arange(rows) % 4
    columns = {
        **flat_columns(rows),
        "word": ak.Array(["ab", "", "ü"] * (rows // 3)) if rows else ak.Array(["a"])[:0],
        "Jet": ak.zip({"pt": lists(counts), "hits": lists(counts, "int16")}),
        "MET": ak.zip({"x": np.arange(rows), "y": np.arange(rows, dtype="f4")}),
        "nested": ak.unflatten(lists(np.arange(2 * rows) % 3), np.full(rows, 2)),
        "words": ak.unflatten(ak.Array(["p", "qq"] * rows) if rows else ak.Array(["a"])[:0], np.full(rows, 2)),
    }
    path = tmp_path / "ntuple.root"
    with uproot.recreate(path) as file:
        form = ak.to_packed(ak.Array(ak.zip(columns, depth_limit=1))).layout.form
        file.mkrntuple("Events", form, "a description").extend(columns)
    schema, _, out = restore(path)
    assert schema["Jet.hits"].dims == schema["Jet.pt"].dims == ("Jet",)
    assert schema["MET.x"].dims == ("entry",)
    assert out.read_bytes().count(b"RNTuple") > 0
    with uproot.open(out) as file:
        assert file["Events"].description == "a description"


def test_part_of_a_record(tmp_path: Path) -> None:
    path, out = tmp_path / "ntuple.root", tmp_path / "out.root"
    counts = np.array([1, 0, 2])
    with uproot.recreate(path) as file:
        file["Events"] = {"Jet": ak.zip({"pt": lists(counts), "eta": lists(counts)}), "x": np.arange(3)}
    reader = RootReader()
    with reader.open(path, ["Jet.e*"]) as source:
        assert source.schema.names == ["nJet", "Jet.eta"]
        sink = reader.create(out, source.schema)
        for block in source.blocks(100):
            sink.write(block)
        sink.close()
    with uproot.open(out) as file:
        assert file["Events"].arrays()["Jet"].tolist() == [[{"eta": 0.5}], [], [{"eta": 1.5}, {"eta": 2.5}]]


def test_large_baskets_are_cut(tmp_path: Path, restore: Restore) -> None:
    path = tmp_path / "large.root"
    write_tree(path, {"x": np.arange(1_100_000, dtype="f8")})
    _, _, out = restore(path, max_bytes=10**9)
    with uproot.open(out) as file:
        assert file["Events"]["x"].num_baskets == 3
