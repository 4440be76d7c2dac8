"""Find the steps of variables whose errors are limited on average: code a block, measure what came of it, correct."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from baler_core.data.bound_syntax import MeanKind
from baler_core.data.bounds import Tolerance
from baler_core.data.mean_errors import MeanError, within
from baler_core.data.variables import Variable
from baler_core.errors import BoundBroken
from baler_core.machine.records import dataclass

logger = logging.getLogger(__name__)
# An error is near enough to its limit from this share of it on; what is aimed at, as other steps do not do quite what is
# expected of them.
_NEAR, _AIM = 0.98, 0.993
# After so many tries the largest step that was known to hold is taken; after half of them, one that is about the largest.
_MOST_TRIES = 6
_ABOUT = 1.2
# Where errors vanish, steps grow by so much.
_GROWTH = 4.0
# Steps that do not hold beside those of other variables: how much smaller they get, and how often, before they are exact.
_SMALLER, _MOST_SMALLER = 0.8, 3
# What a step does to errors on average, as a share of it, if they are evenly spread: half of it, or a root of a third.
_SHARE: Mapping[MeanKind, float] = {"mean_abs": 0.5, "mean_rel": 0.5, "rms": 1 / math.sqrt(3)}
_LARGEST_RELATIVE = 0.99


def with_step(tolerance: Tolerance, step: float) -> Tolerance:
    """Return what single errors may be under a limit on average: `step` at most, `abs` or `rel` as suits; 0 for none."""
    if tolerance.mean is None:
        return tolerance
    if not step > 0:
        return replace(tolerance, kind="exact", value=0.0)
    if tolerance.kind == "free":
        return replace(tolerance, kind="rel" if tolerance.mean[0] == "mean_rel" else "abs", value=step)
    return replace(tolerance, value=min(step, tolerance.value))


def first_steps(tolerances: Mapping[str, Tolerance], variables: Sequence[Variable]) -> dict[str, float]:
    """Return steps whose errors would meet the limits if they were evenly spread, for variables that have such limits."""
    scales = {variable.name: abs(variable.scale) for variable in variables}
    return {
        name: _first_step(tolerance, scales[name])
        for name, tolerance in tolerances.items()
        if tolerance.mean is not None and tolerance.lossy
    }


def _first_step(tolerance: Tolerance, scale: float) -> float:
    kind, limit = _limit(tolerance)
    relative = kind == "mean_rel"
    if tolerance.kind not in ("free", "rel" if relative else "abs"):
        return tolerance.value
    return min(_AIM * limit / _SHARE[kind] / (1.0 if relative else scale), _most(tolerance))


def _limit(tolerance: Tolerance) -> tuple[MeanKind, float]:
    if tolerance.mean is None:
        raise ValueError("a tolerance without a limit on average needs no step")
    return tolerance.mean


def _most(tolerance: Tolerance) -> float:
    """Return the largest step that may be tried."""
    if tolerance.kind != "free":
        return tolerance.value
    return _LARGEST_RELATIVE if _limit(tolerance)[0] == "mean_rel" else math.inf


class WithMeans(Protocol):
    """What was encoded, with its errors on average by variable."""

    @property
    def means(self) -> Mapping[str, MeanError]: ...


Coded = TypeVar("Coded", bound=WithMeans)


@dataclass
class _Search:
    """The search for one variable's step.

    Attributes
    ----------
    held, broken
        The largest step known to meet the limit, and the smallest known not to.
    whole
        Whether only whole steps differ.
    """

    limit: float
    step: float
    most: float
    whole: bool
    held: float = 0.0
    broken: float = math.inf
    tries: int = 0

    def learn(self, error: float) -> bool:
        """Take note of the error on average that the present step makes; return whether it is the one, or choose the next."""
        holds = within(error, self.limit)
        self.tries += 1
        if holds:
            self.held = max(self.held, self.step)
        else:
            self.broken = min(self.broken, self.step)
        if holds and (error >= _NEAR * self.limit or self.step >= self.most or self._is_about_largest(error)):
            return True
        self.step = self._next(error)
        return False

    def _is_about_largest(self, error: float) -> bool:
        if self.whole and self.broken < math.floor(self.step) + 2:
            return True
        return 2 * self.tries > _MOST_TRIES and (self.broken < _ABOUT * self.step or error == 0)

    def _next(self, error: float) -> float:
        aimed = self.step * (_AIM * self.limit / error if error > 0 else _GROWTH)
        low, high = self.held, min(self.broken, self.most)
        if not low < aimed < high:
            between = math.sqrt(low * high) if low else high / _GROWTH
            aimed = min(self.most if self.broken > self.most else between, _GROWTH * self.step)
        # Of whole steps, the next that is not known to hold.
        return float(max(math.floor(aimed), math.floor(low) + 1)) if self.whole else aimed


def tuned(
    stated: Mapping[str, Tolerance],
    whole: Mapping[str, bool],
    steps: Mapping[str, float],
    encode: Callable[[Mapping[str, float]], Coded],
) -> tuple[Coded, dict[str, float]]:
    """Encode a block with steps for which all errors on average are within their limits, mostly by less than 2 %.

    Parameters
    ----------
    stated
        Tolerances of the variables before they had steps.
    whole
        Whether a variable holds integers.
    steps
        Where to begin, for each variable with such a limit.
    encode
        Encodes the block with some steps; 0 stands for exactly.

    Raises
    ------
    BoundBroken
        If not even exact values are within, which is a bug.
    """
    searches = {
        name: _Search(_limit(stated[name])[1], step, _most(stated[name]), whole[name]) for name, step in steps.items()
    }
    best: tuple[Coded, dict[str, float]] | None = None
    for _ in range(_MOST_TRIES):
        tried = {name: search.step for name, search in searches.items()}
        coded = encode(tried)
        errors = {name: coded.means[name].value(_limit(stated[name])[0]) for name in searches}
        logger.debug("errors on average %s with steps %s", errors, tried)
        if all(within(errors[name], search.limit) for name, search in searches.items()):
            best = coded, tried
        found = [search.learn(errors[name]) for name, search in searches.items()]
        if all(found):
            break
    return best if best is not None else _safest(stated, searches, encode)


def _safest(
    stated: Mapping[str, Tolerance],
    searches: Mapping[str, _Search],
    encode: Callable[[Mapping[str, float]], Coded],
) -> tuple[Coded, dict[str, float]]:
    """Encode a block of several variables that did not meet their limits at once.

    By the largest steps that are known to hold for each, or the next to try. Errors of a variable may depend on the steps of those that it
    follows from, so steps that do not hold now are made smaller, and then exact; at last all are.
    """
    steps = {name: search.held or search.step for name, search in searches.items()}
    for attempt in range(2 * _MOST_SMALLER + 1):
        coded = encode(steps)
        broken = [
            name
            for name, search in searches.items()
            if not within(coded.means[name].value(_limit(stated[name])[0]), search.limit)
        ]
        if not broken:
            return coded, steps
        for name in searches if attempt == 2 * _MOST_SMALLER - 1 else broken:
            smaller = _SMALLER * steps[name] if attempt < _MOST_SMALLER else 0.0
            steps[name] = float(math.floor(smaller)) if searches[name].whole else smaller
    raise BoundBroken(f"{', '.join(map(repr, searches))}: a limit on average is broken by exact values")
