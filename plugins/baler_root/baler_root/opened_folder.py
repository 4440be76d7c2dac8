"""A folder of an open .bal file, or the whole: its trees, folders and other objects by name, as uproot hands them out."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from baler_core import DataError, File, look_up
from baler_root.opened_filters import Filter, accepting
from baler_root.opened_listing import Entry, by_path, find_entry
from baler_root.opened_objects import OpenObjects
from baler_root.opened_tree import OpenTree


class OpenFolder(Mapping[str, Any]):
    """What lies in a folder, by name, with or without cycles: `file["demo"]["Events;1"]`.

    Attributes
    ----------
    path
        The names of the folders that lead here; none for the whole file.
    """

    def __init__(self, whole: OpenFolder | None, file: File, entries: Sequence[Entry], path: str = "") -> None:
        self._whole, self.stored, self._entries = whole or self, file, entries
        self.path, self.name = tuple(filter(None, path.split("/"))), path.rpartition("/")[2]
        self._path, self._prefix = path, f"{path}/" if path else ""

    @property
    def _objects(self) -> OpenObjects:
        return self._whole._objects

    @cached_property
    def _found(self) -> dict[str, list[Entry]]:
        return by_path(self._entries)

    def __getitem__(self, name: str) -> Any:
        """Return a tree, a folder, a branch by its path, `file["Events/Jet_pt"]`, or another object, as uproot reads it.

        Raises
        ------
        KeyError
            If there is none; with the nearest names.
        """
        path = f"{self._prefix}{str(name).strip('/')}"
        if (entry := find_entry(self._found, path)) is not None:
            return self._value(entry)
        parts = path.split("/")
        for count in range(len(parts) - 1, 0, -1):
            entry = find_entry(self._found, "/".join(parts[:count]))
            if entry is not None and entry.tree is not None:
                return entry.tree["/".join(parts[count:])]
        known = {entry.path.removeprefix(self._prefix): entry for entry in self._entries}
        return look_up(str(name), known, self.where, "tree or object called")

    def _value(self, entry: Entry) -> Any:
        if entry.tree is not None:
            return entry.tree
        if entry.is_folder:
            return OpenFolder(self._whole, self.stored, self._within(entry.path), entry.path)
        if entry.is_object:
            return self._objects.read(entry.key)
        raise DataError(
            f"{self.stored.path}: of the tree {entry.key!r} no branch can be opened: restore the file, which holds it as it was"
        )

    def _within(self, path: str) -> list[Entry]:
        return [entry for entry in self._entries if entry.path.startswith(f"{path}/")]

    @property
    def where(self) -> str:
        """Where the folder is, for messages."""
        return f"{self.stored.path}, {self._path}" if self._path else str(self.stored.path)

    @property
    def object_path(self) -> str:
        """Where it lies in the file, as uproot writes it: between slashes."""
        return f"/{self._prefix}"

    def __iter__(self) -> Iterator[str]:
        return self.iterkeys()

    def __len__(self) -> int:
        return sum(1 for _ in self.iterkeys())

    def __contains__(self, name: object) -> bool:
        entry = find_entry(self._found, f"{self._prefix}{str(name).strip('/')}")
        return entry is not None and entry.can_be_opened

    def _chosen(
        self, recursive: bool = True, cycle: bool = True, filter_name: Filter = None, filter_classname: Filter = None
    ) -> Iterator[tuple[str, Entry]]:
        named, classed = accepting(filter_name), accepting(filter_classname)
        for entry in self._entries:
            name = entry.path.removeprefix(self._prefix)
            shown = entry.can_be_opened and (recursive or "/" not in name)
            if shown and named(name) and classed(entry.class_name):
                yield f"{name};{entry.cycle}" if cycle else name, entry

    def iterkeys(
        self,
        *,
        recursive: bool = True,
        cycle: bool = True,
        filter_name: Filter = None,
        filter_classname: Filter = None,
    ) -> Iterator[str]:
        """Yield the names of folders, trees and other objects, in the order of the file; not older cycles of trees.

        Parameters
        ----------
        recursive
            False leaves out those in folders.
        cycle
            Whether names end in cycles: `;1`.
        filter_name, filter_classname
            A name, a pattern, a regular expression between slashes, several of them, or a function; None takes all.
        """
        return (name for name, _ in self._chosen(recursive, cycle, filter_name, filter_classname))

    def iteritems(self, **filters: Any) -> Iterator[tuple[str, Any]]:
        """Yield names and what they stand for; arguments as of `iterkeys`."""
        return ((name, self._value(entry)) for name, entry in self._chosen(**filters))

    def itervalues(self, **filters: Any) -> Iterator[Any]:
        """Yield trees, folders and other objects; arguments as of `iterkeys`."""
        return (self._value(entry) for _, entry in self._chosen(**filters))

    def keys(self, **filters: Any) -> Any:
        """Return the names of folders, trees and other objects; arguments as of `iterkeys`."""
        return list(self.iterkeys(**filters))

    def values(self, **filters: Any) -> Any:
        """Return the trees, folders and other objects; arguments as of `iterkeys`."""
        return list(self.itervalues(**filters))

    def items(self, **filters: Any) -> Any:
        """Return names and what they stand for; arguments as of `iterkeys`."""
        return list(self.iteritems(**filters))

    def iterclassnames(self, **filters: Any) -> Iterator[tuple[str, str]]:
        """Yield names and their classes; arguments as of `iterkeys`."""
        return ((name, entry.class_name) for name, entry in self._chosen(**filters))

    def classnames(self, **filters: Any) -> dict[str, str]:
        """Return the class of each folder, tree and object; arguments as of `iterkeys`."""
        return dict(self.iterclassnames(**filters))

    def classname_of(self, name: str) -> str:
        """Return the class of a folder, tree or object.

        Raises
        ------
        KeyError
            If there is none.
        """
        entry = find_entry(self._found, f"{self._prefix}{name.strip('/')}")
        return str(self[name].classname) if entry is None else entry.class_name

    @property
    def trees(self) -> dict[str, OpenTree]:
        """The trees here and in folders, by their paths."""
        found = ((name, entry.tree) for name, entry in self._chosen(cycle=False))
        return {name: tree for name, tree in found if tree is not None}

    @property
    def parent(self) -> OpenFolder | None:
        """The folder that it lies in; None of the whole file."""
        above = "/".join(self.path[:-1])
        return None if not self.path else self._whole[above] if above else self._whole

    @property
    def file(self) -> OpenFolder:
        """The whole file."""
        return self._whole

    @property
    def file_path(self) -> str:
        """Where the file lies."""
        return str(self.stored.path)

    def __repr__(self) -> str:
        return f"<baler_root.{type(self).__name__} {self.where!r}: {', '.join(self.iterkeys(recursive=False)) or 'nothing'}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return operator.getitem, (self._whole, self._path)
