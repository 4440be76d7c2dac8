"""What stands behind a null is not judged: formats hold something there, and bounds of it are those of nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from baler_core.cli import main

ROWS = 2500
rng = np.random.default_rng(8)
FLUX = rng.lognormal(0, 1, ROWS)
ERRORS = rng.lognormal(-3, 1.5, ROWS)
NULL = rng.random(ROWS) < 0.2


def masked(values: np.ndarray, null: np.ndarray = NULL) -> pa.Array:
    return pa.array(values, mask=null)


def in_struct(values: np.ndarray) -> pa.Array:
    inner = masked(values, np.roll(NULL, 7))
    return pa.StructArray.from_arrays([inner], ["flux"], mask=pa.array(NULL))


def in_lists(values: np.ndarray) -> pa.Array:
    items = masked(np.repeat(values, 3), np.repeat(NULL, 3) & (np.arange(3 * ROWS) % 4 > 0))
    return pa.FixedSizeListArray.from_arrays(items, 3, mask=pa.array(np.roll(NULL, 3)))


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main([*map(str, arguments)])
    assert isinstance(caught.value.code, int)
    return caught.value.code


@pytest.mark.parametrize(
    ("columns", "name"),
    [({"flux": masked(FLUX), "e": ERRORS}, "flux"), ({"flux": FLUX, "e": masked(ERRORS)}, "flux"),
     ({"flux": masked(FLUX), "e": masked(ERRORS, np.roll(NULL, 1))}, "flux"),
     ({"s": in_struct(FLUX), "e": ERRORS}, "s.flux"),
     ({"l": in_lists(FLUX), "e": pa.FixedSizeListArray.from_arrays(np.repeat(ERRORS, 3), 3)}, "l")],
    ids=["value", "error", "both", "struct", "lists"],
)  # fmt: skip
def test_values_behind_nulls_are_not_held_to_bounds_of_other_rows(
    columns: dict[str, Any], name: str, tmp_path: Path
) -> None:
    table = pa.table(columns)
    pq.write_table(table, tmp_path / "t.parquet")
    (tmp_path / "c.yaml").write_text(
        f"input: t.parquet\nbounds:\n  {name}: {{abs: '0.2 * e'}}\n  e: {{rel: 0.01}}\n"
        f"model: scalar\nplots: []\nmetrics: []\noutput: {tmp_path}\n"
    )
    assert run("run", tmp_path / "c.yaml") == 0
    found = {v["name"]: v for v in json.loads((tmp_path / "report.json").read_text())["variables"]}
    assert found[name]["violations"] == 0
    assert 0.3 < found[name]["share"] <= 1
    restored = pq.read_table(tmp_path / "t.restored.parquet")
    for column in table.column_names:
        assert restored[column].is_null().equals(table[column].is_null())


def test_a_value_outside_its_bound_is_found_beside_nulls(tmp_path: Path) -> None:
    for name, shift in (("t", 0.0), ("far", 0.5)):
        pq.write_table(pa.table({"flux": masked(FLUX + shift * (np.arange(ROWS) == 5))}), tmp_path / f"{name}.parquet")
    assert not NULL[5]
    (tmp_path / "c.yaml").write_text("input: t.parquet\nbounds:\n  flux: {abs: 0.1}\n")
    config = ["--config", tmp_path / "c.yaml", "-o", tmp_path / "report"]
    assert run("evaluate", tmp_path / "t.parquet", tmp_path / "far.parquet", *config) == 3
