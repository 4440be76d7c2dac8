"""How a text table is written: encoding, comments, header, separator, quotes, line ends; found out from its beginning."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from baler_core.builtin.readers.csv_text import ENCODINGS, Lines, compression_and_encoding, open_text, parsed
from baler_core.dataset import Json
from baler_core.errors import DataError, FormatError
from baler_core.interfaces import Options

QuotingStyle = Literal["minimal", "text", "all"]
# Comma last but one: a German table has commas in all its numbers, and spaces stand in any text.
_SEPARATORS = ("\t", ";", "|", ",", " ")
_SAMPLE_LINES = 200


class CsvOptions(Options):
    """How to read a text table; what is not given is found out."""

    separator: str = Field(default="auto", description="`auto`, or the one character between cells.")
    comment: str = Field(default="auto", description="`auto` keeps leading # lines; given, such lines are skipped.")
    header: bool | Literal["auto"] = Field(default="auto", description="Whether the first row holds names.")
    quote: str = Field(default='"', max_length=1, description="Quote character; empty for none.")

    @field_validator("separator")
    @classmethod
    def _one_character(cls, value: str) -> str:
        value = {"tab": "\t", "space": " ", "comma": ",", "semicolon": ";"}.get(value, value)
        if value != "auto" and (len(value) != 1 or value in "\r\n"):
            raise ValueError("a separator is one character, or auto")
        return value


@dataclass(frozen=True)
class Dialect:
    """How a text table is written.

    Attributes
    ----------
    preamble
        Everything before the header or the first row, line ends included.
    header
        Column names as they stand in the header row; None without one.
    padding
        What follows each separator (a space, in some files).
    comment
        Lines starting so are skipped between rows; empty for none.
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
    header: list[str] | None = None
    names: list[str] = field(default_factory=list)

    def to_json(self) -> Json:
        """What differs from the defaults, for the skeleton; the names are in the schema, and the header is if it has them."""
        plain = Dialect()
        stored = {key: v for key, v in asdict(self).items() if key != "names" and v != getattr(plain, key)}
        return stored | {"header": True} if self.header == self.names else stored

    @classmethod
    def from_json(cls, stored: Json, names: Sequence[str]) -> Dialect:
        """The dialect that `to_json` stored.

        Raises
        ------
        FormatError
            If it was damaged on the way.
        """
        kinds = {f.name: list if f.name == "header" else type(f.default) for f in fields(cls) if f.name != "names"}
        if isinstance(stored, dict) and stored.get("header") is True:
            stored = stored | {"header": list(names)}
        if not isinstance(stored, dict) or any(not isinstance(v, kinds.get(k, ())) for k, v in stored.items()):
            raise FormatError("the description of a text table is damaged")
        dialect = cls(**stored)
        if dialect.encoding not in ENCODINGS:
            raise FormatError(f"a text table cannot have the encoding {dialect.encoding!r}")
        return dialect


def sniff_dialect(path: Path, options: CsvOptions, encoding: str = "") -> Dialect:
    """Find out how a text table is written from its first lines.

    Parameters
    ----------
    encoding
        Of the text; found out if empty.

    Raises
    ------
    DataError
        If the file is missing, empty, or no text.
    """
    zipped, guess = compression_and_encoding(path)
    encoding = encoding or guess
    with open_text(path, encoding, zipped=zipped) as file:
        lines = list(itertools.islice(Lines(file, "", str(path)), _SAMPLE_LINES + 10_000))
    if any("\0" in line for line in lines):
        raise DataError(f"{path}: not a text table, it holds zero bytes")
    mark = "#" if options.comment == "auto" else options.comment
    start = 0
    while start < len(lines) and (not lines[start].strip() or (mark and lines[start].startswith(mark))):
        start += 1
    body = lines[start : start + _SAMPLE_LINES]
    if not body:
        raise DataError(f"{path}: empty, there is no row in it")
    preamble = lines[:start]
    separator = options.separator if options.separator != "auto" else _likeliest_separator(body, options.quote)
    padded = separator != " " and _is_padded(body, separator, options.quote)
    first = _sample_rows(body, separator, options.quote, padded=padded)[0]
    with_header = options.header if options.header != "auto" else not any(is_number(cell) for cell in first)
    return Dialect(
        encoding=encoding,
        gzip=zipped,
        newline=body[0][len(body[0].rstrip("\r\n")) :] or "\n",
        separator=separator,
        padding=" " if padded else "",
        quote=options.quote,
        comment="" if options.comment == "auto" else options.comment,
        preamble="".join(preamble),
        header=first if with_header else None,
        names=_unique_names(first if with_header else _names_in_comment(preamble, mark, separator, len(first))),
    )


