"""Locate a region of an array in arranged fields, as positions along frames, z, y and x."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from baler_core.builtin.models.fields.layout import Arrangement, Box


class Window(NamedTuple):
    """What is wanted of an array.

    Attributes
    ----------
    positions
        Ascending positions along frames, z, y and x.
    """

    positions: tuple[np.ndarray, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths along frames, z, y and x of what is wanted."""
        return tuple(len(found) for found in self.positions)

    def overlap(self, place: Box) -> tuple[Any, Any] | None:
        """Return where what is wanted lies in a tile, and where in the result; None if the tile is not needed.

        Parameters
        ----------
        place
            Slices of the tile along frames, z, y and x.
        """
        inside, outside = [], []
        for found, part in zip(self.positions, place, strict=True):
            low, high = np.searchsorted(found, [part.start, part.stop])
            if low == high:
                return None
            outside.append(slice(int(low), int(high)))
            inside.append(found[low:high] - part.start)
        if all(found[-1] - found[0] == len(found) - 1 for found in inside):
            return tuple(slice(int(found[0]), int(found[-1]) + 1) for found in inside), tuple(outside)
        return np.ix_(*inside), tuple(outside)

    def cut(self, values: np.ndarray) -> np.ndarray:
        """Return what is wanted of an arranged array."""
        found = self.overlap(tuple(slice(0, n) for n in values.shape))
        return values[found[0]] if found is not None else np.empty(self.shape, values.dtype)


def bounded(inside: Any) -> tuple[Box, Any]:
    """Return slices around what is wanted of a tile, as `Window.overlap` gives it, and where that lies in them."""
    if isinstance(inside[0], slice):
        return inside, tuple(slice(0, part.stop - part.start) for part in inside)
    lows = [int(found.min()) for found in inside]
    around = tuple(slice(low, int(found.max()) + 1) for low, found in zip(lows, inside, strict=True))
    return around, tuple(found - low for low, found in zip(lows, inside, strict=True))


def window_of(arrangement: Arrangement, shape: tuple[int, ...], region: Box | None) -> Window:
    """The window of a box (slices with positive steps along the axes of an array of `shape`; None for everything)."""
    wanted = region if region is not None else tuple(slice(None) for _ in shape)
    axes = [np.arange(n)[part] for n, part in zip(shape, wanted, strict=True)]
    lead, frames = arrangement.lead, arrangement.frames
    order = [lead, *(axis for axis in range(len(shape)) if axis != lead)]
    first, space = order[:frames], order[frames:]
    groups = (first, space[:-2], space[-2:-1], space[-1:])
    return Window(tuple(_merged([axes[a] for a in group], [shape[a] for a in group]) for group in groups))


def _merged(axes: Sequence[np.ndarray], lengths: Sequence[int]) -> np.ndarray:
    """Return positions along several axes as positions along the axis that they make together."""
    found = np.zeros(1, np.int64)
    for number, positions in enumerate(axes):
        found = (found[:, None] + positions * math.prod(lengths[number + 1 :])).ravel()
    return found
