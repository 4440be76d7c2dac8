"""Write a text table in its original form: cells from values, lines from cells, and the stored rest."""

from __future__ import annotations

import gzip
import io
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

from baler_core.builtin.readers.csv.columns import ColumnForm
from baler_core.builtin.readers.csv.dialect import Dialect
from baler_core.builtin.readers.csv.side import Beside, BesideWriter, Spellings
from baler_core.builtin.readers.csv.source import CELLS, LINES, ROW
from baler_core.builtin.readers.csv.text import MARKS
from baler_core.data.block import values_of
from baler_core.data.variables import Schema
from baler_core.entropy.varint import ByteReader
from baler_core.errors import DataError, FormatError
from baler_core.plugin.reading import Cut, Sink

if TYPE_CHECKING:
    from baler_core.data.block import Block

_WRITE_ROWS = 16384


class CsvSink(Sink):
    """A text table being written."""

    def __init__(self, path: Path, schema: Schema) -> None:
        rows = _rows_of(schema)
        self._dialect = Dialect.from_json(schema.skeleton.get("dialect"), schema.names)
        self._columns = _forms(schema)
        self._spellings = _spellings(schema, self._columns, rows)
        beside = Beside.from_bytes(schema.attachments.get(LINES, b""), rows)
        self._beside = BesideWriter(beside, self._dialect.quote)
        self._layout = self._dialect.layout([form.kind == "text" for form in self._columns.values()])
        self._rows, self._next = rows, 0
        self._raw = path.open("wb")
        # No name and no date inside: the same values give the same file.
        zipped = gzip.GzipFile("", "wb", fileobj=self._raw, mtime=0) if self._dialect.gzip else None
        encoding = self._dialect.encoding
        if encoding in MARKS:  # which Python chooses by the machine
            (zipped or self._raw).write(MARKS[encoding])
            encoding = "utf-16-le" if encoding == "utf-16" else encoding
        self._file: IO[str] = io.TextIOWrapper(zipped or self._raw, encoding=encoding, newline="")
        self._put(self._dialect.preamble + self._head())

    def _head(self) -> str:
        dialect = self._dialect
        if dialect.head or dialect.header is None:
            return dialect.head
        plain = dialect.layout([True] * len(dialect.header)).lines([[cell] for cell in dialect.header])
        # The file may end with it.
        return plain[0] + dialect.newline * (self._rows > 0 or dialect.final_newline)

    def _put(self, text: str) -> None:
        try:
            self._file.write(text)
        except UnicodeEncodeError as error:
            raise FormatError(f"the text of a table cannot be written as {self._dialect.encoding}: {error}") from error

    def write(self, block: Block) -> None:
        """Append the rows of a block."""
        rows = block.sizes[ROW]
        for start in range(0, rows, _WRITE_ROWS):
            part = slice(start, min(start + _WRITE_ROWS, rows))
            columns = []
            for name, form in self._columns.items():
                values = values_of(block, name)[part]
                cells = form.cells(values)
                if name in self._spellings:
                    self._spellings[name].apply(cells, values, self._next)
                columns.append(cells)
            lines = self._layout.lines(columns)
            text = self._beside.text(self._next, lines, columns, self._dialect.newline)
            self._next += len(lines)
            if self._next == self._rows and not self._dialect.final_newline:
                text = text.removesuffix(self._dialect.newline)
            self._put(text)

    def close(self) -> None:
        """Complete the file."""
        self._put(self._beside.rest())
        self._file.close()
        self._raw.close()

    def abort(self) -> None:
        """Release the file."""
        self._file.close()
        self._raw.close()


def _rows_of(schema: Schema) -> int:
    if not schema.variables or any(v.dims != (ROW,) for v in schema.variables):
        raise FormatError("a text table has columns of one length, and nothing else")
    return schema.sizes[ROW]


def _forms(schema: Schema) -> dict[str, ColumnForm]:
    """The forms of all columns, which the skeleton holds as runs of equal ones."""
    try:
        runs = [(length, stored) for length, stored in schema.skeleton["columns"]]
        if min(lengths := [length for length, _ in runs]) < 1 or sum(lengths) != len(schema.variables):
            raise ValueError("its columns and variables differ in number")
        forms = [stored for length, stored in runs for _ in range(length)]
        return {v.name: ColumnForm.from_json(f, v) for v, f in zip(schema.variables, forms, strict=True)}
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"the description of a text table is damaged: {error}") from error


def _spellings(schema: Schema, columns: dict[str, ColumnForm], rows: int) -> dict[str, Spellings]:
    """Return the cells with another spelling than that of their values, by column."""
    reader = ByteReader(schema.attachments.get(CELLS, b""), "the spellings of a table")
    found = {}
    while reader.left:
        name = schema.names[reader.varint(len(columns))]
        found[name] = Spellings(reader.sized(), rows, columns[name])
    return found


def cut_table(schema: Schema, whole: Schema) -> Cut:
    """Describe a table of fewer columns or rows.

    Raises
    ------
    DataError
        If the lines before the table describe columns that would not be there.
    """
    kept = [whole.names.index(name) for name in schema.names]
    _forms(whole)  # refuses what is damaged
    forms = [stored for length, stored in schema.skeleton["columns"] for _ in range(length)]
    dialect = Dialect.from_json(schema.skeleton.get("dialect"), whole.names)
    fewer = len(kept) < len(whole.names)
    if fewer and "%ECSV" in dialect.preamble:
        raise DataError("the header of an ECSV table describes every column: cut its rows alone, or use open_file")
    header = None if dialect.header is None else [dialect.header[place] for place in kept]
    fields = [dialect.fields[place] for place in kept] if dialect.fields else []
    head = "" if fewer else dialect.head
    names = schema.names
    cut = replace(dialect, header=header, fields=fields, head=head, names=names).to_json()
    stated = {"dialect": cut, "columns": [[1, forms[place]] for place in kept]}
    told = [
        what
        for lost, what in (
            (schema.attachments.get(CELLS), "cells that are spelt unusually come in the usual spelling"),
            (schema.attachments.get(LINES), "comments and empty lines between rows are left out"),
            (dialect.head and not head, "lines between the header and the first row are left out"),
        )
        if lost
    ]
    return Cut(replace(schema, skeleton={**schema.skeleton, **stated}, attachments={}), told)
