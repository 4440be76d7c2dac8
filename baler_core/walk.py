"""Walks through an input file: opens it, finds the ranges that bounds need, and hands out blocks and their groups."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from baler_core.bounds import BoundRules, ErrorBound, Tolerance, ValueRange, make_tolerance, value_range
from baler_core.config import ComponentSpec, Config
from baler_core.dataset import (
    Layout,
    Schema,
    block_sizes,
    counts_first,
    group_variables,
    values_of,
    with_events,
)
from baler_core.errors import DataError
from baler_core.interfaces import Reader, Source
from baler_core.plugins import Registry

if TYPE_CHECKING:
    import xarray as xr

logger = logging.getLogger(__name__)
WHOLE_FILE = "whole_file"
"""The reader that takes any file as it is."""
# How much more memory a cell of text takes than the eight bytes it counts.
_TEXT_IN_MEMORY = 8


@dataclass(frozen=True)
class Input:
    """An open input: a file, or an object in memory.

    Attributes
    ----------
    name
        Of the file, or of the object's type.
    file_bytes
        Length of the file, or bytes of the object's values.
    """

    reader: Reader
    source: Source
    name: str
    file_bytes: int


def make_reader(path: Path, chosen: ComponentSpec | None, registry: Registry) -> Reader:
    """The reader that the configuration names, or the one for the file's suffix."""
    if chosen is not None:
        return registry.reader(chosen.name)(chosen.options)
    return registry.reader(registry.reader_for(path))()


def open_input(path: Path, config: Config, registry: Registry) -> tuple[Reader, Source]:
    """Open the input file; one without variables is kept byte for byte.

    Raises
    ------
    DataError
        If the file does not exist or cannot be read.
    """
    if not path.exists():
        raise DataError(f"{path}: there is no such file")
    if path.is_dir():
        raise DataError(f"{path}: is a folder; an input is a file")
    if not path.is_file():
        raise DataError(f"{path}: is a pipe or a device, which cannot be read more than once; an input is a file")
    reader = make_reader(path, config.reader, registry)
    source = reader.open(path, config.variables)
    if not source.schema.variables:
        source.close()
        logger.warning("%s: holds no variable that can be compressed, so it is kept byte for byte", path)
        reader = registry.reader(WHOLE_FILE)()
        source = reader.open(path)
    for warning in source.warnings:
        logger.warning("%s", warning)
    return reader, source


def input_of(source: Path | Input, config: Config, registry: Registry) -> Input:
    """An input file, opened; an input that is open already, itself."""
    if isinstance(source, Input):
        return source
    reader, opened = open_input(source, config, registry)
    return Input(reader, opened, source.name, source.stat().st_size)


def bounds_of(schema: Schema, rules: BoundRules) -> tuple[ErrorBound, ...]:
    """The bound of every variable, in order; counts of jagged dimensions are always lossless."""
    counts = set(schema.counts.values())
    lossless = ErrorBound("lossless")
    return tuple(
        lossless
        if v.name in counts
        else rules.bound_for(v.name, v.dtype, packed=(v.scale, v.offset) != (1.0, 0.0), coordinate=v.name in v.dims)
        for v in schema.variables
    )


def tolerances_of(blocks: Blocks, bounds: Sequence[ErrorBound]) -> tuple[Tolerance, ...]:
    """The tolerance of every variable; reads the whole file once if any bound refers to a range."""
    schema = blocks.schema
    ranges = _ranges(blocks, bounds) if any(bound.kind == "range" for bound in bounds) else {}
    return tuple(
        make_tolerance(bound, limits=ranges.get(v.name), scale=v.scale, offset=v.offset, fill=v.fill)
        for v, bound in zip(schema.variables, bounds, strict=True)
    )


def _ranges(blocks: Blocks, bounds: Sequence[ErrorBound]) -> dict[str, ValueRange]:
    wanted = {v.name: v for v, bound in zip(blocks.schema.variables, bounds, strict=True) if bound.kind == "range"}
    found = {name: ValueRange() for name in wanted}
    for block in blocks:
        for name in found.keys() & {str(key) for key in block.variables}:
            found[name] = found[name].joined(value_range(values_of(block, name), wanted[name].fill))
    return found


def layouts_of(block: xr.Dataset, schema: Schema) -> list[Layout]:
    """The groups of a block, with the rows of each event where they are jagged.

    Raises
    ------
    DataError
        If the counts in the block do not fit its rows.
    """
    present = [variable for variable in schema.variables if variable.name in block.variables]
    layouts = group_variables(present, block_sizes(block), schema)
    counts_first(layouts)
    return [
        with_events(layout, values_of(block, layout.counts)) if layout.counts in block.variables else layout
        for layout in layouts
    ]


class Blocks:
    """The blocks of a source, iterable again and again; a source no larger than one block is read only once."""

    def __init__(self, source: Source, block_bytes: int) -> None:
        self.schema = source.schema
        self.left_out = tuple(source.warnings)
        self._source = source
        self._block_bytes = block_bytes
        self._kept: list[xr.Dataset] | None = None

    def __iter__(self) -> Iterator[xr.Dataset]:
        if self._kept is None and self._memory() <= self._block_bytes:
            self._kept = list(self._source.blocks(self._block_bytes))
        return self._source.blocks(self._block_bytes) if self._kept is None else iter(self._kept)

    def _memory(self) -> int:
        """About the bytes that all values take in memory."""
        schema = self.schema
        return sum(schema.nbytes(v) * (_TEXT_IN_MEMORY if v.is_text else 1) for v in schema.variables)
