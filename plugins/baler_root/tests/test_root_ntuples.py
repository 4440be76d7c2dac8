"""RNTuples come back with the fields, C++ types, columns and pages that they had, whatever a writer could make anew."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from baler_core import ConfigError, DataError, FormatError, Schema, compress
from baler_core.cli import main
from baler_core.testing import check_hostile_reader
from baler_root.reader import RootReader
from baler_root.values.ntuple import reading
from baler_root.values.ntuple.elements import DELTA, DTYPES, SPLIT, ZIGZAG, encode_page

from .root_compare import differences

DATA = Path(__file__).parent / "data"


@pytest.fixture
def records(tmp_path: Path) -> Path:
    """What a plain writer makes otherwise: records and tuples, in lists and alone, options and variants."""
    path = tmp_path / "records.root"
    rng = np.random.default_rng(5)
    counts = rng.integers(0, 4, 300)
    hits = ak.unflatten(ak.zip({"x": rng.normal(size=counts.sum()), "n": np.arange(counts.sum())}), counts)
    rows = ak.Array(
        {
            "event": np.arange(300, dtype="u8"),
            "hits": hits,
            "pair": ak.Array([(float(n), n) for n in range(300)]),
            "maybe": ak.Array([None if n % 3 else n * 0.5 for n in range(300)]),
            "either": ak.from_iter([n if n % 2 else f"text {n}" for n in range(300)]),
            "names": ak.Array([["a" * (n % 5)] * (n % 3) for n in range(300)]),
        }
    )
    with uproot.recreate(path) as file:
        tree = file.mkrntuple("Events", rows[:100], "of several clusters")
        tree.extend(rows[100:])
        file.mkrntuple("other", ak.Array({"maybe": [None, 1.0]}))
    return path


def write_all(reader: RootReader, out: Path, schema: Schema, blocks: Sequence[Any]) -> None:
    sink = reader.create(out, schema)
    for block in blocks:
        sink.write(block)
    sink.close()


def restored(path: Path, out: Path, change: Callable[[Any], Any] = lambda block: block) -> tuple[Schema, list[str]]:
    reader = RootReader()
    with reader.open(path) as source:
        sink = reader.create(out, source.schema)
        for block in source.blocks(2000):
            sink.write(change(block))
        sink.close()
        return source.schema, list(source.warnings)


@pytest.mark.parametrize("odd", ["event", "hits", "pair", "names"])
def test_fields_that_values_do_not_make_again_are_kept_as_they_are(
    odd: str, records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As fields that were added while events were written, which ROOT does and uproot cannot."""
    with uproot.open(records) as file:
        fields = file["Events"].field_records
        below = {n for n, field in enumerate(fields) if field.field_name == odd}
        for n, field in enumerate(fields):
            below |= {n} if field.parent_field_id in below else set()
        columns = {n for n, record in enumerate(file["Events"].column_records) if record.field_id in below}
    fits = reading._fits
    monkeypatch.setattr(reading, "_fits", lambda record, *given: record.idx not in columns and fits(record, *given))
    schema, warnings = restored(records, tmp_path / "out.root")
    assert columns
    assert not warnings
    assert not [name for name in schema.names if name.startswith(f"Events/{odd}")]
    assert "Events/event" in schema.names or odd == "event"
    assert list(differences(records, tmp_path / "out.root")) == []


def test_every_field_comes_back(records: Path, tmp_path: Path) -> None:
    schema, warnings = restored(records, tmp_path / "out.root")
    assert not warnings
    assert [name for name in schema.names if "hits" in name] == ["Events/nhits", "Events/hits.x", "Events/hits.n"]
    assert list(differences(records, tmp_path / "out.root")) == []
    with uproot.open(records) as before, uproot.open(tmp_path / "out.root") as after:
        for name in ("maybe", "either"):
            assert ak.to_list(before["Events"][name].array()) == ak.to_list(after["Events"][name].array())


