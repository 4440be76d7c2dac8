"""The parts of the predictive model: neighbours, stencils and their classes, and integers to bytes and back."""

from __future__ import annotations

import numpy as np
import pytest

from baler_core import FormatError
from baler_core.arithmetic import finish, new_encoder
from baler_core.builtin.models.numbers import NumberCoder
from baler_core.builtin.models.predictive.classes import activities, learned_classes
from baler_core.builtin.models.predictive.field import Integers, decode_integers, encode_with
from baler_core.builtin.models.predictive.learning import encode_integers, learn_stencils, with_classes
from baler_core.builtin.models.predictive.predictor import FRACTION
from baler_core.builtin.models.predictive.stencil import (
    COLUMNS,
    EDGE,
    FEATURES,
    LARGEST_EDGE,
    MARGIN,
    MOST_CLASSES,
    NEIGHBOURS,
    SOURCES,
    WITHIN,
    fitted,
    used_features,
)


def calm_and_lively(frames: int = 10, size: int = 96) -> np.ndarray:
    """What stands still on the left and moves to the right on the right: int64 (frames, 1, y, x)."""
    rng = np.random.default_rng(4)
    places = np.arange(size) - np.where(np.arange(size) < size // 2, 0, np.arange(frames)[:, None])
    values = 30 * rng.normal(size=(size, size + frames))[:, places] + rng.normal(size=(size, frames, size))
    return np.rint(np.moveaxis(values, 1, 0) * (1 << FRACTION)).astype(np.int64)[:, None]


def test_neighbours_are_known_when_they_are_needed_and_lie_within_the_margin() -> None:
    assert all(step < (0, 0) for step in WITHIN)
    assert WITHIN[:3] == ((0, -1), (-1, 0), (-1, -1))  # the plane through three neighbours
    assert np.abs(NEIGHBOURS).max() == MARGIN
    assert len(NEIGHBOURS) == len(SOURCES) == FEATURES
    near, far = used_features(True, True, False), used_features(True, True)
    assert far.all()
    assert (near <= far).all()
    assert 3 * near.sum() < 2 * far.sum()
    assert set(SOURCES[used_features(False, False)]) == {0}
    assert set(SOURCES[used_features(False, True)]) == {0, 3}


def test_fitted_weights_find_a_linear_relation_and_few_rows_change_nothing() -> None:
    features = np.random.default_rng(0).normal(size=(4000, 5)) * 50_000
    weights = np.array([0.5, -0.25, 0.0, 1.0, 0.125])
    found = fitted(features, features @ weights)
    np.testing.assert_allclose(found / 4096, weights, atol=2e-3)
    np.testing.assert_array_equal(fitted(features[:9], features[:9, 0], found), found)
    assert fitted(features[:9], features[:9, 0])[:3].tolist() == [4096, 4096, -4096]


def test_activity_counts_differences_of_neighbours() -> None:
    features = np.zeros((2, FEATURES))
    features[1, WITHIN.index((0, -1))] = 7.0
    assert activities(features, False).tolist() == [0, 7]
    assert activities(features, True).tolist() == [0, 21]


def test_classes_are_learned_only_where_they_pay() -> None:
    rng = np.random.default_rng(1)
    features = np.zeros((20_000, FEATURES))
    here = [WITHIN.index(step) for step in ((0, -1), (-1, 0), (-1, -1), (-1, 1))]
    features[:, here] = rng.normal(size=(len(features), 4)) * np.where(np.arange(len(features)) % 2, 3e5, 3e4)[:, None]
    start = np.zeros(FEATURES, np.int64)
    start[here] = 1024
    mean = features[:, here].mean(axis=1)
    noise = 300 * rng.normal(size=len(features))
    alike = learned_classes(features, mean + noise, start, False, 100_000)
    assert alike.shape == (1, COLUMNS)
    assert alike[0, EDGE] == LARGEST_EDGE
    west = features[:, here[0]]
    differing = np.where(activities(features, False) > 3e5, west, mean) + noise
    apart = learned_classes(features, differing, start, False, 100_000)
    assert apart.shape == (MOST_CLASSES, COLUMNS)
    assert apart[0, EDGE] < apart[1, EDGE]
    assert apart[-1, here[0]] > 3500
    assert abs(apart[0, here[0]] - 1024) < 200
    assert len(learned_classes(features, differing, start, False, 20)) == 1
    assert len(learned_classes(features, differing, np.zeros_like(start), False, 100_000)) == 1
    assert len(learned_classes(features[:0], differing[:0], start, False, 100_000)) == 1


def test_classes_of_stencils_make_fewer_bytes_and_restore_the_same() -> None:
    integers = Integers(calm_and_lively(), None, closed=True)
    single = learn_stencils(integers, None, "max", far=True)
    plain, restored = encode_with(integers, single, 7)
    classes = with_classes(integers, restored, "max", single)
    assert classes.shape[2] == MOST_CLASSES
    data, expected = encode_with(integers, classes, 7)
    assert len(data) < len(plain)
    np.testing.assert_array_equal(decode_integers(data, expected.shape, None, 1, True), expected)
    assert np.abs(expected - integers.values).max() <= 1 << (FRACTION - 1)
    assert len(encode_integers(integers)) < len(plain)


def test_stencils_of_another_kind_of_file_are_not_used() -> None:
    integers = Integers(calm_and_lively(3, 24), None, closed=True)
    usual = encode_integers(integers, "balanced")
    strange = np.zeros((1, 2, 1, COLUMNS - 1), np.int64)
    assert encode_integers(integers, "balanced", strange) == usual
    assert encode_integers(integers, "balanced", strange.astype(np.float64)) == usual
    known = learn_stencils(integers, None, "balanced", far=False)
    data = encode_integers(integers, "balanced", known)
    assert np.abs(decode_integers(data, (3, 1, 24, 24), None, 1, True) - integers.values).max() <= 1 << (FRACTION - 1)


@pytest.mark.parametrize("classes", [0, MOST_CLASSES + 1, 1 << 30, -1])
def test_an_impossible_number_of_classes_is_refused(classes: int) -> None:
    coder = new_encoder(256)
    numbers = NumberCoder(coder)
    for number in (0, 5, classes):
        numbers.code(number, 1)
    with pytest.raises(FormatError, match="classes"):
        decode_integers(bytes([7, 0, 0, 0]) + finish(coder), (1, 1, 8, 8), None, 1, True)
