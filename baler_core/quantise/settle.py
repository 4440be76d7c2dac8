"""Move restored values to the side they belong to: off fill values, within limits, back to their sign.

What a model restores may lie on the wrong side by less than its tolerance. A *rule* selects those values by the
restored values alone, and where they go. Whether it is right for all values of a block, for none, or for some that are
listed, is found by comparing with the original, and stored where it is not what is usual.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from baler_core.data.block import Block, values_of
from baler_core.data.bounds import Tolerance
from baler_core.data.part import Part
from baler_core.data.sides import Edge, Zero, beside, edges_of, specials_of, touching, zeros_of
from baler_core.data.variables import Layout
from baler_core.entropy.varint import ByteReader, write_sized, write_varint
from baler_core.errors import FormatError
from baler_core.quantise.positions import pack_positions, unpack_positions
from baler_core.quantise.sign_flags import pack_flags, unpack_flags

SETTLE_STREAM = "+"
OLD_SETTLE_STREAM = "~"
"""As files of older versions call it: what is moved to zero there is −0, as −offset / scale is without an offset."""
NONE, ALL, LISTED, FLAGGED = range(4)
# How far values with tolerances of their own are moved off a special one, in units in the last place.
_AWAY = 16
_EXACT_BYTES = 4  # that a wrong value costs where it is stored exactly, about
# What all signs of a group of grids may cost, beside its streams.
SIGN_SHARE, SIGN_BYTES = 0.005, 256


def with_plain_zero(tolerances: Mapping[str, Tolerance]) -> dict[str, Tolerance]:
    """Return the tolerances with a zero that has no sign, as that of the original values has none."""
    alike = {id(one): one for one in tolerances.values()}  # thousands of columns share a few
    plain = {key: replace(one, zero=0.0) if one.zero == 0 else one for key, one in alike.items()}
    return {name: plain[id(one)] for name, one in tolerances.items()}


class Rule(NamedTuple):
    """Restored values that may be on the wrong side, and where they belong if they are.

    Attributes
    ----------
    side
        What they lie on: a special value, an edge, or zero.
    low, high
        The values concerned lie in low <= value <= high.
    target
        What they become.
    usual
        The mode that is not stored.
    reach
        About the error that values there may have.
    demanded
        Whether it is to hold at any cost.
    """

    side: Any
    low: Any
    high: Any
    target: Any
    usual: int = NONE
    reach: float = 0.0
    demanded: bool = False

    @property
    def for_sign(self) -> bool:
        """Whether it keeps signs, or the sides of a threshold."""
        return isinstance(self.side, Zero)

    def concerned(self, values: np.ndarray) -> np.ndarray:
        """Return boolean mask."""
        if not isinstance(self.side, Edge | Zero):
            return touching(values, self.side)
        with np.errstate(invalid="ignore"):
            return np.asarray((values >= self.low) & (values <= self.high))

    def wanted(self, original: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Decide for originals whose restored values are concerned: which must be moved, and which must not; others may."""
        if isinstance(self.side, Edge):
            beyond = self.side.beyond(original)
            return ~beyond, beyond
        if isinstance(self.side, Zero):
            above, below = self.side.high(original), self.side.low(original)
            return (above, below) if self.high < self.target else (below, above)
        special = np.asarray(original == self.side)
        return ~special, special


def rules_of(tolerance: Tolerance, dtype: np.dtype[Any]) -> list[Rule]:
    """Return the rules for values of `dtype` under a tolerance, in the order in which they are applied."""
    if tolerance.kind == "exact" or dtype.kind not in "iuf":
        return []
    specials = specials_of(tolerance.fill, dtype)
    rules: list[Rule | None] = []
    for special in specials:
        target = beside(special, _reach(tolerance, special), up=True, specials=specials)
        rules.append(Rule(special, special, special, target))
    for edge in edges_of(tolerance.lower, tolerance.upper, dtype):
        target = _off(edge.inside, tolerance, specials, up=not edge.upper)
        rules.append(_beyond(edge, edge.inside, target, tolerance, upper=edge.upper, usual=ALL))
    # Point by point relative errors are smaller than the values: they change no sign.
    signed = tolerance.sign != "free" and tolerance.kind in ("abs", "each", "free")
    for zero in zeros_of((tolerance.zero,), dtype) if signed and tolerance.zero not in tolerance.thresholds else ():
        rules += _across(zero, tolerance, specials)
    for threshold in zeros_of(tolerance.thresholds, dtype):
        rules += [rule._replace(demanded=True) for rule in _across(threshold, tolerance, specials) if rule is not None]
    return [rule for rule in rules if rule is not None]


