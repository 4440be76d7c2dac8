"""Cut the rows of a table into row blocks that are coded side by side and decoded alone, and join them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from baler_core.builtin.models.table.events import Events
from baler_core.entropy.varint import ByteReader, write_varint
from baler_core.errors import FormatError
from baler_core.plugin.interfaces import Streams

COLUMNS, CUTS = "columns", "cuts"


@dataclass(frozen=True)
class RowBlock:
    """A row block as it is stored: which rows, and their bytes."""

    rows: slice
    data: bytes


def cut_rows(rows: int, events: Events | None, most: int) -> list[slice]:
    """Row blocks of about equal length, of `most` rows or little more, cut between events where there are any."""
    parts = -(-rows // most)
    borders = np.arange(parts + 1) * rows // max(parts, 1)
    if events is not None:
        borders = np.unique(events.borders[np.searchsorted(events.borders, borders)])
    return [slice(int(a), int(b)) for a, b in itertools.pairwise(borders)]


def join_blocks(blocks: Sequence[RowBlock]) -> Streams:
    """The stream `columns` and, where there is more than one row block, the stream `cuts`: rows and bytes of each."""
    streams = {COLUMNS: b"".join(block.data for block in blocks)}
    if len(blocks) > 1:
        lengths = [(block.rows.stop - block.rows.start, len(block.data)) for block in blocks]
        streams[CUTS] = b"".join(write_varint(rows) + write_varint(size) for rows, size in lengths)
    return streams


def split_blocks(streams: Streams, rows: int) -> list[RowBlock]:
    """Invert `join_blocks` for a table of so many rows.

    Raises
    ------
    FormatError
        If the streams are damaged.
    """
    if COLUMNS not in streams:
        raise FormatError(f"a table group lacks its stream {COLUMNS!r}")
    data = ByteReader(streams[COLUMNS], "a table")
    if CUTS not in streams:
        return [RowBlock(slice(0, rows), data.rest())] if rows else []
    cuts = ByteReader(streams[CUTS], "where a table is cut")
    blocks, done = [], 0
    while done < rows:
        count = cuts.varint(rows - done + 1)
        if not count:
            raise FormatError(f"{cuts.what} is damaged: a row block has no rows")
        blocks.append(RowBlock(slice(done, done + count), data.take(cuts.varint())))
        done += count
    return blocks
