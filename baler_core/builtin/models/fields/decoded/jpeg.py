"""Grey images that were decoded from baseline JPEG as the coefficients of blocks of 8 x 8 pixels: found, and restored."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

SIDE = 8
_BITS, _PASS = 13, 2
_MOST_STEP = 255
# Values of a band that are looked at; what rounding to pixels may make of 0; how alike the phases of multiples are: rounding
# leaves 0.66 with steps of 2, and more with longer ones.
_SOME, _ROUNDING, _ALIKE = 4096, 1.5, 0.4
# PixelBlocks along each axis of the part that is looked at first.
_PART = 24
_FEWEST, _FEWEST_BLOCKS, _FEWEST_STEPS = 8, 32, 16


class PixelBlocks(NamedTuple):
    """Steps of the 64 coefficients of a block, and numbers of steps: int64 (64,) and (64, y, x), in rows of frequencies."""

    steps: np.ndarray
    numbers: np.ndarray


def pixels_of(blocks: PixelBlocks) -> np.ndarray:
    """Return the pixels, int64 (8 y, 8 x), from 0 to 255."""
    coefficients = blocks.numbers * blocks.steps[:, np.newaxis, np.newaxis]
    _, ny, nx = coefficients.shape
    square = coefficients.reshape(SIDE, SIDE, ny, nx)
    rows = _transformed(square, _BITS - _PASS)
    found = _transformed(np.swapaxes(rows, 0, 1), _BITS + _PASS + 3)
    pixels = np.clip(np.swapaxes(found, 0, 1) + 128, 0, 255)
    return pixels.transpose(2, 0, 3, 1).reshape(SIDE * ny, SIDE * nx)


def _transformed(lines: np.ndarray, shift: int) -> np.ndarray:
    """Return the inverse transform along the first axis, rounded to what a shift leaves."""
    a, b, c, d, e, f, g, h = lines
    common = (c + g) * 4433
    low, high = common - g * 15137, common + c * 6270
    even = (a + e) << _BITS, (a - e) << _BITS
    first = even[0] + high, even[1] + low, even[1] - low, even[0] - high
    t0, t1, t2, t3 = h, f, d, b
    z1, z2, z3, z4 = t0 + t3, t1 + t2, t0 + t2, t1 + t3
    z5 = (z3 + z4) * 9633
    z1, z2, z3, z4 = -z1 * 7373, -z2 * 20995, z5 - z3 * 16069, z5 - z4 * 3196
    second = t3 * 12299 + z1 + z4, t2 * 25172 + z2 + z3, t1 * 16819 + z2 + z4, t0 * 2446 + z1 + z3
    half = 1 << (shift - 1)
    halves = [(x + y + half) >> shift for x, y in zip(first, second, strict=True)]
    halves += [(x - y + half) >> shift for x, y in zip(reversed(first), reversed(second), strict=True)]
    return np.stack(halves)


def zigzag_order() -> list[int]:
    """Return the numbers of coefficients from low to high frequencies: along diagonals, to and fro."""
    return sorted(range(SIDE * SIDE), key=lambda n: (n // SIDE + n % SIDE, _along(n // SIDE, n % SIDE)))


def _along(row: int, column: int) -> int:
    return row if (row + column) % 2 else -row


def find_blocks(image: np.ndarray) -> PixelBlocks | None:
    """Find the coefficients from which an image, of at least 8 x 8 pixels, was decoded; None if it was not."""
    if min(image.shape) < SIDE or image.min() < 0 or image.max() > 255:
        return None
    padded = np.pad(image, [(0, -n % SIDE) for n in image.shape], mode="edge")
    top, left = ((n // (2 * SIDE) - _PART // 2) * SIDE for n in padded.shape)
    part = padded[max(0, top) :, max(0, left) :][: _PART * SIDE, : _PART * SIDE]
    if _steps(part, _cosines(part)) is None:
        return None
    found = _cosines(padded)
    steps = _steps(padded, found)
    return (
        None
        if steps is None
        else PixelBlocks(steps, np.rint(found / steps[:, np.newaxis, np.newaxis]).astype(np.int64))
    )


def _steps(image: np.ndarray, found: np.ndarray) -> np.ndarray | None:
    """Return the steps of the transform of an image; None if there are none."""
    # where pixels were clipped, coefficients are others
    blocks = image.reshape(found.shape[1], SIDE, found.shape[2], SIDE)
    whole = (blocks.min(axis=(1, 3)) > 0) & (blocks.max(axis=(1, 3)) < 255)
    steps = np.array([_step(band[whole]) for band in found], np.int64)
    return (
        steps if whole.sum() >= _FEWEST_BLOCKS and ((steps > 1) & (steps < _MOST_STEP)).sum() >= _FEWEST_STEPS else None
    )


def _cosines(image: np.ndarray) -> np.ndarray:
    """Return the cosine transform of blocks: float64 (64, y, x)."""
    ny, nx = image.shape[0] // SIDE, image.shape[1] // SIDE
    blocks = image.reshape(ny, SIDE, nx, SIDE) - 128.0
    angles = np.outer(np.arange(SIDE), 2 * np.arange(SIDE) + 1) * np.pi / 16
    basis = np.cos(angles) / 2
    basis[0] /= np.sqrt(2)
    return np.einsum("ui,yixj,vj->uvyx", basis, blocks, basis).reshape(64, ny, nx)


def _step(values: np.ndarray) -> int:
    """Return the largest step of which values are multiples, up to what rounding to pixels adds."""
    some = np.abs(values[:: max(1, values.size // _SOME)])
    large = some[some > _ROUNDING]
    if large.size < _FEWEST:
        return _MOST_STEP if not large.size else max(1, round(float(large.min())))
    most = min(_MOST_STEP, int(np.quantile(large, 0.2) + 2))
    steps = np.arange(1, most + 1)
    alike = np.cos(2 * np.pi * np.outer(1 / steps, large)).mean(axis=1)
    if not (alike > _ALIKE).any():
        return 1
    # steps next to the right one are nearly as good; its parts are as good
    last = int(np.flatnonzero(alike > _ALIKE)[-1])
    first = 3 * last // 4 + 1
    return int(steps[first + int(alike[first : last + 1].argmax())]) if first <= last else int(steps[last])
