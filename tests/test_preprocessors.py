"""Preprocessors come back, map tolerances safely, and survive NaN, constants and hostile states."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import baler_core
from baler_core.builtin.preprocessors import Asinh, Log, MinMax, Standardise
from baler_core.data.block import make_block, values_of
from baler_core.data.bounds import Tolerance
from baler_core.data.variables import Layout, Variable
from baler_core.errors import FormatError
from baler_core.format.file_info import read_info
from baler_core.pipeline.preprocess import Pipeline, Step

EVERY = [Asinh, Log, MinMax, Standardise]


def block_of(**columns: np.ndarray):
    return make_block({name: (("row",), values) for name, values in columns.items()})


def spread_values(dtype: str = "<f4") -> np.ndarray:
    generator = np.random.default_rng(5)
    return np.exp(generator.normal(0, 3, 4000)).astype(dtype)


@pytest.mark.parametrize("kind", EVERY)
def test_values_come_back_and_the_state_alone_is_enough(kind):
    values = spread_values("<f8")
    one = kind()
    one.fit(block_of(x=values))
    encoded = one.encode(block_of(x=values))
    other = kind()
    other.load_state(one.state())
    assert values_of(encoded, "x").dtype == np.float64
    np.testing.assert_allclose(values_of(other.decode(encoded), "x"), values, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("kind", EVERY)
@pytest.mark.parametrize("tolerance", [Tolerance("abs", 0.01), Tolerance("rel", 1e-3), Tolerance("bits", 8)])
@pytest.mark.parametrize("sign", [-1, 1])
def test_the_largest_encoded_error_keeps_the_original_within_its_tolerance(kind, tolerance, sign):
    values = spread_values()
    one = kind()
    one.fit(block_of(x=values))
    encoded = values_of(one.encode(block_of(x=values)), "x")
    allowed = one.tolerance("x", tolerance).allowed(encoded)
    moved = values_of(one.decode(block_of(x=encoded + sign * allowed)), "x").astype("<f4")
    assert not tolerance.violations(values, moved).any()
    assert (moved != values).mean() > 0.2


def test_a_relative_bound_is_used_up_by_log_and_by_normalisation():
    values = spread_values("<f8")
    for kind in (Log, MinMax, Standardise):
        one = kind()
        one.fit(block_of(x=values))
        encoded = values_of(one.encode(block_of(x=values)), "x")
        allowed = one.tolerance("x", Tolerance("rel", 1e-3)).allowed(encoded)
        moved = values_of(one.decode(block_of(x=encoded + allowed)), "x")
        np.testing.assert_allclose(moved / values - 1, 1e-3, rtol=1e-3)


@given(st.lists(st.floats(1e-30, 1e30), min_size=1, max_size=30), st.floats(1e-6, 0.5))
def test_a_relative_bound_holds_for_any_positive_values(values, eps):
    column, tolerance = np.array(values), Tolerance("rel", eps)
    for kind in (Asinh, Log):
        one = kind()
        one.fit(block_of(x=column))
        encoded = values_of(one.encode(block_of(x=column)), "x")
        # A last bit less than allowed: the functions themselves round.
        allowed = one.tolerance("x", tolerance).allowed(encoded) * (1 - 1e-7)
        for sign in (-1, 1):
            moved = values_of(one.decode(block_of(x=encoded + sign * allowed)), "x")
            assert not tolerance.violations(column, moved).any()


@pytest.mark.parametrize("kind", EVERY)
def test_missing_and_constant_columns_do_not_hurt_others(kind):
    values = spread_values("<f8")
    nothing, constant = np.full(4000, np.nan), np.full(4000, 7.0)
    holes = np.where(np.arange(4000) % 3 == 0, np.nan, values)
    holes[1] = np.inf
    one = kind()
    block = block_of(x=values, nothing=nothing, constant=constant, holes=holes)
    one.fit(block)
    back = one.decode(one.encode(block))
    np.testing.assert_allclose(values_of(back, "x"), values, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(values_of(back, "constant"), constant, rtol=1e-12)
    np.testing.assert_allclose(values_of(back, "holes"), holes, rtol=1e-11, atol=1e-12)
    assert np.isnan(values_of(back, "nothing")).all()


def test_zero_survives_the_logarithm_and_negative_values_are_left_to_the_core():
    one = Log()
    block = block_of(x=np.array([0.0, 2.0, -3.0]))
    one.fit(block)
    back = values_of(one.decode(one.encode(block)), "x")
    assert back[0] == 0
    assert back[1] == pytest.approx(2)
    assert np.isnan(back[2])


def test_fill_values_are_fill_values_of_the_encoded_variable_too():
    one = MinMax()
    one.fit(block_of(x=np.array([0.0, 10.0])))
    assert one.tolerance("x", Tolerance("abs", 0.1, fill=(20.0,))).fill == (2.0,)


def test_a_variable_of_a_later_block_is_learned_there():
    one = MinMax()
    one.fit(block_of(x=np.array([0.0, 10.0])))
    assert values_of(one.encode(block_of(y=np.array([5.0, 7.0]))), "y").tolist() == [0, 1]
    assert set(one.state()) == {"x", "y"}
    with pytest.raises(FormatError, match="no parameters for 'z'"):
        one.decode(block_of(z=np.zeros(1)))


@pytest.mark.parametrize(
    "state", [np.zeros(3), np.array([0, 1, 2, 0]), np.array([0, np.nan, 1.0, 0]), np.zeros((4, 1))]
)
def test_a_damaged_state_is_refused(state):
    with pytest.raises(FormatError, match="offset, scale, largest value, rounding of 'x'"):
        MinMax().load_state({"x": state})


def test_integers_come_back_rounded_not_cut_off():
    values = np.array([0, 3, 7, 100], "<i4")
    pipeline = Pipeline([Step(Standardise(), ("n",))])
    block = block_of(n=values)
    pipeline.fit(block)
    layout = Layout("table", (Variable("n", "<i4", ("row",)),), {"row": 4})
    back = values_of(pipeline.decode(pipeline.encode(block), layout), "n")
    assert back.astype("<i4").tolist() == values.tolist()


def test_each_block_is_preprocessed_once_for_all_its_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    plain = Log.encode

    def encode(self: Log, block: Any) -> Any:
        calls.append(len(block.variables))
        return plain(self, block)

    monkeypatch.setattr(Log, "encode", encode)
    values = np.exp(np.random.default_rng(2).normal(size=(40, 5, 6)))
    arrays = {"u": values, "x": values[:, 0, 0].copy()}
    step = {"name": "log", "variables": ["u", "x"]}
    target = tmp_path / "a.bal"
    baler_core.compress(arrays, target, bounds={"rel": 1e-3}, model="scalar", preprocess=[step], block_bytes=2500)
    # once to fit, which shows the next step what this one makes of a block; then once per block
    assert calls == [2, *[2] * len(list(read_info(target).block_bytes))]
    restored = baler_core.open(target)
    for name, array in arrays.items():
        assert (np.abs(restored[name].values - array) <= 1e-3 * array).all()
