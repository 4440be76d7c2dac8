"""Store the contents of a text table other than values: spellings of cells, lines between rows; as bytes and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field

import numpy as np

from baler_core.builtin.readers.csv.columns import ColumnForm
from baler_core.builtin.readers.csv.layout import TextLayout, fill_template
from baler_core.builtin.readers.csv.scan import Irregular
from baler_core.builtin.readers.csv.text import MOST_OTHERS, body
from baler_core.entropy.integers import pack_integers, unpack_integers
from baler_core.entropy.varint import ByteReader, write_sized, write_varint
from baler_core.errors import FormatError
from baler_core.machine.records import dataclass

_ENDS = ("\n", "\r\n", "\r", "")
# Printf formats that may spell a cell, by the letter of a code; the decimals are the rest of it.
_SPELLINGS = ("f", "e", "E", "+f", "+e", "+E")
_DECIMALS = 40
_DAMAGED = "the description of a text table is damaged"


@dataclass
class Beside:
    """Contents of a table's lines beyond its rows.

    Attributes
    ----------
    others
        `(row before which it stands, line with its end)`, in order.
    ends
        `(row, its line end)` where that is not the table's.
    templates
        `(row, what stands around its cells)` where that is not as the layout has it.
    """

    others: list[tuple[int, str]] = field(default_factory=list)
    ends: list[tuple[int, str]] = field(default_factory=list)
    templates: list[tuple[int, str]] = field(default_factory=list)

    def move(self, place: np.ndarray) -> None:
        """Move what belongs to single rows with them, each to its `place`."""
        self.ends = sorted((int(place[row]), end) for row, end in self.ends)
        self.templates = sorted((int(place[row]), template) for row, template in self.templates)

    def to_bytes(self) -> bytes:
        """Return all of it; empty if there is nothing."""
        if not (self.others or self.ends or self.templates):
            return b""
        codes = np.array([_ENDS.index(end) for _, end in self.ends], np.int64)
        parts = [_pack_texts(self.others), _pack_rows([row for row, _ in self.ends]), write_sized(pack_integers(codes))]
        return b"".join([*parts, _pack_texts(self.templates)])

    @classmethod
    def from_bytes(cls, data: bytes, rows: int) -> Beside:
        """Invert `to_bytes`.

        Raises
        ------
        FormatError
            If it is damaged.
        """
        if not data:
            return cls()
        reader = ByteReader(data, "the lines beside a table")
        # A line may stand behind the last row, and several in one place.
        others = _unpack_texts(reader, rows + 1, repeated=True)
        places = _unpack_rows(reader, rows)
        codes = unpack_integers(reader.sized(), len(places))
        if len(codes) and not (codes.min() >= 0 and codes.max() < len(_ENDS)):
            raise FormatError(f"{_DAMAGED}: it has an unknown line end")
        ends = [(int(row), _ENDS[code]) for row, code in zip(places, codes.tolist(), strict=True)]
        return cls(others, ends, _unpack_texts(reader, rows))


class BesideWriter:
    """Puts lines beside a table back in their places, as its rows go by."""

    def __init__(self, beside: Beside, quote: str) -> None:
        self._quote = quote
        self._others, self._ends, self._templates = (
            _Queue(beside.others), _Queue(beside.ends), _Queue(beside.templates)
        )  # fmt: skip

    def text(self, first: int, lines: list[str], columns: Sequence[Sequence[str]], newline: str) -> str:
        """Return the text of the rows from `first` on, given their lines as the layout makes them, and their cells."""
        stop = first + len(lines)
        for row, template in self._templates.until(stop):
            cells = [column[row - first] for column in columns]
            lines[row - first] = fill_template(template, cells, self._quote)
        ends = self._ends.until(stop)
        others = self._others.until(stop)
        if not ends and not others:
            return newline.join([*lines, ""])
        whole = [line + newline for line in lines]
        for row, end in ends:
            whole[row - first] = lines[row - first] + end
        for row, other in reversed(others):
            whole.insert(row - first, other)
        return "".join(whole)

    def rest(self) -> str:
        """Return what stands behind the last row."""
        return "".join(text for _, text in self._others.until(None))


class _Queue:
    def __init__(self, items: list[tuple[int, str]]) -> None:
        self._items, self._next = items, 0

    def until(self, stop: int | None) -> list[tuple[int, str]]:
        """Return the items before a row that were not taken yet."""
        start = self._next
        while self._next < len(self._items) and (stop is None or self._items[self._next][0] < stop):
            self._next += 1
        return self._items[start : self._next]


def line_ends(first: int, raws: Sequence[str], newline: str) -> list[tuple[int, str]]:
    """`(row, line end)` of rows that end otherwise than with `newline`."""
    text = "".join(raws)
    simple = {"\n": text.count("\r") == 0, "\r": text.count("\n") == 0, "\r\n": False}[newline]
    if newline == "\r\n":
        simple = text.count("\r\n") == text.count("\r") == text.count("\n") == len(raws)
    if simple and text.count(newline) == len(raws):
        return []
    return [
        (row, raw[len(body(raw)) :]) for row, raw in enumerate(raws, first) if raw[len(body(raw)) :] != newline
    ]  # fmt: skip


def odd_templates(
    first: int, raws: Sequence[str], table: Sequence[Sequence[str]], layout: TextLayout
) -> list[tuple[int, str]]:
    """`(row, template)` of the rows that stand in the file otherwise than the layout makes them of their cells."""
    lines = layout.lines(table)
    bodies = list(map(body, raws))
    if lines == bodies:
        return []
    pairs = zip(lines, bodies, zip(*table, strict=True), strict=True)
    return [(row, layout.template(raw, cells)) for row, (line, raw, cells) in enumerate(pairs, first) if line != raw]


# ---- spellings


def pack_spellings(irregular: Irregular, form: ColumnForm) -> bytes:
    """Return cells of one column whose text does not follow from their values; empty if there are none."""
    if not irregular.rows:
        return b""
    codes = [_code(text, form) for text in irregular.texts]
    texts = [text for text, code in zip(irregular.texts, codes, strict=True) if not code]
    rows = _pack_rows(irregular.rows)
    return rows + write_sized(pack_integers(np.array(codes, np.int64))) + _joined(texts)


def _code(text: str, form: ColumnForm) -> int:
    """1 + the printf format that spells a cell, 0 if none does."""
    if form.kind != "float64":
        return 1 if text.startswith("+") and text[1:] == str(int(text)) else 0
    cell = text.replace(",", ".") if form.comma else text
    mantissa, letter, _ = cell.partition("E") if "E" in cell else cell.partition("e")
    decimals = len(mantissa.partition(".")[2])
    kind = "+" * cell.startswith("+") + (letter or "f")
    if kind not in _SPELLINGS or decimals >= _DECIMALS or not any(map(str.isdigit, cell)) or text.strip() != text:
        return 0
    code = 1 + _SPELLINGS.index(kind) * _DECIMALS + decimals
    return code if _spelled(code, float(cell)) == cell else 0


def _spelled(code: int, value: float) -> str:
    kind, decimals = divmod(code - 1, _DECIMALS)
    letter = _SPELLINGS[kind]
    return f"%{letter[:-1]}.{decimals}{letter[-1]}" % value


class Spellings:
    """Cells of one column with another spelling than that of their values, in order of their rows."""

    def __init__(self, data: bytes, rows: int, form: ColumnForm) -> None:
        reader = ByteReader(data, "the spellings of a column")
        self._form = form
        self._rows = np.array(_unpack_rows(reader, rows), np.int64)
        self._codes = unpack_integers(reader.sized(), len(self._rows))
        limit = 1 + len(_SPELLINGS) * _DECIMALS
        if len(self._codes) and not (self._codes.min() >= 0 and self._codes.max() < limit):
            raise FormatError(f"{_DAMAGED}: a cell has an unknown spelling")
        self._texts = _split(reader, int((self._codes == 0).sum()))
        self._text_before = np.cumsum(self._codes == 0) - (self._codes == 0)

    def apply(self, cells: list[str], values: np.ndarray, first: int) -> None:
        """Put them into the cells of the rows from `first` on."""
        start, stop = np.searchsorted(self._rows, [first, first + len(cells)])
        for place in range(int(start), int(stop)):
            row = int(self._rows[place]) - first
            code = int(self._codes[place])
            if not code:
                cells[row] = self._texts[self._text_before[place]]
            elif self._form.kind == "float64":
                text = _spelled(code, float(values[row]))
                cells[row] = text.replace(".", ",") if self._form.comma else text
            else:
                cells[row] = f"{int(values[row]):+d}"


# ---- rows and texts


def _pack_rows(rows: Sequence[int]) -> bytes:
    steps = np.diff(np.array(rows, np.int64), prepend=0)
    return write_varint(len(rows)) + write_sized(pack_integers(steps))


def _unpack_rows(reader: ByteReader, rows: int, *, repeated: bool = False) -> list[int]:
    # As many lines between rows as `TextRowStream` lets pass.
    count = reader.varint((MOST_OTHERS + rows if repeated else rows) + 1)
    steps = unpack_integers(reader.sized(), count)
    places = np.cumsum(steps)
    if count and not (places[0] >= 0 and places[-1] < rows and (steps[1:] >= (0 if repeated else 1)).all()):
        raise FormatError(f"{_DAMAGED}: it describes rows that are not there")
    return places.tolist()


def _pack_texts(items: Sequence[tuple[int, str]]) -> bytes:
    """Texts by row, each different one once."""
    known = {text: None for _, text in items}
    numbers = {text: number for number, text in enumerate(known)}
    codes = np.array([numbers[text] for _, text in items], np.int64)
    packed = write_sized(pack_integers(codes)) + write_varint(len(known)) + _joined(list(known))
    return _pack_rows([row for row, _ in items]) + packed


def _unpack_texts(reader: ByteReader, rows: int, *, repeated: bool = False) -> list[tuple[int, str]]:
    places = _unpack_rows(reader, rows, repeated=repeated)
    codes = unpack_integers(reader.sized(), len(places))
    texts = _split(reader, reader.varint(len(places) + 1))
    if len(codes) and not (codes.min() >= 0 and codes.max() < len(texts)):
        raise FormatError(f"{_DAMAGED}: a line is missing")
    return [(row, texts[code]) for row, code in zip(places, codes.tolist(), strict=True)]


def _joined(texts: Sequence[str]) -> bytes:
    return write_sized("\x1e".join(text.replace("\x1d", "\x1d0").replace("\x1e", "\x1d1") for text in texts).encode())


def _split(reader: ByteReader, count: int) -> list[str]:
    try:
        joined = reader.sized().decode()
    except UnicodeDecodeError as error:
        raise FormatError(f"{_DAMAGED}: {error}") from error
    texts = joined.split("\x1e") if count else []
    if len(texts) != count:
        raise FormatError(f"{_DAMAGED}: it holds {len(texts)} texts where {count} were expected")
    return [text.replace("\x1d1", "\x1e").replace("\x1d0", "\x1d") for text in texts]