def _across(zero: Zero, tolerance: Tolerance, specials: Sequence[Any]) -> Iterator[Rule | None]:
    """Yield the rules for values that came to the other side of zero, or of a threshold."""
    for upper in (False, True):
        bound = zero.value if zero.value is not None else zero.below if upper else zero.above
        target = _off(bound, tolerance, specials, up=not upper)
        yield _beyond(zero, bound, target, tolerance, upper=upper, usual=NONE)


def _beyond(
    side: Edge | Zero, bound: Any, target: Any, tolerance: Tolerance, *, upper: bool, usual: int
) -> Rule | None:
    """Return the rule for values beyond `bound` by no more than their tolerance."""
    band = math.inf if tolerance.kind in ("free", "each") else 2 * _reach(tolerance, bound)
    if isinstance(bound, np.floating):
        dtype = bound.dtype
        with np.errstate(all="ignore"):
            first = np.nextafter(bound, dtype.type(np.inf if upper else -np.inf))
            last = dtype.type(float(bound) + (band if upper else -band))
    else:
        limits = np.iinfo(bound.dtype)
        first = int(bound) + (1 if upper else -1)
        if not limits.min <= first <= limits.max:
            return None
        far = int(bound) + int(min(band, 2.0**62)) * (1 if upper else -1)
        first, last = bound.dtype.type(first), bound.dtype.type(max(limits.min, min(limits.max, far)))
    low, high = (first, last) if upper else (last, first)
    return Rule(side, low, high, target, usual, _reach(tolerance, bound))


def _off(bound: Any, tolerance: Tolerance, specials: Sequence[Any], *, up: bool) -> Any:
    """Return `bound`, or what lies beside it if it is a special value."""
    if any(bool(touching(np.asarray(bound), special)) for special in specials):
        return beside(bound, _reach(tolerance, bound), up=up, specials=specials)
    return bound


def _reach(tolerance: Tolerance, value: Any) -> float:
    """Estimate the error that a value near `value` may have."""
    if tolerance.kind == "free":
        return max(abs(float(value)), 1.0)
    if tolerance.kind == "abs":
        return tolerance.value
    if tolerance.kind == "each":  # some units in the last place, as no value stands for all
        return _AWAY * float(np.spacing(np.abs(value))) if isinstance(value, np.floating) else 1.0
    magnitude = abs(float(value) + tolerance.shift)
    return tolerance.value * magnitude if tolerance.kind == "rel" else math.ldexp(magnitude, -int(tolerance.value))


# ---- finding how each rule is to be applied


class Applied(NamedTuple):
    """How a rule is applied to a variable of a block: to all values concerned, to none, or to those listed.

    Attributes
    ----------
    variable, rule
        Their numbers in the layout, and among the variable's rules.
    positions
        Flat positions of the values that are listed or flagged, ascending; nothing for the other modes.
    packed
        What describes that.
    wrong
        How many values are on the wrong side.
    """

    variable: int
    rule: int
    mode: int
    positions: np.ndarray
    packed: bytes = b""
    wrong: int = 0

    def to_bytes(self) -> bytes:
        """Estimate three bytes, and those of the list."""
        head = write_varint(self.variable) + write_varint(4 * self.rule + self.mode)
        if self.mode == LISTED:
            head += write_varint(self.positions.size)
        return head + (write_sized(self.packed) if self.mode in (LISTED, FLAGGED) else b"")


