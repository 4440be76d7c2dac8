"""A restored file is stored as the original: codecs, encodings, statistics, filters, sorting, versions, metadata."""

from __future__ import annotations

import logging
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import baler_core
from baler_parquet.contents.files import ParquetFile
from baler_parquet.contents.storage import differences, facts_of, has_second_pages

from .arrow_tables import assert_same_files, restored

N = 300


def table() -> pa.Table:
    draw = np.random.default_rng(0)
    fields = [
        ("k", pa.array(np.arange(N))),
        ("x", pa.array(draw.normal(size=N))),
        ("s", pa.array([f"n{n % 7}" for n in range(N)])),
        ("b", pa.array(draw.random(N) < 0.5)),
        ("f", pa.array(draw.normal(size=N).astype("f4"))),
        ("t", pa.array(np.arange(N) * 1000, pa.timestamp("ns"))),
        ("d", pa.array([Decimal(n) / 100 for n in range(N)], pa.decimal128(9, 2))),
        ("l", pa.array([[1.0] * (n % 3) for n in range(N)])),
    ]
    schema = pa.schema(
        [pa.field(n, a.type, metadata={"unit": "GeV"} if n == "x" else None) for n, a in fields], {"who": "me"}
    )
    return pa.table([a for _, a in fields], schema=schema)


WAYS: dict[str, dict[str, Any]] = {
    "filters": {"bloom_filter_options": {"k": {"ndv": 500, "fpp": 0.01}, "s": {"ndv": 10}}, "row_group_size": 200},
    "sorting": {"sorting_columns": [pq.SortingColumn(0), pq.SortingColumn(1, True, True)], "write_page_index": True},
    "version 1": {"version": "1.0"},
    "version 2.4": {"version": "2.4"},
    "old times": {"use_deprecated_int96_timestamps": True},
    "spark": {"flavor": "spark", "store_schema": False},
    "encodings": {
        "use_dictionary": ["s"],
        "column_encoding": {"k": "DELTA_BINARY_PACKED", "x": "BYTE_STREAM_SPLIT", "f": "BYTE_STREAM_SPLIT"},
        "compression": {"k": "zstd", "x": "gzip", "s": "brotli", "f": "lz4", "l.list.element": "snappy"},
        "data_page_version": "2.0",
    },
    "whole decimals": {"store_decimal_as_integer": True},
    "items": {"use_compliant_nested_type": False},
    "few statistics": {"write_statistics": ["k"], "use_dictionary": False},
    "no schema of Arrow": {"store_schema": False},
}


@pytest.mark.parametrize("name", WAYS)
def test_a_restored_file_is_stored_as_its_original(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(table(), path, **WAYS[name])
    done = restored(path)
    assert_same_files(path, done)
    before, after = pq.ParquetFile(path), pq.ParquetFile(done)
    assert facts_of(before.metadata) == facts_of(after.metadata)
    assert str(before.schema) == str(after.schema).replace(
        str(after.schema).splitlines()[0], str(before.schema).splitlines()[0]
    )
    kept = [{k: v for k, v in (f.metadata.metadata or {}).items() if k != b"ARROW:schema"} for f in (before, after)]
    assert kept[0] == kept[1]
    assert len({b"ARROW:schema" in (f.metadata.metadata or {}) for f in (before, after)}) == 1
    assert has_second_pages(ParquetFile(path)) == has_second_pages(ParquetFile(done)) == (name == "encodings")
    for n in range(before.metadata.num_columns):
        one, other = (f.metadata.row_group(0).column(n).statistics for f in (before, after))
        assert (one and one.to_dict()) == (other and other.to_dict())
    assert not caplog.records


def test_selected_columns_keep_how_they_are_stored(tmp_path: Path) -> None:
    pq.write_table(table(), tmp_path / "a.parquet", **WAYS["encodings"])
    after = pq.read_metadata(restored(tmp_path / "a.parquet", variables=["k", "f", "l"])).row_group(0)
    found = {after.column(n).path_in_schema: after.column(n).compression for n in range(after.num_columns)}
    assert found == {"k": "ZSTD", "f": "LZ4", "l.list.element": "SNAPPY"}


def test_what_cannot_be_stored_alike_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Statistics of INT96 that other writers make, lists of two levels, and the like: here, codecs that change midway."""
    path = tmp_path / "a.parquet"
    one = pa.table({"x": np.arange(9.0)})
    first, second = tmp_path / "1.parquet", tmp_path / "2.parquet"
    pq.write_table(one, first, compression="zstd")
    pq.write_table(one, second, compression="gzip")
    facts = [facts_of(pq.read_metadata(p)) for p in (first, second)]
    assert list(differences(facts[0], facts[0], ["x"])) == []
    assert list(differences(facts[0], facts[1], ["x"])) == [
        "the compression of columns differ from the original's: x (GZIP instead of ZSTD)"
    ]
    with caplog.at_level(logging.WARNING), pq.ParquetWriter(path, one.schema, compression="zstd") as writer:
        writer.write_table(one)
    restored(path)
    assert not caplog.records


def test_units_and_descriptions_of_fields_are_known(tmp_path: Path) -> None:
    pq.write_table(table(), tmp_path / "a.parquet")
    from baler_parquet.reader import ParquetReader

    with ParquetReader().open(tmp_path / "a.parquet") as source:
        assert source.schema["x"].units == "GeV"
        assert source.schema["t"].units == "ns since 1970-01-01"
        assert source.schema["t"].role == "time"


def test_encrypted_and_other_files_are_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 nothing of the kind PAR1")
    with pytest.raises(baler_core.DataError, match=r"a\.parquet: cannot be opened as Parquet") as found:
        restored(tmp_path / "a.parquet")
    assert "\n" not in str(found.value)
    (tmp_path / "a.feather").write_bytes(b"FEA1" + bytes(40))
    with pytest.raises(baler_core.DataError, match="first version of Feather"):
        restored(tmp_path / "a.feather")


def _of_version_1(path: Path) -> None:
    """State in its footer that a file is of version 1, as other writers do whatever types it has."""
    data = bytearray(path.read_bytes())
    start = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    assert data[start : start + 2] == b"\x15\x04"  # Thrift: field 1, the number 2
    data[start + 1] = 2
    path.write_bytes(data)


def test_types_are_kept_in_files_of_version_1(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    times = pa.array([1, None, 1730982834123456789], pa.timestamp("ns", "UTC"))
    whole = pa.table({"t": times, "n": pa.array([1, 2**32 - 1, None], pa.uint32())})
    path, back = tmp_path / "a.parquet", tmp_path / "b.parquet"
    pq.write_table(whole, path, store_schema=False)
    _of_version_1(path)
    assert pq.read_metadata(path).format_version == "1.0"
    baler_core.compress(path, tmp_path / "a.bal")
    baler_core.decompress(tmp_path / "a.bal", back)
    assert pq.read_table(back).equals(pq.read_table(path))
    assert pq.read_table(back).schema == whole.schema
    assert "the restored file is of version 2.6 of Parquet, not of 1.0" in caplog.text
    assert "in a form that the restored file does not have" not in caplog.text
