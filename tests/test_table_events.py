"""Jagged tables: rows of one event tell about each other, never about another's, and come back as they were."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baler_core.builtin.models.table.events import BEFORE, FIRST, IN_EVENT, SECOND, ColumnSource, Events, sources
from baler_core.builtin.models.table.model import TableModel
from baler_core.builtin.models.table.sample import gather
from baler_core.data.block import make_block, values_of
from baler_core.data.bounds import Tolerance
from baler_core.data.variables import Layout, Variable
from baler_core.errors import FormatError
from baler_core.plugin.interfaces import Streams, Training

EXACT = Tolerance("exact")


def test_rows_of_an_event_are_found() -> None:
    events = Events(np.array([3, 0, 1, 4]))
    assert events.position.tolist() == [0, 1, 2, 0, 0, 1, 2, 3]
    assert events.size.tolist() == [3, 3, 3, 1, 4, 4, 4, 4]
    assert events.rows_at(BEFORE).tolist() == [-1, 0, 1, 2, 3, 4, 5, 6]
    assert events.rows_at(IN_EVENT).tolist() == [-1, 0, 1, -1, -1, 4, 5, 6]
    assert events.rows_at(SECOND).tolist() == [-1, -1, 0, -1, -1, -1, 4, 5]
    assert events.rows_at(FIRST).tolist() == [-1, 0, 0, -1, -1, 4, 4, 4]


@given(st.lists(st.integers(0, 9), max_size=30), st.data())
def test_a_part_of_events_keeps_their_borders(lengths: list[int], data: st.DataObject) -> None:
    events = Events(np.array(lengths, np.int64))
    start = data.draw(st.integers(0, events.rows))
    stop = data.draw(st.integers(start, events.rows))
    part = events.part(slice(start, stop))
    inside = events.borders[(events.borders > start) & (events.borders < stop)] - start
    assert part.rows == stop - start
    assert set(part.borders.tolist()) == {0, stop - start, *inside.tolist()}


@pytest.mark.parametrize("columns", [1, 7])
def test_sources_are_numbered(columns: int) -> None:
    found = [ColumnSource.of(number, columns) for number in range(sources(columns))]
    assert len(set(found)) == len(found)
    assert [source.number(columns) for source in found] == list(range(sources(columns)))


def layout_of(columns: dict[str, np.ndarray], lengths: np.ndarray | None) -> Layout:
    variables = tuple(Variable(name, values.dtype.str, ("hit",)) for name, values in columns.items())
    return Layout("table", variables, {"hit": len(next(iter(columns.values())))}, "n", lengths)


def coded(
    columns: dict[str, np.ndarray], lengths: np.ndarray, effort: str = "max", told: bool = True
) -> tuple[TableModel, Streams]:
    block = make_block({**{name: (("hit",), values) for name, values in columns.items()}, "n": (("event",), lengths)})
    layout = layout_of(columns, lengths if told else None)
    tolerances = dict.fromkeys(columns, EXACT)
    model = TableModel(TableModel.Options(effort=effort))
    model.fit([block], layout=layout, tolerances=tolerances, training=Training())
    return model, model.encode(block, layout, tolerances)


def size(columns: dict[str, np.ndarray], lengths: np.ndarray, *, told: bool) -> int:
    model, streams = coded(columns, lengths, told=told)
    return len(streams["columns"]) + model.state()["plan"].size


def walks(events: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Numbers that go up by 0 to 2 inside an event and start anywhere in the next; and one that counts its rows."""
    rng = np.random.default_rng(2)
    lengths = rng.integers(0, 6, events)
    level = [rng.integers(0, 60) + np.cumsum(rng.integers(0, 3, length)) for length in lengths]
    left = [np.arange(length, 0, -1) for length in lengths]
    return {"level": np.concatenate(level), "left": np.concatenate(left)}, lengths


def test_what_rows_of_an_event_say_about_each_other_is_used() -> None:
    columns, lengths = walks(4000)
    assert size(columns, lengths, told=True) < 0.85 * size(columns, lengths, told=False)


def test_position_and_size_of_the_event_are_used() -> None:
    columns, lengths = walks(4000)
    assert size({"left": columns["left"]}, lengths, told=True) < 250


@pytest.mark.parametrize("effort", ["fast", "balanced", "max"])
def test_jagged_tables_come_back(effort: str) -> None:
    columns, lengths = walks(600)
    model, streams = coded(columns, lengths, effort)
    other = TableModel(model.options)
    other.load_state(model.state())
    restored = other.decode(streams, layout_of(columns, lengths), dict.fromkeys(columns, EXACT))
    for name, values in columns.items():
        assert values_of(restored, name).tobytes() == values.tobytes()


def test_other_events_than_were_coded_are_damage() -> None:
    columns, lengths = walks(600)
    model, streams = coded(columns, lengths)
    with pytest.raises(FormatError):
        model.decode(streams, layout_of(columns, lengths[::-1].copy()), dict.fromkeys(columns, EXACT))


def test_a_model_of_jagged_tables_codes_one_whose_events_are_not_known() -> None:
    columns, lengths = walks(600)
    model, _ = coded(columns, lengths)
    block = make_block({name: (("hit",), values) for name, values in columns.items()})
    layout, tolerances = layout_of(columns, None), dict.fromkeys(columns, EXACT)
    restored = model.decode(model.encode(block, layout, tolerances), layout, tolerances)
    assert values_of(restored, "level").tobytes() == columns["level"].tobytes()


def test_the_sample_of_a_long_table_knows_its_events() -> None:
    lengths = np.random.default_rng(0).integers(0, 5, 100_000)
    values = np.repeat(np.arange(len(lengths)), lengths)
    block = make_block({"event": (("hit",), values), "n": (("event",), lengths)})
    layout = layout_of({"event": values}, lengths)
    sample = gather([block, block], layout, {"event": EXACT})
    assert not sample.whole
    assert sample.events is not None
    assert sample.events.rows == len(sample.columns[0].values)
    same = sample.columns[0].values[1:] == sample.columns[0].values[:-1]
    first = sample.events.position[1:] == 0
    assert (first >= ~same).all()
    assert (first & same).sum() < 40  # events cut at the ends of pieces
