"""Restore a group of a block, whole or in part, with what it follows from; keep what is likely to be asked for again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from threading import Lock, RLock
from typing import NamedTuple

import numpy as np

from baler_core.data.part import Part, inside
from baler_core.data.variables import Layout, Variable
from baler_core.format.blocks import StoredBlock
from baler_core.machine.recent import Recent
from baler_core.machine.threads import one_thread
from baler_core.pipeline.decode import BalFile
from baler_core.pipeline.scaled_groups import needs_of

# From this share of a block's values on, all of them are restored and kept; so they are when a block is asked for again.
_MUCH = 0.5
_PATIENCE = 2
# From this share of a group's variables on, all of them are restored at once, as they follow from each other.
_MANY = 0.25
# So many blocks are kept of which nothing but the index has been read.
_OPEN_BLOCKS = 16
_LAYOUTS = 1024


class StoredRows(NamedTuple):
    """Where rows of a group's leading dimension are stored.

    Attributes
    ----------
    block
        Number of the block.
    place
        Of the group among those of the block.
    start, stop
        The rows of the file that it holds.
    """

    block: int
    place: int
    start: int
    stop: int


class StoredGroups:
    """Restores groups of blocks of an open file; several threads may use it at once.

    Parameters
    ----------
    stored
        The file; the owner closes it.
    cache
        Bytes of restored values that are kept for the next question.
    """

    def __init__(self, stored: BalFile, cache: int) -> None:
        self.stored = stored
        header = stored.header
        self.group_of = {number: g for g, group in enumerate(header.groups) for number in group.variables}
        self.number = {variable.name: number for number, variable in enumerate(header.schema.variables)}
        self._kept: Recent[np.ndarray] = Recent(cache)
        self._blocks: Recent[StoredBlock] = Recent(_OPEN_BLOCKS)
        self._layouts: Recent[tuple[Layout, int]] = Recent(_LAYOUTS)
        self._in_order: set[tuple[int, ...]] = set()
        self._needs: dict[int, set[str]] = {}
        self._asked: dict[tuple[int, int], dict[str, int]] = {}
        self._locks: dict[tuple[int, int], RLock] = {}
        self._lock = Lock()

    def region(self, piece: StoredRows, variable: Variable, box: tuple[slice, ...]) -> np.ndarray:
        """Return a region of the part of a variable that a block holds; not to be changed."""
        key = piece.block, piece.place
        whole = self._kept.get((*key, variable.name))
        if whole is None:
            with self._lock:
                lock = self._locks.setdefault(key, RLock())
            with lock:
                whole = self._kept.get((*key, variable.name))
                if whole is None:
                    return self._restored(piece, variable, box)
        return inside(whole, box)

    @one_thread
    def _restored(self, piece: StoredRows, variable: Variable, box: tuple[slice, ...]) -> np.ndarray:
        """Restore a region, or all of the variable, or of the group, where more of it is likely to be asked for."""
        layout, size = self._layout(piece)
        before = self._before(piece, layout)
        shape = layout.shape(variable)
        wanted = math.prod(one.stop - one.start for one in box) / max(1, math.prod(shape))
        asked = self._asked.setdefault((piece.block, piece.place), {})
        times = asked[variable.name] = asked.get(variable.name, 0) + 1
        group_fits = size <= self._kept.limit
        many = len(asked) > 1 and len(asked) >= _MANY * len(layout.variables)
        if not (group_fits and many):
            fits = math.prod(shape) * variable.numpy_dtype.itemsize <= self._kept.limit
            all_of_it = not box or wanted >= _MUCH or (fits and times > _PATIENCE)
            region = {} if all_of_it else dict(zip(variable.dims, box, strict=True))
            part = Part(frozenset([variable.name]), region)
            found = self._part(piece, layout, before, part)
            if found is not None and all_of_it:
                self._keep(piece, found)
                return inside(found[variable.name], box)
            if found is not None:
                return found[variable.name]
        found = self._whole(piece, layout, before)
        self._keep(piece, found)
        return inside(found[variable.name], box)

    def together(
        self, piece: StoredRows, variables: Sequence[Variable], box: tuple[slice, ...]
    ) -> dict[str, np.ndarray]:
        """Return the same region of what a block holds of several variables; not to be changed."""
        with self._lock:
            lock = self._locks.setdefault((piece.block, piece.place), RLock())
        with lock:
            return self._restored_together(piece, variables, box)

    @one_thread
    def _restored_together(
        self, piece: StoredRows, variables: Sequence[Variable], box: tuple[slice, ...]
    ) -> dict[str, np.ndarray]:
        kept = {v.name: self._kept.get((piece.block, piece.place, v.name)) for v in variables}
        found = {name: inside(values, box) for name, values in kept.items() if values is not None}
        missing = [v for v in variables if v.name not in found]
        if not missing:
            return found
        layout, size = self._layout(piece)
        before = self._before(piece, layout)
        shape = layout.shape(missing[0])
        wanted = math.prod(one.stop - one.start for one in box) / max(1, math.prod(shape))
        region = dict(zip(missing[0].dims, box, strict=True)) if wanted < _MUCH else {}
        restored: dict[str, np.ndarray] | None = None
        if region or len(missing) < _MANY * len(layout.variables):
            part = Part(frozenset(v.name for v in missing), region)
            restored = self._part(piece, layout, before, part)
        if restored is None:
            restored, region = self._whole(piece, layout, before), {}
        if not region and size <= self._kept.limit:
            self._keep(piece, restored)
        return found | {v.name: restored[v.name] if region else inside(restored[v.name], box) for v in missing}

    def _layout(self, piece: StoredRows) -> tuple[Layout, int]:
        """Return the layout of a group of a block, and the bytes that it takes, of which there is memory."""
        found = self._layouts.get((piece.block, piece.place))
        if found is None:
            layout = self.stored.layout(piece.block, piece.place)
            self.stored.refuse_more_than_memory([layout])
            found = layout, layout.nbytes
            self._layouts.put((piece.block, piece.place), found, 1)
        return found

    def _keep(self, piece: StoredRows, arrays: Mapping[str, np.ndarray]) -> None:
        for name, values in arrays.items():
            values.flags.writeable = False
            self._kept.put((piece.block, piece.place, name), values, values.nbytes)

    def _before(self, piece: StoredRows, layout: Layout) -> dict[str, np.ndarray]:
        """Restore what a group follows from: its counts, and what tolerances of its values follow from."""
        header = self.stored.header
        record = header.blocks[piece.block]
        group = record.groups[piece.place]
        if group not in self._needs:
            scaled = needs_of(layout, header.tolerance_of(layout))
            self._needs[group] = scaled | ({layout.counts} if layout.counts else set())
        needs = self._needs[group]
        if needs and record.groups not in self._in_order:
            self.stored.order(self.stored.layouts(piece.block))  # refuses what follows from itself
            self._in_order.add(record.groups)
        found = {}
        for name in sorted(needs & self.number.keys()):
            holder = self.group_of.get(self.number[name])
            if holder in record.groups and record.groups.index(holder) != piece.place:
                there = StoredRows(piece.block, record.groups.index(holder), 0, 0)
                found[name] = self.all_of(there, name)
        return found

    def all_of(self, piece: StoredRows, name: str) -> np.ndarray:
        """Return all that a block holds of a variable."""
        layout = self.stored.layout(piece.block, piece.place)
        variable = self.stored.header.schema.variables[self.number[name]]
        return self.region(piece, variable, tuple(slice(0, length) for length in layout.shape(variable)))

    def _block(self, number: int) -> StoredBlock:
        found = self._blocks.get(number)
        if found is None:
            found = self.stored.stored_block(number)
            self._blocks.put(number, found, 1)
        return found

    def _part(
        self, piece: StoredRows, layout: Layout, before: Mapping[str, np.ndarray], part: Part
    ) -> dict[str, np.ndarray] | None:
        record = self.stored.header.blocks[piece.block]
        model = self.stored.model(record.groups[piece.place], record.models[piece.place])
        with self.stored.naming(layout, model):
            streams = self._block(piece.block).ranged(piece.place)
            found = self.stored.decoder.part(model, streams, layout, before, part)
        # A single value that a plugin's model indexed is a number by now.
        return None if found is None else {name: np.asarray(values) for name, values in found.items()}

    def _whole(self, piece: StoredRows, layout: Layout, before: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        record = self.stored.header.blocks[piece.block]
        model = self.stored.model(record.groups[piece.place], record.models[piece.place])
        stored = self._block(piece.block)
        with self.stored.naming(layout, model):
            found, digest = self.stored.decoder.whole(model, stored.streams(piece.place), layout, before)
        if not stored.agrees(piece.place, digest):
            raise self.stored.differs(piece.block)
        return found
