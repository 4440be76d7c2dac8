"""Predict a column's score from all earlier columns by small integer weights, in exact arithmetic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, localcontext

import numpy as np

from baler_core.builtin.models.table.contexts.marginals import Marginal
from baler_core.builtin.models.table.contexts.places import ParentColumn
from baler_core.builtin.models.table.contexts.symbols import SymbolMap
from baler_core.entropy.mixing import STRETCH
from baler_core.machine.compiled import Array, Integer, compiled
from baler_core.machine.records import dataclass
from baler_core.quantise.lattice import Lattice, LogLattice

ONE = 64
"""A weight of 1; also the size of a feature of 1."""
FEATURES = 4
_LARGEST_WEIGHT = 127
_RIDGE = 1e-3
_MOST_LOOKED_AT = 48
"""Columns that a predictor may use: those with the strongest products with the target."""
_FAR = 1000
# Of e, beyond the largest number: lattices of a damaged file may have any step.
_LARGEST_EXPONENT = Decimal(2000)
"""Largest linear score, where 512 is the distance between the 1 % and 99 % borders."""


@dataclass(frozen=True)
class Predictor:
    """A linear predictor of a column's score.

    Attributes
    ----------
    columns
        Earlier columns that it looks at.
    weights
        int8 (columns, FEATURES), in units of 1 / ONE.
    """

    columns: tuple[int, ...]
    weights: np.ndarray


def features(
    values: np.ndarray, bins: np.ndarray, marginal: Marginal, lattice: Lattice, symbols: SymbolMap
) -> np.ndarray:
    """Return features of a column for predictors: int16 (FEATURES, rows), about +-8 * ONE.

    They are the score (log-odds of the marginal's cumulative share), its square, the value on a linear scale, and whether
    it is the heaviest value.

    Parameters
    ----------
    values, bins
        int64 (rows,): symbols and their bins.
    """
    cumulative = np.concatenate([[0], np.cumsum(marginal.masses)])
    at_edges = STRETCH[np.minimum(cumulative * len(STRETCH) // cumulative[-1], len(STRETCH) - 1)].astype(np.int64)
    heaviest = int(np.argmin(marginal.levels))
    alone = marginal.edges[heaviest + 1] - marginal.edges[heaviest] == 1
    found = np.zeros((FEATURES, len(values)), np.int16)
    scales = at_edges, linear_edges(marginal, lattice, symbols)
    fill_features(found, values, bins, marginal.edges, *scales, heaviest if alone else -1)
    return found


@compiled
def fill_features(
    found: Array, values: Array, bins: Array, edges: Array, scores: Array, linear: Array, spike: Integer
) -> None:
    """Interpolate what is known at the edges of bins (int64) to the middle of each value's unit cell.

    Bins are within the edges, as symbols were checked when they were read; of very wide bins products may wrap around.
    """
    for row in range(len(values)):
        b = bins[row]
        part, whole = 2 * (values[row] - edges[b]) + 1, 2 * (edges[b + 1] - edges[b])
        score = (scores[b] + (scores[b + 1] - scores[b]) * part // whole) >> 2
        found[0, row] = score
        found[1, row] = (score * score) >> 8
        found[2, row] = linear[b] + (linear[b + 1] - linear[b]) * part // whole
        found[3, row] = ONE if b == spike else 0


def linear_edges(marginal: Marginal, lattice: Lattice, symbols: SymbolMap) -> np.ndarray:
    """Return the edges of the bins as values on a linear scale, in exact decimal arithmetic: int64 within +-_FAR."""
    codes = marginal.edges.tolist()
    if symbols.kind == "dictionary":
        words = symbols.dictionary
        codes = [int(words[min(max(code, 0), len(words) - 1)]) for code in codes]
    with localcontext() as context:
        context.prec = 30
        values = [_linear_value(code, lattice) for code in codes]
        shares = np.cumsum(marginal.masses)
        first, last = np.searchsorted(shares, [shares[-1] // 100, shares[-1] * 99 // 100])
        low, high = values[int(first)], values[int(last) + 1]
        spread = high - low if high > low else Decimal(1)
        found = [int(((value - (low + high) / 2) * 512 / spread).to_integral_value()) for value in values]
    return np.clip(np.array(found, dtype=object), -_FAR, _FAR).astype(np.int64)


def _linear_value(code: int, lattice: Lattice) -> Decimal:
    if not isinstance(lattice, LogLattice):
        return Decimal(code)
    exponent = min(Decimal(lattice.step) * (abs(code) + lattice.smallest), _LARGEST_EXPONENT)
    return exponent.exp().copy_sign(Decimal(code)) if code else Decimal(0)


@dataclass(frozen=True)
class Scatter:
    """Products of the features of all columns, from which any ridge regression of scores follows.

    Attributes
    ----------
    columns
        Column numbers; each has FEATURES rows and columns of `products`, its score first.
    products
        float64: mean products of centred features.
    """

    columns: Sequence[int]
    products: np.ndarray

    @classmethod
    def of(cls, known: Mapping[int, np.ndarray]) -> Scatter:
        """Return the scatter of columns whose features are (FEATURES, rows) integers."""
        inputs = np.concatenate([known[c] for c in known]).T.astype(np.float32, order="C") / ONE
        inputs -= inputs.mean(axis=0)
        return cls(list(known), (inputs.T @ inputs).astype(np.float64) / max(1, len(inputs)))

    def predictor(self, target: int, candidates: Sequence[int]) -> Predictor | None:
        """Fit a ridge regression of a column's score to the features of candidate columns; None if all weights are 0."""
        place = {column: FEATURES * k for k, column in enumerate(self.columns)}
        strength = {c: np.abs(self.products[place[target], place[c] : place[c] + FEATURES]).max() for c in candidates}
        looked = sorted(sorted(strength, key=lambda c: -strength[c])[:_MOST_LOOKED_AT])
        if not looked:
            return None
        inside = np.concatenate([np.arange(place[c], place[c] + FEATURES) for c in looked])
        within = self.products[np.ix_(inside, inside)] + _RIDGE * np.eye(len(inside))
        answer = np.linalg.solve(within, self.products[inside, place[target]]) * ONE
        weights = np.clip(np.rint(answer), -_LARGEST_WEIGHT, _LARGEST_WEIGHT).astype(np.int8).reshape(-1, FEATURES)
        used = [int(u) for u in np.flatnonzero(weights.any(axis=1))]
        return Predictor(tuple(looked[u] for u in used), weights[used]) if used else None


def predicted(predictor: Predictor, known: Mapping[int, np.ndarray]) -> ParentColumn:
    """Predict the predicted scores of a block, as classes of equal numbers of rows: 256 as values, 64 as bins."""
    total = np.zeros(known[predictor.columns[0]].shape[1], np.int64)
    for column, weights in zip(predictor.columns, predictor.weights.astype(np.int64), strict=True):
        add_weighted(total, known[column], weights)
    ranked = np.sort(total)
    borders = np.unique(ranked[np.arange(1, 256) * len(ranked) // 256])
    fine = np.searchsorted(borders, total, side="right")
    return ParentColumn(fine, fine >> 2, 64)


@compiled
def add_weighted(total: Array, inputs: Array, weights: Array) -> None:
    """Add to int64 (rows,) the weighted sum of inputs (int16, a row each); weights of 0 cost nothing."""
    for f in range(len(weights)):
        weight = weights[f]
        if weight != 0:
            for row in range(len(total)):
                total[row] += weight * np.int64(inputs[f, row])
