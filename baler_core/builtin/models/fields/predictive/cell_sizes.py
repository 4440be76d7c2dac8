"""Choose cells of floats so large that what is foretold of a value tells its cell but for a few bits."""

from __future__ import annotations

import math

import numpy as np

from baler_core.builtin.models.fields.predictive.float_cells import LOWEST, SAME_COUNT, SAME_SIZE, FloatCells
from baler_core.entropy.lorenzo import middle_piece
from baler_core.quantise.slice_steps import ordered

# Values of the piece that is looked at.
_PIECE = 1 << 15
# Values that a prediction is fitted to, from neighbours of such distances; passes of reweighted least squares.
_ROWS, _REACH, _PASSES = 2000, 2, 3
_RIDGE = 1e-14
# The typical error of a prediction is so many cells, as a power of two.
_ERROR_BITS = 4
# Bits of a value that a common multiple must save.
_LEAST_GAIN = 0.05
# Cells are numbered with so many bits at most.
_NUMBER_BITS = 29


def cells_of(values: np.ndarray, ordinary: np.ndarray | None, zeros: int) -> list[FloatCells]:
    """Return cells of one size, and of one count, for the ordinary values of an array; at least one of each kind.

    Parameters
    ----------
    ordinary
        Boolean, same shape; None if all are.
    zeros
        How many low bits of the mantissa are 0 in all values.
    """
    piece = middle_piece(values, _PIECE)
    mask = None if ordinary is None else middle_piece(ordinary, _PIECE)
    flat = values if ordinary is None else values[ordinary]
    ends = np.array([flat.min(), flat.max()])
    exponent = math.frexp(max(abs(float(ends[0])), abs(float(ends[1])), float(np.finfo(values.dtype).tiny)))[1]
    unit = exponent - int(np.finfo(values.dtype).nmant) - 1 + zeros
    with np.errstate(all="ignore"):
        size = _size(piece.astype(np.float64), mask, unit)
        count = _size((ordered(piece) >> zeros).astype(np.float64), mask, 0)
    codes = ordered(ends) >> zeros
    least = (int(codes[1]) - int(codes[0])).bit_length() - _NUMBER_BITS
    dtype = values.dtype.str
    lowest = _lowest(flat, piece if mask is None else piece[mask], zeros)
    return [
        FloatCells(dtype, SAME_SIZE, max(size, unit, exponent - _NUMBER_BITS), zeros, lowest),
        FloatCells(dtype, SAME_COUNT, max(count, 0, least), zeros),
    ]


def _size(piece: np.ndarray, mask: np.ndarray | None, least: int) -> int:
    """Return the power of two that cells of numbers should have."""
    features, targets = _neighbours(piece if mask is None else np.where(mask, piece, np.nan))
    features, targets = features - features[0], targets - features[0]
    scale = float(np.abs(targets).max(initial=0.0))
    if not 0 < scale < math.inf or len(targets) < 2 * len(features):
        return least
    features, targets = features / scale, targets / scale
    trust, weights = np.ones(len(targets)), np.zeros(len(features))
    for _ in range(_PASSES):
        product = features * trust
        matrix = product @ features.T
        matrix[np.diag_indices(len(matrix))] += _RIDGE * np.trace(matrix) / len(matrix) + 1e-300
        weights = np.linalg.solve(matrix, product @ targets)
        errors = np.abs(targets - weights @ features)
        some = errors[errors > 0]
        if not some.size:  # exactly foretold, or not at all: errors of numbers near the largest are NaN
            return least
        typical = float(np.median(some))
        trust = 1 / (errors + typical + 1e-300)
        trust /= trust.mean()
    if not 0 < typical < math.inf:
        return least
    # cells blur neighbours, which errors must stand out from
    return math.frexp(typical * scale)[1] - _ERROR_BITS - round(math.log2(1 + float(np.linalg.norm(weights))))


def _neighbours(piece: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return what lies around some values of a piece, in what is coded before: (neighbours, values); and these values."""
    slices = piece.reshape(-1, *piece.shape[-2:])
    depth, rows, columns = slices.shape
    back, up, aside = (2 if depth > 3 else 0), (_REACH if rows > 3 * _REACH else 0), min(_REACH, (columns - 1) // 3)
    steps = [(0, y, x) for y in range(-up, 1) for x in range(-aside, aside + 1) if (y, x) < (0, 0)]
    if back:
        steps += [
            (-1, y, x) for y in range(-min(up, 1), min(up, 1) + 1) for x in range(-min(aside, 1), min(aside, 1) + 1)
        ]
        steps.append((-2, 0, 0))
    random = np.random.default_rng(1)
    if not steps:
        return np.zeros((1, 0)), np.zeros(0)
    z, y, x = (
        random.integers(low, high, _ROWS)
        for low, high in ((back, depth), (up, max(up + 1, rows - min(up, 1))), (aside, columns - aside))
    )
    steps.sort(key=lambda step: (sum(n * n for n in step), step))
    features = np.array([slices[z + dz, y + dy, x + dx] for dz, dy, dx in steps])
    targets = slices[z, y, x]
    good = np.isfinite(targets) & np.isfinite(features).all(axis=0)
    return features[:, good], targets[good]


def _lowest(flat: np.ndarray, piece: np.ndarray, zeros: int) -> int:
    """Return the largest power of two that all values are multiples of, if that says more than their own precision does.

    As of temperatures in degrees Celsius that were computed from Kelvin: small ones have no more decimals than large ones.
    """
    digits = int(np.finfo(flat.dtype).nmant) + 1
    found = piece[np.isfinite(piece) & (piece != 0)].astype(np.float64)
    if not found.size:
        return LOWEST
    parts, exponents = np.frexp(found)
    whole = np.abs(np.ldexp(parts, digits)).astype(np.int64)
    powers = exponents - digits + np.rint(np.log2(whole & -whole)).astype(np.int64)
    lowest = int(powers.min())
    gain = np.maximum(lowest - (exponents - digits + zeros), 0).mean()
    if gain < _LEAST_GAIN:
        return LOWEST
    scaled = np.ldexp(flat.astype(np.float64), -lowest)
    return lowest if (np.isfinite(scaled) & (scaled == np.rint(scaled))).all() else LOWEST
