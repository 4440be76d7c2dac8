"""Find the arrays in the text of a VTK file: what each is called, how it is stored, and where its content stands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from xml.parsers import expat

from baler_core import DataError, Role

KINDS = ("UnstructuredGrid", "PolyData", "ImageData", "RectilinearGrid", "StructuredGrid")
DTYPES = {
    **{f"{sign}Int{8 * size}": f"{code}{size}" for sign, code in (("", "i"), ("U", "u")) for size in (1, 2, 4, 8)},
    "Float32": "f4",
    "Float64": "f8",
    "String": "S1",
    "Bit": "u1",  # of which arrays that are no text hold eight in a byte
}
_IDS = ("GlobalIds", "PedigreeIds")
COMPRESSORS = {
    "": "",
    "vtkZLibDataCompressor": "zlib",
    "vtkLZMADataCompressor": "lzma",
    "vtkLZ4DataCompressor": "lz4",
}
_APPENDED = re.compile(rb"<AppendedData([^>]*)>\s*_")
_ENCODING = re.compile(rb"""encoding\s*=\s*["']([A-Za-z0-9]*)["']""")
_OFFSET = re.compile(rb"""\boffset\s*=\s*["']\s*(\d+)\s*["']""")
_END = b"</AppendedData>"
# Attributes may hold the sign that ends a tag, as in `Name="p>0"`.
_TAG = re.compile(rb"""<(?:[^"'>]|"[^"]*"|'[^']*')*>""")
_ARRAYS = frozenset({"DataArray", "Array"})
_DEEPEST = 32


@dataclass(frozen=True)
class Form:
    """How a file stores arrays.

    Attributes
    ----------
    order
        `<` or `>`.
    header
        dtype of the lengths before binary arrays.
    compressor
        `zlib`, `lzma` or none.
    raw
        Whether appended data are bytes as they are, not base64.
    """

    order: str
    header: str
    compressor: str
    raw: bool = False

    def to_json(self) -> list[Any]:
        """Return it as JSON."""
        return [self.order, self.header, self.compressor, self.raw]


@dataclass(frozen=True)
class ArrayPlace:
    """An array in the text.

    Attributes
    ----------
    section, name, piece
        The element around it, its name, and the number of its piece; -1 outside of pieces.
    dtype
        Without the byte order.
    components
        How many numbers a tuple has.
    format
        `ascii`, `binary` or `appended`; `plain` for bytes as they are, of the older format.
    start, stop
        Of its content in the text; of appended arrays, of the digits of their offset.
    offset
        Of appended arrays, from the underscore.
    extent
        Points along x, y and z of its piece; empty where it is no grid.
    role
        What the file says that it is.
    """

    section: str
    name: str
    piece: int
    dtype: str
    components: int
    format: str
    start: int
    stop: int
    offset: int = -1
    extent: tuple[int, ...] = ()
    role: Role = ""


@dataclass
class XmlText:
    """A file in parts.

    Attributes
    ----------
    data
        All its bytes.
    head
        Where its text ends: at the underscore of appended data, or the end.
    appended
        Where appended data lie.
    """

    data: Any
    head: int
    appended: tuple[int, int]
    form: Form
    places: list[ArrayPlace] = field(default_factory=list)


def read_text(path: Path, data: Any) -> XmlText:
    """Return the parts of a file.

    Raises
    ------
    DataError
        If it is no VTK file in XML, is damaged, or of a kind that is not kept.
    """
    found = _APPENDED.search(data)
    head, appended, raw = len(data), (len(data), len(data)), False
    if found is not None:
        stop = data.rfind(_END)
        if stop < found.end():
            raise DataError(f"{path}: is damaged: its appended data have no end")
        head, appended = found.end(), (found.end(), stop)
        encoding = _ENCODING.search(found[1])
        raw = encoding is not None and encoding[1] == b"raw"
    parser = _Parser()
    try:
        parser.parse(bytes(data[:head]), closed=found is None)
    except (expat.ExpatError, UnicodeDecodeError, ValueError, KeyError) as error:
        raise DataError(f"{path}: is no VTK file in XML, or damaged: {' '.join(str(error).split())}") from error
    form = replace(parser.form_of(path), raw=raw)
    return XmlText(data, head, appended, form, parser.places)


class _Parser:
    """Walks through the elements of the text."""

    def __init__(self) -> None:
        self._around: list[tuple[str, Mapping[str, str]]] = []
        self._root: Mapping[str, str] = {}
        self._piece = -1
        self._extent: tuple[int, ...] = ()
        self._open: tuple[Mapping[str, str], int, int] | None = None
        self._children: list[tuple[int, int]] = []
        self._named: list[str] = []
        self.places: list[ArrayPlace] = []

    def parse(self, text: bytes, *, closed: bool) -> None:
        self._text = text
        self._parser = expat.ParserCreate()
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.Parse(text, closed)
        if not self._root:
            raise ValueError("there is no element VTKFile")

    def _refuse(self, *_: object) -> None:
        raise ValueError("it declares a document type, which no VTK file does")

    def form_of(self, path: Path) -> Form:
        """Return how arrays are stored."""
        root = self._root
        compressor = COMPRESSORS.get(root.get("compressor", ""))
        if root.get("type") not in KINDS and self._named:
            some = ", ".join([*self._named[:3], *(["..."] if len(self._named) > 3 else [])])
            raise DataError(
                f"{path}: names {len(self._named)} other files and holds no values: compress these, and put this one, as it "
                f"is, beside the restored ones (input: [{some}])"
            )
        if root.get("type") not in KINDS:
            raise DataError(f"{path}: a VTK file of the type {root.get('type')!r}; kept are {', '.join(KINDS)}")
        if compressor is None:
            raise DataError(f"{path}: is compressed by {root['compressor']}, which is not kept: write it with zlib")
        order = ">" if root.get("byte_order") == "BigEndian" else "<"
        header = {"UInt32": "u4", "UInt64": "u8"}.get(root.get("header_type", "UInt32"), "u4")
        return Form(order, order + header, compressor)

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        if len(self._around) >= _DEEPEST:
            raise ValueError("its elements are nested too deeply")
        if not self._around:
            if name != "VTKFile":
                raise ValueError(f"it begins with the element {name!r}")
            self._root = attributes
        if name == "Piece":
            self._piece += 1
            ends = [int(one) for one in attributes.get("Extent", "").split()]
            self._extent = tuple(b - a + 1 for a, b in zip(ends[::2], ends[1::2], strict=True))
        if named := attributes.get({"DataSet": "file", "Piece": "Source"}.get(name, ""), ""):
            self._named.append(named)
        here = self._parser.CurrentByteIndex
        if name in _ARRAYS and self._open is None:
            self._open = attributes, self._behind_tag(here), len(self._around)
            self._children = []
        elif self._open is not None and len(self._around) == self._open[2] + 1:
            self._children.append((here, here))
        self._around.append((name, attributes))

    def _end(self, name: str) -> None:
        self._around.pop()
        here = self._parser.CurrentByteIndex
        if self._open is None:
            return
        attributes, start, depth = self._open
        if len(self._around) == depth:
            self._open = None
            self.places.append(self._place(attributes, start, *self._content(start, here)))
        elif len(self._around) == depth + 1:  # what the array says of itself, such as the range of its values
            self._children[-1] = self._children[-1][0], self._behind_tag(here)

    def _behind_tag(self, start: int) -> int:
        """Return where the tag that begins here has ended."""
        found = _TAG.match(self._text, start)
        if found is None:
            raise ValueError("a tag has no end")
        return found.end()

    def _content(self, start: int, stop: int) -> tuple[int, int]:
        """Return where the numbers of an array stand, between the elements in it."""
        ends = [start, *(place for child in self._children for place in child), max(start, stop)]
        gaps = [(a, b) for a, b in zip(ends[::2], ends[1::2], strict=True) if self._text[a:b].strip()]
        if len(gaps) > 1:
            raise ValueError("an array has its numbers in several places")
        return gaps[0] if gaps else (start, start)

    def _place(self, attributes: Mapping[str, str], tag_end: int, start: int, stop: int) -> ArrayPlace:
        section, about = self._around[-1] if self._around else ("", {})
        kind = attributes["type"]
        if kind not in DTYPES:
            raise ValueError(f"the array {attributes.get('Name', '')!r} is of the type {kind!r}")
        components = int(attributes.get("NumberOfComponents", "1") or 1) or 1
        inside = any(element == "Piece" for element, _ in self._around)
        name = attributes.get("Name") or f"array{len(self.places)}"
        piece, extent = (self._piece, self._extent) if inside else (-1, ())
        # As VTK decides: what has an offset is appended, and what is not called binary is text.
        stored = attributes.get("format", "ascii")
        stored = "appended" if "offset" in attributes else stored if stored in ("binary", "appended") else "ascii"
        offset = -1
        if stored == "appended":
            tag = self._text.rindex(b"<", 0, tag_end)
            digits = _OFFSET.search(self._text, tag, tag_end)
            if digits is None:
                raise ValueError(f"the array {name!r} has no offset")
            start, stop, offset = *digits.span(1), int(digits[1])
        else:
            content = self._text[start:stop] if stop > start else b""
            start += len(content) - len(content.lstrip())
            stop = max(start, start + len(content.strip()))
        role: Role = "identifier" if name in map(about.get, _IDS) else ""
        if kind == "Bit":
            role, components = "flag", 1 if stored != "ascii" else components
        if components < 1:
            raise ValueError(f"the array {name!r} has {components} components")
        return ArrayPlace(section, name, piece, DTYPES[kind], components, stored, start, stop, offset, extent, role)


def names_of(places: list[ArrayPlace]) -> Iterator[str]:
    """Yield the names of the variables: `PointData/p`, behind `piece1/` where there are several pieces."""
    several = max((place.piece for place in places), default=0) > 0
    taken: set[str] = set()
    for place in places:
        name = f"{place.section}/{place.name}"
        name = f"piece{place.piece}/{name}" if several and place.piece >= 0 else name
        while name in taken:
            name += "_"
        taken.add(name)
        yield name
