"""Read and write text tables (CSV and similar formats): typed columns, everything else unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from baler_core.data.variables import Schema, Variable
from baler_core.plugin.late_options import options_at
from baler_core.plugin.reading import Cut, Reader, Sink, Source

if TYPE_CHECKING:
    import numpy as np

_SUFFIXES = (".csv", ".tsv", ".txt", ".dat", ".asc", ".tab", ".ecsv", ".tbl", ".mrt")


class CsvReader(Reader):
    """Text tables: integers, floats and text by column; the dimension is called `row`."""

    name: ClassVar[str] = "csv"
    summary: ClassVar[str] = "text tables (CSV, TSV, ECSV, columns of numbers)"
    suffixes: ClassVar[tuple[str, ...]] = (*_SUFFIXES, *(f"{suffix}.gz" for suffix in _SUFFIXES))
    Options = options_at("baler_core.builtin.readers.csv.options:CsvOptions")
    shortens_digits: ClassVar[bool] = True

    def open(self, path: Path, variables: Sequence[str] | None = None) -> Source:
        """Open a text table: one pass over it counts the rows, finds the type of each column and verifies every cell."""
        from baler_core.builtin.readers.csv.source import CsvSource

        return CsvSource(path, self.options, variables)

    def create(self, path: Path, schema: Schema) -> Sink:
        """Start a text table with the header, separators, quotes and line ends that the skeleton holds."""
        from baler_core.builtin.readers.csv.sink import CsvSink

        return CsvSink(path, schema)

    def missing_in_tables(self, variable: Variable, values: np.ndarray) -> np.ndarray | None:
        """Return where cells are empty or one of the words for "no value" that pandas knows."""
        from baler_core.builtin.readers.csv.numbers import missing_cells

        return missing_cells(values)

    def cut(self, schema: Schema, whole: Schema) -> Cut:
        """Describe a table of fewer columns or rows: cells in their usual spelling, no lines between rows."""
        from baler_core.builtin.readers.csv.sink import cut_table

        return cut_table(schema, whole)
