"""The quantities `magnitude`, `colour`, `distance` and `separation` of catalogues: row by row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from baler_core import Around, CellByCell, Cells


class Magnitude(CellByCell):
    """-2.5 log10 of a flux; NaN, and not compared, where that is not positive."""

    name = "magnitude"
    summary = "-2.5 log10 of a flux"

    def apply(self, *values: np.ndarray) -> np.ndarray:
        """Return the magnitude of every row."""
        return _magnitude(values[0])

    def units(self, units: Sequence[str]) -> str:
        """Return magnitudes."""
        return "mag"


class Colour(CellByCell):
    """Difference of the magnitudes of two fluxes: -2.5 log10(a / b); NaN where one is not positive."""

    name = "colour"
    summary = "magnitude difference of two fluxes; of two magnitudes it is their difference, a - b"
    least, most = 2, 2

    def apply(self, *values: np.ndarray) -> np.ndarray:
        """Return the colour of every row."""
        return _magnitude(values[0]) - _magnitude(values[1])

    def units(self, units: Sequence[str]) -> str:
        """Return magnitudes."""
        return "mag"


def _magnitude(flux: np.ndarray) -> np.ndarray:
    return np.where(flux > 0, -2.5 * np.log10(np.where(flux > 0, flux, 1.0)), np.nan)


class Distance(CellByCell):
    """Distance in parsec from a parallax in milliarcseconds, or in arcseconds if its units say so; NaN for none."""

    name = "distance"
    summary = "distance in parsec from a parallax (mas; arcsec if the units say so)"

    def plan(self, parts: Sequence[Cells], around: Around) -> float:
        """Return 1 / the parallax of one parsec."""
        units = parts[0].variable.units.lower() if parts[0].variable is not None else ""
        return 1.0 if units in ("arcsec", "arcseconds", '"') else 1000.0

    def compute(self, parts: Sequence[Cells], plan: Any) -> Cells:
        """Return the distance of every row."""
        cells = super().compute(parts, plan)
        return Cells(cells.values * plan, cells.dims)

    def apply(self, *values: np.ndarray) -> np.ndarray:
        """Return 1 / parallax."""
        return np.where(values[0] > 0, 1.0 / np.where(values[0] > 0, values[0], 1.0), np.nan)

    def units(self, units: Sequence[str]) -> str:
        """Return parsec."""
        return "pc"


class Separation(CellByCell):
    """Angle between two places on the sky (ra, dec, ra, dec), all in degrees."""

    name = "separation"
    summary = "angle between two places on the sky (ra, dec, ra, dec in degrees)"
    least, most = 4, 4

    def apply(self, *values: np.ndarray) -> np.ndarray:
        """Return the angle of every row, by the formula that is exact for small ones (haversine)."""
        ra, dec, other_ra, other_dec = (np.radians(value) for value in values)
        half = np.sin((other_dec - dec) / 2) ** 2
        half = half + np.cos(dec) * np.cos(other_dec) * np.sin((other_ra - ra) / 2) ** 2
        return np.asarray(np.degrees(2 * np.arcsin(np.sqrt(np.clip(half, 0.0, 1.0)))))

    def units(self, units: Sequence[str]) -> str:
        """Return degrees."""
        return "deg"
