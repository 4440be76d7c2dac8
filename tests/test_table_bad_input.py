"""Odd tables through the front door, compressed with the table model: everything comes back, or a clear error says why."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

import baler_core

random = np.random.default_rng(11)
TABLES: dict[str, dict[str, np.ndarray]] = {
    "one row": {"a": np.array([1.5]), "b": np.array([3], "<i2"), "c": np.array([True])},
    "two rows": {"a": np.array([1.5, np.nan]), "b": np.array([3, -3], "i1")},
    "no rows": {"a": np.zeros(0), "b": np.zeros(0, "<u4"), "c": np.zeros(0, bool)},
    "one column": {"a": random.normal(size=400)},
    "one constant column": {"a": np.full(400, -0.0, "<f4")},
    "nothing but NaN": {"a": np.full(300, np.nan), "b": np.full(300, np.nan, "<f4")},
    "NaN beside numbers": {"a": np.full(300, np.nan), "b": random.normal(size=300)},
    "infinities": {"a": np.full(300, np.inf), "b": np.where(random.random(300) < 0.5, np.inf, -np.inf)},
    "one value": {"a": np.full(300, 7.25), "b": np.full(300, -3), "c": random.normal(size=300)},
    "integers beyond doubles": {
        "a": random.integers(2**53, 2**62, 300),
        "b": 2**53 + np.arange(300),
        "c": random.integers(-(2**63), 2**63 - 1, 300),
    },
    "unsigned beyond signed": {
        "a": random.integers(2**63, 2**64, 300, dtype="<u8"),
        "b": np.full(300, 2**64 - 1, "<u8"),
        "c": np.where(random.random(300) < 0.5, np.uint64(2**64 - 1), np.uint64(0)),
    },
    "every width": {
        kind: random.integers(0, 100, 300).astype(kind) for kind in ("i1", "u1", ">i2", "<u2", ">u4", ">i8")
    },
    "booleans": {"a": random.random(300) > 0.5, "b": np.zeros(300, bool), "c": np.ones(300, bool)},
    "strings beside numbers": {
        "a": random.normal(size=100),
        "s": np.array(["alpha", "βeta", "", "x" * 40] * 25),
        "t": np.array([b"x", b"yz"] * 50),
    },
}


@pytest.mark.parametrize("effort", ["fast", "max"])
@pytest.mark.parametrize("name", TABLES)
def test_odd_tables_come_back_bit_for_bit(tmp_path: Path, name: str, effort: str) -> None:
    table = TABLES[name]
    done = baler_core.compress(table, tmp_path / "t.bal", bounds="lossless", model={"name": "table", "effort": effort})
    assert "table" in done.models.values()
    baler_core.decompress(tmp_path / "t.bal", tmp_path / "t.npz")
    with np.load(tmp_path / "t.npz") as restored:
        for column, values in table.items():
            assert restored[column].dtype == values.dtype
            assert restored[column].tobytes() == values.tobytes()


@pytest.mark.parametrize("name", [name for name in TABLES if name != "strings beside numbers"])
def test_odd_tables_stay_within_their_bounds(tmp_path: Path, name: str) -> None:
    baler_core.compress(TABLES[name], tmp_path / "t.bal", bounds={"rel": 1e-3}, model="table")
    restored = baler_core.open(tmp_path / "t.bal")
    for column, values in TABLES[name].items():
        after = restored[column].values
        if values.dtype.kind == "f":
            finite = np.isfinite(values)
            np.testing.assert_array_equal(after[~finite], values[~finite])
            assert (np.abs(after[finite] - values[finite]) <= 1e-3 * np.abs(values[finite])).all()
        else:
            assert after.tobytes() == values.tobytes()


def test_hundreds_of_columns_take_seconds(tmp_path: Path) -> None:
    columns = random.normal(size=(200, 100)).astype("<f4")
    columns[1::2] = 2 * columns[::2] + 0.1 * columns[1::2]
    start = time.process_time()
    table = {f"c{number}": column for number, column in enumerate(columns)}
    baler_core.compress(table, tmp_path / "t.bal", bounds={"rel": 1e-3}, model="table")
    assert time.process_time() - start < 30
    restored = baler_core.open(tmp_path / "t.bal")
    for name, values in table.items():
        assert (np.abs(restored[name].values - values) <= 1e-3 * np.abs(values)).all()