def settle(
    original: Block,
    arrays: dict[str, np.ndarray],
    layout: Layout,
    tolerances: Mapping[str, Tolerance],
    size: Callable[[], int],
) -> tuple[bytes, dict[str, int]]:
    """Put restored values where they belong, in `arrays`.

    Parameters
    ----------
    size
        Tells the bytes of the group's streams, of which signs may cost a share.

    Returns
    -------
    What the decoder must know, empty where all is as usual; and how many values changed their sign, by variable, where
    keeping it would have cost more.
    """
    tried = dict(arrays)
    kept, costly = _settled(original, tried, layout, tolerances, {})
    refused = _refused(costly, size) if costly else {}
    if refused:
        # Each rule is found anew on what those before it that stay made of the values, as they are decoded.
        tried = dict(arrays)
        kept, _ = _settled(original, tried, layout, tolerances, refused)
    arrays.update(tried)
    flips: dict[str, int] = {}
    for (number, _), count in refused.items():
        name = layout.variables[number].name
        flips[name] = flips.get(name, 0) + count
    return b"".join(one.to_bytes() for one in kept), flips


def _settled(
    original: Block,
    arrays: dict[str, np.ndarray],
    layout: Layout,
    tolerances: Mapping[str, Tolerance],
    refused: Collection[tuple[int, int]],
) -> tuple[list[Applied], list[Applied]]:
    """Put values where they belong, in `arrays`, by all rules but some.

    Returns
    -------
    What is not usual, and what of that keeps signs that need not be kept at any cost.
    """
    kept, costly, own = [], [], set[str]()
    for number, variable in enumerate(layout.variables):
        tolerance = tolerances[variable.name]
        x = values_of(original, variable.name).ravel()
        for place, rule in enumerate(rules_of(tolerance, variable.numpy_dtype)):
            if (number, place) in refused:
                continue
            found = _how(rule, x, arrays[variable.name].ravel(), number, place, tolerance)
            if found is None:
                continue
            _apply(rule, found.mode, found.positions, arrays, variable.name, own=own)
            kept += [found] if found.mode != rule.usual else []
            if found.packed and rule.for_sign and tolerance.sign == "auto" and not rule.demanded:
                costly.append(found)
    return kept, costly


def _refused(costly: Sequence[Applied], size: Callable[[], int]) -> dict[tuple[int, int], int]:
    """Return the rules, the dearest ones, that cost more than signs may, and how many values each leaves wrong."""
    refused = {}
    spare = SIGN_BYTES + SIGN_SHARE * size()
    for found in sorted(costly, key=lambda one: len(one.packed)):
        spare -= len(found.packed) + 4
        if spare < 0:
            refused[found.variable, found.rule] = found.wrong
    return refused


def _how(rule: Rule, x: np.ndarray, y: np.ndarray, variable: int, place: int, tolerance: Tolerance) -> Applied | None:
    """Return how a rule is to be applied; None where no value is concerned."""
    concerned = rule.concerned(y)
    if not concerned.any():
        return None
    positions = np.flatnonzero(concerned)
    must, must_not = rule.wanted(x[positions])
    nothing = np.zeros(0, np.int64)
    if not must_not.any():
        return Applied(variable, place, ALL, nothing)
    if not must.any():
        return Applied(variable, place, NONE, nothing)
    listed = positions[must]
    packed = pack_positions(listed)
    if not rule.for_sign and _EXACT_BYTES * int(must_not.sum()) < len(packed):
        return Applied(variable, place, ALL, nothing)
    if rule.for_sign:
        may = must | _may_be_zero(rule, x[positions], tolerance)
        flagged = pack_flags(_sizes(rule, y[positions]), must, may, rule.reach)
        if flagged is not None and len(flagged[0]) < len(packed):
            return Applied(variable, place, FLAGGED, positions[flagged[1]], flagged[0], listed.size)
    return Applied(variable, place, LISTED, listed, packed, listed.size)


