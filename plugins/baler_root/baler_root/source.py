"""Reads a ROOT tree as blocks of plain arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from baler_core import DataError, Source, Variable, family_slices, make_block
from baler_root.branches import Branch, left_out_warnings, list_branches, select
from baler_root.flatten import Arrays, take_apart
from baler_root.forms import leaves
from baler_root.jagged import Collection, find_collections, free_name
from baler_root.reading import read_layouts
from baler_root.schema import build_schema
from baler_root.trees import Tree, find_tree, open_file

if TYPE_CHECKING:
    import xarray as xr


class RootSource(Source):
    """One tree of an open ROOT file."""

    def __init__(self, path: Path, tree_name: str | None, patterns: Sequence[str] | None) -> None:
        self.path = path
        self._file = open_file(path)
        try:
            self._tree, others = find_tree(self._file, path, tree_name)
            where = f"{path}, {self._tree.name}"
            readable, left_out = list_branches(self._tree)
            chosen, left_out = select(readable, left_out, patterns, where)
            self._branches = _with_counters(chosen, readable)
            if not self._branches:
                raise DataError(f"{where}: none of its branches can be kept")
            names = {leaf.name for branch in readable for leaf in leaves(branch.form, branch.key)}
            entry = free_name("entry", names)
            self._collections = find_collections(self._tree, self._branches, entry=entry, taken=names, where=where)
            self.schema = build_schema(self._tree, self._branches, self._collections, entry)
        except BaseException:
            self.close()
            raise
        self._where = where
        self.warnings = [*left_out_warnings(left_out, where), *_other_objects(others, path, self._tree)]

    def blocks(self, max_bytes: int) -> Iterator[xr.Dataset]:
        """Blocks of events; the rows of jagged dimensions belong to just these events."""
        for _, variables, rows in family_slices(self.schema, max_bytes):
            yield self._block(variables, rows)

    def _block(self, variables: Sequence[Variable], rows: slice) -> xr.Dataset:
        layouts = read_layouts(self._tree, self._branches, rows, self._where)
        values: Arrays = {}
        counts: Arrays = {}
        for branch in self._branches:
            found, lengths = take_apart(layouts.pop(branch.key), branch.form, branch.key)
            values |= found
            counts |= lengths
        for collection in self._collections:
            self._share_counts(collection, values, counts, rows)
        return make_block({variable.name: (variable.dims, values[variable.name]) for variable in variables})

    def _share_counts(self, collection: Collection, values: Arrays, counts: Arrays, rows: slice) -> None:
        """Make sure that all lists of a collection have the lengths its counts variable says."""
        if not collection.counter:
            values[collection.counts] = counts[collection.places[0]].astype("<i4")
        for place in collection.places:
            if not np.array_equal(counts[place], values[collection.counts]):
                raise DataError(
                    f"{self._where}: the lists of {place.replace('[]', '')!r} have other lengths than "
                    f"{collection.counts!r} says, in the events {rows.start} to {rows.stop}: the file is damaged"
                )

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _with_counters(chosen: Sequence[Branch], readable: Sequence[Branch]) -> list[Branch]:
    """The chosen branches and the counter branches they need, in file order."""
    by_key = {branch.key: branch for branch in chosen}
    needed = {branch.counter for branch in chosen}
    return [by_key.get(b.key, b) for b in readable if b.key in by_key or b.key in needed]


def _other_objects(others: Sequence[str], path: Path, tree: Tree) -> list[str]:
    if not others:
        return []
    return [f"{path}: only the tree {tree.name!r} is kept, not the other objects of the file: {', '.join(others)}"]
