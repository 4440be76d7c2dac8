"""Detect the dialect of a text table from its beginning."""

from __future__ import annotations

import csv
import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from baler_core.builtin.readers.csv.alignment import alignments, fixed_cuts
from baler_core.builtin.readers.csv.described import DescribedTable, described
from baler_core.builtin.readers.csv.dialect import Dialect
from baler_core.builtin.readers.csv.layout import QUOTING, QuotingStyle
from baler_core.builtin.readers.csv.numbers import is_decimal_comma, is_missing, is_number
from baler_core.builtin.readers.csv.options import CsvOptions
from baler_core.builtin.readers.csv.text import (
    RULE,
    Grammar,
    body,
    compression_and_encoding,
    lines_of,
    open_text,
    split,
)
from baler_core.errors import UnsuitedError

# Comma last but one: a German table has commas in all its numbers, and spaces stand in any text.
_SEPARATORS = ("\t", ";", "|", ",", " ")
_SAMPLE_LINES = 200
_LONGEST_PREAMBLE = 10_000
# Lines before the table that are no comments: a title, the names of an instrument.
_LONGEST_TITLE = 50
# Comment lines above the first row that may hold names: below them units may stand, and a rule.
_NAMING = 3
_UNIT = re.compile(r"[\[(]?[^\W\d_][\w°µ%*/^.\-+() ]{0,23}[\])]?|[\[(]?[%°][\])]?|1/\w+|10\^?\*?\*?[-+\d]+ ?\w*")


def sniff_dialect(path: Path, options: CsvOptions, encoding: str = "", *, long: bool = False) -> Dialect:
    """Find out how a text table is written from its first lines.

    Parameters
    ----------
    encoding
        Of the text; found out if empty.
    long
        Whether cells may be longer than Python's csv module takes.

    Raises
    ------
    DataError
        If the file is missing, empty, or no text.
    """
    zipped, guess = compression_and_encoding(path)
    encoding = encoding or guess
    with open_text(path, encoding, zipped=zipped) as file:
        lines = list(itertools.islice(lines_of(file, str(path)), _SAMPLE_LINES + _LONGEST_PREAMBLE))
    if any("\0" in line for line in lines):
        raise UnsuitedError(f"{path}: not a text table, it holds zero bytes")
    if options.separator == "auto" and options.header == "auto" and (said := described(lines)):
        return replace(_described_dialect(lines, said, path), encoding=encoding, gzip=zipped)
    mark = "#" if options.comment == "auto" else options.comment
    start = _first_row(lines, 0, mark)
    if start == len(lines):
        raise UnsuitedError(f"{path}: empty, it has no rows")
    sample = _rows_behind(lines, start, mark)
    grammar = _grammar(sample, options, lines[:start], mark, long)
    start = _first_row(lines, start + _title_lines(lines[start:], grammar), mark)
    if options.comment == "auto" and not any(_starts(line, mark) for line in lines[:start]):
        # Rows may begin with a hash where no comment does, unless they begin with numbers.
        first = [row[0] for row in sample_rows(sample, grammar)[1:]]
        grammar = replace(grammar, comment=mark if first and all(map(is_number, first)) else "")
    dialect = replace(_plain_dialect(lines, start, grammar), encoding=encoding, gzip=zipped)
    found = _with_head(
        _with_padding(dialect, _rows_behind(lines, start, grammar.comment)), lines[start:], options, mark
    )
    return found if len(found.fields) in (0, len(found.names)) else replace(found, fields=[], trimmed=False)


def _described_dialect(lines: Sequence[str], said: DescribedTable, path: Path) -> Dialect:
    """Return the dialect of a table of fixed width whose header tells where its columns stand."""
    rows = [line for line in lines[said.lines : said.lines + _SAMPLE_LINES] if line.strip()]
    if not rows:
        raise UnsuitedError(f"{path}: empty, it has no rows")
    dialect = _plain_dialect(lines, said.lines, Grammar(" ", "", cuts=said.cuts))
    fields = alignments(rows, "", cuts=said.cuts)
    return _trimmed(replace(dialect, names=list(said.names), fields=fields, units=said.units), ["", *rows])


def _plain_dialect(lines: Sequence[str], start: int, grammar: Grammar) -> Dialect:
    """Return the dialect of a table that begins with line `start`, without what its header says."""
    return Dialect(
        newline=lines[start][len(body(lines[start])) :] or "\n",
        separator=grammar.separator,
        quote=grammar.quote,
        comment=grammar.comment,
        tabs=grammar.tabs,
        long=grammar.long,
        preamble="".join(lines[:start]),
        cuts=grammar.cuts,
    )


def _rows_behind(lines: Sequence[str], start: int, mark: str) -> list[str]:
    """Return the first lines from `start` on that are neither blank nor comments."""
    return [line for line in lines[start : start + _SAMPLE_LINES] if line.strip() and not _starts(line, mark)]


def _starts(line: str, mark: str) -> bool:
    return bool(mark) and line.startswith(mark)


def _first_row(lines: Sequence[str], start: int, mark: str) -> int:
    while start < len(lines) and (not lines[start].strip() or _starts(lines[start], mark)):
        start += 1
    return start