def is_number(cell: str) -> bool:
    """Whether a cell reads as a number (infinities and NaN included)."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _sample_rows(body: list[str], separator: str, quote: str, *, padded: bool = False) -> list[list[str]]:
    """Rows of the first lines; a last one that goes on behind them is left out. At least one row."""
    rows: list[list[str]] = []
    try:
        rows.extend(row for row in parsed(iter(body), separator, quote, padded=padded) if row)
    except csv.Error:
        pass
    return rows or [body[0].rstrip("\r\n").split(separator)]


def _likeliest_separator(body: list[str], quote: str) -> str:
    """The separator that gives every row the same number of cells, else the first row most."""
    widths = {separator: [len(row) for row in _sample_rows(body, separator, quote)] for separator in _SEPARATORS}
    for separator in _SEPARATORS:
        if len(set(widths[separator])) == 1 and widths[separator][0] > 1:
            return separator
    best = max(_SEPARATORS[:4], key=lambda separator: widths[separator][0])
    return best if widths[best][0] > 1 else ","


def _is_padded(body: list[str], separator: str, quote: str) -> bool:
    rows = _sample_rows([line for line in body if quote not in line or not quote] or body, separator, quote)
    return all(cell.startswith(" ") for row in rows for cell in row[1:]) and any(len(row) > 1 for row in rows)


def _names_in_comment(preamble: list[str], mark: str, separator: str, count: int) -> list[str]:
    """Names from the last comment line (NumPy's savetxt writes them there), else column0, column1, ..."""
    if preamble and mark:
        text = preamble[-1].lstrip(mark).strip()
        words = [word.strip() for word in (text.split() if separator == " " else text.split(separator))]
        if len(words) == count and len(set(words)) == count and not any(is_number(word) for word in words):
            return words
    return [f"column{index}" for index in range(count)]


def _unique_names(cells: list[str]) -> list[str]:
    names: list[str] = []
    for index, cell in enumerate(cells):
        base = name = cell.strip() or f"column{index}"
        repeat = 0
        while name in names:
            repeat += 1
            name = f"{base}.{repeat}"
        names.append(name)
    return names


def quoted(cell: str, dialect: Dialect) -> str:
    """A cell in quotes."""
    mark = dialect.quote or '"'
    return mark + cell.replace(mark, mark + mark) + mark


def written(cells: list[str], dialect: Dialect, *, text: bool) -> list[str]:
    """Cells of one column as they stand in the file, quoted where the style or their content asks for it."""
    if not dialect.quote:
        return cells
    if dialect.quoting == "all" or (text and dialect.quoting == "text"):
        return [quoted(cell, dialect) for cell in cells]
    if not text:
        return cells
    special = {dialect.separator, dialect.quote, "\r", "\n"}
    if dialect.padding or dialect.separator == " ":
        special |= {" ", "\t"}
    return [cell if special.isdisjoint(cell) else quoted(cell, dialect) for cell in cells]


def quoting_style(path: Path, dialect: Dialect, text_columns: list[bool]) -> QuotingStyle:
    """The style that writes most of the first rows as they stand in the file."""
    with open_text(path, dialect.encoding, zipped=dialect.gzip) as file:
        file.read(len(dialect.preamble))
        lines = list(itertools.islice(Lines(file, dialect.comment, str(path)), 50))
    rows = _sample_rows(lines, dialect.separator, dialect.quote, padded=bool(dialect.padding))
    columns = list(zip(*rows, strict=False))
    found = {line.rstrip("\r\n") for line in lines}

    def hits(style: QuotingStyle) -> int:
        other = replace(dialect, quoting=style)
        cells = [written(list(c), other, text=text) for c, text in zip(columns, text_columns, strict=True)]
        return sum((dialect.separator + dialect.padding).join(row) in found for row in zip(*cells, strict=True))

    styles: tuple[QuotingStyle, ...] = ("minimal", "text", "all")
    return max(styles, key=hits)
