"""Bounds at the edges: denormals, the largest numbers, bounds below a unit in the last place, every type and rank, nothing at all."""

from __future__ import annotations

import math
import warnings
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import baler_core
from baler_core.data.bounds import Tolerance, value_range
from baler_core.data.error_bound import ErrorBound
from baler_core.data.tolerance import make_tolerance
from baler_core.data.variables import Variable
from baler_core.testing.edges import NUMBER_TYPES, worst_share

MODELS = ["scalar", "table", "transform", "predictive"]
BOUNDS = [
    {"abs": 5e-324},
    {"abs": 1e-300},
    {"abs": 0.01},
    {"abs": 3},
    {"abs": 2.0**53},
    {"abs": 1e300},
    {"rel": 5e-324},
    {"rel": 1e-16},
    {"rel": 1e-3},
    {"rel": 0.9},
    {"range": 1e-300},
    {"range": 1e-3},
    {"range": 2.0},
    {"bits": 1},
    {"bits": 9},
]


def round_trip(folder: Path, values: np.ndarray, bound: object, model: str = "scalar") -> np.ndarray:
    path = folder / "edges.bal"
    baler_core.compress({"v": values}, path, bounds={"v": bound}, model=model)
    return np.asarray(baler_core.open(path)["v"].values)


def assert_exactly_within(x: np.ndarray, y: np.ndarray, bound: dict[str, float]) -> None:
    """The bound in exact arithmetic."""
    assert (x.shape, x.dtype.newbyteorder("=")) == (y.shape, y.dtype.newbyteorder("="))
    (kind, number), a, b = next(iter(bound.items())), x.ravel().tolist(), y.ravel().tolist()
    numbers = [Fraction(v) for v in a if math.isfinite(v)]
    width = max(numbers) - min(numbers) if numbers else Fraction(0)
    for before, after in zip(a, b, strict=True):
        if not math.isfinite(before):
            assert after == before or (math.isnan(before) and math.isnan(after))
            continue
        exact = Fraction(before)
        if kind == "bits":
            lowest = np.finfo(x.dtype).minexp if x.dtype.kind == "f" else 0
            exponent = max(math.frexp(before)[1] - 1, lowest) - 1 - int(number)
            allowed = Fraction(2) ** exponent if x.dtype.kind == "f" else Fraction(0)
        else:
            allowed = Fraction(number) * {"abs": 1, "rel": abs(exact), "range": width}[kind]
        # decimals such as 0.001 stand for themselves: whole steps of integers may count them so
        assert abs(Fraction(after) - exact) <= allowed * (1 + Fraction(1, 10**12)), (before, after)
        if before == 0 and kind == "rel" and x.dtype.kind == "f":
            assert math.copysign(1, before) == math.copysign(1, after)


@settings(max_examples=80)
@given(st.data())
def test_bounds_hold_in_exact_arithmetic_for_every_type(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    dtype = np.dtype(data.draw(st.sampled_from(NUMBER_TYPES)))
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=6, min_side=0, max_side=5))
    values = data.draw(hnp.arrays(dtype, shape))
    if dtype.kind == "f" and data.draw(st.booleans()):
        with np.errstate(all="ignore"):
            values = (values * data.draw(st.sampled_from([0.0, 1e-300, 1e-40]))).astype(dtype)
    bound = data.draw(st.sampled_from(BOUNDS))
    model = data.draw(st.sampled_from(MODELS))
    restored = round_trip(tmp_path_factory.getbasetemp(), values, bound, model)
    assert_exactly_within(values, restored, bound)


@pytest.mark.parametrize("model", ["scalar", "table", "auto"])
def test_denormals_keep_a_relative_bound(tmp_path: Path, model: str) -> None:
    values = np.concatenate([np.arange(400, 1200), np.arange(2.0**40, 2.0**40 + 500)]) * 5e-324
    assert_exactly_within(values, round_trip(tmp_path, values, {"rel": 1e-3}, model), {"rel": 1e-3})


@given(st.integers(0, 2**53 - 1), st.floats(1e-18, 0.5))
def test_the_check_allows_denormals_no_more_than_the_bound(steps: int, relative: float) -> None:
    x = np.array([steps * 5e-324])
    allowed = Tolerance("rel", relative).allowed(x)
    assert Fraction(float(allowed[0])) <= Fraction(relative) * Fraction(float(x[0]))


