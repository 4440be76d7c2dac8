"""Find values that may mark missing data without metadata: repeated exactly, at one end of the rest or far outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from baler_core.data.bounds import usable
from baler_core.data.sides import exact_number, stored_numbers
from baler_core.data.variables import Schema, Variable
from baler_core.machine.records import dataclass

# What surveys, models and instruments write where there is nothing: -999, 99.99, 1e20 (CMIP), the fills of netCDF.
_CUSTOMARY = (
    *(
        sign * number
        for number in (99.0, 999.0, 9999.0, 99999.0, 999999.0, 99.9, 99.99, 999.9, 999.99, 9999.9, 9999.99)
        for sign in (-1, 1)
    ),
    *(
        sign * number
        for number in (1e15, 1e20, 1e30, 1e31, 1e34, 1e35, 1e36, 9.969209968386869e36, 9.96921e36)
        for sign in (-1, 1)
    ),
    # GrADS, Surfer, and the second and third mark of those who need several
    *(-9.99e8, -9.99e33, 1.70141e38, -8888.0, -7777.0),
    *(-32767.0, -32768.0, -2147483647.0, -2147483648.0, 32767.0, 2.0**63, -(2.0**63)),
    # maps of HEALPix, and the ends of the float types, as programs for maps of the earth write them
    *(-1.6375e30, *(sign * float(np.finfo(kind).max) for kind in (np.float32, np.float64) for sign in (-1, 1))),
)
# So many times at least, and by this part of the spread of all others away from them.
_FEWEST, _FAR = 10, 3.0
_FEWEST_CUSTOMARY, _FAR_CUSTOMARY = 3, 0.1
# Fewer different values beside it tell no spread; of fewer equal ones than this share, nothing is thought.
_FEW_OTHERS = 10
# Of so many values at least it is looked first whether an end lies near them.
_FEW_SEEN = 1000
# So many marks may one variable have: -99 where nothing was seen, 99 where nothing was looked at.
_MOST_MARKS = 4
_SHARE = 0.005
# A negative whole number below all others, be it near, where it is so large a share and the others hardly ever repeat:
# what -1 or -5 is for discriminants and ratios of jets that have none.
_SHARE_NEAR, _DISTINCT = 0.02, 0.5


@dataclass(frozen=True)
class Sentinel:
    """A value, how often it stands among those that were seen, and between which the others lie; in physical units.

    `near` if it lies no farther from them than they from each other. `more` are further such values of the variable.
    """

    value: float
    count: int
    low: float
    high: float
    near: bool = False
    more: tuple[Sentinel, ...] = ()

    def with_more(self, other: Sentinel) -> Sentinel:
        """Return the same with the values of another of the variable."""
        return replace(self, more=(*self.more, *other.all))

    @property
    def all(self) -> tuple[Sentinel, ...]:
        """All such values of the variable."""
        return (self, *self.more)

    def short(self, variable: Variable) -> tuple[float, ...]:
        """Return the values with the fewest digits that their number type tells apart."""
        as_stored = variable.numpy_dtype
        values = [mark.value for mark in self.all]
        if as_stored.kind == "f" and not variable.is_packed:
            values = [float(str(as_stored.type(value))) for value in values]
        return tuple(values)

    def stored(self, variable: Variable) -> tuple[float, ...]:
        """Return what the file holds for the values."""
        values = tuple(mark.value for mark in self.all)
        return tuple(stored_numbers(values, variable.scale, variable.offset, variable.numpy_dtype))

    def __str__(self) -> str:
        where = "below" if self.near else "far outside"
        rest = f"{where} the other values ({self.low:.4g} to {self.high:.4g})"
        others = "".join(f", {mark.value:.7g} {mark.count:,} times" for mark in self.more)
        return f"{self.value:.7g} occurs {self.count:,} times{others}, {rest}"


NO_SENTINELS: Mapping[str, Sentinel] = {}


def sentinels_in(schema: Schema, values: Mapping[str, np.ndarray]) -> dict[str, Sentinel]:
    """Return the variables in whose first values something looks like missing values that nothing declares.

    Parameters
    ----------
    values
        Stored ones, any shape, by variable; fill values and flags that the file tells are not looked at.
    """
    found = {}
    for variable in schema.variables:
        if variable.name in values and variable.is_numeric and variable.numpy_dtype.kind in "iuf":
            sentinel = _sentinel(variable, values[variable.name])
            if sentinel is not None:
                found[variable.name] = sentinel
    return found


def _sentinel(variable: Variable, values: np.ndarray) -> Sentinel | None:
    known = _usable(values, (*variable.fill, *variable.flags), variable)
    marks: list[Sentinel] = []
    while len(marks) < _MOST_MARKS:
        found = _mark(variable, known)
        if found is None:
            break
        stored, mark = found
        marks.append(mark)
        known = known[known != stored]
    if not marks:
        return None
    last = marks[-1]
    return replace(marks[0], low=last.low, high=last.high, more=tuple(marks[1:]))


def _mark(variable: Variable, known: np.ndarray) -> tuple[float, Sentinel] | None:
    """Return the value at one end that looks like a mark of missing values, as it is stored and as it is shown."""
    if known.size < _FEW_OTHERS:
        return None
    for end in _ends(known):
        is_end = known == end
        count = int(np.count_nonzero(is_end))
        if known.size - count < _FEW_OTHERS or count < _FEWEST_CUSTOMARY or end == 0:
            continue
        others = known[~is_end]
        low, high = float(others.min()), float(others.max())
        with np.errstate(over="ignore"):
            spread, gap = high - low, min(abs(end - low), abs(end - high))
        # one number may hide another: -9999 beside -999
        if not np.isfinite(gap) or spread == 0 or np.unique(others[: 50 * _FEW_OTHERS]).size < _FEW_OTHERS:
            continue
        is_customary = _is_customary(end)
        few, far = (_FEWEST_CUSTOMARY, _FAR_CUSTOMARY) if is_customary else (_FEWEST, _FAR)
        is_far = count >= max(few, _SHARE * known.size if not is_customary else 0) and gap > far * spread
        if is_far or _is_mark(variable, end, count, others):
            return end, _in_physical_units(variable, end, count, (low, high), near=not is_far)
    return None


def _usable(values: np.ndarray, special: Sequence[float], variable: Variable) -> np.ndarray:
    """Return the values that are no special ones, 1-D; of the smaller types as float64, in which nothing is out of reach."""
    known = values[usable(values, special, variable.limits)]
    wide = known.dtype.itemsize >= 4 if known.dtype.kind == "f" else known.dtype.itemsize == 8
    return known if wide else known.astype(np.float64)


def _ends(known: np.ndarray) -> tuple[float, float]:
    """Return the least and the largest value; of integers of 64 bits as such, which floats would merge."""
    return known.min().item(), known.max().item()


def _is_customary(number: float) -> bool:
    with np.errstate(over="ignore"):  # of the ends of a type
        return bool(np.isclose(float(number), _CUSTOMARY, rtol=1e-6, atol=0).any())


def _in_physical_units(
    variable: Variable, value: float, count: int, others: tuple[float, float], *, near: bool = False
) -> Sentinel:
    plain = (variable.scale, variable.offset) == (1.0, 0.0)
    physical = [
        exact_number(number) if plain else float(number * variable.scale + variable.offset)
        for number in (value, *others)
    ]
    return Sentinel(physical[0], count, min(physical[1:]), max(physical[1:]), near)


@dataclass(frozen=True)
class Ends:
    """Between which values those of a block lie, in stored units, and what stands beyond them.

    `beyond` has customary marks and numbers far outside: how often each stands there, among how many values.
    """

    low: float
    high: float
    beyond: Mapping[float, tuple[int, int]]

    def joined(self, other: Ends) -> Ends:
        """Return the same of two blocks together."""
        beyond = dict(self.beyond)
        for value, (count, size) in other.beyond.items():
            before = beyond.get(value, (0, 0))
            beyond[value] = (before[0] + count, before[1] + size)
        return Ends(min(self.low, other.low), max(self.high, other.high), beyond)

    def sentinel(self, variable: Variable) -> Sentinel | None:
        """Return which of the numbers are marks, after all blocks."""
        low, high = self.low, self.high
        marks: list[tuple[float, int]] = []
        for value, (count, size) in sorted(self.beyond.items(), key=lambda one: max(low - one[0], one[0] - high)):
            often = count >= (_FEWEST_CUSTOMARY if _is_customary(value) else max(_FEWEST, _SHARE * size))
            if often and _is_far(value, low, high):
                marks.append((value, count))
            elif not _is_customary(value):
                low, high = min(low, value), max(high, value)
        # of rare values that lie farther out, one may show that another is not outside at all
        marks = [mark for mark in marks if _is_far(mark[0], low, high)]
        found = [_in_physical_units(variable, *mark, (low, high)) for mark in marks]
        return replace(found[0], more=tuple(found[1:_MOST_MARKS])) if found else None


def _is_far(value: float, low: float, high: float) -> bool:
    """Whether a number lies far outside others, a customary mark less so."""
    far = _FAR_CUSTOMARY if _is_customary(value) else _FAR
    return max(low - value, value - high) > far * (high - low) > 0


def ends_of(variable: Variable, values: np.ndarray, special: Sequence[float]) -> Ends | None:
    """Return the ends of a block's values (any shape); None if there are none, or nothing but marks.

    Parameters
    ----------
    special
        Stored values that are known not to be ordinary.
    """
    known = _usable(values, special, variable)
    size = known.size
    beyond: dict[float, tuple[int, int]] = {}
    while known.size:
        ends = _ends(known)
        marks = {end for end in ends if _is_customary(end) or _stands_far(end, known)}
        if not marks or len(beyond) >= 2 * _MOST_MARKS:
            return Ends(*ends, beyond)
        beyond |= {mark: (int(np.count_nonzero(known == mark)), size) for mark in marks}
        known = known[~np.isin(known, np.array(list(marks), known.dtype))]
    return None


def marks_in_chunk(values: np.ndarray) -> dict[float, bool]:
    """Return customary marks and ends of integer types outside all other values, and whether `sentinels_in` finds them.

    Of a chunk alone: what stands in it once may be what fills its neighbours.
    """
    known = values[np.isfinite(values)] if values.dtype.kind == "f" else values.reshape(-1)
    ends = () if values.dtype.kind == "f" else (np.iinfo(values.dtype).min, np.iinfo(values.dtype).max)
    of_type = {end + step for end in ends for step in (-1, 0, 1)}
    counts: dict[float, int] = {}
    while known.size and len(counts) < _MOST_MARKS:
        for end in _ends(known):
            rest = known[known != end] if end and (end in of_type or _is_customary(end)) else known
            if rest.size < known.size and (not rest.size or _outside(end, *map(float, _ends(rest)))):
                break
        else:
            break
        counts[end], known = known.size - rest.size, rest
    told = counts and np.unique(known[: 50 * _FEW_OTHERS]).size >= _FEW_OTHERS
    return {end: bool(told) and count >= _FEWEST_CUSTOMARY and _is_customary(end) for end, count in counts.items()}


def _outside(mark: float, low: float, high: float) -> bool:
    return max(low - mark, mark - high) > _FAR_CUSTOMARY * (high - low)


def _stands_far(end: float, known: np.ndarray) -> bool:
    """Whether a value at one end, but no zero, lies far outside all others, which some of them tell where it does not."""
    if end == 0:
        return False
    for others in (known[:: max(1, known.size // _FEW_SEEN)], known):
        rest = others[others != end]
        if not rest.size:
            continue
        low, high = float(rest.min()), float(rest.max())
        if max(low - end, end - high) <= _FAR * (high - low):
            return False
    return bool(rest.size) and np.unique(rest[: 50 * _FEW_OTHERS]).size >= _FEW_OTHERS


def _is_mark(variable: Variable, end: float, count: int, others: np.ndarray) -> bool:
    """Whether a negative whole number stands below floats that hardly repeat, too often to be one of them."""
    if variable.numpy_dtype.kind != "f" or end >= 0 or end != round(end) or end > float(others.min()):
        return False
    often = count >= max(_FEWEST, _SHARE_NEAR * (count + others.size))
    return often and np.unique(others).size >= _DISTINCT * others.size and not (others == np.rint(others)).all()
