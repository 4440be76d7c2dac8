"""What each epoch learns from: all rows in a new order, or the next pieces of rows that do not fit in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

import numpy as np

from baler_core.builtin.training.scratch import RowsOnDisk
from baler_core.plugin.interfaces import Training

if TYPE_CHECKING:
    import torch


class Epochs(Protocol):
    """Rows to learn from, epoch by epoch.

    Attributes
    ----------
    shuffle
        What orders them.
    aside
        Those on which the loss is monitored.
    ahead
        Pieces of the rows that the next epochs take first; none where each takes all rows.
    """

    shuffle: torch.Generator
    aside: torch.Tensor
    ahead: list[int]

    def batches(self, size: int) -> Iterator[torch.Tensor]:
        """Yield the rows of the next epoch in batches, in random order."""

    def digest(self) -> bytes:
        """Return the SHA-256 of all rows."""


def epochs_of(rows: np.ndarray | RowsOnDisk, training: Training, seed: int | None, device: torch.device) -> Epochs:
    """Return what each epoch learns from.

    Parameters
    ----------
    rows
        float32, (rows, ...), normalised and finite.
    seed
        Of the order of the rows; None takes `training.seed`, which always chooses the rows that are set aside.
    """
    found = (
        _EpochsOnDisk(rows, training, device) if isinstance(rows, RowsOnDisk) else _EpochsHeld(rows, training, device)
    )
    if seed is not None and seed != training.seed:
        found.shuffle.manual_seed(seed)
    return found


class _EpochsHeld:
    """Rows in memory, all of which each epoch takes."""

    ahead: list[int]

    def __init__(self, rows: np.ndarray, training: Training, device: torch.device) -> None:
        import torch

        self.shuffle, self.ahead = torch.Generator().manual_seed(training.seed), []
        self._all, given = rows, torch.from_numpy(rows)
        aside = int(len(given) * training.validation)
        order = torch.randperm(len(given), generator=self.shuffle)
        self._rows, self.aside = given[order[aside:]].to(device), given[order[:aside]].to(device)

    def batches(self, size: int) -> Iterator[torch.Tensor]:
        """Yield all rows in a new order."""
        return _shuffled(self._rows, size, self.shuffle)

    def digest(self) -> bytes:
        """Return the SHA-256 of all rows."""
        return hashlib.sha256(np.ascontiguousarray(self._all).data).digest()


class _EpochsOnDisk:
    """Rows in pieces of a file: an epoch takes the next ones, and goes on until all were taken as often."""

    def __init__(self, rows: RowsOnDisk, training: Training, device: torch.device) -> None:
        import torch

        self.shuffle = torch.Generator().manual_seed(training.seed)
        self._stored, self._device = rows, device
        order: list[int] = torch.randperm(rows.pieces, generator=self.shuffle).tolist()
        at_once = min(rows.at_once, rows.pieces)
        aside = min(max(round(at_once * training.validation), training.validation > 0), rows.pieces - 1)
        self.aside = self._read(order[:aside])
        self._pieces, self.ahead = sorted(order[aside:]), list[int]()

    def batches(self, size: int) -> Iterator[torch.Tensor]:
        """Yield the rows of the next pieces, mixed with each other."""
        import torch

        count = min(self._stored.at_once, len(self._pieces))
        while len(self.ahead) < count:
            order: list[int] = torch.randperm(len(self._pieces), generator=self.shuffle).tolist()
            self.ahead += [self._pieces[place] for place in order]
        now, self.ahead = self.ahead[:count], self.ahead[count:]
        return _shuffled(self._read(now), size, self.shuffle)

    def digest(self) -> bytes:
        """Return the SHA-256 of all rows."""
        return self._stored.digest()

    def _read(self, pieces: list[int]) -> torch.Tensor:
        import torch

        return torch.from_numpy(self._stored.read(pieces)).to(self._device)


def _shuffled(rows: torch.Tensor, size: int, shuffle: torch.Generator) -> Iterator[torch.Tensor]:
    import torch

    order = torch.randperm(len(rows), generator=shuffle).to(rows.device)
    for indices in torch.split(order, size):
        yield rows[indices]
