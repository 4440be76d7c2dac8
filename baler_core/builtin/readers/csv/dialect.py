"""How a text table is written: encoding, comments, header, separator, quotes, line ends; and this as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, field, fields

from baler_core.builtin.readers.csv.layout import FIELD, QUOTING, QuotingStyle, TextLayout
from baler_core.builtin.readers.csv.text import ENCODINGS, Grammar
from baler_core.data.variables import Json
from baler_core.errors import FormatError
from baler_core.machine.records import dataclass


@dataclass(frozen=True)
class Dialect:
    """How a text table is written.

    Attributes
    ----------
    preamble
        Everything before the header or the first row, line ends included.
    header
        Column names as they stand in the header row; None without one.
    head
        The lines from the header to the first row, ends included, where they are not simply `header`: a row of units
        or dashes may follow it.
    padding
        What follows each separator (a space, in some files).
    fields
        How each cell is padded, as `TextLayout` has it; empty if none is.
    trimmed
        Whether padded lines lose the blanks at their ends.
    cuts
        Of a table of fixed width whose cells hold blanks or are empty: where each begins and ends in the line.
    comment
        Lines starting so are no rows; empty for none. Needed for reading alone.
    tabs
        Whether tabs separate like blanks do. Needed for reading alone.
    long
        Whether cells may be longer than Python's csv module takes. Needed for reading alone.
    units
        Of each column, from a row of units. Needed for reading alone.
    """

    encoding: str = "utf-8"
    gzip: bool = False
    newline: str = "\n"
    final_newline: bool = True
    separator: str = ","
    padding: str = ""
    quote: str = '"'
    quoting: QuotingStyle = "minimal"
    comment: str = ""
    preamble: str = ""
    head: str = ""
    header: list[str] | None = None
    fields: list[str] = field(default_factory=list)
    trimmed: bool = False
    names: list[str] = field(default_factory=list)
    cuts: tuple[tuple[int, int], ...] = ()
    tabs: bool = True
    long: bool = False
    units: tuple[str, ...] = ()

    def to_json(self) -> Json:
        """What differs from the defaults, for the skeleton; the names are in the schema, and the header is if it has them."""
        plain, left_out = Dialect(), ("names", "comment", "units", "cuts", "tabs", "long")
        stored = {key: v for key, v in asdict(self).items() if key not in left_out and v != getattr(plain, key)}
        return stored | {"header": True} if self.header == self.names else stored

    @classmethod
    def from_json(cls, stored: Json, names: Sequence[str]) -> Dialect:
        """Return the dialect that `to_json` stored.

        Raises
        ------
        FormatError
            If it was damaged on the way.
        """
        known = [f for f in fields(cls) if f.name not in ("names", "units", "cuts", "tabs", "long")]
        kinds = {f.name: list if f.name in ("header", "fields") else type(f.default) for f in known}
        if isinstance(stored, dict) and stored.get("header") is True:
            stored = stored | {"header": list(names)}
        if not isinstance(stored, dict) or any(not isinstance(v, kinds.get(k, ())) for k, v in stored.items()):
            raise FormatError("the description of a text table is damaged")
        dialect = cls(**stored)
        dialect._check(len(names))
        return dialect

    def _check(self, columns: int) -> None:
        """Refuse impossible dialects, which a hostile file may claim."""
        if self.encoding not in ENCODINGS:
            raise FormatError(f"a text table cannot have the encoding {self.encoding!r}")
        listed = [cell for cells in (self.header, self.fields) for cell in cells or []]
        wrong = [key for key in ("header", "fields") if getattr(self, key) and len(getattr(self, key)) != columns]
        if wrong or not all(isinstance(cell, str) for cell in listed):
            raise FormatError("the description of a text table is damaged: its columns and variables differ in number")
        if (
            self.newline not in ("\n", "\r\n", "\r")
            or self.quoting not in QUOTING
            or len(self.quote) > 1
            or len(self.separator) != 1
            or not all(map(FIELD.fullmatch, self.fields))
        ):
            raise FormatError("the description of a text table is damaged: its separators, quotes or line ends")

    @property
    def grammar(self) -> Grammar:
        """How its lines are cut into cells."""
        return Grammar(self.separator, self.quote, bool(self.padding), self.comment, self.cuts, self.tabs, self.long)

    def layout(self, text_columns: Sequence[bool]) -> TextLayout:
        """Return how its cells become lines."""
        stated = (self.quote, self.quoting, self.padding, tuple(self.fields), tuple(text_columns), self.trimmed)
        return TextLayout(self.separator, *stated)

    @property
    def stripped(self) -> list[int]:
        """The columns whose cells the layout pads with blanks, which belong to no cell."""
        if self.separator == " " or self.cuts:
            return []
        return [place for place, stated in enumerate(self.fields) if stated]
