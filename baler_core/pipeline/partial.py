"""Restore what is asked of single variables: the blocks, groups, columns and tiles that hold it, and what these follow from."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from baler_core.data.variables import Variable
from baler_core.errors import FormatError, SourceError
from baler_core.pipeline.decode import BalFile, not_believed
from baler_core.pipeline.stored_groups import StoredGroups, StoredRows


class PartialReader:
    """Restores parts of an open file; several threads may use it at once.

    Parameters
    ----------
    stored
        The file; the owner closes it.
    cache
        Bytes of restored values that are kept for the next question.
    """

    def __init__(self, stored: BalFile, cache: int) -> None:
        self.stored = stored
        self._groups = StoredGroups(stored, cache)
        self._pieces: dict[int, list[StoredRows]] = {}

    def pieces(self, name: str) -> Sequence[StoredRows]:
        """Return where a variable is stored, in the order of its rows.

        Raises
        ------
        FormatError
            If the blocks do not make up the variable.
        """
        with not_believed(self.stored.path, "baler-core"):
            return self._found(name)

    def _found(self, name: str) -> Sequence[StoredRows]:
        header, number = self.stored.header, self._groups.number[name]
        group = self._groups.group_of.get(number)
        if group is None:
            raise FormatError(f"{self.stored.path}: is damaged: there are no values of {name!r}")
        if group not in self._pieces:
            variable, found, start = header.schema.variables[number], list[StoredRows](), 0
            for block, record in enumerate(header.blocks):
                if group in record.groups:
                    rows = record.sizes[variable.dims[0]] if variable.dims else 1
                    found.append(StoredRows(block, record.groups.index(group), start, start + rows))
                    start += rows
                    self._refuse_other_lengths(variable, record.sizes)
            whole = header.schema.sizes[variable.dims[0]] if variable.dims else 1
            if start != whole:
                raise FormatError(f"{self.stored.path}: is damaged: its blocks hold {start} rows of {whole}")
            self._pieces[group] = found
        return self._pieces[group]

    def _refuse_other_lengths(self, variable: Variable, sizes: Mapping[str, int]) -> None:
        for dim in variable.dims[1:]:
            if sizes[dim] != self.stored.header.schema.sizes[dim]:
                raise FormatError(
                    f"{self.stored.path}: is damaged: a block does not have the file's length along {dim!r}"
                )

    def read(self, name: str, box: Sequence[slice]) -> np.ndarray:
        """Return a region of a variable.

        Parameters
        ----------
        box
            For each dimension, which rows: start and stop within the variable, and no step.

        Raises
        ------
        FormatError
            If what is needed of the file is damaged.
        SourceError
            If the file is closed.
        """
        self._refuse_closed()
        with not_believed(self.stored.path, "baler-core"):
            return self._read(name, box)

    def _refuse_closed(self) -> None:
        """Raise SourceError if the file is closed: whatever is still in memory, what comes of asking must not depend on it."""
        if self.stored.closed:
            raise SourceError(f"{self.stored.path}: is closed: open it again")

    def _read(self, name: str, box: Sequence[slice]) -> np.ndarray:
        variable = self.stored.header.schema.variables[self._groups.number[name]]
        if not variable.dims:
            (piece,) = self.pieces(name)
            return np.array(self._groups.region(piece, variable, ()))
        shape, rows = tuple(one.stop - one.start for one in box), box[0]
        touched = [piece for piece in self.pieces(name) if piece.start < rows.stop and piece.stop > rows.start]
        if not math.prod(shape) or not touched:
            return np.empty(shape, variable.numpy_dtype)
        parts = []
        for piece in touched:
            inside = slice(max(rows.start, piece.start) - piece.start, min(rows.stop, piece.stop) - piece.start)
            parts.append(self._groups.region(piece, variable, (inside, *box[1:])))
        return _joined(parts, variable)

    def read_together(self, boxes: Mapping[str, Sequence[slice]]) -> dict[str, np.ndarray]:
        """Return regions of several variables; those of a group, which have the same box, are restored together.

        Raises
        ------
        FormatError
            If what is needed of the file is damaged.
        SourceError
            If the file is closed.
        """
        self._refuse_closed()
        groups: dict[int | None, list[str]] = {}
        for name in boxes:
            groups.setdefault(self._groups.group_of.get(self._groups.number[name]), []).append(name)
        found: dict[str, np.ndarray] = {}
        with not_believed(self.stored.path, "baler-core"):
            for group, names in groups.items():
                if len(names) == 1 or group is None or not boxes[names[0]]:
                    found |= {name: self.read(name, boxes[name]) for name in names}
                else:
                    found |= self._read_group(names, boxes[names[0]])
        return {name: found[name] for name in boxes}

    def _read_group(self, names: Sequence[str], box: Sequence[slice]) -> dict[str, np.ndarray]:
        """Return the same region of several variables of a group."""
        variables = [self.stored.header.schema.variables[self._groups.number[name]] for name in names]
        shape, rows = tuple(one.stop - one.start for one in box), box[0]
        touched = [piece for piece in self.pieces(names[0]) if piece.start < rows.stop and piece.stop > rows.start]
        if not math.prod(shape) or not touched:
            return {v.name: np.empty(shape, v.numpy_dtype) for v in variables}
        parts: dict[str, list[np.ndarray]] = {name: [] for name in names}
        for piece in touched:
            inside = slice(max(rows.start, piece.start) - piece.start, min(rows.stop, piece.stop) - piece.start)
            arrays = self._groups.together(piece, variables, (inside, *box[1:]))
            for name in names:
                parts[name].append(arrays[name])
        return {v.name: _joined(parts[v.name], v) for v in variables}

    def rows_of(self, dim: str, rows: slice) -> slice:
        """Return the rows of a jagged dimension that belong to some rows of the dimension of its counts."""
        counts = self.stored.header.schema.counts[dim]
        with not_believed(self.stored.path, "baler-core"):
            return slice(self._first_row(dim, counts, rows.start), self._first_row(dim, counts, rows.stop))

    def _first_row(self, dim: str, counts: str, row: int) -> int:
        """Return how many rows of a jagged dimension come before those that belong to a row of its counts."""
        pieces = self.pieces(counts)
        number = max(0, bisect_right([piece.start for piece in pieces], row) - 1)
        sizes = [self.stored.header.blocks[piece.block].sizes[dim] for piece in pieces[: number + 1]]
        if not pieces or row >= pieces[number].stop:
            return sum(sizes)
        before = self.read(counts, (slice(pieces[number].start, row),))
        return sum(sizes[:-1]) + int(before.sum(dtype=np.int64))

    def block(self, number: int, names: Collection[str]) -> dict[str, np.ndarray]:
        """Return what a block holds of some variables, in the order of its groups; not to be changed."""
        found = {}
        for place, group in enumerate(self.stored.header.blocks[number].groups):
            for one in self.stored.header.groups[group].variables:
                name = self.stored.header.schema.variables[one].name
                if name in names:
                    found[name] = self._groups.all_of(StoredRows(number, place, 0, 0), name)
        return found


def _joined(parts: Sequence[np.ndarray], variable: Variable) -> np.ndarray:
    """Join parts along their leading dimension, as an array of its own."""
    return np.array(parts[0]) if len(parts) == 1 else np.concatenate(parts, dtype=variable.numpy_dtype)
