"""Reads a ROOT tree as blocks of plain arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from baler_core import DataError, Source, Variable, family_slices, make_block
from baler_root.branches import left_out_warnings, list_branches
from baler_root.flatten import Arrays, take_apart
from baler_root.jagged import Collection
from baler_root.reading import read_layouts
from baler_root.schema import build_schema
from baler_root.selection import select
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
            chosen = select(self._tree, *list_branches(self._tree), patterns, where)
            self._branches, self._collections = chosen.branches, chosen.collections
            self.schema = build_schema(self._tree, self._branches, self._collections, chosen.entry)
        except BaseException:
            self.close()
            raise
        self._where = where
        self.warnings = [*left_out_warnings(chosen.left_out, where), *_other_objects(others, path, self._tree)]

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


def _other_objects(others: Sequence[str], path: Path, tree: Tree) -> list[str]:
    if not others:
        return []
    return [f"{path}: only the tree {tree.name!r} is kept, not the other objects of the file: {', '.join(others)}"]
