"""Define exact formulas between variables by name: plugins propose the variables, models use the formulas that hold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import numpy as np

from baler_core.errors import FormatError, did_you_mean
from baler_core.machine.records import dataclass

# Rotation from equatorial (J2000) to Galactic Cartesian coordinates (Hipparcos catalogue, ESA SP-1200, vol. 1, 1.5.3).
_GALACTIC = (
    (-0.0548755604, -0.8734370902, -0.4838350155),
    (0.4941094279, -0.4448296300, 0.7469822445),
    (-0.8676661490, -0.1980763734, 0.4559837762),
)


@dataclass(frozen=True)
class Formula:
    """A guess that one variable follows from others; a model tests it on the values before it uses it.

    Attributes
    ----------
    name
        Which formula, a key of `FORMULAS`. Only this name and the constants get into a file, never code.
    target
        Name of the variable it gives.
    parents
        Names of the variables it needs, in the order of its description.
    constants
        Numbers it needs.
    """

    name: str
    target: str
    parents: tuple[str, ...]
    constants: tuple[float, ...] = ()


def evaluate_formula(name: str, parents: Sequence[np.ndarray], constants: Sequence[float] = ()) -> np.ndarray:
    """Return what a formula gives for its parents: float64, their shape; NaN or infinite where it is undefined.

    Raises
    ------
    FormatError
        If there is no such formula, or it takes another number of parents or constants.
    """
    if name not in FORMULAS:
        raise FormatError(f"there is no formula {name!r}; update baler-core. {did_you_mean(name, list(FORMULAS))}")
    columns = [np.asarray(parent, np.float64) for parent in parents]
    try:
        with np.errstate(all="ignore"):
            return np.asarray(FORMULAS[name](*columns, *constants), np.float64)
    except TypeError as error:
        raise FormatError(f"the formula {name!r} does not take {len(columns)} columns: {error}") from error


def _pt_from_energy(*columns: np.ndarray) -> np.ndarray:
    """pT = sqrt(E^2 - m^2) / cosh(eta) from eta, m and any number of energies that add up to E."""
    eta, mass, *energies = columns
    energy = _total(energies)
    return np.sqrt(np.maximum(energy * energy - mass * mass, 0)) / np.cosh(eta)


def _mass_from_energy(*columns: np.ndarray) -> np.ndarray:
    """m = sqrt(E^2 - (pT cosh eta)^2) from pT, eta and any number of energies that add up to E."""
    pt, eta, *energies = columns
    energy, momentum = _total(energies), pt * np.cosh(eta)
    return np.sqrt(np.maximum(energy * energy - momentum * momentum, 0))


def _energy(pt: np.ndarray, eta: np.ndarray, mass: np.ndarray) -> np.ndarray:
    """E = sqrt((pT cosh eta)^2 + m^2)."""
    momentum = pt * np.cosh(eta)
    return np.sqrt(momentum * momentum + mass * mass)


def _total(columns: Sequence[np.ndarray]) -> np.ndarray:
    total = columns[0]
    for column in columns[1:]:
        total = total + column
    return total


def _norm(*columns: np.ndarray) -> np.ndarray:
    """Length of a vector from its components: pT from px, py; p from px, py, pz; distance from x, y, z."""
    return np.sqrt(_total([column * column for column in columns]))


def _leg(total: np.ndarray, *others: np.ndarray) -> np.ndarray:
    """sqrt(total^2 - others^2): mass from E and momentum, pz from p and pT, up to the sign."""
    return np.sqrt(np.maximum(total * total - _total([other * other for other in others]), 0))


def _rapidity_from_components(px: np.ndarray, py: np.ndarray, pz: np.ndarray) -> np.ndarray:
    """eta = asinh(pz / pT)."""
    return np.arcsinh(pz / np.sqrt(px * px + py * py))


def _direction(longitude: np.ndarray, latitude: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    a, b = np.radians(longitude), np.radians(latitude)
    return np.cos(b) * np.cos(a), np.cos(b) * np.sin(a), np.sin(b)


def _galactic(ra: np.ndarray, dec: np.ndarray) -> list[np.ndarray]:
    x, y, z = _direction(ra, dec)
    return [a * x + b * y + c * z for a, b, c in _GALACTIC]


def _galactic_longitude(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Galactic longitude, 0 to 360 degrees, from right ascension and declination in degrees (J2000)."""
    x, y, _ = _galactic(ra, dec)
    return np.degrees(np.arctan2(y, x)) % 360


FORMULAS: Mapping[str, Callable[..., np.ndarray]] = MappingProxyType(
    {
        "sum": lambda *columns: _total(columns),
        "difference": lambda a, b: a - b,
        "product": lambda a, b: a * b,
        "ratio": lambda a, b: a / b,
        "scaled": lambda a, factor: a * factor,
        "norm": _norm,
        "leg": _leg,
        # four-momenta: pT, eta, phi (radians), m, E, px, py, pz in one unit
        "pt_from_energy": _pt_from_energy,
        "mass_from_energy": _mass_from_energy,
        "energy": _energy,
        "px": lambda pt, phi: pt * np.cos(phi),
        "py": lambda pt, phi: pt * np.sin(phi),
        "pz": lambda pt, eta: pt * np.sinh(eta),
        "momentum": lambda pt, eta: pt * np.cosh(eta),
        "phi": lambda px, py: np.arctan2(py, px),
        "eta": _rapidity_from_components,
        # catalogues: angles in degrees, magnitudes, parallaxes in mas, distances in pc
        "absolute_magnitude": lambda magnitude, distance: magnitude + 5 - 5 * np.log10(distance),
        "absolute_magnitude_by_parallax": lambda magnitude, parallax: magnitude + 5 + 5 * np.log10(parallax / 1000),
        "luminosity": lambda magnitude, sun: np.power(10.0, 0.4 * (sun - magnitude)),
        "x": lambda longitude, latitude, distance: distance * _direction(longitude, latitude)[0],
        "y": lambda longitude, latitude, distance: distance * _direction(longitude, latitude)[1],
        "z": lambda longitude, latitude, distance: distance * _direction(longitude, latitude)[2],
        "x_by_hours": lambda hours, latitude, distance: distance * _direction(hours * 15, latitude)[0],
        "y_by_hours": lambda hours, latitude, distance: distance * _direction(hours * 15, latitude)[1],
        "galactic_longitude": _galactic_longitude,
        "galactic_latitude": lambda ra, dec: np.degrees(np.arcsin(np.clip(_galactic(ra, dec)[2], -1, 1))),
    }
)
