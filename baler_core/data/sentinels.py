"""Find values that may mark missing data without metadata: repeated exactly, at one end of the rest or far outside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from baler_core.data.bounds import usable
from baler_core.data.sides import stored_numbers
from baler_core.data.variables import Schema, Variable
from baler_core.machine.records import dataclass

# What surveys, models and instruments write where there is nothing: -999, 99.99, 1e20 (CMIP), the fills of netCDF.
_CUSTOMARY = (
    *(
        sign * number
        for number in (99.0, 999.0, 9999.0, 99999.0, 999999.0, 99.9, 99.99, 999.9, 999.99)
        for sign in (-1, 1)
    ),
    *(
        sign * number
        for number in (1e20, 1e30, 1e31, 1e34, 1e35, 1e36, 9.969209968386869e36, 9.96921e36)
        for sign in (-1, 1)
    ),
    *(-32767.0, -32768.0, -2147483647.0, -2147483648.0, 32767.0),
)
# So many times at least, and by this part of the spread of all others away from them.
_FEWEST, _FAR = 10, 3.0
_FEWEST_CUSTOMARY, _FAR_CUSTOMARY = 3, 0.1
# Fewer different values beside it tell no spread; of fewer equal ones than this share, nothing is thought.
_FEW_OTHERS = 10
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
    known = values[usable(values, (*variable.fill, *variable.flags), variable.limits)].astype(np.float64)
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
    for end in (float(known.min()), float(known.max())):
        others = known[known != end]
        count = known.size - others.size
        if others.size < _FEW_OTHERS or count < _FEWEST_CUSTOMARY or end == 0:
            continue
        low, high = float(others.min()), float(others.max())
        with np.errstate(over="ignore"):
            spread, gap = high - low, min(abs(end - low), abs(end - high))
        # one number may hide another: -9999 beside -999
        if not np.isfinite(gap) or spread == 0 or np.unique(others[: 50 * _FEW_OTHERS]).size < _FEW_OTHERS:
            continue
        is_customary = bool(np.isclose(end, _CUSTOMARY, rtol=1e-6, atol=0).any())
        few, far = (_FEWEST_CUSTOMARY, _FAR_CUSTOMARY) if is_customary else (_FEWEST, _FAR)
        is_far = count >= max(few, _SHARE * known.size if not is_customary else 0) and gap > far * spread
        if is_far or _is_mark(variable, end, count, others):
            physical = [float(number * variable.scale + variable.offset) for number in (end, low, high)]
            return end, Sentinel(physical[0], count, min(physical[1:]), max(physical[1:]), not is_far)
    return None


def _is_mark(variable: Variable, end: float, count: int, others: np.ndarray) -> bool:
    """Whether a negative whole number stands below floats that hardly repeat, too often to be one of them."""
    if variable.numpy_dtype.kind != "f" or end >= 0 or end != round(end) or end > float(others.min()):
        return False
    often = count >= max(_FEWEST, _SHARE_NEAR * (count + others.size))
    return often and np.unique(others).size >= _DISTINCT * others.size and not (others == np.rint(others)).all()
