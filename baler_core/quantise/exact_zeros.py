"""Keep exact zeros of data that have many: which values are zero is stored where that costs next to nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import xxhash

from baler_core.data.block import Block, values_of
from baler_core.data.bounds import Tolerance, usable
from baler_core.data.part import Part
from baler_core.data.sides import specials_of, zero_of
from baler_core.data.variables import Layout, Variable
from baler_core.entropy.masks import decode_classes, encode_classes
from baler_core.entropy.varint import ByteReader, write_sized, write_varint
from baler_core.errors import FormatError
from baler_core.quantise.positions import pack_positions, unpack_positions
from baler_core.quantise.settle import SIGN_SHARE

ZERO_STREAM = "z"
OLD_ZERO_STREAM = "0"
"""As files of older versions call it, which restore −0."""
# How the zeros are told: all values within a band but those listed; those listed; a mask of the whole variable.
BAND, LISTED, MASKED = range(3)
# Zeros count from this number and share of the values on, and if they are so many times as frequent as the values beside
# them: data on a lattice have zeros as they have any other value.
# What all zeros of a group may cost, beside a share of its streams.
_ZERO_BYTES = 64
_FEWEST, _MANY, _OVER_NEIGHBOURS = 64, 0.01, 4
# Listing a larger share than this is not tried: masks are smaller.
_LISTED_SHARE = 0.05
# Restored values may differ in their last bits elsewhere: none may lie so near to the end of a band, as a share of it.
_UNSURE = 2.0**-18
# What takes no more is not tried to be told in fewer bytes.
_SMALL = 32
_DIGEST_BYTES = 3


class ZerosKept(NamedTuple):
    """How the zeros of a variable of a block are told.

    Attributes
    ----------
    variable
        Its number in the layout.
    positions
        Flat positions of the values that become zero, ascending.
    lost
        How many zeros of the original would be something else.
    """

    variable: int
    mode: int
    packed: bytes
    positions: np.ndarray
    lost: int

    def to_bytes(self) -> bytes:
        """Write it for the stream."""
        return write_varint(3 * self.variable + self.mode) + write_sized(self.packed)


def keep_zeros(
    original: Block,
    arrays: dict[str, np.ndarray],
    layout: Layout,
    tolerances: Mapping[str, Tolerance],
    size: Callable[[], int],
) -> tuple[bytes, dict[str, int]]:
    """Make restored values zero, in `arrays`, where the original is exactly zero, as far as that is cheap.

    Parameters
    ----------
    size
        Tells the bytes of the group's streams, of which this may cost a share.

    Returns
    -------
    What the decoder must know, empty where nothing; and how many zeros became something else, by variable, where
    keeping them would have cost more. Both leave out variables without many zeros.
    """
    found: list[ZerosKept] = []
    for number, variable in enumerate(layout.variables):
        tolerance = tolerances[variable.name]
        zero = _zero(tolerance, variable.numpy_dtype)
        if zero is None:
            continue
        x, y = values_of(original, variable.name), arrays[variable.name]
        lost = np.flatnonzero((x == zero) & (y != zero))
        if lost.size and _has_many(x, zero, tolerance.fill):
            found.append(_cheapest(number, x, y, zero, lost))
    kept: list[ZerosKept] = []
    spare = _ZERO_BYTES + SIGN_SHARE * size() if found else 0.0
    for one in sorted(found, key=lambda one: len(one.packed)):
        spare -= len(one.to_bytes())
        if spare >= 0:
            kept.append(one)
            _apply(one.positions, arrays, layout.variables[one.variable].name, tolerances)
    changed = {layout.variables[one.variable].name: one.lost for one in found if one not in kept}
    return b"".join(one.to_bytes() for one in sorted(kept, key=lambda one: one.variable)), changed


def _zero(tolerance: Tolerance, dtype: np.dtype[Any]) -> Any | None:
    """Return the stored value of zero where bounds may change it; None where they do not, or it has another meaning."""
    loses_zeros = tolerance.kind in ("abs", "each") or (tolerance.kind == "free" and tolerance.mean is not None)
    if not loses_zeros or tolerance.sign == "free":
        return None
    zero = zero_of(tolerance.zero, dtype)
    if zero is None or zero.value is None or zero.value in specials_of(tolerance.fill, dtype):
        return None
    return zero.value


def _has_many(x: np.ndarray, zero: Any, fill: Sequence[float]) -> bool:
    """Whether there are so many zeros that they are no lattice point among others."""
    count = np.count_nonzero(x == zero)
    if count < max(_FEWEST, _MANY * x.size):
        return False
    others = x[usable(x, fill) & (x != zero)]
    above, below = others[others > zero], others[others < zero]
    beside = [np.count_nonzero(above == above.min())] if above.size else []
    beside += [np.count_nonzero(below == below.max())] if below.size else []
    return bool(count > _OVER_NEIGHBOURS * max(beside, default=0))


def _cheapest(number: int, x: np.ndarray, y: np.ndarray, zero: Any, lost: np.ndarray) -> ZerosKept:
    """Return the zeros told in the fewest bytes."""
    forms = [_as_band(number, x, y, zero, lost)]
    if lost.size <= _LISTED_SHARE * x.size:
        forms.append(ZerosKept(number, LISTED, _listed(lost), lost, lost.size))
    known = [form for form in forms if form is not None]
    best = min(known, key=lambda form: len(form.packed), default=None)
    if best is not None and len(best.packed) <= _SMALL:
        return best
    mask = np.asarray(x == zero, np.uint8)
    packed = _digest(mask) + encode_classes(mask.reshape(_planes(mask.shape)), 1)
    masked = ZerosKept(number, MASKED, packed, np.flatnonzero(mask), lost.size)
    return masked if best is None or len(packed) < len(best.packed) else best


def _as_band(number: int, x: np.ndarray, y: np.ndarray, zero: Any, lost: np.ndarray) -> ZerosKept | None:
    """All values up to a distance from zero but some; None if these are many, or no distance is safe."""
    away = _distances(y.ravel(), zero)
    nearest = float(away[lost].max())
    ends = np.sort(away[(away > nearest) & (away <= 1.5 * nearest)])
    steps = np.concatenate([[nearest], ends, [math.inf if not ends.size else 2 * nearest]])
    wide = np.flatnonzero(steps[1:] > steps[:-1] * (1 + 4 * _UNSURE))
    if not wide.size:
        return None
    first = float(steps[wide[0]])
    band = min((first + float(steps[wide[0] + 1])) / 2, 1.25 * first)
    inside = away <= band
    others = np.flatnonzero(inside & (x.ravel() != zero) & (away > 0))
    if others.size > _LISTED_SHARE * x.size:
        return None
    inside[others] = False
    packed = np.array([band], "<f8").tobytes() + _listed(others)
    return ZerosKept(number, BAND, packed, np.flatnonzero(inside), lost.size)


def _distances(values: np.ndarray, zero: Any) -> np.ndarray:
    """Return float64, how far values lie from zero."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.abs(values.astype(np.float64) - float(zero)))


