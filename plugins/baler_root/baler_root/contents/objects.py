"""Store the objects of a file other than trees, byte for byte, and the list of all keys."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from baler_core import DataError
from baler_root.contents.keys import Item, content_of
from baler_root.contents.trees import WITHOUT_IT, UnreadableError, first_line

OBJECTS, STREAMERS = "objects", "streamers"
# Classes that every reader of ROOT files knows without a description, and that hold no objects of other classes.
_KNOWN_EVERYWHERE = frozenset({"TObjString", "TNamed"})


@dataclass(frozen=True)
class KeyRecord:
    """A key to be written: where, what, and which part of the attachment `objects` or which tree it leads to.

    Attributes
    ----------
    folder
        Place of its folder in the list of keys; -1 at the top.
    date
        ROOT's TDatime; None for now.
    small
        Whether places in the file had four bytes: references inside the object count from the end of its key.
    size
        Bytes of a carried object; -1 of a folder; -2 - n of tree n.
    """

    folder: int
    class_name: str
    name: str
    title: str
    cycle: int
    date: int | None
    small: bool
    size: int

    @property
    def is_folder(self) -> bool:
        """Whether it holds other keys."""
        return self.size == -1

    @property
    def tree(self) -> int | None:
        """Which tree it is, if it is one."""
        return -2 - self.size if self.size < -1 else None


@dataclass(frozen=True)
class Carried:
    """Keys in the file's order, what they lead to, and the description of its classes."""

    keys: tuple[KeyRecord, ...] = ()
    objects: bytes = b""
    streamers: bytes = b""

    def attachments(self) -> dict[str, bytes]:
        """Return the bytes, by name, without those that are empty."""
        parts = {OBJECTS: self.objects, STREAMERS: self.streamers}
        return {name: part for name, part in parts.items() if part}


def carry(
    file: Any,
    items: Sequence[Item],
    trees: Mapping[int, int],
    *,
    others: bool,
    classes: bool,
    where: str,
    missing: list[str] | None = None,
) -> Carried:
    """Return everything but trees.

    Parameters
    ----------
    trees
        `{place of an item: number of the tree}` for those that are kept.
    others
        Whether objects that are neither folders nor trees are kept.
    classes
        Whether trees need the description of their classes too.
    missing
        Takes a sentence on each object that cannot be read and is left out; without it, such objects are an error.

    Raises
    ------
    UnreadableError
        If an object cannot be read.
    DataError
        If the description of its classes cannot be read.
    """
    wanted = [n for n, item in enumerate(items) if not (n in trees or item.is_folder or item.is_tree) and others]
    contents = _contents({n: items[n] for n in wanted}, where, missing)
    kept = [n for n, item in enumerate(items) if n in trees or item.is_folder or n in contents]
    place_of = {-1: -1} | {n: place for place, n in enumerate(kept)}
    keys: list[KeyRecord] = []
    objects: list[bytes] = []
    for n in kept:
        item, size = items[n], -1
        if n in trees:
            size = -2 - trees[n]
        elif not item.is_folder:
            objects.append(contents[n])
            size = len(objects[-1])
        keys.append(_record(item, place_of[item.folder], size))
    described = classes or any(key.size >= 0 and key.class_name not in _KNOWN_EVERYWHERE for key in keys)
    return Carried(tuple(keys), b"".join(objects), _streamers(file, where) if described else b"")


def _record(item: Item, folder: int, size: int) -> KeyRecord:
    key = item.key
    small = key.fVersion <= 1000
    return KeyRecord(folder, item.class_name, item.name, str(key.fTitle), item.cycle, int(key.fDatime), small, size)


def _contents(items: Mapping[int, Item], where: str, missing: list[str] | None) -> dict[int, bytes]:
    """The bytes of objects, without those that are left out."""
    found: dict[int, bytes] = {}
    for n, item in items.items():
        try:
            found[n] = content_of(item.key)
        except Exception as error:  # uproot and the codecs raise many kinds
            said = f"{where}: the object {item} cannot be read: {first_line(error)}"
            if missing is None:
                raise UnreadableError(f"{said}. The file may be damaged or cut short; {WITHOUT_IT}") from error
            missing.append(f"{said}; it is left out")
    return found


def _streamers(file: Any, where: str) -> bytes:
    try:
        return streamers_of(file)
    except Exception as error:  # as ROOT compressed before version 5, for example
        raise DataError(
            f"{where}: the description of its classes cannot be read: {first_line(error)}. 'reader: whole_file' keeps the "
            f"file byte for byte"
        ) from error


def streamers_of(file: Any) -> bytes:
    """The description of a file's classes (a TList of TStreamerInfo) as it is stored, unpacked; empty if there is none.

    The bytes of its key, from whose start references in it count, stand before it (two bytes, big-endian).
    """
    import uproot

    place = file.file._fSeekInfo
    if not place:
        return b""
    cursor = uproot.source.cursor.Cursor(place)
    chunk = file.file.chunk(place, min(place + uproot.reading._key_format_big.size, file.file.fEND))
    key = uproot.reading.ReadOnlyKey(chunk, cursor, {}, file.file, file.file)
    return struct.pack(">H", key.fKeylen) + content_of(key)


COLUMNS = {"in": "folder", "class": "class_name", "name": "name", "title": "title"} | {
    name: name for name in ("cycle", "date", "small", "size")
}


def keys_to_json(keys: Sequence[KeyRecord]) -> dict[str, list[Any]]:
    """Return columns of the keys."""
    return {column: [getattr(key, attribute) for key in keys] for column, attribute in COLUMNS.items()}


def keys_from_json(stored: Mapping[str, Any], trees: int) -> list[KeyRecord]:
    """Return the keys that `keys_to_json` wrote.

    Raises
    ------
    KeyError, TypeError, ValueError
        If they are damaged.
    """
    texts, numbers = ("class", "name", "title"), ("in", "cycle", "date", "small", "size")
    columns = {c: [str(v) for v in stored[c]] for c in texts} | {c: [int(v) for v in stored[c]] for c in numbers}
    keys: list[KeyRecord] = []
    for row in zip(*(columns[column] for column in COLUMNS), strict=True):
        folder, class_name, name, title, cycle, date, small, size = row
        key = KeyRecord(folder, class_name, name, title, cycle, date, bool(small), size)
        if not -1 <= folder < len(keys) or (folder >= 0 and not keys[folder].is_folder):
            raise ValueError(f"the folder of {name!r} is none")
        if (key.tree is not None and key.tree >= trees) or not 0 < cycle < 2**15 or not 0 <= date < 2**32:
            raise ValueError(f"the key {name!r} does not fit")
        keys.append(key)
    return keys
