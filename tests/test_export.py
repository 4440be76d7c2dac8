"""Exported files hold their bounds, or those that the user allowed beyond, and tell what was done."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import baler_core
from baler_core.cli import cli
from baler_core.data.bounds import Tolerance
from baler_core.data.rounding import most_bits, round_values, rounding_of
from baler_core.data.variables import Variable

FAST = {"name": "auto", "effort": "fast"}
RNG = np.random.default_rng(1)


def values_like(dtype: str) -> np.ndarray:
    """Numbers of all sizes, zeros of both signs, and what is not finite."""
    scales = 10.0 ** RNG.integers(-4, 5, 4000)
    odd = [0.0, -0.0, np.nan, np.inf, -np.inf, np.finfo(dtype).max, np.finfo(dtype).tiny, np.finfo(dtype).tiny / 8]
    return np.concatenate([RNG.normal(size=4000) * scales, odd]).astype(dtype)


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", "<f2"])
@pytest.mark.parametrize(
    "tolerance",
    [Tolerance("abs", 0.01), Tolerance("rel", 1e-3), Tolerance("bits", 7.0), Tolerance("abs", 0.3, fill=(1.0, -999.0))],
)
@pytest.mark.parametrize(("share", "extra"), [(0.3, 0.0), (1.0, 0.5), (0.0, 0.0)])
def test_rounding_stays_within_what_is_left(dtype: str, tolerance: Tolerance, share: float, extra: float) -> None:
    values = values_like("<f2" if dtype == "<f2" else "<f4").astype(dtype)
    values[:2] = tolerance.fill or 0
    variable = Variable("x", dtype, ("n",))
    rounding = rounding_of(variable, tolerance, share, extra)
    if isinstance(rounding, str):
        assert dtype == "<f2"
        assert tolerance.kind != "abs"
        return
    moved = round_values(values, rounding)
    assert moved.dtype == values.dtype
    left = (1 + extra - share) * tolerance.allowed(values)
    with np.errstate(invalid="ignore"):
        errors = np.abs(moved.astype(np.float64) - values.astype(np.float64))
    finite = np.isfinite(values)
    assert (errors[finite] <= left[finite]).all()
    assert np.array_equal(moved[~finite], values[~finite], equal_nan=True)
    assert ((moved < 0) <= (values < 0)).all()
    assert ((moved > 0) <= (values > 0)).all()
    for special in tolerance.fill:
        assert ((moved == special) == (values == special)).all()
    assert (moved[finite] != values[finite]).any()


def test_nothing_moves_where_nothing_is_left() -> None:
    variable = Variable("x", "<f4", ("n",))
    for tolerance in (Tolerance("abs", 0.1), Tolerance("rel", 0.1), Tolerance("bits", 3)):
        assert rounding_of(variable, tolerance, 1.0, 0.0) == "nothing is left of their bounds"
    assert rounding_of(variable, Tolerance("abs", 0.1, mean=("rms", 0.1)), 0.1, 0.0) == "bounds on average"
    assert rounding_of(Variable("n", "<i4", ("n",)), Tolerance("abs", 5.0), 0.1, 0.0) == "whole numbers"
    assert rounding_of(variable, Tolerance("exact"), 0.0, 9.0) == "exact"


def test_bits_are_counted_from_the_first_to_the_last() -> None:
    assert most_bits(np.array([1.0, 2.0, 0.0, np.inf], "<f4")) == 0
    assert most_bits(np.array([1.5, 1.25], ">f4")) == 2
    assert most_bits(np.array([np.pi], "<f8")) > 40


@pytest.fixture
def table(tmp_path: Path) -> tuple[Path, dict[str, np.ndarray]]:
    data = {"u": RNG.normal(size=3000).astype("f4"), "v": RNG.exponential(size=3000), "id": np.arange(3000)}
    np.savez(tmp_path / "a.npz", **data)  # type: ignore[arg-type]
    bounds = {"u": {"abs": 0.01}, "v": {"rel": 1e-3}, "*": "lossless"}
    baler_core.compress(tmp_path / "a.npz", tmp_path / "a.bal", bounds=bounds, model=FAST)
    return tmp_path / "a.bal", data


def test_errors_stay_within_the_bounds_and_what_was_allowed_beyond(
    table: tuple[Path, dict[str, np.ndarray]],
) -> None:
    path, data = table
    for extra in (0.0, 0.5):
        done = baler_core.export(path, path.with_name(f"{extra}.npz"), extra=extra)
        with np.load(done.path) as found:
            assert np.abs(found["u"].astype(float) - data["u"]).max() <= 0.01 * (1 + extra)
            assert (np.abs(found["v"] - data["v"]) <= 1e-3 * (1 + extra) * data["v"]).all()
            assert np.array_equal(found["id"], data["id"])
            assert most_bits(found["v"]) == (10 if extra else 52)
        assert set(done.rounded) == ({"u", "v"} if extra else set())
        assert done.bal_bytes == path.stat().st_size
        assert done.file_bytes == done.path.stat().st_size
        assert not done.storage  # the format has no other for exports


def test_derived_quantities_are_kept(tmp_path: Path) -> None:
    data = {"a": RNG.exponential(size=500), "b": RNG.exponential(size=500), "c": RNG.exponential(size=500)}
    kept = {"s": {"of": "a + b", "abs": 0.02}}
    baler_core.compress(data, tmp_path / "a.bal", bounds={"*": {"abs": 0.01}}, derived=kept, model=FAST)
    done = baler_core.export(tmp_path / "a.bal", tmp_path / "a.npz", extra=1)
    assert list(done.rounded) == ["c"]
    assert done.kept == {"derived quantities that are kept follow from them": ("a", "b")}


def test_the_command_says_what_errors_may_be(table: tuple[Path, dict[str, np.ndarray]]) -> None:
    path, _ = table
    said = CliRunner().invoke(cli, ["export", str(path), "--extra", "0.5"])
    assert said.exit_code == 0, said.output
    assert "u: errors are up to 0.015 (bound: abs 0.01)" in said.output
    assert "!!!!" in said.output
    assert "stored as decompress stores it" in said.output
    record = json.loads(
        CliRunner().invoke(cli, ["export", str(path), "-o", str(path.parent / "b.npz"), "--json"]).stdout
    )
    assert record["as_restored"] == {"nothing is left of their bounds": ["u", "v"]}
    assert record["extra"] == 0
    with pytest.raises(baler_core.ConfigError, match="--extra -1"):
        CliRunner().invoke(cli, ["export", str(path), "--extra", "-1"], catch_exceptions=False, standalone_mode=False)
    with pytest.raises(baler_core.DataError, match=r"name it a\.npz"):
        baler_core.export(path, path.with_name("a.nc"))
    with pytest.raises(baler_core.DataError, match="would overwrite"):
        baler_core.export(path, path)


def test_cells_of_text_are_not_rounded_a_second_time(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    values = np.round(RNG.uniform(1, 30, 500), 2)
    table.write_text("t,n\n" + "".join(f"{value:.2f},{n}\n" for n, value in enumerate(values)))
    baler_core.compress(table, tmp_path / "t.bal", bounds={"t": {"rel": 1e-3}}, model=FAST)
    done = baler_core.export(tmp_path / "t.bal", tmp_path / "e.csv", extra=0.5)
    assert not done.rounded
    assert list(done.kept.values()) == [("t",)]
    baler_core.decompress(tmp_path / "t.bal", tmp_path / "r.csv")
    assert (tmp_path / "e.csv").read_bytes() == (tmp_path / "r.csv").read_bytes()
    found = np.loadtxt(tmp_path / "e.csv", delimiter=",", skiprows=1)[:, 0]
    assert (np.abs(found - values) <= 1e-3 * values * (1 + 1e-12)).all()