def test_fields_that_no_bound_reaches_are_named(records: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with RootReader().open(records) as source:
        [optional] = [name for name in source.as_stored if "maybe" in name]
        assert not set(source.as_stored) & set(source.schema.names)
    with pytest.raises(SystemExit, match="0"):
        main(["init", "records.root"])
    assert f"out of reach of bounds: {optional}" in Path("records.yaml").read_text()
    with pytest.raises(ConfigError, match=f"name {optional}, which the reader keeps byte for byte"):
        compress(records, tmp_path / "x.bal", bounds={optional: {"abs": 1}})
    compress(records, tmp_path / "x.bal", bounds={optional: "lossless"})


def test_the_bytes_of_the_header_are_those_of_the_original(records: Path, tmp_path: Path) -> None:
    restored(records, tmp_path / "out.root")
    with uproot.open(records) as before, uproot.open(tmp_path / "out.root") as after:
        for name in ("Events", "other"):
            headers = [file[name].header and bytes(file[name]._header_chunk.raw_data) for file in (before, after)]
            assert headers[0] == headers[1]


def test_changed_values_are_written_into_the_pages_they_came_from(tmp_path: Path) -> None:
    def change(block: Any) -> Any:
        changed = block.to_xarray()
        for name in ("Jet_pt", "truncated"):
            if name in changed.variables:
                changed[name] = changed[name] + np.float32(0.3)
        return changed

    restored(DATA / "ntuple.root", tmp_path / "out.root", change)
    with uproot.open(DATA / "ntuple.root") as before, uproot.open(tmp_path / "out.root") as after:
        old, new = before["Events"], after["Events"]
        for name in ("Jet_pt", "Jet_px", "truncated"):  # Jet_px is a view of Jet_pt; truncated had 20 bits
            moved = ak.to_list(ak.values_astype(old[name].array() + np.float32(0.3), "float32"))
            assert moved == ak.to_list(new[name].array())
        assert ak.to_list(old["nested"].array()) == ak.to_list(new["nested"].array())
        assert [f.type_name for f in old.field_records] == [f.type_name for f in new.field_records]


@pytest.mark.parametrize("kind", sorted(DTYPES))
def test_pages_are_encoded_as_uproot_decodes_them(kind: int) -> None:
    dtype = np.dtype(DTYPES[kind])
    values = (
        np.arange(100).astype(dtype) if kind in DELTA else np.frombuffer(np.random.default_rng(kind).bytes(800), "u1")
    )
    values = (
        values.astype(bool) if kind == 0 else values if kind in DELTA else values[: 100 * dtype.itemsize].view(dtype)
    )
    page = np.frombuffer(encode_page(values, kind), np.uint8)
    if kind == 0:
        assert np.unpackbits(page, bitorder="little")[: len(values)].astype(bool).tolist() == values.tolist()
        return
    if kind in SPLIT:
        page = page.reshape(dtype.itemsize, -1).T.reshape(-1).copy()
    decoded = page.view(dtype)
    if kind in DELTA:
        decoded = np.cumsum(decoded, dtype=dtype)
    if kind in ZIGZAG:
        unsigned = decoded.view(f"u{dtype.itemsize}")
        decoded = ((unsigned >> 1) ^ -(unsigned & 1)).view(dtype)
    assert decoded.tobytes() == values.tobytes()


def test_part_of_the_fields_is_written_anew_and_each_difference_named(tmp_path: Path) -> None:
    path = tmp_path / "records.root"
    hits = ak.unflatten(ak.zip({"x": np.arange(6.0), "y": np.arange(6.0)}), [2, 4])
    with uproot.recreate(path) as file:
        file.mkrntuple("Events", ak.Array({"pair": [(1.0, 2), (3.0, 4)], "hits": hits, "n": [1, 2]}))
    with RootReader().open(path, ["pair.0", "n"]) as source:
        (warning,) = source.warnings
    assert "since only part of its fields is selected" in warning
    assert "pair (std::tuple<double,std::int64_t>, as" in warning
    assert "pair._1 (std::int64_t, not as a field of its own)" in warning
    assert "n (" not in warning.partition("pair")[0]


@pytest.mark.parametrize("name", ["anchor", "header", "footer", "lists", "kept"])
@pytest.mark.parametrize("change", [lambda b: b[: len(b) // 2], lambda b: b"\xff" * len(b), lambda b: b""], ids="cfe")
def test_damaged_parts_are_refused(name: str, change: Any, records: Path, tmp_path: Path) -> None:
    reader = RootReader()
    with reader.open(records) as source:
        parts = {**source.schema.attachments}
        parts["0/" + name] = change(parts["0/" + name])
        if name in ("anchor", "kept") and len(parts["0/" + name]) == len(source.schema.attachments["0/" + name]):
            return  # it is not looked into
        schema = replace(source.schema, attachments=parts)
        blocks: Sequence[Any] = list(source.blocks(10**6))
    with pytest.raises((FormatError, DataError), match="damaged"):
        write_all(reader, tmp_path / "out.root", schema, blocks)


def test_the_reader_stands_the_checks_of_the_core(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    check_hostile_reader(RootReader(), DATA / "ntuple.root", tmp_path / "out", cases=40)


def test_fields_with_dots_in_their_names_are_read(tmp_path: Path) -> None:
    path = tmp_path / "dots.root"
    rows = {"p": np.arange(50.0), "p.q": np.sqrt(np.arange(50.0)), "p.r.s": np.arange(50)}
    with uproot.recreate(path) as file:
        file.mkrntuple("t", rows)
    with RootReader().open(path) as source:
        (block,) = source.blocks(10**6)
        for name, values in rows.items():
            np.testing.assert_array_equal(block[name].values, values)


def test_a_field_that_is_called_as_a_part_of_another_is_kept_beside_the_values(tmp_path: Path) -> None:
    path = tmp_path / "dots.root"
    with uproot.recreate(path) as file:
        file.mkrntuple("t", {"p": ak.zip({"q": np.arange(50.0)}), "p.q": np.sqrt(np.arange(50.0))})
    with RootReader().open(path) as source:
        (block,) = source.blocks(10**6)
        assert source.schema.names == ["p.q"]
        np.testing.assert_array_equal(block["p.q"].values, np.arange(50.0))
        write_all(RootReader(), tmp_path / "out.root", source.schema, [block])
    (before, after) = (uproot.open(p)["t"] for p in (path, tmp_path / "out.root"))
    assert (
        [f.field_name for f in before.field_records] == [f.field_name for f in after.field_records] == ["p", "q", "p.q"]
    )
    assert ak.array_equal(before.arrays(), after.arrays())
