"""Recognise angles by name and units: a bound relative to their value means nothing, since their zero is a convention."""

from __future__ import annotations

import re
from collections.abc import Iterable

from baler_core.data.conventions import base_name, conventions_for, spoken
from baler_core.data.error_bound import ErrorBound
from baler_core.data.variables import Variable

_ANGLE = re.compile(r"(^|[^a-z])(d?phi|d?eta|theta|azimuth|psi)_?\d*(_?up|_?down)?$", re.IGNORECASE)
_ANGLE_CAMEL = re.compile(r"^(?!.*[sS]igma).*[A-Za-z](?<!Eta)(?<!Phi)(Phi|Eta|Theta)\d*(_?[Uu]p|_?[Dd]own)?$")
_ON_SKY = re.compile(
    r"(?:.+_)?(?:ra|dec|raj2000|dej2000|ra_icrs|de_icrs|right_ascension|declination|g?lon|g?lat|longitude|latitude|"
    r"nav_lon|nav_lat|l_?on|alpha|delta)(?:_(?:deg|degrees|j2000|icrs|mean))?"
)
_DIFFERENCE = re.compile(r"delta_?r?(eta|phi|theta|psi)|(^|[^a-z])d(eta|phi|theta|psi)", re.IGNORECASE)
_SIZE = re.compile(r"semi_?(major|minor)|radius|width|fwhm|separation|diameter", re.IGNORECASE)
_DEGREES = ("deg", "degree", "degrees", "arcdegrees")
# As CF spells them: degrees_north, degree_E, degrees_true; but degrees_celsius are none.
_OF_ARC = re.compile(r"degrees?_(?:north|south|east|west|true|[nsewt])")
_RADIANS = ("rad", "radian", "radians")
_ETA = re.compile(r"eta_?\d*$", re.IGNORECASE)
# Latitudes and declinations end at the poles.
_LATITUDE = re.compile(
    r"(?:.+_)?(?:dec|dej2000|de_icrs|declination|g?lat|latitude|nav_lat)(?:_(?:deg|degrees|j2000|icrs|mean))?"
)
_NORTH = re.compile(r"degrees?_(?:north|south|[ns])")
_AT_POLE = {"degrees": 90.0, "radians": 1.5}
# A large value of each, and a bound that suits.
_LARGE = {"degrees": (360.0, "{abs: 1.0e-3}"), "radians": (3.0, "{abs: 1.0e-4}")}


def names_direction(name: str) -> bool:
    """Return whether a name is that of an angle of a direction in a detector: phi, eta, theta."""
    last = name.rpartition("/")[2]
    return bool(_ANGLE.search(last) or _ANGLE_CAMEL.search(last))


def angle_units(name: str, units: str = "") -> str:
    """Return `degrees` or `radians` for an angle (pseudorapidities count as such), else nothing."""
    stated = units.strip().lower()
    if stated in _DEGREES or _OF_ARC.fullmatch(stated):
        return "degrees"
    if stated in _RADIANS:
        return "radians"
    if stated:
        return ""
    if names_direction(base_name(name)):
        return "radians"
    return "degrees" if _ON_SKY.fullmatch(spoken(name)) else ""


def _has_a_zero(name: str) -> bool:
    """Whether the zero of an angle has a meaning: of an error, a difference, a size."""
    is_error = any(row.role == "uncertainty" for row, _ in conventions_for(name))
    return is_error or names_size(name) or bool(_DIFFERENCE.search(base_name(name)))


def names_size(name: str) -> bool:
    """Return whether a name is that of the size of something on the sky, not of a direction."""
    return bool(_SIZE.search(base_name(name)))


def _is_latitude(variable: Variable) -> bool:
    is_north = _NORTH.fullmatch(variable.units.strip().lower())
    named = variable.standard_name.endswith("latitude") or _LATITUDE.fullmatch(spoken(variable.name))
    return bool(is_north or named)


def angle_warnings(variables: Iterable[Variable], bounds: Iterable[ErrorBound]) -> list[str]:
    """Return what to say of relative bounds on angles, of each variable and its bound."""
    return [sentence for one, bound in zip(variables, bounds, strict=True) if (sentence := angle_warning(one, bound))]


def angle_warning(variable: Variable, bound: ErrorBound) -> str:
    """Return what to say of a relative bound on an angle; empty for anything else."""
    units = angle_units(variable.name, variable.units) if bound.kind == "rel" else ""
    if not units or _has_a_zero(variable.name):
        return ""
    large, proposed = _LARGE[units]
    large = _AT_POLE[units] if _is_latitude(variable) else large
    unit = "" if _ETA.search(base_name(variable.name)) else f" {units}"
    return (
        f"rel {bound.value:g} on the angle {variable.name!r} moves values near {large:g} by {bound.value * large:.2g}{unit} and "
        f"those near 0 not at all: use abs, such as {proposed}"
    )
