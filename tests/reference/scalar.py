"""The models `scalar` and `exact` (file_format.md: their streams)."""

from __future__ import annotations

import math

import numpy as np
import xxhash

from reference.lattice import Lattice
from reference.reading import Bytes, Damaged, above, decompress, unpack
from reference.tolerances import Variable

OWN, SHARED_CODES, SHARED_VALUES, REPEATED = range(4)
WHOLE, CELLS, DISTINCT = range(3)
Shapes = list[tuple[int, ...]]


def decode_scalar(streams: dict[str, bytes], variables: list[Variable], shapes: Shapes) -> list[np.ndarray]:
    index, own, shared = (Bytes(streams[name]) for name in ("index", "own", "shared"))
    restored: list[np.ndarray] = []
    digests = []
    for variable, shape in zip(variables, shapes, strict=True):
        count, method = math.prod(shape), index.byte()
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
        codes = codes.reshape(shape)
        for axis in reversed(range(len(shape))):
            if method == OWN and axes >> axis & 1:
                codes = np.cumsum(codes, axis=axis)
        digests.append(xxhash.xxh3_64(codes.tobytes()))
        if len(shape) == 1:
            codes, special = lattice.split(codes)
        else:
            special = unpack(classes, count).reshape(shape) if classes else np.zeros(shape, "<i8")
            digests[-1].update(special.tobytes())
        restored.append(lattice.restore(codes, special))
    joined = xxhash.xxh3_64(b"".join(digest.digest() for digest in digests)).digest()
    if index.rest() != (joined[:3] if digests else b""):
        raise Damaged("the integers of a scalar group have another checksum")
    return restored


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
