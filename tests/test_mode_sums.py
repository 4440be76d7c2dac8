"""Sums of modes and orthonormal modes: the bits that the format states, however many are made side by side."""

from __future__ import annotations

import numpy as np
import pytest

from baler_core.builtin.models.fields.transform.mode_sums import combined, orthonormal
from baler_core.entropy.lanes import LANES, SUMS


@pytest.mark.parametrize("sums", [1, SUMS, 2 * SUMS + 3])
@pytest.mark.parametrize("points", [1, LANES, 3 * LANES + 5, 40 * LANES])
@pytest.mark.parametrize("modes", [0, 1, 6])
def test_sums_add_up_modes_in_their_order(sums: int, points: int, modes: int) -> None:
    rng = np.random.default_rng(sums + points + modes)
    factors, rows = rng.normal(size=(sums, modes)), rng.normal(size=(modes, points))
    expected = np.zeros((sums, points))
    for mode in range(modes):
        expected += factors[:, mode, None] * rows[mode]
    np.testing.assert_array_equal(combined(factors, rows), expected)


@pytest.mark.parametrize("shape", [(1, 9), (5, 9), (9, 9), (12, 30)])
def test_rows_are_subtracted_one_after_the_other(shape: tuple[int, int]) -> None:
    rows = np.random.default_rng(shape[0]).normal(size=shape)
    rows[-1] = 0.0
    expected = rows.copy()
    for number, row in enumerate(expected):
        for other in expected[:number]:
            share = 0.0
            for place in range(row.size):
                share += float(other[place] * row[place])
            row -= share * other
        total = 0.0
        for place in range(row.size):
            total += float(row[place] * row[place])
        row[:] = row / np.sqrt(total) if total > 0 else 0.0
    np.testing.assert_array_equal(orthonormal(rows), expected)
