"""Keep values on their side: missing or valid, within or beyond limits, below or above zero; in their own type."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

# Readers compare floats with fill values allowing for some units in the last place: so many are never touched, and a
# value that is moved off goes twice as far, or this share of its tolerance.
_TOUCHING, _AWAY = 4, 8
_SHARE = 2.0**-11
# Zero of a packed integer, -offset / scale_factor, is a whole number if it is one up to this.
_WHOLE = 1e-9


def as_value(number: float, dtype: np.dtype[Any]) -> Any | None:
    """What readers take `number` for among the values of `dtype`; None if none equals it, or it is not finite."""
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            value = dtype.type(number)
        return value if np.isfinite(value) else None
    if dtype.kind not in "iu" or not math.isfinite(number) or number != int(number):
        return None
    limits = np.iinfo(dtype)
    return dtype.type(int(number)) if limits.min <= int(number) <= limits.max else None


def exact_number(number: Any) -> float:
    """Return a number as a float; an integer that no float equals, as those of 64 bits may be, as it is."""
    return float(number) if float(number) == number or number != number else int(number)


def specials_of(fill: Sequence[float], dtype: np.dtype[Any]) -> tuple[Any, ...]:
    """Return the finite special values as values of `dtype`, none twice (0.0 and -0.0 are one)."""
    found: dict[Any, None] = {}
    for number in fill:
        value = as_value(number, dtype)
        if value is not None:
            found[abs(value) if value == 0 else value] = None
    return tuple(found)


def became_special(x: np.ndarray, y: np.ndarray, specials: Sequence[Any]) -> np.ndarray | None:
    """Return where `y` equals a special value, or nearly, and `x` does not; None if nowhere."""
    bad = None
    for special in specials:
        hit = touching(y, special)
        if hit.any():
            with np.errstate(invalid="ignore"):
                found = np.where(touching(x, special), (y == special) & (x != special), hit)
            bad = found if bad is None else bad | found
    return bad


def touching(values: np.ndarray, special: Any) -> np.ndarray:
    """Boolean mask: which values are a special one or, of floats, so near to it that readers may take them for it."""
    near = _units(special, _TOUCHING)
    if near == 0 or not np.isfinite(near):
        return np.asarray(values == special)
    low, high = special - near, special + near
    with np.errstate(invalid="ignore"):
        return np.asarray((values > low) & (values < high))


def _units(value: Any, count: int) -> Any:
    """`count` units in the last place of a float in its own type; 0 for integers and for zero."""
    if not isinstance(value, np.floating) or value == 0:
        return type(value)(0)
    with np.errstate(all="ignore"):
        return type(value)(count * np.spacing(np.abs(value)))


class Reach(NamedTuple):
    """How far restored values may lie from the original: `absolute` + `relative` * |value|."""

    absolute: float = 0.0
    relative: float = 0.0

    def at(self, value: float) -> float:
        """Return the reach at a value."""
        return self.absolute + self.relative * abs(value)


def beside(special: Any, reach: float, *, up: bool, specials: Sequence[Any] = ()) -> Any:
    """The value to take in place of `special` where an ordinary one would equal it: its neighbour, in its own type.

    Integers move by one; floats by so much that no reader takes them for the special value, or as far as they may.
    Further if that meets another special value, down if there is nothing above.
    """
    for upwards in (up, not up):
        for step in range(1, 2 + len(specials)):
            moved = _moved(special, reach, step if upwards else -step)
            if moved is not None and not any(bool(touching(np.asarray(moved), other)) for other in specials):
                return moved
    return special


def _moved(special: Any, reach: float, steps: int) -> Any | None:
    if isinstance(special, np.integer):
        return as_value(int(special) + steps, special.dtype)
    with np.errstate(all="ignore"):
        away = max(min(float(_units(special, _AWAY)), reach), reach * _SHARE, float(np.spacing(np.abs(special))))
        moved = special.dtype.type(float(special) + steps * away)
    return moved if np.isfinite(moved) and moved != special else None


def keep_off(values: np.ndarray, ordinary: np.ndarray | None, specials: Sequence[float], reach: Reach) -> None:
    """Move ordinary values that equal a special one beside it, in place.

    Parameters
    ----------
    ordinary
        Boolean mask, same shape; None if all are.
    specials
        As models know them: NaN and infinities mean nothing here, -0.0 without 0.0 is no special zero.
    """
    known = specials_of([s for s in specials if not (s == 0 and math.copysign(1.0, s) < 0)], values.dtype)
    for special in known:
        hit = values == special
        if ordinary is not None:
            hit &= ordinary
        if hit.any():
            values[hit] = beside(special, reach.at(float(special)), up=True, specials=known)


class Edge(NamedTuple):
    """A limit in a number type.

    Attributes
    ----------
    inside
        The outermost value that lies within the limit whether it is compared in this type or in float64.
    nearest
        The limit itself, rounded to the type; where it differs from `inside`, readers differ about this one value.
    upper
        Whether it is the largest value rather than the smallest.
    """

    inside: Any
    nearest: Any
    upper: bool

    def beyond(self, values: np.ndarray) -> np.ndarray:
        """Return boolean mask: which values lie outside for some reader."""
        return np.asarray(values > self.inside if self.upper else values < self.inside)

    def crossed(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return boolean mask: where two values lie on different sides."""
        bad = self.beyond(x) != self.beyond(y)
        if self.nearest != self.inside:
            bad |= (x == self.nearest) != (y == self.nearest)
        return np.asarray(bad)


