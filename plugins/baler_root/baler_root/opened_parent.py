"""A split object of an open .bal file: the branches that are its members, together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from baler_core import look_up
from baler_root.opened_branch import OpenBranch
from baler_root.opened_together import Library, library_of, together


class TreeOfBranches(Protocol):
    """The open tree that the members belong to."""

    num_entries: int

    @property
    def where(self) -> str: ...
    def range_of(self, start: int | None, stop: int | None) -> tuple[int, int]: ...


class OpenParent(Mapping[str, OpenBranch]):
    """A branch that is split into others, read as `uproot.TBranch` is: a record of them.

    Attributes
    ----------
    name
        Without the names of the objects that it lies in.
    """

    typename = "struct"

    def __init__(self, tree: TreeOfBranches, path: str, members: Mapping[str, OpenBranch]) -> None:
        self.tree, self._path, self._members = tree, path, dict(members)
        self.name = path.rpartition("/")[2]

    def __getitem__(self, name: str) -> OpenBranch:
        return look_up(name, self._members, f"{self.tree.where}, {self._path}", "branch")

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    @property
    def num_entries(self) -> int:
        """Return how many events there are."""
        return self.tree.num_entries

    @property
    def branches(self) -> list[OpenBranch]:
        """Return the members in order."""
        return list(self._members.values())

    @property
    def _nbytes(self) -> int:
        return sum(member._nbytes for member in self._members.values())

    def array(self, *, entry_start: int | None = None, entry_stop: int | None = None, library: Library = "ak") -> Any:
        """Return the members of some entries; arguments as of `OpenTree.arrays`."""
        start, stop = self.tree.range_of(entry_start, entry_stop)
        return self.read(start, stop, library_of(library))

    def read(self, start: int, stop: int, library: Library) -> Any:
        """Return entries from `start` to `stop`: records of awkward, a dictionary of arrays, a table of pandas."""
        columns = {name: member.read(start, stop, library) for name, member in self._members.items()}
        return columns if library == "np" else together(columns, stop - start, start, library)

    def __repr__(self) -> str:
        return f"<baler_root.OpenParent {self._path!r} ({len(self)} branches)>"
