"""Write an HDF5 or NetCDF-4 file from its skeleton, values block by block."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from baler_core import Block, FormatError, Schema, Sink, values_of
from baler_hdf5.contents.creation import access_properties, set_attribute_order
from baler_hdf5.contents.datatypes import Json
from baler_hdf5.contents.guard import refusing_damaged_records
from baler_hdf5.contents.surroundings import user_block_size, write_surroundings
from baler_hdf5.schema.differences import differences
from baler_hdf5.schema.rebuild import rebuild
from baler_hdf5.schema.skeleton import completed
from baler_hdf5.values.elements import empty_elements, write_elements
from baler_hdf5.values.fields import Field, element_size, fields_of, fits_shown, insert
from baler_hdf5.values.unwritten import SparseRows

if TYPE_CHECKING:
    import h5py


class Hdf5Sink(Sink):
    """An HDF5 file being written.

    Raises
    ------
    FormatError
        If the skeleton is not one of an HDF5 file, or does not agree with the schema.
    """

    def __init__(self, path: Path, schema: Schema) -> None:

        entries = [completed(record) for record in schema.skeleton["entries"]]
        self._records = {entry["path"]: entry for entry in entries if entry["kind"] == "dataset" and entry["variables"]}
        self._fields = {path: _fields(record) for path, record in self._records.items()}
        self._owners = {name: path for path, fields in self._fields.items() for name in fields}
        self._written = dict.fromkeys(self._records, 0)
        self._sparse = {
            path: SparseRows(record)
            for path, record in self._records.items()
            if record.get("sparse") is True and record["shape"]
        }
        # scalars may be arrays in themselves, which come in blocks of their own
        self._scalars: dict[str, dict[str, list[np.ndarray]]] = {}
        self._check(schema)
        self._path, self._entries, self._attachments = path, entries, schema.attachments
        self._file = _created(path, entries[0]["order"], user_block_size(schema.attachments))
        try:
            self._reference_to = rebuild(self._file, entries)
        except BaseException:
            self._file.close()
            raise

    def write(self, block: Block) -> None:
        """Append the block's rows to their datasets."""
        with refusing_damaged_records():
            self._write(block)

    def _write(self, block: Block) -> None:
        paths = dict.fromkeys(self._owners[str(name)] for name in block.variables)
        for path in paths:
            if self._records[path]["shape"]:
                arrays = {name: values_of(block, name) for name in self._fields[path]}
                self._append(path, arrays, len(next(iter(arrays.values()))))
            else:
                for name in self._fields[path].keys() & set(block.variables):
                    self._scalars.setdefault(path, {}).setdefault(name, []).append(values_of(block, name))

    def close(self) -> None:
        """Complete the file, and look how it differs from the original."""
        with refusing_damaged_records():
            for path, parts in self._scalars.items():
                arrays = {name: np.concatenate(cut) if cut[0].shape else cut[0] for name, cut in parts.items()}
                self._append(path, arrays, 1)
            self._file.close()
            write_surroundings(self._path, self._attachments)
            self.warnings = differences(self._path, self._entries)

    def abort(self) -> None:
        """Release the file after a failure."""
        self._file.close()

    def _append(self, path: str, arrays: dict[str, np.ndarray], rows: int) -> None:
        """Write the next rows of one dataset, from the values of all its variables."""
        from h5py import h5d

        record = self._records[path]
        access = access_properties(record["shape"], record.get("chunks"), element_size(record["type"]))
        dataset = h5d.open(self._file.id, path.encode("utf-8"), access)
        shape = (rows, *record["shape"][1:]) if record["shape"] else ()
        elements = empty_elements(dataset, record["type"], shape)
        for name, field in self._fields[path].items():
            insert(elements, field, arrays[name], self._reference_to)
        start = self._written[path]
        if path in self._sparse:
            self._sparse[path].write(dataset, start, elements)
        else:
            write_elements(dataset, record["type"], slice(start, start + rows), elements)
        self._written[path] = start + rows

    def _check(self, schema: Schema) -> None:
        """The skeleton's shapes must be those of the schema: nothing else has been checked against the data."""
        if sorted(name for fields in self._fields.values() for name in fields) != sorted(schema.names):
            raise FormatError("the record of the original file has other variables than the schema")
        for variable in schema.variables:
            path = self._owners[variable.name]
            field = self._fields[path][variable.name]
            recorded = (field.dtype, *self._records[path]["shape"], *field.shape)
            found = (variable.dtype, *(schema.sizes[dim] for dim in variable.dims))
            if recorded[1:] != found[1:] or not fits_shown(field.dtype, variable.dtype):
                raise FormatError(f"variable {variable.name!r} has type and shape {found}, the record has {recorded}")


def _created(path: Path, order: Sequence[int], user_block: int) -> h5py.File:
    """A file without objects, whose root group keeps links and attributes in such order."""
    import h5py
    from h5py import h5f, h5p

    created, accessed = h5p.create(h5p.FILE_CREATE), h5p.create(h5p.FILE_ACCESS)
    created.set_userblock(user_block)
    created.set_link_creation_order(order[0])
    set_attribute_order(created, order[1])
    accessed.set_libver_bounds(h5f.LIBVER_V18, h5f.LIBVER_LATEST)
    accessed.set_fclose_degree(h5f.CLOSE_STRONG)
    return h5py.File(h5f.create(bytes(path), h5f.ACC_TRUNC, created, accessed))


def _fields(record: Json) -> dict[str, Field]:
    """The variables of a dataset's record, by name."""
    by_members = {field.members: field for field in fields_of(record["type"])}
    return {name: by_members[tuple(members)] for name, members in record["variables"].items()}
