"""Find each value's tolerance from other variables of the same rows, as the formula of a bound says.

Decoders know those variables as restored. What is allowed is therefore the least that the formula gives for all values
that the originals may have had, and those of the restored file: it is within the user's bound by either of them.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import field, replace
from typing import NamedTuple

import numpy as np

from baler_core.data.arithmetic import Arithmetic, parse_arithmetic
from baler_core.data.bounds import Tolerance, usable
from baler_core.data.error_bound import ErrorBound
from baler_core.data.intervals import Interval, absolute, enclose
from baler_core.data.patterns import variable_meant
from baler_core.data.variables import Schema, Variable
from baler_core.errors import ConfigError, did_you_mean
from baler_core.machine.records import dataclass

# So many rows are computed at a time: a formula may need many arrays at once.
_PIECE = 1 << 16
# Errors of errors of errors: more is a mistake, or a file that is meant to do harm.
_DEEPEST = 8
# Rounding outwards turns 0 into this at most.
_NOTHING = 1e-300


class Parent(NamedTuple):
    """A variable in a formula: by what name, and how far its restored values may be from the originals."""

    word: str
    variable: Variable
    bound: ErrorBound
    tolerance: Tolerance

    def values(self, stored: Mapping[str, np.ndarray], rows: slice, size: int) -> np.ndarray:
        """Return physical values, float64, of some of `size` rows; NaN where they are missing.

        Of a parent with further dimensions, such as lower and upper errors, the smallest size counts.
        """
        with np.errstate(all="ignore"):
            values = self._physical(stored, rows, size)
            return values[:, 0] if values.shape[1] == 1 else np.asarray(np.abs(values).min(axis=1))

    def _physical(self, stored: Mapping[str, np.ndarray], rows: slice, size: int) -> np.ndarray:
        """Return the same with all that belong to a row: float64 (rows, members)."""
        v = self.variable
        part = np.asarray(stored[v.name]).reshape(size, -1)[rows]
        values = part.astype(np.float64) * v.scale + v.offset if v.is_packed else part.astype(np.float64)
        return np.where(usable(part, (*v.fill, *v.flags)), values, np.nan)

    def ends(self, restored: Mapping[str, np.ndarray], rows: slice, size: int) -> Interval:
        """Return between which physical values the original lies; NaN where it is missing or not finite."""
        with np.errstate(all="ignore"):
            values = self._physical(restored, rows, size)
            low, high = self._ends(values, restored, rows)
            low, high = np.fmin(low, high) + 0 * values, np.fmax(low, high) + 0 * values
            if values.shape[1] == 1:
                return low[:, 0], high[:, 0]
            low, high = absolute((low, high))
            return low.min(axis=1), high.min(axis=1)

    def _ends(self, values: np.ndarray, restored: Mapping[str, np.ndarray], rows: slice) -> Interval:
        if not self.tolerance.lossy:
            return values, values
        if self.tolerance.kind == "each" and self.tolerance.scale is not None:
            each = self.tolerance.scale.each(restored).reshape(-1, values.shape[1])[rows] * abs(self.variable.scale)
            low, high = _moved(values, self.bound.other)
            return np.where(each > 0, values - each, low), np.where(each > 0, values + each, high)
        hard = self.bound.hard
        if self.tolerance.kind == "abs" and (hard is None or hard.kind != "abs"):
            reach = self.tolerance.value * abs(self.variable.scale)
            return values - reach, values + reach
        if self.bound.kind == "ulp":
            return _moved(values, ErrorBound("bits", max(1.0, float(int(self.tolerance.value)))))
        return _moved(values, hard)


def _moved(values: np.ndarray, bound: ErrorBound | None) -> Interval:
    """Return values less and more what a bound with a number allows."""
    if bound is None or bound.kind in ("lossless", "none"):
        return values, values
    if bound.kind == "abs":
        return values - bound.value, values + bound.value
    share = bound.value if bound.kind == "rel" else math.ldexp(1.0, -int(bound.value))
    return values / (1 + share), values / (1 - share) if share < 1 else values * np.inf


@dataclass(frozen=True)
class Scale:
    """How the tolerance of each value of a variable follows from other variables.

    Attributes
    ----------
    unit
        Size of the variable's scale factor: tolerances are in stored units.
    most
        Larger tolerances count as none: marks such as 1000 in place of an error.
    dims
        Of the variable.
    known
        Stored values that are known already, of some of the variables it follows from.
    """

    formula: Arithmetic
    parents: tuple[Parent, ...]
    unit: float = 1.0
    most: float = math.inf
    dims: tuple[str, ...] = ()
    known: Mapping[str, np.ndarray] = field(default_factory=dict, compare=False, repr=False)

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of the variables it follows from, directly, but for those that are known."""
        return tuple(name for parent in self.parents if (name := parent.variable.name) not in self.known)

    @property
    def ancestors(self) -> tuple[str, ...]:
        """Names of all variables it follows from."""
        found: dict[str, None] = {}
        for parent in self.parents:
            found[parent.variable.name] = None
            if parent.tolerance.scale is not None:
                found |= dict.fromkeys(parent.tolerance.scale.ancestors)
        return tuple(found)

    def knowing(self, known: Mapping[str, np.ndarray]) -> Scale:
        """Return the same, with these values known."""
        return replace(self, known=known)

    def _size(self, values: Mapping[str, np.ndarray]) -> int:
        """Return how many values the variable has."""
        return math.prod(np.asarray(values[self.parents[0].variable.name]).shape[: len(self.dims)])

    def each(self, restored: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return what is allowed to each value, in stored units: float64, 1-D.

        0 where the formula gives nothing, so that another bound holds; -1 where that depends on what was restored: such
        values are to be kept exactly.

        Parameters
        ----------
        restored
            Stored values of the parents, and of theirs, of one size.
        """
        restored = {**restored, **self.known}
        size = self._size(restored)
        found = np.zeros(size)
        for first in range(0, size, _PIECE):
            rows = slice(first, min(first + _PIECE, size))
            low, high = enclose(self.formula, {p.word: p.ends(restored, rows, size) for p in self.parents})
            with np.errstate(all="ignore"):
                least = np.maximum(np.maximum(low, -high), 0.0) / self.unit
                good = np.isfinite(low) & np.isfinite(high) & (least <= self.most)
                unsure = good & (least <= _NOTHING) & (np.maximum(np.abs(low), np.abs(high)) > _NOTHING)
            found[rows] = np.where(unsure, -1.0, np.where(good & (least > _NOTHING), least, 0.0))
        return found

    def stated(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return what the formula gives for values as they stand, in stored units: float64, 1-D; 0 where that is nothing."""
        size = self._size(values)
        found = np.zeros(size)
        for first in range(0, size, _PIECE):
            rows = slice(first, min(first + _PIECE, size))
            with np.errstate(all="ignore"):
                sizes = (
                    np.abs(self.formula.evaluate({p.word: p.values(values, rows, size) for p in self.parents}))
                    / self.unit
                )
            found[rows] = np.where(np.isfinite(sizes), sizes, 0.0)
        return found


def with_scales(
    schema: Schema,
    bounds: Sequence[ErrorBound],
    tolerances: Sequence[Tolerance],
    places: Mapping[str, str] | None = None,
) -> tuple[Tolerance, ...]:
    """Return the tolerances, those of kind `each` with their scales.

    Parameters
    ----------
    places
        Where the bounds of variables stand in a configuration, for messages.

    Raises
    ------
    ConfigError
        If a formula needs what there is not, what lies along other rows, text, or the variable itself.
    """
    names = schema.names
    stated = dict(zip(names, bounds, strict=True))
    found = dict(zip(names, tolerances, strict=True))
    needs = {
        name: _needed(schema, name, stated, found, (places or {}).get(name, ""))
        for name, tolerance in found.items()
        if tolerance.kind == "each" and tolerance.noise is None
    }
    for name in _parents_first(needs, places or {}):
        parents = tuple(Parent(word, schema[p], stated[p], found[p]) for word, p in needs[name].items())
        formula = parse_arithmetic(stated[name].formula)
        scale = Scale(formula, parents, abs(schema[name].scale), found[name].value, schema[name].dims)
        found[name] = replace(found[name], scale=scale)
    return tuple(found.values())


def _needed(
    schema: Schema, name: str, bounds: Mapping[str, ErrorBound], tolerances: Mapping[str, Tolerance], place: str
) -> dict[str, str]:
    """Return the variables that the formula of one variable means, by their names in it."""
    formula, child = parse_arithmetic(bounds[name].formula), schema[name]
    start = f"{place + ': ' if place else ''}the bound of {name!r}, {formula.text!r},"
    found: dict[str, str] = {}
    for word in formula.names:
        meant = variable_meant(word, name, tolerances)
        if meant is None:
            raise ConfigError(f"{start} needs {word!r}, which is not in this file. {did_you_mean(word, schema.names)}")
        parent = schema[meant]
        if not parent.is_numeric:
            raise ConfigError(f"{start} needs {word!r}, which holds {_kind(parent)}, not numbers")
        if parent.dims[: len(child.dims)] != child.dims or not child.dims:
            raise ConfigError(
                f"{start} needs {word!r}, which lies along other rows ({_along(parent)} instead of {_along(child)}): "
                "an error of each value has the shape of the values"
            )
        if tolerances[meant].kind == "free":
            raise ConfigError(
                f"{start} needs {word!r}, whose own error has no bound: give it one, such as {{rel: 0.05}}"
            )
        found[word] = meant
    return found


def _kind(variable: Variable) -> str:
    return "text" if variable.is_text or variable.numpy_dtype.kind in "US" else f"values of type {variable.dtype}"


def _along(variable: Variable) -> str:
    return " x ".join(variable.dims) or "a single value"


def _parents_first(needs: Mapping[str, Mapping[str, str]], places: Mapping[str, str]) -> Iterator[str]:
    """Yield variables with formulas in an order in which those that others need come first."""
    depth: dict[str, int] = {}
    while len(depth) < len(needs):
        ready = [n for n in needs if n not in depth and all(p in depth for p in needs[n].values() if p in needs)]
        if not ready:
            name = next(n for n in needs if n not in depth)
            raise ConfigError(
                f"{_at(name, places)}the bound of {name!r} depends on itself: {_circle(needs, depth, name)}"
            )
        for name in ready:
            depth[name] = 1 + max((depth[p] for p in needs[name].values() if p in depth), default=0)
            if depth[name] > _DEEPEST:
                raise ConfigError(
                    f"{_at(name, places)}the bound of {name!r} follows from more than {_DEEPEST} others in a row"
                )
        yield from ready


def _at(name: str, places: Mapping[str, str]) -> str:
    return f"{places[name]}: " if places.get(name) else ""


def _circle(needs: Mapping[str, Mapping[str, str]], known: Collection[str], name: str) -> str:
    """Return the way from a variable back to one that was met before: `a needs b needs a`."""
    way = [name]
    while len(set(way)) == len(way):
        way.append(next(p for p in needs[way[-1]].values() if p in needs and p not in known))
    return " needs ".join(way[way.index(way[-1]) :])
