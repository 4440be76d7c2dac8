"""A file is more than its trees: other trees, objects, folders, cycles and titles come back as they were."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

import baler_core
from baler_core import DataError, FormatError, Schema
from baler_core.testing import check_hostile_reader
from baler_root.contents.keys import Item, content_of, list_items, names_of_file
from baler_root.reader import RootOptions, RootReader
from baler_root.values.writing.naming import name_file

from .root_compare import differences

DATA = Path(__file__).parent / "data"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Events, sums of weights, a histogram in a folder, text, and an empty folder."""
    path = tmp_path / "whole.root"
    with uproot.recreate(path) as file:
        for name, rows in (("Events", 1000), ("Runs", 1)):
            file.mktree(name, {"x": "float32", "genEventSumw": "float64"}, title=f"the {name}")
            file[name].extend({"x": np.arange(rows, dtype="f4"), "genEventSumw": np.full(rows, 1234.5)})
        file["plots/inner/pt"] = np.histogram(np.arange(99.0), bins=20)
        file["tag"] = "untagged"
        file["tag"] = "tagged"
        file.mkdir("nothing/at all")
    return path


def restored(path: Path, out: Path, variables: Sequence[str] | None = None, **options: Any) -> tuple[Schema, list[str]]:
    reader = RootReader(RootOptions(**options))
    with reader.open(path, variables) as source:
        sink = reader.create(out, source.schema)
        for block in source.blocks(4000):
            sink.write(block)
        sink.close()
        return source.schema, list(source.warnings)


def items_of(path: Path) -> dict[tuple[str, int], Item]:
    return {(item.path, item.cycle): item for item in list_items(uproot.open(path))}


def test_every_key_comes_back(path: Path, tmp_path: Path) -> None:
    schema, warnings = restored(path, tmp_path / "out.root")
    assert not warnings
    assert schema.names == ["Events/x", "Events/genEventSumw", "Runs/x", "Runs/genEventSumw"]
    before, after = items_of(path), items_of(tmp_path / "out.root")
    assert list(before) == list(after)
    for place, item in before.items():
        other = after[place]
        assert (item.class_name, item.key.fTitle) == (other.class_name, other.key.fTitle)
        if not item.is_tree and not item.is_folder:
            assert content_of(item.key) == content_of(other.key)
            assert item.key.fDatime == other.key.fDatime
    with uproot.open(tmp_path / "out.root") as file:
        assert file["Runs"]["genEventSumw"].array().tolist() == [1234.5]
        assert file["Events"]["x"].array().tolist() == list(range(1000))
        assert file["tag;1"] == "untagged"
        assert file["plots/inner/pt"].values().sum() == 99
        assert file["nothing/at all"].keys() == []


def test_one_tree_is_chosen_and_the_rest_carried(path: Path, tmp_path: Path) -> None:
    schema, warnings = restored(path, tmp_path / "out.root", tree="Events")
    assert schema.names == ["x", "genEventSumw"]
    assert not warnings
    assert list(items_of(path)) == list(items_of(tmp_path / "out.root"))
    assert uproot.open(tmp_path / "out.root")["Runs/genEventSumw"].array().tolist() == [1234.5]


def test_what_is_to_be_dropped_is_named(path: Path, tmp_path: Path) -> None:
    schema, warnings = restored(path, tmp_path / "out.root", tree="Events", others="drop")
    assert schema.names == ["x", "genEventSumw"]
    assert len(warnings) == 1
    for name in ("Runs (TTree)", "plots/inner/pt (TH1D)", "tag (TObjString)"):
        assert name in warnings[0]
    assert [path for path, _ in items_of(tmp_path / "out.root") if path in ("Runs", "tag", "plots/inner/pt")] == []


def test_variables_of_several_trees_are_asked_for_by_whole_names_or_their_last_part(path: Path, tmp_path: Path) -> None:
    assert restored(path, tmp_path / "a.root", ["*x"])[0].names == ["Events/x", "Runs/x"]
    assert restored(path, tmp_path / "c.root", ["genEv*"])[0].names == ["Events/genEventSumw", "Runs/genEventSumw"]
    assert restored(path, tmp_path / "d.root", ["x"])[0].names == ["Events/x", "Runs/x"]
    with pytest.raises(DataError, match="no variable 'y'"):
        RootReader().open(path, ["y"])
    assert restored(path, tmp_path / "b.root", ["Runs/genEventSumw"])[0].names == ["Runs/genEventSumw"]
    with pytest.raises(DataError, match=r"Runs: there is no variable 'genEventSum'. Did you mean 'genEventSumw'"):
        RootReader().open(path, ["Runs/genEventSum"])