# ---- separators


def sample_rows(lines: Sequence[str], grammar: Grammar) -> list[list[str]]:
    """Return rows of the first lines; a last one that goes on behind them is left out. At least one row."""
    rows: list[list[str]] = []
    try:
        rows.extend(row for row in split(iter(lines), grammar) if row)
    except csv.Error:
        pass
    return rows or [body(lines[0]).split(grammar.separator)]


def _grammar(sample: list[str], options: CsvOptions, preamble: Sequence[str], mark: str, long: bool) -> Grammar:
    # ECSV has exactly one blank between cells, in which tabs may stand.
    plain = Grammar(",", options.quote, comment=mark, tabs=not any("%ECSV" in line for line in preamble[:5]))
    plain = replace(plain, long=long)
    if options.separator != "auto":
        return replace(plain, separator=options.separator)
    widths = {s: [len(row) for row in sample_rows(sample, replace(plain, separator=s))] for s in _SEPARATORS}
    for separator in _SEPARATORS:
        # Rows end where quotes stand in the midst of cells: the header alone says nothing.
        enough = len(widths[separator]) > 1 or len(sample) == 1
        if len(set(widths[separator])) == 1 and widths[separator][0] > 1 and enough:
            return replace(plain, separator=separator)
    for separator in _SEPARATORS:
        width, count = Counter(widths[separator]).most_common(1)[0]
        if width > 1 and count >= 0.9 * len(widths[separator]) and count > 1:
            return replace(plain, separator=separator)
    if cuts := fixed_cuts(sample[_behind_rule(sample) :]):
        return replace(plain, separator=" ", quote="", cuts=cuts)
    best = max(_SEPARATORS[:4], key=lambda separator: widths[separator][0])
    return replace(plain, separator=best if widths[best][0] > 1 else ",")


def _behind_rule(lines: Sequence[str]) -> int:
    """Where the lines behind an unbroken rule begin: a description ends with one where columns have no names."""
    rules = [place for place, line in enumerate(lines) if len(set(line.strip())) == 1 and RULE.fullmatch(body(line))]
    return rules[-1] + 1 if rules and rules[-1] < _LONGEST_TITLE else 0


def _title_lines(lines: Sequence[str], grammar: Grammar) -> int:
    """How many of the first lines have other numbers of cells than the rows behind them."""
    sample = [line for line in lines[:_SAMPLE_LINES] if line.strip()]
    if grammar.quote and any(line.count(grammar.quote) % 2 for line in sample):  # rows may go on in other lines
        sample = [line for line in sample if grammar.quote not in line[:1]]
    if not sample or grammar.cuts:
        return _behind_rule(lines[:_SAMPLE_LINES])
    widths = [len(row) for row in sample_rows(sample, grammar)]
    usual, count = Counter(widths).most_common(1)[0]
    if usual < 2 or count < 0.9 * len(widths) or count < 3:
        return 0
    for place, line in enumerate(lines[:_LONGEST_TITLE]):
        if grammar.quote and line.count(grammar.quote) % 2:
            return 0
        if line.strip() and len(sample_rows([line], grammar)[0]) == usual:
            return place
    return 0


# ---- header


def _with_padding(dialect: Dialect, lines: Sequence[str]) -> Dialect:
    if dialect.separator == " " and not dialect.cuts:
        return _trimmed(replace(dialect, fields=alignments(lines[1:] or lines, dialect.quote)), lines)
    rows = sample_rows(
        [line for line in lines if dialect.quote not in line or not dialect.quote] or lines, dialect.grammar
    )
    if dialect.cuts:
        return _trimmed(replace(dialect, fields=alignments(lines[1:], "", cuts=dialect.cuts)), lines)
    if _blank_behind_separators(rows):
        return replace(dialect, padding=" ")
    width = Counter(map(len, rows)).most_common(1)[0][0]
    table = [row for row in rows if len(row) == width]
    # The header and what stands under it are often padded otherwise.
    table = table[3:] if len(table) > 6 else table[1:] or table
    stated = alignments([], "", columns=[list(cells) for cells in zip(*table, strict=True)])
    return replace(dialect, fields=stated)


def _trimmed(dialect: Dialect, lines: Sequence[str]) -> Dialect:
    return replace(dialect, trimmed=bool(dialect.fields) and not any(body(line).endswith(" ") for line in lines[1:]))


def _blank_behind_separators(rows: Sequence[Sequence[str]]) -> bool:
    """Whether one blank follows each separator, and no other stands around a cell."""
    behind = [cell for row in rows for cell in row[1:]]
    single = all(cell[:1] == " " and cell[1:].strip() == cell[1:] for cell in behind)
    return bool(behind) and single and all(row[0].strip() == row[0] for row in rows)


