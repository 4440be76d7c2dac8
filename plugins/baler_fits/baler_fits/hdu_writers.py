"""Collect the rows of one restored HDU as bytes in a scratch file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import BinaryIO

import numpy as np

from baler_core import Block, DataError, FormatError, Schema, Variable, values_of
from baler_fits.contents.fields import NotModelled, Unit, bytes_unit, unit_of
from baler_fits.contents.hdus import data_size
from baler_fits.contents.headers import Keywords
from baler_fits.schema.skeleton import Bones
from baler_fits.values.heap import MAX_UNUSED, places_in
from baler_fits.values.numbers import to_stored


class HduTarget:
    """Where the data of one HDU go in the scratch file.

    Parameters
    ----------
    schema
        That of the whole file.
    scratch, start
        The scratch file, and the first byte of this HDU's data in it.

    Raises
    ------
    FormatError
        If the header and the variables do not belong together.
    """

    def __init__(self, bones: Bones, schema: Schema, scratch: BinaryIO, start: int) -> None:
        self.bones, self.start = bones, start
        self._scratch = scratch
        self._row = 0
        try:
            self._variables = [schema[name] for name in bones.variables]
        except KeyError as error:
            raise FormatError(f"the record of a FITS header names a variable that is not there: {error}") from error
        self.unit, self.size = _restored_unit(bones, self._variables, schema)
        # where the next array of each variable-length field goes in the heap
        jagged = [n for n, field in enumerate(self.unit.fields) if field.pointer is not None]
        self._next = dict(zip(jagged, np.cumsum([0, *bones.lengths]).tolist(), strict=False))
        self._counts = {n: schema.counts.get(self._variables[n].dims[0], "") for n in jagged}

    def write(self, block: Block) -> None:
        """Put the rows of a block behind the earlier ones."""
        first = self._variables[0].name if self._variables else ""
        rows = self._row_count(block, first)
        table = np.zeros(rows, self.unit.row_dtype)
        arrays: dict[int, list[bytes]] = {}
        for n, variable in enumerate(self._variables):
            values = values_of(block, variable.name)
            if self.unit.fields[n].pointer is None:
                table[f"f{n}"] = to_stored(values, self.unit.fields[n]).reshape(rows, *self.unit.fields[n].shape)
            else:
                arrays[n] = self._split(block, n, values)
        if arrays:
            self._write_heap(arrays, table)
        self._scratch.seek(self.start + self._row * self.unit.row_bytes)
        self._scratch.write(table.tobytes())
        self._row += rows

    def _row_count(self, block: Block, name: str) -> int:
        """Rows of this HDU in a block."""
        counts = self._counts.get(0)
        return len(values_of(block, counts if counts else name))

    def _split(self, block: Block, n: int, values: np.ndarray) -> list[bytes]:
        """The bytes of each array of a variable-length field."""
        if self._variables[n].is_text:
            return [bytes(text) for text in values]
        one = self.unit.fields[n]
        raw = to_stored(values, one).tobytes()
        ends = (np.cumsum(values_of(block, self._counts[n]), dtype=np.int64) * one.stored.itemsize).tolist()
        return [raw[a:b] for a, b in zip([0, *ends], ends, strict=False)]

    def _write_heap(self, arrays: Mapping[int, list[bytes]], table: np.ndarray) -> None:
        """Write arrays to the heap, and their descriptors into the rows."""
        lengths = [np.array([len(piece) for piece in pieces], np.int64) for pieces in arrays.values()]
        by_row = self.bones.order == "rows"
        heap = self.start + self.unit.heap
        begin = min(self._next.values())
        places = places_in(self.bones.order, lengths)
        for n, own, where in zip(arrays, lengths, places, strict=True):
            if not by_row:
                begin, where = self._next[n], where - (where[0] if len(where) else 0)
            table[f"f{n}"][:, 0] = own // self.unit.fields[n].stored.itemsize
            table[f"f{n}"][:, 1] = np.where((own == 0) & self.bones.empty_at_start, 0, begin + where)
            if not by_row:
                self._put(heap + begin, arrays[n])
                self._next[n] += int(own.sum())
        if by_row:
            self._put(heap + begin, [piece for row in zip(*arrays.values(), strict=True) for piece in row])
            self._next = dict.fromkeys(self._next, begin + int(sum(own.sum() for own in lengths)))

    def _put(self, place: int, pieces: list[bytes]) -> None:
        self._scratch.seek(place)
        self._scratch.write(b"".join(pieces))

    def pixels(self) -> np.ndarray:
        """Return the whole image as a memory map of the scratch file (big-endian)."""
        self._scratch.flush()
        one = self.unit.fields[0]
        self._scratch.truncate(max(self._scratch.seek(0, 2), self.start + self.size))
        return np.memmap(self._scratch, one.stored, "r", self.start, (self.unit.rows, *one.shape))


def _restored_unit(bones: Bones, variables: Sequence[Variable], schema: Schema) -> tuple[Unit, int]:
    """The data unit of a restored HDU, and its bytes in the scratch file."""
    try:
        keywords = Keywords(bones.header)
        size = bones.size if bones.size >= 0 else data_size(keywords, "the record of a FITS header")
        unit = bytes_unit(size) if bones.size >= 0 else unit_of(keywords, size)
    except (DataError, NotModelled) as error:
        raise FormatError(f"the record of a FITS header is damaged: {error}") from error
    unit = _with_logicals(unit, variables)
    jagged = sum(field.pointer is not None for field in unit.fields)
    if not _fits(unit, variables, schema) or len(bones.lengths) != jagged or min(bones.lengths, default=0) < 0:
        raise FormatError("the record of a FITS header does not describe the variables of this file")
    rows = unit.rows * unit.row_bytes
    if unit.kind == "tiles":
        return unit, rows
    if size - rows - sum(bones.lengths) > MAX_UNUSED or size < rows + sum(bones.lengths):
        raise FormatError("the record of a FITS header announces other amounts of data than there are")
    return unit, size


def _with_logicals(unit: Unit, variables: Sequence[Variable]) -> Unit:
    """The unit with logical fields where its variables are booleans."""
    booleans = {n for n, variable in enumerate(variables) if variable.dtype == "|b1"}
    return replace(
        unit,
        fields=tuple(replace(one, logical=n in booleans and one.is_text) for n, one in enumerate(unit.fields)),
    )


def _fits(unit: Unit, variables: Sequence[Variable], schema: Schema) -> bool:
    """Whether there is a variable of the right dtype and shape for every field."""
    if len(unit.fields) != len(variables):
        return False
    for one, variable in zip(unit.fields, variables, strict=True):
        shape = tuple(schema.sizes[dim] for dim in variable.dims)
        jagged = one.pointer is not None and one.dtype != "bytes"
        if one.dtype != variable.dtype or (not jagged and shape != (unit.rows, *one.shape)):
            return False
        if jagged and schema.counts.get(variable.dims[0]) not in schema.names:
            return False
    return True
