"""Reads and writes text tables (CSV and its relatives): typed columns, everything else as it stood."""

from __future__ import annotations

import csv
import gzip
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, ClassVar

from baler_core.builtin.readers.csv_columns import ColumnForm, ColumnScan
from baler_core.builtin.readers.csv_dialect import CsvOptions, Dialect, quoting_style, sniff_dialect, written
from baler_core.builtin.readers.csv_text import FALLBACK_ENCODING, Lines, open_text, parsed
from baler_core.dataset import Json, Schema, Variable, family_slices, make_block, select_names, values_of
from baler_core.errors import DataError, FormatError
from baler_core.interfaces import Options, Reader, Sink, Source

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

ROW = "row"
_SCAN_ROWS = 8192
_WRITE_ROWS = 16384
_UNITS = re.compile(r"\[([^\[\]]+)\]\s*$")


class CsvReader(Reader):
    """Text tables: integers, floats and text by column; the dimension is called `row`."""

    name: ClassVar[str] = "csv"
    summary: ClassVar[str] = "text tables (CSV, TSV, columns of numbers)"
    suffixes: ClassVar[tuple[str, ...]] = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz")
    Options: ClassVar[type[Options]] = CsvOptions

    def open(self, path: Path, variables: Sequence[str] | None = None) -> Source:
        """Open a text table: one pass over it counts the rows and finds the type of each column."""
        return _CsvSource(path, self.options, variables)

    def create(self, path: Path, schema: Schema) -> Sink:
        """Start a text table with the header, separators, quotes and line ends that the skeleton holds."""
        return _CsvSink(path, schema)


class _CsvSource(Source):
    def __init__(self, path: Path, options: CsvOptions, patterns: Sequence[str] | None) -> None:
        self._path = path
        self._dialect = sniff_dialect(path, options)
        try:
            scans, rows = self._scan()
        except UnicodeDecodeError:
            self._dialect = sniff_dialect(path, options, FALLBACK_ENCODING)
            scans, rows = self._scan()
        names = self._dialect.names
        forms = [scan.form() for scan in scans]
        chosen = set(select_names(names, patterns, str(path)))
        self._columns = {i: form for i, form in enumerate(forms) if names[i] in chosen}
        variables = [
            Variable(names[i], form.dtype, (ROW,), units=_units(names[i]), fill=form.fill)
            for i, form in self._columns.items()
        ]
        self.schema = Schema(tuple(variables), {ROW: rows}, skeleton=self._skeleton(forms))

    def _skeleton(self, forms: Sequence[ColumnForm]) -> dict[str, Json]:
        header = self._dialect.header
        style = quoting_style(self._path, self._dialect, [form.kind == "text" for form in forms])
        kept = None if header is None else [header[i] for i in self._columns]
        names = [self._dialect.names[i] for i in self._columns]
        dialect = replace(self._dialect, header=kept, names=names, quoting=style)
        runs = itertools.groupby(form.to_json() for form in self._columns.values())
        return {"dialect": dialect.to_json(), "columns": [[len([*run]), stored] for stored, run in runs]}

    def _scan(self) -> tuple[list[ColumnScan], int]:
        """Types of all columns and the number of rows; takes note of how the file ends."""
        scans = [ColumnScan() for _ in self._dialect.names]
        count = 0
        rows = self._rows()
        while batch := list(itertools.islice(rows, _SCAN_ROWS)):
            count += len(batch)
            for scan, cells in zip(scans, zip(*batch, strict=True), strict=True):
                scan.take(cells)
        return scans, count

    def _rows(self) -> Iterator[list[str]]:
        """The rows of the table, all with the same number of cells."""
        dialect, wanted = self._dialect, len(self._dialect.names)
        with open_text(self._path, dialect.encoding, zipped=dialect.gzip) as file:
            file.read(len(dialect.preamble))
            lines = Lines(file, dialect.comment, str(self._path))
            lines.number = dialect.preamble.count("\n") or dialect.preamble.count("\r")
            rows = parsed(iter(lines), dialect.separator, dialect.quote, padded=bool(dialect.padding))
            try:
                if dialect.header is not None:
                    next(rows, None)
                for row in rows:
                    if len(row) == wanted:
                        yield row
                    elif row:
                        raise DataError(self._ragged(lines, len(row)))
            except csv.Error as error:
                raise DataError(f"{self._path}:{lines.number}: not a row of a table ({error})") from error
        self._dialect = replace(dialect, final_newline=lines.last.endswith(("\n", "\r")))
        if lines.skipped:
            self.warnings = [f"{self._path.name}: {lines.skipped} comment lines between the rows are left out"]

    def _ragged(self, lines: Lines, found: int) -> str:
        message = (
            f"{self._path}:{lines.number}: wanted {len(self._dialect.names)} cells separated by "
            f"{self._dialect.separator!r}, found {found}"
        )
        if lines.last.startswith("#"):
            return f"{message}. If this line is a comment, add the reader option comment: '#'"
        return f"{message}. If another character separates them, add the reader option separator"

    def blocks(self, max_bytes: int) -> Iterator[xr.Dataset]:
        rows = self._rows()
        for _, variables, part in family_slices(self.schema, max_bytes):
            batch = list(itertools.islice(rows, part.stop - part.start))
            if len(batch) != part.stop - part.start:
                raise DataError(f"{self._path}: has changed while it was read, there are fewer rows than before")
            cells = list(zip(*batch, strict=True)) or [()] * len(self._dialect.names)
            yield make_block(
                {
                    variable.name: ((ROW,), self._values(form, cells[i], variable.name))
                    for variable, (i, form) in zip(variables, self._columns.items(), strict=True)
                }
            )

    def _values(self, form: ColumnForm, cells: Sequence[str], name: str) -> np.ndarray:
        try:
            return form.values(cells)
        except (ValueError, OverflowError) as error:
            raise DataError(f"{self._path}: column {name!r} has changed while it was read ({error})") from error


