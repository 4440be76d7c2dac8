"""Gather the sample that a table is learned from, with lattices that suit all blocks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from functools import partial

import numpy as np

from baler_core.builtin.models.table.contexts.symbols import SymbolMap
from baler_core.builtin.models.table.events import Events
from baler_core.builtin.models.table.relations.scales import NO_SCALES, Scales, scales_of
from baler_core.builtin.models.table.relations.search import SampledColumn
from baler_core.data.block import Block, values_of
from baler_core.data.variables import Layout, Variable, event_lengths
from baler_core.machine.records import dataclass
from baler_core.machine.threads import in_parallel
from baler_core.plugin.interfaces import Tolerances
from baler_core.quantise.lattice_fit import fit_lattice

MOST_ROWS = 1 << 17
"""Rows of the sample."""
_FEWEST_ROWS = 512
"""Of a sample, however wide the table is."""
_PIECE = 1 << 13
"""Rows of a piece: neighbouring rows stay together, as some contexts are earlier rows."""
_PIECES = 4
"""A small sample has at least so many, from everywhere."""
_PER_CELL, _COPIES = 22, 2
"""Bytes that planning takes for each value of the sample, and beside them copies of it, as measured with 50 to 400 columns
of 16,384 to 131,072 rows (`benchmarks/scale.py planning`)."""
_COMPARED_ROWS, _PER_COMPARED_CELL = 1 << 14, 66
"""Rows on which ways to code are compared, and bytes that each value in them takes beside that."""
_PER_ROW = 1000
"""What networks learn from, in two threads."""


@dataclass(frozen=True)
class TableSample:
    """What a table is learned from.

    Attributes
    ----------
    columns
        The sample, with a lattice for each column that covers all blocks.
    events
        How the rows of the sample are cut into events; None where that is not known.
    whole
        Whether the sample is the whole table.
    scales
        Tolerances that follow from other columns; such columns have the tolerance and the lattice of values without.
    known
        The sample of variables outside the table that tolerances follow from: their originals.
    maps
        By number of a column that follows from no other, how its codes become symbols, be differences liked less or more.
    total
        Rows of the whole table.
    """

    columns: list[SampledColumn]
    events: Events | None
    whole: bool
    scales: Scales = NO_SCALES
    known: Mapping[str, np.ndarray] = field(default_factory=dict)
    maps: Mapping[int, tuple[SymbolMap, SymbolMap]] = field(default_factory=dict)
    total: int = 0

    def head(self, rows: int) -> TableSample:
        """Return the same of the first rows."""
        first = slice(0, rows)
        columns = [replace(column, values=column.values[first]) for column in self.columns]
        known = {name: values[first] for name, values in self.known.items()}
        events = None if self.events is None else self.events.part(slice(0, min(rows, self.events.rows)))
        return replace(self, columns=columns, events=events, scales=self.scales.part(first), known=known)


def rows_within(memory: float, variables: Sequence[Variable]) -> int:
    """Return from how many rows a table is planned, so that this takes about `memory` bytes at most."""
    each = _PER_ROW + sum(_PER_CELL + _COPIES * variable.numpy_dtype.itemsize for variable in variables)
    compared = _PER_COMPARED_CELL * len(variables)
    rows = memory / (each + compared)
    if rows > _COMPARED_ROWS:
        rows = (memory - _COMPARED_ROWS * compared) / each
    return int(min(max(rows, _FEWEST_ROWS), MOST_ROWS))


def gather(blocks: Iterable[Block], layout: Layout, tolerances: Tolerances, memory: float = math.inf) -> TableSample:
    """Gather the sample of a table. Memory holds one block, and the sample about twice.

    Parameters
    ----------
    memory
        Bytes that planning with it may take, about.
    """
    most = rows_within(memory, layout.variables)
    counts = layout.counts if layout.lengths is not None else ""
    scales = scales_of([variable.name for variable in layout.variables], tolerances)
    sample = _pieces(blocks, [*(v.name for v in layout.variables), *scales.known], counts, most)
    known = {name: np.concatenate(sample.values[name]) for name in scales.known}

    def sampled(variable: Variable) -> SampledColumn:
        pieces, tolerance = sample.values[variable.name], tolerances[variable.name].where_none
        values = np.concatenate(pieces) if pieces else np.zeros(0, variable.numpy_dtype)
        return SampledColumn(variable.name, values, fit_lattice(values, tolerance), tolerance)

    columns = in_parallel(sampled, layout.variables)
    whole = sample.total == len(columns[0].values)
    if not whole:
        for block in blocks:
            columns = in_parallel(partial(_for_all, block), columns)
    lengths = [np.zeros(0, np.int64), *sample.lengths]
    events = Events(np.concatenate(lengths)) if counts else None
    return TableSample(columns, events, whole, scales.knowing(known), known, total=sample.total)


@dataclass
class _Pieces:
    """Pieces of neighbouring rows, by variable; the rows of their events; and the number of all rows."""

    values: dict[str, list[np.ndarray]]
    lengths: list[np.ndarray]
    total: int = 0

    def thin(self) -> int:
        """Drop every second piece; returns how many rows are left."""
        self.values = {name: parts[::2] for name, parts in self.values.items()}
        self.lengths = self.lengths[::2]
        return sum(len(part) for part in next(iter(self.values.values())))


def _pieces(blocks: Iterable[Block], names: list[str], counts: str, most: int) -> _Pieces:
    """Return pieces of at most so many rows together, thinned out evenly as the table proves longer."""
    length = min(_PIECE, most // _PIECES)
    pieces = _Pieces({name: [] for name in names}, [])
    every, seen, kept = 1, 0, 0
    for block in blocks:
        values = {name: values_of(block, name) for name in names}
        rows = len(values[names[0]])
        events = Events(event_lengths(values_of(block, counts), rows, counts)) if counts else None
        for start in range(0, rows, length):
            stop = min(start + length, rows)
            if seen % every == 0:
                for name in names:
                    pieces.values[name].append(values[name][start:stop].copy())
                if events is not None:
                    pieces.lengths.append(events.part(slice(start, stop)).lengths)
                kept += stop - start
            seen += 1
            if kept > most:
                kept, every = pieces.thin(), every * 2
        pieces.total += rows
    return pieces


def _for_all(block: Block, column: SampledColumn) -> SampledColumn:
    """Return the column with its lattice, or another if it does not suit the block, with room for the codes there."""
    values, lattice = values_of(block, column.name), column.lattice
    wrong = column.tolerance.violations(values, lattice.restore(lattice.codes(values)))
    if wrong.sum() > 0.001 * len(values):
        lattice = fit_lattice(np.concatenate([column.values, values]), column.tolerance)
    if not lattice.specials:
        return replace(column, lattice=lattice)
    codes, special = lattice.quantise(values)
    ordinary = codes[special == 0]
    lowest = int(ordinary.min()) if ordinary.size else lattice.lowest
    return replace(column, lattice=replace(lattice, lowest=min(lattice.lowest, lowest)))
