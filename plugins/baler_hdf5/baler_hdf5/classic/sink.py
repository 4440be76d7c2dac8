"""Write classic NetCDF files: the original header, values block by block at the offsets in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from baler_core import Block, FormatError, Schema, Sink, values_of
from baler_hdf5.classic.header import ClassicVariable, end_of_values, parse_header
from baler_hdf5.contents.guard import refusing_damaged_records
from baler_hdf5.contents.surroundings import TRAILING
from baler_hdf5.values.fields import as_shown, fits_shown

# Space that a header may leave between itself and the values.
LARGEST_GAP = 2**26


class ClassicSink(Sink):
    """A classic NetCDF file being written.

    Raises
    ------
    FormatError
        If the header in the skeleton does not agree with the schema.
    """

    def __init__(self, path: Path, schema: Schema) -> None:
        raw = schema.skeleton["header"].encode("latin-1")
        self._header = parse_header(raw, "the record of the original file")
        self._stored = {variable.name: variable for variable in self._header.variables}
        self._written = dict.fromkeys(self._stored, 0)
        self._check(schema)
        self._file = path.open("wb")
        self._file.write(raw)
        records = {schema.sizes[v.dims[0]] for v in schema.variables if self._header.is_record(self._stored[v.name])}
        self._file.truncate(end_of_values(self._header, max(records, default=0)))
        self._trailing = schema.attachments.get(TRAILING, b"")

    def write(self, block: Block) -> None:
        """Put the block's rows where they belong."""
        with refusing_damaged_records():
            self._write(block)

    def _write(self, block: Block) -> None:
        variables = [self._stored[str(name)] for name in block.variables]
        records = [variable for variable in variables if self._header.is_record(variable)]
        for variable in variables:
            if not self._header.is_record(variable):
                self._write_rows(variable, values_of(block, variable.name))
        if records:
            self._write_records(records, [values_of(block, variable.name) for variable in records])

    def close(self) -> None:
        """Complete the file."""
        self._file.seek(0, 2)
        self._file.write(self._trailing)
        self._file.close()

    def abort(self) -> None:
        """Release the file after a failure."""
        self._file.close()

    @staticmethod
    def _as_stored(values: np.ndarray, variable: ClassicVariable) -> np.ndarray:
        """The values with the sign and the byte order of the file."""
        return as_shown(values, variable.dtype.newbyteorder("<").str).astype(variable.dtype)

    def _write_rows(self, variable: ClassicVariable, values: np.ndarray) -> None:
        """The next rows of a variable that lies in one piece."""
        self._file.seek(variable.begin + self._written[variable.name])
        stored = self._as_stored(values, variable).tobytes()
        self._file.write(stored)
        self._written[variable.name] += len(stored)

    def _write_records(self, variables: list[ClassicVariable], arrays: list[np.ndarray]) -> None:
        """The next records of all record variables, in one piece."""
        rows = arrays[0].shape[0]
        if rows == 0:
            return
        first = min(variable.begin for variable in variables)
        step = self._header.record_bytes
        records = np.zeros((rows, step), np.uint8)
        for variable, values in zip(variables, arrays, strict=True):
            slab = np.ascontiguousarray(self._as_stored(values, variable)).reshape(rows, -1).view(np.uint8)
            start = variable.begin - first
            records[:, start : start + slab.shape[1]] = slab
        self._file.seek(first + self._written[variables[0].name])
        self._file.write(records.tobytes())
        for variable in variables:
            self._written[variable.name] += rows * step

    def _check(self, schema: Schema) -> None:
        """Check that the header agrees with the schema and that its data are contiguous."""
        if {variable.name for variable in schema.variables} != set(self._stored):
            raise FormatError("the record of the original file has other variables than the schema")
        limit = self._header.size + LARGEST_GAP + 2 * sum(schema.nbytes(v) + 4 for v in schema.variables)
        for variable in schema.variables:
            stored = self._stored[variable.name]
            little = stored.dtype.newbyteorder("<").str if stored.dtype.kind != "S" else "|S1"
            if not fits_shown(little, variable.dtype):
                raise FormatError(f"variable {variable.name!r} has type {variable.dtype}, the record has {little}")
            shape = tuple(schema.sizes[dim] for dim in variable.dims)
            if self._header.slab_shape(stored) != shape[int(self._header.is_record(stored)) :]:
                raise FormatError(
                    f"the record of the original file has another shape of {variable.name!r} than {shape}"
                )
            if not self._header.size <= stored.begin <= limit:
                raise FormatError(f"the record of the original file puts {variable.name!r} at byte {stored.begin}")
