"""Every lattice keeps its tolerance, and special values keep themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from baler_core.data.bounds import Tolerance
from baler_core.data.spacing import find_spacing
from baler_core.entropy.integers import pack_integers
from baler_core.quantise.lattice import (
    BitsLattice,
    IntegerLattice,
    Lattice,
    LogIntegerLattice,
    LogLattice,
    StepLattice,
)
from baler_core.quantise.lattice_fit import fit_lattice
from baler_core.quantise.residual import decode_residual, encode_residual

TOLERANCES = [
    Tolerance("exact"),
    Tolerance("abs", 1e-3),
    Tolerance("abs", 0.6),
    Tolerance("abs", 7.0),
    Tolerance("rel", 1e-3),
    Tolerance("rel", 0.1),
    Tolerance("bits", 5),
    Tolerance("abs", 0.6, fill=(3.0,)),
]
floats = st.sampled_from(["<f4", "<f8", ">f4", "<f2"]).flatmap(
    lambda dtype: hnp.arrays(dtype, st.integers(0, 60), elements=hnp.from_dtype(np.dtype(dtype)))
)
integers = st.sampled_from(["i1", "<u2", "<i4", ">i4", "<i8", "<u8", "?"]).flatmap(
    lambda dtype: hnp.arrays(dtype, st.integers(0, 60))
)
tame = hnp.arrays("<f4", st.integers(1, 60), elements=st.floats(-1000, 1000, width=32))


def round_trip(values: np.ndarray, tolerance: Tolerance) -> np.ndarray:
    lattice = fit_lattice(values, tolerance)
    stored = Lattice.from_bytes(lattice.to_bytes(), values.dtype.str)
    assert stored.to_bytes() == lattice.to_bytes()
    return stored.restore(lattice.codes(values))


@given(st.one_of(floats, integers))
def test_exact_tolerance_restores_every_bit(values: np.ndarray) -> None:
    restored = round_trip(values, Tolerance("exact"))
    assert restored.dtype == values.dtype
    assert restored.tobytes() == values.tobytes()


@given(tame, st.sampled_from(TOLERANCES))
def test_ordinary_values_stay_within_their_tolerance(values: np.ndarray, tolerance: Tolerance) -> None:
    restored = round_trip(values, tolerance)
    denormal = np.abs(values) < np.finfo(np.float32).tiny
    assert not (tolerance.violations(values, restored) & ~denormal).any()


@given(integers, st.sampled_from(TOLERANCES))
def test_integers_stay_within_their_tolerance(values: np.ndarray, tolerance: Tolerance) -> None:
    if values.dtype.kind != "b" or not tolerance.lossy:
        small = values[np.abs(values.astype(float)) < 2**40]
        assert not tolerance.violations(small, round_trip(small, tolerance)).any()


@given(floats, st.sampled_from(TOLERANCES))
def test_special_values_return(values: np.ndarray, tolerance: Tolerance) -> None:
    restored = round_trip(values, tolerance)
    np.testing.assert_array_equal(np.isnan(restored), np.isnan(values))
    infinite = np.isinf(values)
    np.testing.assert_array_equal(restored[infinite], values[infinite])


@given(st.one_of(floats, integers), st.sampled_from(TOLERANCES), st.data())
def test_residual_layer_survives_any_prediction(values: np.ndarray, tolerance: Tolerance, data: st.DataObject) -> None:
    guess = data.draw(hnp.arrays(np.float64, values.shape, elements=st.floats(allow_nan=True, allow_infinity=True)))
    restored = decode_residual(encode_residual(values, guess, tolerance), guess, tolerance, values.dtype)
    assert restored.dtype == values.dtype
    if values.dtype.kind != "f":
        near = np.abs(values.astype(float)) < 2**40
        assert not (tolerance.violations(values, restored) & near).any()


def test_residual_layer_costs_little_where_the_prediction_is_good() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(50, 10, 5000).astype(np.float32)
    tolerance = Tolerance("abs", 0.1)
    assert len(encode_residual(values, values + rng.normal(0, 0.02, 5000), tolerance)) < 200
    assert not tolerance.violations(
        values, decode_residual(encode_residual(values, values * 0, tolerance), values * 0.0, tolerance, values.dtype)
    ).any()


@pytest.mark.parametrize(
    ("values", "spacing"),
    [
        (np.round(np.linspace(0, 10, 500), 2), 0.01),
        (np.round(np.linspace(-3, 3, 500) * 4) / 4 + 0.0, 0.25),
        ((np.arange(500) * 0.3125).astype(np.float32), 0.3125),
        (np.random.default_rng(0).normal(size=500), None),
    ],
)
def test_regular_spacing_is_found(values: np.ndarray, spacing: float | None) -> None:
    found = find_spacing(values)
    assert (found is None) == (spacing is None)
    if found is not None:
        assert found[0] / found[1] == pytest.approx(spacing)


def test_decimals_are_seen_beside_missing_values() -> None:
    values = np.round(np.random.default_rng(0).normal(size=4000), 2)
    values[::7] = np.nan
    values[5] = -0.0
    lattice = fit_lattice(values, Tolerance("exact"))
    assert isinstance(lattice, StepLattice)
    assert round_trip(values, Tolerance("exact")).tobytes() == values.tobytes()


def test_truncated_mantissas_are_seen() -> None:
    values = np.random.default_rng(0).normal(size=4000).astype(np.float32)
    cut = (values.view(np.uint32) & np.uint32(0xFFFFE000)).view(np.float32)
    lattice = fit_lattice(cut, Tolerance("exact"))
    assert isinstance(lattice, BitsLattice)
    assert lattice.dropped >= 13
    assert len(pack_integers(lattice.codes(cut))) < 0.55 * cut.nbytes


def test_a_non_negative_variable_stays_non_negative() -> None:
    values = np.abs(np.random.default_rng(0).normal(size=1000)).astype(np.float32)
    for radius in (0.01, 0.5, 3.0):
        assert (round_trip(values, Tolerance("abs", radius)) >= 0).all()
        assert (round_trip(np.round(values, 1), Tolerance("abs", radius)) >= 0).all()


@pytest.mark.parametrize(
    "lattice",
    [
        IntegerLattice("<i2", 3, 5, -7, specials=(-99.0,), lowest=-4),
        StepLattice("<f4", 1.0, 100.0, 4, 2, specials=(np.inf,)),
        LogLattice("<f8", 0.002, 0.9999995, -300, specials=(0.0, -0.0), lowest=-12),
        BitsLattice(">f4", 13),
        LogIntegerLattice("<i8", 0.01, 0.9999875, 800),
    ],
)
def test_each_kind_of_lattice_is_read_as_it_was_written(lattice: Lattice) -> None:
    assert Lattice.from_bytes(lattice.to_bytes(), lattice.dtype) == lattice
    codes = np.array([-3, -1, 0, 1, 2, 700])
    points = lattice.restore(codes)
    assert points.dtype == np.dtype(lattice.dtype)
    np.testing.assert_array_equal(lattice.codes(points), codes)


def test_bits_are_rounded_without_a_bias_where_values_lie_halfway() -> None:
    rng = np.random.default_rng(3)
    values = (rng.integers(2**14, 2**15, 4000) * np.where(rng.random(4000) < 0.5, -1, 1)).astype(np.float32)
    lattice = fit_lattice(values, Tolerance("bits", 12))
    restored = lattice.restore(lattice.codes(values))
    growth = (np.abs(restored) - np.abs(values)) / 2.0
    assert np.abs(growth).max() == 1
    assert abs(growth.mean()) < 0.05


@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<i4", "<u8"])
@pytest.mark.parametrize("kind", ["exact", "abs", "rel"])
def test_long_arrays_are_rounded_as_their_parts_are(kind: str, dtype: str) -> None:
    values = np.random.default_rng(2).normal(0, 1000, (3, 50_000)).clip(0 if dtype == "<u8" else None).astype(dtype)
    near = Tolerance("abs", 0.01 if "f" in dtype else 3)
    tolerance = {"exact": Tolerance("exact"), "abs": near, "rel": Tolerance("rel", 0.01)}[kind]
    lattice = fit_lattice(values, tolerance)
    codes, special = lattice.quantise(values.T)
    restored = lattice.dequantise(codes, special)
    assert (codes.shape, restored.shape, restored.dtype) == (values.T.shape, values.T.shape, values.dtype)
    for start in range(0, 50_000, 10_000):
        part = slice(start, start + 10_000)
        own = lattice.quantise(values.T[part])
        assert np.array_equal(own[0], codes[part])
        assert lattice.dequantise(*own).tobytes() == restored[part].tobytes()
    assert not tolerance.violations(values.T, restored).any()


@pytest.mark.parametrize("specials", [(), (0.0, -0.0, np.nan)])
@pytest.mark.parametrize("first", [-(2**63), -9000, -3, 5, 2**63 - 8])
@pytest.mark.parametrize("kind", [StepLattice, LogLattice, BitsLattice, IntegerLattice, LogIntegerLattice])
def test_values_looked_up_are_those_restored_one_by_one(
    kind: type[Lattice], first: int, specials: tuple[float, ...]
) -> None:
    dtype = "<i8" if kind in (IntegerLattice, LogIntegerLattice) else "<f4"
    specials = specials if dtype == "<f4" else ()
    lattice = kind(dtype, specials=specials, lowest=first + 4)
    codes = first + np.random.default_rng(1).integers(0, 8, (50, 3))
    looked_up = lattice.restore(codes)
    alone = np.array([[lattice.restore(codes[i, j : j + 1])[0] for j in range(3)] for i in range(50)], dtype)
    assert looked_up.dtype == alone.dtype
    assert looked_up.tobytes() == alone.tobytes()
    assert looked_up.flags.writeable
