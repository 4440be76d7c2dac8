"""Images that were whole numbers of steps of each tile, dithered or not, are found as such and come back bit for bit."""

from __future__ import annotations

import itertools
import math
import time
from pathlib import Path

import numpy as np
import pytest

import baler_core
from baler_core import FormatError
from baler_core.builtin.models.fields.codec import Prepared
from baler_core.builtin.models.fields.predictive.held import prepare
from baler_core.builtin.models.fields.predictive.joint_fields import encode_fields
from baler_core.builtin.models.fields.predictive.plan import sketch_fields
from baler_core.builtin.models.fields.predictive.restored_fields import decode_fields
from baler_core.data.bounds import Tolerance
from baler_core.data.variables import Variable
from baler_core.entropy.varint import ByteReader
from baler_core.quantise.slice_steps import ordered
from baler_core.quantise.tile_steps import RANDOM, TileSteps, dithers, randoms, read_tile_steps, starts
from baler_core.quantise.tile_steps_fit import fit_tile_steps

FAR = 2147483637


def dithered(tile: int, size: int) -> np.ndarray:
    """The random numbers of a tile, one after the other, as the FITS standard has them."""
    state, numbers = 1, []
    for _ in range(RANDOM):
        state = 16807 * state % 2147483647
        numbers.append(np.float32(state / 2147483647))
    run, found = tile % RANDOM, []
    place = int(numbers[run] * np.float32(500))
    for _ in range(size):
        found.append(float(numbers[place]))
        place += 1
        if place == RANDOM:
            run = (run + 1) % RANDOM
            place = int(numbers[run] * np.float32(500))
    return np.array(found)


def quantised(dtype: str, method: int, high: int, wide: int, shape: tuple[int, int] = (24, 220)) -> np.ndarray:
    """Noise on a slope, as CFITSIO rounds it and restores it, tile by tile."""
    rng = np.random.default_rng(5)
    image = 20 + rng.normal(size=shape) + np.linspace(0, 3, shape[1]) + (rng.random(shape) < 0.01) * 900
    starts_of = itertools.product(range(0, shape[0], high), range(0, shape[1], wide))
    for tile, (y, x) in enumerate(starts_of):
        part = image[y : y + high, x : x + wide]
        scale, dither = rng.uniform(0.2, 0.3), dithered(tile + 41, part.size).reshape(part.shape) if method else 0.5
        zero = part.min() + FAR * scale if method == 2 else np.rint(part.min() / scale) * scale
        numbers = np.rint((part - zero) / scale + dither - 0.5)
        part[:] = ((numbers - dither) + 0.5) * scale + zero
    return image.astype(dtype)


@pytest.mark.parametrize(
    ("dtype", "method", "lengths"),
    [("<f4", 0, (1, 220)), (">f4", 1, (1, 220)), ("<f4", 2, (12, 220)), ("<f8", 1, (8, 110)), ("<f8", 0, (1, 220))],
)
def test_scales_and_random_numbers_of_tiles_are_found(dtype: str, method: int, lengths: tuple[int, int]) -> None:
    values = quantised(dtype, method, *lengths)
    found = fit_tile_steps(values, None)
    assert found is not None
    assert (found.seed, found.lengths) == (41 if method else None, lengths)
    back = found.placed(values.shape, np.asarray)
    apart = ordered(back.points(back.numbers(values), dtype)) != ordered(values)
    assert apart.mean() < (0.1 if method == 2 else 1e-3)


def test_random_numbers_go_on_as_in_the_standard() -> None:
    assert randoms()[-1] == np.float32(1043618065 / 2147483647)
    expected = np.concatenate([dithered(9997, 21_000)])
    np.testing.assert_array_equal(dithers(np.int64(9997), np.arange(21_000)), expected)
    assert starts().max() < 500


