"""Read attributes of single values: signedness, packing, fill values, limits and flags, as readers interpret them.

Source: NetCDF Users Guide, "Attribute Conventions"; CF conventions 1.11, chapters 2.5, 3.5 and 8.1; and what
netCDF4-python and xarray do with them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from baler_core.data.sides import exact_number
from baler_core.machine.records import dataclass

SPECIAL = frozenset(
    {
        "scale_factor",
        "add_offset",
        "_FillValue",
        "missing_value",
        "_Unsigned",
        "valid_range",
        "valid_min",
        "valid_max",
        "flag_values",
        "flag_masks",
    }
)

# What netCDF fills unwritten values with when nobody says otherwise (netcdf.h, NC_FILL_*).
DEFAULT_FILL = {
    "i1": -127,
    "u1": 255,
    "i2": -32767,
    "u2": 65535,
    "i4": -2147483647,
    "u4": 4294967295,
    "i8": -9223372036854775806,
    "u8": 18446744073709551614,
    "f4": 9.969209968386869e36,
    "f8": 9.969209968386869e36,
}


@dataclass(frozen=True)
class Special:
    """What readers make of a variable's numbers, in stored units.

    Attributes
    ----------
    dtype
        dtype string that readers show before unpacking: `|u1` for `|i1` that is unsigned by attribute.
    scale, offset
        physical = stored * scale + offset.
    fill
        Values shown as missing.
    limits
        What lies outside is shown as missing.
    flags
        Values with a meaning of their own.
    stated_limits
        Limits of a wider type than packed values as netCDF4-python takes them, which compares them with stored values.
    """

    dtype: str
    scale: float = 1.0
    offset: float = 0.0
    fill: tuple[float, ...] = ()
    limits: tuple[float, float] = (-math.inf, math.inf)
    flags: tuple[float, ...] = ()
    stated_limits: tuple[float, float] = (-math.inf, math.inf)


@dataclass(frozen=True)
class _Shown:
    """The dtype that readers show, beside the one that is stored."""

    dtype: np.dtype[Any]
    stored: np.dtype[Any]

    @property
    def turned(self) -> bool:
        """Whether readers see another sign than is stored."""
        return self.dtype != self.stored

    def held(self, value: Any) -> float | None:
        """Return the value as readers show it; None if the dtype cannot represent it."""
        if not math.isfinite(value):
            return None
        if self.dtype.kind == "f":
            with np.errstate(over="ignore"):
                rounded = float(np.float64(value).astype(self.dtype))
            return rounded if math.isfinite(rounded) else None
        reach = np.iinfo(self.dtype)
        whole = self.turn(value)
        return exact_number(int(whole)) if whole == int(whole) and reach.min <= whole <= reach.max else None

    def turn(self, value: float) -> float:
        """An integer stated with the sign of what is stored: -1 of bytes that are unsigned by attribute is 255."""
        span = 1 << (8 * self.dtype.itemsize)
        if self.turned and self.dtype.kind == "u" and -(span // 2) <= value < 0:
            return value + span
        if self.turned and self.dtype.kind == "i" and span // 2 <= value < span:
            return value - span
        return value


def special_values(attributes: Mapping[str, Any], dtype: str, *, netcdf: bool, filled: bool) -> Special:
    """Return the meaning of special values of a variable stored as `dtype` (little-endian), by its attributes.

    Parameters
    ----------
    netcdf
        Whether the file is NetCDF, whose readers take a default fill value for missing where none is stated.
    filled
        Whether unwritten values were filled; without that, bytes have no default.
    """
    scale, offset = packing(attributes)
    kind = np.dtype(dtype)
    if kind.kind not in "iuf" or kind.itemsize > 8:
        return Special(dtype, scale, offset)
    shown = _Shown(np.dtype(shown_dtype(attributes, dtype)), kind)
    default = DEFAULT_FILL.get(kind.str[1:]) if netcdf and (filled or kind.itemsize > 1) else None
    if shown.turned and shown.dtype.str[1:] == "u1":
        default = None  # signed bytes that are shown as unsigned have none; netCDF4-python takes no note of the reverse
    return Special(
        shown.dtype.str,
        scale,
        offset,
        _fill(attributes, shown, scale, offset, default),
        _limits(attributes, shown, scale, offset),
        _distinct(shown.held(value) for name in ("flag_values", "flag_masks") for value in _numbers(attributes, name)),
        _limits_as_stored(attributes, shown, scale, offset),
    )


def shown_dtype(attributes: Mapping[str, Any], dtype: str) -> str:
    """Return the dtype that readers show: `_Unsigned` makes signed integers unsigned, or unsigned ones signed."""
    said = attributes.get("_Unsigned")
    word = said.strip("\0 ").lower() if isinstance(said, str) else ""
    turned = {("i", "true"): "u", ("u", "false"): "i"}.get((dtype[1], word))
    return dtype if turned is None else dtype[0] + turned + dtype[2:]


def packing(attributes: Mapping[str, Any]) -> tuple[float, float]:
    """`scale_factor` and `add_offset` (1 and 0 where absent or unusable): physical = stored * scale + offset."""
    scale, offset = _number(attributes.get("scale_factor")), _number(attributes.get("add_offset"))
    return (scale if scale else 1.0), (offset if offset is not None else 0.0)


def _number(value: Any) -> float | None:
    """A single finite number, also as text, else None."""
    if isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            return None
        return number if math.isfinite(number) else None
    if not isinstance(value, np.ndarray) or value.size != 1 or value.dtype.kind not in "iuf":
        return None
    number = float(value.reshape(-1)[0])
    return number if math.isfinite(number) else None


def _numbers(attributes: Mapping[str, Any], name: str) -> list[Any]:
    """The numbers of an attribute; none if it is absent or no numbers."""
    values = attributes.get(name)
    if isinstance(values, np.ndarray) and values.dtype.kind in "iuf":
        return list(values.reshape(-1).tolist())
    number = _number(values) if name != "flag_values" else None
    return [] if number is None else [number]


def _fill(
    attributes: Mapping[str, Any], shown: _Shown, scale: float, offset: float, default: float | None
) -> tuple[float, ...]:
    """`_FillValue` (else the default) and every `missing_value`, as stored; those of floats in packed integers unpacked.

    NaN is left out, since it is always kept, and so is what the dtype cannot hold: no value equals it, and netCDF4 takes the
    default instead.
    """
    candidates = [] if default is None or _states_fill(attributes, shown) else [shown.held(default)]
    for name in ("_FillValue", "missing_value"):
        for value in _numbers(attributes, name):
            held = shown.held(value)
            if held is None and shown.dtype.kind in "iu" and isinstance(value, float) and math.isfinite(value):
                held = shown.held(float(round((value - offset) / scale))) if (scale, offset) != (1.0, 0.0) else None
            candidates.append(held)
    return _distinct(candidates)


def _states_fill(attributes: Mapping[str, Any], shown: _Shown) -> bool:
    """Whether there is a `_FillValue` of numbers that the dtype can hold, so that no reader takes the default."""
    stated = attributes.get("_FillValue")
    if not isinstance(stated, np.ndarray) or stated.dtype.kind not in "iuf":
        return False
    floats = shown.dtype.kind == "f"
    return all(
        shown.held(value) is not None or (floats and not math.isfinite(value)) for value in stated.reshape(-1).tolist()
    )


def _limits(attributes: Mapping[str, Any], shown: _Shown, scale: float, offset: float) -> tuple[float, float]:
    """The valid range in stored units: `valid_range` before `valid_min` and `valid_max`.

    Limits of a wider type than packed values are those of unpacked ones (NetCDF Users Guide).
    """
    low, high = -math.inf, math.inf
    both = _numbers(attributes, "valid_range")
    stated = (both if len(both) == 2 else [None, None], ("valid_range", "valid_range"))
    if len(both) != 2:
        single = [_numbers(attributes, name) for name in ("valid_min", "valid_max")]
        stated = ([part[0] if len(part) == 1 else None for part in single], ("valid_min", "valid_max"))
    packed = (scale, offset) != (1.0, 0.0)
    for place, (value, name) in enumerate(zip(*stated, strict=True)):
        if value is None or not math.isfinite(value):
            continue
        side = place
        if packed and _is_wider(attributes[name], shown):
            value, side = (value - offset) / scale, place ^ (scale < 0)
            value = _rounded_inwards(value, shown, side)
        elif shown.dtype.kind in "iu":
            value = shown.turn(_rounded_inwards(value, shown, side))
        else:
            held = shown.held(value)
            if held is None:
                continue
            value = held
        low, high = (value, high) if side == 0 else (low, value)
    return _useful(low, high, shown)


def _limits_as_stored(attributes: Mapping[str, Any], shown: _Shown, scale: float, offset: float) -> tuple[float, float]:
    """Limits of a wider type that packed values can hold, for readers that compare them with stored values."""
    names = ("valid_range", "valid_min", "valid_max")
    if (scale, offset) == (1.0, 0.0) or not any(_is_wider(attributes.get(name), shown) for name in names):
        return -math.inf, math.inf
    held = {name: attributes[name].astype(np.float64) for name in names if _fits(attributes.get(name), shown)}
    narrow = {name: value.astype(shown.dtype) for name, value in held.items()}
    return _limits(narrow, shown, 1.0, 0.0)


def _fits(values: Any, shown: _Shown) -> bool:
    """Whether numbers keep their value in the dtype shown."""
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "iuf" or not np.isfinite(values).all():
        return False
    return all(shown.held(value) == value for value in values.reshape(-1).tolist())


def _is_wider(values: Any, shown: _Shown) -> bool:
    if not isinstance(values, np.ndarray) or values.dtype.kind != "f":
        return False
    return shown.dtype.kind in "iu" or values.dtype.itemsize > shown.dtype.itemsize


def _rounded_inwards(value: float, shown: _Shown, side: int) -> float:
    """A limit of integers as an integer: the first or last one inside, with room for the error of unpacking."""
    if shown.dtype.kind == "f":
        return value
    near = round(value)
    if abs(value - near) <= 1e-6 * max(1.0, abs(value)):
        return float(near)
    return float(math.floor(value) if side else math.ceil(value))


def _useful(low: float, high: float, shown: _Shown) -> tuple[float, float]:
    """Limits that exclude something and not everything, else none."""
    if shown.dtype.kind in "iu":
        reach = np.iinfo(shown.dtype)
        low, high = (-math.inf if low <= reach.min else low), (math.inf if high >= reach.max else high)
    return (low, high) if low <= high else (-math.inf, math.inf)


def _distinct(values: Iterable[float | None]) -> tuple[float, ...]:
    return tuple(dict.fromkeys(value for value in values if value is not None))
