"""Open the text of a table in any compression and encoding, and cut it into lines and rows."""

from __future__ import annotations

import codecs
import csv
import gzip
import itertools
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import field, replace
from functools import partial
from pathlib import Path
from typing import IO

from baler_core.builtin.readers.csv.bulk import BulkRows, plain_rows
from baler_core.builtin.readers.csv.split import is_too_long, split_cells
from baler_core.errors import DataError, UnsuitedError
from baler_core.machine.cached import cached_property
from baler_core.machine.records import dataclass

# Gives every byte a character, so that any text comes back the same.
FALLBACK_ENCODING = "latin-1"
# Those of 16 bits have a mark of their order in front, `utf-16` the one of the smaller byte first.
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-be", FALLBACK_ENCODING)
MARKS = {"utf-16": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}
LONGEST_LINE = 1 << 24
# A line that rules off others: dashes, and what stands between columns.
RULE = re.compile(r"[-=+|:;, \t]*[-=]{3}[-=+|:;, \t]*")
# More lines than there are rows that are no rows, and this is no table.
MOST_OTHERS = 1 << 20


def compression_and_encoding(path: Path) -> tuple[bool, str]:
    """Return whether a file is gzip-compressed, and the encoding of its text by its beginning."""
    try:
        with path.open("rb") as raw:
            zipped = raw.read(2) == b"\x1f\x8b"
        with gzip.open(path) if zipped else path.open("rb") as file:
            sample = file.read(1 << 16)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    if sample.startswith(b"\xef\xbb\xbf"):
        return zipped, "utf-8-sig"
    for encoding, mark in MARKS.items():
        if sample.startswith(mark):
            return zipped, encoding
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return zipped, FALLBACK_ENCODING
    return zipped, "utf-8"


@contextmanager
def open_text(path: Path, encoding: str, *, zipped: bool) -> Iterator[IO[str]]:
    """The text of a file, line ends untouched; foreign errors become DataErrors.

    Raises
    ------
    DataError
        If the file cannot be read, or its compression is damaged.
    """
    encoding = "utf-16" if encoding in MARKS else encoding  # which passes over the mark
    try:
        if zipped:
            with gzip.open(path, "rt", encoding=encoding, newline="") as file:
                yield file
        else:
            with path.open(encoding=encoding, newline="") as file:
                yield file
    except UnicodeError:
        raise
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error


@dataclass(frozen=True)
class Grammar:
    """How lines are cut into cells.

    Attributes
    ----------
    separator
        The character between cells; a blank stands for any run of blanks.
    padded
        Whether blanks behind separators belong to no cell.
    comment
        Lines that start so are no rows; empty for none.
    cuts
        Of a table of fixed width: where each cell begins and ends in the line. Nothing else counts then.
    tabs
        Whether tabs separate like blanks do.
    long
        Whether cells may be longer than Python's csv module takes.
    """

    separator: str
    quote: str = '"'
    padded: bool = False
    comment: str = ""
    cuts: tuple[tuple[int, int], ...] = ()
    tabs: bool = True
    long: bool = False

    @property
    def any_blanks(self) -> bool:
        """Whether any run of blanks and tabs separates cells."""
        return self.separator == " " and self.tabs


@dataclass
class TextRows:
    """Some rows in a row, and what stands between them.

    Attributes
    ----------
    raws
        The text of each row, line end included.
    numbers
        The line of the file in which each row begins, counted from 1.
    others
        `(place among the rows, line)`: blank lines, comments, and lines with another number of cells.
    ragged
        The last of these: `(number of the line, its cells)`.
    plain
        Whether there is known to be no quote in them.
    bulk
        The same rows with their cells found and not yet read, if they are plain enough.
    split
        Gives the cells of each row, all of the same number.
    """

    raws: list[str]
    numbers: Sequence[int]
    others: list[tuple[int, str]] = field(default_factory=list)
    ragged: list[tuple[int, int]] = field(default_factory=list)
    plain: bool = False
    bulk: BulkRows | None = None
    split: Callable[[], list[list[str]]] = list

    @cached_property
    def cells(self) -> list[list[str]]:
        """The cells of each row."""
        return self.split()

    def has(self, quote: str) -> bool:
        """Return whether there may be quotes in the rows."""
        return bool(quote) and not self.plain


def lines_of(file: IO[str], where: str) -> Iterator[str]:
    """Return the lines of a text, ends included, as they are read.

    Raises
    ------
    DataError
        If one is so long that this is no table.
    """
    return itertools.chain.from_iterable(_batches_of_lines(file, where))


def _batches_of_lines(file: IO[str], where: str) -> Iterator[list[str]]:
    while batch := list(itertools.islice(iter(partial(file.readline, LONGEST_LINE), ""), 1024)):
        if max(map(len, batch)) >= LONGEST_LINE:
            raise UnsuitedError(f"{where}: not a text table, it has a line of more than {LONGEST_LINE} characters")
        yield batch


def body(line: str) -> str:
    """Return a line without its end, of which there is one at most."""
    if line.endswith("\r\n"):
        return line[:-2]
    return line[:-1] if line.endswith(("\n", "\r")) else line