def _units(name: str) -> str:
    """The units in square brackets that end a column's name, if there are any."""
    found = _UNITS.search(name)
    return found.group(1).strip() if found else ""


def _forms(schema: Schema) -> dict[str, ColumnForm]:
    """The forms of all columns, which the skeleton holds as runs of equal ones."""
    try:
        runs = [(length, stored) for length, stored in schema.skeleton["columns"]]
        if min(lengths := [length for length, _ in runs]) < 1 or sum(lengths) != len(schema.variables):
            raise ValueError("it has not as many columns as variables")
        forms = [stored for length, stored in runs for _ in range(length)]
        return {v.name: ColumnForm.from_json(f, v) for v, f in zip(schema.variables, forms, strict=True)}
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"the description of a text table is damaged: {error}") from error


class _CsvSink(Sink):
    def __init__(self, path: Path, schema: Schema) -> None:
        self._dialect = Dialect.from_json(schema.skeleton["dialect"], schema.names)
        self._columns = _forms(schema)
        self._raw = path.open("wb")
        # No name and no date inside: the same values give the same file.
        zipped = gzip.GzipFile("", "wb", fileobj=self._raw, mtime=0) if self._dialect.gzip else None
        self._file: IO[str] = io.TextIOWrapper(zipped or self._raw, encoding=self._dialect.encoding, newline="")
        self._file.write(self._dialect.preamble)
        self._separator = self._dialect.separator + self._dialect.padding
        self._between = ""
        if self._dialect.header is not None:
            self._write_rows([written([cell], self._dialect, text=True) for cell in self._dialect.header])

    def write(self, block: xr.Dataset) -> None:
        rows = block.sizes[ROW]
        for start in range(0, rows, _WRITE_ROWS):
            part = slice(start, min(start + _WRITE_ROWS, rows))
            columns = []
            for name, form in self._columns.items():
                cells = form.cells(values_of(block, name)[part])
                columns.append(written(cells, self._dialect, text=form.kind == "text"))
            self._write_rows(columns)

    def _write_rows(self, columns: list[list[str]]) -> None:
        if len(columns) == 1:
            # An empty line would be no row.
            columns = [[cell or self._dialect.quote * 2 for cell in columns[0]]]
        text = self._dialect.newline.join(map(self._separator.join, zip(*columns, strict=True)))
        self._file.write(self._between + text)
        self._between = self._dialect.newline

    def close(self) -> None:
        if self._dialect.final_newline:
            self._file.write(self._dialect.newline)
        self._file.close()
        self._raw.close()

    def abort(self) -> None:
        self._file.close()
        self._raw.close()
