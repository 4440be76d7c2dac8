"""References: columns told by the distance from values of earlier rows, and by the rows that a pointer column names."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from baler_core.builtin.models.table.contexts.references import CELLS, WIDTHS, kind_of
from baler_core.builtin.models.table.events import POINTED, ColumnSource, Events, sources
from baler_core.builtin.models.table.model import TableModel
from baler_core.builtin.models.table.plan import TablePlan, plan_to_bytes
from baler_core.builtin.models.table.stored_plan import plan_from_bytes
from baler_core.data.block import make_block, values_of
from baler_core.data.bounds import Tolerance
from baler_core.data.variables import Layout, Variable
from baler_core.errors import FormatError
from baler_core.plugin.interfaces import Training


def test_distances_are_told_apart_near_and_by_size_far_away() -> None:
    distances = [0, 1, 2, 3, 4, 5, 6, 7, 8, 4095, 4096, 10**6, 2**60]
    kinds = [kind_of(distance) for distance in distances]
    assert kinds == sorted(kinds)
    assert len(set(kinds[:9])) == 9
    assert [kind_of(-distance) + kind for distance, kind in zip(distances[1:], kinds[1:], strict=True)] == [256] * 12
    assert kind_of(100) == kind_of(101) != kind_of(150)
    assert 0 < kind_of(-(2**61)) < kind_of(2**61) < CELLS // WIDTHS


def test_numbers_name_earlier_rows_of_the_same_event() -> None:
    events = Events(np.array([3, 0, 4]))
    assert events.earlier(np.array([-1, 0, 2, 0, 0, -7, 2])).tolist() == [-1, 0, -1, -1, 3, -1, 5]
    assert ColumnSource.of(sources(5) - 1, 5) == ColumnSource(POINTED, 4)


def family(events: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Particles that fly about where their mothers do, and which these are."""
    rng = np.random.default_rng(5)
    lengths = rng.integers(4, 30, events)
    mother = np.concatenate([[rng.integers(-1, k) if k % 4 else -1 for k in range(length)] for length in lengths])
    rows = Events(lengths).earlier(mother)
    eta = rng.normal(0, 2, len(mother))
    for row in np.flatnonzero(rows >= 0):
        eta[row] = eta[rows[row]] + 0.01 * rng.normal()
    return {"mother": mother.astype("<i4"), "eta": eta.astype("<f4")}, lengths


def table(
    columns: dict[str, np.ndarray], lengths: np.ndarray | None
) -> tuple[xr.Dataset, Layout, dict[str, Tolerance]]:
    """Columns as a model is given them; floats within 0.001, integers exact."""
    variables = tuple(Variable(name, values.dtype.str, ("hit",)) for name, values in columns.items())
    layout = Layout(
        "table", variables, {"hit": len(next(iter(columns.values())))}, "" if lengths is None else "n", lengths
    )
    bounds = {n: Tolerance("abs", 1e-3) if v.dtype.kind == "f" else Tolerance("exact") for n, v in columns.items()}
    block = {name: (("hit",), values) for name, values in columns.items()}
    return make_block(block if lengths is None else {**block, "n": (("event",), lengths)}), layout, bounds


def learned(columns: dict[str, np.ndarray], lengths: np.ndarray | None, effort: str) -> tuple[TablePlan, int]:
    """The plan, and the bytes with it; what another model restores has been checked."""
    block, layout, bounds = table(columns, lengths)
    model, other = (TableModel(TableModel.Options(effort=effort, network="off")) for _ in range(2))
    model.fit([block], layout=layout, tolerances=bounds, training=Training())
    streams = model.encode(block, layout, bounds)
    other.load_state(model.state())
    restored = other.decode(streams, layout, bounds)
    for name, values in columns.items():
        assert not bounds[name].violations(values, values_of(restored, name)).any()
    stored = model.state()["plan"].tobytes()
    return plan_from_bytes(stored, [v.dtype for v in layout.variables]), len(streams["columns"]) + len(stored)


@pytest.mark.parametrize("effort", ["balanced", "max"])
def test_rows_are_told_by_those_they_point_to(effort: str) -> None:
    columns, lengths = family(500)
    plan, size = learned(columns, lengths, effort)
    assert plan.pointer == 0
    assert POINTED in plan.columns[1].references
    mixed_up = {**columns, "mother": np.random.default_rng(0).permutation(columns["mother"])}
    assert size < 0.8 * learned(mixed_up, lengths, effort)[1]


def test_plans_that_look_where_nothing_points_are_refused() -> None:
    columns, lengths = family(200)
    plan, _ = learned(columns, lengths, "max")
    dtypes = ["<i4", "<f4"]
    assert plan_from_bytes(plan_to_bytes(plan), dtypes).columns[1].references == plan.columns[1].references
    for damaged in (
        TablePlan(plan.columns, plan.order, plan.derived),
        TablePlan(plan.columns, plan.order, plan.derived, 1),
        TablePlan(plan.columns, plan.order[::-1], plan.derived, 0),
    ):
        with pytest.raises(FormatError, match="table is damaged"):
            plan_from_bytes(plan_to_bytes(damaged), dtypes)


_ENCODE = """
import hashlib, sys
import numpy as np
from test_table_references import TableModel, family, table
block, layout, bounds = table(*family(7))
model = TableModel()
model.load_state({"plan": np.load(sys.argv[1])})
print(hashlib.sha256(model.encode(block, layout, bounds)["columns"]).hexdigest())
"""


def test_references_give_the_same_bytes_without_compiled_code(tmp_path: Path) -> None:
    columns, lengths = family(200)
    plan, _ = learned(columns, lengths, "max")
    assert POINTED in plan.columns[1].references
    np.save(tmp_path / "plan.npy", np.frombuffer(plan_to_bytes(plan), np.uint8))
    found = []
    for loops in ("", "python"):
        environment = {**os.environ, "BALER_LOOPS": loops, "PYTHONPATH": str(Path(__file__).parent)}
        command = [sys.executable, "-c", _ENCODE, str(tmp_path / "plan.npy")]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        found.append(done.stdout)
    assert found[0] == found[1]
