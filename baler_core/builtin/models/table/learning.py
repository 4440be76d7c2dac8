"""Blocks of a table to the sample it is learned from, with lattices that suit all blocks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from baler_core.bounds import Tolerance
from baler_core.builtin.models.table.relations import Column
from baler_core.dataset import Layout, values_of
from baler_core.interfaces import Tolerances
from baler_core.lattice import Lattice
from baler_core.lattice_fit import fit_lattice

if TYPE_CHECKING:
    import xarray as xr

MOST_ROWS = 1 << 17
"""Rows of the sample."""
_PIECE = 1 << 13


def gather(blocks: Iterable[xr.Dataset], layout: Layout, tolerances: Tolerances) -> tuple[list[Column], bool]:
    """The sample, with a lattice for each column that covers all blocks; and whether it is the whole table.

    Memory holds one block and at most twice MOST_ROWS rows of each variable.
    """
    names = [v.name for v in layout.variables]
    sample, total = _sample(blocks, names)
    columns = []
    for variable in layout.variables:
        values = np.concatenate(sample[variable.name]) if sample[variable.name] else np.zeros(0, variable.numpy_dtype)
        tolerance = tolerances[variable.name]
        columns.append(Column(variable.name, values, fit_lattice(values, tolerance), tolerance))
    whole = total == len(columns[0].values)
    if not whole:
        for block in blocks:
            columns = [
                replace(c, lattice=_widened(c.lattice, c.values, values_of(block, c.name), c.tolerance))
                for c in columns
            ]
    return columns, whole


def _sample(blocks: Iterable[xr.Dataset], names: list[str]) -> tuple[dict[str, list[np.ndarray]], int]:
    """Pieces of neighbouring rows, thinned out evenly as the table proves longer; and the number of all rows."""
    pieces: dict[str, list[np.ndarray]] = {name: [] for name in names}
    total, every, seen, kept = 0, 1, 0, 0
    for block in blocks:
        values = {name: values_of(block, name) for name in names}
        rows = len(values[names[0]])
        for start in range(0, rows, _PIECE):
            if seen % every == 0:
                for name in names:
                    pieces[name].append(values[name][start : start + _PIECE].copy())
                kept += min(_PIECE, rows - start)
            seen += 1
            if kept > MOST_ROWS:
                pieces = {name: parts[::2] for name, parts in pieces.items()}
                kept, every = sum(len(part) for part in pieces[names[0]]), every * 2
        total += rows
    return pieces, total


def _widened(lattice: Lattice, sample: np.ndarray, values: np.ndarray, tolerance: Tolerance) -> Lattice:
    """The lattice, or another if it does not suit `values`, with room for its codes."""
    wrong = tolerance.violations(values, lattice.restore(lattice.codes(values)))
    if wrong.sum() > 0.001 * len(values):
        lattice = fit_lattice(np.concatenate([sample, values]), tolerance)
    if not lattice.specials:
        return lattice
    codes, special = lattice.quantise(values)
    ordinary = codes[special == 0]
    lowest = int(ordinary.min()) if ordinary.size else lattice.lowest
    return replace(lattice, lowest=min(lattice.lowest, lowest))
