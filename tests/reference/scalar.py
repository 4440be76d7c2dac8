"""The models `scalar` and `exact` (file_format.md: their streams)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import xxhash

from reference.lattice import Lattice
from reference.own_tolerances import OwnTolerances, from_steps
from reference.reading import Bytes, Damaged, above, decompress, unpack
from reference.tolerances import Variable

OWN, SHARED_CODES, SHARED_VALUES, REPEATED, STEPS = range(5)
WHOLE, CELLS, DISTINCT = range(3)
Shapes = list[tuple[int, ...]]


def decode_scalar(
    streams: dict[str, bytes], variables: list[Variable], shapes: Shapes, tolerances: OwnTolerances
) -> list[np.ndarray]:
    index, own, shared = (Bytes(streams[name]) for name in ("index", "own", "shared"))
    restored: list[np.ndarray] = []
    digests, waiting = [], dict[int, Steps]()
    for variable, shape in zip(variables, shapes, strict=True):
        count, method = math.prod(shape), index.byte()
        if method == STEPS:
            waiting[len(restored)] = steps = Steps(index, Bytes(own.sized()), variable.dtype, shape)
            digests.append(xxhash.xxh3_64(steps.codes.tobytes() + steps.others.tobytes()))
            restored.append(np.zeros(0, variable.dtype))
            continue
        if method > REPEATED:
            raise Damaged(f"this decoder knows no method {method} of the model scalar")
        if method == REPEATED:
            values = restored[index.below(len(restored))]
            if values.dtype != variable.dtype or values.shape != shape:
                raise Damaged("a variable repeats one of another kind")
            restored.append(values.copy())
            continue
        lattice, axes, classes = Lattice(index, variable.dtype), index.varint(), index.sized()
        if method == SHARED_VALUES:
            raw = shared.take(count * variable.dtype.itemsize)
            restored.append(np.frombuffer(raw, variable.dtype).reshape(shape).copy())
            continue
        codes = _shared_codes(index, shared, count) if method == SHARED_CODES else unpack(own.sized(), count)
        values, digest = _from_codes(lattice, codes.reshape(shape), axes if method == OWN else 0, classes)
        digests.append(digest)
        restored.append(values)
    joined = xxhash.xxh3_64(b"".join(digest.digest() for digest in digests)).digest()
    if index.rest() != (joined[:3] if digests else b""):
        raise Damaged("the integers of a scalar group have another checksum")
    _count_in_steps(waiting, restored, variables, tolerances)
    return restored


def _from_codes(lattice: Lattice, codes: np.ndarray, axes: int, classes: bytes) -> tuple[np.ndarray, xxhash.xxh3_64]:
    """The values of a variable, and the digest of its integers."""
    for axis in reversed(range(codes.ndim)):
        if axes >> axis & 1:
            codes = np.cumsum(codes, axis=axis)
    digest = xxhash.xxh3_64(codes.tobytes())
    if codes.ndim == 1:
        codes, special = lattice.split(codes)
    else:
        special = unpack(classes, codes.size).reshape(codes.shape) if classes else np.zeros(codes.shape, "<i8")
        digest.update(special.tobytes())
    return lattice.restore(codes, special), digest


def _count_in_steps(
    waiting: dict[int, Steps], restored: list[np.ndarray], variables: list[Variable], tolerances: OwnTolerances
) -> None:
    """Restore variables in steps of their own, each after those that its tolerances follow from."""
    while waiting:
        there = {
            v.name: values for n, (v, values) in enumerate(zip(variables, restored, strict=True)) if n not in waiting
        }
        known = there.keys() | tolerances.before.keys()
        ready = next((n for n in waiting if tolerances.ancestors(variables[n].name) <= known), None)
        if ready is None:
            raise Damaged("steps follow from nothing")
        restored[ready] = waiting.pop(ready).values(tolerances.each(variables[ready].name, there))


class Steps:
    """A variable of one dimension in steps of its own."""

    def __init__(self, index: Bytes, own: Bytes, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
        self.lattice, self.points, self.low = Lattice(Bytes(index.sized()), dtype), index.double(), index.zigzag()
        if len(shape) != 1 or not math.isfinite(self.points):
            raise Damaged("a variable counts in impossible steps")
        self.codes = unpack(own.sized(), shape[0])
        self.others = unpack(own.sized(), int((self.codes == self.low).sum()))

    def values(self, each: np.ndarray) -> np.ndarray:
        beside = self.codes == self.low
        if each.shape != self.codes.shape:
            raise Damaged("steps follow from nothing")
        values = from_steps(np.where(beside, 0, self.codes), each, self.points, self.lattice.dtype)
        values[beside] = self.lattice.restore(*self.lattice.split(self.others))
        return values


def _shared_codes(index: Bytes, shared: Bytes, count: int) -> np.ndarray:
    width = index.byte()
    low = index.zigzag() if count else 0
    if width not in (0, 1, 2, 4, 8):
        raise Damaged(f"integers of {width} bytes")
    raw = shared.take(width * count)
    return above(low, np.frombuffer(raw, f"<u{width}")) if width and count else np.full(count, low, "<i8")


def decode_exact(streams: dict[str, bytes], variables: list[Variable], shapes: Shapes) -> list[np.ndarray]:
    fields, restored = Bytes(streams["values"]), []
    for variable, shape in zip(variables, shapes, strict=True):
        stream, count = Bytes(fields.sized()), math.prod(shape)
        method = stream.byte()
        if method > DISTINCT or (method == WHOLE) == variable.is_text:
            raise Damaged("exact values are stored in an unknown way")
        if method == WHOLE:
            raw = decompress(stream.rest(), count * variable.dtype.itemsize)
            restored.append(np.frombuffer(raw, variable.dtype).reshape(shape).copy())
            continue
        if method == CELLS:
            cells = _cells(stream, count)
        else:
            size = stream.below(count + 1)
            distinct = _cells(Bytes(stream.sized()), size)
            places = unpack(stream.rest(), count).tolist()
            if any(place < 0 for place in places):
                raise Damaged("a cell lies outside its dictionary")
            cells = [distinct[place] for place in places]
        objects = np.empty(count, object)
        objects[:] = [cell.decode("utf-8", "surrogatepass") for cell in cells] if variable.form == "str" else cells
        restored.append(objects.reshape(shape))
    return restored


def _cells(stream: Bytes, count: int) -> list[bytes]:
    lengths, total = unpack(stream.sized(), count), stream.below(1 << 31)
    if (lengths.size and int(lengths.min()) < 0) or sum(lengths.tolist()) != total:
        raise Damaged("the lengths of texts do not add up")
    joined = Bytes(decompress(stream.rest(), total))
    return [joined.take(length) for length in lengths.tolist()]
