"""Formulas between columns of a catalogue: candidates found by name, for a model to test on the values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

# Bolometric and visual magnitudes of the Sun in use (IAU 2015 B2; Willmer 2018; HYG catalogue).
SOLAR_MAGNITUDES = (4.74, 4.81, 4.83, 4.85)
# Rotation from equatorial (J2000) to Galactic Cartesian coordinates (Hipparcos catalogue, ESA SP-1200, vol. 1, 1.5.3).
GALACTIC = np.array(
    [
        [-0.0548755604, -0.8734370902, -0.4838350155],
        [0.4941094279, -0.4448296300, 0.7469822445],
        [-0.8676661490, -0.1980763734, 0.4559837762],
    ]
)


class Relation(Protocol):
    """A formula that gives one column from others.

    Attributes
    ----------
    target
        Name of the column it gives.
    parents
        Names of the columns it needs, in the order of `predict`.
    """

    @property
    def target(self) -> str:
        """Name of the column it gives."""

    @property
    def parents(self) -> tuple[str, ...]:
        """Names of the columns it needs."""

    def predict(self, *columns: np.ndarray) -> np.ndarray:
        """The target from its parents: float64, shape (rows,); NaN or infinite where it is undefined."""


@dataclass(frozen=True)
class Colour:
    """Difference of two magnitudes: blue - red (mag)."""

    target: str
    blue: str
    red: str

    @property
    def parents(self) -> tuple[str, ...]:
        """Both magnitudes."""
        return (self.blue, self.red)

    def predict(self, *columns: np.ndarray) -> np.ndarray:
        """The colour from both magnitudes."""
        blue, red = _doubles(columns)
        return blue - red


@dataclass(frozen=True)
class Ratio:
    """Quotient of two columns, as a parallax over its error."""

    target: str
    numerator: str
    denominator: str

    @property
    def parents(self) -> tuple[str, ...]:
        """Numerator and denominator."""
        return (self.numerator, self.denominator)

    def predict(self, *columns: np.ndarray) -> np.ndarray:
        """The quotient."""
        numerator, denominator = _doubles(columns)
        with np.errstate(all="ignore"):
            return numerator / denominator


@dataclass(frozen=True)
class AbsoluteMagnitude:
    """Apparent magnitude less the distance modulus (mag).

    Attributes
    ----------
    distance
        Column with the parallax in milliarcseconds, or the distance in parsecs.
    by
        Which of the two it is.
    """

    target: str
    magnitude: str
    distance: str
    by: Literal["parallax", "distance"]

    @property
    def parents(self) -> tuple[str, ...]:
        """Apparent magnitude, and parallax or distance."""
        return (self.magnitude, self.distance)

    def predict(self, *columns: np.ndarray) -> np.ndarray:
        """The absolute magnitude: m + 5 + 5 log10(parallax / 1000), or m + 5 - 5 log10(distance)."""
        magnitude, distance = _doubles(columns)
        with np.errstate(all="ignore"):
            logarithm = np.log10(distance / 1000) if self.by == "parallax" else -np.log10(distance)
            return magnitude + 5 + 5 * logarithm


@dataclass(frozen=True)
class Luminosity:
    """Luminosity in units of the Sun's, from an absolute magnitude."""

    target: str
    magnitude: str
    sun: float = 4.83

    @property
    def parents(self) -> tuple[str, ...]:
        """The absolute magnitude."""
        return (self.magnitude,)

    def predict(self, *columns: np.ndarray) -> np.ndarray:
        """10^(0.4 (sun - magnitude))."""
        (magnitude,) = _doubles(columns)
        with np.errstate(all="ignore"):
            return np.power(10.0, 0.4 * (self.sun - magnitude))


@dataclass(frozen=True)
class Cartesian:
    """A Cartesian coordinate from longitude, latitude (degrees) and distance; in the unit of the distance.

    Attributes
    ----------
    component
        0, 1, 2 for x, y, z.
    hours
        The longitude is in hours of 15 degrees.
    """

    target: str
    longitude: str
    latitude: str
    distance: str
    component: int
    hours: bool = False

    @property
    def parents(self) -> tuple[str, ...]:
        """Longitude, latitude and distance."""
        return (self.longitude, self.latitude, self.distance)

    def predict(self, *columns: np.ndarray) -> np.ndarray:
        """Distance times the direction cosine."""
        longitude, latitude, distance = _doubles(columns)
        return distance * directions(longitude * 15 if self.hours else longitude, latitude)[self.component]


@dataclass(frozen=True)
class Galactic:
    """Galactic longitude or latitude (degrees) from equatorial coordinates (J2000, degrees)."""

    target: str
    right_ascension: str
    declination: str
    component: Literal["longitude", "latitude"]

    @property
    def parents(self) -> tuple[str, ...]:
        """Right ascension and declination."""
        return (self.right_ascension, self.declination)

    def predict(self, *columns: np.ndarray) -> np.ndarray:
        """The angle; longitudes from 0 to 360."""
        x, y, z = np.einsum("ij,j...->i...", GALACTIC, directions(*_doubles(columns)))
        if self.component == "latitude":
            return np.degrees(np.arcsin(np.clip(z, -1, 1)))
        return np.degrees(np.arctan2(y, x)) % 360


def directions(longitude: np.ndarray, latitude: np.ndarray) -> np.ndarray:
    """Unit vectors of angles in degrees: float64, shape (3, rows)."""
    a, b = np.radians(longitude), np.radians(latitude)
    with np.errstate(all="ignore"):
        return np.stack([np.cos(b) * np.cos(a), np.cos(b) * np.sin(a), np.sin(b)])


def _doubles(columns: Sequence[np.ndarray]) -> list[np.ndarray]:
    return [np.asarray(column, np.float64) for column in columns]
