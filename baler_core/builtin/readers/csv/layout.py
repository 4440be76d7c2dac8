"""Cells of a text table to its lines: quotes, alignment, separators; and what single lines have of their own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from baler_core.errors import FormatError
from baler_core.machine.cached import cached_property
from baler_core.machine.records import dataclass

QuotingStyle = Literal["minimal", "text", "all"]
QUOTING: tuple[QuotingStyle, ...] = ("minimal", "text", "all")
# Blanks before, alignment and width, a blank behind.
FIELD = re.compile(r"( {0,999})(?:([<>])(\d{1,4}))?( ?)")
# Where a cell stands in a template: bare, or in quotes. No table holds a zero byte.
_BARE, _QUOTED = "\0u", "\0q"


@dataclass(frozen=True)
class TextLayout:
    """How the lines of a table are put together from cells.

    Attributes
    ----------
    separator
        What stands between cells; a blank for tables in which blanks separate.
    fields
        How each cell is padded: `>8` right-aligned in eight characters, `<8` left-aligned, with a blank before or
        behind that belongs to all; empty for no padding. No fields: none is padded.
    text
        Which columns hold text.
    trimmed
        Whether no line ends with a blank.
    """

    separator: str
    quote: str
    quoting: QuotingStyle
    padding: str
    fields: tuple[str, ...]
    text: tuple[bool, ...]
    trimmed: bool = False

    @property
    def blank(self) -> bool:
        """Whether blanks separate the cells."""
        return self.separator == " "

    @cached_property
    def between(self) -> str:
        """What stands between two cells."""
        return "" if self.blank and self.fields else self.separator + self.padding

    def lines(self, columns: Sequence[Sequence[str]]) -> list[str]:
        """Return the lines of some rows, without line ends.

        Parameters
        ----------
        columns
            The cells of each column, as many in each.
        """
        written = [self.written(cells, place) for place, cells in enumerate(columns)]
        if self.fields:
            written = [self._padded(cells, place) for place, cells in enumerate(written)]
        lines = list(map(self.between.join, zip(*written, strict=True)))
        return [line.rstrip(" ") for line in lines] if self.trimmed else lines

    def written(self, cells: Sequence[str], place: int) -> Sequence[str]:
        """Return cells of one column, quoted where the style or their content asks for it."""
        if not self.quote:
            return cells
        if self.quoting == "all" or (self.text[place] and self.quoting == "text"):
            return [quoted(cell, self.quote) for cell in cells]
        alone = len(self.text) == 1
        if not self.text[place] and not self.blank and not alone:
            return cells
        if alone or self.blank:
            # An empty line would be no row, and an empty cell between blanks no cell.
            cells = [cell or self.quote * 2 for cell in cells]
        return self._minimal_all(cells)

    def _minimal_all(self, cells: Sequence[str]) -> Sequence[str]:
        joined = "".join(cells)
        if not any(mark in joined for mark in self._special):
            return cells
        return [self._minimal(cell) for cell in cells]

    def _minimal(self, cell: str) -> str:
        if self._special.isdisjoint(cell) or cell == self.quote * 2:
            return cell
        return quoted(cell, self.quote)

    @cached_property
    def _special(self) -> frozenset[str]:
        special = {self.separator, self.quote, "\r", "\n"}
        return frozenset(special | {" ", "\t"} if self.padding or self.blank else special)

    def _padded(self, cells: Sequence[str], place: int) -> Sequence[str]:
        before, side, width, behind = _field(self.fields[place])
        if self.blank:
            # Cells that are too long for their place still stand apart.
            lead = " " * (place > 0)
            trail = " " * (place + 1 < len(self.fields) and self.fields[place + 1].startswith("<"))
            if side == ">":
                return [(lead + cell).rjust(width) + behind for cell in cells]
            return [before + (cell + trail).ljust(width) for cell in cells]
        if side == ">":
            cells = [cell.rjust(width) for cell in cells]
        elif side == "<":
            cells = [cell.ljust(width) for cell in cells]
        return [before + cell + behind for cell in cells] if before or behind else cells

    # ---- single lines

    def template(self, line: str, cells: Sequence[str]) -> str:
        """Return the text around the cells of a line; the line itself if that is unknown."""
        found, position = [], 0
        for place, cell in enumerate(cells):
            start = position
            while position < len(line) and line[position] == " " and not line.startswith(cell or "\0", position):
                position += 1
            found.append(line[start:position])
            inside = quoted(cell, self.quote) if self.quote else "\0"
            if line.startswith(inside, position):
                found.append(_QUOTED)
                position += len(inside)
            elif line.startswith(cell, position):
                found.append(_BARE)
                position += len(cell)
            else:
                return line
            start = position
            while position < len(line) and line[position] in " \t" and line[position] != self.separator:
                position += 1
            if place + 1 < len(cells):
                if self.blank:
                    while position < len(line) and line[position] in " \t":
                        position += 1
                elif line.startswith(self.separator, position):
                    position += 1
                else:
                    return line
            found.append(line[start:position])
        found.append(line[position:])
        made = "".join(found)
        return made if fill_template(made, cells, self.quote) == line else line


def fill_template(template: str, cells: Sequence[str], quote: str) -> str:
    """Return the line that a template makes of cells.

    Raises
    ------
    FormatError
        If it has not as many places as there are cells, nor none.
    """
    parts = template.split("\0")
    if len(parts) == 1:
        return template
    if len(parts) != len(cells) + 1 or not all(part[:1] in ("u", "q") for part in parts[1:]):
        raise FormatError("the description of a text table is damaged: a line does not have its columns")
    filled = [parts[0]]
    for cell, part in zip(cells, parts[1:], strict=True):
        filled += [quoted(cell, quote or '"') if part[0] == "q" else cell, part[1:]]
    return "".join(filled)


def _field(stated: str) -> tuple[str, str, int, str]:
    found = FIELD.fullmatch(stated)
    if found is None:
        raise FormatError(f"the description of a text table is damaged: {stated!r} is not a field")
    before, side, width, behind = found.groups()
    return before, side or "", int(width or 0), behind


def quoted(cell: str, mark: str) -> str:
    """Return a cell in quotes."""
    return mark + cell.replace(mark, mark + mark) + mark
