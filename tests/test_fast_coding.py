"""Quick coding of fields: round trips of hard integers, sizes known beforehand, damage, and the same bytes anywhere."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baler_core import FormatError
from baler_core.builtin.models.fields.predictive.field import Integers, counted_with, decode_integers, encode_with
from baler_core.builtin.models.fields.predictive.predictor import FRACTION
from baler_core.builtin.models.fields.predictive.stencil import COLUMNS, EDGE, LARGEST_EDGE, STARTS, Stencils
from baler_core.builtin.models.fields.predictive.stencil_fit import learn_stencils
from baler_core.builtin.models.fields.transform import wavelet
from baler_core.builtin.models.fields.transform.block import Recipe
from baler_core.builtin.models.fields.transform.temporal import TimeTransform
from baler_core.builtin.models.fields.transform.tile import TileIntegers
from baler_core.builtin.models.fields.transform.tile_bytes import coded_size, decode_tile, encode_tile

SHAPES = [(1, 1, 1, 1, 1), (3, 1, 1, 1, 70), (4, 2, 1, 17, 30), (2, 3, 9, 12, 21), (5, 1, 1, 40, 3)]
STEP = 1 << FRACTION


def integers_of(shape: tuple[int, ...], scale: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.rint(rng.laplace(scale=scale, size=shape) * (rng.random(shape) < 0.5)).astype(np.int32)


@given(
    st.sampled_from(SHAPES),
    st.sampled_from([0.0, 0.05, 1.0, 40.0, 1e7]),
    st.sampled_from([0.0, 0.3]),
    st.sampled_from(["none", "wavelet"]),
    st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_integers_of_tiles_come_back_and_their_bytes_are_known_beforehand(
    shape: tuple[int, ...], scale: float, corrections: float, time: TimeTransform, seed: int
) -> None:
    tile = TileIntegers(integers_of(shape, scale, seed), integers_of(shape, corrections, seed + 1))
    recipe = Recipe(time, wavelet.useful_levels(shape[2:]), 19, mixed=0)
    data = encode_tile(tile, recipe)
    again = decode_tile(data, shape[0], shape, recipe)
    np.testing.assert_array_equal(again.coefficients, tile.coefficients)
    np.testing.assert_array_equal(again.corrections, tile.corrections)
    assert coded_size([tile], recipe) == pytest.approx(len(data), abs=16, rel=0.001)


def test_extreme_and_single_integers_come_back() -> None:
    coefficients = np.zeros((2, 1, 1, 64, 64), np.int32)
    coefficients[0, 0, 0, 5, 9], coefficients[1, 0, 0, 63, 63], coefficients[1, 0, 0, 0, 0] = (
        2**31 - 1,
        -(2**31) + 1,
        -1,
    )
    tile = TileIntegers(coefficients, np.zeros_like(coefficients))
    recipe = Recipe("none", 3, 19, mixed=0)
    data = encode_tile(tile, recipe)
    np.testing.assert_array_equal(decode_tile(data, 2, coefficients.shape, recipe).coefficients, coefficients)
    assert len(data) < 150
    nothing = replace(tile, coefficients=np.zeros_like(coefficients))
    assert len(encode_tile(nothing, recipe)) < 30


def test_fewer_slices_than_frames_and_none_come_back() -> None:
    corrections = integers_of((6, 1, 1, 20, 20), 1.0, 3)
    for slices in (0, 2):
        tile = TileIntegers(integers_of((slices, 1, 1, 20, 20), 5.0, 4), corrections)
        recipe = Recipe("basis", 1, 19, mixed=0)
        again = decode_tile(encode_tile(tile, recipe), slices, corrections.shape, recipe)
        np.testing.assert_array_equal(again.coefficients, tile.coefficients)
        np.testing.assert_array_equal(again.corrections, corrections)


def test_trials_of_several_tiles_share_tables() -> None:
    recipe = Recipe("none", 1, 19, mixed=0)
    tiles = [
        TileIntegers(integers_of((3, 1, 1, 20, 20), 3.0, i), np.zeros((3, 1, 1, 20, 20), np.int32)) for i in (0, 1)
    ]
    together = coded_size(tiles, recipe)
    assert max(len(encode_tile(tile, recipe)) for tile in tiles) < together
    assert together < sum(len(encode_tile(tile, recipe)) for tile in tiles)


def series(shape: tuple[int, ...], closed: bool, large: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = np.cumsum(rng.normal(size=shape), axis=-1) * 3 + rng.integers(-large, large + 1, (shape[0], 1, 1, 1))
    return np.rint(values * STEP if closed else np.rint(values) * STEP).astype(np.int64)


def plane(variables: int) -> Stencils:
    """Stencils: the plane through three neighbours, half of the difference to that of the slice before."""
    stencils = np.zeros((variables, 2, 1, COLUMNS), np.int64)
    stencils[..., EDGE] = LARGEST_EDGE
    stencils[..., :3] = [4096, 4096, -4096]
    stencils[:, 1, 0, [STARTS[1], STARTS[1] + 1]] = 2048, -1024
    return Stencils(stencils)


@given(
    st.sampled_from([(1, 1, 1, 1), (1, 1, 9, 40), (5, 1, 12, 13), (4, 3, 7, 8), (6, 9, 3, 3)]),
    st.booleans(),
    st.sampled_from([0, 9, 1 << 22]),
    st.sampled_from([1, 2]),
    st.booleans(),
    st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_predicted_values_come_back_within_half_a_step(
    shape: tuple[int, ...], closed: bool, large: int, stack: int, hollow: bool, seed: int
) -> None:
    values = series(shape, closed, large, seed)
    holes = np.random.default_rng(seed).random(shape) < 0.2 if hollow else None
    integers = Integers(values, holes, stack, closed)
    stencils = learn_stencils(integers, "fast")
    data, expected = encode_with(integers, stencils, 0)
    restored = decode_integers(data, shape, holes, stack, closed)
    np.testing.assert_array_equal(restored, expected)
    there = np.ones(shape, bool) if holes is None else ~holes
    assert np.abs(restored - values)[there].max(initial=0) <= (STEP // 2 if closed else 0)
    size, same = counted_with(integers, stencils)
    np.testing.assert_array_equal(same, expected)
    assert size == pytest.approx(len(data), abs=16, rel=0.001)


def test_damaged_tiles_are_refused_or_have_the_shape_asked_for() -> None:
    shape = (4, 2, 1, 17, 30)
    tile = TileIntegers(integers_of(shape, 6.0, 1), integers_of(shape, 0.3, 2))
    recipe = Recipe("none", 1, 19, mixed=0)
    data = encode_tile(tile, recipe)
    rng = np.random.default_rng(0)
    for number in range(300):
        bad = bytearray(data[: rng.integers(0, len(data))] if number % 3 == 0 else data)
        for _ in range(number % 4):
            if bad:
                bad[rng.integers(0, len(bad))] = rng.integers(0, 256)
        try:
            again = decode_tile(bytes(bad), shape[0], shape, recipe)
        except FormatError:
            continue
        assert again.coefficients.shape == again.corrections.shape == shape
        assert np.abs(again.coefficients.astype(np.int64)).max() < 2**31


@given(st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_refused_or_decoded(data: bytes) -> None:
    recipe = Recipe("none", 1, 19, mixed=0)
    try:
        decode_tile(data, 2, (2, 1, 1, 20, 20), recipe)
    except FormatError:
        pass
    with pytest.raises(FormatError):
        decode_integers(bytes([0]) + data, (2, 1, 20, 20), None, 1, True)


def test_damaged_predicted_values_are_refused() -> None:
    integers = Integers(series((3, 2, 11, 14), True, 5, 0), None, 1, True)
    data, _ = encode_with(integers, learn_stencils(integers, "fast"), 0)
    for place in range(len(data)):
        bad = bytearray(data)
        bad[place] ^= 1 << place % 8
        try:
            restored = decode_integers(bytes(bad), (3, 2, 11, 14), None, 1, True)
        except FormatError:
            continue
        assert np.abs(restored - integers.values).max() <= STEP // 2  # bits that nothing is read from


_HASH = """
import hashlib, numpy as np
from test_fast_coding import integers_of, plane, series
from baler_core.builtin.models.fields.predictive.field import Integers, decode_integers, encode_with
from baler_core.builtin.models.fields.transform.block import Recipe
from baler_core.builtin.models.fields.transform.tile import TileIntegers
from baler_core.builtin.models.fields.transform.tile_bytes import decode_tile, encode_tile
for shape in ((2, 2, 1, 17, 30), (2, 1, 9, 8, 10)):
    recipe = Recipe("wavelet", 1, 19, mixed=0)
    tile = TileIntegers(integers_of(shape, 9.0, 1), integers_of(shape, 0.2, 2))
    data = encode_tile(tile, recipe)
    assert (decode_tile(data, 2, shape, recipe).coefficients == tile.coefficients).all()
    print(hashlib.sha256(data).hexdigest())
for closed in (True, False):
    integers = Integers(series((2, 2, 9, 11), closed, 1 << 21 if closed else 3, 1), None, 1, closed)
    data, expected = encode_with(integers, plane(2), 0)
    assert (decode_integers(data, (2, 2, 9, 11), None, 1, closed) == expected).all()
    print(hashlib.sha256(data).hexdigest())
"""


def test_the_compiled_path_gives_the_same_bytes() -> None:
    found = []
    for loops in ("", "python"):
        environment = {**os.environ, "BALER_LOOPS": loops, "PYTHONPATH": os.path.dirname(__file__)}
        done = subprocess.run(
            [sys.executable, "-W", "error", "-c", _HASH], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        found.append(done.stdout)
    assert found[0] == found[1]
