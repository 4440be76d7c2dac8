"""Floats of fields kept exactly: every bit comes back, whatever the values, in fewer bytes than others make of them."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

import baler_core
from baler_core import FormatError
from baler_core.builtin.models.fields.codec import Prepared
from baler_core.builtin.models.fields.predictive.field import Integers, decode_integers, encode_with
from baler_core.builtin.models.fields.predictive.float_cells import SAME_COUNT, SAME_SIZE, FloatCells, read_cells
from baler_core.builtin.models.fields.predictive.held import SteppedField, prepare
from baler_core.builtin.models.fields.predictive.joint_fields import encode_fields
from baler_core.builtin.models.fields.predictive.plan import sketch_fields
from baler_core.builtin.models.fields.predictive.restored_fields import decode_fields
from baler_core.builtin.models.fields.predictive.stencil import FINE_BITS
from baler_core.builtin.models.fields.predictive.stencil_fit import encode_integers, learn_stencils
from baler_core.data.bounds import Tolerance
from baler_core.data.variables import Variable
from baler_core.entropy.varint import ByteReader
from baler_core.evaluate.peers.lossless import compress_pcodec
from baler_core.quantise.slice_steps import SliceSteps, fit_slice_steps, read_slice_steps
from baler_core.testing.damage import damaged

EXACT = Tolerance("exact")


def grids(*lengths: int) -> list[np.ndarray]:
    return list(np.meshgrid(*(np.linspace(0, 4, n) for n in lengths), indexing="ij"))


def rough(*lengths: int) -> np.ndarray:
    """A wave with noise."""
    *_, y, x = grids(*lengths)
    return np.sin(2 * x) * np.cos(3 * y) + 1e-3 * np.random.default_rng(0).normal(size=x.shape)


def fields() -> dict[str, np.ndarray]:
    """Fields of many kinds, of 9 frames of 20 x 24."""
    t, y, x = grids(9, 20, 24)
    wave = rough(9, 20, 24)
    smooth = np.sin(x + t) * np.cos(y - t)
    strange, filled = wave.astype("<f4"), wave.astype("<f4")
    strange[:, 3:6, 5:9].view("<u4")[:] = 0xFFFFFFFF
    filled[:, :9, :11], filled[2, 19, 20] = 1e20, -np.inf
    counts = np.rint(600 * wave)
    doublings = np.arange(9)[:, None, None] % 3
    origins = (280 + np.sqrt(t)).astype("<f4")
    return {
        "rough": wave.astype(">f4"),
        "double": wave,
        "smooth": smooth.astype("<f4"),
        "smooth double": smooth,
        "strange NaN": strange,
        "filled": filled,
        "rain": np.where(wave > 0.3, wave - 0.3, 0).astype("<f4"),
        "signed zeros": np.where(np.abs(wave) > 0.5, wave, np.copysign(0.0, wave)),
        "orders": np.exp(12 * wave).astype("<f4"),
        "GRIB": (origins + counts * 2.0 ** (doublings - 9)).astype("<f4"),
        "packed": (273.15 + 0.0123 * counts).astype("<f4"),
        "packed double": 273.15 + 0.0123 * counts,
        "celsius": (wave + 290).astype("<f4") - np.float32(290),
        "widened": (wave + 5).astype("<f4").astype("<f8"),
        "subnormal": wave * 1e-309,
        "largest": wave.astype("<f4") * np.float32(3e38),
    }


@pytest.mark.parametrize("name", fields())
def test_every_bit_of_a_field_comes_back(name: str, tmp_path: Path) -> None:
    values = fields()[name]
    for effort in ("fast", "balanced") if name != "GRIB" else ("fast", "max"):
        path = tmp_path / f"{effort}.bal"
        baler_core.compress({"x": values}, path, model={"name": "predictive", "effort": effort})
        restored = baler_core.open(path)["x"].values
        assert restored.dtype == values.dtype
        assert restored.tobytes() == values.tobytes()
    # what was written of them last is whole: floats are not so small by anything but prediction
    if name not in ("subnormal", "signed zeros"):
        assert path.stat().st_size < len(compress_pcodec(values))


def held(values: np.ndarray) -> tuple[SteppedField, ...]:
    found = prepare(values, EXACT)
    assert found is not None
    return found


def test_floats_are_held_by_what_suits_them() -> None:
    made = fields()
    assert {field.kind for field in held(made["rough"])} == {"cells"}
    for name in ("GRIB", "packed", "packed double"):
        assert [field.kind for field in held(made[name])] == ["steps"]
    assert "cells" not in [field.kind for field in held(made["widened"])]
    (strange, _), (rain, _) = held(made["strange NaN"]), held(made["rain"])
    assert strange.nan == 0xFFFFFFFF
    assert rain.specials == (0.0,)
    assert 1e20 in [np.float32(value) for value in held(made["filled"])[0].specials]


def test_steps_of_each_slice_are_found_as_they_were_made() -> None:
    values = fields()["GRIB"]
    found = fit_slice_steps(values, None)
    assert found is not None
    assert found.step == 2.0**-9
    assert found.doublings.tolist() == [0, 1, 2] * 3
    single = fit_slice_steps(fields()["packed"], None)
    assert single is not None
    assert len(single.origins) == 1
    assert abs(single.step - 0.0123) < 1e-8
    assert fit_slice_steps(fields()["rough"], None) is None
    assert fit_slice_steps(np.zeros((2, 3, 4)), None) is None


@pytest.mark.parametrize("dtype", ["<f4", ">f8"])
@pytest.mark.parametrize(
    ("kind", "size"), [(SAME_SIZE, -9), (SAME_SIZE, -27), (SAME_SIZE, 3), (SAME_COUNT, 0), (SAME_COUNT, 9)]
)
def test_cells_and_rests_make_the_same_floats(dtype: str, kind: int, size: int) -> None:
    rng, tiny = np.random.default_rng(1), float(np.finfo(dtype).smallest_subnormal)
    parts = [rng.normal(size=300), np.exp(20 * rng.normal(size=300) - 20), [0.0, -0.0, 1, -1, 2 - 2**-20, tiny, -tiny]]
    values = np.clip(np.concatenate([*parts, np.full(40, 0.3)]), -1.9, 1.9).astype(dtype)
    cells = read_cells(ByteReader(FloatCells(dtype, kind, size).to_bytes()), dtype)
    numbers = cells.numbers(values)
    order = np.lexsort((values.astype("=" + dtype[1:]), ~np.signbit(values)))
    assert (np.diff(numbers[order]) >= 0).all()
    assert cells.decode_rests(cells.encode_rests(values, numbers), numbers).tobytes() == values.tobytes()


def test_fine_weights_are_learned_of_smooth_fields_only() -> None:
    t, y, x = grids(8, 40, 60)
    smooth = np.rint(2.0**28 * np.sin(x + t) * np.cos(y)).astype(np.int64)[:, None] << 10
    noise = (np.random.default_rng(2).integers(-(1 << 20), 1 << 20, smooth.shape)) << 10
    fine, coarse = learn_stencils(Integers(smooth, None), "fast"), learn_stencils(Integers(noise, None), "fast")
    assert fine.bits == FINE_BITS > coarse.bits
    integers = Integers(smooth, None)
    data, restored = encode_with(integers, fine, 0)
    assert (restored == smooth).all()
    assert len(data) < 0.5 * len(encode_integers(integers, "fast", coarse))
    for mixed in (0, 7):
        data = encode_with(integers, fine, mixed)[0]
        assert (decode_integers(data, smooth.shape, None, 1, False) == smooth).all()


def coded(values: np.ndarray) -> tuple[bytes, list[Variable]]:
    variables = [Variable(name="x", dtype=values.dtype.str, dims=("t", "y", "x"))]
    (joint,) = sketch_fields([Prepared(variables[0], held(values))], "fast").finish(math.inf)
    return encode_fields(joint, "fast"), variables


@pytest.mark.parametrize("name", ["orders", "GRIB", "strange NaN", "smooth double"])
def test_damaged_floats_are_refused_or_restored_to_their_shape(name: str) -> None:
    values = fields()[name][:3, :9, :14].copy()
    data, variables = coded(values)
    rng, refused = np.random.default_rng(3), 0
    for _ in range(60):
        try:
            (restored,) = decode_fields(damaged(data, rng), variables, values.shape, {})
            assert restored.shape == values.shape
        except FormatError:
            refused += 1
    assert refused


def test_a_part_of_exact_floats_is_restored_by_itself() -> None:
    values = fields()["GRIB"]
    data, variables = coded(values)
    box = (slice(2, 9, 3), slice(5, 6), slice(10, 22))
    (part,) = decode_fields(data, variables, values.shape, {}, box)
    assert part.tobytes() == np.ascontiguousarray(values[box]).tobytes()


def test_impossible_cells_and_steps_are_refused() -> None:
    good = FloatCells("<f4", SAME_COUNT, 3, 2).to_bytes()
    assert read_cells(ByteReader(good), "<f4").size == 3
    for bad in (b"\2" + good[1:], good[:1] + b"\x18" + good[2:], good[:1] + b"\x17" + good[2:], good[:3]):
        with pytest.raises(FormatError):
            read_cells(ByteReader(bad), "<f4")
    with pytest.raises(FormatError, match="cells"):
        read_cells(ByteReader(good), "<i4")
    steps = SliceSteps("<f4", 0.5, np.zeros(2, np.int64), np.zeros(2))
    assert read_slice_steps(ByteReader(steps.to_bytes()), "<f4", 2).step == 0.5
    for wrong in (
        SliceSteps("<f4", -0.5, steps.doublings, steps.origins),
        SliceSteps("<f4", 0.5, steps.doublings - 1, steps.origins),
    ):
        with pytest.raises(FormatError, match="steps"):
            read_slice_steps(ByteReader(wrong.to_bytes()), "<f4", 2)
    with pytest.raises(FormatError, match="steps"):
        read_slice_steps(ByteReader(steps.to_bytes()), "<f4", 3)
