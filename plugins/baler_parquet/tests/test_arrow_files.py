"""Feather, Arrow files and streams come back with their batches, compression and metadata; tables of pyarrow as they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pytest

import baler_core
from baler_parquet.contents.messages import codec_of, first_batch

from .arrow_tables import ROWS, assert_same, deeper, everything, flat, nested, restored


def whole() -> pa.Table:
    return pa.table({**flat(), **nested(), **deeper()}).replace_schema_metadata({"who": "me"})


@pytest.mark.parametrize("codec", ["lz4", "zstd", ""])
@pytest.mark.parametrize("suffix", [".feather", ".arrow", ".arrows"])
def test_a_file_comes_back_as_it_was(suffix: str, codec: str, tmp_path: Path) -> None:
    path, table = tmp_path / f"a{suffix}", whole()
    options = pa.ipc.IpcWriteOptions(compression=codec or None)
    kind = pa.ipc.new_stream if suffix == ".arrows" else pa.ipc.new_file
    with kind(path, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=3)
    done = restored(path)
    opened = pa.ipc.open_stream if suffix == ".arrows" else pa.ipc.open_file
    one, other = opened(path).read_all(), opened(done).read_all()
    assert_same(one, other)
    assert [len(batch) for batch in one.to_batches()] == [len(batch) for batch in other.to_batches()] == [3, 3, 1]
    start = 0 if suffix == ".arrows" else 8
    assert codec_of(path, start) == codec_of(done, start) == codec


def test_feather_and_its_footer_are_kept(tmp_path: Path) -> None:
    feather.write_feather(everything(), tmp_path / "a.feather", compression="lz4")
    assert_same(feather.read_table(tmp_path / "a.feather"), feather.read_table(restored(tmp_path / "a.feather")))
    with pa.ipc.new_file(tmp_path / "b.arrow", everything().schema, metadata={b"key": b"\xff\x00"}) as writer:
        writer.write_table(everything())
    assert dict(pa.ipc.open_file(restored(tmp_path / "b.arrow")).metadata) == {b"key": b"\xff\x00"}


@pytest.mark.parametrize(
    "table",
    [
        whole(),
        whole().slice(2, 3),
        pa.concat_tables([whole(), whole()]),
        pa.table(
            {"x": pa.chunked_array([pa.array(list("ab")).dictionary_encode(), pa.array(["c"]).dictionary_encode()])}
        ),
        pa.table({"x": pa.array([], pa.float32()), "s": pa.array([], pa.string()), "b": pa.array([], pa.binary())}),
    ],
    ids=["whole", "slice", "chunks", "dictionaries", "no rows"],
)
def test_a_table_in_memory_returns_as_it_was(table: pa.Table, tmp_path: Path) -> None:
    baler_core.compress(table, tmp_path / "x.bal", bounds="lossless", model="scalar")
    back = baler_core.open(tmp_path / "x.bal")
    assert type(back) is pa.Table
    assert_same(table, back)


def test_a_record_batch_returns_within_its_bounds(tmp_path: Path) -> None:
    x = np.random.default_rng(1).normal(size=400)
    batch = pa.record_batch({"x": pa.array(x, mask=x < -1), "code": pa.array(["a", "b"] * 200).dictionary_encode()})
    baler_core.compress(batch, tmp_path / "x.bal", bounds={"x": {"abs": 0.1}}, model="table")
    back = baler_core.open(tmp_path / "x.bal")
    assert type(back) is pa.RecordBatch
    assert back["code"].equals(batch["code"])
    assert back["x"].is_null().equals(batch["x"].is_null())
    assert (
        0
        < np.nanmax(np.abs(back["x"].to_numpy(zero_copy_only=False) - batch["x"].to_numpy(zero_copy_only=False)))
        <= 0.1
    )
    with pytest.raises(baler_core.BalerError, match="'code' holds categories"):
        baler_core.compress(batch, tmp_path / "y.bal", bounds={"code": {"abs": 1}})


def test_selected_columns_of_a_table_return_alone(tmp_path: Path) -> None:
    baler_core.compress(whole(), tmp_path / "x.bal", bounds="lossless", model="scalar", variables=["f", "Jet.pt"])
    back = baler_core.open(tmp_path / "x.bal")
    assert back.schema.names == ["f", "Jet"]
    assert len(back) == ROWS


@pytest.mark.parametrize("empty", [0, 1, 2])
def test_batches_without_rows_have_the_dictionary_of_the_others(tmp_path: Path, empty: int) -> None:
    """A file of arrow holds one dictionary; a batch without rows had none, and the file could not be written again."""
    full = pa.record_batch({"c": pa.array(["a", "b", "a"]).dictionary_encode()})
    batches = [full, full]
    batches.insert(empty, full.slice(0, 0))
    with pa.ipc.new_file(tmp_path / "a.arrow", full.schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    done = pa.ipc.open_file(restored(tmp_path / "a.arrow"))
    assert [done.get_batch(number).num_rows for number in range(3)] == [len(batch) for batch in batches]
    assert done.read_all().equals(pa.Table.from_batches(batches))


def test_dictionaries_of_dictionaries_are_left_out_with_a_sentence(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    inner = pa.StructArray.from_arrays([pa.array(["a", "b"]).dictionary_encode()], ["s"])
    column = pa.DictionaryArray.from_arrays(pa.array([0, 1, 0], pa.int8()), inner)
    table = pa.table({"d": column, "x": [1.5, 2.5, 3.5]})
    with pa.ipc.new_file(tmp_path / "a.arrow", table.schema) as writer:
        writer.write_table(table)
    done = pa.ipc.open_file(restored(tmp_path / "a.arrow")).read_all()
    assert done.equals(table.select(["x"]))
    assert "'d' is left out of the restored file, since its dictionary holds dictionaries" in caplog.text


@pytest.mark.parametrize("codec", ["uncompressed", "lz4", "zstd"])
def test_files_of_polars_are_opened_by_their_footer(tmp_path: Path, codec: str) -> None:
    """Their first message has no length: readers are told by the footer where batches lie."""
    pl = pytest.importorskip("polars")
    frame = pl.DataFrame({"x": np.arange(1500.0), "s": ["a", "b", None] * 500})
    frame.write_ipc(tmp_path / "a.arrow", compression=codec)
    done = restored(tmp_path / "a.arrow")
    assert pl.read_ipc(done).equals(frame)
    assert codec_of(done, first_batch(done)) == codec.replace("uncompressed", "")
    frame.head(0).write_ipc(tmp_path / "none.arrow")
    assert pl.read_ipc(restored(tmp_path / "none.arrow")).equals(frame.head(0))


def test_a_damaged_footer_is_told(tmp_path: Path) -> None:
    table = pa.table({"x": [1.0, 2.0]})
    feather.write_feather(table, tmp_path / "a.feather")
    data = (tmp_path / "a.feather").read_bytes()
    for number, tail in enumerate((b"\xff\xff\xff\x7fARROW1", b"\0\0\0\0ARROW1", b"ARROW1")):
        (tmp_path / "b.feather").write_bytes(data[:-10] + tail)
        with pytest.raises(baler_core.DataError, match="cannot be opened as Feather or Arrow"):
            baler_core.compress(tmp_path / "b.feather", tmp_path / f"{number}.bal")
