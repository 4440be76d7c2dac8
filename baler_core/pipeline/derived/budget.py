"""Find what the inputs of derived quantities may lose, by trying rounding errors on a sample of a block."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from decimal import ROUND_FLOOR, Decimal
from types import MappingProxyType

import numpy as np

from baler_core.data.bounds import Tolerance, usable
from baler_core.data.variables import Variable
from baler_core.machine.records import dataclass
from baler_core.pipeline.derived.quantities import Computed, Derived
from baler_core.plugin.quantity import Around

# No input loses more than this part of its value or of its spread, nor more than the quantity itself, however little
# of it the quantity sees.
MOST = 0.01
NO_BOUNDS: Mapping[str, float] = MappingProxyType({})
# An input alone may use its share up in so many cells: what is worth more bits is decided by all together.
_FEW_CELLS = 0.1
# About the bits that a value takes that is stored exactly, with its place.
_EXACT_BITS = 40.0
_OTHER_SPREAD = 10.0
# A relative error must save so many bits per value more: equal steps suit models better.
_LATTICE = 0.3
# Errors are tried in steps of this factor, over so many of them and so many powers of two.
_STEP = math.sqrt(2.0)
_POWERS = 40
# Where few cells hang on many values, a cell that misses costs all of them: what held on a sample gets half as much more room.
_JOINED = 1000
_ROOM = 0.5


@dataclass(frozen=True)
class Share:
    """The error that an input may have for a quantity: `abs` or `rel`, in stored units; or a part of what each value may.

    Attributes
    ----------
    kind
        `abs`, `rel`, or `each`: of what a bound of its own allows to each value.
    """

    kind: str
    value: float

    def of(self, values: np.ndarray, variable: Variable, each: np.ndarray | None = None) -> np.ndarray:
        """Return the error allowed to each stored value.

        Parameters
        ----------
        each
            What its own bound allows to each value, under `each`.
        """
        if self.kind == "each":
            return self.value * (np.zeros(values.shape) if each is None else each)
        if self.kind == "abs":
            return np.full(values.shape, self.value)
        with np.errstate(all="ignore"):
            return self.value * np.abs(values.astype(np.float64) + variable.offset / variable.scale)

    def times(self, factor: float) -> Share:
        """Return a larger or smaller one."""
        return replace(self, value=self.value * factor)


@dataclass(frozen=True)
class TriedRows:
    """Original values of a part of a block, stored ones by variable, with what lies around them.

    Attributes
    ----------
    each
        What own bounds allow to each value, in stored units, of variables whose bounds follow from errors or noise.
    """

    arrays: Mapping[str, np.ndarray]
    around: Around
    each: Mapping[str, np.ndarray] = field(default_factory=dict)


def shares_of(
    one: Derived, sample: TriedRows, kinds: Mapping[str, Sequence[str]], own: Mapping[str, float] = NO_BOUNDS
) -> dict[str, Share]:
    """Return what each input may lose: equal shares of what the quantity may, then one factor for all.

    The factor is the one that takes fewest bits: larger errors save bits in every value, but more cells miss their bound,
    and what they depend on is stored exactly.

    Parameters
    ----------
    kinds
        For each input that may lose something: `abs`, `rel` or both, of which the better is taken; or `each`.
    own
        What inputs may lose by bounds of their own, in the same kind.
    """
    if not kinds:
        return {}
    trial = _Trial(one, sample, len(kinds), own)
    alone = {name: trial.best_alone(name, offered) for name, offered in kinds.items()}
    factor = trial.best_factor(alone)
    found = {}
    for name, share in alone.items():
        wanted, most = share.value * factor, trial.most(name, share.kind)
        # A bound of its own that is fine enough stays as it is.
        value = most if wanted >= most and (name in own or share.kind == "each") else _two_digits(min(wanted, most))
        found[name] = Share(share.kind, value)
    return found


def moved_by_bounds(
    one: Derived, sample: TriedRows, kinds: Mapping[str, Sequence[str]], own: Mapping[str, float]
) -> tuple[float, float] | None:
    """Return how far the quantity moves if its inputs lose what bounds of their own allow; None if there are none.

    Parameters
    ----------
    kinds, own
        As for `shares_of`.

    Returns
    -------
    tuple
        The largest error of a cell, and the largest share of what is allowed to one.
    """
    shares = {
        name: Share(kind, own.get(name, 1.0)) for name, (kind, *_) in kinds.items() if name in own or kind == "each"
    }
    return _Trial(one, sample, len(shares), own).worst(shares) if shares else None


def _spread(values: np.ndarray) -> float:
    """Between the first and the last percent of the values."""
    return float(np.subtract(*np.quantile(values, (0.99, 0.01)))) if values.size else 0.0


def _two_digits(number: float) -> float:
    """The largest number of two digits that is not above another."""
    exact = Decimal(number)
    return float(exact.quantize(Decimal(1).scaleb(exact.adjusted() - 1), ROUND_FLOOR)) or number


class _Trial:
    """Tries errors of inputs on a sample."""

    def __init__(self, one: Derived, sample: TriedRows, inputs: int, own: Mapping[str, float]) -> None:
        self._one = one
        self._own = own
        self._sample = sample
        self._computed: Computed = one.original(sample.arrays, sample.around)
        self._allowed = one.allowed(self._computed.values)
        self._judged = np.isfinite(self._computed.values) & (self._allowed > 0)
        self._inputs = inputs
        self._most = self._largest_part()
        random = np.random.default_rng(1)
        self._noise = {name: random.uniform(-1, 1, sample.arrays[name].shape) for name in one.names}
        self._variables = {variable.name: variable for variable in one.inputs}

    def _largest_part(self) -> float:
        """What part of its value, or of its spread, the quantity itself may lose; `MOST` at most."""
        bound = self._one.rule.bound
        if bound.kind != "abs":
            return min(MOST, bound.value)
        spread = _spread(self._computed.values[self._judged])
        # A difference or a logarithm has another spread than its inputs.
        return min(MOST, _OTHER_SPREAD * bound.value / spread) if spread > 0 else MOST

    def most(self, name: str, kind: str) -> float:
        """Return the largest error that is tried of an input: that of its own bound, if it has one."""
        if kind == "each":
            return 1.0
        if name in self._own:
            return self._own[name]
        if kind == "rel":
            return self._most
        variable = self._variables[name]
        values = self._sample.arrays[name]
        known = values[usable(values, variable.fill, variable.limits)].astype(np.float64)
        return self._most * (_spread(known) or float(np.abs(known).max(initial=0.0)) or 1.0)

    def best_alone(self, name: str, kinds: Sequence[str]) -> Share:
        """Return the largest error of one input with which the quantity keeps its share nearly everywhere."""
        found = [self._largest_alone(name, kind) for kind in kinds]
        saved = {share: self._bits_saved(name, share) - (_LATTICE if share.kind == "rel" else 0.0) for share in found}
        return max(found, key=saved.__getitem__)

    def _bits_saved(self, name: str, share: Share) -> float:
        allowed = self._allowed_to(name, share)
        return float(np.mean(np.log2(allowed[allowed > 0]))) if (allowed > 0).any() else -math.inf

    def _allowed_to(self, name: str, share: Share) -> np.ndarray:
        return share.of(self._sample.arrays[name], self._variables[name], self._sample.each.get(name))

    def _largest_alone(self, name: str, kind: str) -> Share:
        share = Share(kind, self.most(name, kind))
        wanted = _FEW_CELLS * max(1, int(np.count_nonzero(self._judged)))
        for _ in range(_POWERS):
            after = self._with({name: share})
            if np.count_nonzero(self._missed(after, self._inputs)) <= wanted:
                break
            share = share.times(0.5)
        return share

    def best_factor(self, shares: Mapping[str, Share]) -> float:
        """Return the factor of all shares that takes the fewest bits."""
        costs: dict[int, float] = {}
        for step in (4, 2, 1):
            middle = min(costs, key=lambda power: costs[power]) if costs else 0
            tried = range(-_POWERS, _POWERS + 1, step) if not costs else (middle - step, middle + step)
            for power in tried:
                factor = _STEP**power
                missed = self._missed(self._with({name: share.times(factor) for name, share in shares.items()}), 1)
                costs[power] = self._bits(shares, factor, missed)
        best = _STEP ** min(costs, key=lambda power: costs[power])
        values = max(self._sample.arrays[name].size for name in shares)
        return best * _ROOM if values > _JOINED * max(1, self._computed.values.size) else best

    def _bits(self, shares: Mapping[str, Share], factor: float, missed: np.ndarray) -> float:
        """Bits that all inputs take, up to a constant."""
        bits = 0.0
        exact = self._one.depends(missed, self._computed.trace) if missed.any() else {}
        for name, share in shares.items():
            size = self._sample.arrays[name].size
            used = min(factor, self.most(name, share.kind) / share.value)
            bits += _EXACT_BITS * np.count_nonzero(exact.get(name, False)) - size * math.log2(used)
        return bits

    def worst(self, shares: Mapping[str, Share]) -> tuple[float, float]:
        """Return the largest error with errors of some inputs, and the largest share of what is allowed."""
        with np.errstate(all="ignore"):
            error = np.abs(self._with(shares) - self._computed.values)
            share = error / self._allowed
        known = self._judged & np.isfinite(error)
        return float(error[known].max(initial=0.0)), float(share[known].max(initial=0.0))

    def _with(self, shares: Mapping[str, Share]) -> np.ndarray:
        """The quantity with errors of some inputs."""
        arrays = dict(self._sample.arrays)
        for name, share in shares.items():
            variable, values = self._variables[name], arrays[name]
            limited = Share(share.kind, min(share.value, self.most(name, share.kind)))
            with np.errstate(all="ignore"):
                moved = values.astype(np.float64) + self._noise[name] * self._allowed_to(name, limited)
            kept = usable(values, (*variable.fill, *variable.flags), variable.limits)
            whole = values.dtype.kind in "iu"
            with np.errstate(all="ignore"):
                arrays[name] = np.where(kept, np.rint(moved) if whole else moved, values).astype(values.dtype)
        return self._one.restored(arrays, self._computed)[0]

    def _missed(self, after: np.ndarray, inputs: int) -> np.ndarray:
        """Cells that use up more than their part of what is allowed; those that allow nothing do not count."""
        with np.errstate(all="ignore"):
            return np.asarray(self._judged & ~(np.abs(after - self._computed.values) <= self._allowed / inputs))


def tightened(tolerance: Tolerance, share: Share) -> Tolerance:
    """Return the tolerance of an input that keeps both its own bound and its share.

    Formulas are not part of it: the bounds that they stand in must follow.
    """
    if share.kind == "each":
        if tolerance.noise is None:
            return tolerance
        return replace(tolerance, noise=tolerance.noise._replace(fraction=tolerance.noise.fraction * share.value))
    if tolerance.kind == "bits":
        bits = max(tolerance.value, math.ceil(-math.log2(share.value)) - 1.0)
        return replace(tolerance, value=min(bits, 52.0))
    if tolerance.kind == "free":
        return replace(tolerance, kind=share.kind, value=share.value)  # type: ignore[arg-type]
    return replace(tolerance, value=min(tolerance.value, share.value))
