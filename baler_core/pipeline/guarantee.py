"""Holds every bound for any model: what it encoded is decoded again, compared, and what is wrong stored exactly."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping

import numpy as np

from baler_core.data.block import Block, values_of
from baler_core.data.bounds import SAFETY, Tolerance
from baler_core.data.distances import distance
from baler_core.data.mean_errors import MeanError, measure
from baler_core.data.part import Part
from baler_core.data.variables import Layout, Variable
from baler_core.entropy.bytes import squeeze, unsqueeze
from baler_core.entropy.integers import pack_integers, unpack_integers
from baler_core.entropy.varint import ByteReader, write_sized, write_varint
from baler_core.errors import BoundBroken, PluginError
from baler_core.format.header import ErrorRecord
from baler_core.machine.records import dataclass
from baler_core.plugin.interfaces import Model, Streams
from baler_core.quantise.positions import pack_positions, unpack_positions

EXACT_STREAM = "!"
_PIECE = 1 << 16


@dataclass(frozen=True)
class Corrections:
    """Places where a model broke a bound, and the original values there.

    Attributes
    ----------
    places
        `{variable: (flat positions, int64 ascending; original values)}`.
    """

    places: Mapping[str, tuple[np.ndarray, np.ndarray]]

    def apply(self, arrays: dict[str, np.ndarray]) -> None:
        """Put the exact values in."""
        for name, (positions, values) in self.places.items():
            corrected = np.ascontiguousarray(arrays[name]).copy()
            corrected.reshape(-1)[positions] = values
            arrays[name] = corrected


def find_corrections(
    original: Block, restored: Mapping[str, np.ndarray], tolerances: Mapping[str, Tolerance]
) -> Corrections:
    """Where restored values break their tolerance; both hold the same variables, shapes and dtypes."""
    places = {}
    for name, values in restored.items():
        before = values_of(original, name)
        tolerance = tolerances[name]
        if before.dtype.kind == "O":
            bad = np.array([a != b for a, b in zip(before.ravel(), values.ravel(), strict=True)], bool)
        elif before.dtype.kind in "biuf" and before.dtype.itemsize <= 8:
            parts = zip(_slices(before.size), _pieces(before, values), strict=True)
            bad = np.concatenate([tolerance.taken(part).violations(x, y) for part, (x, y) in parts])
        else:
            bad = _rows_of_bytes(before) != _rows_of_bytes(values)
            bad = bad.any(axis=1) if bad.ndim == 2 else bad
        positions = np.flatnonzero(bad)
        if positions.size:
            places[name] = (positions, before.ravel()[positions])
    return Corrections(places)


def correct(
    original: Block, arrays: dict[str, np.ndarray], tolerances: Mapping[str, Tolerance]
) -> tuple[Corrections, dict[str, Tolerance]]:
    """Find where restored values break their tolerance, and put the exact values there.

    Variables from which the tolerances of others follow come first, so that these follow from their final values.

    Returns
    -------
    The corrections, and the tolerances with all that followed, in the order they were given in.
    """
    places: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    known: dict[str, Tolerance] = {}
    while len(known) < len(tolerances):
        waiting = {name for name in tolerances if name not in known}
        ready = [name for name in tolerances if name in waiting and not _follows_from(tolerances[name], waiting)]
        if not ready:
            raise PluginError(f"the tolerance of {min(waiting)!r} follows from itself")
        found = {name: t if (t := tolerances[name]).each is not None else t.among(arrays) for name in ready}
        corrections = find_corrections(original, {name: arrays[name] for name in ready}, found)
        corrections.apply(arrays)
        places |= corrections.places
        known |= found
    # In the order of the variables: steps of tiles are written one after the other.
    return Corrections(places), {name: known[name] for name in tolerances}


def _follows_from(tolerance: Tolerance, names: Collection[str]) -> bool:
    if tolerance.scale is None or tolerance.each is not None:
        return False
    return any(need in names for need in tolerance.scale.needs)


def _slices(size: int) -> Iterator[slice]:
    """Places of pieces, so short that what is computed of them stays in the processor's cache."""
    return (slice(first, first + _PIECE) for first in range(0, max(1, size), _PIECE))


def _pieces(*arrays: np.ndarray) -> Iterator[tuple[np.ndarray, ...]]:
    """Flat pieces of arrays of one shape."""
    flat = [array.ravel() for array in arrays]
    for part in _slices(flat[0].size):
        yield tuple(array[part] for array in flat)


def _rows_of_bytes(values: np.ndarray) -> np.ndarray:
    return np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8).reshape(values.size, values.dtype.itemsize)


def encode_corrections(corrections: Corrections, layout: Layout) -> bytes:
    """The corrections as one stream; empty if there are none."""
    parts = []
    for number, variable in enumerate(layout.variables):
        if variable.name in corrections.places:
            positions, values = corrections.places[variable.name]
            packed = pack_positions(positions)
            parts.append(
                write_varint(number)
                + write_varint(positions.size)
                + write_sized(packed)
                + write_sized(_pack(values, variable))
            )
    return b"".join(parts)


