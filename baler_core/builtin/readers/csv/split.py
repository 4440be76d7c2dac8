"""Split lines of a text table into cells: by Python's csv module, or by the same rules for longer cells."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import field

from baler_core.machine.records import dataclass

# Longer cells are an error of the csv module, whose limit is one for the whole process and so is left alone.
LONGEST_CELL = 131_072


def split_cells(
    lines: Iterator[str], *, separator: str, quote: str, padded: bool, long: bool = False
) -> Iterator[list[str]]:
    """Return the cells of each row; several lines make one where quotes join them.

    Parameters
    ----------
    padded
        Whether blanks behind separators belong to no cell.
    long
        Whether cells may be longer than `LONGEST_CELL`, which takes more time.

    Raises
    ------
    csv.Error
        If quotes do not match, or a cell is longer.
    """
    if long:
        return _split_long(lines, separator, quote, padded)
    return csv.reader(
        lines,
        delimiter=separator,
        quotechar=quote or None,
        quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
        skipinitialspace=padded,
        strict=True,
    )


def is_too_long(error: csv.Error) -> bool:
    """Return whether an error of the csv module means that a cell is longer than its limit."""
    return "field larger than" in str(error)


@dataclass
class _Row:
    """A row being read: its cells, and the parts of a quoted cell that goes on in the next line."""

    cells: list[str] = field(default_factory=list)
    open: list[str] | None = None


def _split_long(lines: Iterator[str], separator: str, quote: str, padded: bool) -> Iterator[list[str]]:
    row = _Row()
    for line in lines:
        text = line.rstrip("\r\n")
        _read_line(row, line, text, separator, quote, padded)
        if row.open is None:
            yield row.cells
            row = _Row()
    if row.open is not None:
        raise csv.Error("unexpected end of data")


def _read_line(row: _Row, line: str, text: str, separator: str, quote: str, padded: bool) -> None:
    """Take the cells of a line; leaves `row.open` where its last one goes on."""
    place = 0
    if row.open is None and not text:
        return
    while True:
        if row.open is None:
            while padded and place < len(text) and text[place] == " ":
                place += 1
            if not (quote and text.startswith(quote, place)):
                end = text.find(separator, place)
                row.cells.append(text[place:] if end < 0 else text[place:end])
                if end < 0:
                    return
                place = end + 1
                continue
            row.open, place = [], place + 1
        closed = _read_quoted(row.open, line, place, quote)
        if closed is None:
            return
        row.cells.append("".join(row.open))
        row.open = None
        if closed >= len(text):
            return
        if text[closed] != separator:
            raise csv.Error(f"{separator!r} expected after {quote!r}")
        place = closed + 1


def _read_quoted(parts: list[str], line: str, place: int, quote: str) -> int | None:
    """Where a quoted cell ends, its content in `parts`; None if it goes on behind this line."""
    while (end := line.find(quote, place)) >= 0:
        parts.append(line[place:end])
        if not line.startswith(quote, end + 1):
            return end + 1
        parts.append(quote)
        place = end + 2
    parts.append(line[place:])
    return None
