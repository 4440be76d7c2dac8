"""Compiled loops stay within their arrays: extreme data, damaged streams, and claims of what streams hold."""

from __future__ import annotations

import logging
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard

import baler_core
from baler_core.builtin.models.fields.transform.block import Chunk, Recipe
from baler_core.builtin.models.fields.transform.chunk import encode_chunk
from baler_core.builtin.models.fields.transform.model import TransformModel
from baler_core.builtin.models.fields.transform.neighbourhood import MOST, means
from baler_core.builtin.models.table.contexts.references import kind_of
from baler_core.builtin.models.table.contexts.symbols import SymbolMap
from baler_core.builtin.models.table.model import TableModel
from baler_core.builtin.models.table.plan import plan_to_bytes
from baler_core.builtin.models.table.stored_plan import plan_from_bytes
from baler_core.data.block import make_block, values_of
from baler_core.data.variables import Layout, Variable
from baler_core.entropy.arithmetic import new_decoder
from baler_core.entropy.bytes import ZSTD, unsqueeze
from baler_core.entropy.integers import pack_integers
from baler_core.entropy.magnitudes import BINS, bit_length, logarithmic
from baler_core.entropy.numbers import NumberCoder
from baler_core.entropy.symbol_stream import count_codes
from baler_core.errors import FormatError
from baler_core.format.arrays import decode_state, encode_state
from baler_core.machine.loop_library import open_library
from baler_core.plugin.interfaces import Training

FUZZ = Path(__file__).resolve().parents[1] / "benchmarks" / "fuzz.py"
random = np.random.default_rng(5)
EXTREMES = np.array([-(2**63), -(2**62), -1, 0, 1, 4095, 4096, 2**31, 2**62, 2**63 - 1], np.int64)


def wide(dtype: str, width: int, shape: tuple[int, ...] = (10, 7, 13)) -> np.ndarray:
    low = max(-width, int(np.iinfo(dtype).min))
    return random.integers(low, min(width, int(np.iinfo(dtype).max)), shape, dtype=dtype)


GRIDS = {
    "int64 of 41 bits": wide("i8", 2**40),
    "all of int32": wide("i4", 2**31 - 1),
    "all of uint32": wide("u4", 2**32 - 1),
    "all of int64": wide("i8", 2**63 - 1, (6, 5, 4)),
    "ends of int64": np.where(random.random((5, 4, 6)) < 0.5, 2**63 - 1, -(2**63)),
    "seconds of centuries": wide("i8", 2**33).view("M8[s]"),
    "nanoseconds": np.cumsum(wide("i8", 2**36, (4, 5, 30)), axis=-1).view("M8[ns]"),
    "smooth and wide": (np.sin(np.add.outer(np.arange(40), np.arange(50)) / 9) * (2**31 - 1)).astype("i4"),
}


@pytest.mark.parametrize("model", ["auto", "transform", "predictive"])
@pytest.mark.parametrize("name", GRIDS)
def test_grids_of_large_values_come_back_and_no_model_fails(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, model: str
) -> None:
    with caplog.at_level(logging.WARNING, "baler_core"):
        baler_core.compress({"a": GRIDS[name]}, tmp_path / "a.bal", model={"name": model, "effort": "fast"})
    assert not [record for record in caplog.records if "failed" in record.getMessage()]
    restored = baler_core.open(tmp_path / "a.bal")["a"].values
    np.testing.assert_array_equal(restored.view("i8") if GRIDS[name].dtype.kind == "M" else restored,
                                  GRIDS[name].view("i8") if GRIDS[name].dtype.kind == "M" else GRIDS[name])  # fmt: skip


def test_coefficients_beyond_32_bits_are_noticed() -> None:
    smooth = np.add.outer(np.arange(32.0), np.arange(32.0))[None, None, None] * np.ones((4, 1, 1, 1, 1))
    recipe = Recipe("none", 2, 0, mixed=0)
    assert encode_chunk(Chunk(smooth), recipe, None)[0]
    assert encode_chunk(Chunk(smooth * 2.0**26), recipe, None) == (b"", b"")


def test_a_field_whose_coefficients_are_too_large_is_left_to_scalar(monkeypatch: pytest.MonkeyPatch) -> None:
    t, y, x = np.meshgrid(np.arange(24), np.arange(40), np.arange(48), indexing="ij")
    values = np.sin(x / 7 - t / 5) * np.cos(y / 9) + 0.3 * np.sin(y / 4 + t / 3)
    layout = Layout("grid", (Variable("a", "<f8", ("t", "y", "x")),), {"t": 24, "y": 40, "x": 48})
    block, tolerances = make_block({"a": (("t", "y", "x"), values)}), {"a": baler_core.Tolerance("abs", 0.003)}
    model = TransformModel(TransformModel.Options(effort="fast"))
    assert len(model.encode(block, layout, tolerances)["fields"]) > 1
    monkeypatch.setattr("baler_core.builtin.models.fields.transform.chunk.LARGEST", 10.0)
    streams = model.encode(block, layout, tolerances)
    assert streams["fields"] == b"\0"
    restored = TransformModel().decode(streams, layout, tolerances)
    assert not tolerances["a"].violations(values, values_of(restored, "a")).any()


def test_any_number_makes_a_place_in_its_table() -> None:
    for number in EXTREMES:
        with np.errstate(over="ignore"):  # the smallest number has no absolute value, in machine code neither
            length, bin_of_it, kind = bit_length(number), logarithmic(number), kind_of(number)
        assert length == int(number).bit_length() if number >= 0 else 0 <= length <= 64
        assert 0 <= bin_of_it < BINS
        assert 0 < kind < 256


