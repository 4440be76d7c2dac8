"""Read a text table: one pass finds the column types and verifies every cell; a second reads the values."""

from __future__ import annotations

import csv
import itertools
import logging
import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from baler_core.builtin.readers.csv.bulk import BulkRows, spelling_of
from baler_core.builtin.readers.csv.columns import ColumnForm
from baler_core.builtin.readers.csv.cursor import RowCursor
from baler_core.builtin.readers.csv.dialect import Dialect
from baler_core.builtin.readers.csv.fixed_width import Limits, kept_in_place
from baler_core.builtin.readers.csv.metadata import column_notes
from baler_core.builtin.readers.csv.options import CsvOptions
from baler_core.builtin.readers.csv.rounding import shortened
from baler_core.builtin.readers.csv.scan import ScannedColumn, tells_decimal_commas
from baler_core.builtin.readers.csv.side import Beside, line_ends, odd_templates, pack_spellings
from baler_core.builtin.readers.csv.sniff import quoting_style, sample_rows, sniff_dialect
from baler_core.builtin.readers.csv.text import (
    FALLBACK_ENCODING,
    MOST_OTHERS,
    TextRows,
    TextRowStream,
    lines_of,
    open_text,
)
from baler_core.data.block import make_block
from baler_core.data.bounds import Tolerance
from baler_core.data.variables import Json, Schema, Variable, leading_slices, select_names
from baler_core.entropy.varint import write_sized, write_varint
from baler_core.errors import DataError, UnsuitedError
from baler_core.plugin.interfaces import Tolerances
from baler_core.plugin.reading import Settled, Source

if TYPE_CHECKING:
    from baler_core.data.block import Block

logger = logging.getLogger(__name__)
ROW = "row"
LINES, CELLS = "lines", "cells"
_SCAN_ROWS = 8192
_SAMPLE_ROWS = 50
# Values of a table that takes no more memory than this are kept from the first pass.
_KEPT_BYTES = 1 << 29
_TEXT_IN_MEMORY = 64
# If more than one row in so many has another number of cells, this is no table with such a separator.
_RAGGED = 20
# Types and formats are found in so many passes at most.
_PASSES = 6


