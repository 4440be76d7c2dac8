"""Tables with every type of column, and their comparison value by value, for the tests of this plugin."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import baler_core

ROWS = 7
WHOLE = [1, None, -5, 86_400_000, 4, 5, 6]
TEXTS = ["a", None, "", "é", "x\ny", "b\0", "c"]
RAW = [b"\0", None, b"", b"\xff\xfe", b"a", b"b", b"c"]


def flat() -> dict[str, pa.Array]:
    """Columns without nesting, with nulls in most."""
    draw = np.random.default_rng(1)
    decimals = [Decimal("1.25"), None, Decimal("-3.50"), Decimal("9999.99"), Decimal(0), Decimal(1), Decimal(-1)]
    return {
        "f": pa.array(draw.normal(size=ROWS).astype("f4"), mask=np.arange(ROWS) % 3 == 0),
        "half": pa.array(draw.normal(size=ROWS).astype("f2")),
        "special": pa.array([1.5, None, float("nan"), -0.0, float("inf"), 6, 7], pa.float64()),
        "u": pa.array([2**64 - 1, 0, None, 1, 2, 3, 4], pa.uint64()),
        "i8": pa.array([-128, 127, None, 1, 2, 3, 4], pa.int8()),
        "b": pa.array([True, None, False, True, True, False, None]),
        "s": pa.array(TEXTS),
        "ls": pa.array(TEXTS, pa.large_string()),
        "sv": pa.array(TEXTS, pa.string_view()),
        "bin": pa.array(RAW),
        "lbin": pa.array(RAW, pa.large_binary()),
        "fsb": pa.array([b"\0a", None, b"bb", b"cc", b"\0\0", b"ee", b"ff"], pa.binary(2)),
        "dec": pa.array(decimals, pa.decimal128(6, 2)),
        "dec30": pa.array(decimals, pa.decimal128(30, 2)),
        "dec50": pa.array(decimals, pa.decimal256(50, 2)),
        "ts": pa.array(WHOLE, pa.timestamp("us", "Europe/Berlin")),
        "tn": pa.array(WHOLE, pa.timestamp("ns")),
        "dur": pa.array(WHOLE, pa.duration("ms")),
        "d32": pa.array([1, None, -5, 1000, 4, 5, 6], pa.date32()),
        "d64": pa.array([0, None, 86_400_000, 0, 0, 0, 0], pa.date64()),
        "t32": pa.array([1, None, 5, 1000, 4, 5, 6], pa.time32("ms")),
        "t64": pa.array([1, None, 5, 1000, 4, 5, 6], pa.time64("us")),
        "dic": pa.array(["a", "b", None, "a", "c", "a", "b"]).dictionary_encode(),
        "nul": pa.nulls(ROWS),
        "a.b": pa.array(range(ROWS)),
        "uuid": pa.ExtensionArray.from_storage(
            pa.uuid(), pa.array([bytes([i]) * 16 for i in range(ROWS)], pa.binary(16))
        ),
    }


def nested() -> dict[str, pa.Array]:
    """Lists, structs and maps within each other."""
    point = pa.struct([("pt", pa.float32()), ("hits", pa.list_(pa.int8()))])
    pairs = pa.struct([("a", pa.int32()), ("b", pa.string())])
    x = {"a": 3, "b": "z"}
    two = [["a", "b"], None, ["c", None], ["a", "b"], ["a", ""], ["a", "b"], ["a", "b"]]
    coded = pa.array(["a", "b", "c", "a", "c", "a", "b"]).dictionary_encode()
    tensor = pa.fixed_shape_tensor(pa.float32(), [2, 2])
    return {
        "l": pa.array([[1.0, 2], [], None, [None, 4], [5], [6], [7]], pa.list_(pa.float32())),
        "ll": pa.array([[[1], [2, 3]], [], None, [None, []], [[5]], [[6]], [[7]]], pa.list_(pa.list_(pa.int32()))),
        "large": pa.array([[1.0, 2], [], None, [3, 4], [5], [6], [7]], pa.large_list(pa.float64())),
        "st": pa.array([{"a": 1, "b": "x"}, None, {"a": None, "b": "y"}, {"a": 2, "b": None}, x, x, x], pairs),
        "Jet": pa.array(
            [
                [{"pt": 1.0, "hits": [1, 2]}],
                None,
                [],
                [{"pt": None, "hits": None}, None],
                [{"pt": 2.0, "hits": []}],
                [],
                [],
            ],
            pa.list_(point),
        ),
        "fsl": pa.array([[1.0, 2], None, [3, None], [4, 5], [6, 7], [1, 1], [1, 2]], pa.list_(pa.float32(), 2)),
        "two": pa.array(two, pa.list_(pa.string(), 2)),
        "m": pa.array([[("k", 1), ("j", None)], None, [], [("z", 3)], [], [], []], pa.map_(pa.string(), pa.int32())),
        "ldic": pa.ListArray.from_arrays(list(range(ROWS + 1)), coded),
        "tensor": pa.ExtensionArray.from_storage(
            tensor, pa.array([[float(i)] * 4 for i in range(ROWS)], pa.list_(pa.float32(), 4))
        ),
    }


def deeper() -> dict[str, pa.Array]:
    """What Arrow has and Parquet does not."""
    runs = pa.RunEndEncodedArray.from_arrays(pa.array([3, 4, 7], pa.int32()), pa.array([1.5, None, 2.5]))
    inner = pa.array(
        [[[1.0, 2]], None, [[3, 4]], [[4, 5]], [None], [[1, 1]], [[1, 2]]], pa.list_(pa.list_(pa.float32(), 2), 1)
    )
    return {
        "runs": runs,
        "fsl2": inner,
        "view": pa.array([[1], None, [], [2, 3], [4], [5], [6]], pa.list_view(pa.int16())),
        "month": pa.array(
            [(1, 2, 3), None, (0, 0, 0), (1, 1, 1), (1, 1, 1), (1, 1, 1), (2, 2, 2)], pa.month_day_nano_interval()
        ),
        "index": pa.array(["a", "b", None, "a", "c", "a", "b"], pa.dictionary(pa.int8(), pa.string(), ordered=True)),
    }


def everything() -> pa.Table:
    """All that Parquet has."""
    return pa.table({**flat(), **nested()}).replace_schema_metadata({"who": "me", "raw": b"\xff"})


def assert_same(one: pa.Table, other: pa.Table) -> None:
    """Assert that two tables are the same, in every value, null, type and entry of metadata; NaN is NaN."""
    assert other.schema.equals(one.schema, check_metadata=True), f"{one.schema}\n{other.schema}"
    assert len(one) == len(other)
    for name, before, after in zip(one.schema.names, one.columns, other.columns, strict=True):
        if not before.equals(after):
            assert repr(before.to_pylist()) == repr(after.to_pylist()), name
            assert before.null_count == after.null_count, name


def assert_same_files(one: Path, other: Path) -> None:
    """Assert that two Parquet files have the same table in the same row groups."""
    assert_same(pq.read_table(one), pq.read_table(other))
    before, after = pq.read_metadata(one), pq.read_metadata(other)
    assert rows_of(before) == rows_of(after)


def rows_of(meta: Any) -> list[int]:
    """The rows of each row group."""
    return [meta.row_group(n).num_rows for n in range(meta.num_row_groups)]


def restored(path: Path, **options: Any) -> Path:
    """Compress and restore a file beside itself; lossless and without learning unless told otherwise."""
    target = path.with_name(f"restored-{path.name}")
    compressed = path.with_suffix(".bal")
    baler_core.compress(path, compressed, **({"bounds": "lossless", "model": "scalar", "overwrite": True} | options))
    baler_core.decompress(compressed, target, overwrite=True)
    return target
