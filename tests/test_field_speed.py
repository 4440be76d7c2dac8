"""What makes fields quick changes nothing: pieces, samples and shortcuts give what all at once, or one by one, would give."""

from __future__ import annotations

import numpy as np
import pytest

from baler_core.builtin.models.fields.holes import fill_smoothly
from baler_core.builtin.models.fields.transform.bound_layer import nonzero_counts
from baler_core.builtin.models.fields.transform.estimate import counted_size
from baler_core.builtin.models.fields.transform.quantiser import quantise
from baler_core.builtin.models.fields.transform.wavelet import bands, inverse, restored
from baler_core.data.bounds import Tolerance
from baler_core.entropy.lanes import high_product
from baler_core.quantise.units import Units, pieces_of


@pytest.mark.parametrize("same", [True, False])
def test_holes_are_filled_alike_in_pieces_and_frame_by_frame(same: bool) -> None:
    rng = np.random.default_rng(3)
    field = rng.normal(size=(9, 1, 1, 90, 100))
    holes = rng.random((1 if same else 9, 1, 1, 90, 100)) < 0.3
    holes[:, :, :, 20:60, 10:50] = True
    holes = np.broadcast_to(holes, field.shape).copy()
    field[holes] = np.nan
    filled = fill_smoothly(field, holes)
    alone = np.concatenate([fill_smoothly(field[n : n + 1], holes[n : n + 1]) for n in range(9)])
    np.testing.assert_array_equal(filled, alone)
    np.testing.assert_array_equal(filled[~holes], field[~holes])
    assert np.isfinite(filled).all()


@pytest.mark.parametrize("shape", [(), (0,), (5,), (40_000,), (3, 70, 90), (2, 2, 40_000), (50_000, 2)])
def test_units_convert_pieces_of_any_layout_as_a_whole(shape: tuple[int, ...]) -> None:
    values = np.asarray(np.random.default_rng(5).normal(size=shape).astype("f4")).T
    units = Units("plain", 0.013, 0.5)
    numbers = units.forward(values)
    np.testing.assert_array_equal(numbers, (values.astype(np.float64) - 0.5) / 0.013)
    assert numbers.flags.c_contiguous
    np.testing.assert_array_equal(units.backward(numbers, values.dtype), (numbers * 0.013 + 0.5).astype("f4"))
    assert sum(part.size for (part,) in pieces_of(values)) == values.size


@pytest.mark.parametrize("dtype", ["f4", "f8", ">f4"])
def test_values_within_a_bound_are_found_at_once_and_others_one_by_one(dtype: str) -> None:
    tolerance, x = Tolerance("abs", 0.5), np.array([1.0, 2.0, -0.0, 3.0], dtype)
    assert not tolerance.violations(x, np.array([1.25, 1.75, 0.0, 3.0], dtype)).any()
    assert tolerance.violations(x, np.array([1.25, 2.75, 0.0, np.nan], dtype)).tolist() == [False, True, False, True]
    special = np.array([np.nan, np.inf, -np.inf, 1.0], dtype)
    assert not tolerance.violations(special, special.copy()).any()
    assert tolerance.violations(special, special[::-1].copy()).tolist() == [True, True, True, True]
    flagged = Tolerance("abs", 0.5, fill=(2.0,))
    assert flagged.violations(x, np.array([1.0, 1.75, -0.0, 3.0], dtype)).tolist() == [False, True, False, False]
    assert not Tolerance("abs", 0.5).violations(x[:0], x[:0]).any()


def test_some_rows_tell_the_bytes_of_all() -> None:
    rng = np.random.default_rng(1)
    scales = np.exp(np.linspace(3, -3, 40))[:, None, None, None, None]
    integers = np.rint(rng.normal(size=(40, 1, 1, 64, 64)) * scales).astype(np.int32)
    whole = counted_size([integers])
    assert counted_size([integers], most=integers.size // 5) == pytest.approx(whole, rel=0.01)
    assert counted_size([integers], most=integers.size) == whole


@pytest.mark.parametrize("shape", [(3, 2, 1, 33, 50), (2, 1, 5, 17, 16), (1, 1, 1, 1, 40), (4, 1, 16, 16, 16)])
def test_integers_are_restored_slice_by_slice_as_all_together(shape: tuple[int, ...]) -> None:
    integers = np.random.default_rng(2).integers(-9, 9, shape).astype(np.int32)
    np.testing.assert_array_equal(restored(integers, 0.7, 2), inverse(integers * 0.7, 2))
    counts = nonzero_counts(integers, bands(shape[2:], 0))
    found = np.count_nonzero(integers, axis=0)
    np.testing.assert_array_equal(counts, np.minimum(63, found * 16 // shape[0] + np.minimum(found, 8)))


def test_what_is_below_half_a_step_is_rounded_to_zero_and_neighbours_lift_others() -> None:
    values = np.zeros((3, 1, 4, 9, 20))
    values[1, 0, 2, 4, 5:8] = 3.0
    values[1, 0, 2, 3, 6] = values[2, 0, 0, 0, 0] = 0.7
    values[0] = 0.499
    found = quantise(values, 1.0, bands(values.shape[2:], 0))
    assert not found[[0, 2]].any()
    assert found[1, 0, 2, 4].tolist() == [0] * 5 + [3] * 3 + [0] * 12
    assert found[1, 0, 2, 3, 6] == 1
    assert np.count_nonzero(found) == 4


def test_products_of_64_bits_have_the_upper_half_of_128() -> None:
    one, other = (1 << 64) - 3, 0x123456789ABCDEF1
    assert int(high_product(np.uint64(one), np.uint64(other))) == one * other >> 64
