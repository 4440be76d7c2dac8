"""The quantities `sum` and `mean`: over an event's rows, the cells of a frame, or all rows of a block."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import numpy as np

from baler_core.machine.records import dataclass
from baler_core.plugin.quantity import Around, Cells, Quantity


@dataclass(frozen=True)
class Over:
    """What is joined to one cell.

    Attributes
    ----------
    lengths
        Rows of each event along the first dimension; None to join `axes`.
    dims
        Dimensions that are left.
    axes
        Which are joined.
    """

    lengths: np.ndarray | None
    dims: tuple[str, ...]
    axes: tuple[int, ...] = (0,)


class _Joined(Quantity):
    """One number of several values. Values that are missing (NaN) count as nothing."""

    @abstractmethod
    def join(self, total: np.ndarray, count: np.ndarray) -> np.ndarray:
        """Return the number from the sum and how many values there are."""

    def plan(self, parts: Sequence[Cells], around: Around) -> Over:
        """Look up what belongs together: rows of an event; else all of a frame; else all."""
        dims = parts[0].dims
        if dims and dims[0] in around.lengths:
            return Over(around.lengths[dims[0]], (around.events[dims[0]], *dims[1:]))
        frames = len(dims) > 2 or (len(dims) == 2 and around.axes.get(dims[0]) in ("time", "member"))
        kept = dims[:1] if frames else ()
        return Over(None, kept, tuple(range(len(kept), len(dims))))

    def compute(self, parts: Sequence[Cells], plan: Over) -> Cells:
        """Return one number per event, per frame, or for all rows."""
        known = np.isfinite(parts[0].values) | np.isinf(parts[0].values)
        values = np.where(known, parts[0].values, 0.0)
        with np.errstate(all="ignore"):
            return Cells(self.join(_total(values, plan), _total(known.astype(np.float64), plan)), plan.dims)

    def depends(self, wrong: np.ndarray, parts: Sequence[Cells], plan: Over) -> Sequence[np.ndarray]:
        """Return all that was joined."""
        if plan.lengths is not None:
            return [np.repeat(wrong, plan.lengths, axis=0)]
        shape = parts[0].values.shape
        return [np.broadcast_to(wrong.reshape(wrong.shape + (1,) * (len(shape) - wrong.ndim)), shape)]

    def units(self, units: Sequence[str]) -> str:
        """Return those of the values."""
        return units[0]


def _total(values: np.ndarray, plan: Over) -> np.ndarray:
    if plan.lengths is None:
        return np.asarray(values.sum(axis=plan.axes))
    event = np.repeat(np.arange(len(plan.lengths)), plan.lengths)
    flat = values.reshape(len(values), -1)
    columns = [np.bincount(event, column, minlength=len(plan.lengths)) for column in flat.T]
    return np.stack(columns, axis=-1).reshape(len(plan.lengths), *values.shape[1:])


class Sum(_Joined):
    """The sum over an event's rows (`sum(Jet_pt)` is HT), over a frame of a field, or over all rows of a block."""

    name = "sum"
    summary = "sum over an event's rows, a frame of a field, or all rows of a block"

    def join(self, total: np.ndarray, count: np.ndarray) -> np.ndarray:
        """Return the sum."""
        return total


class Mean(_Joined):
    """The mean over the same; NaN where there is nothing."""

    name = "mean"
    summary = "mean over an event's rows, a frame of a field, or all rows of a block"

    def join(self, total: np.ndarray, count: np.ndarray) -> np.ndarray:
        """Return the mean."""
        return total / count
