"""Rows of files larger than memory, shuffled into pieces of a scratch file: each epoch takes the next that fit in memory."""

from __future__ import annotations

import hashlib
import math
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

import numpy as np

from baler_core.errors import SourceError
from baler_core.machine.records import dataclass

# An epoch joins so many pieces: every time others, so that rows meet different ones in their batches.
_PIECES = 16
_ITEM = np.dtype("<f4").itemsize


@dataclass(frozen=True)
class RowsOnDisk:
    """Rows in a scratch file, in pieces, each of which holds rows of all parts of the data.

    Attributes
    ----------
    count
        Rows in all.
    sample
        Shape of a row.
    pieces
        How many there are; sizes differ by one row at most.
    """

    path: Path
    count: int
    sample: tuple[int, ...]
    pieces: int

    @property
    def shape(self) -> tuple[int, ...]:
        """That of all rows as one array."""
        return (self.count, *self.sample)

    @property
    def at_once(self) -> int:
        """How many pieces an epoch takes."""
        return _PIECES

    def start(self, piece: int) -> int:
        """Return how many rows lie before a piece."""
        each, more = divmod(self.count, self.pieces)
        return piece * each + min(piece, more)

    def read(self, pieces: Iterable[int]) -> np.ndarray:
        """Return the rows of pieces, one after the other: float32 (rows, ...)."""
        limits = [(self.start(piece), self.start(piece + 1)) for piece in pieces]
        found = np.empty((sum(stop - first for first, stop in limits), *self.sample), "<f4")
        filled, size = 0, math.prod(self.sample) * _ITEM
        with self.path.open("rb", buffering=0) as file:
            for first, stop in limits:
                file.seek(first * size)
                part = found[filled : filled + stop - first].data.cast("B")
                while part:  # a call reads two gigabytes at most
                    part = part[file.readinto(part) :]
                filled += stop - first
        return found

    def digest(self) -> bytes:
        """Return the SHA-256 of all rows."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()


@contextmanager
def rows_on_disk(
    parts: Iterable[np.ndarray], count: int, sample: tuple[int, ...], most: float, seed: int
) -> Iterator[RowsOnDisk]:
    """Give rows in a scratch file, which is removed afterwards.

    Parameters
    ----------
    parts
        All rows, float32 (rows, ...), a part at a time.
    most
        Values that an epoch may take.

    Raises
    ------
    SourceError
        If the file cannot be written.
    """
    each = max(1, int(most / (_PIECES * max(1, math.prod(sample)))))
    with TemporaryDirectory(prefix="baler-training-") as folder:
        rows = RowsOnDisk(Path(folder) / "rows", count, sample, -(-count // each))
        try:
            _write(rows, parts, np.random.default_rng(seed))
        except OSError as error:
            raise SourceError(
                f"{rows.path}: rows to train on cannot be stored there ({error.strerror}): set TMPDIR to a folder with room "
                f"for {count * math.prod(sample) * _ITEM / 1e9:.1f} GB"
            ) from error
        yield rows


def has_room(values: int) -> bool:
    """Return whether there is room for so many values where scratch files go."""
    return shutil.disk_usage(gettempdir()).free > 1.05 * values * _ITEM


def _write(rows: RowsOnDisk, parts: Iterable[np.ndarray], random: np.random.Generator) -> None:
    """Deal the rows of each part out to the pieces, in a random order."""
    size, dealt = math.prod(rows.sample) * _ITEM, 0
    with rows.path.open("wb", buffering=0) as file:
        for part in parts:
            order = random.permutation(len(part))
            for turn in range(min(len(part), rows.pieces)):
                piece, before = (dealt + turn) % rows.pieces, (dealt + turn) // rows.pieces
                file.seek((rows.start(piece) + before) * size)
                data = np.ascontiguousarray(part[order[turn :: rows.pieces]], "<f4").data.cast("B")
                while data:
                    data = data[file.write(data) :]
            dealt += len(part)
