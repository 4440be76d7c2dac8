"""Write rows of a dataset of which parts were never written: what holds the fill value alone stays so."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from baler_hdf5.contents.datatypes import Json
from baler_hdf5.values.elements import read_elements, write_elements

if TYPE_CHECKING:
    from h5py import h5d

Region = tuple[slice, ...]


class SparseRows:
    """A dataset being written from its first row on.

    Parameters
    ----------
    record
        Its record, of a dataset with at least one dimension.
    """

    def __init__(self, record: Json) -> None:
        self._type, self._shape = record["type"], tuple(record["shape"])
        self._chunks: list[int] | None = record.get("chunks")
        self._fill: np.ndarray | None = None
        self._left_out = 0  # rows of a dataset in one piece, which takes room as a whole or not at all

    def write(self, dataset: h5d.DatasetID, start: int, elements: np.ndarray) -> None:
        """Write the next rows, the first of which is `start`."""
        if not elements.size:
            return
        if self._fill is None:
            first = read_elements(dataset, self._type, slice(0, 1))
            self._fill = first[(slice(0, 1),) * len(self._shape)]
        differs = differing(elements, self._fill, len(self._shape))
        if self._chunks is None:
            self._write_whole(dataset, start, elements, bool(differs.any()))
            return
        for rows, *across in regions_to_write(differs, start, self._chunks):
            place = slice(start + rows.start, start + rows.stop)
            write_elements(dataset, self._type, place, elements[(rows, *across)], tuple(across))

    def _write_whole(self, dataset: h5d.DatasetID, start: int, elements: np.ndarray, differs: bool) -> None:
        stop = start + len(elements)
        if not differs and self._left_out == start:
            self._left_out = stop
            return
        if self._left_out:
            # What lies before is not filled in by all libraries.
            row = np.broadcast_to(np.asarray(self._fill), (1, *elements.shape[1:]))
            for place in range(self._left_out):
                write_elements(dataset, self._type, slice(place, place + 1), row)
            self._left_out = 0
        write_elements(dataset, self._type, slice(start, stop), elements)


def differing(elements: np.ndarray, fill: np.ndarray, ndim: int) -> np.ndarray:
    """Return which elements of the first `ndim` dimensions are not the fill value, bit for bit.

    Parameters
    ----------
    fill
        One element with as many dimensions, as the library shows it where nothing was written.
    """
    shape = elements.shape[:ndim]
    if elements.dtype.hasobject:
        empty = _plain(fill.reshape(-1)[0])
        flat = np.fromiter((_plain(cell) != empty for cell in elements.reshape(-1)), bool, elements.size)
        return flat.reshape(shape)
    wanted = np.frombuffer(fill.tobytes(), np.uint8)
    given = np.frombuffer(elements.tobytes(), np.uint8).reshape(*shape, len(wanted))
    return np.asarray((given != wanted).any(axis=-1))


def regions_to_write(differs: np.ndarray, start: int, chunks: Sequence[int]) -> Iterator[Region]:
    """Yield regions of rows, in whole chunks, that leave out only chunks without any other value than the fill value.

    Parameters
    ----------
    differs
        What `differing` gave for the rows.
    start
        The first row's place in the dataset.
    """
    edges = [_edges(0, n, c) for n, c in zip(differs.shape, chunks, strict=True)]
    edges[0] = _edges(start, differs.shape[0], chunks[0])
    wanted: np.ndarray = differs
    for axis, marks in enumerate(edges):
        wanted = np.asarray(np.logical_or.reduceat(wanted, marks[:-1], axis=axis))
    whole = [bool(row.all()) for row in wanted]
    everything = tuple(slice(0, n) for n in differs.shape[1:])
    for full, bands in itertools.groupby(range(len(wanted)), whole.__getitem__):
        run = list(bands)
        if full:
            yield (slice(edges[0][run[0]], edges[0][run[-1] + 1]), *everything)
            continue
        for place in (tuple(place) for place in np.argwhere(wanted[run[0] : run[-1] + 1]).tolist()):
            band = (place[0] + run[0], *place[1:])
            yield tuple(slice(marks[n], marks[n + 1]) for marks, n in zip(edges, band, strict=True))


def _edges(start: int, length: int, chunk: int) -> list[int]:
    """Where chunks begin among `length` elements of which the first is at `start`, and their end."""
    first = -start % chunk
    return sorted({0, *range(first, length, chunk), length})


def _plain(cell: object) -> bytes:
    """Text or numbers of variable length as they are compared, whatever form the library gives them."""
    if isinstance(cell, str):
        return cell.encode("utf-8", "surrogateescape")
    return cell if isinstance(cell, bytes) else np.asarray(cell).tobytes()
