"""What error a variable may have: bounds as the user states them, tolerances as codecs use them, and the check."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Decimal
from typing import Any, Literal, get_args

import numpy as np

from baler_core.errors import ConfigError, did_you_mean

BoundKind = Literal["abs", "rel", "range", "bits", "lossless", "none"]
ToleranceKind = Literal["abs", "rel", "bits", "exact", "free"]

# Codecs are held to slightly less than the bound, so that a check done by others in another order of
# rounding (float32 arithmetic, say) still finds every value inside. Costs 1.4e-6 bits per value.
SAFETY = 1.0 - 2.0**-20
# Tolerances that follow from a range or a scale factor would have 17 digits. Costs at most 1.4e-6 bits per value, and
# saves four bytes of header per variable.
SHORTENED = 1e-6
# What two roundings of float64 may have taken from a round number: 9.999999999999998 stands for 10.
ROUNDING = Decimal("1e-12")


@dataclass(frozen=True)
class ErrorBound:
    """An error bound as stated by the user.

    Attributes
    ----------
    kind
        `abs`: |restored - x| <= value. `rel`: |restored - x| <= value * |x|, point-wise.
        `range`: |restored - x| <= value * (max - min of the variable's finite, non-fill values).
        `bits`: `value` explicit mantissa bits are kept, rounding to nearest.
        `lossless`: every bit is kept. `none`: no bound at all.
    value
        The number belonging to the kind; 0 for `lossless` and `none`.
    """

    kind: BoundKind
    value: float = 0.0

    def __post_init__(self) -> None:
        if self.kind in ("lossless", "none"):
            return
        if not math.isfinite(self.value) or self.value <= 0:
            raise ConfigError(f"a bound must be a positive, finite number, found {self.kind}: {self.value!r}")
        if self.kind == "bits" and (self.value != int(self.value) or self.value > 64):
            raise ConfigError(f"bits must be a whole number of mantissa bits from 1 to 64, found {self.value!r}")
        if self.kind == "rel" and self.value >= 1:
            raise ConfigError(f"a rel bound must be below 1 (1e-3 keeps three digits), found {self.value!r}")

    @classmethod
    def parse(cls, stated: object) -> ErrorBound:
        """A bound from its configuration form: `lossless`, `none` or `{kind: value}`."""
        if isinstance(stated, ErrorBound):
            return stated
        kinds = list(get_args(BoundKind))
        if isinstance(stated, str):
            if stated in ("lossless", "none"):
                return cls(stated)  # type: ignore[arg-type]
            if stated in kinds:
                raise ConfigError(f"the bound {stated!r} needs a value: {{{stated}: 1.0e-3}}")
            raise ConfigError(f"unknown bound {stated!r}. {did_you_mean(stated, kinds)}")
        if isinstance(stated, Mapping) and len(stated) == 1:
            kind, value = next(iter(stated.items()))
            if kind not in kinds or kind in ("lossless", "none"):
                raise ConfigError(f"unknown bound {kind!r}. {did_you_mean(str(kind), kinds)}")
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise ConfigError(f"the bound {kind} needs a number, found {value!r}")
            return cls(kind, float(value))
        raise ConfigError(f"a bound is written 'lossless', 'none' or {{kind: value}}, found {stated!r}")

    def __str__(self) -> str:
        return self.kind if self.kind in ("lossless", "none") else f"{self.kind} {self.value:g}"


LOSSLESS = ErrorBound("lossless")
UNBOUNDED = ErrorBound("none")
DEFAULT_FLOAT_BOUND = ErrorBound("rel", 1.0e-3)


def name_matches(name: str, pattern: str) -> bool:
    """Whether a shell-style pattern matches; any name matches itself, brackets (`pt [GeV]`) or not."""
    return name == pattern or fnmatch.fnmatchcase(name, pattern)


@dataclass(frozen=True)
class BoundRules:
    """Bounds by variable-name pattern (shell style); the first match wins.

    Without a match, floating-point variables get `rel 1e-3` and everything else is lossless.
    """

    rules: tuple[tuple[str, ErrorBound], ...] = ()

    def bound_for(self, name: str, dtype: str, *, packed: bool = False, coordinate: bool = False) -> ErrorBound:
        """The bound of the variable `name` with numpy dtype string `dtype`.

        Integers are ids, counts and flags more often than measurements, and coordinates say where the others were
        measured: a pattern with wildcards leaves both exact, unless integers are `packed` (stand for real numbers by
        a scale factor). A lossy bound must name them.

        Raises
        ------
        ConfigError
            If a lossy bound was asked by its very name for something that has no error (text, booleans, ...).
        """
        kind = _kind_of(dtype)
        for pattern, bound in self.rules:
            if name_matches(name, pattern):
                if coordinate and pattern != name:
                    return LOSSLESS
                return self._applied(bound, name, dtype, kind, named=pattern == name, packed=packed)
        return DEFAULT_FLOAT_BOUND if kind == "f" and not coordinate else LOSSLESS

    @staticmethod
    def _applied(bound: ErrorBound, name: str, dtype: str, kind: str, *, named: bool, packed: bool) -> ErrorBound:
        """What a matching bound means for a variable of this kind."""
        if kind == "f":
            return bound
        if kind in "iu" and (named or packed):
            return LOSSLESS if bound.kind == "bits" else bound
        if kind not in "iu" and named and bound.kind != "lossless":
            raise ConfigError(f"variable {name!r} is of type {dtype}, which can only be kept lossless, not {bound}")
        return LOSSLESS

    def reached(self, names: Sequence[str]) -> list[list[str]]:
        """For each rule, the `names` that it decides on: those it matches and none before it does."""
        found: list[list[str]] = [[] for _ in self.rules]
        for name in names:
            for place, (pattern, _) in enumerate(self.rules):
                if name_matches(name, pattern):
                    found[place].append(name)
                    break
        return found

    def unmatched(self, names: Sequence[str]) -> list[str]:
        """The patterns, wildcard-free ones included, that match none of `names`."""
        return [p for p, _ in self.rules if p != "*" and not any(name_matches(n, p) for n in names)]


def _kind_of(dtype: str) -> str:
    """The numpy kind letter of a dtype string; long doubles and text count as opaque ('O')."""
    if dtype in ("str", "bytes"):
        return "O"
    kind = np.dtype(dtype)
    return "O" if kind.kind == "f" and kind.itemsize > 8 else kind.kind


@dataclass(frozen=True)
class ValueRange:
    """Smallest and largest finite, non-fill value of a whole variable, in its stored units."""

    low: float = math.inf
    high: float = -math.inf

    def joined(self, other: ValueRange) -> ValueRange:
        """The range covering both."""
        return ValueRange(min(self.low, other.low), max(self.high, other.high))

    @property
    def width(self) -> float:
        """high - low; 0 for a constant or empty variable."""
        return max(0.0, self.high - self.low)


def value_range(values: np.ndarray, fill: Sequence[float] = ()) -> ValueRange:
    """The range of the finite values of an array of any shape, leaving out the fill values."""
    finite = values[usable(values, fill)]
    return ValueRange(float(finite.min()), float(finite.max())) if finite.size else ValueRange()


def usable(values: np.ndarray, fill: Sequence[float] = ()) -> np.ndarray:
    """Boolean mask, same shape: finite and none of the fill values."""
    mask = np.isfinite(values) if values.dtype.kind == "f" else np.ones(values.shape, bool)
    for value in fill:
        if np.isfinite(value):
            mask &= values != np.asarray(value).astype(values.dtype)
    return mask


@dataclass(frozen=True)
class Tolerance:
    """A bound made ready for one variable: what error each of its stored values may have.

    Attributes
    ----------
    kind
        `abs`: the same allowed error everywhere. `rel`: allowed = value * |x + shift|. `bits`: keep `value` mantissa
        bits. `exact`: bit for bit. `free`: anything.
    value
        In stored units (a packed variable's bound is stated in physical units and divided by its scale factor).
    shift
        add_offset / scale_factor of a packed variable under `rel`; 0 otherwise.
    fill
        Values that must come back exactly whatever the kind.
    """

    kind: ToleranceKind
    value: float = 0.0
    shift: float = 0.0
    fill: tuple[float, ...] = field(default=())

    @property
    def lossy(self) -> bool:
        """Whether any error is allowed."""
        return self.kind != "exact"

    def allowed(self, values: np.ndarray) -> np.ndarray:
        """Allowed absolute error of each value: float64, same shape; 0 at fill values and where not finite."""
        with np.errstate(all="ignore"):
            magnitude = np.abs(values.astype(np.float64) + self.shift)
            if self.kind == "abs":
                whole = values.dtype.kind in "iu"
                allowed = np.full(values.shape, np.floor(self.value * (1 + 1e-12)) if whole else self.value * SAFETY)
            elif self.kind == "rel":
                allowed = magnitude * (self.value * SAFETY)
            elif self.kind == "bits":
                allowed = np.ldexp(0.5, _exponent(magnitude, values.dtype) - int(self.value))
            else:
                allowed = np.full(values.shape, math.inf if self.kind == "free" else 0.0)
        if self.kind == "free":
            return allowed
        return np.where(usable(values, self.fill), allowed, 0.0)

    def violations(self, original: np.ndarray, restored: np.ndarray) -> np.ndarray:
        """Boolean mask of the values whose restored form breaks the tolerance (same shape and dtype both).

        NaN must stay NaN, an infinity itself, a zero that has no leeway keeps its sign.
        """
        if self.kind == "free":
            return np.zeros(original.shape, bool)
        different = _bits(original) != _bits(restored)
        if self.kind == "exact" or not different.any():
            return different
        bad = np.zeros(original.shape, bool)
        x, y = original[different], restored[different]
        allowed = self.allowed(x)
        with np.errstate(all="ignore"):
            inside = _distance(x, y) <= allowed
        if x.dtype.kind == "f":
            inside &= (x != 0) | (allowed > 0) | (np.signbit(x) == np.signbit(y))
            inside |= np.isnan(x) & np.isnan(y)
        bad[different] = ~inside
        return bad


def _distance(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """|x - y| as float64 without integer overflow."""
    if x.dtype.kind == "f":
        return np.abs(x.astype(np.float64) - y.astype(np.float64))
    larger, smaller = np.maximum(x, y), np.minimum(x, y)
    unsigned = np.dtype(f"u{x.dtype.itemsize}")
    return (larger.astype(unsigned) - smaller.astype(unsigned)).astype(np.float64)


def _bits(values: np.ndarray) -> np.ndarray:
    """Floats as unsigned integers of the same width, so that NaN payloads and signs of zero compare."""
    if values.dtype.kind != "f":
        return values
    return np.ascontiguousarray(values).view(np.dtype(f"u{values.dtype.itemsize}").newbyteorder(values.dtype.byteorder))


def _exponent(magnitude: np.ndarray, dtype: np.dtype[Any]) -> np.ndarray:
    """floor(log2 |x|), not below the exponent of the smallest normal number of the dtype; that for zero."""
    exponent = np.frexp(magnitude)[1] - 1
    if dtype.kind == "f":
        lowest = np.finfo(dtype).minexp
        exponent = np.where(magnitude > 0, np.maximum(exponent, lowest), lowest)
    return exponent


def make_tolerance(
    bound: ErrorBound,
    *,
    limits: ValueRange | None = None,
    scale: float = 1.0,
    offset: float = 0.0,
    fill: tuple[float, ...] = (),
) -> Tolerance:
    """Turn a stated bound into a tolerance in stored units.

    Parameters
    ----------
    limits
        Whole-variable range in stored units; needed by `range` bounds only.
    scale, offset
        Packing of the variable: physical = stored * scale + offset.
    """
    if bound.kind == "lossless":
        return Tolerance("exact")
    if bound.kind == "none":
        return Tolerance("free")
    if bound.kind == "abs":
        return Tolerance("abs", rounded_down(bound.value / abs(scale)), fill=fill)
    if bound.kind == "range":
        width = limits.width if limits is not None else 0.0
        return Tolerance("abs", rounded_down(bound.value * width), fill=fill) if width > 0 else Tolerance("exact")
    if bound.kind == "rel":
        return Tolerance("rel", bound.value, shift=offset / scale, fill=fill)
    return Tolerance("bits", bound.value, fill=fill)


def rounded_down(number: float) -> float:
    """The decimal of fewest digits that is below a positive number by at most `SHORTENED` of it."""
    exact = Decimal(number)
    for digits in range(1, 9):
        unit = Decimal(1).scaleb(exact.adjusted() + 1 - digits)
        short = float((exact * (1 + ROUNDING)).quantize(unit, ROUND_FLOOR))
        if short >= number * (1 - SHORTENED):
            return short
    return number
