"""Read classic NetCDF files: the schema from the header, values block by block as they lie in the file."""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from baler_core import (
    Block,
    CfDescribed,
    DataError,
    Role,
    Schema,
    Source,
    Variable,
    axis_role,
    cf_roles,
    described,
    make_block,
    special_values,
    standard_name,
)
from baler_hdf5.classic.header import ClassicHeader, ClassicVariable, end_of_values, header_with, parse_header
from baler_hdf5.contents.surroundings import TRAILING, read_behind
from baler_hdf5.schema.datasets import StoredDataset, select
from baler_hdf5.schema.dimensions import DatasetDimensions
from baler_hdf5.values.fields import Field, as_shown


class ClassicSource(Source):
    """An open classic NetCDF file.

    Raises
    ------
    DataError
        If it is damaged, shorter than its header says, or lacks what was asked for.
    """

    reads_in_threads = True

    def __init__(self, path: Path, patterns: Sequence[str] | None = None) -> None:
        self._path = path
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            view = memoryview(content)
            try:
                self._header = parse_header(view, str(path))
                raw = bytes(view[: self._header.size])
            finally:
                view.release()
        self._records = _count_records(self._header, path)
        _check_size(self._header, self._records, path)
        kept = _choose(self._header, patterns, path.name)
        skeleton = {
            "format": "netcdf3",
            "header": header_with(self._header, raw, kept).decode("latin-1"),
        }
        trailing = read_behind(path, end_of_values(self._header, self._records))
        schema = _schema(self._header, self._records, kept, skeleton)
        self.schema = replace(schema, attachments={TRAILING: trailing} if trailing else {})
        self._stored = {variable.name: variable for variable in self._header.variables}

    def move_rows(self, order: np.ndarray) -> None:
        """Do nothing: only values belong to a row."""

    def read(self, variables: Sequence[Variable], rows: slice) -> Block:
        """Return some rows: numbers little-endian, packed values as stored."""
        return make_block(
            {v.name: (v.dims, as_shown(self._read(self._stored[v.name], rows), v.dtype)) for v in variables}
        )

    def _read(self, variable: ClassicVariable, rows: slice) -> np.ndarray:
        """Some rows of one variable, little-endian."""
        slab = self._header.slab_shape(variable)
        item = variable.dtype.itemsize
        if self._header.is_record(variable):
            shape: tuple[int, ...] = (rows.stop - rows.start, *slab)
            step = self._header.record_bytes
        elif slab:
            shape = (rows.stop - rows.start, *slab[1:])
            step = int(np.prod(slab[1:], dtype=np.int64)) * item
        else:
            shape, step = (), 0
        little = variable.dtype.newbyteorder("<")
        if 0 in shape:
            return np.empty(shape, little)
        strides = (step, *_strides(shape[1:], item)) if shape else ()
        start = variable.begin + rows.start * step if shape else variable.begin
        span = sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True)) + item
        content = np.memmap(self._path, np.uint8, "r", offset=start, shape=(span,))
        stored: np.ndarray = np.ndarray(shape, variable.dtype, content, 0, strides)
        return np.array(stored, little, order="C")


def _strides(shape: Sequence[int], item: int) -> list[int]:
    """Bytes from one element to the next along each dimension."""
    strides = [item]
    for length in reversed(shape[1:]):
        strides.append(strides[-1] * length)
    return strides[::-1] if shape else []


def _count_records(header: ClassicHeader, path: Path) -> int:
    """The length of the record dimension; from the file's size where the header does not tell."""
    if header.records is not None:
        return header.records
    begins = [variable.begin for variable in header.variables if header.is_record(variable)]
    if not begins or not header.record_bytes:
        return 0
    return max(0, path.stat().st_size - min(begins)) // header.record_bytes


def _check_size(header: ClassicHeader, records: int, path: Path) -> None:
    """Every value the header claims must be in the file."""
    size = path.stat().st_size
    for variable in header.variables:
        length = header.slab_bytes(variable)
        if header.is_record(variable):
            length = (records - 1) * header.record_bytes + length if records else 0
        if length and variable.begin + length > size:
            raise DataError(
                f"{path}: cut short or damaged, variable {variable.name!r} ends at byte {variable.begin + length}, "
                f"the file has {size}"
            )


def _choose(header: ClassicHeader, patterns: Sequence[str] | None, where: str) -> set[str]:
    """Return the names of the selected variables and of the coordinates of their dimensions."""
    every = [StoredDataset(v.name, fields={v.name: Field((), "plain", v.dtype.str)}) for v in header.variables]
    kept = {dataset.path for dataset in select(every, patterns, where)}
    along = {header.dimensions[number][0] for v in header.variables if v.name in kept for number in v.dims}
    return {v.name for v in header.variables if v.name in kept or v.name in along}


def _schema(header: ClassicHeader, records: int, kept: set[str], skeleton: dict[str, Any]) -> Schema:
    attributes = {variable.name: variable.attributes for variable in header.variables}
    dimensions = DatasetDimensions()
    taken = [variable for variable in header.variables if variable.name in kept]
    axes: dict[str, dict[str, str]] = {}
    for variable in taken:
        names: list[str] = []
        axes[variable.name] = {}
        for number in variable.dims:
            name, length = header.dimensions[number]
            dim = dimensions.add(name, records if length is None else length, names)
            axis = axis_role(name, attributes.get(name, {}))
            axes[variable.name].update({dim: axis} if axis else {})
            names.append(dim)
        dimensions.dims[variable.name] = tuple(names)
    roles = cf_roles({v.name: _described(v, dimensions.dims[v.name]) for v in taken})
    variables = [_variable(v, dimensions.dims[v.name], axes[v.name], *roles.get(v.name, ("", ""))) for v in taken]
    return Schema(tuple(variables), dimensions.sizes, {}, skeleton)


def _described(variable: ClassicVariable, dims: tuple[str, ...]) -> CfDescribed:
    dtype = variable.dtype.newbyteorder("<").str
    return CfDescribed(variable.name, dtype, dims, variable.attributes, is_scale=dims[:1] == (variable.name,))


def _variable(
    variable: ClassicVariable, dims: tuple[str, ...], axes: dict[str, str], role: Role, reason: str
) -> Variable:
    dtype = variable.dtype.newbyteorder("<").str if variable.dtype.kind != "S" else "|S1"
    units, label = described(variable.attributes)
    special = special_values(variable.attributes, dtype, netcdf=True, filled=True)
    return Variable(
        variable.name,
        special.dtype,
        dims,
        units=units,
        label=label,
        fill=special.fill,
        scale=special.scale,
        offset=special.offset,
        axes=axes,
        limits=special.limits,
        flags=special.flags,
        stated_limits=special.stated_limits,
        role=role,
        reason=reason,
        standard_name=standard_name(variable.attributes),
    )