def test_older_cycles_come_back(tmp_path: Path) -> None:
    path, out = tmp_path / "cycles.root", tmp_path / "out.root"
    with uproot.recreate(path) as file:
        for rows in (3, 4):
            file.mktree("tree", {"x": "float64"}).extend({"x": np.arange(float(rows))})
    restored(path, out)
    with uproot.open(out) as file:
        assert [file[f"tree;{cycle}"]["x"].array().tolist() for cycle in (1, 2)] == [[0, 1, 2], [0, 1, 2, 3]]


def test_files_without_trees_are_not_refused(tmp_path: Path) -> None:
    path = tmp_path / "histogram.root"
    with uproot.recreate(path) as file:
        file["histogram"] = np.histogram(np.arange(9))
    with RootReader().open(path) as source:
        assert not source.schema.variables
        assert "objects" in source.schema.attachments


def test_a_tree_with_objects_comes_back_byte_for_byte(tmp_path: Path) -> None:
    schema, warnings = restored(DATA / "collections.root", tmp_path / "out.root")
    assert not warnings
    assert "v_float" in schema.names
    with uproot.open(DATA / "collections.root") as before, uproot.open(tmp_path / "out.root") as after:
        old, new = before["events"], after["events"]
        assert [(b.name, b.title, b.typename) for b in old.itervalues()] == [
            (b.name, b.title, b.typename) for b in new.itervalues()
        ]
        for key, branch in old.iteritems(recursive=True, full_paths=True):
            for n in range(branch.num_baskets):
                assert bytes(branch.basket(n).data) == bytes(new[key].basket(n).data)


def test_changed_values_are_written_into_a_kept_tree(tmp_path: Path) -> None:
    reader = RootReader()
    with reader.open(DATA / "collections.root") as source:
        sink = reader.create(tmp_path / "out.root", source.schema)
        for block in source.blocks(300):
            changed = block.to_xarray()
            changed["v_float"] = changed["v_float"] + np.float32(1)
            sink.write(changed)
        sink.close()
    old, new = (
        uproot.open(path)["events/v_float"].array() for path in (DATA / "collections.root", tmp_path / "out.root")
    )
    assert (old + 1).tolist() == new.tolist()