def _with_head(dialect: Dialect, lines: Sequence[str], options: CsvOptions, mark: str) -> Dialect:
    """The dialect with names, and the lines of header, units and dashes."""
    used, first = _next_row(lines, 0, dialect)
    if options.header is False or (options.header == "auto" and _has_number(first, dialect)):
        names = _names_in_comment(dialect.preamble.splitlines(), mark, dialect.separator, len(first))
        return replace(dialect, names=names)
    header = [cell.strip() for cell in first] if dialect.fields or dialect.cuts else first
    after, units = _under(lines, used, len(first), dialect)
    head = "".join(lines[:after])
    names = _unique_names(header)
    return replace(dialect, header=header, names=names, head=head, units=tuple(units))


def _next_row(lines: Sequence[str], start: int, dialect: Dialect) -> tuple[int, list[str]]:
    """Where the row that begins at `start` ends, and its cells."""
    for stop in range(start + 1, min(len(lines), start + 50) + 1):
        try:
            return stop, next(iter(split(iter(lines[start:stop]), dialect.grammar)), [])
        except csv.Error:
            continue
    return start + 1, sample_rows(lines[start : start + 1], dialect.grammar)[0]


def _has_number(cells: Sequence[str], dialect: Dialect) -> bool:
    return any(is_number(cell) or (dialect.separator != "," and is_decimal_comma(cell)) for cell in cells)


def _under(lines: Sequence[str], start: int, width: int, dialect: Dialect) -> tuple[int, list[str]]:
    """Where the first row begins behind a header, and the units of the columns if a row of units stands there."""
    after = start
    rows: list[tuple[int, list[str]]] = []
    while after < len(lines) and len(rows) < 30:
        after, cells = _next_row(lines, after, dialect)
        rows.append((after, cells))
    for place in (0, 1):
        if len(rows) > place and _is_rule(lines[rows[place - 1][0] if place else start], rows[place][1], width):
            units = rows[0][1] if place and len(rows[0][1]) == width else []
            return rows[place][0], [cell.strip() for cell in units]
    for last in (1, 0):  # data loggers write a row of kinds under that of units: Avg, Smp
        head, below = rows[: last + 1], [cells for _, cells in rows[last + 1 :]]
        if len(below) < 2 or (last and _has_number([cell for cell in rows[1][1] if not is_missing(cell)], dialect)):
            continue
        if all(_is_units(cells, below, dialect) for _, cells in head):
            return rows[last][0], [cell.strip() for cell in rows[0][1]]
    return start, []


def _is_rule(line: str, cells: Sequence[str], width: int) -> bool:
    """Whether a line rules off a header; `---` alone may stand for a missing value."""
    if not RULE.fullmatch(body(line)):
        return False
    return len(cells) != width or any(len(cell.strip()) > 3 for cell in cells) or "|-" in line


def _is_units(cells: Sequence[str], rows: Sequence[Sequence[str]], dialect: Dialect) -> bool:
    """Whether a row holds units: above numbers it has none, and in all their columns something like a unit or nothing."""
    rows = [row for row in rows if len(row) == len(cells)]
    found = 0
    for place, cell in enumerate(cells):
        present = [row[place] for row in rows if not is_missing(row[place])]
        if len(present) < 2 or not all(_has_number([value], dialect) for value in present):
            continue
        if is_missing(cell):
            continue
        if not _UNIT.fullmatch(cell.strip()) or _has_number([cell], dialect):
            return False
        found += 1
    return found > 0


def _names_in_comment(preamble: list[str], mark: str, separator: str, count: int) -> list[str]:
    """Names from one of the last comment lines (NumPy's savetxt writes them there), else column0, column1, ...

    Units may stand below them. The header of R, which is no comment, has no name for the names of rows.
    """
    for line in reversed(preamble[-_NAMING:] if mark else []):
        is_comment = line.startswith(mark)
        text = line.lstrip(mark).strip()
        words = [word.strip().strip('"') for word in (text.split() if separator == " " else text.split(separator))]
        named = count if is_comment else count - 1
        are_units = all(re.fullmatch(r"[(\[].*[)\]]|-+", word) for word in words)
        if len(words) == named and not are_units and not any(is_number(word) for word in words):
            names = words if is_comment else ["column0", *words]
            if len(set(names)) == count:
                return names
        if not is_comment:
            break
    return [f"column{index}" for index in range(count)]


def _unique_names(cells: list[str]) -> list[str]:
    names: list[str] = []
    taken: set[str] = set()
    for index, cell in enumerate(cells):
        base = name = cell.strip() or f"column{index}"
        repeat = 0
        while name in taken:
            repeat += 1
            name = f"{base}.{repeat}"
        names.append(name)
        taken.add(name)
    return names


def quoting_style(lines: Sequence[str], dialect: Dialect, text_columns: Sequence[bool]) -> QuotingStyle:
    """Return the style that writes most of some lines as they stand in the file."""
    rows = [row for row in sample_rows(lines, dialect.grammar) if len(row) == len(text_columns)] if lines else []
    if not rows or not dialect.quote or dialect.quote not in "".join(lines):
        return "minimal"
    found = set(map(body, lines))

    def hits(style: QuotingStyle) -> int:
        layout = replace(dialect, quoting=style).layout(text_columns)
        return sum(line in found for line in layout.lines(list(zip(*rows, strict=True))))

    return max(QUOTING, key=hits)
