"""Lay out a block: the digests of its groups, then their streams; read any group of it by itself."""

from __future__ import annotations

from collections.abc import Sequence

from baler_core.errors import FormatError
from baler_core.format.container import BalReader
from baler_core.format.digests import (
    BLOCK_DIGEST_BYTES,
    GROUP_DIGEST_BYTES,
    block_digest,
    stored_digest,
)
from baler_core.format.ranged import RangedBytes, Stream
from baler_core.format.streams import BlockStreams, PackedStreams, pack_streams, unpack_together

# A block of which no more bytes are stored is read in one go.
_SMALL = 1 << 17


def pack_block(place: int, groups: BlockStreams, digests: Sequence[bytes]) -> bytes:
    """Return the section of the block at a place of the file."""
    return b"".join(stored_digest(place, digest) for digest in digests) + pack_streams(groups)


class StoredBlock:
    """A block of which nothing but the index of its streams has been read.

    Parameters
    ----------
    place
        Number of the block in the file.
    section
        Where it lies.
    count
        How many groups it has.
    memory_limit
        More bytes must not be restored.
    whole
        Whether all of it will be asked for: then it is read in one go.

    Raises
    ------
    FormatError
        If it is damaged, or has another number of groups.
    """

    def __init__(
        self, stored: BalReader, place: int, section: int, count: int, *, memory_limit: int, whole: bool = False
    ) -> None:
        self._place = place
        self._packed: PackedStreams | None = None
        self._streams: list[dict[str, bytes]] = []
        length = stored.length(section)
        if stored.version == 1:
            data = stored.section(section)
            self._digests = data[-BLOCK_DIGEST_BYTES:]
            self._streams = unpack_together(data[:-BLOCK_DIGEST_BYTES], memory_limit=memory_limit)
            found = len(self._streams)
        else:
            before = min(GROUP_DIGEST_BYTES * count, length)
            self._digests = stored.part(section, 0, before)
            packed: Stream = RangedBytes(lambda start, stop: stored.part(section, start, stop), before, length)
            whole = whole or length <= _SMALL
            self._packed = PackedStreams(bytes(packed) if whole else packed, memory_limit)
            found = len(self._packed.groups)
        if found != count:
            raise FormatError(f"a block holds {found} groups where {count} were expected")

    def streams(self, group: int) -> dict[str, bytes]:
        """Return the streams of a group."""
        return dict(self._streams[group]) if self._packed is None else self._packed.whole(group)

    def ranged(self, group: int) -> dict[str, Stream]:
        """Return the streams of a group, of which large ones are read when they are needed."""
        return {**self._streams[group]} if self._packed is None else self._packed.ranged(group)

    def agrees(self, group: int, digest: bytes) -> bool:
        """Return whether a group was restored to what was written; of version 1 only all groups together tell."""
        if self._packed is None:
            return True
        start = GROUP_DIGEST_BYTES * group
        return stored_digest(self._place, digest) == self._digests[start : start + GROUP_DIGEST_BYTES]

    def all_agree(self, digests: Sequence[bytes]) -> bool:
        """Return whether all groups were restored to what was written."""
        if self._packed is None:
            return block_digest(self._place, digests) == self._digests
        return all(self.agrees(group, digest) for group, digest in enumerate(digests))
