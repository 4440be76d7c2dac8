"""List the groups, datasets, named types and links of an HDF5 file, in file order, without opening them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from baler_core import DataError

if TYPE_CHECKING:
    import h5py

EntryKind = Literal["group", "dataset", "type", "hard", "soft", "external"]
# Deeper nesting than any tool writes: a hostile file's paths would grow with the square of it.
DEEPEST = 256


@dataclass(frozen=True)
class Entry:
    """One object or link.

    Attributes
    ----------
    path
        Without a leading slash; empty for the root group.
    target, file
        Of a link: the path it leads to (in `file`, for an external one); bytes that are not UTF-8 as surrogates.
    """

    path: str
    kind: EntryKind
    target: str = ""
    file: str = ""


@dataclass
class ObjectTree:
    """All entries, the first path of every object by its address in the file, and what has no name in UTF-8."""

    entries: list[Entry] = field(default_factory=list)
    paths: dict[int, str] = field(default_factory=dict)
    unnamed: list[str] = field(default_factory=list)

    def of_kind(self, kind: EntryKind) -> list[Entry]:
        """Return the entries of one kind, in order."""
        return [entry for entry in self.entries if entry.kind == kind]


def walk(file: h5py.File, warn: Callable[[str], None]) -> ObjectTree:
    """Follow all hard links from the root; soft and external links are noted and never followed.

    Raises
    ------
    DataError
        If groups are nested deeper than any tool writes.
    """
    from h5py import h5o

    tree = ObjectTree([Entry("", "group")], {h5o.get_info(file.id).addr: ""})
    waiting = _members(file["/"], "", tree)
    while waiting:
        parent, name = waiting.pop()
        path = f"{parent}/{name}" if parent else name
        if path.count("/") > DEEPEST:
            raise DataError(f"{file.filename}: groups are nested more than {DEEPEST} levels deep, at {path[:80]}...")
        entry = _entry(file[parent or "/"], name, path, tree, warn)
        if entry is None:
            continue
        tree.entries.append(entry)
        if entry.kind == "group":
            waiting.extend(_members(file[path], path, tree))
    return tree


def _members(group: h5py.Group, path: str, tree: ObjectTree) -> list[tuple[str, str]]:
    """Names in a group, last first, with the group's path."""
    names = []
    for name in group:
        if isinstance(name, str):
            names.append((path, name))
        else:
            tree.unnamed.append(f"{name!r} in group {'/' + path!r}")
    return names[::-1]


def _entry(group: h5py.Group, name: str, path: str, tree: ObjectTree, warn: Callable[[str], None]) -> Entry | None:
    """The entry behind one link; None, with a warning, for kinds of links only their makers can follow."""
    from h5py import h5l, h5o

    kind = group.id.links.get_info(name.encode("utf-8")).type
    if kind == h5l.TYPE_SOFT:
        return Entry(path, "soft", _as_text(group.id.links.get_val(name.encode("utf-8"))))
    if kind == h5l.TYPE_EXTERNAL:
        target_file, target = group.id.links.get_val(name.encode("utf-8"))
        return Entry(path, "external", _as_text(target), _as_text(target_file))
    if kind != h5l.TYPE_HARD:
        warn(f"{path!r} is left out: a link of unknown kind")
        return None
    info = h5o.get_info(group.id, name.encode("utf-8"))
    if info.addr in tree.paths:
        return Entry(path, "hard", tree.paths[info.addr])
    tree.paths[info.addr] = path
    return _object_entry(path, info.type, warn)


def _as_text(path: bytes) -> str:
    """Where a link leads; h5py's own classes for links make other text of bytes that are not UTF-8."""
    return path.decode("utf-8", "surrogateescape")


def _object_entry(path: str, object_type: Any, warn: Callable[[str], None]) -> Entry | None:
    from h5py import h5o

    kinds: dict[Any, EntryKind] = {
        h5o.TYPE_GROUP: "group",
        h5o.TYPE_DATASET: "dataset",
        h5o.TYPE_NAMED_DATATYPE: "type",
    }
    if object_type not in kinds:
        warn(f"{path!r} is left out: neither a group, a dataset nor a datatype")
        return None
    return Entry(path, kinds[object_type])
