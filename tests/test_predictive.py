"""The parts of the predictive model: neighbours, stencils and their classes, and integers to bytes and back."""

from __future__ import annotations

import numpy as np
import pytest

from baler_core import FormatError
from baler_core.builtin.models.fields.predictive.classes import fit_classes
from baler_core.builtin.models.fields.predictive.estimate import estimated_rate
from baler_core.builtin.models.fields.predictive.field import Integers, decode_integers, encode_with
from baler_core.builtin.models.fields.predictive.local_choice import hardly_pays
from baler_core.builtin.models.fields.predictive.predictor import FRACTION
from baler_core.builtin.models.fields.predictive.sampling import (
    StencilSample,
    activities,
    samples_of,
    with_filled_holes,
)
from baler_core.builtin.models.fields.predictive.stencil import (
    COLUMNS,
    EDGE,
    FEATURES,
    HALF_STEP,
    LARGEST_EDGE,
    MARGIN,
    MOST_CLASSES,
    NEIGHBOURS,
    SOURCES,
    WITHIN,
    Stencils,
    fitted,
    spread,
    used_features,
)
from baler_core.builtin.models.fields.predictive.stencil_fit import encode_integers, learn_stencils
from baler_core.entropy.arithmetic import finish, new_encoder
from baler_core.entropy.numbers import NumberCoder


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
    features = np.random.default_rng(0).normal(size=(5, 4000)) * 50_000
    weights = np.array([0.5, -0.25, 0.0, 1.0, 0.125])
    found = fitted(features, weights @ features)
    np.testing.assert_allclose(found / 4096, weights, atol=2e-3)
    np.testing.assert_allclose(fitted(features, weights @ features, roughly=True) / 4096, weights, atol=2e-3)
    np.testing.assert_array_equal(fitted(features[:, :9], features[0, :9], found), found)
    assert fitted(features[:, :9], features[0, :9])[:3].tolist() == [4096, 4096, -4096]


def test_fitted_weights_expect_neighbours_to_be_rounded_like_those_fitted_to_rounded_ones() -> None:
    rng = np.random.default_rng(2)
    values = np.cumsum(np.cumsum(rng.normal(size=(30, 40_000)) * 100, axis=0), axis=0)[:-10:-1]
    rounded = values[1:] + rng.uniform(-HALF_STEP, HALF_STEP, size=(8, 40_000))
    found = fitted(values[1:] - values[1], values[0] - values[1], base=0) / 4096
    wanted = fitted(rounded - rounded[0], values[0] - rounded[0]) / 4096
    naive = fitted(values[1:] - values[1], values[0] - values[1]) / 4096

    def error(weights: np.ndarray) -> float:
        return float(np.abs(values[0] - rounded[0] - weights @ (rounded - rounded[0])).mean())

    assert error(found) < 1.01 * error(wanted)
    assert error(found) < 0.98 * error(naive)
    assert abs(spread(np.full(9, 1e6), np.array([0.0, 0.5, 0.5])) - 1024**2 / 24) < 1


def sample_of(features: np.ndarray, targets: np.ndarray, temporal: bool = False) -> StencilSample:
    """A sample of features that are all used and not rounded."""
    return StencilSample(0, temporal, np.arange(FEATURES), features, targets, None)


def test_activity_counts_differences_of_neighbours() -> None:
    features = np.zeros((FEATURES, 2))
    features[WITHIN.index((0, -1)), 1] = 7.0
    assert activities(sample_of(features, np.zeros(2))).tolist() == [0, 7]
    assert activities(sample_of(features, np.zeros(2), True)).tolist() == [0, 21]


def test_classes_are_learned_only_where_they_pay() -> None:
    rng = np.random.default_rng(1)
    features = np.zeros((FEATURES, 20_000))
    here = [WITHIN.index(step) for step in ((0, -1), (-1, 0), (-1, -1), (-1, 1))]
    features[here] = rng.normal(size=(4, 20_000)) * np.where(np.arange(20_000) % 2, 3e5, 3e4)
    start = np.zeros(FEATURES, np.int64)
    start[here] = 1024
    mean, west = features[here].mean(axis=0), features[here[0]]
    noise = 300 * rng.normal(size=20_000)
    alike = fit_classes(sample_of(features, mean + noise), start, 100_000)
    assert alike.shape == (1, COLUMNS)
    assert alike[0, EDGE] == LARGEST_EDGE
    lively = activities(sample_of(features, mean)) > 3e5
    differing = sample_of(features, np.where(lively, west, mean) + noise)
    apart = fit_classes(differing, start, 100_000)
    assert apart.shape == (MOST_CLASSES, COLUMNS)
    assert apart[0, EDGE] < apart[1, EDGE]
    assert apart[-1, here[0]] > 3000
    assert abs(apart[0, here[0]] - 1024) < 200
    assert len(fit_classes(differing, start, 20)) == 1
    assert len(fit_classes(sample_of(features[:, :0], mean[:0]), start, 100_000)) == 1


def test_classes_of_stencils_make_fewer_bytes_and_restore_the_same() -> None:
    integers = Integers(calm_and_lively(), None, closed=True)
    classes = learn_stencils(integers, "max")
    assert classes.weights.shape[2] == MOST_CLASSES
    data, expected = encode_with(integers, classes, 16)
    assert encode_integers(integers) == data
    assert len(data) < len(encode_with(integers, learn_stencils(integers, "balanced"), 16)[0])
    np.testing.assert_array_equal(decode_integers(data, expected.shape, None, 1, True), expected)
    assert np.abs(expected - integers.values).max() <= HALF_STEP