def _may_be_zero(rule: Rule, x: np.ndarray, tolerance: Tolerance) -> np.ndarray:
    """Return where an original may come back as zero itself, which is on neither side; of limits on average none is asked."""
    if tolerance.kind != "abs" or tolerance.mean is not None or rule.target != rule.side.value:
        return np.zeros(x.size, bool)
    return ~tolerance.violations(x, np.full(x.size, rule.target, x.dtype))


def _sizes(rule: Rule, values: np.ndarray) -> np.ndarray:
    """Return how far values lie beyond zero."""
    return np.abs(values.astype(np.float64) - float(rule.target))


def _apply(
    rule: Rule, mode: int, positions: np.ndarray, arrays: dict[str, np.ndarray], name: str, *, own: set[str]
) -> None:
    """Move the values of one variable that a rule concerns.

    Parameters
    ----------
    own
        The variables whose arrays are copies already, made here: a model may still need what it returned.
    """
    if mode == NONE:
        return
    where: np.ndarray = np.flatnonzero(rule.concerned(arrays[name].ravel())) if mode == ALL else positions
    if where.size:
        if name not in own:
            arrays[name] = np.array(arrays[name], order="C")
            own.add(name)
        arrays[name].reshape(-1)[where] = rule.target


# ---- decoding


def settle_again(
    data: bytes,
    arrays: dict[str, np.ndarray],
    layout: Layout,
    tolerances: Mapping[str, Tolerance],
    part: Part | None = None,
) -> None:
    """Put decoded values where they belong, in `arrays`, as `settle` found.

    Parameters
    ----------
    part
        What of the group `arrays` hold, if not all of it; variables in `flagged` must be whole.

    Raises
    ------
    FormatError
        If `data` is damaged.
    """
    here = {number for number, variable in enumerate(layout.variables) if variable.name in arrays}
    stored = {(one.variable, one.rule): one for one in _read(data, layout) if one.variable in here}
    own: set[str] = set()
    for number in sorted(here):
        variable = layout.variables[number]
        rules = rules_of(tolerances[variable.name], variable.numpy_dtype)
        for place, rule in enumerate(rules):
            found = stored.pop((number, place), None)
            if found is None:
                found = Applied(number, place, rule.usual, np.zeros(0, np.int64))
            elif found.mode == FLAGGED:
                found = _flagged(rule, found, arrays[variable.name].ravel())
            elif found.mode == LISTED and part is not None:
                found = found._replace(positions=part.places(found.positions, variable, layout)[1])
            _apply(rule, found.mode, found.positions, arrays, variable.name, own=own)
    if stored:
        raise FormatError("values are said to be settled by rules that there are not")


def flagged(data: bytes, layout: Layout) -> set[str]:
    """Return the variables of which only all values together tell which of them are settled.

    Raises
    ------
    FormatError
        If `data` is damaged.
    """
    return {layout.variables[one.variable].name for one in _read(data, layout) if one.mode == FLAGGED}


def _flagged(rule: Rule, found: Applied, y: np.ndarray) -> Applied:
    """Return the same with the positions that flags stand for."""
    positions = np.flatnonzero(rule.concerned(y))
    return found._replace(positions=positions[unpack_flags(found.packed, _sizes(rule, y[positions]), rule.reach)])


def _read(data: bytes, layout: Layout) -> Iterator[Applied]:
    reader = ByteReader(data, "a stream of settled values")
    while reader.position < len(reader.data):
        number = reader.varint(len(layout.variables))
        rule, mode = divmod(reader.varint(2**16), 4)
        positions, packed = np.zeros(0, np.int64), b""
        if mode == LISTED:
            variable = layout.variables[number]
            size = math.prod(layout.shape(variable))
            count = reader.varint(size + 1)
            positions = unpack_positions(reader.sized(), count, size, f"the settled values of {variable.name!r}")
        elif mode == FLAGGED:
            packed = reader.sized()
        yield Applied(number, rule, mode, positions, packed)
