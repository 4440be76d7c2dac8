"""Read the trees of a ROOT file as blocks of plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from baler_core import Block, DataError, Source, Variable, make_block
from baler_root.contents.keys import Item, list_items, names_of_file
from baler_root.contents.objects import carry, keys_to_json
from baler_root.contents.patterns import PatternsOfTrees
from baler_root.contents.tree_selection import choose_trees
from baler_root.contents.trees import first_line, open_file
from baler_root.schema.jagged import Collection
from baler_root.schema.parts import TreeSchema, join_parts
from baler_root.schema.tree_part import TreePart, TreeReading
from baler_root.values.flatten import Arrays, take_apart
from baler_root.values.reading import read_layouts


class RootSource(Source):
    """An open ROOT file.

    Parameters
    ----------
    tree_name
        The only tree whose branches are variables.
    others
        Whether what is no variable is carried: other objects, other trees, and older cycles.
    allow_missing
        Whether what is damaged is left out, with a warning.
    """

    reads_in_threads = True

    def __init__(
        self,
        path: Path,
        tree_name: str | None,
        others: bool,
        patterns: Sequence[str] | None,
        *,
        allow_missing: bool = False,
    ) -> None:
        self.path = path
        self.opens_fast = not allow_missing  # which reads all values once
        self._allow_missing = allow_missing
        self._file = open_file(path)
        try:
            self._open(tree_name, others, patterns)
        except BaseException:
            self.close()
            raise

    def _open(self, tree_name: str | None, others: bool, patterns: Sequence[str] | None) -> None:
        try:
            items = list_items(self._file)
            names = names_of_file(self._file)
        except Exception as error:
            raise DataError(f"{self.path}: its folders cannot be read: {first_line(error)}") from error
        choices = choose_trees(items, self.path, tree_name, others=others)
        patterns_of_trees = PatternsOfTrees(patterns, str(self.path))
        missing = self._allow_missing
        reading = TreeReading(self.path, items, patterns_of_trees, others=others, allow_missing=missing)
        reading.settle_patterns(choices)
        for choice in choices:
            reading.add(choice, must=tree_name is not None and choice.prefix is not None)
        reading.patterns.refuse_unknown()
        parts = reading.parts
        self.as_stored = [part.prefix + name for part in parts for name in part.as_stored]
        carried = carry(
            self._file,
            items,
            {part.choice.place: n for n, part in enumerate(parts)},
            others=others,
            classes=any(part.template or "class" in part.schema.skeleton for part in parts),
            where=str(self.path),
            missing=reading.warnings if missing else None,
        )
        self.warnings = [*reading.warnings, *_dropped(items, choices, others, self.path)]
        skeleton: dict[str, Any] = {"compression": _compression(self._file)}
        if names != (self.path.name, ""):
            skeleton["file"] = list(names)
        if not _is_usual(items, parts):
            skeleton["keys"] = keys_to_json(carried.keys)
        joined = [TreeSchema(part.prefix, part.schema) for part in parts]
        self.schema = join_parts(joined, skeleton, carried.attachments())
        known = set(self.schema.names)
        self.unchosen = [name for name in reading.patterns.offered if name not in known]
        self._part_of = {part.prefix + name: part for part in parts for name in part.schema.names}

    def move_rows(self, order: np.ndarray) -> None:
        """Do nothing: only values belong to a row."""

    def read(self, variables: Sequence[Variable], rows: slice) -> Block:
        """Return some events of a tree; the rows of jagged dimensions belong to just these events."""
        return _block(self._part_of[variables[0].name], variables, rows)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _block(part: TreePart, variables: Sequence[Variable], rows: slice) -> Block:
    layouts = read_layouts(part.tree, part.branches, rows, part.where)
    values: Arrays = {}
    counts: Arrays = {}
    for branch in part.branches:
        found, lengths = take_apart(layouts.pop(branch.key), branch.form, branch.key)
        values |= found
        counts |= lengths
    for collection in part.collections:
        _share_counts(part, collection, values, counts, rows)
    own = {variable.name: variable.name.removeprefix(part.prefix) for variable in variables}
    return make_block({variable.name: (variable.dims, values[own[variable.name]]) for variable in variables})


def _share_counts(part: TreePart, collection: Collection, values: Arrays, counts: Arrays, rows: slice) -> None:
    """Check that all lists of a collection have the lengths of its counts variable."""
    if not collection.counter:
        values[collection.counts] = counts[collection.places[0]].astype("<i4")
    for place in collection.places:
        if not np.array_equal(counts[place], values[collection.counts]):
            raise DataError(
                f"{part.where}: the lists of {place.replace('[]', '')!r} have other lengths than "
                f"{collection.counts!r} states, in the events {rows.start} to {rows.stop}: the file is damaged"
            )


def _compression(file: Any) -> list[Any]:
    """Algorithm and level (0: none); of old files, which name no algorithm, it was zlib."""
    code = file.file.compression
    return ["ZLIB", int(file.file.fCompress) % 100] if code is None else [code.name, code.level]


def _is_usual(items: Sequence[Item], parts: Sequence[TreePart]) -> bool:
    """Return whether the only key of the file is that of a tree, with the same name and title."""
    if len(items) != 1 or len(parts) != 1 or items[0].cycle != 1:
        return False
    title = parts[0].tree.title if parts[0].tree.kind == "TTree" else ""
    return str(items[0].key.fTitle) == title and "template" not in parts[0].schema.skeleton


def _dropped(items: Sequence[Item], choices: Sequence[Any], others: bool, path: Path) -> list[str]:
    """A sentence on the objects and trees that were not to be kept."""
    kept = {choice.place for choice in choices}
    left = [str(item) for n, item in enumerate(items) if not item.is_folder and n not in kept]
    if others or not left:
        return []
    return [f"{path}: {len(left)} other objects are left out ('others: drop'): {', '.join(left)}"]
