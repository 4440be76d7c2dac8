"""Integers packed with less searching come back, in whichever form; and what is counted fast is what sorting counts."""

from __future__ import annotations

import numpy as np
import pytest

from baler_core import decode, encode
from baler_core.entropy.integers import pack_integers, pack_likeliest, unpack_integers
from baler_core.entropy.lorenzo import difference, occurrences

_RANDOM = np.random.default_rng(7)
_SMOOTH = np.cumsum(np.cumsum(_RANDOM.integers(-2, 3, (96, 200)), axis=0), axis=1)
GRIDS = {
    "ramp": np.arange(1, 20001).reshape(100, 200),
    "smooth": _SMOOTH,
    "rows again": np.tile(_RANDOM.integers(0, 1 << 40, (1, 200)), (100, 1)),
    "noise": _RANDOM.integers(-(1 << 62), 1 << 62, (100, 200)),
    "ends": np.where(_SMOOTH % 2, np.iinfo(np.int64).max, np.iinfo(np.int64).min),
    "few": _RANDOM.integers(0, 3, (100, 200)) * 1000,
}


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("differences", [False, True])
def test_the_form_that_is_named_comes_back(name: str, differences: bool) -> None:
    forms = [difference(GRIDS[name], (0, 1)), GRIDS[name]]
    number, packed = pack_likeliest(forms, differences=differences)
    assert (unpack_integers(packed, forms[number].size).reshape(forms[number].shape) == forms[number]).all()


def test_a_form_that_repeats_is_preferred() -> None:
    grid = GRIDS["rows again"]
    number, packed = pack_likeliest([difference(grid, (1,)), grid], differences=True)
    assert len(packed) < 1.1 * min(len(pack_integers(grid)), len(pack_integers(difference(grid, (1,)))))
    assert len(packed) < grid[0].nbytes + 500, number


@pytest.mark.parametrize("name", GRIDS)
def test_occurrences_are_those_of_sorting(name: str) -> None:
    flat = GRIDS[name].ravel()
    assert sorted(occurrences(flat)) == sorted(np.unique(flat, return_counts=True)[1])


@pytest.mark.parametrize("effort", ["fast", "balanced", "max"])
@pytest.mark.parametrize("name", GRIDS)
def test_the_baseline_keeps_integers_at_every_effort(name: str, effort: str) -> None:
    data = encode(GRIDS[name], model={"name": "scalar", "effort": effort})
    found = decode(data)
    assert found.dtype == np.int64
    assert (found == GRIDS[name]).all()