class TextRowStream:
    """The rows of a table, batch by batch.

    Parameters
    ----------
    lines
        From the first row on.
    number
        How many lines stand before them.
    width
        How many cells a row has.
    """

    def __init__(self, lines: Iterator[str], grammar: Grammar, width: int, number: int, where: str) -> None:
        self._lines, self._grammar, self._width, self._where = lines, grammar, width, where
        self.number = number

    def batches(self, count: int) -> Iterator[TextRows]:
        """Yield rows in batches of about `count` lines.

        Raises
        ------
        DataError
            If quotes do not match; the message names the line.
        csv.Error
            If a cell is longer than the csv module takes, and the grammar does not say `long`.
        """
        while lines := list(itertools.islice(self._lines, count)):
            yield self._plain(lines) or self._careful(lines)

    def _plain(self, lines: list[str]) -> TextRows | None:
        """The rows of lines that hold nothing but rows, and no quotes; None if they hold anything else."""
        grammar = self._grammar
        first = self.number + 1
        if not (grammar.cuts or grammar.padded or grammar.separator in " \t"):
            bulk = plain_rows(lines, grammar.separator, grammar.quote, grammar.comment, self._width)
            if bulk is not None:
                self.number += len(lines)
                numbers = range(first, self.number + 1)
                return TextRows(lines, numbers, plain=True, bulk=bulk, split=partial(split_plain, lines, grammar))
        text = "".join(lines)
        if grammar.quote and grammar.quote in text:
            return None
        mark = grammar.comment
        if mark and (text.startswith(mark) or "\n" + mark in text or "\r" + mark in text):
            return None
        try:
            cells = split_plain(lines, grammar)
        except csv.Error:
            return None
        if set(map(len, cells)) != {self._width} or len(cells) != len(lines):
            return None
        self.number += len(lines)
        return TextRows(lines, range(first, self.number + 1), plain=True, split=lambda: cells)

    def _careful(self, lines: list[str]) -> TextRows:
        """The same for any lines; more are read where a row goes on behind them."""
        rows: list[list[str]] = []
        found = TextRows([], numbers := [], split=lambda: rows)
        raw: list[str] = []

        def feed() -> Iterator[str]:
            for line in itertools.chain(lines, self._lines):
                self.number += 1
                if not raw and self._is_other(line):
                    found.others.append((len(rows), line))
                else:
                    raw.append(line)
                    yield line
                # The caller has emptied `raw` by now if the row is complete.
                if self.number - start >= len(lines) and not raw:
                    return

        start = self.number
        try:
            for cells in split(feed(), self._grammar):
                text, first = "".join(raw), self.number - len(raw) + 1
                raw.clear()
                if len(cells) == self._width:
                    rows.append(cells)
                    found.raws.append(text)
                    numbers.append(first)
                else:
                    found.others.append((len(rows), text))
                    if not text.startswith("#") and not RULE.fullmatch(body(text)):
                        found.ragged.append((first, len(cells)))
        except csv.Error as error:
            if is_too_long(error):
                raise
            first = self.number - len(raw) + 1
            raise UnsuitedError(
                f"{self._where}:{first}: not a row of a table ({error}). If quotes have no meaning in this file, "
                "add the reader option quote: ''"
            ) from error
        return found

    def _is_other(self, line: str) -> bool:
        if self._grammar.comment and line.startswith(self._grammar.comment):
            return True
        return not line.strip(" \r\n" if self._grammar.separator != " " else None)


def split_plain(lines: Sequence[str], grammar: Grammar) -> list[list[str]]:
    """Return cells of lines without quotes."""
    if grammar.cuts:
        return [_cut(line, grammar) for line in lines]
    # Python splits at more than blanks and tabs.
    if grammar.any_blanks and all(map(str.isascii, lines)):
        return list(map(str.split, lines))
    return list(split(iter(lines), replace(grammar, quote="")))


def split(lines: Iterator[str], grammar: Grammar) -> Iterator[list[str]]:
    """Return cells of lines, of which quotes may join several; a `csv.Error` where quotes do not match."""
    if grammar.cuts:
        return (_cut(line, grammar) for line in lines)
    if grammar.separator == " ":
        lines = (_stripped(line, grammar) for line in lines)
    padded = grammar.padded or grammar.separator == " "
    return split_cells(lines, separator=grammar.separator, quote=grammar.quote, padded=padded, long=grammar.long)


def _stripped(line: str, grammar: Grammar) -> str:
    """A line without the blanks around it, tabs as blanks; what stands in quotes that go on behind it stays."""
    if grammar.quote and grammar.quote in line:
        return line.strip(" \r\n") if line.count(grammar.quote) % 2 == 0 else line.strip(" ")
    return (line.replace("\t", " ") if grammar.tabs else line).strip(" \r\n")


def _cut(line: str, grammar: Grammar) -> list[str]:
    text = line.rstrip("\r\n")
    last = grammar.cuts[-1][1]
    between = [text[end:start] for (_, end), (start, _) in itertools.pairwise(grammar.cuts)]
    outside = [text[: grammar.cuts[0][0]], *between, text[last:]]
    if any(map(str.strip, outside)):
        return []
    return [text[start:end].strip() for start, end in grammar.cuts]