@pytest.mark.parametrize("shape", [(3,), (30, 2, 5), (60,)])
@pytest.mark.parametrize("model", ["scalar", "auto", "transform", "predictive"])
def test_ranges_wider_than_the_largest_number(tmp_path: Path, shape: tuple[int, ...], model: str) -> None:
    values = np.resize([-1.7e308, 1.7e308, 0.0], shape)
    assert_exactly_within(values, round_trip(tmp_path, values, {"range": 1e-3}, model), {"range": 1e-3})


@pytest.mark.parametrize("dtype", ["<i8", "<u8"])
@pytest.mark.parametrize("allowed", [1, 2.0**40, 2.0**61])
@pytest.mark.parametrize("model", MODELS)
def test_large_integers_are_compared_as_integers(tmp_path: Path, dtype: str, allowed: float, model: str) -> None:
    limits = np.iinfo(dtype)
    rng = np.random.default_rng(1)
    ends = [limits.min + int(k) for k in rng.integers(0, 3000, 400)] + [
        limits.max - int(k) for k in rng.integers(0, 3000, 400)
    ]
    for values in (np.array(ends, dtype), np.array(ends, dtype).reshape(20, 40)):
        assert_exactly_within(values, round_trip(tmp_path, values, {"abs": allowed}, model), {"abs": allowed})
    x, y = np.array([2**62], dtype), np.array([2**62 + 1001], dtype)
    assert Tolerance("abs", 1000.0).violations(x, y).tolist() == [True]


def test_whole_steps_are_never_rounded_up_where_that_matters() -> None:
    plain, packed = Variable("v", "<i8", ("x",)), Variable("v", "<i2", ("x",), scale=0.01)
    assert make_tolerance(ErrorBound("abs", 0.1), packed).allowed(np.array([5], "<i2"))[0] == 10
    for number in (0.9999999, 1e12 + 0.9):
        allowed = make_tolerance(ErrorBound("abs", number), plain).allowed(np.array([5], "<i8"))[0]
        assert allowed == math.floor(number)


@pytest.mark.parametrize("bound", [{"abs": 0.1}, {"rel": 0.1}, {"range": 0.1}, "lossless"])
@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 4, 2)])
def test_nothing_of_any_type_comes_back_as_nothing(tmp_path: Path, shape: tuple[int, ...], bound: object) -> None:
    arrays = {dtype[1:] + ("_swapped" if dtype[0] == ">" else ""): np.zeros(shape, dtype) for dtype in NUMBER_TYPES}
    baler_core.compress(arrays, tmp_path / "edges.bal", bounds=dict.fromkeys(arrays, bound))
    restored = baler_core.open(tmp_path / "edges.bal")
    for name, values in arrays.items():
        assert restored[name].shape == shape
        assert restored[name].dtype.newbyteorder("=") == values.dtype.newbyteorder("=")


def test_exact_floats_keep_nan_payloads_and_the_signs_of_zeros(tmp_path: Path) -> None:
    bits = np.array([0x7FF8000000000001, 0xFFF0000000000123, 0x8000000000000000, 0, 1, 0x7FEFFFFFFFFFFFFF] * 9, "<u8")
    for values in (bits.view("<f8"), bits.view("<f8").reshape(6, 9)):
        assert round_trip(tmp_path, values, "lossless").tobytes() == values.tobytes()


def test_the_range_of_large_integers_is_never_taken_for_wider() -> None:
    values = 2**62 + np.arange(1, 1000)
    found = value_range(values)
    assert found.width <= 998
    assert value_range(np.arange(5)).width == 4


@pytest.mark.parametrize("bound", [None, {"abs": 2}], ids=["exact", "within 2"])
@pytest.mark.parametrize("model", [*MODELS, "auto"])
def test_no_time_stays_no_time_whatever_is_lost_around_it(tmp_path: Path, model: str, bound: object) -> None:
    rng, arrays = np.random.default_rng(1), {}
    for unit in ("M8[ns]", ">M8[D]", "<m8[s]", ">m8[25s]", "M8[Y]", "m8"):
        for shape in ((), (0,), (60,), (3, 0), (6, 7), (3, 4, 5)):
            numbers = np.asarray(rng.integers(-(10**12), 10**12, shape))
            numbers.reshape(-1)[::4] = np.iinfo("i8").min
            numbers.reshape(-1)[1::9] = np.iinfo("i8").max
            dtype = np.dtype(unit)
            arrays[f"{len(arrays)}"] = numbers.astype(dtype.byteorder.replace("|", "=") + "i8").view(dtype)
    bounds = dict.fromkeys(arrays, bound) if bound else None
    baler_core.compress(arrays, tmp_path / "x.bal", bounds=bounds, model=model)
    restored = baler_core.open(tmp_path / "x.bal", as_="original")
    for name, before in arrays.items():
        after = restored[name]
        assert (after.dtype, after.shape) == (before.dtype, before.shape)
        numbers, others = (np.atleast_1d(a).astype(a.dtype.newbyteorder("=")).view("i8") for a in (before, after))
        none = np.isnat(np.atleast_1d(before))
        assert np.array_equal(np.isnat(np.atleast_1d(after)), none)
        largest = max((abs(int(a) - int(b)) for a, b in zip(numbers[~none], others[~none], strict=True)), default=0)
        assert largest <= (2 if bound else 0)


