"""Describe a data unit from its header: rows of fixed length, each made of fields."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from baler_core import DataError, exact_number
from baler_fits.contents.hdus import axis_lengths, is_random_groups
from baler_fits.contents.headers import Keywords

UnitKind = Literal["empty", "image", "groups", "table", "bytes", "tiles"]

# Element types as stored; C and M are complex; L and A, and X (bits, eight to a byte), are characters.
CODES = {
    "L": "S1", "X": "S1", "B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "A": "S1", "E": ">f4", "D": ">f8",
    "C": ">c8", "M": ">c16",
}  # fmt: skip
PIXELS = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
# The standard allows 999; some software writes more.
MAX_COLUMNS = 99_999
_FIXED = re.compile(r"(\d*)([LXBIJKAEDCM])")
_VARIABLE = re.compile(r"([01]?)([PQ])([LXBIJKAEDCM])")
_SHAPE = re.compile(r"\s*\(([\d,\s]+)\)\s*$")


class NotModelled(Exception):
    """This data unit is kept byte for byte, for the reason in the message."""


@dataclass(frozen=True)
class Packing:
    """How stored numbers mean physical ones.

    Attributes
    ----------
    flipped
        The sign bit is inverted: BZERO or TZERO turn signed integers into unsigned ones, or bytes into signed ones.
    scale, offset
        physical = stored * scale + offset, beyond the flip.
    fill
        The stored (flipped) integer that stands for "undefined" (BLANK, TNULLn).
    """

    flipped: bool = False
    scale: float = 1.0
    offset: float = 0.0
    fill: tuple[float, ...] = ()


@dataclass(frozen=True)
class RowField:
    """One named piece of every row.

    Attributes
    ----------
    name
        Column name; empty for the pixels of an image.
    stored
        dtype of one element in the file (big-endian).
    shape
        Elements per row, slowest axis first; () for one.
    offset
        First byte within the row.
    packing
        Meaning of the stored numbers.
    pointer
        For an array of variable length: dtype of its two descriptors, count and place in the heap. Else None.
    logical
        Whether the characters are all T or F, so that booleans hold them exactly.
    units, label
        From BUNIT or TUNITn, and the comment on TTYPEn.
    limits
        Smallest and largest valid value that the header tells, in stored units.
    column
        Number of the table column, from 1; else 0.
    """

    name: str
    stored: np.dtype[Any]
    shape: tuple[int, ...] = ()
    offset: int = 0
    packing: Packing = Packing()
    pointer: np.dtype[Any] | None = None
    logical: bool = False
    units: str = ""
    label: str = ""
    limits: tuple[float, float] = (-math.inf, math.inf)
    column: int = 0

    @property
    def dtype(self) -> str:
        """dtype of its values in memory: native; `bytes` for character strings of variable length."""
        if self.logical:
            return "|b1"
        if self.pointer is not None and self.is_text:
            return "bytes"
        kind, size = self.stored.kind, self.stored.itemsize
        if self.packing.flipped:
            kind = "i" if kind == "u" else "u"
        return np.dtype(f"{kind}{size}").newbyteorder("<").str

    @property
    def is_text(self) -> bool:
        """Whether its elements are characters (strings, logicals, bits)."""
        return self.stored.kind == "S"

    @property
    def in_row(self) -> tuple[np.dtype[Any], tuple[int, ...]]:
        """dtype and shape of what stands in the row itself."""
        return (self.pointer, (2,)) if self.pointer is not None else (self.stored, self.shape)

    @property
    def row_bytes(self) -> int:
        """Length of what stands in the row itself."""
        dtype, shape = self.in_row
        return dtype.itemsize * math.prod(shape)


@dataclass(frozen=True)
class Unit:
    """A data unit as rows of fields.

    Attributes
    ----------
    kind
        `image`: rows along the slowest axis. `groups`: random groups. `table`: binary table. `tiles`: a tile-compressed
        image, rows as for `image` once decoded. `bytes`: kept as it is, one byte per row. `empty`: no data.
    rows, row_bytes
        How many rows, and the length of each in the file.
    fields
        In file order; none has zero bytes.
    heap, heap_bytes
        Place of a table's heap from the start of the data, and its length.
    """

    kind: UnitKind
    rows: int = 0
    row_bytes: int = 0
    fields: tuple[RowField, ...] = ()
    heap: int = 0
    heap_bytes: int = 0

    @property
    def row_dtype(self) -> np.dtype[Any]:
        """A row of the file as a structured dtype; fields are named by their position."""
        return np.dtype(
            {
                "names": [f"f{n}" for n in range(len(self.fields))],
                "formats": [field.in_row for field in self.fields],
                "offsets": [field.offset for field in self.fields],
                "itemsize": self.row_bytes,
            }
        )


def bytes_unit(size: int) -> Unit:
    """Return a data unit that is kept byte for byte."""
    if not size:
        return Unit("empty")
    return Unit("bytes", size, 1, (RowField("", np.dtype("S1")),))


def unit_of(keywords: Keywords, size: int) -> Unit:
    """Return what the data unit of a header holds.

    Parameters
    ----------
    size
        Its length in bytes.

    Raises
    ------
    NotModelled
        If its values cannot be told apart: keep it byte for byte.
    """
    extension = keywords.text("XTENSION")
    if not extension and not keywords.flag("SIMPLE"):
        raise NotModelled("not standard FITS (SIMPLE = F)")
    if not size and extension != "BINTABLE":
        return Unit("empty")
    if extension == "BINTABLE":
        return _tiles(keywords) if keywords.flag("ZIMAGE") else table_unit(keywords)
    if extension == "TABLE":
        raise NotModelled("ASCII table")
    if extension not in ("", "IMAGE"):
        raise NotModelled(f"extension of type {extension}")
    if not extension and is_random_groups(keywords):
        return _groups(keywords)
    if size != math.prod(axis_lengths(keywords, "")) * abs(keywords.whole("BITPIX")) // 8:
        raise NotModelled("image with parameters or groups")
    return image_unit(keywords)


def image_unit(keywords: Keywords, kind: UnitKind = "image", prefix: str = "") -> Unit:
    """Return an image or cube: one row per step of its slowest axis."""
    shape = tuple(reversed(axis_lengths(keywords, "", prefix)))
    stored = np.dtype(PIXELS[keywords.whole(f"{prefix}BITPIX")])
    null = "ZBLANK" if prefix and keywords.get("BLANK") is None else "BLANK"
    packing = packing_of(keywords, stored, "BSCALE", "BZERO", null)
    field = RowField("", stored, shape[1:], packing=packing, units=keywords.text("BUNIT"))
    return Unit(kind, shape[0], field.row_bytes, (field,))


def _tiles(keywords: Keywords) -> Unit:
    """A tile-compressed image, as it will be once decoded."""
    try:
        unit = image_unit(keywords, "tiles", "Z")
        lengths = axis_lengths(keywords, "", "Z")
    except (DataError, KeyError, IndexError) as error:
        raise NotModelled("tile-compressed image with a damaged header") from error
    tiles = [keywords.whole(f"ZTILE{n}", length if n == 1 else 1) for n, length in enumerate(lengths, start=1)]
    if min(tiles + lengths) < 1 or table_unit(keywords).rows != math.prod(map(_quotient, lengths, tiles)):
        raise NotModelled("tile-compressed image without the tiles that its header announces")
    return unit


def _quotient(length: int, tile: int) -> int:
    """How many tiles an axis needs."""
    return -(-length // tile)


def _groups(keywords: Keywords) -> Unit:
    """Random groups: each row is a few parameters and an array."""
    shape = tuple(reversed(axis_lengths(keywords, "")[1:]))
    stored = np.dtype(PIXELS[keywords.whole("BITPIX")])
    count = keywords.whole("PCOUNT")
    packing = packing_of(keywords, stored, "BSCALE", "BZERO", "BLANK")
    parameters = RowField("parameters", stored, (count,))
    array = RowField("", stored, shape, parameters.row_bytes, packing, units=keywords.text("BUNIT"))
    fields = tuple(field for field in (parameters, array) if field.row_bytes)
    return Unit("groups", keywords.whole("GCOUNT", 1), parameters.row_bytes + array.row_bytes, fields)


def table_unit(keywords: Keywords) -> Unit:
    """Return a binary table; of a tile-compressed image the table that holds the tiles."""
    columns = keywords.whole("TFIELDS")
    if keywords.whole("NAXIS") != 2 or keywords.whole("BITPIX") != 8 or not 0 <= columns <= MAX_COLUMNS:
        raise NotModelled("table with a header that is not standard FITS")
    row_bytes, rows = axis_lengths(keywords, "")
    fields: list[RowField] = []
    offset = 0
    for n in range(1, columns + 1):
        field = _column(keywords, n, offset)
        offset += field.row_bytes
        if field.row_bytes:
            fields.append(field)
    if offset != row_bytes:
        raise NotModelled(f"table whose columns take {offset} bytes of rows of {row_bytes}")
    pointers = any(field.pointer is not None for field in fields)
    if keywords.whole("PCOUNT") and not pointers:
        raise NotModelled("table with data after it that no column points to")
    if not rows and not pointers:
        return Unit("table", 0, row_bytes, tuple(fields))
    heap = keywords.whole("THEAP", row_bytes * rows)
    heap_bytes = row_bytes * rows + keywords.whole("PCOUNT") - heap
    if pointers and (heap < row_bytes * rows or heap_bytes < 0):
        raise NotModelled("table whose heap (THEAP, PCOUNT) lies outside its data")
    return Unit("table", rows, row_bytes, tuple(fields), heap, heap_bytes)


def _column(keywords: Keywords, n: int, offset: int) -> RowField:
    """Column `n` (from 1) of a binary table."""
    form = keywords.text(f"TFORM{n}").strip().upper()
    name = keywords.text(f"TTYPE{n}").strip() or f"col{n}"
    units, label = keywords.text(f"TUNIT{n}"), keywords.comment(f"TTYPE{n}")
    if variable := _VARIABLE.match(form):
        repeat, descriptor, code = variable.groups()
        if code == "X":
            raise NotModelled(f"table with bit arrays of variable length (column {name})")
        stored = np.dtype(CODES[code])
        packing = packing_of(keywords, stored, f"TSCAL{n}", f"TZERO{n}", f"TNULL{n}")
        pointer = np.dtype(">i4" if descriptor == "P" else ">i8")
        if repeat == "0":
            return RowField(name, stored, (0,), offset)
        return RowField(name, stored, (), offset, packing, pointer, units=units, label=label, column=n)
    fixed = _FIXED.match(form)
    if not fixed:
        raise NotModelled(f"table with an unknown column format {form!r} (column {name})")
    repeat, code = int(fixed[1] or 1), fixed[2]
    dtype, shape = _elements(code, repeat, keywords.text(f"TDIM{n}"))
    packing = packing_of(keywords, dtype, f"TSCAL{n}", f"TZERO{n}", f"TNULL{n}")
    return RowField(name, dtype, shape, offset, packing, units=units, label=label, column=n)


def _elements(code: str, repeat: int, stated: str) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """dtype and shape of a column entry; TDIM counts only where it fits the number of elements."""
    match = _SHAPE.match(stated)
    dims = [int(length) for length in match[1].split(",") if length.strip()] if match else []
    if math.prod(dims) != repeat or repeat == 0:
        dims = []
    if code in "AX":
        characters = -(-repeat // 8) if code == "X" else repeat
        if code == "X" or not dims:
            return np.dtype(f"S{characters or 1}"), () if characters else (0,)
        return np.dtype(f"S{dims[0]}"), _slowest_first(dims[1:])
    return np.dtype(CODES[code]), _slowest_first(dims) if dims else (() if repeat == 1 else (repeat,))


def _slowest_first(dims: Sequence[int]) -> tuple[int, ...]:
    return tuple(reversed(dims))


def packing_of(keywords: Keywords, stored: np.dtype[Any], scale: str, zero: str, null: str) -> Packing:
    """Return the packing that the named keywords give to numbers of a stored dtype."""
    if stored.kind not in "iuf":
        return Packing()
    factor, offset = keywords.number(scale, 1.0) or 1.0, keywords.number(zero, 0.0)
    half = -128 if stored.kind == "u" else 1 << (8 * stored.itemsize - 1)
    flipped = stored.kind in "iu" and factor == 1 and offset == half
    blank = keywords.get(null)
    if isinstance(blank, float) and blank.is_integer():  # not allowed, and found
        blank = int(blank)
    fill: tuple[float, ...] = ()
    if stored.kind in "iu" and isinstance(blank, int) and not isinstance(blank, bool):
        value = blank + half if flipped else blank
        if np.iinfo(stored).min <= blank <= np.iinfo(stored).max:
            fill = (exact_number(value),)
    if flipped:
        return Packing(True, fill=fill)
    return Packing(False, float(factor), float(offset), fill)
