"""Pack the streams of a block's groups so that each can be read by itself, and find them again."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import field
from itertools import accumulate
from typing import NamedTuple

from baler_core.entropy.bytes import squeeze, unsqueeze
from baler_core.entropy.varint import ByteReader, write_sized, write_varint, write_varints
from baler_core.errors import FormatError
from baler_core.format.ranged import RangeReader, Stream
from baler_core.machine.cached import cached_property
from baler_core.machine.records import dataclass

# An index is text and small numbers: longer ones are an attack.
_INDEX_LIMIT = 1 << 26
_PIECE = 1 << 14
# About so many bytes are squeezed together: what is read for one stream is not much more than that.
COMMON_BYTES = 1 << 18

BlockStreams = Sequence[Mapping[str, bytes]]
"""For each group of a block: its streams by name."""


def pack_streams(groups: BlockStreams) -> bytes:
    """Return the streams of one block, those that can still shrink compressed together.

    Layout: number of groups; per group its number of streams and each one's name, length and whether it lies in a common
    part; the lengths of the common parts; these, squeezed; then the other streams.
    """
    streams = [data for group in groups for _, data in sorted(group.items())]
    shared = [worth_squeezing(data) for data in streams]
    together = [data for data, common in zip(streams, shared, strict=True) if common]
    parts = [
        squeeze(b"".join(together[number] for number in part)) for part in _common_parts([len(d) for d in together])
    ]
    index = [write_varint(len(groups))]
    position = 0
    for group in groups:
        index.append(write_varint(len(group)))
        for name, data in sorted(group.items()):
            index.append(write_sized(name.encode()) + write_varint(2 * len(data) + shared[position]))
            position += 1
    packed_index = b"".join(index)
    head = write_varint(len(packed_index)) + write_sized(squeeze(packed_index, thorough=False))
    alone = b"".join(data for data, common in zip(streams, shared, strict=True) if not common)
    return head + write_varints(map(len, parts)) + b"".join(parts) + alone


def _common_parts(lengths: Sequence[int]) -> list[list[int]]:
    """Return the numbers of the streams of each common part: neighbours, in a part the longest first.

    Long streams are arrays of numbers, which compress better where they are aligned.
    """
    parts: list[list[int]] = []
    total = COMMON_BYTES
    for number, length in enumerate(lengths):
        if total + length > COMMON_BYTES:
            parts.append([])
            total = 0
        parts[-1].append(number)
        total += length
    # Sorting is stable, so equal lengths keep their order on both sides.
    return [sorted(part, key=lambda number: lengths[number], reverse=True) for part in parts]


def worth_squeezing(data: bytes) -> bool:
    """Whether general compression still finds something in a stream."""
    if len(data) > 4 * _PIECE:
        middle = len(data) // 2
        pieces = data[:_PIECE] + data[middle : middle + _PIECE]
        # what pieces show to be as random as can be is not looked at whole
        if len(zlib.compress(pieces, 1)) > 0.999 * len(pieces):
            return False
    return len(data) > 0 and (len(data) < 64 or len(zlib.compress(data, 6)) < 0.97 * len(data))


def unpack_streams(data: bytes, *, memory_limit: int) -> list[dict[str, bytes]]:
    """Return the streams that `pack_streams` packed, per group.

    Raises
    ------
    FormatError
        If the bytes are damaged, or would take more than `memory_limit` bytes.
    """
    packed = PackedStreams(data, memory_limit)
    return [packed.whole(number) for number in range(len(packed.groups))]


class _Place(NamedTuple):
    """Where a stream lies: behind the common parts, or in one of them.

    Attributes
    ----------
    part
        Number of the common part; -1 for none.
    start
        Where it begins, from the first of those that lie alone, or in the part.
    """

    part: int
    start: int
    length: int


@dataclass
class PackedStreams:
    """Streams of a block of which the index has been read.

    Parameters
    ----------
    data
        What `pack_streams` returned.
    memory_limit
        More bytes must not be restored.

    Raises
    ------
    FormatError
        If they are damaged, or would take more memory.
    """

    data: Stream
    memory_limit: int
    groups: list[dict[str, _Place]] = field(init=False)
    _parts: list[tuple[Stream, int]] = field(init=False)
    _alone: Stream = field(init=False)

    def __post_init__(self) -> None:
        reader = RangeReader(self.data, "a block")
        index_length = reader.varint(min(self.memory_limit, _INDEX_LIMIT))
        index = ByteReader(unsqueeze(reader.sized(), index_length), "the index of a block")
        listed = _listed(index, index_length, self.memory_limit)
        lengths = [length for group in listed for _, length, together in group if together]
        numbers = _common_parts(lengths)
        squeezed = [reader.varint() for _ in numbers]
        self._parts = [
            (reader.part(size), sum(lengths[n] for n in part)) for size, part in zip(squeezed, numbers, strict=True)
        ]
        self._alone = reader.part(reader.left)
        self.groups = _placed(listed, lengths, numbers, len(self._alone))

    @cached_property
    def _restored(self) -> dict[int, bytes]:
        return {}

    def whole(self, group: int) -> dict[str, bytes]:
        """Return the streams of a group."""
        return {name: bytes(stream) for name, stream in self.ranged(group).items()}

    def ranged(self, group: int) -> dict[str, Stream]:
        """Return the streams of a group, of which those that lie alone are read when they are needed."""
        return {name: self._stream(place) for name, place in self.groups[group].items()}

    def _stream(self, place: _Place) -> Stream:
        end = place.start + place.length
        if place.part >= 0:
            return self._part(place.part)[place.start : end]
        return self._alone[place.start : end] if isinstance(self._alone, bytes) else self._alone.part(place.start, end)

    def _part(self, number: int) -> bytes:
        if number not in self._restored:
            stored, length = self._parts[number]
            self._restored[number] = unsqueeze(bytes(stored), length)
        return self._restored[number]


def _listed(index: ByteReader, length: int, memory_limit: int) -> list[list[tuple[str, int, bool]]]:
    """Return names and lengths of all streams, and whether each lies in a common part."""
    found, left = [], memory_limit
    for _ in range(index.varint(length + 1)):
        group = []
        for _ in range(index.varint(length + 1)):
            name = _text(index.sized())
            size, together = divmod(index.varint(), 2)
            left -= size
            if left < 0:
                raise FormatError(f"{index.what} is damaged: its streams would take more than {memory_limit} bytes")
            group.append((name, size, bool(together)))
        found.append(group)
    if index.left:
        raise FormatError(f"{index.what} is damaged: more follows its streams")
    return found


def _placed(
    listed: Sequence[Sequence[tuple[str, int, bool]]],
    lengths: Sequence[int],
    parts: Sequence[Sequence[int]],
    alone: int,
) -> list[dict[str, _Place]]:
    """Return where each stream lies."""
    inside: dict[int, _Place] = {}
    for number, part in enumerate(parts):
        starts = accumulate((lengths[n] for n in part), initial=0)
        inside.update({n: _Place(number, start, lengths[n]) for n, start in zip(part, starts, strict=False)})
    taken, position = iter(range(len(lengths))), 0
    groups: list[dict[str, _Place]] = []
    for group in listed:
        places: dict[str, _Place] = {}
        for name, length, together in group:
            places[name] = inside[next(taken)] if together else _Place(-1, position, length)
            position += 0 if together else length
        groups.append(places)
    if position > alone:
        raise FormatError(f"a block is damaged: {position} bytes were announced, {alone} are left")
    return groups


def unpack_together(data: bytes, *, memory_limit: int) -> list[dict[str, bytes]]:
    """Return the streams of a block of version 1 of the format, with a single common part.

    Raises
    ------
    FormatError
        If the bytes are damaged, or would take more than `memory_limit` bytes.
    """
    reader = ByteReader(data, "a block")
    index_length = reader.varint(min(memory_limit, _INDEX_LIMIT))
    index = ByteReader(unsqueeze(reader.sized(), index_length), "the index of a block")
    common_length = reader.varint(memory_limit + 1)
    squeezed = reader.sized()
    common = ByteReader(unsqueeze(squeezed, common_length) if squeezed else b"", "the common part of a block")
    places: list[list[tuple[str, int, int]]] = []
    for _ in range(index.varint(index_length + 1)):
        count = index.varint(index_length + 1)
        limit = 2 * (len(data) + common_length) + 2
        places.append([(_text(index.sized()), *divmod(index.varint(limit), 2)) for _ in range(count)])
    lengths = [length for group in places for _, length, together in group if together]
    order = sorted(range(len(lengths)), key=lambda number: lengths[number], reverse=True)
    parts = {number: common.take(lengths[number]) for number in order}
    taken = iter(range(len(lengths)))
    return [
        {name: parts[next(taken)] if together else reader.take(length) for name, length, together in group}
        for group in places
    ]


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise FormatError("a stream has no readable name") from error