def test_other_images_are_left_in_no_time() -> None:
    rng = np.random.default_rng(1)
    smooth = np.sin(np.linspace(0, 9, 300)) + 1e-6 * rng.normal(size=(300, 300))
    others = [rng.normal(size=(300, 300)), smooth, np.zeros((90, 90)), rng.normal(size=(60, 7))]
    start = time.process_time()
    assert [fit_tile_steps(values.astype("<f4"), None) for values in others] == [None] * 4
    assert time.process_time() - start < 1


def test_files_hold_the_numbers_alone(tmp_path: Path) -> None:
    values = quantised("<f4", 1, 1, 220)
    values[3, 5:90], values[8], values[11, 4:30] = np.nan, np.random.default_rng(3).normal(size=220), 0
    (field,) = prepare(values, Tolerance("exact")) or ()
    assert (field.kind, field.specials[1:]) == ("tile steps", (0.0,))
    path = tmp_path / "image.bal"
    baler_core.compress({"image": values}, path, bounds={"image": "lossless"}, model={"effort": "fast"})
    assert np.asarray(baler_core.open(path, as_="numpy")["image"]).tobytes() == values.tobytes()
    assert path.stat().st_size < 0.4 * values.nbytes


def test_a_part_is_restored_by_itself() -> None:
    values = quantised("<f4", 1, 8, 110)
    variable = Variable(name="image", dtype="<f4", dims=("y", "x"))
    ways = prepare(values, Tolerance("exact"))
    (joint,) = sketch_fields([Prepared(variable, ways)], "fast").finish(math.inf)
    box = slice(5, 9), slice(20, 120, 3)
    (part,) = decode_fields(encode_fields(joint, "fast"), [variable], values.shape, {}, box)
    assert np.ascontiguousarray(part).tobytes() == np.ascontiguousarray(values[box]).tobytes()


def test_impossible_steps_are_refused() -> None:
    good = TileSteps("<f4", 3, (2, 5), 1.0, np.full(4, 0.5), np.zeros(4))
    assert read_tile_steps(ByteReader(good.to_bytes()), "<f4", (4, 10)).lengths == (2, 5)
    data = good.to_bytes()
    wrong = [
        (TileSteps("<f4", 3, (2, 5), 1.0, np.full(4, -0.5), np.zeros(4)).to_bytes(), "<f4", (4, 10)),
        (TileSteps("<f4", 3, (2, 5), 1.0, np.full(4, 0.5), np.full(4, np.inf)).to_bytes(), "<f4", (4, 10)),
        (TileSteps("<f4", 3, (2, 5), np.nan, np.full(4, 0.5), np.zeros(4)).to_bytes(), "<f4", (4, 10)),
        (TileSteps("<f4", RANDOM, (2, 5), 1.0, np.full(4, 0.5), np.zeros(4)).to_bytes(), "<f4", (4, 10)),
        (data, "<i4", (4, 10)),
        (data, "<f4", (4, 11)),
        (data[:-3], "<f4", (4, 10)),
        (data[:1] + b"\0" + data[2:], "<f4", (4, 10)),
    ]
    for stored, dtype, shape in wrong:
        with pytest.raises(FormatError):
            read_tile_steps(ByteReader(stored), dtype, shape)


def test_what_lies_beside_steps_is_expected() -> None:
    """A curved grid, half of whose rows are even: its values that lie on no steps take bytes, which an estimate must know."""
    y, x = np.mgrid[:128, :160].astype(np.float64)
    bent = 40 * np.clip((y - 63) / 64, 0, 1) ** 2 * np.sin(x / 20)
    values = (0.5 + 1.125 * x + bent).astype("<f4")
    found = prepare(values, Tolerance("exact"))
    assert found is not None
    variable = Variable("lon", "<f4", ("y", "x"))
    (planned,) = sketch_fields([Prepared(variable, found)], "max").finish(math.inf)
    taken = len(encode_fields(planned, "max"))
    assert 0.6 * taken < planned.expected < 1.6 * taken
