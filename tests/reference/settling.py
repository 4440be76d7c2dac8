"""Put restored values where they belong, and exact ones in their places (file_format.md: settled values, exact zeros, `!`)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import xxhash

from reference.arithmetic import decode_classes
from reference.lattice import as_value, beside, special_values, touching
from reference.reading import Bytes, Damaged, decompress, positions, unpack
from reference.tolerances import Tolerance, Variable

NONE, ALL, LISTED, FLAGGED = range(4)
BAND, POSITIONS, MASK = range(3)
EACH_UNITS = 16
ENDS = (2.0**-10, 0.11, 0.23, 0.35, 0.47, 0.6, 0.74, 0.88, 1.04)


@dataclass
class Rule:
    """Values that may have to move (those touching `low` if `high` is None), where to, and the mode if none is stored."""

    low: Any
    high: Any
    target: Any
    usual: int
    tolerance: float

    def concerned(self, values: np.ndarray) -> np.ndarray:
        return touching(values, self.low) if self.high is None else (values >= self.low) & (values <= self.high)


def tolerance_at(tolerance: Tolerance, value: Any) -> float:
    size = abs(float(value) + tolerance.shift)
    if tolerance.kind == "abs":
        return tolerance.value
    if tolerance.kind == "free":
        return max(abs(float(value)), 1.0)
    if tolerance.kind == "each":
        return EACH_UNITS * float(np.spacing(np.abs(value))) if isinstance(value, np.floating) else 1.0
    return tolerance.value * size if tolerance.kind == "rel" else math.ldexp(size, -int(tolerance.value))


def rules(tolerance: Tolerance, dtype: np.dtype[Any]) -> list[Rule]:
    if tolerance.kind == "exact" or dtype.kind not in "iuf":
        return []
    specials = special_values(tolerance.specials, dtype)
    found: list[Rule | None] = [
        Rule(s, None, beside(s, tolerance_at(tolerance, s), specials), NONE, 0.0) for s in specials
    ]
    for limits, upper in ((tolerance.lower, False), (tolerance.upper, True)):
        edges = [_edge(limit, dtype, upper) for limit in limits]
        unique = dict.fromkeys(edge for edge in edges if edge is not None)
        found += [_beyond(inside, tolerance, specials, upper, ALL) for inside, _ in unique]
    if tolerance.signed and tolerance.kind in ("abs", "each", "free") and tolerance.zero not in tolerance.thresholds:
        found += _across(tolerance.zero, dtype, tolerance, specials)
    for threshold in tolerance.thresholds:
        found += _across(threshold, dtype, tolerance, specials)
    return [rule for rule in found if rule is not None]


def _edge(limit: float, dtype: np.dtype[Any], upper: bool) -> tuple[Any, Any] | None:
    """The outermost value within a limit, and the value next to the limit."""
    if dtype.kind in "iu":
        inside = as_value(math.floor(limit) if upper else math.ceil(limit), dtype)
        return None if inside is None else (inside, inside)
    nearest = as_value(limit, dtype)
    if nearest is None:
        return None
    outside = float(nearest) > limit if upper else float(nearest) < limit
    inside = np.nextafter(nearest, dtype.type(-np.inf if upper else np.inf)) if outside else nearest
    return (inside, nearest) if np.isfinite(inside) else None


def _across(zero: float, dtype: np.dtype[Any], tolerance: Tolerance, specials: list[Any]) -> list[Rule | None]:
    """The rules for values below zero and above."""
    if dtype.kind == "f":
        below = above = value = as_value(zero, dtype)
    else:
        whole = abs(zero - round(zero)) <= 1e-9 * max(1.0, abs(zero))
        below = as_value(round(zero) - 1 if whole else math.floor(zero), dtype)
        above = as_value(round(zero) + 1 if whole else math.ceil(zero), dtype)
        value = as_value(round(zero), dtype) if whole else None
    if below is None or above is None:
        return []
    ends = ((value, False), (value, True)) if value is not None else ((above, False), (below, True))
    return [_beyond(bound, tolerance, specials, upper, NONE) for bound, upper in ends]


def _beyond(bound: Any, tolerance: Tolerance, specials: list[Any], upper: bool, usual: int) -> Rule | None:
    """The rule for values beyond `bound` by at most two tolerances."""
    near, sign, dtype = tolerance_at(tolerance, bound), 1 if upper else -1, bound.dtype
    band, target = math.inf if tolerance.kind in ("free", "each") else 2 * near, bound
    if any(bool(touching(np.asarray(bound), special)) for special in specials):
        target = beside(bound, near, specials, up=not upper)
    if dtype.kind == "f":
        first = np.nextafter(bound, dtype.type(sign * np.inf))
        last = dtype.type(float(bound) + sign * band)
    else:
        ends = np.iinfo(dtype)
        if not ends.min <= int(bound) + sign <= ends.max:
            return None
        first = dtype.type(int(bound) + sign)
        last = dtype.type(max(ends.min, min(ends.max, int(bound) + sign * int(min(band, 2.0**62)))))
    return Rule(first if upper else last, last if upper else first, target, usual, near)


def settle(data: bytes, values: list[np.ndarray], variables: list[Variable]) -> None:
    """Apply all rules in order, in the modes that the stream `~` holds."""
    stream, stored = Bytes(data), {}
    while stream.left:
        number, (rule, mode) = stream.below(len(variables)), divmod(stream.varint(), 4)
        if mode == LISTED:
            count = stream.below(values[number].size + 1)
            stored[number, rule] = (mode, positions(stream.sized(), count, values[number].size))
        else:
            stored[number, rule] = (mode, stream.sized() if mode == FLAGGED else b"")
    for number, variable in enumerate(variables):
        for place, rule in enumerate(rules(variable.tolerance, variable.dtype)):
            mode, told = stored.pop((number, place), (rule.usual, b""))
            flat = values[number].reshape(-1)
            if mode != NONE:
                where = told if mode == LISTED else np.flatnonzero(rule.concerned(flat))
                where = where[_flagged(told, flat[where], rule)] if mode == FLAGGED else where
                flat[where] = rule.target
    if stored:
        raise Damaged("values are settled by rules that there are not")


def _flagged(data: bytes, values: np.ndarray, rule: Rule) -> np.ndarray:
    stream, sizes = Bytes(data), np.abs(values.astype("<f8") - float(rule.target))
    ends = np.array(ENDS) * (rule.tolerance * (1 + stream.below(16) / 1024))
    bins = np.searchsorted(ends, sizes)
    found = bins == 0
    for number in range(1, len(ENDS)):
        inside = np.flatnonzero(bins == number)
        flags = unpack(stream.sized(), inside.size)
        if ((flags != 0) & (flags != 1)).any():
            raise Damaged("a flag is neither 0 nor 1")
        found[inside[flags == 1]] = True
    return found


def make_zeros(data: bytes, values: list[np.ndarray], variables: list[Variable]) -> None:
    """Make values zero as the stream `0` says."""
    stream, before = Bytes(data), -1
    while stream.left:
        number, mode = divmod(stream.below(3 * len(variables)), 3)
        variable, told = variables[number], Bytes(stream.sized())
        zero = _zero(variable)
        if number <= before or zero is None:
            raise Damaged("zeros are told of variables that have none, or out of order")
        before, flat = number, values[number].reshape(-1)
        flat[_zeros(told, mode, values[number], zero)] = zero


def _zero(variable: Variable) -> Any:
    tolerance, dtype = variable.tolerance, variable.dtype
    if not (tolerance.kind == "abs" or (tolerance.kind == "free" and tolerance.average)) or not tolerance.signed:
        return None
    whole = dtype.kind in "iu" and abs(tolerance.zero - round(tolerance.zero)) <= 1e-9 * max(1.0, abs(tolerance.zero))
    zero = as_value(float(round(tolerance.zero)) if whole else tolerance.zero, dtype)
    return None if zero is None or zero in special_values(tolerance.specials, dtype) else zero


def _zeros(told: Bytes, mode: int, values: np.ndarray, zero: Any) -> np.ndarray:
    if mode == MASK:
        digest, shape = told.take(3), (1, 1, values.size)
        if values.ndim > 1:
            shape = (math.prod(values.shape[:-2]), *values.shape[-2:])
        mask = decode_classes(told.rest(), shape, 1)
        if xxhash.xxh3_64(np.packbits(mask).tobytes()).digest()[:3] != digest:
            raise Damaged("a mask of zeros is damaged")
        return np.flatnonzero(mask)
    band = told.double() if mode == BAND else 0.0
    listed = _listed(told, values.size)
    if mode == POSITIONS:
        return listed
    inside = np.abs(values.ravel().astype("<f8") - float(zero)) <= band
    inside[listed] = False
    return np.flatnonzero(inside)


def _listed(stream: Bytes, size: int) -> np.ndarray:
    count = stream.below(size + 1)
    return positions(stream.rest(), count, size)


def correct(data: bytes, values: list[np.ndarray], variables: list[Variable]) -> None:
    """Put in the exact values of the stream `!`."""
    stream = Bytes(data)
    while stream.left:
        number = stream.below(len(variables))
        dtype, size = values[number].dtype, values[number].size
        count = stream.below(size + 1)
        where, body = positions(stream.sized(), count, size), stream.sized()
        if dtype.kind in "biuf" and dtype.itemsize <= 8:
            native = dtype.newbyteorder("=")
            exact = unpack(body, count).astype(f"i{dtype.itemsize}").view(native).astype(dtype)
        else:
            exact = np.frombuffer(decompress(body, count * dtype.itemsize), dtype)
        values[number].reshape(-1)[where] = exact
