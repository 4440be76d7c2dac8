"""Put entries into compressed baskets, and place them in the file that uproot is writing."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from baler_root.values.entries import Entries
from baler_root.values.flatten import offsets_of
from baler_root.values.tbuffer import string_bytes
from baler_root.values.writing.records import Names, add_object

KEY = struct.Struct(">ihiIhhqq")
BASKET = struct.Struct(">HiiiiB")
KEY_VERSION = 1004  # with 64-bit places in the file
# Baskets are cut at about this size: readers unpack a whole basket to get at one entry.
BASKET_BYTES = 4 * 2**20


@dataclass(frozen=True)
class Basket:
    """Where a basket was put, and how large it is with its key."""

    location: int
    entries: int
    uncompressed: int
    compressed: int
    fixed: bool


class BasketWriter:
    """Writes the baskets of one tree, and at the end the tree, into a directory of a file open in uproot.

    uproot's file writer keeps track of free space, directories and streamer information; its interface for that is
    not public, and used in this class alone.
    """

    def __init__(self, directory: Any, tree_name: str) -> None:
        self._writable = directory
        self._directory = directory._cascading
        self._file = directory._file
        self._tree_name = tree_name

    def write(self, branch_name: str, entries: Entries) -> list[Basket]:
        """Append the entries of one branch."""
        return [self._write_basket(branch_name, piece) for piece in _pieces(entries)]

    def _write_basket(self, branch_name: str, entries: Entries) -> Basket:
        import uproot

        strings = b"".join(string_bytes(text.encode()) for text in ("TBasket", branch_name, self._tree_name))
        key_length = KEY.size + len(strings) + BASKET.size
        number = len(entries.lengths)
        offsets = key_length + offsets_of(entries.lengths)
        content = entries.data.tobytes()
        if not entries.fixed:
            content += struct.pack(">I", number + 1) + np.append(offsets[:-1], 0).astype(">i4").tobytes()
        compressed = uproot.compression.compress(content, self._compression)
        size = key_length + len(compressed)
        location = self._directory.freesegments.allocate(size, dry_run=False)
        place = self._directory.key.location
        key = KEY.pack(size, KEY_VERSION, len(content), _now(), key_length, 0, location, place)
        entry_size = int(entries.lengths[0]) if entries.fixed else number + 2
        header = BASKET.pack(3, 32000, entry_size, number, int(offsets[-1]), 0)
        self._file.sink.write(location, key + strings + header + compressed)
        return Basket(location, number, key_length + len(content), size, entries.fixed)

    @property
    def _compression(self) -> Any:
        return self._directory.freesegments.fileheader.compression

    def flush(self) -> None:
        """Note in the file what space is taken."""
        segments = self._directory.freesegments
        segments.write(self._file.sink)
        self._file.sink.set_file_length(segments.fileheader.end)
        self._file.sink.flush()

    def key_bytes(self, *strings: str) -> int:
        """Return length of a key with these strings: class, name and title of an object."""
        return KEY.size + sum(len(string_bytes(text.encode("utf-8", "surrogateescape"))) for text in strings)

    def add_tree(self, names: Names, content: bytes) -> None:
        """Write the tree object and list it in its directory."""
        add_object(self._writable, names, content)
        self._file._cascading.streamers.update_streamers(self._file.sink, list(_streamers()))
        self.flush()


def _pieces(entries: Entries) -> Iterator[Entries]:
    """The entries cut into baskets."""
    number = len(entries.lengths)
    step = max(1, number * BASKET_BYTES // max(entries.data.size, 1))
    starts = offsets_of(entries.lengths)
    for start in range(0, number, step):
        stop = min(start + step, number)
        yield Entries(entries.data[starts[start] : starts[stop]], entries.lengths[start:stop], entries.fixed)


def _now() -> int:
    """ROOT's TDatime: 6 bits of year since 1995, then month, day, hour, minute, second."""
    now = datetime.now()
    date = (now.year - 1995) << 26 | now.month << 22 | now.day << 17
    return date | now.hour << 12 | now.minute << 6 | now.second


def _streamers() -> Iterator[Any]:
    """Descriptions of the classes used, as every ROOT file carries them."""
    import uproot
    import uproot.writing._cascade

    leaves, branches, tree = uproot.models.TLeaf, uproot.models.TBranch, uproot.models.TTree
    letters = "OBSILFDC"
    models = [getattr(leaves, f"Model_TLeaf{letter}_v1") for letter in letters]
    seen = set()
    for model in (*models, branches.Model_TBranch_v13, tree.Model_TTree_v20):
        for description in model.class_rawstreamers:
            if description[-2:] not in seen:
                seen.add(description[-2:])
                yield uproot.writing._cascade.RawStreamerInfo(*description)
