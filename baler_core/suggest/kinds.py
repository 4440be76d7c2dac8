"""Propose a bound by what kind of quantity a variable is: an angle, a magnitude, a field, a momentum."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import numpy as np

from baler_core.data.angles import names_direction, names_size
from baler_core.data.noise import noise_of
from baler_core.data.roles import PIXELS, lists_in_rows
from baler_core.data.variables import Schema, Variable
from baler_core.suggest.differences import of_differences
from baler_core.suggest.proposal import FIELDS, LOSSLESS, OTHERS, Proposal

_MAGNITUDE = re.compile(r"(^|_)(mag|mags|vmag|bmag|kmag|jmag|hmag|gmag|rmag|imag|kepmag|tmag)\d*(_|$)", re.IGNORECASE)
# Differences of two magnitudes, of Gaia, Johnson and Cousins, SDSS and Pan-STARRS, 2MASS; they pass through zero.
_COLOUR = re.compile(
    r"(bp[-_]rp|bp[-_]g|g[-_]rp|[ubvri][-_][bvri]|[ugrizy][-_][grizy]|[jhk]s?[-_][hk]s?)(_?0|_mean|_corr)?",
    re.IGNORECASE,
)
# Coordinates of vertices and points: their zero is a convention. Not px, py, pz.
_PLACE = re.compile(r"(.*[_.])?(v|vtx|vertex|pos|point)?_?[xyz]", re.IGNORECASE)
# The same of what says that it is a place: `PrimaryVertices.fCoordinates.fX`, `Tracks_referencePoint`, `particles/pos`.
_OF_PLACE = re.compile(
    r"(?:.*[^A-Za-z])?(?:\w*vert(?:ex|ices)|\w*vtx|pos|positions?|\w*points?)(?:(?:[_.]?fCoordinates)?[_.]?f?[XYZxyz])?",
    re.IGNORECASE,
)
# Units whose zero is a convention: a share of the value means nothing.
_FROM_A_CONVENTION = re.compile(r"(?:°|º|deg(?:ree)?s?_?)?(?:c|f|celsius|fahrenheit)", re.IGNORECASE)
# So few different numbers, each often, are names of something: flags, classes, answers of a tagger.
_CATEGORIES, _OFTEN = 16, 100
# Astrometry in milliarcseconds (a year): bright stars move a thousand times as fast as their errors.
_ASTROMETRY = re.compile(r"pm|pm_?ra|pm_?dec|pmra_?cosdec|parallax|plx", re.IGNORECASE)
_MILLIARCSECONDS = ("", "mas", "mas/yr", "mas / yr", "mas.yr**-1", "mas yr-1")
# A loss relative to the value takes too much of a spread that is smaller than this part of it.
_NARROW = 0.1
_SMALL = 0.01
# Where so many values are exactly zero, zero has a meaning (land, sparsity) that only a relative bound keeps. The rest of a
# file may have more of them than its first values: a report calls 5 % of them, if they move, something to be looked at.
_MANY_ZEROS = 0.02
# Fewer values than these do not tell a spread.
_FEW = 30


def has_conventional_zero(variable: Variable) -> bool:
    """Return whether a variable is a temperature whose zero is a convention: in degrees Celsius, Fahrenheit."""
    return bool(_FROM_A_CONVENTION.fullmatch(variable.units.strip()))


def are_categories(values: np.ndarray) -> bool:
    """Return whether a column takes few different numbers again and again."""
    known = values[np.isfinite(values)]
    return values.ndim == 1 and known.size >= _OFTEN and np.unique(known).size <= min(_CATEGORIES, known.size // _OFTEN)


def of_field(values: np.ndarray | None, *, is_plane: bool) -> Proposal:
    """Return what suits a field without noise: a share of its range, unless much of it is far smaller than its largest values.

    Parameters
    ----------
    values
        Physical ones, float64, NaN where there are none.
    is_plane
        Whether its last two dimensions are those of a grid.
    """
    if values is not None and _has_many_zeros(values):
        return Proposal(OTHERS, "many values are exactly 0, which a bound relative to each value keeps")
    if values is not None and not is_plane and _is_whole(values):
        return Proposal(LOSSLESS, "whole numbers, which may be indices")
    if values is not None and _is_mostly_small(values):
        return Proposal(OTHERS, "never negative, and often far smaller than its largest values")
    return Proposal(FIELDS, _why_no_noise(values if is_plane else None))


def unvarying(schema: Schema, physical: Mapping[str, np.ndarray]) -> dict[str, Proposal]:
    """Return the proposals for real numbers that have no values, or one: a loss gains nothing there.

    The first values of a column tell; a field whose first rows are empty, as land is in maps of the sea, must be known
    as a whole.

    Parameters
    ----------
    physical
        The first values of each, float64, NaN where there are none.
    """
    found, lists = {}, lists_in_rows(schema)
    for variable in schema.variables:
        values = physical.get(variable.name)
        is_real = variable.is_numeric and (variable.numpy_dtype.kind == "f" or variable.is_packed)
        if values is None or not values.size or not is_real:
            continue
        is_known = values.nbytes >= 8 * math.prod(schema.sizes[dim] for dim in variable.dims)
        is_column = values.ndim == 1 or variable.name in lists
        known = values[np.isfinite(values)]
        if (is_known or is_column) and values.size > 1 and bool((known == known[:1]).all()):
            seen = "" if is_known else " in all that was read"
            found[variable.name] = Proposal(LOSSLESS, f"{'constant' if known.size else 'no values'}{seen}")
    return found


def _has_many_zeros(values: np.ndarray) -> bool:
    """Whether zero stands among other numbers far more often than any measurement gives it."""
    known = values[np.isfinite(values)]
    zeros = int((known == 0).sum())
    return _FEW <= zeros < known.size and zeros >= _MANY_ZEROS * known.size and not _is_whole(values)


def _is_whole(values: np.ndarray) -> bool:
    known = values[np.isfinite(values)]
    return known.size > 0 and bool((known == np.rint(known)).all())


def _is_mostly_small(values: np.ndarray) -> bool:
    """Whether a bound of the range would flatten many values, as of rain, or of a gas in thin air.

    Half of those above zero are below a hundredth of the largest, or one in twenty is below a fiftieth.
    """
    known = values[np.isfinite(values)]
    positive = known[known > 0]
    if not positive.size or (known < 0).any():
        return False
    largest = float(positive.max())
    low, middle = np.percentile(positive, (5, 50))
    return bool(middle < _SMALL * largest or low < 2 * _SMALL * largest)


def of_column(variable: Variable, values: np.ndarray | None) -> Proposal:
    """Return what suits a column of a table, or a series without noise."""
    angle = angle_bound(variable)
    if angle is not None:
        return angle
    name = variable.name.rpartition("/")[2]
    if _MAGNITUDE.search(name) or _COLOUR.fullmatch(name) or variable.units.lower() == "mag":
        return Proposal("{abs: 1.0e-3}", "a magnitude")
    if _ASTROMETRY.fullmatch(name) and variable.units.lower() in _MILLIARCSECONDS:
        return Proposal("{abs: 1.0e-3}", "a proper motion or parallax, in milliarcseconds")
    if variable.units.lower() in PIXELS:
        return Proposal("{abs: 1.0e-3}", "a place on an image")
    if _PLACE.fullmatch(name) or _OF_PLACE.fullmatch(variable.name):
        return Proposal("{range: 1.0e-5}", "a coordinate, whose zero means nothing")
    if (by_difference := of_differences(variable, values)) is not None:
        return by_difference
    if has_conventional_zero(variable):
        return Proposal(FIELDS, f"in {variable.units}, whose zero means nothing")
    if variable.numpy_dtype.kind != "f":
        return Proposal(FIELDS, "packed: represents real numbers by a scale factor")
    if values is not None and _is_narrow(values):
        return Proposal(FIELDS, "its spread is small compared with its values")
    return Proposal(OTHERS, "three digits")


def angle_bound(variable: Variable) -> Proposal | None:
    """Return what suits angles: the same small angle everywhere: values near zero mean no more than others."""
    units = variable.units.lower()
    if units in ("deg", "degree", "degrees", "arcdegrees") and not names_size(variable.name):
        return Proposal("{abs: 5.0e-3}", "an angle in degrees")
    if units in ("rad", "radian", "radians") or (units in ("", "1") and names_direction(variable.name)):
        return Proposal("{abs: 1.0e-4}", "an angle")
    return None


def _why_no_noise(values: np.ndarray | None) -> str:
    if values is None:
        return "a field"
    return (
        "a smooth field, without visible noise"
        if noise_of(values).sigma > 0
        else "no noise is visible in its first values"
    )


def _is_narrow(values: np.ndarray) -> bool:
    """Whether values stand far from zero beside their spread, as pressures and temperatures do."""
    known = values[np.isfinite(values)]
    if not known.size:
        return False
    middle = abs(float(np.median(known)))
    low, high = np.percentile(known, (5, 95) if known.size >= _FEW else (0, 100))
    return bool(0 < high - low < _NARROW * middle)
