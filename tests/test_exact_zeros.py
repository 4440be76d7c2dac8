"""What is exactly zero stays zero where a field has many zeros, or a sentence says how many are lost."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import baler_core
from baler_core.data.block import make_block
from baler_core.data.bounds import Tolerance
from baler_core.data.variables import Layout, Variable
from baler_core.errors import FormatError
from baler_core.quantise.exact_zeros import BAND, LISTED, MASKED, keep_zeros, keep_zeros_again

SHAPE = (8, 40, 50)
TOLERANCE = Tolerance("abs", 3.0, sign="auto")
MODELS = ["scalar", "transform", "predictive", "auto"]


def waves() -> np.ndarray:
    t, y, x = np.mgrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    return 100 * (np.sin(0.31 * x + 0.2 * t) + np.cos(0.25 * y))


def fields(kind: str) -> np.ndarray:
    """Land as 0 in a field far from 0 or around it, no rain, rare hits, and a table of both."""
    rng, field = np.random.default_rng(3), waves()
    if kind == "land":
        return np.where((field[0] > 20)[None], 0, field + 1000)
    if kind == "land around zero":
        return np.where((field[0] > 20)[None], 0, field)
    if kind == "rain":
        return np.maximum(field - 50, 0)
    if kind == "hits":
        return np.where(rng.random(SHAPE) < 0.98, 0, rng.exponential(300, SHAPE))
    return np.where(rng.random(4000) < 0.6, 0, rng.normal(0, 300, 4000))


KINDS = ["land", "land around zero", "rain", "hits", "table"]


def with_noise(x: np.ndarray, dtype: np.dtype[Any], seed: int = 5) -> np.ndarray:
    """What a model that knows only the tolerance might restore."""
    return (x.astype(float) + np.random.default_rng(seed).uniform(-2.9, 2.9, x.shape)).astype(dtype)


def told(
    x: np.ndarray, y: np.ndarray, tolerance: Tolerance = TOLERANCE, spare: int = 10**6
) -> tuple[bytes, dict[str, int], np.ndarray, Layout]:
    """What is stored of zeros, how many are lost, and what values become; decoded again from what is stored."""
    dims = tuple(f"d{n}" for n in range(x.ndim))
    layout = Layout("grid", (Variable("v", x.dtype.str, dims),), dict(zip(dims, x.shape, strict=True)))
    arrays, tolerances = {"v": y.copy()}, {"v": tolerance}
    stored, lost = keep_zeros(make_block({"v": (dims, x)}), arrays, layout, tolerances, lambda: 200 * spare)
    again = {"v": y.copy()}
    keep_zeros_again(stored, again, layout, tolerances)
    np.testing.assert_array_equal(again["v"], arrays["v"])
    return stored, lost, arrays["v"], layout


@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<f2", "<i2", ">i4", "i1"])
@pytest.mark.parametrize("kind", KINDS)
def test_zeros_come_back_and_nothing_else_becomes_zero(kind: str, dtype: str) -> None:
    x = (fields(kind) / (16 if dtype == "i1" else 1)).clip(-120, None if dtype != "i1" else 120).astype(dtype)
    y = with_noise(x, x.dtype)
    stored, lost, kept, _ = told(x, y)
    assert stored
    assert not lost
    assert (kept[x == 0] == 0).all()
    np.testing.assert_array_equal(kept[x != 0], y[x != 0])


@pytest.mark.parametrize(
    ("x", "zero", "mode"),
    [
        (np.where(np.arange(9000) % 3 == 0, 0.0, 500.0 + np.arange(9000)), 0.0, BAND),
        (np.where(np.arange(9000) % 3 == 0, 0.0, np.arange(9000) % 11 - 5.5), 0.0, MASKED),
        (np.where(np.arange(9000) % 3 == 0, 40, np.arange(9000) + 100).astype("<i2"), 40.0, BAND),
    ],
)
def test_each_form_tells_zeros(x: np.ndarray, zero: float, mode: int) -> None:
    stored, _, kept, _ = told(x, with_noise(x, x.dtype), replace(TOLERANCE, zero=zero))
    assert stored[0] == mode
    np.testing.assert_array_equal(kept == zero, x == zero)


def test_few_lost_zeros_are_listed() -> None:
    x = np.where(np.arange(9000) % 3 == 0, 0.0, np.arange(9000) % 11 - 5.5)
    y = x.copy()
    y[[3, 600, 6000]] += 1
    stored, _, kept, _ = told(x, y)
    assert stored[0] == LISTED
    np.testing.assert_array_equal(kept, x)


@pytest.mark.parametrize(
    "x",
    [
        pytest.param(np.random.default_rng(1).normal(0, 100, 9000), id="no zeros"),
        pytest.param(np.random.default_rng(1).integers(-30, 31, 9000), id="a lattice"),
        pytest.param(np.random.default_rng(1).integers(-30, 31, 9000) * 0.1, id="a lattice of floats"),
        pytest.param(np.concatenate([np.zeros(30), np.arange(1.0, 900)]), id="few"),
    ],
)
def test_ordinary_data_take_no_byte_more(x: np.ndarray) -> None:
    stored, lost, kept, _ = told(x, y := with_noise(x, x.dtype))
    assert (stored, lost) == (b"", {})
    np.testing.assert_array_equal(kept, y)


@pytest.mark.parametrize(
    "tolerance",
    [
        replace(TOLERANCE, sign="free"),
        replace(TOLERANCE, fill=(0.0,)),
        replace(TOLERANCE, kind="rel", value=0.1),
        replace(TOLERANCE, zero=0.5),
        Tolerance("free"),
    ],
    ids=["free", "fill", "rel", "between", "none"],
)
def test_zeros_that_mean_nothing_or_are_kept_anyway_take_no_byte(tolerance: Tolerance) -> None:
    x = fields("rain").astype("<i4")
    assert told(x, with_noise(x, x.dtype), tolerance)[:2] == (b"", {})


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_model_keeps_zeros_or_a_sentence_counts_them(
    kind: str, model: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    x = fields(kind).astype("<f4")
    options = {"name": model} if model == "scalar" else {"name": model, "effort": "fast"}
    sizes = {}
    for sign in ("auto", "free"):
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            beside = {} if sign == "auto" else {"sign": sign}
            bounds = {"v": {"abs": 3.0, **beside}}
            done = baler_core.compress({"v": x}, path := tmp_path / f"{sign}.bal", bounds=bounds, model=options)
        sizes[sign] = path.stat().st_size
        with baler_core.open(path) as stored:
            y = np.asarray(stored["v"])
        assert np.abs(y.astype(float) - x).max() <= 3.0
        lost = np.count_nonzero((x == 0) & (y != 0))
        if sign == "auto":
            assert sum(done.zeros.values()) == lost
            assert any(f"{lost:,} of 'v'" in r.message and "exactly 0" in r.message for r in caplog.records) == (
                lost > 0
            )
    assert sizes["auto"] <= sizes["free"] * 1.01 + 2 * 64 + 40


def test_zeros_that_cost_too_much_are_counted_everywhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from baler_core.cli import main

    x = np.where(np.random.default_rng(6).random(SHAPE) < 0.5, 0, waves() / 50).astype("<f4")
    np.savez(tmp_path / "x.npz", v=x)
    done = baler_core.compress(tmp_path / "x.npz", tmp_path / "x.bal", bounds={"v": {"abs": 3.0}}, model="transform")
    with baler_core.open(tmp_path / "x.bal") as stored:
        lost = np.count_nonzero((x == 0) & (np.asarray(stored["v"]) != 0))
    assert done.zeros == {"v": lost}
    assert lost > 0
    for words, said in (
        (["info", str(tmp_path / "x.bal")], f"v: {lost:,} values that were exactly 0 are not any more"),
        (
            ["evaluate", str(tmp_path / "x.npz"), str(tmp_path / "x.bal")],
            f"v: {lost:,} of {np.count_nonzero(x == 0):,} values that were exactly 0 are not any more",
        ),
    ):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert not ended.value.code
        assert said in capsys.readouterr().out


def test_damaged_notes_on_zeros_are_refused() -> None:
    rng = np.random.default_rng(2)
    for kind in ("land", "land around zero", "hits"):
        x = fields(kind).astype("<f4")
        y = with_noise(x, x.dtype)
        stored, _, _, layout = told(x, y)
        for _ in range(150):
            damaged = bytearray(stored[: rng.integers(1, len(stored))] if rng.random() < 0.3 else stored)
            damaged[rng.integers(len(damaged))] = rng.integers(256)
            values = {"v": y.copy()}
            try:
                keep_zeros_again(bytes(damaged), values, layout, {"v": TOLERANCE})
            except FormatError:
                continue
            assert values["v"].shape == x.shape


@pytest.mark.parametrize(
    "bound",
    [{"noise": 0.5}, {"abs": "0.5 * e"}, {"mean_abs": 1.0}, {"rms": 1.0, "abs": 4.0}, {"noise": 0.5, "dither": True}],
)
def test_zeros_survive_bounds_by_errors_by_noise_and_on_average(bound: dict[str, Any], tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    x = rng.normal(0, 4, (90, 100))
    x[:, 30:60] = 0.0
    data = {"x": x, "e": rng.uniform(1, 2, x.shape)}
    baler_core.compress(data, tmp_path / "x.bal", bounds={"x": bound, "e": {"rel": 0.05}}, model={"effort": "fast"})
    restored = baler_core.open(tmp_path / "x.bal")["x"].values
    assert (restored[x == 0] == 0).all()
    assert (restored != x).mean() > 0.6


@pytest.mark.parametrize("model", ["predictive", "transform", "scalar"])
@pytest.mark.parametrize("bound", [{"abs": 2.0}, {"range": 1e-3}, {"noise": 0.25}], ids=str)
def test_zero_has_no_sign_unless_it_had_one(model: str, bound: dict[str, float], tmp_path: Path) -> None:
    """Dry cells, and values above zero that come to it, were restored as -0.0."""
    x = np.random.default_rng(0).normal(size=(60, 80)).cumsum(0).cumsum(1).astype("f4")
    x = np.maximum(x, 0.01 * np.random.default_rng(1).integers(0, 2, x.shape)).astype("f4")
    baler_core.compress({"x": x}, tmp_path / "x.bal", bounds={"x": bound}, model=model)
    y = np.asarray(baler_core.open(tmp_path / "x.bal", as_="numpy")["x"])
    assert not np.signbit(y[x >= 0]).any()
