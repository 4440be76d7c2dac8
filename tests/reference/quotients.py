"""Values that models see divided by their tolerances, by noise or by others (file_format.md: a block, tolerances of each value)."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from reference.lattice import Lattice
from reference.own_tolerances import OwnTolerances, rounded
from reference.reading import Bytes, Damaged, unpack
from reference.tolerances import Variable

PARTS, NONE, MOST = 16, -(1 << 20), 16000
ROOTS = np.array([float(f"{2 ** (part / PARTS):.12g}") for part in range(PARTS)])
GOLDEN, FIRST, SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
ROUNDING = 1e-12


@dataclass
class NoiseSteps:
    """Half a step of each value, what steps count from, and the seed of dithering, 0 for none."""

    each: np.ndarray
    centre: float
    seed: int


def read_noise_steps(stream: Bytes, shape: tuple[int, ...]) -> NoiseSteps:
    own = Bytes(stream.sized())
    centre, seed = struct.unpack("<dI", own.take(12))
    tiles = math.prod(shape[:-2]) if len(shape) > 2 else shape[0]
    k = unpack(own.rest(), tiles)
    if not math.isfinite(centre) or not ((np.abs(k) <= MOST) | (k == NONE)).all():
        raise Damaged("the steps of tiles are impossible")
    known = np.where(k == NONE, 0, k)
    half = np.where(k == NONE, 0.0, np.ldexp(ROOTS[known % PARTS], known // PARTS))
    return NoiseSteps(np.repeat(half, math.prod(shape) // max(1, tiles)).reshape(shape), centre, seed)


def dither(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """What splitmix64 gives for each value, from -0.5 to 0.5."""
    state = np.arange(1, math.prod(shape) + 1, dtype="<u8") * np.uint64(GOLDEN) + np.uint64(seed)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(FIRST)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(SECOND)
    state ^= state >> np.uint64(31)
    return ((state >> np.uint64(11)).astype("<f8") * 2.0**-53 - 0.5).reshape(shape)


def unscaled(
    quotients: list[np.ndarray], own: list[Variable], noise: dict[str, NoiseSteps], tolerances: OwnTolerances,
    beside: bytes,
) -> list[np.ndarray]:  # fmt: skip
    """The values of a group that was set apart."""
    stream, found = Bytes(beside), []
    for numbers, variable in zip(quotients, own, strict=True):
        lattice, missing = Lattice(Bytes(stream.sized()), variable.dtype), np.isnan(numbers)
        others = lattice.restore(*lattice.split(unpack(stream.sized(), int(missing.sum()))))
        steps = noise.get(variable.name)
        each = tolerances.each(variable.name, {}).reshape(numbers.shape) if steps is None else steps.each
        width = _widths(each, variable.dtype, 0.0 if steps is None else 1.0)
        if steps is None:
            values = numbers * width
        else:
            values = (numbers - dither(numbers.shape, steps.seed) if steps.seed else numbers) * width + steps.centre
        values = rounded(np.where(missing, 0.0, values), variable.dtype)
        values[missing] = others
        found.append(values)
    if stream.left:
        raise Damaged("more values are stored beside quotients than there are places for")
    return found


def _widths(each: np.ndarray, dtype: np.dtype[Any], least: float) -> np.ndarray:
    if dtype.kind == "f":
        return 2 * each
    whole = np.floor(each * (1 + ROUNDING))
    return np.where(whole > 0, 2 * whole + 1, least)
