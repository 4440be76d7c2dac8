"""What is known of each row before a column is coded (format/table.md: sources, features, networks, contexts)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, localcontext

import numpy as np

from reference.lattice import LOG
from reference.mixing import STRETCH
from reference.table_plan import COMPONENTS, DICTIONARY, FEATURES, OF_EVENT, PLACES, Column, Network, Plan

HERE, BEFORE, IN_EVENT, SECOND, FIRST, EVENT, POINTED = range(7)
MOST_COUNTED, MOST_LINEAR, EXACT = 15, 1000, -1
LARGEST_TABLE, ODD = 18, 0x9E3779B1


@dataclass
class Parent:
    """Values and bins of each row, how many bins; for the column itself, the earlier row that is looked at."""

    values: np.ndarray
    bins: np.ndarray
    count: int
    own: np.ndarray | None = None


class Known:
    """The columns coded so far; `primer` are symbols of rows that are known before, for each column, or nothing."""

    def __init__(self, plan: Plan, rows: int, lengths: np.ndarray, primer: list[np.ndarray]) -> None:
        self.plan, self.rows, self.primer = plan, rows, primer
        borders = np.concatenate([[0], np.cumsum(lengths)])
        self.position = np.arange(rows) - np.repeat(borders[:-1], lengths)
        self.size = np.repeat(lengths, lengths)
        self.pointed = np.full(rows, -1)
        self.columns: dict[int, Parent] = {}
        self.found_features: dict[int, np.ndarray] = {}

    def add(self, number: int, symbols: np.ndarray | None) -> None:
        column, nothing = self.plan.columns[number], np.zeros(self.rows, "<i8")
        if symbols is not None and number == self.plan.pointer:
            there = (symbols >= 0) & (symbols < self.position)
            self.pointed = np.where(there, np.arange(self.rows) - self.position + symbols, -1)
        if symbols is None or column.edges is None:
            self.columns[number] = Parent(nothing, nothing, 1)
        else:
            bins = np.searchsorted(column.edges, symbols, side="right") - 1
            self.columns[number] = Parent(symbols, bins, column.bins)

    def primer_of(self, number: int) -> list[int]:
        """Known symbols of a column."""
        return self.primer[number].tolist() if self.primer else []

    def rows_at(self, place: int) -> np.ndarray:
        rows = np.arange(self.rows)
        if place == POINTED:
            return self.pointed
        if place == BEFORE:
            return rows - 1
        back = {IN_EVENT: 1, SECOND: 2}.get(place, self.position)
        return np.where(self.position >= np.maximum(back, 1), rows - back, -1)

    def parents(self, number: int) -> list[Parent]:
        column = self.plan.columns[number]
        found = [self._parent(number, source) for source in column.parents]
        if column.predictor:
            total = sum(weights @ self.features(other) for other, weights in column.predictor.items())
            ranked = np.sort(total)
            borders = np.unique(ranked[np.arange(1, 256) * self.rows // 256])
            fine = np.searchsorted(borders, total, side="right")
            found.append(Parent(fine, fine >> 2, 64))
        return found

    def _parent(self, number: int, source: int) -> Parent:
        count = len(self.plan.columns)
        place, column = divmod(source, count)
        if source >= PLACES * count:
            rest = source - PLACES * count - OF_EVENT
            if rest < 0:
                counts = self.position if rest == -OF_EVENT else self.size
                return Parent(counts, np.minimum(counts, MOST_COUNTED), MOST_COUNTED + 1)
            place, column = POINTED, rest
        if column == number:
            nothing = np.zeros(self.rows, "<i8")
            return Parent(nothing, nothing, self.plan.columns[number].bins + 1, self.rows_at(place))
        known = self.columns[column]
        if place == HERE:
            return known
        rows = self.rows_at(place)
        there = rows >= 0
        values, bins = np.where(there, known.values[rows], -1), np.where(there, known.bins[rows] + 1, 0)
        return Parent(values, bins, known.count + 1)

    def features(self, number: int) -> np.ndarray:
        """int64 (4, rows)."""
        if number not in self.found_features:
            self.found_features[number] = self._features(self.plan.columns[number], self.columns[number])
        return self.found_features[number]

    def _features(self, column: Column, known: Parent) -> np.ndarray:
        found = np.zeros((FEATURES, self.rows), "<i8")
        if column.edges is None or known.count == 1:
            return found
        sums = np.concatenate([[0], np.cumsum(column.masses)])
        scores = np.array(STRETCH)[np.minimum(sums * 16384 // sums[-1], 16383)]
        linear, b, edges = linear_edges(column), known.bins, column.edges
        part, whole = 2 * (known.values - edges[b]) + 1, 2 * (edges[b + 1] - edges[b])
        found[0] = (scores[b] + (scores[b + 1] - scores[b]) * part // whole) >> 2
        found[1] = found[0] * found[0] >> 8
        found[2] = linear[b] + (linear[b + 1] - linear[b]) * part // whole
        heaviest = int(np.argmin(column.levels))
        found[3] = 64 * ((b == heaviest) & (edges[heaviest + 1] - edges[heaviest] == 1))
        return found


def linear_edges(column: Column) -> np.ndarray:
    """The edges of bins on a linear scale, in decimal arithmetic of 30 digits."""
    assert column.edges is not None
    codes = column.edges.tolist()
    if column.kind == DICTIONARY:
        words = column.dictionary.tolist()
        codes = [words[min(max(code, 0), len(words) - 1)] for code in codes]
    with localcontext() as context:
        context.prec = 30
        values = [_linear(code, column) for code in codes]
        shares = np.cumsum(column.masses)
        first, last = np.searchsorted(shares, [shares[-1] // 100, shares[-1] * 99 // 100])
        low, high = values[int(first)], values[int(last) + 1]
        spread = high - low if high > low else Decimal(1)
        found = [int(((value - (low + high) / 2) * 512 / spread).to_integral_value()) for value in values]
    return np.array([min(max(value, -MOST_LINEAR), MOST_LINEAR) for value in found], "<i8")


def _linear(code: int, column: Column) -> Decimal:
    if column.lattice.kind != LOG or column.steps is not None:
        return Decimal(code)
    step = column.lattice.step
    exponent = Decimal(step) * min(abs(code) + column.lattice.offset, round(2000 / step))
    return exponent.exp().copy_sign(Decimal(code)) if code else Decimal(0)


def _exp_table(one: int, first: int, last: int) -> list[int]:
    with localcontext() as context:
        context.prec = 40
        return [int(((-Decimal(k) / 16).exp() * one).to_integral_value()) for k in range(first, last + 1)]


EXPS, WIDTHS = _exp_table(1 << 16, 0, 160), _exp_table(256, -112, 40)


def mixtures(network: Network, inputs: np.ndarray) -> list[list[tuple[int, int, int]]]:
    """For each row three logistics: weight, centre, inverse width."""
    into, skip, out, bias, out_bias = network.matrices
    hidden = np.clip((into.T @ inputs + bias.T * 64 + 32) >> 6, 0, 255)
    outputs, centres = out.T @ hidden + out_bias.T * 32, skip.T @ inputs
    found = []
    for o, c in zip(outputs.T.tolist(), centres.T.tolist(), strict=True):
        top = max(o[:COMPONENTS])
        weights = [EXPS[min((top - o[k] + 64) >> 7, 160)] + 1 for k in range(COMPONENTS)]
        weights = [weight * 65536 // sum(weights) + 1 for weight in weights]
        widths = [WIDTHS[min(max((o[2 * COMPONENTS + k] + 64) >> 7, -112), 40) + 112] for k in range(COMPONENTS)]
        found.append([(weights[k], c[k] + 2 * o[COMPONENTS + k], widths[k]) for k in range(COMPONENTS)])
    return found


Recipe = tuple[tuple[int, int], ...]


def recipes(parents: int, most: int) -> list[Recipe]:
    """The contexts of so many parents: (number of the parent, classes) of each part."""
    listed: list[tuple[int, list[Recipe]]] = [
        (0, [()]),
        (1, [((p, 64),) for p in range(parents)]),
        (2, [((0, 32), (1, 32))]),
        (1, [((0, EXACT),)]),
        (3, [((0, 16), (1, 16), (2, 16)), ((0, 32), (2, 32)), ((1, 32), (2, 32))]),
        (2, [((0, EXACT), (1, EXACT)), ((0, 64), (1, 64))]),
        (4, [((0, 8), (1, 8), (2, 8), (3, 8)), ((0, 32), (3, 32))]),
        (3, [((0, 32), (1, 32), (2, 32))]),
    ]
    return [recipe for least, found in listed if parents >= least for recipe in found][:most]


def recipes_with_predictor(parents: int, most: int) -> list[Recipe]:
    p = parents - 1
    found: list[Recipe] = [((p, 64),), ((p, EXACT),)]
    found += [((p, 32), (0, 32)), ((p, 16), (0, 64))] if p >= 1 else []
    found += [((p, 32), (1, 32)), ((p, 16), (0, 16), (1, 16))] if p >= 2 else []
    plain = recipes(p, most)
    return [*plain[: parents + 1], *found, *plain[parents + 1 :]][: most + 4]


class Context:
    """Where a context keeps its counters in each row."""

    def __init__(self, parents: list[Parent], recipe: Recipe, rows: int, nodes: int) -> None:
        number, count = np.zeros(rows, "<i8"), 1
        pasts: list[list[int]] = []  # of the column's own earlier rows: parent, factor, classes
        for place, classes in recipe:
            parent = parents[place]
            if classes == EXACT and parent.own is None:
                distinct, part = np.unique(parent.values, return_inverse=True)
                own = len(distinct)
            else:
                own = parent.count if classes == EXACT else min(classes, parent.count)
                part = parent.bins * own // parent.count
            number, count = number * own + part, count * max(own, 1)
            for past in pasts:
                past[1] *= own
            if parent.own is not None:
                pasts.append([place, 1, own])
        bits = min(max(1, (min(count, rows) * nodes - 1).bit_length()), LARGEST_TABLE)
        self.mask, direct = (1 << bits) - 1, count * nodes <= 1 << bits
        self.base = ((number * nodes if direct else hashed(number)) & self.mask).tolist()
        factor = nodes if direct else ODD
        own_rows = {place: parents[place].own for place, _, _ in pasts}
        self.pasts = [
            (own_rows[place].tolist(), classes, moved * factor if direct else moved * factor & self.mask)  # type: ignore[union-attr]
            for place, moved, classes in pasts
        ]

    def place(self, row: int, coded: list[int], bins: int) -> int:
        """`coded` holds 1 + bin of each row so far, and 0 last."""
        return self.base[row] + sum(coded[rows[row]] * n // (bins + 1) * moved for rows, n, moved in self.pasts)


def hashed(number: np.ndarray) -> np.ndarray:
    mixed = number.astype("<u8") * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(29)
    return (mixed * np.uint64(0xBF58476D1CE4E5B9) >> np.uint64(33)).astype("<i8")
