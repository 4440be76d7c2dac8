"""Statistics that come piece by piece equal those of everything at once."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from baler_core.data.running_statistics import Moments, Sample, sample_size

VALUES = arrays(np.float64, st.integers(1, 60), elements=st.floats(-1e6, 1e6))


@given(VALUES, st.integers(0, 60))
def test_moments_of_two_pieces_are_those_of_the_whole(values: np.ndarray, cut: int) -> None:
    moments = Moments()
    moments.update(values[:cut])
    moments.update(values[cut:])
    assert moments.count == values.size
    assert (moments.low, moments.high) == (values.min(), values.max())
    np.testing.assert_allclose(moments.mean, values.mean(), rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(moments.rms, np.sqrt(np.mean(values**2)), rtol=1e-9)


def test_moments_without_values_are_not_numbers() -> None:
    moments = Moments()
    moments.update(np.empty(0))
    assert moments.count == 0
    assert math.isnan(moments.mean)
    assert math.isnan(moments.rms)


def test_squares_beyond_the_largest_number_are_no_error() -> None:
    moments = Moments()
    moments.update(np.array([1e200, 1.0]))
    assert moments.rms == math.inf


def test_a_small_sample_is_everything() -> None:
    sample = Sample(10)
    sample.update(np.arange(3))
    sample.update(np.arange(3, 7))
    assert sorted(sample.values) == list(range(7))


def test_a_sample_stays_small_and_uniform_whatever_the_pieces() -> None:
    values = np.arange(200_000, dtype=np.float64)
    sample = Sample(5000, seed=3)
    for piece in np.array_split(values, 37):
        sample.update(piece)
    assert sample.values.size == 5000
    assert sample.seen == values.size
    assert len(set(sample.values)) == 5000
    quarter, half = sample.quantiles([0.25, 0.5])
    assert abs(quarter / values.size - 0.25) < 0.03
    assert abs(half / values.size - 0.5) < 0.03


def test_samples_are_the_same_every_time() -> None:
    first, second = Sample(50), Sample(50)
    for sample in (first, second):
        sample.update(np.linspace(0, 1, 1000))
    np.testing.assert_array_equal(np.sort(first.values), np.sort(second.values))


def test_samples_of_many_variables_share_the_memory() -> None:
    assert sample_size(3, most=10_000) == 10_000
    assert sample_size(2000, most=10_000) == 2000
    assert sample_size(10**6, most=10_000) == 1000
