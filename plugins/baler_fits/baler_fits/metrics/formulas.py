"""Suggest formulas from the names of a catalogue's columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from typing import TypeAlias

from baler_core import Formula

# Bolometric and visual magnitudes of the Sun in use (IAU 2015 B2; Willmer 2018; HYG catalogue).
SOLAR_MAGNITUDES = (4.74, 4.81, 4.83, 4.85)
# Columns of one table by folded name, without the table's name.
Columns: TypeAlias = Mapping[str, str]

RIGHT_ASCENSIONS = ("ra", "raj2000", "ra_j2000", "ra_icrs", "ra_deg", "_raj2000")
DECLINATIONS = ("dec", "dej2000", "dec_j2000", "decj2000", "de_icrs", "dec_deg", "_dej2000")
GALACTIC_LONGITUDES, GALACTIC_LATITUDES = ("glon", "l", "gal_l"), ("glat", "b", "gal_b")
DISTANCES, PARALLAXES = ("dist", "distance", "r_est", "rest", "dist_pc"), ("parallax", "plx")

_MAGNITUDE = re.compile(
    r"(phot_|(?:psf|model|petro|cmodel)mag_|mag_?|dered_|)(bp|rp|ks|w[1-4]|[a-z])(_mean_mag|_?mag|)$"
)
_COLOUR = re.compile(r"(bp|rp|ks|w[1-4]|[a-z])[-_](bp|rp|ks|w[1-4]|[a-z])$")
_ABSOLUTE = re.compile(r"(?:abs_?mag|abs_?|m_?)(?:_?(bp|rp|ks|[a-z]))?(?:mag)?$")
_CARTESIAN = re.compile(r"([xyz])(_?k?pc|_gal|_eq)?$")
_OVER_ERROR = re.compile(r"(.+)_over_(?:error|err)$")


def suggested_formulas(names: Iterable[str]) -> list[Formula]:
    """Return formulas that may hold between columns, by their names alone.

    Parameters
    ----------
    names
        Column names, or `table/column`: relations stay within one table. Case does not matter.

    Returns
    -------
    list of Formula
        Several may give the same target, and none need be true: test them on the values.
    """
    tables: dict[str, dict[str, str]] = {}
    for name in names:
        table, _, column = name.rpartition("/")
        tables.setdefault(table, {})[column.casefold()] = name
    found: list[Formula] = []
    for columns in tables.values():
        for search in (_colours, _ratios, _absolute_magnitudes, _luminosities, _galactic, _cartesian):
            found.extend(search(columns))
    return found


def _present(columns: Columns, wanted: Iterable[str]) -> list[str]:
    return [columns[name] for name in wanted if name in columns]


def _magnitudes(columns: Columns) -> dict[tuple[str, str], dict[str, str]]:
    """Magnitude columns: `{(what stands before and behind the band): {band: column}}`."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for folded, name in columns.items():
        if match := _MAGNITUDE.match(folded):
            found.setdefault((match[1], match[3]), {})[match[2]] = name
    return found


def _colours(columns: Columns) -> Iterator[Formula]:
    for folded, name in columns.items():
        if match := _COLOUR.match(folded):
            for bands in _magnitudes(columns).values():
                if match[1] in bands and match[2] in bands:
                    yield Formula("difference", name, (bands[match[1]], bands[match[2]]))


def _ratios(columns: Columns) -> Iterator[Formula]:
    for folded, name in columns.items():
        if (match := _OVER_ERROR.match(folded)) and match[1] in columns:
            for error in _present(columns, [f"{match[1]}_error", f"{match[1]}_err", f"e_{match[1]}"]):
                yield Formula("ratio", name, (columns[match[1]], error))


def _absolute_targets(columns: Columns) -> dict[str, str]:
    """Columns that may hold absolute magnitudes, and the band in their names (empty if none)."""
    matches = {name: _ABSOLUTE.match(folded) for folded, name in columns.items() if folded != "mag"}
    return {name: match[1] or "" for name, match in matches.items() if match}


def _absolute_magnitudes(columns: Columns) -> Iterator[Formula]:
    ways: list[tuple[str, str]] = []
    ways += [("absolute_magnitude_by_parallax", name) for name in _present(columns, PARALLAXES)]
    ways += [("absolute_magnitude", name) for name in _present(columns, DISTANCES)]
    for target, band in _absolute_targets(columns).items():
        apparent = [m for bands in _magnitudes(columns).values() for b, m in bands.items() if band in ("", b)]
        for magnitude, (by, distance) in product([*apparent, *_present(columns, ["mag"])], ways):
            if magnitude != target:
                yield Formula(by, target, (magnitude, distance))


def _luminosities(columns: Columns) -> Iterator[Formula]:
    targets = _present(columns, ["lum", "luminosity", "l_sun", "lum_sun"])
    for target, magnitude, sun in product(targets, _absolute_targets(columns), SOLAR_MAGNITUDES):
        yield Formula("luminosity", target, (magnitude,), (sun,))


def _galactic(columns: Columns) -> Iterator[Formula]:
    equatorial = list(product(_present(columns, RIGHT_ASCENSIONS), _present(columns, DECLINATIONS)))
    for ra, dec in equatorial:
        for target in _present(columns, GALACTIC_LONGITUDES):
            yield Formula("galactic_longitude", target, (ra, dec))
        for target in _present(columns, GALACTIC_LATITUDES):
            yield Formula("galactic_latitude", target, (ra, dec))


def _cartesian(columns: Columns) -> Iterator[Formula]:
    pairs = [
        *(
            (a, b, hours)
            for a, b, hours in product(
                _present(columns, RIGHT_ASCENSIONS), _present(columns, DECLINATIONS), (False, True)
            )
        ),
        *(
            (a, b, False)
            for a, b in product(_present(columns, GALACTIC_LONGITUDES), _present(columns, GALACTIC_LATITUDES))
        ),
    ]
    for folded, name in columns.items():
        if match := _CARTESIAN.match(folded):
            for (longitude, latitude, hours), distance in product(pairs, _present(columns, DISTANCES)):
                formula = f"{match[1]}_by_hours" if hours and match[1] != "z" else match[1]
                yield Formula(formula, name, (longitude, latitude, distance))
