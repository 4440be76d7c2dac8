"""Cut the rows of a table into row blocks that are coded side by side and decoded alone, and join them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple, SupportsBytes

import numpy as np

from baler_core.builtin.models.table.events import Events
from baler_core.entropy.varint import ByteReader, write_varint
from baler_core.errors import FormatError
from baler_core.format.ranged import RangeReader
from baler_core.plugin.interfaces import Streams

COLUMNS, CUTS = "columns", "cuts"
# A row block has bytes and work of its own for each column, which fewer rows are not worth.
_FEWEST_ROWS = 64


class RowBlock(NamedTuple):
    """A row block as it is stored: which rows, and their bytes."""

    rows: slice
    data: SupportsBytes


def cut_rows(rows: int, events: Events | None, most: int) -> list[slice]:
    """Row blocks of about equal length, of `most` rows or little more, cut between events where there are any."""
    parts = -(-rows // most)
    borders = np.arange(parts + 1) * rows // max(parts, 1)
    if events is not None:
        borders = np.unique(events.borders[np.searchsorted(events.borders, borders)])
    return [slice(int(a), int(b)) for a, b in itertools.pairwise(borders)]


def chunked_rows(rows: int, events: Events | None, length: int) -> list[slice]:
    """Row blocks of `length` rows, as a user wants them; of events, of about as many."""
    length = max(length, _FEWEST_ROWS)
    if events is not None:
        return cut_rows(rows, events, length)
    return [slice(first, min(first + length, rows)) for first in range(0, rows, length)]


def join_blocks(blocks: Sequence[RowBlock]) -> Streams:
    """The stream `columns` and, where there is more than one row block, the stream `cuts`: rows and bytes of each."""
    data = [bytes(block.data) for block in blocks]
    streams = {COLUMNS: b"".join(data)}
    if len(blocks) > 1:
        rows = [block.rows.stop - block.rows.start for block in blocks]
        lengths = zip(rows, map(len, data), strict=True)
        streams[CUTS] = b"".join(write_varint(count) + write_varint(size) for count, size in lengths)
    return streams


def split_blocks(streams: Mapping[str, SupportsBytes], rows: int) -> list[RowBlock]:
    """Invert `join_blocks` for a table of so many rows; what is not needed of a stream need not be read.

    Raises
    ------
    FormatError
        If the streams are damaged.
    """
    if COLUMNS not in streams:
        raise FormatError(f"a table group lacks its stream {COLUMNS!r}")
    data = RangeReader(streams[COLUMNS], "a table")
    if CUTS not in streams:
        return [RowBlock(slice(0, rows), data.part(data.left))] if rows else []
    cuts = ByteReader(bytes(streams[CUTS]), "where a table is cut")
    blocks, done = [], 0
    while done < rows:
        count = cuts.varint(rows - done + 1)
        if not count:
            raise FormatError(f"{cuts.what} is damaged: a row block has no rows")
        blocks.append(RowBlock(slice(done, done + count), data.part(cuts.varint())))
        done += count
    return blocks