def test_samples_hold_neighbours_as_decoders_see_them() -> None:
    """Beyond the left edge lies the row above, above the first row the slice before: nothing that comes later."""
    values = np.random.default_rng(5).integers(-9000, 9000, (2, 1, 3, 9))
    found = {sample.temporal: sample for sample in samples_of(Integers(values, None), 10_000, far=True)}
    assert set(found) == {False, True}
    first, second = values[0, 0], values[1, 0]
    here = {temporal: WITHIN.index((-1, 0)) for temporal in found}
    for y in range(3):
        for x in range(9):
            if y > 0:
                base = first[y, x - 1] if x else first[y - 1, 0]
                assert (first[y, x] - base, first[y - 1, x] - base) in zip(
                    found[False].targets, found[False].features[here[False]], strict=True
                )
            base = first[y, x]
            north = second[y - 1, x] if y else first[0, x]
            west = second[y, x - 1] if x else second[y - 1, 0] if y else first[0, 0]
            rows = zip(found[True].targets, *found[True].features[[here[True], WITHIN.index((0, -1))]], strict=True)
            assert (second[y, x] - base, north - base, west - base) in rows


def test_far_neighbours_are_taken_where_they_are_worth_their_weights() -> None:
    rng = np.random.default_rng(6)
    values = np.rint(rng.normal(size=(1, 1, 64, 80)) * 30_000).astype(np.int64)
    unlike = learn_stencils(Integers(values, None, closed=True), "max").weights
    beyond = ~used_features(False, False, far=False)
    assert not unlike[0, 0, 0, :-1][beyond].any()
    steps = NEIGHBOURS[beyond & (SOURCES == 0)]
    down, right = steps[0]
    values[0, 0, -down:, abs(right) : -abs(right)] = 0
    for y in range(-down, 64):
        for x in range(abs(right), 80 - abs(right)):
            values[0, 0, y, x] = values[0, 0, y + down, x + right] + rng.integers(-900, 900)
    alike = learn_stencils(Integers(values, None, closed=True), "max").weights
    assert alike[0, 0, 0, np.flatnonzero(beyond & (SOURCES == 0))[0]] > 3500


def test_holes_are_not_learned_from_and_filled_with_what_was_before() -> None:
    values = np.arange(24).reshape(2, 1, 3, 4) << FRACTION
    holes = np.zeros(values.shape, bool)
    holes[0, 0, 1, :2] = holes[1, 0, 2, 3] = True
    integers = Integers(np.where(holes, 0, values), holes)
    filled = with_filled_holes(integers) >> FRACTION
    assert filled[0, 0, 1].tolist() == [0, 0, 6, 7]
    assert filled[1, 0, 2].tolist() == [20, 21, 22, 11]
    sizes = [sample.targets.size for sample in samples_of(integers, 1000, far=False)]
    assert sizes == [2 * 4 - 2, 3 * 4 - 1]
    assert with_filled_holes(Integers(values, None)) is values


def test_estimates_tell_which_way_to_look_at_a_field_takes_fewer_bytes() -> None:
    still = Integers(calm_and_lively(1).repeat(10, axis=0), None, closed=True)
    moving = Integers(calm_and_lively(), None, closed=True)
    turned = Integers(np.ascontiguousarray(calm_and_lively().transpose(3, 1, 2, 0)), None, closed=True)
    rates = [estimated_rate(integers, 100) for integers in (still, moving, turned)]
    coded = [len(encode_with(i, learn_stencils(i, "fast"), 0)[0]) / i.values.size for i in (still, moving, turned)]
    assert rates[0] < 0.05
    assert rates == sorted(rates)
    assert abs(rates[1] / coded[1] - 1) < 0.25
    assert abs(rates[2] / coded[2] - 1) < 0.25


def test_stencils_of_another_kind_of_file_are_not_used() -> None:
    integers = Integers(calm_and_lively(3, 24), None, closed=True)
    usual = encode_integers(integers, "balanced")
    strange = np.zeros((1, 2, 1, COLUMNS - 1), np.int64)
    assert encode_integers(integers, "balanced", Stencils(strange)) == usual
    assert encode_integers(integers, "balanced", Stencils(strange.astype(np.float64))) == usual
    assert encode_integers(integers, "balanced", learn_stencils(integers, "fast")._replace(bits=63)) == usual
    known = learn_stencils(integers, "balanced")
    data = encode_integers(integers, "balanced", known)
    assert np.abs(decode_integers(data, (3, 1, 24, 24), None, 1, True) - integers.values).max() <= 1 << (FRACTION - 1)


@pytest.mark.parametrize("classes", [0, 2 * MOST_CLASSES + 1, 1 << 30, -1])
def test_an_impossible_number_of_classes_is_refused(classes: int) -> None:
    coder = new_encoder(256)
    numbers = NumberCoder(coder)
    for number in (0, 5, classes):
        numbers.code(number, 1)
    with pytest.raises(FormatError, match="classes"):
        decode_integers(bytes([7, 0, 0, 0]) + finish(coder), (1, 1, 8, 8), None, 1, True)


def test_mixing_is_given_up_on_noise_of_many_bits_alone() -> None:
    rng = np.random.default_rng(4)
    walks = rng.normal(size=(4, 1, 512, 160)).cumsum(axis=2) * np.exp(rng.normal(size=(4, 1, 1, 160)))
    for values, given_up in ((rng.normal(size=walks.shape) * 20, True), (walks * 20, False)):
        integers = Integers(np.rint(values * (1 << FRACTION)).astype(np.int64), None, closed=True)
        assert hardly_pays(integers, learn_stencils(integers, "balanced"), 7) is given_up
        data = encode_integers(integers, "balanced")
        assert (data[0] == 0) is given_up
    few = Integers(integers.values[:, :, :100], None, closed=True)
    assert not hardly_pays(few, learn_stencils(few, "balanced"), 7)
