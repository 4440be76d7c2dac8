"""The `exact` model: keep text, complex numbers, records and single values byte for byte."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, SupportsBytes

import numpy as np

from baler_core.data.block import Block, values_of
from baler_core.data.part import Part
from baler_core.data.variables import GroupKind, Layout, Variable
from baler_core.entropy.bytes import squeeze, unsqueeze
from baler_core.entropy.integers import pack_integers, unpack_integers
from baler_core.entropy.varint import ByteReader, write_sized, write_varint
from baler_core.errors import FormatError
from baler_core.format.ranged import RangeReader
from baler_core.plugin.interfaces import NO_HINTS, Hints, Model, Streams, Tolerances

BYTES, CELLS, DICTIONARY = range(3)


class ExactModel(Model):
    """Whatever is not a numeric array: by dictionary where values repeat, else squeezed as it is."""

    name = "exact"
    summary = "text, complex numbers, records and single values, byte for byte"
    kinds: ClassVar[frozenset[GroupKind]] = frozenset({"other"})
    automatic = True

    def encode(
        self, block: Block, layout: Layout, tolerances: Tolerances, *, hints: Hints = NO_HINTS, plan: object = None
    ) -> Streams:
        """Encode as one stream, `values`, holding the variables one after the other."""
        parts = [_encode(values_of(block, variable.name), variable) for variable in layout.variables]
        return {"values": b"".join(write_sized(part) for part in parts)}

    def decode(self, streams: Streams, layout: Layout, tolerances: Tolerances) -> Block:
        """Decode the block, every bit as it was."""
        reader = ByteReader(streams.get("values", b""), "a group of exact values")
        return layout.build({v.name: _decode(reader.sized(), v, layout.shape(v)) for v in layout.variables})

    def decode_part(
        self, streams: Mapping[str, SupportsBytes], layout: Layout, tolerances: Tolerances, part: Part
    ) -> dict[str, np.ndarray]:
        """Decode some variables; others are passed over."""
        reader = RangeReader(streams.get("values", b""), "a group of exact values")
        stored = {variable.name: reader.sized_part() for variable in layout.variables}
        wanted = [variable for variable in layout.variables if variable.name in part.names]
        return {v.name: part.cut(_decode(bytes(stored[v.name]), v, layout.shape(v)), v) for v in wanted}


def _encode(values: np.ndarray, variable: Variable) -> bytes:
    if not variable.is_text:
        raw = np.ascontiguousarray(values).tobytes()
        return bytes([BYTES]) + squeeze(raw)
    cells = [_to_bytes(cell) for cell in values.ravel()]
    forms = [bytes([CELLS]) + _encode_cells(cells)]
    distinct = sorted(set(cells))
    if len(distinct) < len(cells):
        place = {cell: number for number, cell in enumerate(distinct)}
        numbers = pack_integers(np.array([place[cell] for cell in cells], np.int64))
        forms.append(bytes([DICTIONARY]) + write_varint(len(distinct)) + write_sized(_encode_cells(distinct)) + numbers)
    return min(forms, key=len)


def _to_bytes(cell: str | bytes) -> bytes:
    # surrogatepass: file systems and headers hold text that is not quite Unicode, and it must come back
    return cell.encode("utf-8", "surrogatepass") if isinstance(cell, str) else bytes(cell)


def _encode_cells(cells: list[bytes]) -> bytes:
    joined = b"".join(cells)
    lengths = pack_integers(np.array([len(cell) for cell in cells], np.int64))
    return write_sized(lengths) + write_varint(len(joined)) + squeeze(joined)


def _decode(data: bytes, variable: Variable, shape: tuple[int, ...]) -> np.ndarray:
    count = int(np.prod(shape, dtype=object))
    reader = ByteReader(data, f"variable {variable.name!r}")
    form = reader.varint(3)
    if form == BYTES:
        dtype = variable.numpy_dtype
        if variable.is_text:
            raise FormatError(f"variable {variable.name!r} holds plain bytes instead of text")
        return np.frombuffer(unsqueeze(reader.rest(), count * dtype.itemsize), dtype).reshape(shape)
    cells = _decode_cells(reader, count) if form == CELLS else _decode_dictionary(reader, count)
    return _as_objects(cells, variable, shape)


def _decode_dictionary(reader: ByteReader, count: int) -> list[bytes]:
    size = reader.varint(count + 1)
    distinct = _decode_cells(ByteReader(reader.sized(), reader.what), size)
    numbers = unpack_integers(reader.rest(), count)
    if numbers.size and not (numbers.min() >= 0 and numbers.max() < size):
        raise FormatError(f"{reader.what} is damaged: it points outside its dictionary")
    return [distinct[number] for number in numbers]


def _decode_cells(reader: ByteReader, count: int) -> list[bytes]:
    lengths = unpack_integers(reader.sized(), count)
    total = reader.varint(1 << 31)
    if (lengths.size and (lengths.min() < 0 or int(lengths.sum()) != total)) or (not lengths.size and total):
        raise FormatError(f"{reader.what} is damaged: its text lengths do not add up")
    joined = unsqueeze(reader.rest(), total)
    ends = np.cumsum(lengths)
    return [joined[end - length : end] for end, length in zip(ends.tolist(), lengths.tolist(), strict=True)]


def _as_objects(cells: list[bytes], variable: Variable, shape: tuple[int, ...]) -> np.ndarray:
    objects = np.empty(len(cells), object)
    try:
        objects[:] = [cell.decode("utf-8", "surrogatepass") for cell in cells] if variable.dtype == "str" else cells
    except UnicodeDecodeError as error:
        raise FormatError(f"variable {variable.name!r} is damaged: {error}") from error
    return objects.reshape(shape)
