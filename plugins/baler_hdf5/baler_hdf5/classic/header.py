"""The header of classic NetCDF files (CDF-1, CDF-2, CDF-5): parsed, and written anew for fewer variables.

Source: "The NetCDF Classic Format Specification", Unidata; CDF-5 from the PnetCDF format description.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from baler_core import DataError

TYPES = {1: "|i1", 2: "|S1", 3: ">i2", 4: ">i4", 5: ">f4", 6: ">f8", 7: "|u1", 8: ">u2", 9: ">u4", 10: ">i8", 11: ">u8"}
DIMENSIONS, VARIABLES, ATTRIBUTES = 10, 11, 12
STREAMING = {1: 2**32 - 1, 2: 2**32 - 1, 5: 2**64 - 1}


@dataclass(frozen=True)
class ClassicVariable:
    """A variable as the header describes it.

    Attributes
    ----------
    dtype
        As stored: big-endian.
    dims
        Numbers of its dimensions.
    attributes
        Text as `str`, numbers as arrays of rank 1.
    begin
        Where in the file its values begin.
    entry
        The bytes of its entry in the header, up to its type.
    """

    name: str
    dtype: np.dtype[Any]
    dims: tuple[int, ...]
    attributes: dict[str, Any]
    begin: int
    entry: bytes


@dataclass(frozen=True)
class ClassicHeader:
    """A whole header.

    Attributes
    ----------
    version
        1 (classic), 2 (64-bit offsets) or 5 (64-bit data).
    records
        Length of the record dimension; None if the header leaves it to the file's size.
    dimensions
        Names and lengths, None for the record dimension.
    front
        The header's bytes before its list of variables.
    size
        Bytes of the whole header.
    attributes
        Of the file.
    """

    version: int
    records: int | None
    dimensions: tuple[tuple[str, int | None], ...]
    variables: tuple[ClassicVariable, ...]
    front: bytes
    size: int
    attributes: dict[str, Any] = field(default_factory=dict)

    def is_record(self, variable: ClassicVariable) -> bool:
        """Return whether its values lie record by record, among those of other variables."""
        return bool(variable.dims) and self.dimensions[variable.dims[0]][1] is None

    def slab_shape(self, variable: ClassicVariable) -> tuple[int, ...]:
        """Its shape without the record dimension."""
        lengths = [self.dimensions[number][1] or 0 for number in variable.dims]
        return tuple(lengths[1:] if self.is_record(variable) else lengths)

    def slab_bytes(self, variable: ClassicVariable) -> int:
        """Return bytes of its values, of one record where it has records."""
        return math.prod(self.slab_shape(variable)) * variable.dtype.itemsize

    @property
    def record_bytes(self) -> int:
        """Bytes from one record to the next: slabs padded to four bytes, unless there is only one."""
        slabs = [self.slab_bytes(variable) for variable in self.variables if self.is_record(variable)]
        return slabs[0] if len(slabs) == 1 else sum(_padded(slab) for slab in slabs)


def end_of_values(header: ClassicHeader, records: int) -> int:
    """Return where the file ends: behind the last value, padded to four bytes as the format wants it."""
    end = header.size
    for variable in header.variables:
        length = _padded(header.slab_bytes(variable))
        if header.is_record(variable):
            length = (records - 1) * header.record_bytes + header.slab_bytes(variable) if records else 0
        end = max(end, variable.begin + length)
    return end


def _padded(length: int) -> int:
    return -(-length // 4) * 4


class _HeaderCursor:
    """Walks through the bytes of a header; never past their end."""

    def __init__(self, raw: bytes | memoryview, where: str) -> None:
        self.raw, self.where, self.at, self.wide = raw, where, 4, False

    def take(self, count: int) -> bytes:
        if count < 0 or self.at + count > len(self.raw):
            raise DataError(f"{self.where}: cut short or damaged, the NetCDF header ends within byte {self.at}")
        self.at += count
        return bytes(self.raw[self.at - count : self.at])

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def length(self) -> int:
        """Return a length or count: 4 bytes, 8 in CDF-5."""
        return self.number(8 if self.wide else 4)

    def name(self) -> str:
        count = self.length()
        return self.take(_padded(count))[:count].decode("utf-8", "replace")

    def count(self, tag: int) -> int:
        """Return how many entries follow in a list; a tag and a count of zero stand for no list."""
        found, count = self.number(4), self.length()
        if found not in (tag, 0) or (found == 0 and count):
            raise DataError(f"{self.where}: damaged, the NetCDF header has the tag {found} at byte {self.at}")
        return count

    def attributes(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for _ in range(self.count(ATTRIBUTES)):
            name, dtype, count = self.name(), self.type(), self.length()
            raw = self.take(_padded(count * dtype.itemsize))[: count * dtype.itemsize]
            text = dtype.kind == "S"
            found[name] = raw.decode("utf-8", "replace").rstrip("\0") if text else np.frombuffer(raw, dtype)
        return found

    def type(self) -> np.dtype[Any]:
        code = self.number(4)
        if code not in TYPES:
            raise DataError(f"{self.where}: damaged, the NetCDF header has the type {code} at byte {self.at}")
        return np.dtype(TYPES[code])


def parse_header(raw: bytes | memoryview, where: str) -> ClassicHeader:
    """Parse the header at the beginning of `raw` (the whole file, or the header alone).

    Raises
    ------
    DataError
        If it is cut short, damaged, or of an unknown version.
    """
    cursor = _HeaderCursor(raw, where)
    version = raw[3] if len(raw) > 3 else 0
    if bytes(raw[:3]) != b"CDF" or version not in STREAMING:
        raise DataError(f"{where}: not a classic NetCDF file, it begins with the bytes {bytes(raw[:4])!r}")
    cursor.wide = version == 5
    records = cursor.length()
    dimensions = tuple((cursor.name(), cursor.length() or None) for _ in range(cursor.count(DIMENSIONS)))
    attributes = cursor.attributes()
    front = bytes(raw[: cursor.at])
    variables = tuple(_variable(cursor, len(dimensions)) for _ in range(cursor.count(VARIABLES)))
    known = None if records == STREAMING[version] else records
    header = ClassicHeader(version, known, dimensions, variables, front, cursor.at, attributes)
    if len({variable.name for variable in variables}) < len(variables):
        raise DataError(f"{where}: damaged, two variables have the same name")
    if any(header.dimensions[number][1] is None for v in variables for number in v.dims[1:]):
        raise DataError(f"{where}: damaged, the record dimension comes second in a variable")
    return header


def _variable(cursor: _HeaderCursor, dimensions: int) -> ClassicVariable:
    start = cursor.at
    name = cursor.name()
    dims = tuple(cursor.length() for _ in range(_checked_rank(cursor)))
    if any(number >= dimensions for number in dims):
        raise DataError(f"{cursor.where}: damaged, variable {name!r} has a dimension that is not there")
    attributes, dtype = cursor.attributes(), cursor.type()
    entry = bytes(cursor.raw[start : cursor.at])
    cursor.length()  # the variable's size, which follows from its shape
    return ClassicVariable(name, dtype, dims, attributes, cursor.number(4 if cursor.raw[3] == 1 else 8), entry)


def _checked_rank(cursor: _HeaderCursor) -> int:
    rank = cursor.length()
    if rank > 1024:
        raise DataError(f"{cursor.where}: damaged, a variable has {rank} dimensions")
    return rank


def header_with(header: ClassicHeader, raw: bytes, kept: Collection[str]) -> bytes:
    """Return the bytes of the header: as they are if all variables are kept, else written anew for those in `kept`."""
    variables = tuple(variable for variable in header.variables if variable.name in kept)
    if len(variables) == len(header.variables):
        return raw[: header.size]
    wide, offset_bytes = (8 if header.version == 5 else 4), (4 if header.version == 1 else 8)
    smaller = replace(header, variables=variables)
    size = len(header.front) + 4 + wide + sum(len(v.entry) + wide + offset_bytes for v in variables)
    begins, position = {}, size
    for records in (False, True):
        for variable in variables:
            if smaller.is_record(variable) == records:
                begins[variable.name] = position
                position += _padded(smaller.slab_bytes(variable))
    parts = [
        header.front,
        VARIABLES.to_bytes(4, "big") if variables else bytes(4),
        len(variables).to_bytes(wide, "big"),
    ]
    for variable in variables:
        length = min(_padded(smaller.slab_bytes(variable)), 2 ** (8 * wide) - 1)
        parts += [variable.entry, length.to_bytes(wide, "big"), begins[variable.name].to_bytes(offset_bytes, "big")]
    return b"".join(parts)
