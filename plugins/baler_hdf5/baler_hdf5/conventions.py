"""What attributes say by the CF and NetCDF conventions: packing, fill values, units, labels, and which axis is which."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

PACKING = frozenset({"scale_factor", "add_offset", "_FillValue", "missing_value"})
DESCRIPTION = frozenset({"units", "long_name", "standard_name", "axis", "positive"})
CONVENTIONAL = PACKING | DESCRIPTION

# What netCDF fills unwritten values with when nobody says otherwise (netcdf.h, NC_FILL_*); bytes have none.
DEFAULT_FILL = {
    "i2": -32767,
    "u2": 65535,
    "i4": -2147483647,
    "u4": 4294967295,
    "f4": 9.969209968386869e36,
    "f8": 9.969209968386869e36,
}

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


def packing(attributes: Mapping[str, Any]) -> tuple[float, float]:
    """`scale_factor` and `add_offset` (1 and 0 where absent or unusable): physical = stored * scale + offset."""
    scale, offset = _number(attributes.get("scale_factor")), _number(attributes.get("add_offset"))
    return (scale if scale else 1.0), (offset if offset is not None else 0.0)


def _number(value: Any) -> float | None:
    """A single finite number, else None."""
    if not isinstance(value, np.ndarray) or value.size != 1 or value.dtype.kind not in "iuf":
        return None
    number = float(value.reshape(-1)[0])
    return number if math.isfinite(number) else None


def fill_values(attributes: Mapping[str, Any], dtype: str, default: float | None = None) -> tuple[float, ...]:
    """The fill values of a variable in stored units: `_FillValue` (else `default`) and `missing_value`.

    Values that its dtype cannot hold (a NaN for integers) stand for nothing and are left out; so is NaN, which is
    always kept, and what a float cannot say exactly (integers beyond 2^53).
    """
    kind = np.dtype(dtype)
    if kind.kind not in "iuf" or kind.itemsize > 8:
        return ()
    candidates: list[float] = [default] if default is not None and "_FillValue" not in attributes else []
    for name in ("_FillValue", "missing_value"):
        values = attributes.get(name)
        if isinstance(values, np.ndarray) and values.dtype.kind in "iuf":
            candidates.extend(values.reshape(-1).tolist())
    held = (_held(value, kind) for value in candidates)
    return tuple(dict.fromkeys(value for value in held if value is not None))


def _held(value: float, dtype: np.dtype[Any]) -> float | None:
    """The value as the dtype holds it; None if it cannot."""
    if not math.isfinite(value):
        return None
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            rounded = float(np.float64(value).astype(dtype))
        return rounded if math.isfinite(rounded) else None
    limits = np.iinfo(dtype)
    whole = int(value)
    return float(whole) if value == whole == int(float(whole)) and limits.min <= whole <= limits.max else None


def described(attributes: Mapping[str, Any]) -> tuple[str, str]:
    """Units and label of a variable, empty where the file does not tell."""
    label = _word(attributes, "long_name") or _word(attributes, "standard_name")
    return _word(attributes, "units"), label


def _word(attributes: Mapping[str, Any], name: str) -> str:
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
    units = _word(coordinate, "units").lower()
    letter = _word(coordinate, "axis").lower()
    if letter in AXIS_LETTERS:
        return AXIS_LETTERS[letter]
    standard = _word(coordinate, "standard_name")
    if standard in ROLE_BY_STANDARD_NAME:
        return ROLE_BY_STANDARD_NAME[standard]
    if " since " in units:
        return "time"
    if units in NORTH or units in EAST:
        return "y" if units in NORTH else "x"
    if _word(coordinate, "positive").lower() in ("up", "down") or units in PRESSURES:
        return "level"
    return ROLE_BY_NAME.get(dimension.rsplit("/", 1)[-1].lower(), "")
