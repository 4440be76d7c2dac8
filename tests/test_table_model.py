"""The table model restores every table within its tolerances, whatever is in it, and never needs much more than scalar."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from baler_core.builtin.models.scalar import ScalarModel
from baler_core.builtin.models.table.model import TableModel
from baler_core.builtin.models.table.options import TableOptions
from baler_core.data.block import make_block, values_of
from baler_core.data.bounds import Tolerance
from baler_core.data.formulas import Formula
from baler_core.data.variables import Layout, Variable
from baler_core.errors import FormatError
from baler_core.plugin.interfaces import NO_HINTS, Hints, Model, Streams, Training

EXACT = Tolerance("exact")
REL = Tolerance("rel", 1e-3)
Columns = Mapping[str, np.ndarray]
random = np.random.default_rng(7)


def layout_of(columns: Columns) -> Layout:
    variables = tuple(Variable(name, values.dtype.str, ("row",)) for name, values in columns.items())
    return Layout("table", variables, {"row": len(next(iter(columns.values())))})


def compressed(
    model: Model, columns: Columns, tolerances: Mapping[str, Tolerance], parts: int = 1, hints: Hints = NO_HINTS
) -> tuple[list[Streams], list[Columns]]:
    rows = len(next(iter(columns.values())))
    cuts = [rows * k // parts for k in range(parts + 1)]
    pieces = [{n: v[a:b] for n, v in columns.items()} for a, b in itertools.pairwise(cuts)]
    blocks = [make_block({name: (("row",), v) for name, v in piece.items()}) for piece in pieces]
    model.fit(blocks, layout=layout_of(columns), tolerances=tolerances, training=Training(), hints=hints)
    streams = [model.encode(b, layout_of(p), tolerances, hints=hints) for b, p in zip(blocks, pieces, strict=True)]
    return streams, pieces


def size(model: Model, streams: list[Streams]) -> int:
    state = sum(array.nbytes for array in model.state().values())
    return state + sum(len(stream) for part in streams for stream in part.values())


def violations(
    columns: Columns, tolerances: Mapping[str, Tolerance], parts: int = 1, options: TableOptions | None = None
) -> int:
    """How many restored values break their tolerance, decoding with a fresh model that has only the state."""
    model = TableModel(options)
    streams, pieces = compressed(model, columns, tolerances, parts)
    other = TableModel(options)
    other.load_state(model.state())
    broken = 0
    for part, piece in zip(streams, pieces, strict=True):
        restored = other.decode(part, layout_of(piece), tolerances)
        for name, values in piece.items():
            after = values_of(restored, name)
            assert (after.dtype, after.shape) == (values.dtype, values.shape)
            broken += int(tolerances[name].violations(values, after).sum())
    return broken


def related(rows: int) -> dict[str, np.ndarray]:
    """A table whose columns have much to say about each other."""
    total = random.lognormal(3, 1, rows).astype("<f4")
    share = random.beta(2, 2, rows).astype("<f4")
    count = random.poisson(total / 5).astype("<i4")
    return {
        "total": total,
        "part": total * share,
        "rest": total - total * share,
        "count": count,
        "doubled": count * 2,
        "near": (total * (1 + 0.01 * random.standard_normal(rows))).astype("<f4"),
        "same": total.copy(),
        "flag": count > 3,
        "decimal": np.round(random.normal(0, 3, rows), 2),
    }


floats = st.sampled_from(["<f4", "<f8", ">f4", "<f2"])
integers = st.sampled_from(["i1", "<u2", "<i4", ">i8", "<u8", "?"])
limits = st.sampled_from([EXACT, REL, Tolerance("abs", 0.5), Tolerance("bits", 6), Tolerance("rel", 0.1, fill=(3.0,))])


@st.composite
def tables(draw: st.DrawFn) -> tuple[dict[str, np.ndarray], dict[str, Tolerance]]:
    rows = draw(st.integers(0, 70))
    columns, tolerances = {}, {}
    for number in range(draw(st.integers(1, 5))):
        dtype = np.dtype(draw(st.one_of(floats, integers)))
        columns[f"v{number}"] = draw(hnp.arrays(dtype, rows))
        tolerances[f"v{number}"] = EXACT if dtype.kind == "b" else draw(limits)
        if draw(st.booleans()):
            columns[f"copy{number}"], tolerances[f"copy{number}"] = columns[f"v{number}"].copy(), draw(limits)
            if dtype.kind == "b":
                tolerances[f"copy{number}"] = EXACT
    return columns, tolerances


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tables(), st.sampled_from([1, 2]))
def test_exact_columns_of_any_table_come_back_bit_for_bit(
    table: tuple[dict[str, np.ndarray], dict[str, Tolerance]], parts: int
) -> None:
    columns, tolerances = table
    model = TableModel()
    streams, pieces = compressed(model, columns, tolerances, parts)
    for part, piece in zip(streams, pieces, strict=True):
        restored = model.decode(part, layout_of(piece), tolerances)
        for name, values in piece.items():
            if tolerances[name] == EXACT:
                assert values_of(restored, name).tobytes() == values.tobytes()


@pytest.mark.parametrize("effort", ["fast", "balanced", "max"])
def test_related_columns_stay_within_their_bounds(effort: str) -> None:
    columns = related(3000)
    tolerances = {name: REL if values.dtype.kind == "f" else EXACT for name, values in columns.items()}
    assert violations(columns, tolerances, options=TableOptions(effort=effort)) == 0


def test_lossless_floats_come_back_bit_for_bit() -> None:
    columns = related(2000)
    columns["noise"] = random.standard_normal(2000)
    columns["sum"] = columns["count"].astype("<f8") + columns["decimal"]
    assert violations(columns, dict.fromkeys(columns, EXACT)) == 0


def test_relations_cost_next_to_nothing() -> None:
    columns = related(4000)
    tolerances = {name: REL if values.dtype.kind == "f" else EXACT for name, values in columns.items()}
    fewer = {name: columns[name] for name in ("total", "part", "count", "near", "decimal")}
    with_all, without = TableModel(), TableModel()
    more = size(with_all, compressed(with_all, columns, tolerances)[0])
    less = size(without, compressed(without, fewer, {name: tolerances[name] for name in fewer})[0])
    assert more < less * 1.02 + 2500  # the difference of two columns costs a little, copies and doubles nothing


def test_what_columns_say_about_each_other_is_used() -> None:
    columns = related(10_000)
    tolerances = {name: REL if values.dtype.kind == "f" else EXACT for name, values in columns.items()}
    table, scalar = TableModel(), ScalarModel()
    assert size(table, compressed(table, columns, tolerances)[0]) < 0.62 * size(
        scalar, compressed(scalar, columns, tolerances)[0]
    )


def test_offered_formulas_are_tested_and_used() -> None:
    rows, own = 4000, np.random.default_rng(3)
    pt, phi = own.lognormal(3, 0.5, rows), own.uniform(-3, 3, rows)
    columns = {"length": pt, "angle": phi, "px": pt * np.cos(phi), "other": own.normal(size=rows)}
    tolerances = {name: Tolerance("abs", 1e-3) for name in columns}
    plain, helped = TableModel(), TableModel()
    hints = Hints(formulas=(Formula("px", "px", ("length", "angle")), Formula("px", "other", ("length", "angle"))))
    before = size(plain, compressed(plain, columns, tolerances)[0])
    streams, _ = compressed(helped, columns, tolerances, hints=hints)
    # without the formula, a network has learned a part of it from the rows
    assert size(helped, streams) < 0.9 * before
    fresh = TableModel()
    fresh.load_state(helped.state())
    restored = fresh.decode(streams[0], layout_of(columns), tolerances)
    assert np.abs(values_of(restored, "px") - columns["px"]).max() <= 1e-3


@pytest.mark.parametrize("rows", [0, 1, 2, 31, 33])
def test_small_tables(rows: int) -> None:
    columns = related(rows)
    tolerances = {name: REL if values.dtype.kind == "f" else EXACT for name, values in columns.items()}
    assert violations(columns, tolerances) == 0


def test_special_values_between_related_columns() -> None:
    rows = 3000
    base = random.normal(5, 1, rows)
    base[::7] = np.nan
    base[::11] = np.inf
    zeros = np.where(random.random(rows) < 0.5, 0.0, random.exponential(size=rows))
    columns = {"base": base, "minus": -base, "copy": base.copy(), "zeros": zeros, "sum": np.abs(base) + zeros}
    columns["negative zero"] = np.where(zeros == 0, -0.0, zeros)
    assert violations(columns, dict.fromkeys(columns, REL)) == 0
    assert violations(columns, dict.fromkeys(columns, EXACT)) == 0


def test_columns_of_one_value_and_integers_beyond_doubles() -> None:
    rows = 1000
    ids = np.arange(rows) + 2**62
    columns = {
        "one": np.full(rows, 3.25),
        "nan": np.full(rows, np.nan),
        "ids": ids,
        "same ids": ids.copy(),
        "unsigned": random.integers(0, 2**64 - 1, rows, dtype=np.uint64),
        "signed": random.integers(-(2**63), 2**63 - 1, rows),
    }
    assert violations(columns, dict.fromkeys(columns, EXACT)) == 0


def test_a_thousand_columns() -> None:
    columns = {f"c{k}": random.integers(0, 1 + k % 5, 40).astype("<i4") for k in range(1000)}
    assert violations(columns, dict.fromkeys(columns, EXACT)) == 0


def test_blocks_unlike_the_sample() -> None:
    first, second = related(6000), related(6000)
    columns = {name: np.concatenate([first[name], second[name][::-1]]) for name in first}
    columns["total"][9000:] *= 1000
    columns["count"][9000:] -= 50_000
    columns["part"][10_000:] = np.nan
    tolerances = {name: REL if values.dtype.kind == "f" else EXACT for name, values in columns.items()}
    model = TableModel()
    learned_from = {name: values[:3000] for name, values in columns.items()}
    compressed(model, learned_from, tolerances)
    block = make_block({name: (("row",), v) for name, v in columns.items()})
    streams = model.encode(block, layout_of(columns), tolerances)
    restored = model.decode(streams, layout_of(columns), tolerances)
    broken = sum(int(tolerances[n].violations(v, values_of(restored, n)).sum()) for n, v in columns.items())
    assert broken <= 20  # stray ones are left to the core's exact corrections


def test_noise_costs_no_more_than_the_scalar_model() -> None:
    columns = {f"n{k}": random.standard_normal(5000) for k in range(4)}
    tolerances = dict.fromkeys(columns, REL)
    table, scalar = TableModel(), ScalarModel()
    limit = size(scalar, compressed(scalar, columns, tolerances)[0])
    assert size(table, compressed(table, columns, tolerances)[0]) <= limit * 1.005 + 300


def test_damage_is_found() -> None:
    columns = related(500)
    tolerances = {name: REL if values.dtype.kind == "f" else EXACT for name, values in columns.items()}
    model = TableModel()
    streams, _ = compressed(model, columns, tolerances)
    stream = streams[0]["columns"]
    for place in (0, 5, 10, len(stream) // 2, len(stream) - 2):
        damaged = bytearray(stream)
        damaged[place] ^= 0x55
        try:
            restored = model.decode({"columns": bytes(damaged)}, layout_of(columns), tolerances)
        except FormatError:
            continue
        # some bits are of no account, as the last of a coder: then nothing is wrong
        assert not any(tolerances[n].violations(v, values_of(restored, n)).any() for n, v in columns.items())
    with pytest.raises(FormatError):
        model.decode({"columns": stream[: len(stream) // 2]}, layout_of(columns), tolerances)
    with pytest.raises(FormatError):
        model.decode({}, layout_of(columns), tolerances)


def test_damaged_plans_are_found() -> None:
    columns = related(500)
    tolerances = {name: REL if values.dtype.kind == "f" else EXACT for name, values in columns.items()}
    model = TableModel()
    streams, _ = compressed(model, columns, tolerances)
    plan = model.state()["plan"]
    for place in random.integers(0, len(plan), 40):
        damaged = plan.copy()
        damaged[place] ^= 1 << int(random.integers(0, 8))
        other = TableModel()
        other.load_state({"plan": damaged})
        try:
            restored = other.decode(streams[0], layout_of(columns), tolerances)
        except FormatError:
            continue
        assert set(restored.variables) == set(columns)


_HASH = """
import hashlib, numpy as np
from baler_core.data.bounds import Tolerance
from baler_core.builtin.models.table.model import TableModel
from baler_core.data.block import make_block
from baler_core.data.variables import Layout, Variable
from baler_core.plugin.interfaces import Training
numbers = np.arange(150)
columns = {"a": numbers * 7919 % 101, "b": numbers * 7919 % 101 // 3, "c": numbers * 104729 % 5000}
exact = {k: Tolerance("exact") for k in columns}
lengths = np.arange(150) % 5
lengths = lengths[np.cumsum(lengths) <= 150]
variables = tuple(Variable(k, v.dtype.str, ("row",)) for k, v in columns.items())
arrays = {k: (("row",), v) for k, v in columns.items()} | {"n": (("event",), lengths)}
block = make_block(arrays)
for layout in (Layout("table", variables, {"row": 150}), Layout("table", variables, {"row": 150}, "n", lengths)):
    model = TableModel()
    model.fit([block], layout=layout, tolerances=exact, training=Training())
    print(hashlib.sha256(model.encode(block, layout, exact)["columns"]).hexdigest())
"""


def test_the_compiled_path_gives_the_same_bytes() -> None:
    found = []
    for loops in ("", "python"):
        environment = {**os.environ, "BALER_LOOPS": loops}
        done = subprocess.run(
            [sys.executable, "-c", _HASH], env=environment, capture_output=True, text=True, check=True
        )
        found.append(done.stdout)
    assert found[0] == found[1]
