"""Open a ROOT file and the selected trees in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from baler_core import DataError, did_you_mean
from baler_root.contents.keys import TREE_KINDS, Item, content_of, newest

if TYPE_CHECKING:
    from awkward.contents import Content

TreeKind = Literal["TTree", "RNTuple"]
WITHOUT_IT = "to compress the rest without it, use --allow-missing or the reader's option allow_missing"


class UnreadableError(DataError):
    """Bytes of the file are damaged, so that a part of it cannot be read."""


@dataclass(frozen=True)
class Tree:
    """One tree of an open file: its place in the file, what kind it is, and uproot's object for it."""

    name: str
    kind: TreeKind
    tree: Any
    handles: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """uproot's objects of a TTree's branches by their keys, once they have been listed."""
    readings: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """uproot's interpretations of branches that are to be read otherwise than uproot would."""

    def read(self, key: str, start: int, stop: int) -> Content:
        """Return entries of a TTree's branch, as an awkward layout."""
        array = self.handles[key].array(self.readings.get(key), entry_start=start, entry_stop=stop, library="ak")
        layout: Content = array.layout
        return layout

    @cached_property
    def ntuple_form(self) -> Any:
        """The awkward form of an RNTuple; uproot takes seconds to make it of a thousand fields."""
        form, _ = self.tree.to_akform()
        return form

    @property
    def entries(self) -> int:
        """Number of events."""
        return int(self.tree.num_entries)

    @property
    def title(self) -> str:
        """The tree's title (an RNTuple's description)."""
        return str(self.tree.title if self.kind == "TTree" else self.tree.description)

    @property
    def weight(self) -> int:
        """About how many bytes of values it holds."""
        known = self.tree.uncompressed_bytes if self.kind == "TTree" else 0
        return int(known or 4 * self.entries * len(self.tree.keys()))


def open_file(path: Path) -> Any:
    """uproot's object for the file.

    Raises
    ------
    DataError
        If it is missing, or no ROOT file that can be read.
    """
    import uproot

    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    if not path.stat().st_size:
        raise DataError(f"{path}: the file is empty")
    try:
        file = uproot.open({str(path): None}, array_cache=None, handler=uproot.source.file.MemmapSource)
    except Exception as error:
        raise DataError(
            f"{path}: this is not a ROOT file, or it is damaged or cut short: {first_line(error)}"
        ) from error
    if file.file.fEND > path.stat().st_size:
        file.close()
        raise DataError(f"{path}: the file is cut short: {path.stat().st_size} of its {file.file.fEND} bytes are there")
    return file


def find_tree(items: Sequence[Item], path: Path, wanted: str) -> Item:
    """Return the tree `wanted` (`Events`, `folder/Events`, `Events;3`): its newest cycle unless one is asked for.

    Raises
    ------
    DataError
        If there is no such tree.
    """
    name, _, cycle = wanted.partition(";")
    name = name.strip("/")
    current = {item.path: item for item in newest(items)}
    trees = [item.path for item in current.values() if item.is_tree]
    if name not in trees:
        found = f"It is a {current[name].class_name}." if name in current else did_you_mean(name, trees)
        raise DataError(f"{path}: there is no tree {name!r} in this file. {found}")
    for item in items:
        if item.path == name and item.is_tree and cycle in ("", str(item.cycle)) and (cycle or item is current[name]):
            return item
    raise DataError(f"{path}: the tree {name!r} has no cycle {cycle}; its newest is {current[name].cycle}")


def open_tree(item: Item, path: Path) -> Tree:
    """Return a tree of the file.

    Raises
    ------
    UnreadableError
        If its bytes cannot be unpacked.
    DataError
        If uproot cannot read it.
    """
    try:
        return Tree(item.path, TREE_KINDS[item.class_name], item.key.get())
    except Exception as error:
        said = f"{path}: the tree {item.path!r} cannot be read: {first_line(error)}"
        if _can_be_unpacked(item):
            raise DataError(said) from error
        raise UnreadableError(f"{said}. The file may be damaged or cut short; {WITHOUT_IT}") from error


def _can_be_unpacked(item: Item) -> bool:
    try:
        content_of(item.key)
    except Exception:  # uproot and the codecs raise many kinds
        return False
    return True


def first_line(error: Exception) -> str:
    """Return what foreign code complained about, in one line."""
    lines = " ".join(str(error).split("\n")[:2]).strip()
    return f"{type(error).__name__}: {lines}" if lines else type(error).__name__
