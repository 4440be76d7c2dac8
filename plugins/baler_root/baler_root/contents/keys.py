"""List every object of a ROOT file, folder by folder, by its keys."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

TREE_KINDS: dict[str, Literal["TTree", "RNTuple"]] = {
    "TTree": "TTree",
    "TNtuple": "TTree",
    "TNtupleD": "TTree",
    "ROOT::RNTuple": "RNTuple",
}

# How far a file's name and title may reach at most.
NAMES_BYTES = 1 << 16


@dataclass(frozen=True)
class Item:
    """One key of a file.

    Attributes
    ----------
    folder
        Place of the folder that it is in, in the list of all items; -1 at the top.
    path
        Its name behind the names of its folders.
    key, directory
        uproot's objects of the key and of the directory that lists it.
    """

    folder: int
    path: str
    key: Any
    directory: Any

    @property
    def class_name(self) -> str:
        """The C++ class."""
        return str(self.key.fClassName)

    @property
    def name(self) -> str:
        """The name within its folder."""
        return str(self.key.fName)

    @property
    def cycle(self) -> int:
        """The cycle number: of several keys of one name, the highest is the newest."""
        return int(self.key.fCycle)

    @property
    def is_folder(self) -> bool:
        """Whether it holds other items."""
        return self.class_name in ("TDirectory", "TDirectoryFile")

    @property
    def is_tree(self) -> bool:
        """Whether it is a TTree or RNTuple."""
        return self.class_name in TREE_KINDS

    def __str__(self) -> str:
        return f"{self.path} ({self.class_name})"


def list_items(file: Any) -> list[Item]:
    """All keys of an open file, each folder before what is in it; a folder that leads back to itself is not entered."""
    items: list[Item] = []
    _add_items(file, -1, "", items, set())
    return items


def _add_items(directory: Any, folder: int, prefix: str, items: list[Item], seen: set[int]) -> None:
    for key in directory._keys:
        item = Item(folder, prefix + key.fName, key, directory)
        items.append(item)
        if item.is_folder and key.fSeekKey not in seen:
            seen.add(key.fSeekKey)
            _add_items(key.get(), len(items) - 1, item.path + "/", items, seen)


def newest(items: Sequence[Item]) -> Iterator[Item]:
    """Yield the items without older cycles of the same name."""
    highest: dict[tuple[int, str], int] = {}
    for item in items:
        place = (item.folder, item.name)
        highest[place] = max(item.cycle, highest.get(place, 0))
    for item in items:
        if item.cycle == highest[item.folder, item.name]:
            yield item


def content_of(key: Any) -> bytes:
    """Return the object's bytes, unpacked."""
    chunk, _ = key.get_uncompressed_chunk_cursor()
    return bytes(chunk.raw_data[: key.data_uncompressed_bytes])


def names_of_file(file: Any) -> tuple[str, str]:
    """Return the name and title that an open file carries in itself, whatever it is called on disk."""
    import uproot

    place = int(file.file.fBEGIN)
    cursor = uproot.source.cursor.Cursor(place)
    chunk = file.file.chunk(place, min(place + NAMES_BYTES, file.file.fEND))
    key = uproot.reading.ReadOnlyKey(chunk, cursor, {}, file.file, file.file, read_strings=True)
    return str(key.fName), str(key.fTitle)
