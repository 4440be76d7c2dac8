"""Formulas of the fields, by name (format/table.md: formulas), in float64, in the order in which they are written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from operator import add

import numpy as np

from reference.reading import Damaged
from reference.table_programs import evaluate_program

# Rotation from equatorial (J2000) to Galactic Cartesian coordinates.
GALACTIC = (
    (-0.0548755604, -0.8734370902, -0.4838350155),
    (0.4941094279, -0.4448296300, 0.7469822445),
    (-0.8676661490, -0.1980763734, 0.4559837762),
)
Column = np.ndarray


def total(columns: Sequence[Column]) -> Column:
    return reduce(add, columns)


def root(value: Column) -> Column:
    return np.sqrt(np.maximum(value, 0))


def direction(longitude: Column, latitude: Column) -> tuple[Column, Column, Column]:
    a, b = np.radians(longitude), np.radians(latitude)
    return np.cos(b) * np.cos(a), np.cos(b) * np.sin(a), np.sin(b)


def galactic(ra: Column, dec: Column) -> list[Column]:
    x, y, z = direction(ra, dec)
    return [a * x + b * y + c * z for a, b, c in GALACTIC]


def squared(value: Column) -> Column:
    return value * value


FORMULAS: dict[bytes, Callable[..., Column]] = {
    b"sum": lambda *a: total(a),
    b"difference": lambda a, b: a - b,
    b"product": lambda a, b: a * b,
    b"ratio": lambda a, b: a / b,
    b"scaled": lambda a, c: a * c,
    b"norm": lambda *a: np.sqrt(total([squared(each) for each in a])),
    b"leg": lambda t, *a: root(t * t - total([squared(each) for each in a])),
    b"pt_from_energy": lambda eta, m, *e: root(squared(total(e)) - m * m) / np.cosh(eta),
    b"mass_from_energy": lambda pt, eta, *e: root(squared(total(e)) - squared(pt * np.cosh(eta))),
    b"energy": lambda pt, eta, m: np.sqrt(squared(pt * np.cosh(eta)) + m * m),
    b"px": lambda pt, phi: pt * np.cos(phi),
    b"py": lambda pt, phi: pt * np.sin(phi),
    b"pz": lambda pt, eta: pt * np.sinh(eta),
    b"momentum": lambda pt, eta: pt * np.cosh(eta),
    b"phi": lambda px, py: np.arctan2(py, px),
    b"eta": lambda px, py, pz: np.arcsinh(pz / np.sqrt(px * px + py * py)),
    b"absolute_magnitude": lambda m, d: m + 5 - 5 * np.log10(d),
    b"absolute_magnitude_by_parallax": lambda m, p: m + 5 + 5 * np.log10(p / 1000),
    b"luminosity": lambda m, c: np.power(10.0, 0.4 * (c - m)),
    b"x": lambda lon, lat, d: d * direction(lon, lat)[0],
    b"y": lambda lon, lat, d: d * direction(lon, lat)[1],
    b"z": lambda lon, lat, d: d * direction(lon, lat)[2],
    b"x_by_hours": lambda h, lat, d: d * direction(h * 15, lat)[0],
    b"y_by_hours": lambda h, lat, d: d * direction(h * 15, lat)[1],
    b"galactic_longitude": lambda ra, dec: np.degrees(np.arctan2(*galactic(ra, dec)[1::-1])) % 360,
    b"galactic_latitude": lambda ra, dec: np.degrees(np.arcsin(np.clip(galactic(ra, dec)[2], -1, 1))),
}


def evaluate(name: bytes, parents: Sequence[Column], constants: Sequence[float]) -> tuple[Column, Column]:
    """A prediction, and the size of its terms: the sum without a name has quarters as factors."""
    columns = [parent.astype("<f8") for parent in parents]
    if not name:
        terms = [factor * column for factor, column in zip(constants, columns, strict=True)]
        nothing = np.zeros(len(columns[0]))
        return total([nothing, *terms]), total([nothing, *(np.abs(term) for term in terms)])
    if name == b"program":
        found = evaluate_program(columns, constants)
        return found, np.abs(found)
    if name not in FORMULAS:
        raise Damaged(f"there is no formula {name!r}")
    found = FORMULAS[name](*columns, *constants)
    return found, np.abs(found)
