"""Extrapolate from two samples of a file, coded with little effort, to the bytes and the time of the whole."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


class CodedSample(NamedTuple):
    """A sample coded with the effort `fast`.

    Attributes
    ----------
    native
        Bytes of its values.
    nbytes
        Of the coded values and of what models learned.
    seconds
        Processor time.
    """

    native: int
    nbytes: int
    seconds: float


@dataclass(frozen=True)
class Range:
    """An expected number between two others, between which it lies in at least four of five files."""

    low: float
    middle: float
    high: float


class Effect(NamedTuple):
    """What the default effort makes of bytes and processor time of the effort `fast`, by kind of model."""

    nbytes: float
    seconds: float


# By samples of a dozen research files (benchmarks/predict.py compares); times differ by a factor of two between files.
EFFECTS: Mapping[str, Effect] = {
    "table": Effect(0.95, 4.0),
    "transform": Effect(0.96, 4.0),
    "predictive": Effect(0.93, 4.0),
    "scalar": Effect(0.99, 4.0),
    "exact": Effect(1.0, 1.0),
}
_OTHER = Effect(0.97, 4.0)
# Models learn as they see more: bytes per value fall by the inverse root of their number towards what a long file takes.
_LEARNING = 0.5
# Half the width of the interval, in logarithms: of the whole coded itself, and for each factor e beyond the sample.
_SPREAD, _PER_FOLD = 0.12, 0.02


def extrapolated(small: CodedSample, large: CodedSample, native: int, learning: float) -> float:
    """Return the bytes that a file of `native` bytes would take with the effort of the samples.

    Parameters
    ----------
    learning
        Share of the values in tables, whose models go on learning; a field's statistics are known after some tiles, and a
        smaller sample of it is cut into smaller tiles, which says nothing of larger ones.
    """
    rate = large.nbytes / max(1, large.native)
    if native <= large.native or small.native >= large.native:
        return rate * native
    fall = (small.native / large.native) ** -_LEARNING - 1
    learned = learning * max(0.0, small.nbytes / max(1, small.native) - rate) / fall
    left = 1 - (large.native / native) ** _LEARNING
    return max(rate - learned * left, 0.25 * rate) * native


def effect_of(shares: Mapping[str, float]) -> Effect:
    """Return what the default effort does to a file of which models have these shares of the bytes."""
    total = sum(shares.values())
    if not total:
        return Effect(1.0, 1.0)
    found = [(share / total, EFFECTS.get(name, _OTHER)) for name, share in shares.items()]
    return Effect(sum(s * e.nbytes for s, e in found), sum(s * e.seconds for s, e in found))


def with_interval(middle: float, fold: float, fixed: float = 0.0, beside: float = 0.0) -> Range:
    """Return an expected number with its interval.

    Parameters
    ----------
    fold
        How many times the sample the whole is.
    fixed
        Bytes that are known and not uncertain.
    beside
        By how much the fixed part may be off.
    """
    width = math.exp(_SPREAD + _PER_FOLD * math.log(max(1.0, fold)))
    return Range(max(0.0, fixed + middle / width - beside), fixed + middle, fixed + middle * width + beside)


def about(seconds: float) -> Range:
    """Return a time, which may be half or twice as long."""
    return Range(seconds / 2, seconds, 2 * seconds)
