"""Define what a compressed file is to reach, and bounds multiplied by one factor."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, TypeAlias

from baler_core.data.bounds import BoundRules
from baler_core.data.error_bound import LOSSLESS, ErrorBound
from baler_core.errors import ConfigError
from baler_core.machine.records import dataclass

TargetKind: TypeAlias = Literal["ratio", "bits", "size", "psnr"]
TARGET_KINDS: tuple[TargetKind, ...] = ("ratio", "bits", "size", "psnr")
MULTIPLIED = ("abs", "rel", "range", "mean_abs", "mean_rel", "rms", "noise")
"""The kinds of bounds that a factor applies to."""
# Relative bounds grow no further: 1 would allow zero for everything.
_LARGEST_RELATIVE = 0.5


@dataclass(frozen=True)
class Target:
    """What a compressed file is to reach.

    Attributes
    ----------
    kind
        `ratio`: native bytes of all values / bytes of the file, at least. `bits`: bits of the file per value, at most.
        `size`: bytes of the file, at most. `psnr`: 20 log10(range / RMS error) of every lossy variable, at least.
    value
        The number belonging to the kind.
    factor
        What all bounds were multiplied by for it, 0 where no loss is needed; None while it is not known, and under `psnr`.
    """

    kind: TargetKind
    value: float
    factor: float | None = None

    def __post_init__(self) -> None:
        if not math.isfinite(self.value) or self.value <= 0:
            raise ConfigError(f"a target must be a positive, finite number, found {self.kind}: {self.value!r}")

    def __str__(self) -> str:
        return f"{self.kind} {self.value:,.15g}" + (" bytes" if self.kind == "size" else "")

    @property
    def in_full(self) -> str:
        """The target, and what bounds were multiplied by for it."""
        return f"{self}" if self.factor is None else f"{self}, by bounds multiplied by {self.factor:.4g}"

    def largest_file(self, native_bytes: int, values: int) -> float:
        """Return how many bytes the file may have.

        Parameters
        ----------
        native_bytes, values
            Bytes of all values as their dtypes hold them, and how many there are.
        """
        if self.kind == "size":
            return self.value
        return native_bytes / self.value if self.kind == "ratio" else values * self.value / 8


def multiplied(rules: BoundRules, factor: float) -> BoundRules:
    """Return rules with the same patterns, and their bounds multiplied by a factor; 0 makes them lossless."""
    return replace(rules, rules=tuple((pattern, _multiplied(bound, factor)) for pattern, bound in rules.rules))


def _multiplied(bound: ErrorBound, factor: float) -> ErrorBound:
    if bound.kind not in MULTIPLIED:
        return bound
    if not factor:
        return LOSSLESS
    if bound.formula:
        return replace(bound, formula=f"{factor:.4g} * ({bound.formula})")
    value = min(float(f"{bound.value * factor:.4g}"), 1e300)
    return replace(bound, value=min(value, _LARGEST_RELATIVE) if bound.kind in ("rel", "mean_rel") else value)


def with_psnr(bound: ErrorBound, width: float, psnr: float) -> ErrorBound:
    """Return a bound whose errors have a root mean square that makes a signal-to-noise ratio in decibel; its rest stays.

    Parameters
    ----------
    width
        Largest - smallest value of the variable, in physical units; a constant becomes lossless.
    """
    value = width * 10.0 ** (-psnr / 20)
    if bound.kind == "lossless" or not 0 < value < math.inf:
        return LOSSLESS
    return replace(bound, kind="rms", value=value, most=None, formula="", other=None, dither=False)


def unsuited(rules: BoundRules) -> Sequence[tuple[str, str]]:
    """Return patterns whose bounds no factor applies to, each with what to do about it."""
    return [
        (pattern, f"a target multiplies the bounds, which {bound.kind!r} has no number for: write {_listed()}")
        for pattern, bound in rules.rules
        if bound.kind not in (*MULTIPLIED, "lossless")
    ]


def _listed() -> str:
    return f"{', '.join(MULTIPLIED[:-1])} or {MULTIPLIED[-1]}"
