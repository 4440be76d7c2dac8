"""Provide the base of metrics of a velocity field: components, grid, and coordinates that arrive later."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from baler_core import Block, DataError, Metric, MetricResult, Options, Variable, did_you_mean, values_of
from baler_hdf5.metrics.difference import Difference
from baler_hdf5.metrics.physical import physical
from baler_hdf5.metrics.spool import Spool

if TYPE_CHECKING:
    from matplotlib.axes import Axes


AXES = ("x", "y", "z")


class VelocityOptions(Options):
    """Names of the velocity's components and the grid they lie on."""

    u: str = Field(description="Variable of the velocity along x, the last dimension.")
    v: str = Field(description="Variable of the velocity along y, the dimension before.")
    w: str = Field(default="", description="Variable of the velocity along z, the third last dimension; 3-D flows.")
    x: float | str = Field(default=1.0, description="Grid spacing along x, or the 1-D variable of its coordinates.")
    y: float | str = Field(default=1.0, description="The same along y.")
    z: float | str = Field(default=1.0, description="The same along z.")

    @property
    def components(self) -> list[str]:
        """Names of the components: u, v, and w if there is one."""
        return [self.u, self.v, self.w] if self.w else [self.u, self.v]


class VelocityMetric(Metric):
    """Compares a quantity made of the derivatives of a velocity field.

    The last dimension is x, the one before y, the third last z. Derivatives are second-order central differences
    (`numpy.gradient`), one-sided at the borders of the grid and, for a single snapshot cut along its first dimension,
    of blocks.
    """

    Options = VelocityOptions
    options: VelocityOptions

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._difference = Difference()
        self._coordinates: dict[str, list[np.ndarray]] = {}
        self._names: set[str] = set()
        self._units: dict[str, str] = {}
        self._spool = Spool()
        self._rows = 0
        self._maps: tuple[np.ndarray, np.ndarray] | None = None

    @abstractmethod
    def quantity(self, components: Sequence[np.ndarray], steps: Sequence[float | np.ndarray]) -> list[np.ndarray]:
        """Return the components of the quantity, from those of the velocity (u, v, w) and the grid (x, y, z)."""

    def update(self, original: Block, restored: Block, variables: Mapping[str, Variable]) -> None:
        """Take in one block of each; a block of the velocity waits until the coordinates have come."""
        self._names.update(map(str, original.variables))
        for axis in AXES:
            name = getattr(self.options, axis)
            if isinstance(name, str) and name in original.variables:
                self._units[name] = variables[name].units
                self._coordinates.setdefault(name, []).append(physical(values_of(original, name), variables[name]))
        present = [name for name in self.options.components if name in original.variables]
        if present and len(present) < len(self.options.components):
            raise DataError(f"{self.name}: the variables {', '.join(self.options.components)} differ in shape")
        if present:
            self._units[self.options.u] = variables[self.options.u].units
            arrays = {}
            for label, block in (("original", original), ("restored", restored)):
                for name in present:
                    arrays[f"{label} {name}"] = physical(values_of(block, name), variables[name])
            self._spool.put(arrays)
        if self._have_coordinates():
            self._work_off()

    def result(self) -> MetricResult:
        """Return statistics of the difference (`difference.Difference`), of all components together."""
        self._require_names()
        self._work_off()
        units = self._quantity_units()
        return MetricResult({self.name: self._difference.statistics()}, {self.name: units} if units else {})

    def plots(self) -> Sequence[str]:
        """Return maps of the first frame: original, and restored - original."""
        return [f"{self.name}, original", f"{self.name}, restored - original"] if self._maps is not None else []

    def plot(self, title: str, axes: Axes) -> None:
        """Draw one of the maps."""
        if self._maps is None:
            return
        original, restored = self._maps
        shown = original if title == self.plots()[0] else restored - original
        limit = float(np.nanmax(np.abs(shown), initial=0.0)) or 1.0
        image = axes.imshow(shown, origin="lower", cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
        axes.figure.colorbar(image, ax=axes, label=self._quantity_units())
        axes.set(title=title, xlabel="x index", ylabel="y index")

    def _quantity_units(self) -> str:
        """Return units of the velocity by those of x, if the file has both."""
        units = [self._units.get(self.options.u, ""), self._units.get(str(self.options.x), "")]
        return " / ".join(units) if all(units) else ""

    def _have_coordinates(self) -> bool:
        wanted = (getattr(self.options, axis) for axis in AXES[: len(self.options.components)])
        return all(name in self._coordinates for name in wanted if isinstance(name, str))

    def _require_names(self) -> None:
        """All variables that the options name must have come."""
        wanted = [*self.options.components]
        wanted += [n for axis in AXES[: len(wanted)] if isinstance(n := getattr(self.options, axis), str)]
        for name in wanted:
            if name not in self._names:
                raise DataError(f"{self.name}: there is no variable {name!r}. {did_you_mean(name, self._names)}")

    def _work_off(self) -> None:
        """Compare all blocks that wait."""
        count = len(self.options.components)
        for arrays in self._spool.take():
            parts = list(arrays.values())
            shape = parts[0].shape
            if len(shape) < count:
                raise DataError(f"{self.name}: {self.options.u!r} has {len(shape)} dimensions, {count} are needed")
            steps = [self._step(axis, shape) for axis in range(count)]
            originals, restored = self.quantity(parts[:count], steps), self.quantity(parts[count:], steps)
            for one, other in zip(originals, restored, strict=True):
                self._difference.add(one, other)
            if self._maps is None and originals[-1].size:
                first = (0,) * (len(shape) - 2)
                self._maps = originals[-1][first].copy(), restored[-1][first].copy()
            self._rows += shape[0]

    def _step(self, axis: int, shape: tuple[int, ...]) -> float | np.ndarray:
        """Spacing along x, y or z (0, 1, 2), or the coordinates that belong to this block."""
        stated = getattr(self.options, AXES[axis])
        if not isinstance(stated, str):
            return float(stated)
        values = np.concatenate(self._coordinates[stated])
        length = shape[-1 - axis]
        if values.ndim == 1 and axis + 1 == len(shape):
            values = values[self._rows : self._rows + length]
        if values.shape != (length,):
            raise DataError(
                f"{self.name}: {AXES[axis]}: {stated!r} has shape {values.shape}, wanted ({length},) "
                f"as {self.options.u!r} has along that dimension"
            )
        return values


def derivative(values: np.ndarray, step: float | np.ndarray, axis: int) -> np.ndarray:
    """Return the derivative along x, y or z (0, 1, 2: the last dimension is x); zero where there is one point only."""
    if values.shape[-1 - axis] < 2:
        return np.zeros_like(values)
    return np.asarray(np.gradient(values, step, axis=-1 - axis))
