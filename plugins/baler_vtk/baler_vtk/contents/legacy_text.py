"""Find the arrays in a VTK file of the older format: what each is called, its type, and where its numbers stand."""

from __future__ import annotations

import itertools
import math
import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from baler_core import DataError, Role
from baler_vtk.contents.xml_text import ArrayPlace, Form, XmlText

BEGIN = b"# vtk DataFile"
DTYPES = {
    "char": "i1",
    "signed_char": "i1",
    "long_long": "i8",
    "unsigned_long_long": "u8",
    "short": "i2",
    "int": "i4",
    "long": "i8",
    "float": "f4",
    "double": "f8",
    **{f"unsigned_{name}": f"u{size}" for name, size in (("char", 1), ("short", 2), ("int", 4), ("long", 8))},
    **{
        f"vtktype{name}": dtype
        for name, dtype in (("int32", "i4"), ("uint32", "u4"), ("int64", "i8"), ("uint64", "u8"))
    },
    "vtkidtype": "i4",
    "bit": "u1",  # of which files that are no text hold eight in a byte
}
# Their values are texts, which stay in the text of the file.
_TEXTS = frozenset({"string", "utf8_string"})
_CELLS = {"cells": "Cells", "vertices": "Verts", "lines": "Lines", "polygons": "Polys", "triangle_strips": "Strips"}
# Arrays that state nothing but a name, sometimes a type: how many numbers a tuple has.
_WIDTHS = {"vectors": 3, "normals": 3, "tensors": 9, "tensors6": 6, "edge_flags": 1, "rationalweights": 1}
_WIDTHS |= {"higherorderdegrees": 3, "global_ids": 1, "pedigree_ids": 1}
_SECTIONS = {"point_data": "PointData", "cell_data": "CellData", "row_data": "RowData"}
_GEOMETRY = frozenset({"origin", "spacing", "aspect_ratio", "dimensions"})
_KINDS = ("STRUCTURED_POINTS", "STRUCTURED_GRID", "RECTILINEAR_GRID", "UNSTRUCTURED_GRID", "POLYDATA", "TABLE", "FIELD")
_LONGEST_LINE = 4096
_WORD = re.compile(rb"\S+")


def read_legacy(path: Path, data: Any) -> XmlText:
    """Return the parts of a file.

    Raises
    ------
    DataError
        If it is damaged, or holds what is not kept, such as texts.
    """
    keywords = _Keywords(data)
    try:
        keywords.file()
    except _Unkept as error:
        raise DataError(
            f"{path}: holds a data set of the kind {error}; kept are {', '.join(_KINDS)}: write it as one of these, or "
            "keep it byte for byte with 'reader: whole_file'"
        ) from error
    except (ValueError, IndexError, KeyError, OverflowError, StopIteration) as error:
        raise DataError(f"{path}: is no legacy VTK file, or damaged: {' '.join(str(error).split())}") from error
    end = len(data)
    return XmlText(data, end, (end, end), Form(">", ">u4", "", raw=True), keywords.places)


class _Unkept(Exception):
    """A data set of a kind that no reader of arrays understands, such as a graph."""


