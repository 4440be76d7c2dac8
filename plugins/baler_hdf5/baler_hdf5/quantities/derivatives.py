"""The quantities `ddx`, `ddy`, `ddz`, `vorticity` and `divergence`: derivatives in space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from baler_core import Around, Cells, ConfigError, Quantity

# What files call the dimensions; without it, x is the last one, y the one before, z the third last.
_ROLES = {0: ("x",), 1: ("y",), 2: ("level", "z")}
_LETTERS = "xyz"
COMPONENTS = "(components)"


@dataclass(frozen=True)
class Spacing:
    """How derivatives are formed.

    Attributes
    ----------
    axes
        For x, y and z: the axis of the arrays; -1 where there is none.
    steps
        Spacing, or coordinates, along each of them.
    """

    axes: tuple[int, ...]
    steps: tuple[float | np.ndarray, ...]


@dataclass(frozen=True)
class Slope:
    """`sign` times the derivative of an argument along x, y or z (0, 1, 2)."""

    argument: int
    along: int
    sign: float = 1.0


class Derivatives(Quantity):
    """Sums of second-order central differences (`numpy.gradient`), one-sided at the borders of the grid.

    Spacing is that of the 1-D variable named like a dimension, else 1.
    """

    sums: ClassVar[dict[int, tuple[tuple[Slope, ...], ...]]]
    """By number of arguments: the components of the quantity, each a sum of slopes."""

    def plan(self, parts: Sequence[Cells], around: Around) -> Spacing:
        """Find the axes and spacings."""
        dims = parts[0].dims
        for part in parts:
            if part.dims != dims:
                raise ConfigError(
                    f"{self.name} takes fields on one grid, found {', '.join(dims)} and {', '.join(part.dims)}"
                )
        needed = {slope.along for each in self._sums(parts) for slope in each}
        axes = tuple(_axis(along, dims, around) for along in range(3))
        for along in needed:
            if axes[along] < 0:
                raise ConfigError(f"{self.name} needs a dimension {_LETTERS[along]}, found {', '.join(dims) or 'none'}")
        steps = tuple(_spacing(dims[axis], around) if axis >= 0 else 1.0 for axis in axes)
        return Spacing(axes, steps)

    def compute(self, parts: Sequence[Cells], plan: Spacing) -> Cells:
        """Return the quantity on the same grid; several components one behind the other along a dimension of their own."""
        found = [
            np.sum(
                [slope.sign * _derivative(parts[slope.argument].values, plan, slope.along) for slope in each], axis=0
            )
            for each in self._sums(parts)
        ]
        if len(found) == 1:
            return Cells(found[0], parts[0].dims)
        return Cells(np.stack(found, axis=-1), (*parts[0].dims, COMPONENTS))

    def depends(self, wrong: np.ndarray, parts: Sequence[Cells], plan: Spacing) -> Sequence[np.ndarray]:
        """Return the neighbours of cells, along the axes of derivatives."""
        masks = [np.zeros(part.values.shape, bool) for part in parts]
        sums = self._sums(parts)
        for number, each in enumerate(sums):
            bad = wrong if len(sums) == 1 else wrong[..., number]
            for slope in each:
                masks[slope.argument] |= _neighbours(bad, plan.axes[slope.along])
        return masks

    def reach(self, parts: Sequence[Cells], plan: Spacing) -> int:
        """Return 1 if there is a derivative along the first dimension."""
        return int(any(plan.axes[slope.along] == 0 for each in self._sums(parts) for slope in each))

    def _sums(self, parts: Sequence[Cells]) -> tuple[tuple[Slope, ...], ...]:
        return self.sums[len(parts)]


def _axis(along: int, dims: Sequence[str], around: Around) -> int:
    """The axis of x, y or z: by the file's metadata, else by its place."""
    roles = [around.axes.get(dim, "") for dim in dims]
    for role in _ROLES[along]:
        if role in roles:
            return roles.index(role)
    axis = len(dims) - 1 - along
    return axis if axis >= 0 and roles[axis] == "" else -1


def _spacing(dim: str, around: Around) -> float | np.ndarray:
    """Coordinates if they only rise or only fall, else 1."""
    values = around.coordinates.get(dim)
    if values is None or values.size < 2:
        return 1.0
    steps = np.diff(values)
    if not ((steps > 0).all() or (steps < 0).all()):
        raise ConfigError(f"the coordinates {dim!r} neither rise nor fall all along, so nothing can be derived by them")
    return values


def _derivative(values: np.ndarray, plan: Spacing, along: int) -> np.ndarray:
    axis = plan.axes[along]
    if values.shape[axis] < 2:
        return np.zeros_like(values)
    return np.asarray(np.gradient(values, plan.steps[along], axis=axis))


def _neighbours(wrong: np.ndarray, axis: int) -> np.ndarray:
    """Cells beside the wrong ones, and these."""
    along = np.moveaxis(wrong, axis, 0)
    near = along.copy()
    near[1:] |= along[:-1]
    near[:-1] |= along[1:]
    return np.moveaxis(near, 0, axis)


class DerivativeX(Derivatives):
    """Derivative along x, the last dimension unless the file tells."""

    name = "ddx"
    summary = "derivative of a field along x"
    sums: ClassVar[dict[int, tuple[tuple[Slope, ...], ...]]] = {1: ((Slope(0, 0),),)}


class DerivativeY(Derivatives):
    """Derivative along y, the dimension before the last unless the file tells."""

    name = "ddy"
    summary = "derivative of a field along y"
    sums: ClassVar[dict[int, tuple[tuple[Slope, ...], ...]]] = {1: ((Slope(0, 1),),)}


class DerivativeZ(Derivatives):
    """Derivative along z, the third last dimension unless the file tells."""

    name = "ddz"
    summary = "derivative of a field along z"
    sums: ClassVar[dict[int, tuple[tuple[Slope, ...], ...]]] = {1: ((Slope(0, 2),),)}


class VorticityField(Derivatives):
    """Curl of a velocity: dv/dx - du/dy, and all three components of (u, v, w)."""

    name = "vorticity"
    summary = "curl of a velocity field (u, v or u, v, w)"
    least, most = 2, 3
    sums: ClassVar[dict[int, tuple[tuple[Slope, ...], ...]]] = {
        2: ((Slope(1, 0), Slope(0, 1, -1.0)),),
        3: (
            (Slope(2, 1), Slope(1, 2, -1.0)),
            (Slope(0, 2), Slope(2, 0, -1.0)),
            (Slope(1, 0), Slope(0, 1, -1.0)),
        ),
    }


class DivergenceField(Derivatives):
    """DivergenceField of a velocity: du/dx + dv/dy (+ dw/dz)."""

    name = "divergence"
    summary = "divergence of a velocity field (u, v or u, v, w)"
    least, most = 2, 3
    sums: ClassVar[dict[int, tuple[tuple[Slope, ...], ...]]] = {
        2: ((Slope(0, 0), Slope(1, 1)),),
        3: ((Slope(0, 0), Slope(1, 1), Slope(2, 2)),),
    }


__all__ = ["DerivativeX", "DerivativeY", "DerivativeZ", "DivergenceField", "VorticityField"]