def edges_of(lower: Sequence[float], upper: Sequence[float], dtype: np.dtype[Any]) -> tuple[Edge, ...]:
    """Return the limits that values of `dtype` can cross; NaN and what lies beyond the type limit nothing."""
    found = [_edge(limit, dtype, upper=False) for limit in lower] + [_edge(limit, dtype, upper=True) for limit in upper]
    return tuple(dict.fromkeys(edge for edge in found if edge is not None))


def _edge(limit: float, dtype: np.dtype[Any], *, upper: bool) -> Edge | None:
    if not math.isfinite(limit) or dtype.kind not in "iuf":
        return None
    if dtype.kind in "iu":
        inside = as_value(math.floor(limit) if upper else math.ceil(limit), dtype)
        return None if inside is None else Edge(inside, inside, upper)
    nearest = as_value(limit, dtype)
    if nearest is None:
        return None
    outside = float(nearest) > limit if upper else float(nearest) < limit
    with np.errstate(over="ignore"):
        inside = np.nextafter(nearest, dtype.type(-np.inf if upper else np.inf)) if outside else nearest
    return Edge(inside, nearest, upper) if np.isfinite(inside) else None


class Zero(NamedTuple):
    """Where the sign of what readers show changes, in the stored number type.

    Attributes
    ----------
    below, above
        The stored values next to zero: from these on, physical values are of one sign and of the other.
    value
        The stored value of zero; None where zero lies between two whole numbers.
    """

    below: Any
    above: Any
    value: Any | None

    def low(self, values: np.ndarray) -> np.ndarray:
        """Return boolean mask: below zero."""
        return np.asarray(values <= self.below if self.value is None else values < self.value)

    def high(self, values: np.ndarray) -> np.ndarray:
        """Return boolean mask: above zero."""
        return np.asarray(values >= self.above if self.value is None else values > self.value)

    def crossed(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return boolean mask: where two values have different signs; zero has none."""
        return (self.low(x) & self.high(y)) | (self.high(x) & self.low(y))


def zero_of(stored: float, dtype: np.dtype[Any]) -> Zero | None:
    """Return zero at the stored number `stored`; None if values of `dtype` are all on one side of it."""
    if not math.isfinite(stored) or dtype.kind not in "iuf":
        return None
    if dtype.kind == "f":
        value = as_value(stored, dtype)
        return None if value is None else Zero(value, value, value)
    whole = abs(stored - round(stored)) <= _WHOLE * max(1.0, abs(stored))
    below = as_value(round(stored) - 1 if whole else math.floor(stored), dtype)
    above = as_value(round(stored) + 1 if whole else math.ceil(stored), dtype)
    if below is None or above is None:
        return None
    return Zero(below, above, as_value(round(stored), dtype) if whole else None)


def zeros_of(stored: Sequence[float], dtype: np.dtype[Any]) -> list[Zero]:
    """Return those of some stored numbers that values of `dtype` can be on both sides of."""
    found = [zero_of(number, dtype) for number in dict.fromkeys(stored)]
    return [zero for zero in found if zero is not None]


def stored_numbers(physical: Sequence[float], scale: float, offset: float, dtype: np.dtype[Any]) -> Iterator[float]:
    """Return what numbers in physical units are in stored ones: of integers whole, if they are up to rounding."""
    for number in physical:
        if isinstance(number, int) and (scale, offset) == (1.0, 0.0) and dtype.kind in "iu":
            yield exact_number(number)
            continue
        stored = (number - offset) / scale
        if not math.isfinite(stored):
            continue
        whole = dtype.kind in "iu" and abs(stored - round(stored)) <= _WHOLE * max(1.0, abs(stored))
        yield float(round(stored)) if whole else stored


def physical_limits(
    low: float, high: float, scale: float, offset: float, dtype: np.dtype[Any]
) -> Iterator[tuple[float, bool]]:
    """Limits in physical units as (stored limit, whether it is an upper one); the stored number itself lies within."""
    for limit, largest in ((low, False), (high, True)):
        if not math.isfinite(limit):
            continue
        stored = (limit - offset) / scale
        if (scale, offset) != (1.0, 0.0) and math.isfinite(stored):
            stored = _innermost(limit, scale, offset, dtype, largest=largest)
        yield stored, largest != (scale < 0)


def _innermost(limit: float, scale: float, offset: float, dtype: np.dtype[Any], *, largest: bool) -> float:
    """The stored number nearest to a limit whose physical value, as readers compute it, lies within."""
    stored, upper = (limit - offset) / scale, largest != (scale < 0)
    inwards = -math.inf if upper else math.inf
    if dtype.kind in "iu":
        stored = float(round(stored)) if abs(stored - round(stored)) <= _WHOLE * max(1.0, abs(stored)) else stored
        stored = float(math.floor(stored) if upper else math.ceil(stored))
    elif (value := as_value(stored, dtype)) is not None:
        stored = float(value)
    for _ in range(4):
        shown = stored * scale + offset
        if shown <= limit if largest else shown >= limit:
            break
        if dtype.kind in "iu":
            stored += -1.0 if upper else 1.0
        elif dtype.itemsize < 8:
            stored = float(np.nextafter(dtype.type(stored), dtype.type(inwards)))
        else:
            stored = math.nextafter(stored, inwards)
    return stored