class CsvSource(Source):
    """An open text table."""

    # Each cell is looked at.
    opens_fast = False

    def __init__(self, path: Path, options: CsvOptions, patterns: Sequence[str] | None) -> None:
        self._path = path
        self._reading: RowCursor | None = None
        self._opened = ExitStack()
        encoding, long = "", False
        while True:
            self._dialect = sniff_dialect(path, options, encoding, long=long)
            try:
                self._scan()
                break
            except UnicodeDecodeError:
                encoding = FALLBACK_ENCODING
            except csv.Error:  # a cell is longer than the csv module takes
                long = True
        names = self._dialect.names
        chosen = set(select_names(names, patterns, str(path)))
        self._kept = [place for place, name in enumerate(names) if name in chosen]
        self.unchosen = [name for name in names if name not in chosen]
        notes = column_notes(self._dialect)
        variables = []
        for place in self._kept:
            form, note = self._columns[place].form, notes[place]
            said = {"units": note.units, "label": note.label, "role": note.role, "reason": note.reason}
            fill = form.fill + (note.missing if form.kind != "text" else ())
            variables.append(Variable(names[place], form.dtype, (ROW,), fill=fill, **said))  # type: ignore[arg-type]
        self.schema = self._schema(variables, {})
        self.obstacles = {names[i]: self._columns[i].why_text for i in self._kept if self._columns[i].why_text}

    def settle(self, tolerances: Tolerances, *, in_full: Collection[str] = ()) -> Settled:
        """Keep the spelling of cells only where values stay exact, and have digits cut where they do not."""
        how: dict[str, str] = {}
        words, limits = {}, {}
        settled = dict(tolerances)
        for place in self._kept:
            name, column = self._dialect.names[place], self._columns[place]
            if not tolerances[name].lossy:
                continue
            if self._dialect.cuts:
                cut, settled[name], limits[name] = self._in_place(place, tolerances[name], whole=name in in_full)
                if not settled[name].lossy:
                    logger.warning("%r stays exact: a table of fixed width has no room for other digits", name)
                    continue
            elif column.form.kind == "float64" and name not in in_full:
                cut, settled[name] = shortened(tolerances[name], column.decimals)
                words[name] = column.words_for(tolerances[name].fill)
            else:
                cut = ""
            how[name] = cut
        if not how:
            return Settled(self.schema, settled)
        variables = [replace(v, stated_limits=limits.get(v.name, v.stated_limits)) for v in self.schema.variables]
        return Settled(self._schema(variables, how, words), settled)

    def _in_place(self, place: int, tolerance: Tolerance, *, whole: bool) -> tuple[str, Tolerance, Limits]:
        """How the numbers of a column of fixed width are cut, their tolerance, and the limits that leave cells their room."""
        if whole or self._values is None or self._beside.templates:
            return "", Tolerance("exact"), (-math.inf, math.inf)
        start, stop = self._dialect.cuts[place]
        return kept_in_place(tolerance, self._columns[place], np.concatenate(self._values[place]), stop - start)

    def move_rows(self, order: np.ndarray) -> None:
        """Move the spelling of cells and lines with their rows; lines between rows stay where they are."""
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        for number in self._kept:
            self._columns[number].irregular.move(place)
        self._beside.move(place)
        self.schema = self._schema(self.schema.variables, {})

    # ---- the schema

    def _schema(
        self, variables: Sequence[Variable], how: Mapping[str, str], words: Mapping[str, Sequence[str]] | None = None
    ) -> Schema:
        """The schema, given how the digits of lossy variables are cut, and which of their numbers stay as they stood."""
        names = [(place, self._dialect.names[place]) for place in self._kept]
        forms = [self._columns[place].form.cut(how.get(n, ""), (words or {}).get(n, ())) for place, n in names]
        runs = itertools.groupby(form.to_json() for form in forms)
        stored = [[len([*run]), form] for form, run in runs]
        skeleton: dict[str, Json] = {"dialect": self._kept_dialect().to_json(), "columns": stored}
        attachments = {LINES: self._kept_lines().to_bytes(), CELLS: self._spellings(how)}
        attachments = {name: data for name, data in attachments.items() if data}
        return Schema(tuple(variables), {ROW: self._rows}, skeleton=skeleton, attachments=attachments)

    @property
    def _whole(self) -> bool:
        return len(self._kept) == len(self._dialect.names)

    def _kept_dialect(self) -> Dialect:
        """The dialect of the chosen columns."""
        dialect = self._dialect
        names = [dialect.names[place] for place in self._kept]
        stated = [dialect.fields[place] for place in self._kept] if dialect.fields else []
        header = None if dialect.header is None else [dialect.header[place] for place in self._kept]
        kept = replace(dialect, names=names, fields=stated, header=header)
        if header is None:
            return kept
        if not self._whole:
            rows = sample_rows(dialect.head.splitlines(keepends=True), dialect.grammar)
            rows = [[row[place] for place in self._kept] for row in rows if len(row) == len(dialect.names)]
            lines = replace(kept, fields=[]).layout([True] * len(names)).lines(list(zip(*rows, strict=True)))
            kept = replace(kept, head="".join(line + dialect.newline for line in lines))
        plain = kept.layout([True] * len(names)).lines([[cell] for cell in header])[0] + dialect.newline
        return replace(kept, head="") if kept.head == plain else kept

    def _kept_lines(self) -> Beside:
        """What stands beside the rows; of chosen columns alone, the lines between the rows."""
        return self._beside if self._whole else Beside(self._beside.others, self._beside.ends)

    def _spellings(self, how: Mapping[str, str]) -> bytes:
        parts = []
        for number, place in enumerate(self._kept):
            column = self._columns[place]
            irregular = column.irregular
            if self._dialect.names[place] in how:
                irregular = column.missing_words()
            if packed := pack_spellings(irregular, column.form):
                parts.append(write_varint(number) + write_sized(packed))
        return b"".join(parts)

    # ---- passes over the file

    @contextmanager
    def _stream(self) -> Iterator[TextRowStream]:
        """The rows behind the header."""
        dialect = self._dialect
        before = dialect.preamble + dialect.head
        number = before.count("\n") + before.count("\r") - before.count("\r\n")
        with open_text(self._path, dialect.encoding, zipped=dialect.gzip) as file:
            file.read(len(before))
            lines = lines_of(file, str(self._path))
            yield TextRowStream(lines, dialect.grammar, len(dialect.names), number, str(self._path))

    def _scan(self) -> None:
        """What the columns hold, what stands beside the rows, and the values if they are few enough."""
        self._columns: list[ScannedColumn] = []
        self._values: list[list[np.ndarray]] | None = [[] for _ in self._dialect.names]
        active = set(range(len(self._dialect.names)))
        with_lines = True
        for _ in range(_PASSES):
            self._pass(active, with_lines=with_lines)
            if not self._columns:
                self._columns = [ScannedColumn((), ()) for _ in self._dialect.names]
            before = self._text_columns
            active = {place for place in active if self._columns[place].settle()}
            with_lines = self._dialect.quoting == "text" and before != self._text_columns
            if not active and not with_lines:
                break

    @property
    def _text_columns(self) -> list[bool]:
        return [column.form.kind == "text" for column in self._columns]

    def _pass(self, active: set[int], *, with_lines: bool) -> None:
        """Take all cells of some columns, and compare the lines with what the layout makes of them."""
        if self._values is not None:
            for place in active:
                self._values[place] = []
        if with_lines:
            self._beside = Beside()
        self._rows, ragged = 0, []
        with self._stream() as stream:
            for batch in stream.batches(_SCAN_ROWS):
                if with_lines:
                    self._beside.others += [(self._rows + place, line) for place, line in batch.others]
                    ragged += batch.ragged
                    self._check_ragged(ragged, self._rows + len(batch.raws), at_end=False)
                if batch.raws:
                    self._take_rows(batch, active, with_lines=with_lines)
                    self._rows += len(batch.raws)
        if with_lines:
            self._check_ragged(ragged, self._rows, at_end=True)
            final = not (self._beside.ends and self._beside.ends[-1] == (self._rows - 1, ""))
            if not final:
                self._beside.ends.pop()
            self._dialect = replace(self._dialect, final_newline=final)

    def _take_rows(self, batch: TextRows, active: set[int], *, with_lines: bool) -> None:
        """Take the cells of some columns: in bulk, where the lines follow from the cells."""
        if self._columns and batch.bulk is not None and self._is_simple and self._dialect.newline == "\n":
            self._take_bulk(batch, batch.bulk, active)
            return
        table = self._table(batch.cells)
        self._begin(table, batch)
        self._take(table, batch, active)
        if with_lines:
            self._compare_lines(table, batch)

    @property
    def _is_simple(self) -> bool:
        """Whether a line without quotes is its cells and what stands between them."""
        dialect = self._dialect
        return dialect.quoting == "minimal" and not (
            dialect.fields or dialect.padding or dialect.separator == " " or dialect.stripped
        )

    def _table(self, rows: Sequence[Sequence[str]]) -> list[Sequence[str]]:
        """The cells of each column."""
        table: list[Sequence[str]] = list(zip(*rows, strict=True)) if rows else [()] * len(self._dialect.names)
        for place in self._dialect.stripped:
            table[place] = tuple(cell.strip(" ") for cell in table[place])
        return table

    def _begin(self, table: Sequence[Sequence[str]], batch: TextRows) -> None:
        """Guess from the first rows what the columns hold and which cells are quoted."""
        if self._columns:
            return
        commas = self._dialect.separator != "," and any(map(tells_decimal_commas, table))
        self._columns = [ScannedColumn(cells, batch.numbers, commas=commas) for cells in table]
        style = quoting_style(batch.raws[:_SAMPLE_ROWS], self._dialect, self._text_columns)
        self._dialect = replace(self._dialect, quoting=style)

    def _take_bulk(self, batch: TextRows, rows: BulkRows, active: set[int]) -> None:
        for place in active:
            values = self._columns[place].take_bulk(rows, place, self._rows, batch.numbers)
            if self._values is not None and values is not None:
                self._values[place].append(values)
        self._limit_kept()

    def _take(self, table: Sequence[Sequence[str]], batch: TextRows, active: set[int]) -> None:
        rows = range(self._rows, self._rows + len(batch.raws))
        for place in active:
            values = self._columns[place].take(table[place], rows, batch.numbers)
            if self._values is not None and values is not None:
                self._values[place].append(values)
        self._limit_kept()

    def _limit_kept(self) -> None:
        """Keep no values any more if they are too many."""
        cells = sum(_TEXT_IN_MEMORY if text else 8 for text in self._text_columns)
        if self._rows * cells > _KEPT_BYTES:
            self._values = None

    def _compare_lines(self, table: Sequence[Sequence[str]], batch: TextRows) -> None:
        dialect = self._dialect
        self._beside.ends += line_ends(self._rows, batch.raws, dialect.newline)
        if self._is_simple and not batch.has(dialect.quote):
            return
        layout = dialect.layout(self._text_columns)
        self._beside.templates += odd_templates(self._rows, batch.raws, table, layout)

    def _check_ragged(self, ragged: Sequence[tuple[int, int]], rows: int, *, at_end: bool) -> None:
        """Refuse a table in which too many rows have another number of cells; warn if a few have."""
        if len(self._beside.others) > MOST_OTHERS + rows:
            raise UnsuitedError(f"{self._path}: not a text table, most of its lines are empty or comments")
        if not ragged or (not at_end and len(ragged) < 1000):
            return
        line, cells = ragged[0]
        separator = "blanks" if self._dialect.separator == " " else repr(self._dialect.separator)
        found = f"{self._path}:{line}: wanted {len(self._dialect.names)} cells separated by {separator}, found {cells}"
        if len(ragged) * _RAGGED > rows:
            raise UnsuitedError(
                f"{found}. If another character separates them, add the reader option separator; if such lines are "
                "comments, the reader option comment"
            )
        if at_end:
            others = f", and so in {len(ragged) - 1} more lines" if len(ragged) > 1 else ""
            logger.warning("%s%s: kept as text, not as values", found, others)

    # ---- values

    def blocks(self, max_bytes: int) -> Iterator[Block]:
        """Yield the values, from memory if they were kept."""
        if self._values is not None:
            yield from super().blocks(max_bytes)
            return
        with self._stream() as stream:
            cursor = self._cursor(stream)
            for _, variables, rows in leading_slices(self.schema, max_bytes):
                yield _block(variables, cursor.at(rows))

    def read(self, variables: Sequence[Variable], rows: slice) -> Block:
        """Return some rows; if values were not kept, all lines before them are read, unless that was done before."""
        if self._values is not None:
            return _block(variables, self._kept_rows(self._values, rows))
        if self._reading is None or rows.start < self._reading.next_row:
            self.close()
            self._reading = self._cursor(self._opened.enter_context(self._stream()))
        return _block(variables, self._reading.at(rows))

    def close(self) -> None:
        """Release the file."""
        self._reading = None
        self._opened.close()

    def _kept_rows(self, kept: list[list[np.ndarray]], rows: slice) -> list[np.ndarray]:
        for place in self._kept:
            if len(kept[place]) != 1:
                form = self._columns[place].form
                kept[place] = [np.concatenate(kept[place]) if kept[place] else form.values(())]
        return [kept[place][0][rows] for place in self._kept]

    def _cursor(self, stream: TextRowStream) -> RowCursor:
        return RowCursor(stream.batches(_SCAN_ROWS), self._batch_values, str(self._path))

    def _batch_values(self, batch: TextRows) -> list[np.ndarray]:
        """The values of the chosen columns in some rows."""
        if batch.bulk is None or not self._is_simple:
            table = self._table(batch.cells)
            return [self._column_values(place, table[place]) for place in self._kept]
        return [self._bulk_values(place, batch.bulk) for place in self._kept]

    def _bulk_values(self, place: int, rows: BulkRows) -> np.ndarray:
        form = self._columns[place].form
        spelling = spelling_of(form.number) if form.kind in ("int64", "float64") else None
        if spelling is None:
            return self._column_values(place, rows.cells(place))
        values, odd = rows.numbers(place, spelling)
        values = values.astype(form.kind, copy=False)
        if len(odd):
            values[odd] = self._column_values(place, rows.cells_at(place, odd.tolist()))
        return values

    def _column_values(self, place: int, cells: Sequence[str]) -> np.ndarray:
        form: ColumnForm = self._columns[place].form
        try:
            return form.values(cells)
        except (ValueError, OverflowError) as error:
            name = self._dialect.names[place]
            raise DataError(f"{self._path}: column {name!r} changed while it was read ({error})") from error


def _block(variables: Sequence[Variable], arrays: Sequence[np.ndarray]) -> Block:
    return make_block({v.name: ((ROW,), values) for v, values in zip(variables, arrays, strict=True)})
