"""The symbols of one column, decision by decision (format/table.md: decisions, mixing)."""

from __future__ import annotations

from decimal import Decimal, localcontext

import numpy as np

from reference.arithmetic import HALF, Decoder, learned
from reference.mixing import REACH, STRETCH, squash
from reference.table_contexts import (
    BEFORE,
    IN_EVENT,
    POINTED,
    Context,
    Known,
    mixtures,
    recipes,
    recipes_with_predictor,
)
from reference.table_plan import Column

LIMIT, PRIOR_COUNT = 511, 6
CELLS, SPAN, KINDS_OF_WIDTHS, CELLS_OF_REFERENCE = 32, 2 * REACH + 1, 64, 256 * 64
THOROUGH, MOST_SELECTED = 8, 128
REFERENCES = (BEFORE, IN_EVENT, POINTED)
LN2 = 2839


def _table(function: str, one: int, places: range, cells: int) -> list[int]:
    with localcontext() as context:
        context.prec = 40
        if function == "sigmoid":
            exact = (one / (1 + (-Decimal(k) / cells).exp()) for k in places)
        else:
            exact = (one * (1 + Decimal(k) / cells).ln() for k in places)
        return [int(value.to_integral_value()) for value in exact]


SIGMOIDS = _table("sigmoid", 1 << 28, range(-20 * 64, 20 * 64 + 1), 64)
LOGARITHMS = _table("log", 4096, range(4097), 4096)


class Tree:
    """Binary decisions that lead to a bin: children (or −1 − bin), splits, chances, depths."""

    def __init__(self, masses: list[int]) -> None:
        sums = [0]
        for mass in masses:
            sums.append(sums[-1] + mass)
        self.children: list[list[int]] = []
        self.splits: list[int] = []
        self.chances: list[int] = []
        self.depths: list[int] = []
        spans, depths = [(0, len(masses))], [0]
        while len(self.splits) < len(spans) and len(masses) > 1:
            low, high = spans[len(self.splits)]
            split = self._split(sums, low, high)
            chance = ((sums[high] - sums[split]) << 16) // (sums[high] - sums[low])
            self.chances.append(min(max(chance, 32), 65536 - 32))
            pair = []
            for part in ((low, split), (split, high)):
                if part[1] - part[0] == 1:
                    pair.append(-1 - part[0])
                else:
                    pair.append(len(spans))
                    spans.append(part)
                    depths.append(depths[len(self.splits)] + 1)
            self.children.append(pair)
            self.depths.append(depths[len(self.splits)])
            self.splits.append(split)

    @staticmethod
    def _split(sums: list[int], low: int, high: int) -> int:
        twice = sums[low] + sums[high]
        first = next((k for k in range(low + 1, high - 1) if 2 * sums[k] >= twice), high - 1)
        if first - 1 > low and twice - 2 * sums[first - 1] < 2 * sums[first] - twice:
            return first - 1
        return first


def decode_symbols(data: bytes, number: int, known: Known, contexts: int) -> np.ndarray:
    """int64 (rows,)."""
    column = known.plan.columns[number]
    contexts = column.contexts or contexts
    if contexts == 1:
        return _decode_fast(Decoder(data), column, known, number)
    return ColumnDecoder(Decoder(data), column, known, number, contexts).run()


def _decode_fast(coder: Decoder, column: Column, known: Known, number: int) -> np.ndarray:
    assert column.edges is not None
    tree, parents, edges = Tree(column.masses), known.parents(number), column.edges.tolist()
    recipe, nodes = recipes(min(len(parents), 1), 2)[-1], max(len(tree.splits), 1)
    context = Context(parents, recipe, known.rows, nodes)
    one = [chance << 16 | PRIOR_COUNT for chance in tree.chances] or [HALF | PRIOR_COUNT]
    counters = [one[place % nodes] for place in range(context.mask + 1)]
    coded, values, primer = [0] * (known.rows + 1), [], known.primer_of(number)
    for row, told in enumerate([*primer, *[None] * (known.rows - len(primer))]):
        place, node = context.place(row, coded, column.bins), 0 if tree.splits else -1
        while node >= 0:
            coder.tell(told, edges[tree.splits[node]])
            node = tree.children[node][coder.counted(counters, place + node & context.mask, 32, LIMIT)]
        coded[row] = -node
        values.append(rest(coder, edges[-1 - node], edges[-node], told))
    return np.array(values, "<i8")


def rest(coder: Decoder, low: int, high: int, told: int | None) -> int:
    """A value in low .. high − 1, all being equally likely."""
    while high - low > 1:
        middle = (low + high) >> 1
        chance = 65536 * (high - middle) // (high - low) if high - low < 4096 else 32768
        coder.tell(told, middle)
        low, high = (middle, high) if coder.bit(chance) else (low, middle)
    return low


