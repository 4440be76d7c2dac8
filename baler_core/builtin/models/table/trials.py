"""Try ways to code a column on a part of the sample, and keep the one with the fewest bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field, replace

import numpy as np

from baler_core.builtin.models.table.coded_columns import CodedColumns
from baler_core.builtin.models.table.contexts.predictor import FEATURES, ONE, Predictor, Scatter
from baler_core.builtin.models.table.contexts.symbols import smooth_bits
from baler_core.builtin.models.table.effort import TableEffort
from baler_core.builtin.models.table.network.inference import Network
from baler_core.builtin.models.table.network.weights import networks_to_bytes
from baler_core.builtin.models.table.plan import REFERENCES, ColumnPlan
from baler_core.builtin.models.table.streams import encode_symbols
from baler_core.entropy.bytes import zstd
from baler_core.entropy.integers import STRONGER, estimated_bytes, narrow, pack_integers
from baler_core.machine.records import dataclass

_INNER = (0, 2, 5)
"""Halvings inside a bin to try."""
_INNER_REFERRED = (2, 5, 8)
"""References predict what is deep inside a bin better than contexts do."""
_WEIGHT_BITS = 5
"""What a weight of a predictor takes in the plan, about."""
_KNOT_BYTES = 2
"""What a bin takes in the plan, about."""
_GENEROUS = 2.0
"""A predictor is tried that by what it explains would save half of what it takes."""
SHORT = 2000
"""Rows below which one depth of mixing is tried, and of all references only the nearest, and only where rows resemble it."""
_RESEMBLES = 0.3
"""Bits per value that differences from an earlier row may take more than the values themselves: between independent rows
they take half a bit more, or above."""
_NEARLY = 1.002
"""Fewer contexts are taken, which are faster, if they take at most so many times the bytes."""
_HOPELESS = 1.1
"""Short columns that by an estimate take so many times their bytes if packed are not packed in full to see."""


@dataclass(frozen=True)
class SizedColumn:
    """A plan of a column, its bytes for the rows that were encoded, and about what it takes for all of the sample."""

    plan: ColumnPlan
    size: float
    all_bytes: float


@dataclass(frozen=True)
class ColumnTrial:
    """Where ways are tried.

    Attributes
    ----------
    head
        All columns of the first rows: what is encoded to compare.
    scatter
        Of all columns in rows from everywhere: what predictors learn from; None without predictors.
    rows
        Of the whole sample, among which the bytes of the plan are shared.
    """

    head: CodedColumns
    scatter: Scatter | None
    effort: TableEffort
    rows: int
    _bits: dict[int, float] = field(default_factory=dict, compare=False, repr=False)

    @property
    def _share(self) -> float:
        """What part of the bytes of a plan the rows that are encoded must bear."""
        return self.head.rows / self.rows

    def _sized(self, plan: ColumnPlan, size: float) -> SizedColumn:
        return SizedColumn(plan, size, size / self._share)

    def with_contexts(self, number: int, plan: ColumnPlan, earlier: Sequence[int]) -> SizedColumn:
        """Return the cheapest depth of a column (its plan with bins and parents), perhaps with a predictor.

        Parameters
        ----------
        earlier
            Columns that a predictor may look at.
        """
        best, size = plan, np.inf
        depths = self._depths(plan)
        if (self.effort.one_depth or self.head.rows < SHORT) and len(depths) > 1:
            depths = [depths[self._is_uneven(number, plan)]]
        for candidate in depths:
            bytes_ = self._size(number, candidate) + _KNOT_BYTES * plan.bins * self._share
            if bytes_ >= size:  # what is deeper still is no better
                break
            best, size = candidate, bytes_
        predictor = None if self.scatter is None else self.scatter.predictor(number, earlier)
        if predictor is not None and self._may_pay(number, predictor):
            candidate = replace(best, predictor=predictor)
            fixed = (plan.bins * _KNOT_BYTES + _weight_bytes(predictor)) * self._share
            bytes_ = self._size(number, candidate) + fixed
            if bytes_ < size:
                best, size = candidate, bytes_
        return self._sized(best, size)

    def _may_pay(self, number: int, predictor: Predictor) -> bool:
        """Return whether what a predictor explains, less what so many weights explain of mere noise, may be worth them."""
        if self.scatter is None or self.head.rows >= SHORT:
            return True
        explained = _explained(self.scatter, number, predictor)
        free = self.head.rows - 1 - int(np.count_nonzero(predictor.weights))
        left = (1 - explained) * (self.head.rows - 1) / max(free, 1)
        bits = -0.5 * np.log2(max(left, 1e-9)) * self.head.rows
        return bool(_GENEROUS * bits / 8 > _weight_bytes(predictor))

    def cheapest(
        self, number: int, found: SizedColumn, past: Sequence[int], network: Network | None = None
    ) -> SizedColumn:
        """Return the cheapest plan of a column: as it was found with contexts, with its network or references, or packed.

        Parameters
        ----------
        past
            Places of earlier rows that may be references.
        """
        best, size = self._with_network(number, found.plan, found.size, network)
        best, size = self._with_references(number, best, size, past)
        if self.effort.keep_networks and best.network is not None:
            return self._sized(best, size)
        packed = self._packed_size(number, size)
        if packed < size:
            plain = replace(found.plan, packed=True, parents=(), inner=0, predictor=None)
            return self._sized(plain, packed)
        return self._sized(*self._with_fewer_contexts(number, best, size))

    def _with_fewer_contexts(self, number: int, plan: ColumnPlan, size: float) -> tuple[ColumnPlan, float]:
        """Return the plan with the fewest contexts that hardly cost bytes; `size` is what it takes with all."""
        if not self.effort.fewer_contexts or self.head.rows < SHORT:
            return plan, size
        coded = self._size(number, plan)
        found = [(self._size(number, fewer), fewer) for fewer in self._fewer(plan)]
        fixed = size - coded
        least = (fixed + min(coded, *(bytes_ for bytes_, _ in found))) * _NEARLY
        for bytes_, fewer in reversed(found):
            if fixed + bytes_ <= least and self._stays_near(number, (fewer, bytes_), (plan, coded)):
                return fewer, fixed + bytes_
        return plan, size

    def _stays_near(self, number: int, fewer: tuple[ColumnPlan, float], usual: tuple[ColumnPlan, float]) -> bool:
        """Return whether a plan hardly takes more than another in later rows too: many contexts learn for longer."""
        if self.head.rows == self.rows:
            return True
        first = self.head.head(self.head.rows // 2)
        later, others = (size - _coded_size(first, number, plan, self.effort) for plan, size in (fewer, usual))
        return later <= others * _NEARLY

    def _fewer(self, plan: ColumnPlan) -> list[ColumnPlan]:
        """Return the plan with fewer contexts, the most first; what one context alone does not use is left out."""
        effort, found = self.effort, list[ColumnPlan]()
        for contexts in effort.fewer_contexts:
            if contexts > 1:
                found.append(replace(plan, contexts=contexts))
            elif not (effort.keep_networks and plan.network):
                alone = replace(plan, parents=plan.parents[:1], inner=0, predictor=None, network=None, references=())
                found.append(replace(alone, contexts=contexts))
        return found

    def _with_network(
        self, number: int, plan: ColumnPlan, size: float, network: Network | None
    ) -> tuple[ColumnPlan, float]:
        """Return the plan with the column's network, and perhaps without its predictor, if that is smaller."""
        if network is None:
            return plan, size
        fixed = len(networks_to_bytes([network])) + len(network.columns) + plan.bins * _KNOT_BYTES

        def sized(candidate: ColumnPlan) -> float:
            weights = 0.0 if candidate.predictor is None else _weight_bytes(candidate.predictor)
            return self._size(number, candidate) + (fixed + weights) * self._share

        advised = [replace(plan, network=network)]
        if plan.predictor is not None:
            advised.append(replace(plan, network=network, predictor=None))
        least, best = min(((sized(candidate), candidate) for candidate in advised), key=lambda found: found[0])
        if least >= size and not self.effort.keep_networks:
            return plan, size
        for depth in self._depths(plan):
            candidate = replace(best, inner=depth.inner)
            bytes_ = sized(candidate) if depth.inner != plan.inner else np.inf
            if bytes_ < least:
                least, best = bytes_, candidate
        return best, least

    def _with_references(
        self, number: int, plan: ColumnPlan, size: float, past: Sequence[int]
    ) -> tuple[ColumnPlan, float]:
        """Return the plan with the references that save enough, the best first, and then perhaps mixed more deeply."""
        if self.effort.worth_of_reference is None:
            return plan, size
        if self.head.rows < SHORT:
            past = past[-1:] if self._resembles(number, past[-1]) else ()
        if not past:
            return plan, size
        fixed = size - self._size(number, plan)
        while rest := [place for place in past if place not in plan.references]:
            tried = [replace(plan, references=(*plan.references, place)) for place in rest]
            least, best = min(((fixed + self._size(number, c), c) for c in tried), key=lambda found: found[0])
            if least > size * (1 - self.effort.worth_of_reference):
                break
            plan, size = best, least
        for inner in _INNER_REFERRED if plan.references else ():
            deeper = replace(plan, inner=inner)
            least = fixed + self._size(number, deeper) if inner > plan.inner else np.inf
            if least < size * (1 - self.effort.worth_of_reference):
                plan, size = deeper, least
        return replace(plan, references=tuple(place for place in REFERENCES if place in plan.references)), size

    def _is_uneven(self, number: int, plan: ColumnPlan) -> bool:
        """Return whether values lie so unevenly in the quarters of their bins that learning how saves more than it takes."""
        assert plan.marginal is not None
        edges, bins, values = plan.marginal.edges, self.head.bins(number), self.head.values(number)
        widths = edges[bins + 1] - edges[bins]
        quarters = np.minimum((values - edges[bins]) / widths * 4, 3).astype(np.int64)
        counts = np.bincount((bins * 4 + quarters)[widths > 1], minlength=4 * plan.marginal.bins).reshape(-1, 4)
        total = counts.sum(axis=1)
        # ideal bits of an adaptive coder (Krichevsky, Trofimov 1981) beside two for each value
        learned = _log_products(counts, 0.5).sum() - _log_products(total, 2.0).sum()
        return bool(-learned < 2 * total.sum() * np.log(2))

    def _resembles(self, number: int, place: int) -> bool:
        """Return whether values are mostly near those of an earlier row."""
        symbols, rows = self.head.values(number), self.head.rows_at(place)
        there = rows >= 0
        if not there.any():
            return False
        moved = symbols[there] - symbols[rows[there]]
        return smooth_bits(moved) < self._smooth_bits(number) + _RESEMBLES

    def _smooth_bits(self, number: int) -> float:
        """Return bits per value of a column by itself; it is asked for twice."""
        if number not in self._bits:
            self._bits[number] = smooth_bits(self.head.values(number))
        return self._bits[number]

    def _packed_size(self, number: int, mixed: float) -> float:
        """Measure the packed column in bytes; infinite if a fast compressor shows that they are many more than `mixed`."""
        symbols = self.head.values(number)
        smooth = self._smooth_bits(number) * len(symbols) / 8 * 0.95
        if len(symbols) < SHORT:
            return _short_packed_size(symbols, mixed, smooth)
        if min(len(zstd(symbols.astype("<i4").tobytes(), 3)) / 1.4, smooth) > mixed:
            return np.inf
        return float(len(pack_integers(symbols)))

    def _depths(self, plan: ColumnPlan) -> list[ColumnPlan]:
        widest = int(np.diff(plan.marginal.edges).max()) if plan.marginal is not None else 1
        depths = _INNER if self.effort.contexts > 1 else (0,)
        return [replace(plan, inner=inner) for inner in depths if not inner or widest > 1 << (inner - 1)]

    def _size(self, number: int, plan: ColumnPlan) -> float:
        return _coded_size(self.head, number, plan, self.effort)


