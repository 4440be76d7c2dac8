"""What bounds mean for variables of different types."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baler_core import encode
from baler_core.data.angles import angle_warning
from baler_core.data.bounds import BoundRules, Tolerance, ValueRange, value_range
from baler_core.data.error_bound import LOSSLESS, ErrorBound
from baler_core.data.tolerance import make_tolerance, rounded_down
from baler_core.data.variables import Variable
from baler_core.errors import ConfigError

RULES = BoundRules((("Jet_phi", ErrorBound("abs", 1e-4)), ("n*", ErrorBound("abs", 2)), ("*", ErrorBound("rel", 1e-2))))


@pytest.mark.parametrize(
    ("name", "dtype", "packed", "expected"),
    [
        ("Jet_phi", "<f4", False, "abs 0.0001"),
        ("Jet_pt", "<f8", False, "rel 0.01"),
        ("nJet", "<i4", False, "lossless"),
        ("t2m", "<i2", True, "rel 0.01"),
        ("flag", "|b1", False, "lossless"),
        ("name", "str", False, "lossless"),
        ("wave", "<c16", False, "lossless"),
    ],
)
def test_the_first_matching_rule_decides(name: str, dtype: str, packed: bool, expected: str) -> None:
    assert str(RULES.bound_for(name, dtype, packed=packed)) == expected


@pytest.mark.parametrize("dtype", ["<f4", "<f8", "<i4"])
def test_what_no_pattern_matches_is_exact(dtype: str) -> None:
    assert BoundRules().bound_for("x", dtype) == LOSSLESS
    assert BoundRules((("y", ErrorBound("abs", 1)),)).bound_for("x", dtype) == LOSSLESS


def test_what_is_protected_stays_exact_unless_named() -> None:
    assert RULES.bound_for("time", "<f8", protected=True) == LOSSLESS
    assert str(BoundRules((("time", ErrorBound("abs", 1)),)).bound_for("time", "<f8", protected=True)) == "abs 1"
    assert str(BoundRules((("t[[]s]", ErrorBound("abs", 1)),)).bound_for("t[s]", "<f8", protected=True)) == "abs 1"
    assert BoundRules((("tim?", ErrorBound("abs", 1)),)).bound_for("time", "<f8", protected=True) == LOSSLESS


def test_a_named_integer_may_be_lossy_and_named_text_may_not() -> None:
    rules = BoundRules((("adc", ErrorBound("abs", 3)), ("label", ErrorBound("abs", 3))))
    assert str(rules.bound_for("adc", "<i4")) == "abs 3"
    with pytest.raises(ConfigError, match="label"):
        rules.bound_for("label", "str")


@pytest.mark.parametrize("value", [-1, 0, math.nan, math.inf])
def test_nonsense_bounds_are_refused(value: float) -> None:
    with pytest.raises(ConfigError, match="positive"):
        ErrorBound("abs", value)


@pytest.mark.parametrize(
    "stated",
    [
        "losless",
        {"relative": 0.1},
        {"abs": "x +"},
        {"abs": "0.1"},
        {"rel": "x"},
        {"abs": 1, "else": "lossless"},
        {"abs": True},
        3,
        {"rel": 1.5},
        {"bits": 2.5},
    ],
)
def test_misspelt_bounds_are_refused(stated: object) -> None:
    with pytest.raises(ConfigError):
        ErrorBound.parse(stated)


def test_range_ignores_fill_and_non_finite_values() -> None:
    values = np.array([1.0, 3.0, np.nan, np.inf, 1e20])
    assert value_range(values, (1e20,)) == ValueRange(1.0, 3.0)
    field = Variable("x", "<f8", ("row",))
    assert make_tolerance(ErrorBound("range", 0.1), field, extent=ValueRange(1.0, 3.0)).value == pytest.approx(0.2)


def test_a_packed_variable_has_its_bound_in_physical_units() -> None:
    packed = Variable("t", "<i2", ("row",), scale=0.1, offset=20.0)
    tolerance = make_tolerance(ErrorBound("abs", 0.5), packed)
    assert tolerance.value == pytest.approx(5.0)
    relative = make_tolerance(ErrorBound("rel", 0.01), packed)
    assert relative.allowed(np.array([100], np.int16)) == pytest.approx(300 * 0.01, rel=1e-5)


def test_violations_are_counted_as_a_user_would() -> None:
    x = np.array([1.0, -0.0, np.nan, np.inf, 5.0, 0.0])
    y = np.array([1.0011, 0.0, 1.0, np.inf, 5.004, -1e-300])
    np.testing.assert_array_equal(Tolerance("rel", 1e-3).violations(x, y), [True, True, True, False, False, True])
    np.testing.assert_array_equal(Tolerance("abs", 0.01).violations(x, y), [False, False, True, False, False, False])


def test_whole_errors_of_integers_count_in_full() -> None:
    x = np.array([0, 0, 2**63 - 1], np.int64)
    y = np.array([7, 8, -(2**63)], np.int64)
    np.testing.assert_array_equal(Tolerance("abs", 7.0).violations(x, y), [False, True, True])


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8"])
def test_zero_has_next_to_no_leeway_when_mantissa_bits_are_kept(dtype: str) -> None:
    zeros = np.zeros(2, dtype)
    smallest_normal = np.finfo(dtype).smallest_normal
    assert (Tolerance("bits", 5).allowed(zeros) < smallest_normal).all()
    assert Tolerance("bits", 5).violations(zeros, np.array([0.0, 0.01], dtype)).tolist() == [False, True]


def test_a_name_with_brackets_matches_itself() -> None:
    rules = BoundRules((("pt [GeV]", ErrorBound("abs", 0.5)),))
    assert rules.bound_for("pt [GeV]", "<f4") == ErrorBound("abs", 0.5)
    assert rules.unmatched(["pt [GeV]"]) == []


@given(st.floats(1e-300, 1e300))
def test_tolerances_are_rounded_down_to_few_digits(number: float) -> None:
    short = rounded_down(number)
    assert number * (1 - 1e-6) <= short <= number * (1 + 2e-12)
    assert len(f"{short!r}".partition("e")[0].replace(".", "").strip("0")) <= 8


@pytest.mark.parametrize(
    ("number", "short"),
    [(9.999999999999998, 10.0), (0.30000000000000004, 0.3), (1234567.0, 1234567.0), (1 / 3, 0.333333)],
)
def test_round_numbers_stay(number: float, short: float) -> None:
    assert rounded_down(number) == pytest.approx(short, rel=1e-15)


@pytest.mark.parametrize(
    ("name", "units", "is_warned_of"),
    [
        ("Muon_phi", "", True),
        ("Tau_leadTkDeltaPhi", "", False),
        ("dEta", "", False),
        ("Conf_68_SemiMajor", "deg", False),
        ("Conf_68_PosAng", "deg", True),
        ("phi_err", "rad", False),
        ("tmean", "degrees_celsius", False),
        ("heading", "degrees_true", True),
        ("nav", "degree_E", True),
    ],
)
def test_relative_bounds_on_angles_are_warned_of_where_zero_has_no_meaning(
    name: str, units: str, is_warned_of: bool
) -> None:
    variable = Variable(name, "<f4", ("row",), units=units)
    assert bool(angle_warning(variable, ErrorBound("rel", 0.05))) == is_warned_of


@pytest.mark.parametrize(
    ("name", "units", "said"),
    [
        ("lat", "degrees_north", "values near 90 by 0.9 degrees"),
        ("nav_lat", "", "values near 90 by 0.9 degrees"),
        ("y", "degree_N", "values near 90 by 0.9 degrees"),
        ("grid/dec", "deg", "values near 90 by 0.9 degrees"),
        ("latitude", "rad", "values near 1.5 by 0.015 radians"),
        ("lon", "degrees_east", "values near 360 by 3.6 degrees"),
        ("ra", "deg", "values near 360 by 3.6 degrees"),
        ("phi", "", "values near 3 by 0.03 radians"),
    ],
)
def test_a_warning_of_an_angle_speaks_of_values_that_it_may_have(name: str, units: str, said: str) -> None:
    assert said in angle_warning(Variable(name, "<f8", ("row",), units=units), ErrorBound("rel", 0.01))


@pytest.mark.parametrize("kind", ["abs", "exact_at", "threshold"])
def test_numbers_larger_than_any_float_are_refused(kind: str) -> None:
    with pytest.raises(ConfigError, match="number"):
        encode(np.arange(9.0), bounds={"abs": 1, kind: 10**400})
