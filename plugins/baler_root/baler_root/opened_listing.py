"""List what a ROOT file held, as uproot does: folders, trees and other objects in the order of its keys, with cycles."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from baler_core import File
from baler_root.contents.objects import keys_from_json
from baler_root.opened_tree import OpenTree

_CYCLE = re.compile(r";(\d+)$")


@dataclass(frozen=True)
class Entry:
    """A key of the file.

    Attributes
    ----------
    path
        With its folders, without cycles.
    tree
        What it stands for, if that is a tree some of whose branches can be opened.
    is_folder, is_object
        Whether it holds other keys; whether it is neither a folder nor a tree.
    """

    path: str
    cycle: int
    class_name: str
    tree: OpenTree | None = None
    is_folder: bool = False
    is_object: bool = False

    @property
    def can_be_opened(self) -> bool:
        """Whether there is something to hand out: not of older cycles of trees."""
        return self.tree is not None or self.is_object or self.is_folder

    @property
    def key(self) -> str:
        """The path with the cycle."""
        return f"{self.path};{self.cycle}"


def list_entries(file: File, trees: Sequence[OpenTree | None]) -> list[Entry]:
    """List what a file holds; of trees that nothing can be read of, the keys alone.

    Parameters
    ----------
    trees
        By their numbers; None for one without branches that can be opened.
    """
    stored = file.schema.skeleton.get("keys")
    if not stored:
        return [Entry(tree.path, 1, tree.classname, tree) for tree in trees if tree is not None]
    found: list[Entry] = []
    for key in keys_from_json(stored, len(trees)):
        path = key.name if key.folder < 0 else f"{found[key.folder].path}/{key.name}"
        tree = None if key.tree is None else trees[key.tree]
        if tree is not None:
            tree.cycle = key.cycle
        found.append(Entry(path, key.cycle, key.class_name, tree, key.is_folder, key.size >= 0))
    return found


def by_path(entries: Sequence[Entry]) -> dict[str, list[Entry]]:
    """Return the entries at each path: one for each cycle."""
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        found.setdefault(entry.path, []).append(entry)
    return found


def find_entry(entries: Mapping[str, Sequence[Entry]], path: str) -> Entry | None:
    """Find what stands at a path, whose parts may end in cycles; without one, the highest cycle is meant."""
    parts = path.strip("/").split("/")
    stated = _CYCLE.search(parts[-1])
    found = entries.get("/".join(_CYCLE.sub("", part) for part in parts), ())
    fit = (entry for entry in found if not stated or entry.cycle == int(stated[1]))
    return max(fit, key=lambda entry: entry.cycle, default=None)