def _coded_size(rows: CodedColumns, number: int, plan: ColumnPlan, effort: TableEffort) -> float:
    context = rows.context_of(number, plan)
    return float(len(encode_symbols(rows.values(number), plan, context, effort.contexts)))


def _explained(scatter: Scatter, number: int, predictor: Predictor) -> float:
    """Return what share of the variance of a column's score a predictor explains."""
    place = {column: FEATURES * k for k, column in enumerate(scatter.columns)}
    inside = np.concatenate([np.arange(place[c], place[c] + FEATURES) for c in predictor.columns])
    weights, own = predictor.weights.ravel() / ONE, place[number]
    match = scatter.products[inside, own]
    given = 2 * weights @ match - weights @ scatter.products[np.ix_(inside, inside)] @ weights
    return float(given / max(scatter.products[own, own], 1e-9))


def _short_packed_size(symbols: np.ndarray, mixed: float, smooth: float) -> float:
    """Measure a short packed column in bytes, fast methods first; `smooth` is what it takes if nothing comes again."""
    repeated = STRONGER * len(zstd(narrow(symbols)[1], 3))
    if min(repeated, smooth) > _HOPELESS * mixed:
        return np.inf
    least = estimated_bytes(symbols)
    if least > _HOPELESS * mixed:
        return np.inf
    return least if least < repeated else float(len(pack_integers(symbols, thorough=False)))


def _log_products(counts: np.ndarray, first: float) -> np.ndarray:
    """Return the sum of log(first + i) for i below each count (integers, any shape): float64."""
    steps = np.concatenate([[0.0], np.cumsum(np.log(first + np.arange(int(counts.max(initial=0)))))])
    return np.asarray(steps[counts])


def _weight_bytes(predictor: Predictor) -> float:
    """Estimate what the predictor adds to the plan."""
    return float(np.count_nonzero(predictor.weights) * _WEIGHT_BITS + predictor.weights.size) / 8 + len(
        predictor.columns
    )
