"""Define the allowed error of a variable as users state it."""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from dataclasses import replace
from typing import cast, get_args

import numpy as np

from baler_core.data.arithmetic import parse_arithmetic
from baler_core.data.bound_syntax import (
    NO_LIMITS,
    BoundError,
    BoundKind,
    MeanKind,
    Sign,
    limits_text,
    numbers_text,
    parse_bound,
)
from baler_core.data.patterns import variable_meant
from baler_core.errors import ConfigError
from baler_core.machine.records import dataclass

# What float64 has at most, and where steps are so coarse that `rel` says it better.
_MOST_DECIMALS, _MOST_ULPS = 300, 2**20


@dataclass(frozen=True)
class ErrorBound:
    """An error bound as stated by the user.

    Attributes
    ----------
    kind
        `abs`: `|restored - x| <= value`. `rel`: `|restored - x| <= value * |x|`, point-wise.
        `range`: `|restored - x|` <= value * (max - min of the variable's finite, non-fill values).
        `bits`: `value` explicit mantissa bits are kept, rounding to nearest.
        `ulp`: `value` units in the last place of x in its own type; of integers, units.
        `decimals`: half a unit of the decimal of that number, 0.5 * 10^-value.
        `mean_abs`, `mean_rel`, `rms`: the mean of `|restored - x|`, of `|restored - x| / |x|` over all x but 0, and the root of
        the mean of (restored - x)^2, of every block and so of the variable, are at most `value`.
        `noise`: `value` times the noise, of each row of two dimensions and each plane of more.
        `lossless`: every bit is kept. `none`: no bound at all.
    value
        The number belonging to the kind; 0 for `lossless` and `none`.
    limits
        Smallest and largest valid value, in physical units: what lies within stays within, what lies beyond beyond.
    sign
        `keep`: positive values never become negative, nor negative ones positive. `free`: they may, within the bound.
        `auto`: kept wherever that costs next to nothing, else told.
    exact_at
        In physical units: values that equal one of these stay, and no other value becomes one.
    threshold
        In physical units: what is below, at or above one of these stays below, at or above it.
    most
        Kind (`abs`, `rel` or `range`) and value of what no single error exceeds, beside a limit on average.
    formula
        Under `abs`, in place of `value`: arithmetic on other variables of the same rows, whose absolute value is
        allowed to each value. `{}` in it stands for the variable's own name.
    other
        What holds where the formula gives nothing (NaN, infinite, 0, absurd); None keeps these values exact.
    dither
        Under `noise`: values are dithered before they are rounded, and zeros stay exact.
    """

    kind: BoundKind
    value: float = 0.0
    limits: tuple[float, float] = NO_LIMITS
    sign: Sign = "auto"
    exact_at: tuple[float, ...] = ()
    threshold: tuple[float, ...] = ()
    most: tuple[BoundKind, float] | None = None
    formula: str = ""
    other: ErrorBound | None = None
    dither: bool = False

    def __post_init__(self) -> None:
        if not self.limits[0] < self.limits[1]:
            raise BoundError(
                f"limits are the smallest and the largest valid value, [0, 100], found {limits_text(self.limits)}",
                "limits",
            )
        if self.kind in ("lossless", "none"):
            return
        if self.formula:
            self._check_formula()
            return
        if self.kind == "decimals":
            if self.value != int(self.value) or abs(self.value) > _MOST_DECIMALS:
                raise ConfigError(
                    f"decimals must be a whole number from {-_MOST_DECIMALS} to {_MOST_DECIMALS}, found {self.value!r}"
                )
            return
        if not math.isfinite(self.value) or self.value <= 0:
            raise ConfigError(f"a bound must be a positive, finite number, found {self.kind}: {self.value!r}")
        if self.kind == "bits" and (self.value != int(self.value) or self.value > 64):
            raise ConfigError(f"bits must be a whole number of mantissa bits from 1 to 64, found {self.value!r}")
        if self.kind == "ulp" and (self.value != int(self.value) or self.value > _MOST_ULPS):
            raise ConfigError(
                f"ulp must be a whole number of units in the last place from 1 to {_MOST_ULPS}, found {self.value!r}"
            )
        if self.kind in ("rel", "mean_rel") and self.value >= 1:
            raise ConfigError(f"a {self.kind} bound must be below 1 (1e-3 keeps three digits), found {self.value!r}")
        if self.most is not None:
            ErrorBound(*self.most)

    @classmethod
    def parse(cls, stated: object) -> ErrorBound:
        """A bound from its configuration form: `lossless`, `none` or `{kind: value}`, with `limits` and the like beside.

        Raises
        ------
        ConfigError
            Saying what is wrong; a `BoundError` names the key.
        """
        if isinstance(stated, ErrorBound):
            return stated
        fields = parse_bound(stated)
        other = fields.pop("other", None)
        return cls(**fields, other=None if other in (None, "lossless") else cls.parse(other))

    @property
    def hard(self) -> ErrorBound | None:
        """What holds for every single error: itself, but for limits on average."""
        if self.kind not in get_args(MeanKind):
            return self
        return None if self.most is None else ErrorBound(*self.most)

    @property
    def mean(self) -> tuple[MeanKind, float] | None:
        """The kind of what holds on average, and its limit."""
        return (cast(MeanKind, self.kind), self.value) if self.kind in get_args(MeanKind) else None

    @property
    def needs_range(self) -> bool:
        """Whether it refers to the range of the variable."""
        return "range" in (self.kind, self.most[0] if self.most else "")

    def _check_formula(self) -> None:
        if self.formula.strip().lstrip("+-.").lower() in ("inf", "infinity", "nan"):
            raise BoundError(f"a bound must be a positive, finite number, found abs: {self.formula}", "abs")
        if not parse_arithmetic(filled_in(self.formula, "x")).names:
            raise BoundError(f"the formula {self.formula!r} names no variable: write a number without quotes", "abs")
        other = self.other
        if other is not None and (
            other.kind not in ("abs", "rel", "bits") or other != ErrorBound(other.kind, other.value)
        ):
            raise BoundError(f"else is lossless, or an abs, rel or bits bound with a number, found {other}", "else")

    def meant_for(self, name: str, names: Collection[str]) -> ErrorBound | None:
        """Return the bound with its formula for one variable; None where it needs that variable itself, or there is none.

        Parameters
        ----------
        names
            Of all variables; empty where they are not known.
        """
        if not self.formula:
            return self
        formula = filled_in(self.formula, name)
        own = "{}" in self.formula
        for needed in parse_arithmetic(formula).names:
            meant = variable_meant(needed, name, names)
            if meant == name or (own and names and meant is None):
                return None
        return replace(self, formula=formula)

    def __str__(self) -> str:
        text = self.kind if self.kind in ("lossless", "none") else f"{self.kind} {self.formula or f'{self.value:g}'}"
        text += f" and {self.most[0]} {self.most[1]:g}" if self.most else ""
        if self.other is not None:
            text += f", else {self.other}"
        if self.limits != NO_LIMITS:
            text += f", limits {limits_text(self.limits)}"
        text += ", dithered" if self.dither else ""
        text += "" if self.sign == "auto" else f", sign {self.sign}"
        text += f", exact at {numbers_text(self.exact_at)}" if self.exact_at else ""
        return f"{text}, threshold {numbers_text(self.threshold)}" if self.threshold else text


def filled_in(formula: str, name: str) -> str:
    """Return a formula with `{}`, and what is joined to it, as the name of a variable: `{}Err` as `Muon_dxyErr`."""

    def filled(match: re.Match[str]) -> str:
        full = (match.group(1) or match.group(2)).replace("{}", name.replace("`", ""))
        return full if full.isidentifier() else f"`{full}`"

    return re.sub(r"`([^`]*\{\}[^`]*)`|([\w.]*\{\}[\w.{}]*)", filled, formula)


def allowing(bound: str, dtype: str, allowed: float | None) -> str:
    """Return the text of a bound with what it really allows, where values move by whole steps and not by all of it.

    Parameters
    ----------
    dtype
        dtype string of the stored values.
    allowed
        The largest error that it allows; None where that is not known.
    """
    found = re.match(r"abs ([0-9.e+-]+)", bound)
    if found is None or allowed is None or dtype in ("str", "bytes") or np.dtype(dtype).kind not in "iu":
        return bound
    return bound if allowed > 0.999 * float(found[1]) else f"{bound} ({allowed:.3g} in whole steps)"


LOSSLESS = ErrorBound("lossless")
UNBOUNDED = ErrorBound("none")