@pytest.mark.parametrize("size", [2**26, 2**28, 2**31 - 1])
def test_means_of_large_integers_stay_in_range(size: int) -> None:
    values = np.where(random.random((3, 4, 5)) < 0.5, size, -size).astype(np.int32)
    found = np.zeros_like(values)
    means(values, np.array([0, 0, 0, 3, 4, 5]), found)
    assert found.min() > 0
    assert found.max() <= MOST


def test_a_series_with_impossible_taps_stays_in_range() -> None:
    for seed in range(50):
        numbers = NumberCoder(new_decoder(np.random.default_rng(seed).bytes(400)))
        series = numbers.code_series(np.zeros(200, np.int64), np.full(8, (2**31 - 1) * (-1) ** seed), 10)
        assert np.abs(series).max() <= 2**32


# ---- tables


@pytest.fixture(scope="module")
def table() -> tuple[TableModel, Any, Layout, dict[str, Any]]:
    columns = {"n": np.sort(random.integers(0, 40, 900)), "m": random.integers(0, 900, 900) // 3}
    layout = Layout("table", tuple(Variable(name, "<i8", ("row",)) for name in columns), {"row": 900})
    block = make_block({name: (("row",), values) for name, values in columns.items()})
    tolerances = dict.fromkeys(columns, baler_core.Tolerance("exact"))
    model = TableModel(TableModel.Options(effort="balanced"))
    model.fit([block], layout=layout, tolerances=tolerances, training=Training())
    return model, block, layout, tolerances


def test_a_packed_symbol_beyond_its_range_is_refused(table: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model, block, layout, tolerances = table
    plan = model._learned.plan
    packed = plan._replace(columns=tuple(replace(column, packed=True, parents=()) for column in plan.columns))
    monkeypatch.setattr(model, "_learned", model._learned._replace(plan=packed))
    found = "baler_core.builtin.models.table.blocks"
    monkeypatch.setattr(f"{found}.zlib.crc32", lambda data, value=0: 0)
    model.decode(model.encode(block, layout, tolerances), layout, tolerances)

    def packed_wrongly(values: np.ndarray, *, thorough: bool = True) -> bytes:
        return pack_integers(np.where(values == 5, 2**40, values), thorough=thorough)

    monkeypatch.setattr(f"{found}.pack_integers", packed_wrongly)
    streams = model.encode(block, layout, tolerances)
    with pytest.raises(FormatError, match="beyond its range"):
        model.decode(streams, layout, tolerances)


@pytest.mark.parametrize(("low", "high"), [(-(2**61), 5), (0, 2**61), (-(2**62), 2**62)])
def test_symbols_too_far_apart_for_loops_are_refused(table: Any, low: int, high: int) -> None:
    plan = table[0]._learned.plan
    first = replace(plan.columns[0], symbols=SymbolMap("codes", low, high), marginal=None, parents=(), packed=True)
    damaged = plan_to_bytes(plan._replace(columns=(first, *plan.columns[1:])))
    with pytest.raises(FormatError, match="symbols from"):
        plan_from_bytes(damaged, ["<i8", "<i8"])


def test_bins_whose_edges_wrap_around_are_refused(table: Any) -> None:
    plan = table[0]._learned.plan
    number = next(j for j, column in enumerate(plan.columns) if column.marginal and column.marginal.bins > 4)
    column = plan.columns[number]
    gaps = np.diff(column.marginal.edges)
    gaps[:4] += np.array([2**62] * 4)
    edges = column.marginal.edges[0] + np.concatenate([[0], np.cumsum(gaps)])
    wrong = replace(column, marginal=replace(column.marginal, edges=edges))
    damaged = plan_to_bytes(
        plan._replace(columns=tuple(wrong if j == number else c for j, c in enumerate(plan.columns)))
    )
    assert edges[-1] == column.marginal.edges[-1]
    with pytest.raises(FormatError, match="bins make no sense"):
        plan_from_bytes(damaged, ["<i8", "<i8"])


# ---- what is claimed


def test_a_frame_that_states_its_size_takes_no_memory() -> None:
    sized = zstandard.ZstdCompressor(
        compression_params=zstandard.ZstdCompressionParameters(format=zstandard.FORMAT_ZSTD1_MAGICLESS)
    ).compress(bytes(5000))
    with pytest.raises(FormatError, match="first byte"):
        unsqueeze(bytes([ZSTD]) + sized, 5000)


def test_a_state_of_far_more_than_its_bytes_can_tell_is_refused() -> None:
    arrays = {str(number): np.zeros(1 << 22, np.int32) for number in range(4)}
    stored = encode_state(arrays)
    with pytest.raises(FormatError, match="claims"):
        decode_state(stored, memory_limit=1 << 40)


# ---- at random


@pytest.mark.parametrize(("target", "cases", "only"), [("models", 40, "fast"), ("arrays", 3, ""), ("files", 9, "a.")])
def test_damaged_streams_files_and_odd_arrays_do_no_harm(target: str, cases: int, only: str) -> None:
    command = [sys.executable, str(FUZZ), target, "--cases", str(cases), "--seed", "3", "--only", only]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{cases} cases" in done.stdout


def test_the_checked_build_notices_a_place_beyond_an_array() -> None:
    library = open_library()
    if library is None or library.target != "checked":
        pytest.skip("these loops are not the checked ones: see `make test-checked-part`")
    with pytest.raises(IndexError):
        count_codes(np.array([7], np.uint16), np.zeros(3, np.int64))
