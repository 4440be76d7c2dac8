"""Values that stay exact, thresholds that no value crosses, and bounds in units of the last place or in decimals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import baler_core
from baler_core.data.error_bound import ErrorBound
from baler_core.data.tolerance import make_tolerance
from baler_core.data.variables import Variable
from baler_core.errors import BalerError, ConfigError
from baler_core.format.file_info import read_info
from baler_core.format.header_json import header_from_json, header_to_json

KINDS = ({"abs": 0.3}, {"rel": 0.05}, {"range": 0.02}, {"bits": 3}, {"ulp": 4096}, {"decimals": 0})


def restored(values: np.ndarray, bound: object, folder: Path, **more: object) -> np.ndarray:
    path = folder / "x.bal"
    baler_core.compress({"x": values}, path, bounds={"x": bound}, **more)
    return np.asarray(baler_core.open(path, as_="numpy")["x"])


def noisy(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    generator = np.random.default_rng(7)
    values = generator.normal(0, 1, shape).cumsum(axis=-1)
    values.ravel()[generator.integers(0, values.size, values.size // 9)] = 0
    values.ravel()[generator.integers(0, values.size, values.size // 9)] = 2.5
    return (values * 4).astype(dtype) if dtype[0] == "i" else values.astype(dtype)


@pytest.mark.parametrize("shape", [(3000,), (40, 50), (6, 20, 30)])
@pytest.mark.parametrize("bound", KINDS, ids=str)
def test_values_stay_exact_and_on_their_side(shape: tuple[int, ...], bound: dict[str, float], tmp_path: Path) -> None:
    """Whatever the bound and the dimensions: what equals a number, and what is above one, stays the same set."""
    x = noisy(shape, "f4")
    stated = {**bound, "exact_at": [0, 2.5], "threshold": [1, -1.5]}
    y = restored(x, stated, tmp_path, model={"name": "auto", "effort": "fast"})
    for number in (0, 2.5, 1, -1.5):
        np.testing.assert_array_equal(x == number, y == number)
    for number in (1, -1.5):
        np.testing.assert_array_equal(x > number, y > number)
    tolerance = make_tolerance(ErrorBound.parse(bound), Variable("x", "<f4", ("i",)), extent=None)
    if "range" not in bound:
        assert (np.abs(y.astype(float) - x) <= tolerance.allowed(x)).all()
    assert (x != y).mean() > 0.3


@pytest.mark.parametrize("dtype", ["i2", "f8"])
def test_a_threshold_between_whole_numbers_and_one_that_no_float_equals(dtype: str, tmp_path: Path) -> None:
    x = noisy((50, 60), dtype) if dtype == "i2" else noisy((50, 60), dtype) + 273
    stated = {"abs": 3.0, "threshold": [2.5, 273.15]}
    y = restored(x, stated, tmp_path, model="scalar")
    for number in (2.5, 273.15):
        np.testing.assert_array_equal(x > number, y > number)
        np.testing.assert_array_equal(x >= number, y >= number)
    assert (x != y).any()


def test_numbers_are_physical_ones_of_packed_integers() -> None:
    packed = Variable("t", "<i2", ("y", "x"), scale=0.01, offset=273.15)
    tolerance = make_tolerance(ErrorBound.parse({"abs": 0.1, "exact_at": 280, "threshold": 273.15}), packed)
    assert set(tolerance.fill) == {685.0, 0.0}
    assert tolerance.thresholds == (0.0,)
    x, y = np.array([-1, 0, 0, 685, 3], "i2"), np.array([1, 0, 1, 684, 5], "i2")
    assert tolerance.violations(x, y).tolist() == [True, False, True, True, False]


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_units_in_the_last_place_are_those_of_the_values(dtype: str, tmp_path: Path) -> None:
    x = np.random.default_rng(1).lognormal(0, 2, 4000).clip(1e-3, 6e4).astype(dtype)
    y = restored(x, {"ulp": 6}, tmp_path, model="scalar")
    apart = np.abs(y.astype("f8") - x) / np.spacing(x).astype("f8")
    assert 2 <= apart.max() <= 6
    # Whole numbers have units of their own.
    whole = (x[:500] * 10).astype("i4")
    assert 1 <= np.abs(restored(whole, {"ulp": 2}, tmp_path, model="scalar") - whole).max() <= 2


def test_decimals_count_from_the_point_either_way(tmp_path: Path) -> None:
    x = np.random.default_rng(1).normal(0, 5000, 3000)
    for decimals, half in ((2, 0.005), (0, 0.5), (-2, 50)):
        y = restored(x, {"decimals": decimals}, tmp_path, model="scalar")
        assert half / 3 < np.abs(y - x).max() <= half


def test_a_text_table_keeps_them_in_its_digits(tmp_path: Path) -> None:
    x = np.round(np.random.default_rng(2).normal(0, 2, 2000), 6)
    x[::7] = 0.5
    table = tmp_path / "t.csv"
    table.write_text("a\n" + "\n".join(map(repr, x.tolist())) + "\n")
    bal = tmp_path / "t.bal"
    baler_core.compress(table, bal, bounds={"a": {"abs": 0.01, "threshold": [0.5, 1.25]}})
    back = tmp_path / "back.csv"
    baler_core.decompress(bal, back, overwrite=True)
    y = np.loadtxt(back, skiprows=1)
    for number in (0.5, 1.25):
        np.testing.assert_array_equal(x > number, y > number)
        np.testing.assert_array_equal(x == number, y == number)
    assert 0 < np.abs(x - y).max() <= 0.01


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ({"ulp": 1.5}, "ulp must be a whole number"),
        ({"ulp": 2**21}, "ulp must be a whole number"),
        ({"decimals": 0.5}, "decimals must be a whole number"),
        ({"abs": 1, "exact_at": "0"}, "exact_at is a number"),
        ({"abs": 1, "exact_at": []}, "exact_at takes 1 to 50 numbers, found 0"),
        ({"abs": 1, "threshold": [0, float("nan")]}, "threshold is a number"),
        ({"abs": 1, "treshold": 0}, "threshold"),
    ],
)
def test_what_is_misstated_is_said_in_a_sentence(stated: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        ErrorBound.parse(stated)
    assert "\n" not in str(caught.value)


def test_a_file_states_them_and_a_forged_one_is_refused(tmp_path: Path) -> None:
    restored(noisy((300,), "f4"), {"abs": 0.3, "exact_at": [0], "threshold": 1}, tmp_path)
    header = read_info(tmp_path / "x.bal").header
    assert str(header.bounds[0]) == "abs 0.3, exact at 0, threshold 1"
    record = header_to_json(header)
    assert header_from_json(record).bounds == header.bounds
    for forged in ([1e400], list(range(99)), "0", [[]], None, [True]):
        record["bounds"] = [[1, ["abs", 0.3, [-1e400, 1e400], "auto", {"exact_at": forged}]]]
        with pytest.raises(BalerError):
            header_from_json(record)


@pytest.mark.parametrize("shape", [(900,), (30, 30), (4, 15, 15)])
@pytest.mark.parametrize("dtype", ["<f4", ">f8"])
@pytest.mark.parametrize("model", ["scalar", "table", "predictive", "transform", "auto"])
def test_constants_flags_and_counts_stored_as_floats_stay_exact_under_a_fine_bound(
    shape: tuple[int, ...], dtype: str, model: str, tmp_path: Path
) -> None:
    """Where no two values share an allowed error, exact costs nothing: 1.0 of a land mask never comes back as 0.9999995."""
    if (model == "table") != (len(shape) == 1) and model not in ("auto", "scalar"):
        pytest.skip("the model is for other shapes")
    generator = np.random.default_rng(5)
    whole = {"land": generator.integers(1, 3, shape), "kind": generator.integers(1, 21, shape)}
    x = {name: values.astype(dtype) for name, values in whole.items()}
    x["constant"] = np.full(shape, 0.1234567890123, dtype)
    x["error"] = np.full(shape, -2.5e-30, dtype)
    x["steps"] = (np.round(generator.normal(0, 5, shape) * 10) / 10 + 0.0).astype(dtype)
    x["holes"] = np.where(generator.random(shape) < 0.2, np.nan, 273.15).astype(dtype)
    path = tmp_path / "x.bal"
    for bound in ({"rel": 1e-3}, {"abs": 1e-32}):
        baler_core.compress(x, path, bounds=dict.fromkeys(x, bound), model={"name": model, "effort": "fast"})
        found = baler_core.open(path, as_="numpy")
        for name, values in x.items():
            assert np.asarray(found[name]).tobytes() == values.tobytes(), (name, bound)


@pytest.mark.parametrize("bound", [{"abs": 0.7}, {"rel": 0.01}, {"range": 0.1}], ids=str)
def test_constants_stay_exact_under_coarse_bounds(bound: dict[str, float], tmp_path: Path) -> None:
    for x in (np.full(500, 273.15, "f4"), np.full((20, 25), -0.3), np.full(500, 4000, "i4")):
        assert restored(x, bound, tmp_path).tobytes() == x.tobytes()
