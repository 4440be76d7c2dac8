"""Read CF attributes of a whole variable: units, label, and the kind of each axis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

DESCRIPTION = frozenset({"units", "long_name", "standard_name", "axis", "positive"})

AXIS_LETTERS = {"t": "time", "z": "level", "y": "y", "x": "x", "e": "member"}
ROLES = {
    "time": ("time", "t", "times", "month", "day", "hour", "year", "step", "date", "record", "time_counter", "frame"),
    "member": ("member", "ensemble", "ens", "realization", "run", "number", "mem"),
    "level": (
        "level",
        "lev",
        "levels",
        "z",
        "depth",
        "height",
        "altitude",
        "plev",
        "pressure",
        "isobaric",
        "bottom_top",
    ),
    "y": ("y", "lat", "latitude", "nlat", "rlat", "j", "south_north", "yc", "nj"),
    "x": ("x", "lon", "longitude", "nlon", "rlon", "i", "west_east", "xc", "ni"),
}
ROLE_BY_NAME = {name: role for role, names in ROLES.items() for name in names}
ROLE_BY_STANDARD_NAME = {
    "time": "time",
    "forecast_reference_time": "time",
    "realization": "member",
    "latitude": "y",
    "grid_latitude": "y",
    "projection_y_coordinate": "y",
    "longitude": "x",
    "grid_longitude": "x",
    "projection_x_coordinate": "x",
    "depth": "level",
    "height": "level",
    "altitude": "level",
    "air_pressure": "level",
}
NORTH = ("degrees_north", "degree_north", "degree_n", "degrees_n", "degreen", "degreesn")
EAST = ("degrees_east", "degree_east", "degree_e", "degrees_e", "degreee", "degreese")
PRESSURES = ("pa", "hpa", "mb", "mbar", "bar", "millibar", "millibars")


def described(attributes: Mapping[str, Any]) -> tuple[str, str]:
    """Return units and label of a variable, empty where the file has none."""
    label = text_of(attributes, "long_name") or text_of(attributes, "standard_name")
    return text_of(attributes, "units"), label


def standard_name(attributes: Mapping[str, Any]) -> str:
    """Return the CF standard name of a variable with its modifier, empty where the file has none."""
    return " ".join(text_of(attributes, "standard_name").split())


def text_of(attributes: Mapping[str, Any], name: str) -> str:
    """Return an attribute, empty where there is none or it is no text."""
    value = attributes.get(name, "")
    return value if isinstance(value, str) else ""


def axis_role(dimension: str, coordinate: Mapping[str, Any]) -> str:
    """What a dimension is (`time`, `member`, `level`, `y`, `x`), from its coordinate variable's attributes or its name.

    Parameters
    ----------
    coordinate
        Attributes of the variable named like the dimension; empty if there is none.

    Returns
    -------
    str
        Empty if nothing tells. Source: CF conventions 1.11, chapter 4.
    """
    units = text_of(coordinate, "units").lower()
    letter = text_of(coordinate, "axis").lower()
    if letter in AXIS_LETTERS:
        return AXIS_LETTERS[letter]
    standard = text_of(coordinate, "standard_name")
    if standard in ROLE_BY_STANDARD_NAME:
        return ROLE_BY_STANDARD_NAME[standard]
    if " since " in units:
        return "time"
    if units in NORTH or units in EAST:
        return "y" if units in NORTH else "x"
    if text_of(coordinate, "positive").lower() in ("up", "down") or units in PRESSURES:
        return "level"
    return ROLE_BY_NAME.get(dimension.rsplit("/", 1)[-1].lower(), "")
