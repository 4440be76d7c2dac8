"""Add keys and folders, with the titles, cycles and dates they had, to a file that uproot is writing.

uproot's file writer keeps track of free space, directories and streamer information; its interface for that is not
public, and used in this module and in `baskets` alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from baler_core import DataError

NOT_SMALL = 2_000_000_000  # ROOT's kStartBigFile: places from here on need eight bytes
FOLDER_BYTES = 256


class Names(NamedTuple):
    """Name, title and class of an object in its key."""

    class_name: str
    name: str
    title: str
    cycle: int = 1
    date: int | None = None


def add_object(directory: Any, names: Names, content: bytes, *, small: bool = False, packed: bool = True) -> None:
    """Write an object and list it in its directory (one of uproot's that is being written).

    Parameters
    ----------
    content
        Its bytes, not packed.
    small
        Whether its key must hold places of four bytes, since references in it count from the end of such a key.
    packed
        Whether to compress it as the file's other objects.

    Raises
    ------
    DataError
        If a small key is to be written where four bytes cannot point.
    """
    import uproot

    node, sink = directory._cascading, directory._file.sink
    compression = node.freesegments.fileheader.compression if packed else None
    written = uproot.compression.compress(content, compression)
    key = _key(node, names, None, not small, len(content), len(written))
    location = node.freesegments.allocate(key.num_bytes + len(written), dry_run=False)
    if small and location >= NOT_SMALL:
        raise DataError(
            f"{names.name!r} cannot be placed beyond 2 GB of a ROOT file, its references are of four bytes; "
            "'reader: {name: root, others: drop}' with a 'tree' leaves such objects out"
        )
    key = _key(node, names, location, not small, len(content), len(written))
    _list(node, _key(node, names, location, not small, len(content), len(written)))
    sink.write(location, key.serialize() + written)


def add_blob(directory: Any, content: bytes) -> int:
    """Write bytes that no directory lists, as an RNTuple has them; returns where they begin, behind their key."""
    from uproot.writing._cascadentuple import RBlob_Key

    node, sink = directory._cascading, directory._file.sink
    size = RBlob_Key(None, len(content), len(content), created_on=_moment(0), big=True).num_bytes
    location: int = node.freesegments.allocate(size + len(content), dry_run=False)
    key = RBlob_Key(location, len(content), len(content), created_on=_moment(None), big=True)
    sink.write(location, key.serialize() + content)
    return location + size


def add_folder(directory: Any, names: Names) -> Any:
    """Return an empty folder in a directory that uproot is writing; what uproot has for writing into it."""
    from uproot.writing._cascade import DirectoryData, DirectoryHeader, SubDirectory
    from uproot.writing.writable import WritableDirectory

    parent, file = directory._cascading, directory._file
    key, data_key = (_key(parent, names, None, None) for _ in range(2))
    header = DirectoryHeader(None, None, None, None, None, parent.key.location, file.uuid_function())
    size = key.num_bytes + header.allocation + data_key.num_bytes + FOLDER_BYTES
    key.location = parent.freesegments.allocate(size)
    data_key.location = key.location + key.num_bytes + header.allocation
    room = size - (key.num_bytes + header.allocation + data_key.num_bytes)
    # RNTuples list their anchors themselves, which needs to know where before the folder is written.
    data = DirectoryData(data_key.location + data_key.num_bytes, room, [])
    node = SubDirectory(key, header, data_key, data, parent, parent.freesegments)
    key.uncompressed_bytes = key.compressed_bytes = header.allocation
    _list(parent, key.copy_to(0))
    return WritableDirectory((*directory.path, names.name), file, node)


def _key(
    node: Any, names: Names, location: int | None, big: bool | None, size: int | None = None, packed: int | None = None
) -> Any:
    """uproot's key of an object in a directory; without a location it is taken to be a big one."""
    from uproot.writing._cascade import Key, String

    strings = [String(None, text) for text in names[:3]]
    moment = _moment(names.date)
    return Key(location, size, packed, *strings, names.cycle, node.key.location, location, created_on=moment, big=big)


def _moment(date: int | None) -> datetime | None:
    """ROOT's TDatime as Python has it; None, which stands for now, for a moment that there never was."""
    import uproot

    try:
        return None if date is None else datetime.fromisoformat(str(uproot._util.code_to_datetime(date)))
    except ValueError:
        return None


def _list(node: Any, key: Any) -> None:
    """List a key in its directory, making room where there is none."""
    data = node.data
    if data.num_bytes + key.num_bytes > data.allocation:
        node._reallocate_data(math.ceil(1.5 * (data.allocation + key.num_bytes + 8)))
    data.add_key(key)


def forget_key(directory: Any, name: str, cycle: int) -> None:
    """Take a key out of the list of its directory."""
    data = directory._cascading.data
    data.remove_key(data.get_key(name, cycle))


def order_keys(directory: Any, names: Sequence[tuple[str, int]]) -> None:
    """List the keys of a directory in the order of these names and cycles."""
    place = {name: n for n, name in enumerate(names)}
    data = directory._cascading.data
    data._keys.sort(key=lambda key: place.get((key.name.string, key.cycle), len(place)))
    data._file_dirty = True


def write_folders(directories: Sequence[Any]) -> None:
    """Write what directories list, innermost first."""
    file = directories[0]._file
    for directory in reversed(directories):
        directory._cascading.data._file_dirty = True
        directory._cascading.write(directory._file.sink)
    file.sink.set_file_length(directories[0]._cascading.freesegments.fileheader.end)
    file.sink.flush()