@pytest.mark.parametrize("model", [*MODELS, "auto"])
def test_what_is_no_real_number_comes_back_in_every_shape_beside_every_model(tmp_path: Path, model: str) -> None:
    rng, arrays = np.random.default_rng(1), {}
    for dtype in map(np.dtype, ("<c8", ">c16", "V3", "S5", "<U3", ">U3", "?", [("a", ">f4"), ("b", "<c8", (2,))])):
        for shape in ((), (0,), (5,), (3, 0), (0, 4, 2), (2, 3)):
            count = int(np.prod(shape))
            raw = rng.integers(0, 2, count * dtype.itemsize, "u1") if dtype.kind in "?bUV" else None
            data = rng.bytes(count * dtype.itemsize) if raw is None else raw.tobytes()
            values = np.frombuffer(data, dtype).reshape(shape) if dtype.kind != "U" else np.full(shape, "ab", dtype)
            arrays[f"{len(arrays)}"] = values
    baler_core.compress(arrays, tmp_path / "x.bal", model=model)
    restored = baler_core.open(tmp_path / "x.bal", as_="original")
    for name, before in arrays.items():
        after = restored[name]
        assert (after.dtype, after.shape) == (before.dtype, before.shape)
        assert after.tobytes() == before.tobytes(), (before.dtype, before.shape)


def test_the_check_of_shares_finds_what_is_wrong() -> None:
    values = np.array([1.0, -2.0, np.nan, np.inf, 0.0])
    for changed, kind, share in (
        ([1.0, -2.0, np.nan, np.inf, -0.0], "exact", np.inf),
        ([1.0, -2.0, np.nan, np.inf, -0.0], "abs", 0),
        ([1.5, -2.0, np.nan, np.inf, 0.0], "abs", 5),
        ([1.0, -2.2, np.nan, np.inf, 0.0], "rel", 1),
        ([1.3, -2.0, np.nan, np.inf, 0.0], "range", 1),
        ([1.0, np.nan, np.nan, np.inf, 0.0], "abs", np.inf),
        ([1.0, -2.0, 0.0, np.inf, 0.0], "abs", np.inf),
        ([1.0, -2.0, np.nan, -np.inf, 0.0], "abs", np.inf),
        ([1.0, -2.0, np.nan, np.inf, 1e-9], "rel", np.inf),
    ):
        assert worst_share(values, np.array(changed), kind, 0.1) == pytest.approx(share)


@pytest.mark.parametrize("bound", [1e-16, 1e-15, 1e-14])
def test_fine_bounds_of_long_integers_take_no_more_bytes_than_the_values(bound: float, tmp_path: Path) -> None:
    values = np.random.default_rng(1).integers(-(2**63), 2**63 - 1, 20_000)
    done = baler_core.compress(
        {"a": values}, tmp_path / "a.bal", bounds={"a": {"rel": bound}}, model={"effort": "fast"}
    )
    assert done.file_bytes < values.nbytes * 1.01
    restored = baler_core.open(tmp_path / "a.bal", as_="original")["a"]
    assert all(
        abs(int(a) - int(b)) <= Fraction(bound) * abs(int(a))
        for a, b in zip(values[:2000], restored[:2000], strict=True)
    )


@pytest.mark.parametrize("place", [(0, 1), (1, 0)])
def test_no_model_fails_where_neighbours_are_too_large_to_divide(
    place: tuple[int, int], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    x, y = np.meshgrid(np.arange(10), np.arange(12), indexing="ij")
    values = 1e-179 * np.sin(x / 3 + y / 2)[np.newaxis]
    values[0][place] = np.finfo("f8").max
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        baler_core.compress({"a": values}, tmp_path / "a.bal", model={"effort": "fast"})
    assert np.array_equal(baler_core.open(tmp_path / "a.bal", as_="original")["a"], values)
    assert "failed" not in caplog.text