def decode_corrections(
    data: bytes, layout: Layout, among: Collection[str] | None = None, part: Part | None = None
) -> Corrections:
    """Inverse of `encode_corrections`.

    Parameters
    ----------
    among
        The variables whose corrections are wanted; None takes all.
    part
        Where these lie, whose places are counted in it; None takes all places.

    Raises
    ------
    FormatError
        If the stream is damaged.
    """
    reader = ByteReader(data, "a stream of exact values")
    count_of_all, places = len(layout.variables), {}
    wanted = range(count_of_all) if among is None else {n for n, v in enumerate(layout.variables) if v.name in among}
    last = max(wanted, default=-1)
    while reader.left:
        number = reader.varint(count_of_all)
        if number not in wanted:
            if number > last:  # variables are in their order
                break
            reader.varint()
            for _ in range(2):  # positions and values
                length = reader.varint()
                reader.position += min(length, reader.left)
            continue
        variable = layout.variables[number]
        size = math.prod(layout.shape(variable))
        count = reader.varint(size + 1)
        packed, values = reader.sized(), reader.sized()
        positions = unpack_positions(packed, count, size, f"the exact values of {variable.name!r}")
        if part is None:
            places[variable.name] = (positions, _unpack(values, variable, count))
            continue
        kept, moved = part.places(positions, variable, layout)
        if moved.size:
            places[variable.name] = (moved, _unpack(values, variable, count)[kept])
    return Corrections(places)


def _pack(values: np.ndarray, variable: Variable) -> bytes:
    if variable.is_text:
        raise PluginError(f"the model changed text in {variable.name!r}; only the 'exact' model may code text")
    raw = np.ascontiguousarray(values)
    if not variable.is_numeric:
        return squeeze(raw.tobytes())
    native = raw.astype(raw.dtype.newbyteorder("="), copy=False)
    return pack_integers(native.view(f"i{native.dtype.itemsize}").astype(np.int64))


def _unpack(data: bytes, variable: Variable, count: int) -> np.ndarray:
    dtype = variable.numpy_dtype
    if not variable.is_numeric:
        return np.frombuffer(unsqueeze(data, count * dtype.itemsize), dtype)
    native = dtype.newbyteorder("=")
    return unpack_integers(data, count).astype(f"i{dtype.itemsize}").view(native).astype(dtype)


def restored_arrays(model: Model, block: Block, layout: Layout) -> dict[str, np.ndarray]:
    """A decoded block as arrays of the layout's names, dtypes and shapes, in C order: models return what is quickest for them.

    Raises
    ------
    PluginError
        If the model left a variable out or changed a shape.
    """
    arrays = {}
    for variable in layout.variables:
        if variable.name not in block.variables:
            raise PluginError(f"model {model.name!r} did not restore {variable.name!r}")
        values = values_of(block, variable.name)
        if values.shape != layout.shape(variable):
            raise PluginError(
                f"model {model.name!r} restored {variable.name!r} with shape {values.shape}, not {layout.shape(variable)}"
            )
        with np.errstate(all="ignore"):
            arrays[variable.name] = values.astype(variable.numpy_dtype, order="C", copy=False)
    return arrays


def verify(
    original: Block,
    restored: Mapping[str, np.ndarray],
    layout: Layout,
    tolerances: Mapping[str, Tolerance],
    corrected: Iterable[str],
) -> dict[str, ErrorRecord]:
    """The largest error of each lossy variable after correction, in physical units.

    Parameters
    ----------
    corrected
        The variables that had to be corrected; the others are known to hold their tolerances.

    Raises
    ------
    BoundBroken
        If any value still breaks its tolerance.
    """
    left = find_corrections(original, {name: restored[name] for name in corrected}, tolerances)
    if left.places:
        name, (positions, _) = next(iter(left.places.items()))
        raise BoundBroken(f"{name!r} breaks its bound at {positions.size} values, first at flat index {positions[0]}")
    errors = {}
    for variable in layout.variables:
        if tolerances[variable.name].lossy and variable.is_numeric:
            before, after = values_of(original, variable.name), restored[variable.name]
            errors[variable.name] = _largest_error(before, after, tolerances[variable.name], abs(variable.scale))
    return errors


def mean_errors(
    original: Block, restored: Mapping[str, np.ndarray], layout: Layout, tolerances: Mapping[str, Tolerance]
) -> dict[str, MeanError]:
    """The errors on average of the variables that have a limit of them."""
    return {
        v.name: measure(tolerances[v.name], values_of(original, v.name), restored[v.name], scale=v.scale)
        for v in layout.variables
        if tolerances[v.name].mean is not None
    }


def _largest_error(before: np.ndarray, after: np.ndarray, tolerance: Tolerance, scale: float) -> ErrorRecord:
    largest = ErrorRecord(0.0, 0.0)
    for part, (x, y) in zip(_slices(before.size), _pieces(before, after), strict=True):
        with np.errstate(all="ignore"):
            error = distance(x, y) if x.dtype.kind in "iuf" else np.zeros(x.shape)
            most = float(error.max(initial=0.0))
            if tolerance.kind == "abs" and x.dtype.kind == "f" and math.isfinite(most):
                found = [most, most / (tolerance.value * SAFETY)]
            else:
                share = error / tolerance.taken(part).allowed(x)
                found = [float(each[np.isfinite(each)].max(initial=0.0)) for each in (error, share)]
        largest = ErrorRecord(*map(max, (largest.largest, largest.share), found))
    return ErrorRecord(largest.largest * scale, largest.share)


def joined_errors(first: Mapping[str, ErrorRecord], second: Mapping[str, ErrorRecord]) -> dict[str, ErrorRecord]:
    """Take the larger of both, per variable."""
    joined = dict(first)
    for name, error in second.items():
        other = joined.get(name, ErrorRecord(0.0, 0.0))
        joined[name] = ErrorRecord(max(error.largest, other.largest), max(error.share, other.share))
    return joined


def with_streams(streams: Streams, beside: Streams) -> Streams:
    """A model's streams and, of those that the core needs beside them, the ones that are not empty."""
    for name in beside:
        if name in streams:
            raise PluginError(f"a model must not name a stream {name!r}")
    return {**streams, **{name: data for name, data in beside.items() if data}}
