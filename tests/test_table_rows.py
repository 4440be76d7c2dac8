"""Row blocks of the table model: cut between events, each decodable by itself, the same bytes on any number of threads."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baler_core.builtin.models.table import model as table
from baler_core.builtin.models.table.events import Events
from baler_core.builtin.models.table.model import TableModel
from baler_core.builtin.models.table.row_blocks import RowBlock, cut_rows, join_blocks, split_blocks
from baler_core.data.block import make_block, values_of
from baler_core.data.bounds import Tolerance
from baler_core.data.part import Part
from baler_core.data.variables import Layout, Variable
from baler_core.errors import FormatError
from baler_core.plugin.effort import Effort
from baler_core.plugin.interfaces import Streams, Training

TOLERANCES = {"pt": Tolerance("rel", 1e-3), "near": Tolerance("abs", 0.1), "number": Tolerance("exact")}


@given(st.lists(st.integers(0, 30), max_size=60), st.integers(1, 50))
def test_row_blocks_hold_whole_events(lengths: list[int], most: int) -> None:
    events = Events(np.array(lengths, np.int64))
    cuts = cut_rows(events.rows, events, most)
    borders = [cut.start for cut in cuts] + [events.rows]
    assert borders == [0, *(cut.stop for cut in cuts)]
    assert all(a < b for a, b in itertools.pairwise(borders))
    assert set(borders) <= set(events.borders.tolist())
    assert all(cut.stop - cut.start <= most + max(lengths) for cut in cuts)


@given(st.integers(0, 200), st.integers(1, 50))
def test_without_events_row_blocks_are_of_equal_length(rows: int, most: int) -> None:
    cuts = cut_rows(rows, None, most)
    lengths = [cut.stop - cut.start for cut in cuts]
    assert sum(lengths) == rows
    assert len(cuts) == -(-rows // most)
    assert max(lengths, default=0) <= most
    assert max(lengths, default=0) - min(lengths, default=0) <= 1


def test_joined_row_blocks_are_split_again() -> None:
    blocks = [RowBlock(slice(0, 3), b"abc"), RowBlock(slice(3, 4), b""), RowBlock(slice(4, 300), b"defg")]
    assert split_blocks(join_blocks(blocks), 300) == blocks
    assert split_blocks(join_blocks(blocks[:1]), 3) == blocks[:1]
    assert "cuts" not in join_blocks(blocks[:1])
    assert split_blocks(join_blocks([]), 0) == []


@pytest.mark.parametrize(
    "cuts", [b"", b"\x03", b"\x03\x03\x00\x00", b"\x03\x09\x01\x00", b"\x03\x03\x05\x04", b"\x04\x07\x01"]
)
def test_damaged_cuts_are_found(cuts: bytes) -> None:
    with pytest.raises(FormatError):
        split_blocks({"columns": b"abcdefg", "cuts": cuts}, 4 if cuts[:1] != b"\x04" else 5)


def test_without_columns_there_is_no_table() -> None:
    with pytest.raises(FormatError, match="columns"):
        split_blocks({}, 4)


def jets(events: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    rng = np.random.default_rng(5)
    lengths = rng.poisson(3, events)
    pt = rng.exponential(50, lengths.sum()).astype("<f4")
    order = np.lexsort([-pt, np.repeat(np.arange(events), lengths)])
    pt = pt[order]
    return {"pt": pt, "near": pt + rng.normal(size=len(pt)).astype("<f4"), "number": rng.poisson(pt)}, lengths


def layout_of(columns: dict[str, np.ndarray], lengths: np.ndarray | None) -> Layout:
    variables = tuple(Variable(name, values.dtype.str, ("jet",)) for name, values in columns.items())
    return Layout("table", variables, {"jet": len(columns["pt"])}, "n" if lengths is not None else "", lengths)


def coded(
    columns: dict[str, np.ndarray], lengths: np.ndarray | None, effort: Effort = "balanced"
) -> tuple[TableModel, Streams, Layout]:
    layout = layout_of(columns, lengths)
    arrays: dict[str, tuple[Sequence[str], np.ndarray]] = {name: (("jet",), v) for name, v in columns.items()}
    block = make_block(arrays if lengths is None else {**arrays, "n": (("event",), lengths)})
    model = TableModel(TableModel.Options(effort=effort))
    model.fit([block], layout=layout, tolerances=TOLERANCES, training=Training())
    return model, model.encode(block, layout, TOLERANCES), layout


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """About a thousand rows each."""
    monkeypatch.setattr(table, "EFFORTS", {k: replace(effort, rows=1000) for k, effort in table.EFFORTS.items()})


@pytest.mark.usefixtures("small_blocks")
def test_bytes_do_not_depend_on_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    columns, lengths = jets(1500)
    found = []
    for cores in (1, 3, 16):
        monkeypatch.setattr(os, "cpu_count", lambda cores=cores: cores)
        model, streams, layout = coded(columns, lengths)
        found.append(streams)
        restored = model.decode(streams, layout, TOLERANCES)
        for name, values in columns.items():
            assert not TOLERANCES[name].violations(values, values_of(restored, name)).any()
    assert len(split_blocks(found[0], layout.sizes["jet"])) > 3
    assert found[0] == found[1] == found[2]


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize(("jagged", "effort"), [(False, "fast"), (True, "fast"), (True, "balanced")])
def test_each_row_block_is_decoded_by_itself_and_some_rows_of_it(jagged: bool, effort: Effort) -> None:
    columns, lengths = jets(1000)
    model, streams, layout = coded(columns, lengths if jagged else None, effort)
    whole = model.decode(streams, layout, TOLERANCES)
    for part in split_blocks(streams, layout.sizes["jet"]):
        events = Events(lengths).part(part.rows).lengths if jagged else None
        own = layout_of({name: values[part.rows] for name, values in columns.items()}, events)
        restored = model.decode({"columns": part.data}, own, TOLERANCES)
        for name in columns:
            assert values_of(restored, name).tobytes() == values_of(whole, name)[part.rows].tobytes()
    for rows in (slice(3, 40), slice(980, 1100), slice(1500, 1501)):
        found = model.decode_part(streams, layout, TOLERANCES, Part(frozenset(columns), {"jet": rows}))
        for name, values in found.items():
            assert values.tobytes() == values_of(whole, name)[rows].tobytes()


@pytest.mark.usefixtures("small_blocks")
def test_damage_in_one_of_several_row_blocks_is_found() -> None:
    columns, lengths = jets(1000)
    model, streams, layout = coded(columns, lengths)
    for place in np.linspace(0, len(streams["columns"]) - 1, 20).astype(int):
        data = bytearray(streams["columns"])
        data[place] ^= 0x55
        with pytest.raises(FormatError):
            model.decode({**streams, "columns": bytes(data)}, layout, TOLERANCES)