class _Keywords:
    """Goes through a file from keyword to keyword; all else is text that is kept."""

    def __init__(self, data: Any) -> None:
        self._data, self._at, self._begin, self._section = data, 0, 0, "FieldData"
        self._tuples = 0
        self._extent: tuple[int, ...] = ()
        self.places: list[ArrayPlace] = []

    def file(self) -> None:
        self._line(), self._line()  # the version, and a title that may be empty
        form = self._words()[:1]
        if form not in (["ASCII"], ["BINARY"]):
            raise ValueError("it states neither ASCII nor BINARY")
        self._format = "ascii" if form == ["ASCII"] else "plain"
        while words := self._words():
            self._part(words[0].lower(), words[1:])

    def _part(self, key: str, words: list[str]) -> None:
        if key == "dataset":
            if words[0].upper() not in _KINDS:
                raise _Unkept(words[0])
        elif key == "dimensions":
            self._extent = tuple(map(int, words[:3]))
        elif key in _SECTIONS:
            self._section = _SECTIONS[key]
            self._tuples = int(words[0])
        elif key == "points":
            self._behind(3)
            self._array("Points", "Points", words[1], int(words[0]), 3)
        elif key.endswith("_coordinates") and key[0] in "xyz":
            self._behind(3)
            self._array("Coordinates", key, words[1], int(words[0]), 1)
        elif key in _CELLS:
            self._behind(3)
            self._cells(_CELLS[key], int(words[0]), int(words[1]))
        elif key == "cell_types":
            self._behind(2)
            self._array("Cells", "types", "int", int(words[0]), 1)
        elif key == "field":
            self._field(int(words[1]))
        elif key == "metadata":
            while self._line().strip():
                pass
        elif key == "lookup_table":
            self._colours(f"lookup table {words[0]}", int(words[1]), 4)
        elif key not in _GEOMETRY:
            self._attribute(key, words)

    def _attribute(self, key: str, words: list[str]) -> None:
        """One attribute of points or cells."""
        name = words[0]
        if key == "scalars":
            mark = self._at
            if self._words()[:1] not in (["LOOKUP_TABLE"], ["lookup_table"]):
                self._at = mark
            self._array(self._section, name, words[1], self._tuples, int(words[2]) if len(words) > 2 else 1)
        elif key == "color_scalars":
            self._colours(name, self._tuples, int(words[1]))
        elif key == "texture_coordinates":
            self._array(self._section, name, words[2], self._tuples, int(words[1]))
        elif key in _WIDTHS:
            self._behind(3)
            role: Role = "identifier" if key.endswith("_ids") else ""
            self._array(self._section, name, words[1], self._tuples, _WIDTHS[key], role)
        else:
            raise ValueError(f"what {key.upper()!r} begins is not known")

    def _field(self, count: int) -> None:
        for _ in range(count):
            name, components, tuples, kind = self._words()[:4]
            if kind.lower() not in {*DTYPES, *_TEXTS} and not int(tuples):
                continue
            if kind.lower() in DTYPES:
                self._behind(4)
            self._array(self._section, name, kind, int(tuples), int(components))
            mark = self._at
            if self._words()[:1] == ["METADATA"]:
                self._part("metadata", [])
            else:
                self._at = mark

    def _cells(self, section: str, first: int, second: int) -> None:
        mark = self._at
        words = self._words() if bytes(self._data[mark : mark + 64]).lstrip()[:7].upper() == b"OFFSETS" else []
        if not words:  # before version 5: lengths and points of all cells, one after the other
            self._array(section, "cells", "int", second, 1)
            return
        self._array(section, "offsets", words[1], first, 1)
        self._array(section, "connectivity", self._words()[1], second, 1)

    def _colours(self, name: str, tuples: int, width: int) -> None:
        self._array(self._section, name, "float" if self._format == "ascii" else "unsigned_char", tuples, width)

    def _array(self, section: str, name: str, kind: str, tuples: int, components: int, role: Role = "") -> None:
        if kind.lower() in _TEXTS:
            self._texts(tuples * components)
            return
        if kind.lower() not in DTYPES:
            raise ValueError(f"the array {name!r} is of the type {kind!r}, which is not kept")
        if tuples < 0 or components < 1:
            raise ValueError(f"the array {name!r} has {tuples} tuples of {components} numbers")
        dtype, count, start = DTYPES[kind.lower()], tuples * components, self._at
        if kind.lower() == "bit":
            role = "flag"
            count, components = (-(-count // 8), 1) if self._format == "plain" else (count, components)
        if self._format == "plain":
            self._at += count * int(dtype[1])
        elif count:
            start, self._at = self._span(count)
        if self._at > len(self._data):
            raise ValueError(f"the array {name!r} is cut short")
        extent = self._extent if math.prod(self._extent) else ()
        title = unquote(name)
        self.places.append(
            ArrayPlace(section, title, 0, dtype, components, self._format, start, self._at, extent=extent, role=role)
        )

    def _texts(self, count: int) -> None:
        """Go past texts: one a line, or behind their lengths, whose first two bits say how many bytes these have."""
        for _ in range(count):
            if self._format == "ascii":
                self._at = self._data.find(b"\n", self._at) + 1 or len(self._data) + 1
            else:
                width = 8 >> (self._data[self._at] >> 6)
                length = int.from_bytes(self._data[self._at : self._at + width], "big") & ((1 << 8 * width - 2) - 1)
                self._at += width + length
        if self._at > len(self._data):
            raise ValueError("texts are cut short")

    def _span(self, count: int) -> tuple[int, int]:
        """Return where so many numbers as text begin and end."""
        words = _WORD.finditer(self._data, self._at)
        first = next(words, None)
        last = first
        for _ in range(count - 1):
            last = next(words, None)
        if first is None or last is None:
            raise ValueError("an array is cut short")
        return first.start(), last.end()

    def _line(self) -> bytes:
        """Return the next line; an error at the end of the file."""
        if self._at >= len(self._data):
            raise ValueError("it ends early")
        end = self._data.find(b"\n", self._at, self._at + _LONGEST_LINE)
        if end < 0:
            end = min(len(self._data), self._at + _LONGEST_LINE)
        line = bytes(self._data[self._at : end])
        self._begin, self._at = self._at, end + 1
        return line

    def _behind(self, words: int) -> None:
        """Stand behind some words of the line read last: numbers as text may begin on it."""
        if self._format == "ascii":
            self._at = next(itertools.islice(_WORD.finditer(self._data, self._begin), words - 1, None)).end()

    def _words(self) -> list[str]:
        """Return the words of the next line that has any; none at the end of the file."""
        while self._at < len(self._data):
            words = self._line().split()
            if words:
                return [word.decode("utf-8", "replace") for word in words]
        return []
