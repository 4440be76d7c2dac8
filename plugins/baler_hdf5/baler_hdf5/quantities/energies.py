"""The quantities `kinetic_energy` and `spectrum` of a velocity field, or of any field."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from baler_core import Around, CellByCell, Cells, ConfigError, Quantity
from baler_hdf5.metrics.spectrum import FAINTEST, energy_spectrum

SMALLEST = 8
WAVENUMBER = "(wavenumber)"


class KineticEnergy(CellByCell):
    """Half the sum of the squares of its arguments: kinetic energy per mass of a velocity."""

    name = "kinetic_energy"
    summary = "half the sum of squares of a velocity's components (u, v or u, v, w)"
    most = 3

    def apply(self, *values: np.ndarray) -> np.ndarray:
        """Return the energy of every cell."""
        return np.asarray(0.5 * sum(np.square(value) for value in values))

    def units(self, units: Sequence[str]) -> str:
        """Return the square of those of the velocity."""
        return f"({units[0]})2" if units[0] and len(set(units)) == 1 else ""


class Spectrum(Quantity):
    """Energy by wavenumber over the last two dimensions, of each frame; the sum over its arguments.

    Wavenumbers with less than a millionth of the strongest one's energy are not compared: there is nothing but rounding.
    """

    name = "spectrum"
    summary = "energy by wavenumber of each frame of a field, or of a velocity's components"
    most = 3

    def plan(self, parts: Sequence[Cells], around: Around) -> np.ndarray:
        """Find the wavenumbers that are compared: boolean, (frames, wavenumbers)."""
        for part in parts:
            if part.dims != parts[0].dims or len(part.dims) < 2 or min(part.values.shape[-2:]) < SMALLEST:
                raise ConfigError(f"spectrum takes fields on one grid of at least {SMALLEST} x {SMALLEST} cells")
        energies = self._energies(parts)
        return np.asarray(energies > FAINTEST * energies[..., 1:].max(axis=-1, keepdims=True, initial=0.0))

    def compute(self, parts: Sequence[Cells], plan: np.ndarray) -> Cells:
        """Return the energies of each frame; NaN where they are not compared."""
        return Cells(np.where(plan, self._energies(parts), np.nan), (*parts[0].dims[:-2], WAVENUMBER))

    def depends(self, wrong: np.ndarray, parts: Sequence[Cells], plan: np.ndarray) -> Sequence[np.ndarray]:
        """Return the frames."""
        frames = np.asarray(wrong.any(axis=-1))[..., None, None]
        return [np.broadcast_to(frames, part.values.shape) for part in parts]

    def _energies(self, parts: Sequence[Cells]) -> np.ndarray:
        shape = parts[0].values.shape
        total = [
            sum(energy_spectrum(_filled(frame)) for frame in frames)
            for frames in zip(*(part.values.reshape(-1, *shape[-2:]) for part in parts), strict=True)
        ]
        return np.asarray(total).reshape(*shape[:-2], -1)


def _filled(frame: np.ndarray) -> np.ndarray:
    """NaN replaced by 0: the same cells before and after."""
    return np.where(np.isfinite(frame), frame, 0.0)
