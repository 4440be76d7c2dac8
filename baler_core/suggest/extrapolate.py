"""Extrapolate from samples of a file, coded with little effort, to the bytes and the time of the whole."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from baler_core.machine.records import dataclass
from baler_core.pipeline.coded_sample import CodedGroup, CodedSample


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


# Medians of research files (benchmarks/predict.py compares); times differ by a factor of two between files. What more
# effort saves differs so much that it is measured on the small sample; these bytes are for groups that it lacks.
EFFECTS: Mapping[str, Effect] = {
    "table": Effect(1.0, 4.5),
    "transform": Effect(0.96, 4.0),
    "predictive": Effect(0.93, 4.0),
    "scalar": Effect(0.99, 4.0),
    "exact": Effect(1.0, 1.0),
}
_OTHER = Effect(1.0, 4.0)
# Models learn as they see more: bytes per value fall with their number towards what a long file takes, faster than by its
# root, since what is stored once counts too. Networks of columns, which need many rows, save a little more.
_LEARNING, _NETWORKS = 0.75, 0.97
_LEARNERS = ("table",)
# The width of the interval to either side, in logarithms: of a sample; for each factor e that the whole is larger, more
# below than above, since some tables gain much by networks; and of a model that learns for so short a time that it says
# little of what a long training gives. Few bytes say less: by the root of their number.
_SPREAD, _LESS_PER_FOLD, _MORE_PER_FOLD, _BRIEFLY, _FEW = 0.06, 0.07, 0.03, 0.7, 8.0
# What headers of a sample and of the whole differ by, in bytes.
_BESIDE = 64
# Of a file that was coded as a whole: what names of files and versions may add.
_WHOLE, _WHOLE_BYTES = 0.005, 16
_LEAST_EFFECT = 0.5


def extrapolated(small: CodedGroup | None, large: CodedGroup) -> float:
    """Return the bytes of the values of a whole group with the effort of the samples.

    Parameters
    ----------
    small
        The same group of a smaller sample. It says something of tables alone, whose models go on learning. The statistics
        of a field are known after some tiles, and a smaller sample of it is cut into smaller ones.
    """
    rate = large.nbytes / max(1, large.native)
    if large.whole <= large.native or small is None or small.native >= large.native:
        return rate * large.whole
    learns = large.model in _LEARNERS
    fall = (small.native / large.native) ** -_LEARNING - 1
    learned = max(0.0, small.nbytes / max(1, small.native) - rate) / fall if learns else 0.0
    left = 1 - (large.native / large.whole) ** _LEARNING
    more = _NETWORKS if learns else 1.0
    return more * max(rate - learned * left, 0.25 * rate) * large.whole


def with_effort(small: CodedGroup, tried: CodedGroup) -> float:
    """Return what part of the bytes of little effort is left of a group that was coded with more effort, too."""
    return min(1.0, max(_LEAST_EFFECT, tried.nbytes / max(1.0, small.nbytes)))


def usual_effort(group: CodedGroup) -> float:
    """Return what part of the bytes of little effort the default effort leaves, by kind of model."""
    return EFFECTS.get(group.model, _OTHER).nbytes


def effect_of(sample: CodedSample) -> Effect:
    """Return what the default effort does to a file of which a sample was coded with little."""
    total = max(1, sum(group.whole for group in sample.groups.values()))
    found = [(group.whole / total, EFFECTS.get(group.model, _OTHER)) for group in sample.groups.values()]
    return Effect(sum(s * e.nbytes for s, e in found), sum(s * e.seconds for s, e in found))


def known(nbytes: float) -> Range:
    """Return the size of a file that was coded as it will be."""
    width = _WHOLE * nbytes + _WHOLE_BYTES
    return Range(nbytes - width, nbytes, nbytes + width)


def with_interval(middle: float, fold: float, fixed: float = 0.0, *, briefly: bool = False) -> Range:
    """Return an expected number with its interval.

    Parameters
    ----------
    fold
        How many times the sample the whole is.
    fixed
        Bytes that are known and not uncertain.
    briefly
        Whether models were trained for a short time alone.
    """
    spread = (_BRIEFLY if briefly else _SPREAD) + _FEW / math.sqrt(max(middle, _FEW**2))
    folds = math.log(max(1.0, fold))
    less, more = math.exp(spread + _LESS_PER_FOLD * folds), math.exp(spread + _MORE_PER_FOLD * folds)
    return Range(max(0.0, fixed + middle / less - _BESIDE), fixed + middle, fixed + middle * more + _BESIDE)


def about(seconds: float) -> Range:
    """Return a time, which may be half or twice as long."""
    return Range(seconds / 2, seconds, 2 * seconds)
