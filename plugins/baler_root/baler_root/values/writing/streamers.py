"""Add the description of the classes of carried objects to a file that uproot is writing."""

from __future__ import annotations

from typing import Any

from baler_core import FormatError
from baler_root.contents.trees import first_line


def add_streamers(directory: Any, stored: bytes) -> None:
    """Begin the list of TStreamerInfo of a new file with that of another one, in its own bytes.

    References within the list count from the start of its key, so it has to come first, behind a key as long as the one
    it had; where that was longer, its descriptions are written anew.

    Raises
    ------
    FormatError
        If it is damaged.
    """
    file = directory._file
    streamers = file._cascading.streamers
    try:
        key_bytes, stored = int.from_bytes(stored[:2], "big"), stored[2:]
        infos = _read(stored, key_bytes)
        ranges = list(infos.byte_ranges)
        if key_bytes == streamers.key.num_bytes and ranges and ranges[0][0] == streamers.header.num_bytes:
            for (start, stop), info in zip(ranges, infos, strict=True):
                _append(streamers, _record(stored[start:stop], info))
            streamers.write(file.sink)
        else:
            streamers.update_streamers(file.sink, [info for info in infos if _is_info(info)])
    except Exception as error:  # uproot reads it: many kinds of error
        raise FormatError(f"the description of C++ classes to be written is damaged: {first_line(error)}") from error


def _read(stored: bytes, key_bytes: int) -> Any:
    """uproot's object of the list, whose references count from the start of a key of this length."""
    import uproot
    from uproot.writing._cascade import _ReadForUpdate

    holder = _ReadForUpdate("", None)
    chunk = uproot.source.chunk.Chunk.wrap(holder, stored)
    cursor = uproot.source.cursor.Cursor(0, origin=-key_bytes)
    return uproot.models.TList.Model_TList.read(chunk, cursor, {}, holder, holder, None)


def _append(streamers: Any, record: Any) -> None:
    """Put an entry behind those that are there, even one that is there already: places must not change."""
    streamers._lookup.add((record.name, record.class_version))
    streamers._rawstreamers.append(record.copy_to(streamers.key.location + streamers.num_bytes))
    streamers.more_dependencies(streamers._rawstreamers[-1])


def _record(serialized: bytes, info: Any) -> Any:
    """One entry of the list as uproot keeps it: a description, or the list of rules behind them."""
    from uproot.writing._cascade import RawStreamerInfo

    if _is_info(info):
        return RawStreamerInfo(None, serialized, info.name, info.class_version)
    return RawStreamerInfo(None, serialized, "listOfRules", -1)


def _is_info(info: Any) -> bool:
    import uproot

    return isinstance(info, uproot.streamers.Model_TStreamerInfo)
