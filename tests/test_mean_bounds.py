"""Bounds on errors on average: kept by every block and the whole, nearly used up, and told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import baler_core
from baler_core.cli import main
from baler_core.data.bounds import Tolerance
from baler_core.data.error_bound import ErrorBound
from baler_core.data.mean_errors import MeanError, measure
from baler_core.data.variables import Layout, Variable
from baler_core.errors import ConfigError, FormatError
from baler_core.format.file_info import read_info
from baler_core.pipeline.step_stream import decode_steps, encode_steps
from baler_core.pipeline.tuning import tuned

FAST = {"name": "auto", "effort": "fast"}


def on_average(kind: str, x: np.ndarray, y: np.ndarray) -> float:
    error = np.abs(y.astype(np.longdouble) - x.astype(np.longdouble))
    if kind == "mean_rel":
        return float((error[x != 0] / np.abs(x[x != 0].astype(np.longdouble))).mean())
    return float(error.mean() if kind == "mean_abs" else np.sqrt(np.square(error).mean()))


def rough(shape: tuple[int, ...]) -> np.ndarray:
    generator = np.random.default_rng(3)
    values = generator.normal(size=shape).cumsum(axis=-1) + generator.normal(size=shape)
    values[..., ::11] = 0
    return values


@pytest.mark.parametrize("kind", ["mean_abs", "mean_rel", "rms"])
@pytest.mark.parametrize("shape", [(20_000,), (30, 40, 25)])
def test_errors_on_average_stay_within_their_limit_in_every_block(
    kind: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    x, limit = rough(shape).astype("f4"), 0.02
    x[len(x) // 2 :] *= 50  # blocks differ
    path = tmp_path / "x.bal"
    done = baler_core.compress({"x": x}, path, bounds={"x": {kind: limit}}, model=FAST, block_bytes=x.nbytes // 3)
    y = np.asarray(baler_core.open(path, as_="numpy")["x"])
    found = on_average(kind, x, y)
    assert 0.95 * limit <= found <= limit
    assert done.means["x"] == pytest.approx(found, rel=1e-6)
    sizes = [block.sizes[block_dim] for block in read_info(path).header.blocks for block_dim in list(block.sizes)[:1]]
    assert len(sizes) > 1
    for first, size in zip(np.cumsum([0, *sizes[:-1]]), sizes, strict=True):
        assert on_average(kind, x[first : first + size], y[first : first + size]) <= limit
    if kind == "mean_rel":
        np.testing.assert_array_equal(x == 0, y == 0)
    assert read_info(path).header.means["x"] == pytest.approx(found, rel=0.11)


@pytest.mark.parametrize(("hard", "value"), [("abs", 0.025), ("rel", 0.05), ("range", 3e-4)])
def test_no_single_error_exceeds_the_hard_limit_beside_it(hard: str, value: float, tmp_path: Path) -> None:
    x = rough((40, 500))
    baler_core.compress({"x": x}, tmp_path / "x.bal", bounds={"x": {"rms": 0.02, hard: value}}, model=FAST)
    y = np.asarray(baler_core.open(tmp_path / "x.bal", as_="numpy")["x"])
    allowed = {"abs": value, "rel": value * np.abs(x), "range": value * np.ptp(x)}[hard]
    assert (np.abs(y - x) <= allowed).all()
    assert 0.01 < on_average("rms", x, y) <= 0.02


@pytest.mark.parametrize(("limit", "most"), [(0.1, 0), (1.0, 1), (2.5, 4)])
def test_integers_take_the_largest_whole_step(limit: float, most: int, tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(-3000, 3000, 20_000).astype("i2")
    baler_core.compress({"x": x}, tmp_path / "x.bal", bounds={"x": {"mean_abs": limit}}, model="scalar")
    y = np.asarray(baler_core.open(tmp_path / "x.bal", as_="numpy")["x"]).astype(int)
    assert np.abs(y - x).max() == most
    assert np.abs(y - x).mean() <= limit


@pytest.mark.parametrize(
    "values", [np.zeros(50), np.full((5, 9), np.nan), np.zeros((0, 4)), np.array([1e300, -1e300, 0])]
)
def test_constants_nothing_and_huge_numbers_have_an_average_too(values: np.ndarray, tmp_path: Path) -> None:
    for kind in ("mean_abs", "mean_rel", "rms"):
        baler_core.compress({"x": values}, tmp_path / "x.bal", bounds={"x": {kind: 0.01}}, model="scalar")
        y = np.asarray(baler_core.open(tmp_path / "x.bal", as_="numpy")["x"])
        assert np.isfinite(values).tolist() == np.isfinite(y).tolist()
        usable = np.isfinite(values) & (values != 0)
        if usable.any():
            assert on_average(kind, values[usable], y[usable]) <= 0.01


def test_sums_of_squares_neither_overflow_nor_vanish() -> None:
    tolerance = Tolerance("free", mean=("rms", 1.0))
    for size in (1e-200, 1.0, 1e200):
        x, y = np.zeros(600_000), np.full(600_000, size)
        assert measure(tolerance, x, y).value("rms") == pytest.approx(size)
    parts = [measure(tolerance, np.zeros(4), np.full(4, size)) for size in (0.0, 3.0, 1e150)]
    joined = MeanError().joined(parts[0]).joined(parts[1]).joined(parts[2])
    assert joined.value("rms") == pytest.approx(1e150 / np.sqrt(3))


def command(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main([*map(str, arguments)])
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_evaluation_judges_the_average_and_the_reports_show_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x = rough((50, 60)).astype("f4")
    original, bal, config = tmp_path / "d.npz", tmp_path / "out" / "d.bal", tmp_path / "d.yaml"
    np.savez(original, x=x)
    config.write_text("input: d.npz\nbounds: {x: {rms: 0.02, abs: 0.03}}\nmodel: scalar\noutput: out\n")
    assert command("run", config) == 0
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "% on average" in page
    assert "rms 0.02 and abs 0.03" in page
    capsys.readouterr()
    assert command("evaluate", original, bal, "--json") == 0
    (variable,) = json.loads(capsys.readouterr().out)["variables"]
    assert variable["mean_limit"] == 0.02
    assert 0.015 < variable["mean_error"] <= 0.02
    assert command("info", bal) == 0
    assert "on average" in capsys.readouterr().out
    # Errors that are too large on average, though none is too large by itself, break the bound.
    np.savez(tmp_path / "worse.npz", x=x + np.float32(0.025))
    assert command("evaluate", original, tmp_path / "worse.npz", "--config", config) == 3
    assert "the errors on average exceed their limits in x" in capsys.readouterr().err


def test_a_text_table_holds_it_in_its_digits(tmp_path: Path) -> None:
    x = rough((3000,))
    table = tmp_path / "t.csv"
    table.write_text("a\n" + "\n".join(map(repr, x.tolist())) + "\n")
    baler_core.compress(table, tmp_path / "t.bal", bounds={"a": {"mean_abs": 0.01}}, model=FAST)
    baler_core.decompress(tmp_path / "t.bal", tmp_path / "back.csv")
    y = np.loadtxt(tmp_path / "back.csv", skiprows=1)
    assert 0.009 < on_average("mean_abs", x, y) <= 0.01


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ({"rms": 0}, "a bound must be a positive"),
        ({"mean_rel": 1}, "a mean_rel bound must be below 1"),
        ({"rms": 1, "abs": -1}, "a bound must be a positive"),
        ({"rms": 1, "bits": 3}, "a bound has one"),
        ({"rms": 1, "mean_abs": 3}, "a bound has one"),
        ({"rms": 1, "abs": "x"}, "the bound abs needs a number"),
    ],
)
def test_what_is_misstated_is_said_in_a_sentence(stated: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        ErrorBound.parse(stated)


@pytest.mark.parametrize(
    "stream", [b"", b"\0" * 7, b"\0" * 16, encode_steps({"x": -1.0}, {}), encode_steps({"x": float("nan")}, {})]
)
def test_forged_steps_are_refused(stream: bytes) -> None:
    layout = Layout("table", (Variable("x", "<f8", ("i",)),), {"i": 3})
    with pytest.raises(FormatError):
        decode_steps(stream, layout, {"x": Tolerance("free", mean=("rms", 1.0))})


@pytest.mark.parametrize(
    "bound", [{"ulp": 4096}, {"decimals": 1}, {"mean_rel": 0.02, "rel": 0.05}, {"rms": 0.1, "range": 0.05}], ids=str
)
def test_errors_of_values_may_have_such_bounds_themselves(bound: dict[str, float], tmp_path: Path) -> None:
    generator = np.random.default_rng(5)
    error = generator.lognormal(0, 0.7, 4000).astype("f4")
    x = generator.normal(0, 30, 4000).astype("f4")
    bounds = {"x": {"abs": "0.2 * e"}, "e": bound}
    baler_core.compress({"x": x, "e": error}, tmp_path / "x.bal", bounds=bounds, model=FAST)
    back = baler_core.open(tmp_path / "x.bal", as_="numpy")
    apart = np.abs(back["x"].astype("f8") - x)
    for known in (error, back["e"]):
        assert (apart <= 0.2 * np.abs(known.astype("f8")) * (1 + 1e-6)).all()
    assert (back["e"] != error).any()
    assert apart.max() > 0.1


def test_a_variable_that_misses_its_limit_beside_others_costs_the_others_nothing() -> None:
    """The error of `b` depends on the step of `a`, as that of a column does which follows from another."""
    tried: list[dict[str, float]] = []

    def encode(steps: Mapping[str, float]) -> Any:
        tried.append(dict(steps))
        # whatever its step, b is beyond its limit as long as a is not far below its own
        errors = {"a": steps["a"] / 2, "b": steps["b"] / 2 + (0.2 if steps["b"] > 0.01 and steps["a"] > 0 else 0)}
        return SimpleNamespace(means={name: MeanError(error * 100, 100) for name, error in errors.items()})

    stated = {name: Tolerance("free", mean=("mean_abs", 0.1)) for name in "ab"}
    coded, steps = tuned(stated, dict.fromkeys("ab", False), dict.fromkeys("ab", 0.2), encode)
    assert coded.means["a"].value("mean_abs") == pytest.approx(0.1, rel=0.05)
    assert coded.means["b"].value("mean_abs") <= 0.1
    assert steps["a"] > 0.15
    assert len(tried) < 14