class ColumnDecoder:
    """A column by mixed contexts."""

    def __init__(self, coder: Decoder, column: Column, known: Known, number: int, contexts: int) -> None:
        assert column.edges is not None
        self.coder, self.column, self.rows, self.edges = coder, column, known.rows, column.edges.tolist()
        self.tree, parents = Tree(column.masses), known.parents(number)
        self.primer = known.primer_of(number)
        self.nodes, network = len(self.tree.splits), column.network
        self.mixtures = None
        if network is not None:
            inputs = np.concatenate([known.features(c) for c in network.columns])
            self.mixtures = mixtures(network, inputs)
        most = contexts * 5 // 8 if network else contexts
        chosen = recipes_with_predictor(len(parents), most) if column.predictor else recipes(len(parents), most)
        size = self.nodes + (column.bins << column.inner)
        self.contexts = [Context(parents, recipe, known.rows, size) for recipe in chosen]
        self.counters = [[HALF] * (context.mask + 1) for context in self.contexts]
        self.references = [
            known.rows_at(place).tolist() for k, place in enumerate(REFERENCES) if column.looks_back >> k & 1
        ]
        self.counters += [[HALF] * CELLS_OF_REFERENCE for _ in self.references]
        nothing = [0] * known.rows
        self.first = parents[0].bins.tolist() if parents else nothing
        self.last = parents[-1].bins.tolist() if len(parents) > 1 else nothing
        self.own = parents[0].own.tolist() if parents and parents[0].own is not None else None
        self.width, self.thorough = 2 * len(self.counters) + 3, contexts >= THOROUGH
        self.rate = 3 if network else 4
        self.weights: list[dict[int, list[int]]] = [{}, {}, {}]
        self.corrections: dict[int, list[int]] = {}
        self.sums = [0]
        for mass in column.masses:
            self.sums.append(self.sums[-1] + (mass << 8))

    def run(self) -> np.ndarray:
        self.coded, self.values = [0] * (self.rows + 1), [0] * self.rows
        for row in range(self.rows):
            self.told = self.primer[row] if row < len(self.primer) else None
            self.values[row] = self._value(row)
        return np.array(self.values, "<i8")

    def _value(self, row: int) -> int:
        tree, edges, inner = self.tree, self.edges, self.column.inner
        self.row = row
        self.bases = [context.place(row, self.coded, self.column.bins) for context in self.contexts]
        first = self.coded[self.own[row]] if self.own else self.first[row]
        self.selected = min(first, MOST_SELECTED - 1), min(self.last[row], MOST_SELECTED - 1)
        self.below = 0
        self.above = sum(weight for weight, _, _ in self.mixtures[row]) << 28 if self.mixtures else 0
        low, high, node, depth = edges[0], edges[-1], 0 if tree.splits else -1, 0
        while node >= 0:
            depth, split = tree.depths[node], tree.splits[node]
            prior = STRETCH[tree.chances[node] >> 2]
            bit = self._decide(node, node, depth, edges[split], high - low, self.sums[split], prior)
            low, high = (edges[split], high) if bit else (low, edges[split])
            node = tree.children[node][bit]
        found, leaf, level = -1 - node, 1, 0
        low, high = edges[found], edges[found + 1]
        share, whole, start = self.sums[found + 1] - self.sums[found], high - low, low
        while high - low >= 2 and level < inner:
            middle, depth = (low + high) >> 1, depth + 1
            place = self.nodes + (found << inner) + leaf
            below = self.sums[found] + share * (middle - start) // whole
            bit = self._decide(place, self.nodes + level, depth, middle, high - low, below, 0)
            low, high = (middle, high) if bit else (low, middle)
            leaf, level = 2 * leaf + bit, level + 1
        self.coded[row] = found + 1
        return rest(self.coder, low, high, self.told)

    def _decide(self, place: int, mixer: int, depth: int, middle: int, width: int, below: int, prior: int) -> int:
        """Whether the value is `middle` or above."""
        inputs, slots, sure = self._inputs(place, middle, width)
        between, advice = 0, prior
        if self.mixtures:
            between = weight_below(score(below, self.sums[-1]), self.mixtures[self.row])
            chance = upper_chance(self.below, between, self.above)
            advice = STRETCH[chance >> 2] if chance else 0
        inputs += [256, prior, advice]
        confidence = (3 * sure >= len(self.contexts)) + (3 * sure >= 2 * len(self.contexts))
        sets = [3 * mixer + confidence, 4 * self.selected[0] + min(depth >> 1, 3)]
        sets.append(4 * self.selected[1] + min((depth + 1) >> 1, 3))
        self.coder.tell(self.told, middle)
        bit = self._mix(inputs, sets, mixer)
        for counters, slot in zip(self.counters, slots, strict=True):
            counters[slot] = learned(counters[slot], bit, LIMIT)
        self.below, self.above = (between, self.above) if bit else (self.below, between)
        return bit

    def _inputs(self, place: int, middle: int, width: int) -> tuple[list[int], list[int], int]:
        inputs: list[int] = []
        slots, sure = [], 0
        for counters, context, base in zip(self.counters, self.contexts, self.bases, strict=False):
            slots.append(base + place & context.mask)
            seen = counters[slots[-1]] & 1023
            inputs += _pair(counters[slots[-1]] >> 16, seen)
            sure += seen > 30
        for counters, rows in zip(self.counters[len(self.contexts) :], self.references, strict=True):
            earlier = rows[self.row]
            there = earlier >= 0
            kind = kind_of(middle - self.values[earlier]) if there else 0
            slots.append(KINDS_OF_WIDTHS * kind + width.bit_length() if there else 0)
            inputs += _pair(counters[slots[-1]] >> 16, counters[slots[-1]] & 1023 if there else 0)
        return inputs, slots, sure

    def _mix(self, inputs: list[int], sets: list[int], mixer: int) -> int:
        used = 3 if self.thorough else 2
        rate = 4 * self.rate + 24 * 4000 // (self.row + 4000)
        rows = [
            weights.setdefault(number, [0] * (self.width - 1) + [65536])
            for weights, number in zip(self.weights[:used], sets, strict=False)
        ]
        sums = [min(max(sum(w * x for w, x in zip(row, inputs, strict=True)) >> 16, -REACH), REACH) for row in rows]
        if self.thorough:
            bit = self._corrected(sum(sums) * 21845 >> 16, mixer)
        else:
            bit = self.coder.bit(min(max(squash((sums[0] + sums[1]) >> 1), 16), 65520))
        for row, total in zip(rows, sums, strict=True):
            change = ((bit << 16) - squash(total)) * rate
            for i, x in enumerate(inputs):
                row[i] = (row[i] + (x * change + 524288 >> 20) + 2**31 & 0xFFFFFFFF) - 2**31
        return bit

    def _corrected(self, mean: int, mixer: int) -> int:
        if mixer not in self.corrections:
            self.corrections[mixer] = [squash(cell * SPAN // CELLS - REACH) << 4 for cell in range(CELLS + 2)]
        curve, place = self.corrections[mixer], (mean + REACH) * CELLS
        cell = place // SPAN
        part = (place - cell * SPAN) * 4096 // SPAN
        corrected = (curve[cell] * (4096 - part) + curve[cell + 1] * part) >> 16
        bit = self.coder.bit(min(max((squash(mean) + corrected) >> 1, 16), 65520))
        near = cell if part < 2048 else cell + 1
        curve[near] += ((bit << 20) - bit - curve[near]) >> 6
        return bit


def _pair(chance: int, seen: int) -> list[int]:
    trust = 2048 * seen // (2 * seen + 1)
    return [STRETCH[chance >> 2] * trust >> 10, (chance - 32768) * trust >> 15]


def kind_of(distance: int) -> int:
    left, more = abs(distance), 0
    while left >= 4096:
        left, more = left >> 10, more + 40
    octave = left.bit_length() - 1
    part = (left << 2 >> octave) & 3 if octave >= 0 else 0
    kind = min((4 * octave + part + 1 if left else 0) + more, 126)
    return 128 + kind if distance > 0 else 128 - kind


def score(below: int, total: int) -> int:
    return _log(max(below, 1)) - _log(max(total - below, 1))


def _log(number: int) -> int:
    power = number.bit_length() - 1
    scaled = number >> (power - 12) if power > 12 else number << (12 - power)
    return LOGARITHMS[scaled - 4096] + power * LN2


def weight_below(point: int, mixture: list[tuple[int, int, int]]) -> int:
    total = 0
    for weight, centre, scale in mixture:
        far = min(max((point - centre) * scale >> 8, 1 - 20 * 4096), 20 * 4096 - 1) + 20 * 4096
        at, part = SIGMOIDS[far >> 6], far & 63
        total += weight * (at + ((SIGMOIDS[(far >> 6) + 1] - at) * part >> 6))
    return total


def upper_chance(low: int, middle: int, high: int) -> int:
    between = (high - low) >> 12
    return min(max(((high - middle) >> 12) * 65536 // between, 1), 65535) if between >= 1 else 0