def _planes(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Return the shape as slices of rows."""
    return (math.prod(shape[:-2]), shape[-2], shape[-1]) if len(shape) > 1 else (1, 1, math.prod(shape))


def _listed(positions: np.ndarray) -> bytes:
    return write_varint(positions.size) + pack_positions(positions)


def _digest(mask: np.ndarray) -> bytes:
    return xxhash.xxh3_64(np.packbits(mask).tobytes()).digest()[:_DIGEST_BYTES]


def _apply(
    positions: np.ndarray, arrays: dict[str, np.ndarray], name: str, tolerances: Mapping[str, Tolerance]
) -> None:
    """Make values zero in a copy: a model may still need what it returned."""
    values = np.array(arrays[name], order="C")
    values.reshape(-1)[positions] = _zero(tolerances[name], values.dtype)
    arrays[name] = values


# ---- decoding


def keep_zeros_again(
    data: bytes,
    arrays: dict[str, np.ndarray],
    layout: Layout,
    tolerances: Mapping[str, Tolerance],
    part: Part | None = None,
) -> None:
    """Make decoded values zero, in `arrays`, as `keep_zeros` found.

    Parameters
    ----------
    part
        What of the group `arrays` hold, if not all of it.

    Raises
    ------
    FormatError
        If `data` is damaged.
    """
    for number, mode, packed in _read(data, layout):
        variable = layout.variables[number]
        if variable.name not in arrays:
            continue
        zero = _zero(tolerances[variable.name], variable.numpy_dtype)
        if zero is None:
            raise FormatError(f"zeros are told of {variable.name!r}, which has none")
        reader = ByteReader(packed, f"the zeros of {variable.name!r}")
        wanted = part if part is not None else Part(frozenset([variable.name]))

        def inside(positions: np.ndarray, variable: Variable = variable, wanted: Part = wanted) -> np.ndarray:
            return wanted.places(positions, variable, layout)[1]

        positions = _told(reader, mode, arrays[variable.name], layout.shape(variable), zero, inside)
        _apply(positions, arrays, variable.name, tolerances)


def _read(data: bytes, layout: Layout) -> Iterator[tuple[int, int, bytes]]:
    """Yield number of a variable, mode, and what is told, each variable at most once."""
    reader = ByteReader(data, "a stream of zeros")
    before = -1
    while reader.left:
        number, mode = divmod(reader.varint(3 * len(layout.variables)), 3)
        if number <= before:
            raise FormatError("a stream of zeros is damaged: its variables are out of order")
        before = number
        yield number, mode, reader.sized()


def _told(
    reader: ByteReader,
    mode: int,
    values: np.ndarray,
    shape: tuple[int, ...],
    zero: Any,
    inside: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """Return flat positions of the values that become zero.

    Parameters
    ----------
    values
        All of the variable, or a part of it.
    shape
        Of all of it.
    inside
        Returns flat positions in `values` of those that lie there, from flat positions in all of it.
    """
    size = math.prod(shape)
    if mode == MASKED:
        digest = reader.take(_DIGEST_BYTES)
        mask = decode_classes(reader.rest(), _planes(shape), 1)
        if _digest(mask) != digest:
            raise FormatError(f"{reader.what} are damaged")
        return inside(np.flatnonzero(mask))
    if mode == LISTED:
        return inside(_positions(reader, size))
    band = float(np.frombuffer(reader.take(8), "<f8")[0])
    within = _distances(values.ravel(), zero) <= band
    within[inside(_positions(reader, size))] = False
    return np.flatnonzero(within)


def _positions(reader: ByteReader, size: int) -> np.ndarray:
    count = reader.varint(size + 1)
    return unpack_positions(reader.rest(), count, size, reader.what)
