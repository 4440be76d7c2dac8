"""Define bounds by patterns of names, and the tolerances that they come to, against which restored values are checked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import Any, Literal, NamedTuple, Protocol, Self

import numpy as np

from baler_core.data.bound_syntax import NO_LIMITS, MeanKind, Sign
from baler_core.data.distances import apart, are_near, bits_of, distance, exponent_of
from baler_core.data.error_bound import LOSSLESS, ErrorBound
from baler_core.data.noise_steps import NoiseShare, NoiseSteps
from baler_core.data.patterns import meant_among, name_matches, names_in_full
from baler_core.data.sides import became_special, edges_of, specials_of, zeros_of
from baler_core.errors import ConfigError
from baler_core.machine.records import dataclass

ToleranceKind = Literal["abs", "rel", "bits", "each", "exact", "free"]

# Codecs are held to slightly less than the bound, so that a check done by others in another order of
# rounding (float32 arithmetic, say) still finds every value inside. Costs 1.4e-6 bits per value.
SAFETY = 1.0 - 2.0**-20
# What two roundings of float64 may have taken from a whole number: 9.999999999999998 steps are 10.
ROUNDING = 1e-12
# So near to the smallest number of float64 that products are rounded by more than SAFETY keeps aside.
_TINY = 2.0**-1000
# Integers are merged by at most so much.
_MOST_WHOLE = 2.0**62
_LARGEST = float(np.finfo(np.float64).max)


@dataclass(frozen=True)
class BoundRules:
    """Bounds by variable-name pattern (shell style); the first match wins. Without a match, a variable is lossless.

    Attributes
    ----------
    rules
        Patterns and their bounds, in order.
    meant
        What some of the patterns match among the variables of a file, as `among` finds it: those that are names
        themselves, and those that mean the last part of names.
    names
        Of the variables of the file, once `among` knows them.
    places
        Where patterns stand in a configuration (`jets.yaml:7`), for messages.
    """

    rules: tuple[tuple[str, ErrorBound], ...] = ()
    meant: Mapping[str, frozenset[str]] = field(default_factory=dict, hash=False)
    names: frozenset[str] = frozenset()
    places: Mapping[str, str] = field(default_factory=dict, hash=False, compare=False)

    def among(self, names: Sequence[str]) -> BoundRules:
        """Return the same rules for a file with variables of these names."""
        meant = meant_among((pattern for pattern, _ in self.rules), names)
        known = frozenset(names) if any(bound.formula for _, bound in self.rules) else self.names
        return self if (meant, known) == (self.meant, self.names) else replace(self, meant=meant, names=known)

    def rule_for(self, name: str) -> tuple[str, ErrorBound] | None:
        """Return the first pattern that matches, and its bound.

        A pattern with wildcards passes by the variables that its own formula needs.
        """
        found = self._place_and_rule(name)
        return None if found is None else found[1]

    def _place_and_rule(self, name: str) -> tuple[int, tuple[str, ErrorBound]] | None:
        for place, (pattern, bound) in enumerate(self.rules):
            if not name_matches(name, pattern, self.meant):
                continue
            meant = bound.meant_for(name, self.names)
            if meant is None and names_in_full(name, pattern):
                meant = bound
            if meant is not None:
                return place, (pattern, meant)
        return None

    def places_of(self, names: Sequence[str]) -> dict[str, str]:
        """Return where the bounds of variables stand in a configuration."""
        rules = ((name, self.rule_for(name)) for name in names) if self.places else ()
        return {name: self.places[rule[0]] for name, rule in rules if rule is not None and rule[0] in self.places}

    def bound_for(self, name: str, dtype: str, *, packed: bool = False, protected: bool = False) -> ErrorBound:
        """Return the bound of the variable `name` with numpy dtype string `dtype`.

        A pattern with wildcards leaves exact what is `protected` (says which, when, where or how many: ids, times,
        positions), and integers, which are ids, counts and flags more often than measurements, unless they are
        `packed` (stand for real numbers by a scale factor). A lossy bound must name these in full.

        Raises
        ------
        ConfigError
            If a lossy bound was asked by its very name for something that has no error (text, booleans, ...).
        """
        rule = self.rule_for(name)
        if rule is None:
            return LOSSLESS
        pattern, bound = rule
        named = names_in_full(name, pattern)
        if protected and not named:
            return LOSSLESS
        return self._applied(bound, name, dtype, _kind_of(dtype), named=named, packed=packed)

    @staticmethod
    def _applied(bound: ErrorBound, name: str, dtype: str, kind: str, *, named: bool, packed: bool) -> ErrorBound:
        """What a matching bound means for a variable of this kind."""
        if kind == "f":
            return bound
        if kind in "iu" and (named or packed):
            return LOSSLESS if bound.kind == "bits" else bound
        if kind not in "iu" and named and bound.kind != "lossless":
            raise ConfigError(
                f"variable {name!r} is of type {dtype}, which can only be kept lossless, not {bound}: write 'lossless', or "
                "leave out this bound, as it stays exact without one"
            )
        return LOSSLESS

    def reached(self, names: Sequence[str]) -> list[list[str]]:
        """Return for each rule, the `names` that it decides on: those it matches and none before it does."""
        found: list[list[str]] = [[] for _ in self.rules]
        rules = self.among(names)
        for name in names:
            decided = rules._place_and_rule(name)
            if decided is not None:
                found[decided[0]].append(name)
        return found

    def unmatched(self, names: Sequence[str]) -> list[str]:
        """Return the patterns, wildcard-free ones included, that match none of `names`."""
        meant = self.among(names).meant
        return [p for p, _ in self.rules if p != "*" and not any(name_matches(n, p, meant) for n in names)]


def _kind_of(dtype: str) -> str:
    """The numpy kind letter of a dtype string; long doubles and text count as opaque ('O')."""
    if dtype in ("str", "bytes"):
        return "O"
    kind = np.dtype(dtype)
    return "O" if kind.kind == "f" and kind.itemsize > 8 else kind.kind


class ValueRange(NamedTuple):
    """Smallest and largest finite, non-fill value of a whole variable, in its stored units."""

    low: float = math.inf
    high: float = -math.inf

    def joined(self, other: ValueRange) -> ValueRange:
        """Return the range covering both."""
        return ValueRange(min(self.low, other.low), max(self.high, other.high))

    @property
    def width(self) -> float:
        """high - low, the largest number where it would be beyond; 0 for a constant or empty variable."""
        return max(0.0, min(self.high - self.low, _LARGEST))


def value_range(values: np.ndarray, fill: Sequence[float] = (), limits: tuple[float, float] = NO_LIMITS) -> ValueRange:
    """The range of the finite values of an array of any shape, leaving out fill values and what lies beyond limits."""
    finite = values[usable(values, fill, limits)]
    if not finite.size:
        return ValueRange()
    smallest, largest = finite.min(), finite.max()
    low, high = float(smallest), float(largest)
    if finite.dtype.kind in "iu":  # where doubles cannot tell them, inwards, so that bounds become no larger
        low = low if int(low) >= int(smallest) else math.nextafter(low, math.inf)
        high = high if int(high) <= int(largest) else math.nextafter(high, -math.inf)
    return ValueRange(low, high)


def usable(values: np.ndarray, fill: Sequence[float] = (), limits: tuple[float, float] = NO_LIMITS) -> np.ndarray:
    """Return boolean mask, same shape: finite, none of the fill values, and within the limits."""
    mask = np.isfinite(values) if values.dtype.kind == "f" else np.ones(values.shape, bool)
    for special in specials_of(fill, values.dtype) if values.dtype.kind in "iuf" else ():
        mask &= values != special
    for edge in edges_of(limits[:1], limits[1:], values.dtype):
        mask &= ~edge.beyond(values)
    return mask


class FromOthers(Protocol):
    """What finds the tolerance of each value from other variables."""

    @property
    def needs(self) -> tuple[str, ...]: ...
    @property
    def ancestors(self) -> tuple[str, ...]: ...
    @property
    def known(self) -> Mapping[str, np.ndarray]: ...
    def knowing(self, known: Mapping[str, np.ndarray]) -> Self: ...
    def each(self, restored: Mapping[str, np.ndarray]) -> np.ndarray: ...
    def stated(self, values: Mapping[str, np.ndarray]) -> np.ndarray: ...


@dataclass(frozen=True)
class Tolerance:
    """A bound made ready for one variable: what error each of its stored values may have.

    Attributes
    ----------
    kind
        `abs`: the same allowed error everywhere. `rel`: allowed = `value * |x + shift|`. `bits`: keep `value` mantissa
        bits, of which there may be a fraction. `each`: what `scale` makes of other variables, up to `value`. `exact`: bit
        for bit. `free`: anything.
    value
        In stored units (a packed variable's bound is stated in physical units and divided by its scale factor).
    shift
        add_offset / scale_factor of a packed variable under `rel`; 0 otherwise.
    fill
        Special values, which come back exactly whatever the kind, and which no other value becomes: fill values,
        flags, and those of `exact_at` and `threshold`.
    lower, upper
        Smallest and largest valid values, in stored units; no value changes its side of one.
    sign
        Whether values keep their sign: `keep` always; `auto` where that costs next to nothing; `free` not.
    zero
        The stored number that stands for 0, where the sign changes.
    thresholds
        Stored numbers that no value comes from one side of to the other.
    mean
        What limits errors on average, and the limit in physical units; `kind` and `value` limit single errors then.
    missing
        Of `fill`, those that stand for missing values: these alone count for no average.
    other
        Under `each`, what holds for values to which the scale gives nothing.
    scale
        Finds what is allowed to each value under `each`, from restored variables.
    each
        What it found for the values of a block: float64 of their shape, 0 where it gives nothing, -1 for exact values.
    noise
        Under `each`, in place of a scale: what share of the noise of their tile values may be wrong.
    tiles
        The steps that follow for a block.
    """

    kind: ToleranceKind
    value: float = 0.0
    shift: float = 0.0
    fill: tuple[float, ...] = field(default=())
    lower: tuple[float, ...] = ()
    upper: tuple[float, ...] = ()
    sign: Sign = "free"
    zero: float = 0.0
    thresholds: tuple[float, ...] = ()
    mean: tuple[MeanKind, float] | None = None
    missing: tuple[float, ...] = ()
    other: Tolerance | None = None
    scale: FromOthers | None = field(default=None, compare=False, repr=False)
    each: np.ndarray | None = field(default=None, compare=False, repr=False)
    noise: NoiseShare | None = None
    tiles: NoiseSteps | None = field(default=None, compare=False, repr=False)

    @property
    def lossy(self) -> bool:
        """Whether any error is allowed."""
        return self.kind != "exact"

    @property
    def for_models(self) -> Tolerance:
        """What models must hold to: the core itself keeps limits and signs."""
        return Tolerance(self.kind, self.value, self.shift, self.fill, other=self.other, scale=self.scale)

    @property
    def where_none(self) -> Tolerance:
        """What holds where `each` gives nothing; the tolerance itself for other kinds."""
        if self.kind != "each":
            return self
        return replace(self.other or Tolerance("exact"), fill=self.fill)

    def among(self, restored: Mapping[str, np.ndarray]) -> Tolerance:
        """Return the tolerance with what `scale` finds for the values of a block, from restored variables."""
        return self if self.scale is None else replace(self, each=self.scale.each(restored))

    def knowing(self, restored: Mapping[str, np.ndarray]) -> Tolerance:
        """Return the tolerance with variables that its scale follows from and that are restored already."""
        if self.scale is None:
            return self
        known = {name: restored[name] for name in self.scale.ancestors if name in restored}
        return replace(self, scale=self.scale.knowing(known)) if known else self

    def of_rows(self, rows: slice) -> Tolerance:
        """Return the tolerance of some rows, the first dimension of all that is known."""
        if self.scale is None or not self.scale.known:
            return self
        known = {name: values[rows] for name, values in self.scale.known.items()}
        return replace(self, scale=self.scale.knowing(known))

    def in_tiles(self, values: np.ndarray) -> Tolerance:
        """Return the tolerance with the steps that follow from the noise of a block of original values."""
        if self.noise is None:
            return self
        tiles = self.noise.steps(values, usable(values, self.fill), values.dtype)
        return replace(self, tiles=tiles, each=tiles.each(values.shape))

    def taken(self, where: Any) -> Tolerance:
        """Return the tolerance of some of the values, given by an index of the flat or shaped array."""
        if self.each is None:
            return self
        each = self.each.reshape(-1) if isinstance(where, slice) else self.each
        return replace(self, each=each[where])

    def allowed(self, values: np.ndarray) -> np.ndarray:
        """Allowed absolute error of each value: float64, same shape; 0 at special values and where not finite."""
        if self.kind == "free":
            allowed = np.full(values.shape, math.inf)
        elif self.kind == "abs":
            whole = values.dtype.kind in "iu"
            allowed = np.full(values.shape, whole_steps(self.value) if whole else self.value * SAFETY)
        elif self.kind == "exact":
            return np.zeros(values.shape)
        elif self.kind == "each":
            allowed = self._by_scale(values)
        else:
            allowed = self._by_magnitude(values)
        kept = usable(values, self.fill)
        return allowed if kept.all() else np.where(kept, allowed, 0.0)

    def _by_scale(self, values: np.ndarray) -> np.ndarray:
        """What `each` allows."""
        if self.each is None:
            raise ValueError("what is allowed to each value is not known yet")
        each = self.each.reshape(values.shape)
        if values.dtype.kind in "iu":
            whole = np.floor(each * (1 + ROUNDING))
            each = np.where((each > 0) & (whole < 1), -1.0, whole)  # no whole step: exact
        else:
            each = each * SAFETY
        return np.where(each > 0, each, np.where(each < 0, 0.0, self.where_none.allowed(values)))

    def _by_magnitude(self, values: np.ndarray) -> np.ndarray:
        """What `rel` and `bits` allow."""
        with np.errstate(all="ignore"):
            magnitude = np.abs(values.astype(np.float64) + self.shift)
            if self.kind == "bits":
                whole = math.ceil(self.value)
                return np.ldexp(2.0 ** (whole - self.value - 1), exponent_of(magnitude, values.dtype) - whole)
            factor = self.value * SAFETY
            allowed = magnitude * factor
            tiny = (allowed < _TINY) & (magnitude > 0)
            if tiny.any():
                # Whole multiples of the smallest number, rounded down.
                scaled = np.ldexp(magnitude[tiny], 600) * factor
                allowed[tiny] = np.ldexp(np.floor(np.ldexp(scaled, 474)), -1074)
        return np.asarray(allowed)

    def violations(self, original: np.ndarray, restored: np.ndarray) -> np.ndarray:
        """Return boolean mask of the values whose restored form breaks the tolerance (same shape and dtype both).

        NaN must stay NaN, an infinity itself, a zero that has no leeway keeps its sign; special values stay, and no other
        value becomes one; no value crosses a limit, or zero where `sign` is `keep`, or a threshold.
        """
        sided = self.fill or self.lower or self.upper or self.thresholds or self.sign == "keep"
        if self.kind == "abs" and not sided and are_near(original, restored, self.value * SAFETY):
            return np.zeros(original.shape, bool)
        different = bits_of(original) != bits_of(restored)
        if self.kind == "exact" or not different.any():
            return different
        bad = np.zeros(original.shape, bool)
        x, y = original[different], restored[different]
        part = self.taken(different)
        bad[different] = ~part._inside(x, y) | part._aside(x, y)
        return bad

    def _inside(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Whether values that differ do so by no more than is allowed."""
        if x.dtype.kind not in "iuf":
            return np.full(x.shape, self.kind == "free")
        allowed = self.allowed(x)
        if self.kind in ("abs", "each") and x.dtype.kind in "iu" and x.dtype.itemsize == 8:
            return np.asarray(apart(x, y) <= np.minimum(allowed, _MOST_WHOLE).astype(np.uint64))
        with np.errstate(all="ignore"):
            inside = distance(x, y) <= allowed
        if x.dtype.kind == "f":
            inside &= (x != 0) | (allowed > 0) | (np.signbit(x) == np.signbit(y))
            inside |= np.isnan(x) & np.isnan(y)
            if self.kind == "free":
                inside &= np.isfinite(x) == np.isfinite(y)
        return np.asarray(inside)

    def _aside(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Whether values became special, crossed a limit, or changed a sign that is to be kept."""
        bad = became_special(x, y, specials_of(self.fill, x.dtype)) if self.fill else None
        bad = np.zeros(x.shape, bool) if bad is None else bad
        for edge in edges_of(self.lower, self.upper, x.dtype):
            bad |= edge.crossed(x, y)
        for zero in zeros_of((*self.thresholds, *([self.zero] if self.sign == "keep" else [])), x.dtype):
            bad |= zero.crossed(x, y)
        return bad


def whole_steps(allowed: float) -> float:
    """How many whole steps an allowed error of integers is; what rounding has taken from a whole number is given back."""
    steps = math.floor(min(allowed, _MOST_WHOLE))
    return float(steps + (allowed < 2.0**32 and allowed * (1 + ROUNDING) >= steps + 1))
