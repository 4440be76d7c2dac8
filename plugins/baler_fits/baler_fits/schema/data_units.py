"""Read rows of a file's data units, and inspect them as far as their shape requires."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import BinaryIO

import numpy as np

from baler_core import DataError
from baler_fits.contents.fields import NotModelled, Unit, bytes_unit, table_unit, unit_of
from baler_fits.contents.hdus import Hdu
from baler_fits.contents.headers import Keywords
from baler_fits.contents.limits import UNLIMITED, legal_limits, stated_extremes, states_extremes
from baler_fits.values.heap import Pointers
from baler_fits.values.numbers import to_native
from baler_fits.values.tiles import TiledImage

CHUNK = 8 << 20


@dataclass(frozen=True)
class Content:
    """An HDU and what its data are.

    Attributes
    ----------
    kept
        Why the data are kept byte for byte; empty if they are not.
    pointers
        Descriptors of the variable-length fields, by position of the field.
    tiles
        The decoder of a tile-compressed image.
    """

    hdu: Hdu
    keywords: Keywords
    unit: Unit
    kept: str = ""
    pointers: Mapping[int, Pointers] = field(default_factory=dict)
    tiles: TiledImage | None = None


def content_of(file: BinaryIO, hdu: Hdu, *, decode_tiles: bool = True) -> Content:
    """Return what an HDU of an open file holds; reads descriptors and logical columns only."""
    keywords = Keywords(hdu.header)
    try:
        unit = unit_of(keywords, hdu.size)
        if unit.kind == "tiles" and not decode_tiles:
            raise NotModelled("tile-compressed image")
        if unit.kind == "tiles":
            _pointers(file, hdu, table_unit(keywords))  # a decoder written in C would follow them anywhere
            tiles = TiledImage(file, hdu, unit.fields[0].stored)
            return _with_limits(file, Content(hdu, keywords, unit, tiles=tiles))
        unit = _with_logicals(file, hdu, unit)
        return _with_limits(file, Content(hdu, keywords, unit, pointers=_pointers(file, hdu, unit)))
    except NotModelled as reason:
        return Content(hdu, keywords, bytes_unit(hdu.size), str(reason))


def read_rows(file: BinaryIO, hdu: Hdu, unit: Unit, rows: slice) -> Iterator[tuple[slice, np.ndarray]]:
    """Rows of a data unit in pieces of a few megabytes: (where in `rows`, structured array of `unit.row_dtype`)."""
    step = max(1, CHUNK // max(1, unit.row_bytes))
    dtype = unit.row_dtype
    for start in range(rows.start, rows.stop, step):
        stop = min(start + step, rows.stop)
        raw = read_bytes(file, hdu, start * unit.row_bytes, (stop - start) * unit.row_bytes)
        yield slice(start - rows.start, stop - rows.start), np.frombuffer(raw, dtype)


def read_arrays(file: BinaryIO, content: Content, position: int, rows: slice) -> list[bytes]:
    """Return the bytes of a variable-length field in some rows, one per row."""
    pointers = content.pointers[position]
    places, lengths = pointers.places[rows], pointers.lengths[rows]
    filled = lengths > 0
    if not filled.any():
        return [b""] * len(lengths)
    first, last = int(places[filled].min()), int((places + lengths)[filled].max())
    heap = content.unit.heap
    if last - first <= 4 * int(lengths.sum()) + CHUNK:
        raw = read_bytes(file, content.hdu, heap + first, last - first)
        starts = np.where(filled, places - first, 0)
        return [raw[a : a + n] for a, n in zip(starts.tolist(), lengths.tolist(), strict=True)]
    return [
        read_bytes(file, content.hdu, heap + a, n) if n else b""
        for a, n in zip(places.tolist(), lengths.tolist(), strict=True)
    ]


def read_bytes(file: BinaryIO, hdu: Hdu, offset: int, length: int) -> bytes:
    """Return bytes of a data unit.

    Raises
    ------
    DataError
        If the file no longer has them.
    """
    file.seek(hdu.start + offset)
    raw = file.read(length)
    if len(raw) < length:
        raise DataError(f"{file.name}: HDU {hdu.index} became shorter while it was read")
    return raw


def _with_logicals(file: BinaryIO, hdu: Hdu, unit: Unit) -> Unit:
    """The unit with its logical columns marked as booleans where they hold nothing but T and F."""
    keywords = Keywords(hdu.header)
    logicals = {
        n
        for n, f in enumerate(unit.fields)
        if f.pointer is None and f.column and keywords.text(f"TFORM{f.column}").strip().endswith("L")
    }
    if not logicals:
        return unit
    for _, chunk in read_rows(file, hdu, unit, slice(0, unit.rows)):
        logicals = {n for n in logicals if np.isin(chunk[f"f{n}"], [b"T", b"F"]).all()}
    return replace(unit, fields=tuple(replace(f, logical=n in logicals) for n, f in enumerate(unit.fields)))


def _with_limits(file: BinaryIO, content: Content) -> Content:
    """The content with the limits that its header states; extremes are looked at only where cards tell them."""
    unit, keywords = content.unit, content.keywords
    fields = list(unit.fields)
    for n, one in enumerate(fields):
        if one.is_text or one.stored.kind == "c" or (unit.kind == "groups" and one.name):
            continue
        limits = legal_limits(keywords, one.column, one.packing) if one.column else UNLIMITED
        if states_extremes(keywords, one.column) and one.pointer is None:
            extremes = stated_extremes(keywords, one.column, one, _values(file, content, n))
            limits = (max(limits[0], extremes[0]), min(limits[1], extremes[1]))
        if limits[0] <= limits[1]:
            fields[n] = replace(one, limits=limits)
    return replace(content, unit=replace(unit, fields=tuple(fields)))


def _values(file: BinaryIO, content: Content, n: int) -> Iterator[np.ndarray]:
    """All values of a field, in pieces."""
    one, unit = content.unit.fields[n], content.unit
    if content.tiles is not None:
        step = max(1, CHUNK // max(1, unit.row_bytes))
        for start in range(0, unit.rows, step):
            yield to_native(content.tiles.rows(start, min(start + step, unit.rows)), one)
        return
    for _, chunk in read_rows(file, content.hdu, unit, slice(0, unit.rows)):
        yield to_native(chunk[f"f{n}"], one)


def _pointers(file: BinaryIO, hdu: Hdu, unit: Unit) -> dict[int, Pointers]:
    """The descriptors of all variable-length fields.

    Raises
    ------
    NotModelled
        If arrays share bytes of the heap, or lie outside it.
    """
    positions = [n for n, f in enumerate(unit.fields) if f.pointer is not None]
    tables = {n: np.zeros((unit.rows, 2), np.int64) for n in positions}
    if positions:
        for where, chunk in read_rows(file, hdu, unit, slice(0, unit.rows)):
            for n in positions:
                tables[n][where] = chunk[f"f{n}"]
    found = {n: Pointers(t[:, 0], t[:, 1], unit.fields[n].stored.itemsize) for n, t in tables.items()}
    if not all(pointers.inside(unit.heap_bytes) for pointers in found.values()):
        raise NotModelled("table with arrays of variable length that lie outside its data")
    if sum(pointers.total for pointers in found.values()) > unit.heap_bytes:
        raise NotModelled("table with arrays of variable length that share bytes")
    return found
