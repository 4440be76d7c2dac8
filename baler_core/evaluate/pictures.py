"""Cut 2-D slices of fields out of passing blocks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from baler_core.data.comparison import difference, is_measured, measured
from baler_core.data.variables import Schema, Variable
from baler_core.evaluate.drawings import Picture

_SMALLEST = 8
_LARGEST = 600


def can_be_pictured(variable: Variable, schema: Schema) -> bool:
    """Return whether its last two dimensions make a picture: a field of rank 2 or more, not jagged, no thin strip."""
    if not is_measured(variable) or len(variable.dims) < 2 or any(dim in schema.counts for dim in variable.dims):
        return False
    return min(schema.sizes[dim] for dim in picture_dims(variable)) >= _SMALLEST


def picture_dims(variable: Variable) -> tuple[str, str]:
    """Return the vertical and horizontal dimension: y and x by the file's metadata, else the last two."""
    role = {role: dim for dim, role in variable.axes.items()}
    if role.get("y") in variable.dims and role.get("x") in variable.dims:
        return role["y"], role["x"]
    return variable.dims[-2], variable.dims[-1]


class PictureRecorder:
    """One field's slice: the middle along every dimension but two.

    Parameters
    ----------
    coordinates
        Values of coordinate variables by dimension, in physical units.
    """

    def __init__(self, variable: Variable, schema: Schema, coordinates: Mapping[str, np.ndarray]) -> None:
        self._variable = variable
        self._schema = schema
        self._coordinates = coordinates
        self._dims = picture_dims(variable)
        self._middle = {dim: schema.sizes[dim] // 2 for dim in variable.dims if dim not in self._dims}
        self._step = {dim: -(-schema.sizes[dim] // _LARGEST) for dim in self._dims}
        shape = [-(-schema.sizes[dim] // self._step[dim]) for dim in self._dims]
        self._original = np.full(shape, np.nan, np.float32)
        self._difference = np.full(shape, np.nan, np.float32)

    def update(self, original: np.ndarray, restored: np.ndarray, start: int) -> None:
        """Take in the stored values of a block that begins at row `start` of the leading dimension."""
        lead = self._variable.dims[0]
        rows = original.shape[0]
        if lead in self._middle:
            if start <= self._middle[lead] < start + rows:
                self._put(original, restored, self._middle[lead] - start, slice(None))
            return
        step = self._step[lead]
        first = -(-start // step)
        wanted = slice(first * step - start, rows, step)
        count = len(range(*wanted.indices(rows)))
        if count:
            self._put(original, restored, wanted, slice(first, first + count))

    def _put(self, original: np.ndarray, restored: np.ndarray, lead: int | slice, place: slice) -> None:
        """Copy what the slice and the block have in common."""
        dims = self._variable.dims
        where = (lead, *(self._middle.get(dim, slice(None, None, self._step.get(dim))) for dim in dims[1:]))
        x, y = original[where], restored[where]
        variable = self._variable
        shown = measured(variable, x)
        with np.errstate(over="ignore", invalid="ignore"):  # invalid: some NaN are meant to signal
            physical = x.astype(np.float64) * variable.scale + variable.offset
            lost = np.where(shown, difference(y, x) * variable.scale, np.nan).astype(np.float32)
            before = np.where(shown, physical, np.nan).astype(np.float32)
        if next(dim for dim in dims if dim in self._dims) != self._dims[0]:
            before, lost = before.T, lost.T
        target = (slice(None), place) if dims[0] == self._dims[1] else (place, slice(None))
        self._original[target] = before
        self._difference[target] = lost

    def picture(self) -> Picture:
        """Return what was recorded."""
        place = ", ".join(
            f"{_short(dim)} {index + 1} of {self._schema.sizes[dim]}" for dim, index in self._middle.items()
        )
        left, right, units_x = self._ends(self._dims[1])
        bottom, top, units_y = self._ends(self._dims[0])
        step = (self._step[self._dims[0]], self._step[self._dims[1]])
        return Picture(
            self._original, self._difference, self._dims, place, step, (left, right, bottom, top), (units_y, units_x)
        )

    def _ends(self, dim: str) -> tuple[float, float, str]:
        """Where an axis begins and ends, half a cell beyond its outer points: coordinates if evenly spaced."""
        size = self._schema.sizes[dim]
        values = self._coordinates.get(dim, np.empty(0))
        if values.size == size and size > 1:
            steps = np.diff(values)
            if np.isfinite(steps).all() and steps.any() and np.allclose(steps, steps.mean(), rtol=0.02, atol=0):
                half = float(steps.mean()) / 2
                return float(values[0]) - half, float(values[-1]) + half, self._schema[dim].units
        return -0.5, size - 0.5, ""


def _short(dim: str) -> str:
    return dim.rsplit("/", 1)[-1]
