"""Tables and record batches of pyarrow in memory → variables, and back with all types, nulls and metadata."""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from baler_core import Categories, Columns, DataError, ObjectKind, Schema, TableColumn, values_of
from baler_parquet.contents.files import ArrowFile
from baler_parquet.schema.assembly import Assembly
from baler_parquet.schema.layout import CODES, SCHEMA, categories_of, masks_of
from baler_parquet.schema.table_columns import table_columns
from baler_parquet.source import ArrowSource
from baler_parquet.values.take import nulls_of, plain
from baler_parquet.values.writing import Output

if TYPE_CHECKING:
    import pyarrow as pa

    from baler_core import Block

Json = Any


class ArrowTables(ObjectKind):
    """Columns with their nulls, lists, structs and dictionaries; how the table is cut into chunks is kept, too."""

    name = "pyarrow"
    summary = "tables and record batches of pyarrow"
    types = ("pyarrow.lib.Table", "pyarrow.lib.RecordBatch")

    def take_apart(self, value: Any, columns: Columns, variables: Sequence[str] | None) -> Json:
        with ArrowSource(_MemoryFile(value), variables, lambda schema, places: ({}, [])) as source:
            columns.warnings += source.warnings
            columns.unchosen += source.unchosen or ()
            schema = source.schema
            columns.counts.update(schema.counts)
            for block in source.blocks(1 << 62):
                self._add(source, block, columns)
        stored = {**schema.skeleton, "schema": base64.b64encode(schema.attachments[SCHEMA]).decode("ascii")}
        return {"is": type(value).__name__, **stored}

    def _add(self, source: ArrowSource, block: Block, columns: Columns) -> None:
        for name in block.variables:
            v = source.schema[name]
            about: dict[str, Any] = {"units": v.units, "label": v.label, "role": v.role, "reason": v.reason}
            if v.is_packed:
                about |= {"scale": v.scale, "limits": v.limits}
            if columns.add(name, values_of(block, name), v.dims, **about) != name:
                raise DataError(f"the variable {name!r} cannot be stored")
            if v.reason == CODES:
                columns.exact.add(name)

    def put_together(self, stored: Json, arrays: Mapping[str, np.ndarray]) -> Any:
        import pyarrow as pa

        try:
            schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(stored["schema"])))
            assembly, output = Assembly(schema, stored, set(arrays)), _MemoryOutput(schema)
            for names in assembly.blocks():
                assembly.add({name: arrays[name] for name in names}, output)
            assembly.finish(output)
        except (pa.ArrowException, OSError, NotImplementedError) as error:
            raise ValueError(f"a table is stored wrongly: {error}") from error
        table = output.table()
        if stored["is"] != "RecordBatch":
            return table
        batches = table.combine_chunks().to_batches()
        return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=schema)

    def dataset(self, value: Any) -> Block | None:
        return None

    def frame(self, value: Any) -> Any:
        return value.to_pandas()

    def categories(self, schema: Schema) -> Mapping[str, Categories]:
        return categories_of(_with_types(schema))

    def nulls(self, schema: Schema) -> Mapping[str, Sequence[str]]:
        return masks_of(schema)

    def table_columns(self, schema: Schema, names: Collection[str]) -> Sequence[TableColumn]:
        return table_columns(_with_types(schema), names)


def _with_types(schema: Schema) -> Schema:
    """Return a schema that has the types of arrow where files have them: as an attachment."""
    return replace(schema, attachments={SCHEMA: base64.b64decode(schema.skeleton["schema"])})


class _MemoryFile(ArrowFile):
    """A table as if it were a file, each chunk a piece."""

    kind = "table"

    def __init__(self, value: Any) -> None:
        super().__init__(Path("the table"))
        self.schema = value.schema
        self._batches = [value] if type(value).__name__ == "RecordBatch" else value.to_batches()
        self.rows = [len(batch) for batch in self._batches]

    def parts(self, columns: Sequence[int], first: int = 0) -> Iterator[tuple[int, list[pa.Array]]]:
        for piece, batch in enumerate(self._batches[first:], first):
            yield piece, [batch.column(place) for place in columns]

    def no_nulls(self, column: int) -> bool:
        # Runs have no nulls, their values may.
        return all(nulls_of(plain(batch.column(column))) is None for batch in self._batches)

    def close(self) -> None:
        """There is nothing to release."""


class _MemoryOutput(Output):
    """The pieces of a table in memory."""

    def __init__(self, schema: pa.Schema) -> None:
        self.warnings = []
        self._schema, self._pieces = schema, []  # type: pa.Schema, list[pa.Table]

    def write(self, piece: pa.Table) -> None:
        self._pieces.append(piece)

    def close(self) -> None:
        """There is nothing to complete."""

    def abort(self) -> None:
        """There is nothing to release."""

    def table(self) -> pa.Table:
        """Return all of them."""
        import pyarrow as pa

        return pa.concat_tables(self._pieces) if self._pieces else self._schema.empty_table()