@pytest.mark.parametrize("name", ["objects", "streamers", "0/tree", "0/headers", "0/tables", "0/baskets"])
@pytest.mark.parametrize("change", [lambda b: b[: len(b) // 2], lambda b: b"\xff" * len(b), lambda b: b""], ids="cfe")
def test_damaged_parts_are_refused(name: str, change: Any, path: Path, tmp_path: Path) -> None:
    reader = RootReader()
    with reader.open(path if name == "objects" else DATA / "collections.root") as source:
        parts = {**source.schema.attachments}
        parts[name] = change(parts[name])
        schema = replace(source.schema, attachments=parts)
        blocks = list(source.blocks(10**6))
    if name == "objects" and len(parts[name]) == len(source.schema.attachments[name]):
        return  # an object is not looked into
    if name == "0/tree" and len(parts[name]) == len(source.schema.attachments[name]):
        return  # neither is a tree, but for its tables
    if name == "streamers" and not parts[name]:
        return
    with pytest.raises((FormatError, DataError), match=re.compile("damaged", re.IGNORECASE)):
        write_all(reader, tmp_path / "out.root", schema, blocks)


def write_all(reader: RootReader, out: Path, schema: Schema, blocks: Sequence[Any]) -> None:
    sink = reader.create(out, schema)
    try:
        for block in blocks:
            sink.write(block)
        sink.close()
    finally:
        sink.abort()


def test_roles_are_told() -> None:
    from baler_root.contents.roles import role_of

    told = {
        ("event", "<u8"): "identifier",
        ("nJet", "<i4"): "count",
        ("Muon_charge", "<i4"): "flag",
        ("genWeight", "<f4"): "weight",
        ("Runs/genEventSumw", "<f8"): "weight",
        ("Jet_genJetIdx", "<i4"): "identifier",
        ("Particle/Particle.Status", "<i4"): "flag",
        ("Jet_pt", "<f4"): "",
        ("Muon_softMva", "<f4"): "",
        ("PV_x", "<f4"): "",
    }
    for (name, dtype), role in told.items():
        assert role_of(name, "", dtype)["role"] == role, name


def test_the_reader_stands_the_checks_of_the_core(path: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    check_hostile_reader(RootReader(), path, tmp_path / "out", cases=60)


def test_branches_of_one_name_all_come_back(tmp_path: Path) -> None:
    """As in Delphes files, where a class and its base have a member of one name."""
    path, out = tmp_path / "twins.root", tmp_path / "out.root"
    reader = RootReader()
    with reader.open(DATA / "collections.root") as source:
        parts = {**source.schema.attachments}
        parts["0/tree"] = parts["0/tree"].replace(b"\x07vv_bool", b"\x07v_float")
        write_all(reader, path, replace(source.schema, attachments=parts), list(source.blocks(10**6)))
    with uproot.open(path) as file:
        assert [branch.name for branch in file["events"].branches].count("v_float") == 2
    schema, warnings = restored(path, out)
    assert schema.names.count("v_float") == 1
    assert not warnings
    assert list(differences(path, out)) == []


@pytest.mark.parametrize("compression", [None, uproot.ZLIB(4), uproot.LZ4(2), uproot.ZSTD(5)], ids=str)
def test_name_title_and_compression_of_the_file_come_back(compression: Any, tmp_path: Path) -> None:
    path, out = tmp_path / "named.root", tmp_path / "out.root"
    with uproot.recreate(path, compression=compression) as file:
        name_file(file, "another name.root", "what the file is about " + 20 * "ß")
        file.mktree("tree", {"x": "float64"}, title="a tree").extend({"x": np.arange(500.0)})
        file["text"] = "text"
        file.mkdir("folder")
    with uproot.open(path) as file:
        assert names_of_file(file) == ("another name.root", "what the file is about " + 20 * "ß")
    restored(path, out)
    assert list(differences(path, out)) == []
    with uproot.open(out) as file:
        assert file.file.compression == compression
        assert names_of_file(file) == ("another name.root", "what the file is about " + 20 * "ß")
    with uproot.update(out) as file:  # what others add goes where there is room
        file["more"] = "text"
    with uproot.open(out) as file:
        assert file["more"] == "text"
        assert file["tree"]["x"].array().tolist() == list(range(500))


def test_classes_that_every_reader_knows_need_no_description(tmp_path: Path) -> None:
    path, out = tmp_path / "named.root", tmp_path / "out.root"
    with uproot.recreate(path) as file:
        file.mktree("t", {"x": "float64"}).extend({"x": np.arange(100.0)})
        file["note"] = "a text"
    with RootReader().open(path) as source:
        schema = source.schema
        assert "streamers" not in schema.attachments
        sink = RootReader().create(out, schema)
        for block in source.blocks(2**20):
            sink.write(block)
        sink.close()
    with uproot.open(out) as file:
        assert str(file["note"]) == "a text"
        assert file["t"]["x"].array(library="np").tolist() == list(range(100))


def test_booleans_of_other_bytes_than_0_and_1_come_back(tmp_path: Path) -> None:
    """Members that a program never set are saved as whatever lay in memory."""
    rng = np.random.default_rng(2)
    raw = np.concatenate([rng.integers(0, 2, 900), rng.integers(0, 256, 100)]).astype("u1")
    with uproot.recreate(path := tmp_path / "flags.root") as file:
        file.mktree("t", {"flag": "bool", "x": "float32"})
        file["t"].extend({"flag": raw.view(bool), "x": rng.normal(size=1000).astype("f4")})
    baler_core.compress(path, tmp_path / "flags.bal", bounds={"x": {"abs": 0.01}})
    baler_core.decompress(tmp_path / "flags.bal", tmp_path / "out.root")
    stored = uproot.open(tmp_path / "out.root")["t"]["flag"].array(uproot.AsDtype("u1"), library="np")
    np.testing.assert_array_equal(stored, raw)


def test_ntuples_come_back_in_whatever_folders_they_are(tmp_path: Path) -> None:
    path, rows = tmp_path / "folders.root", np.arange(500.0)
    lists = ak.Array([[n * 0.5] * (n % 3) for n in range(500)])
    places = ["a/plain", "a/lists", "a/b/deep", "text/names", "top", "text/" + "long" * 90]
    with uproot.recreate(path) as file:
        file["a/h"] = np.histogram(rows, bins=5)
        for place in places:
            content = {"x": rows, "n": lists} if place == "a/lists" else {"x": rows + len(place)}
            file[place] = content | ({"s": [f"é{n}" for n in range(500)]} if place == "text/names" else {})
        for n in range(30):
            file[f"many/of them {n}"] = {"x": rows[:3] + n}
        file.mktree("a/tree", {"y": "float64"}).extend({"y": rows})
        assert file.classnames()["top;1"] == "ROOT::RNTuple"
    _, warnings = restored(path, tmp_path / "out.root")
    assert not warnings
    assert list(differences(path, tmp_path / "out.root")) == []
    with uproot.open(path) as before, uproot.open(tmp_path / "out.root") as after:
        for place in [*places, "many/of them 29", "a/tree"]:
            assert after[place].arrays().to_list() == before[place].arrays().to_list()
