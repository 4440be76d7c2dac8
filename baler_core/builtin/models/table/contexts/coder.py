"""Code a column by context mixing: the chances that contexts and a network give each decision, weighed by their success."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from baler_core.builtin.models.table.contexts.decisions import Decisions
from baler_core.builtin.models.table.contexts.mixers import (
    Mixers,
    Sets,
    decide,
    decide_fast,
    initial_corrections,
    initial_weights,
)
from baler_core.builtin.models.table.contexts.places import ContextSlots
from baler_core.builtin.models.table.contexts.references import CELLS, WIDTHS, kind_of
from baler_core.builtin.models.table.contexts.trees import BinTree
from baler_core.builtin.models.table.network.mixtures import (
    Mixture,
    sigmoid_table,
    upper_chance,
    weight_below,
    whole_weight,
)
from baler_core.entropy.arithmetic import ENCODING, Coder, code_bit
from baler_core.entropy.lanes import LANES
from baler_core.entropy.mixing import learn_counter, stretch
from baler_core.machine.compiled import Array, Integer, compiled, inlined, place_of, prefetch

COUNT_LIMIT = 511
_STATES = 1024
_TRUST = np.array([2048 * n // (2 * n + 1) for n in range(_STATES)], np.int64)
"""How far the chance of a counter that has seen n bits is trusted: 2^10 n / (n + 0.5)."""
_BIAS = 256
_NEAR = 1 << 16
"""So many counters at most stay in caches nearby."""
_SELECTED = 128
"""Most sets of weights that a parent selects among."""
_SIGMOIDS = sigmoid_table()
_UPPER_PARTS = np.array([65536 * (n + 1 >> 1) // max(n, 1) for n in range(4096)], np.int32)
"""The share of the upper part, of 2^16, when so many places are halved."""


class Selectors(NamedTuple):
    """Which weights a row uses.

    Attributes
    ----------
    first, last
        int64 (rows,): bins of the first and of the last parent.
    own
        Whether the first parent is the column itself in an earlier row.
    """

    first: Array
    last: Array
    own: bool


class WarmUp(NamedTuple):
    """Rows that are only learned from.

    Attributes
    ----------
    rows
        How many of the first rows: they are known to both sides, and coded to nowhere.
    registers
        Of the coder, to be taken up after them.
    """

    rows: Integer
    registers: Array


class ColumnCoding(NamedTuple):
    """What both sides know of a column before it is coded, and what adapts.

    Attributes
    ----------
    tree
        The bins.
    inner
        How many halvings inside a bin are mixed.
    slots, counters
        Where the contexts of each row keep their counters, and these: uint32.
    selectors
        Which weights a row uses.
    references
        int64 (rows, references): earlier rows whose values are looked at, -1 for none.
    decisions
        Cuts and priors.
    mixture
        The prediction of a network for each row; of no rows where there is none.
    thorough
        Whether all mixers join.
    rate
        How fast weights learn in the end.
    warm_up
        Rows that are only learned from.
    """

    tree: BinTree
    inner: Integer
    slots: ContextSlots
    counters: Array
    selectors: Selectors
    references: Array
    decisions: Decisions
    mixture: Mixture
    thorough: bool
    rate: Integer
    warm_up: WarmUp


@inlined
def _own_place(coded: Array, row: Integer, context: Integer, bins: Integer, places: ContextSlots) -> Integer:
    """Return by how much the column's own earlier rows move the place of a context."""
    moved = np.int64(0)
    for p in range(places.pasts.shape[1]):
        moved += coded[places.pasts[row, p]] * places.classes[context, p] // bins * places.own[context, p]
    return moved


@inlined
def _look_up(counters: Array, slots: Array, inputs: Array, base: Array, node: Integer, places: ContextSlots) -> Integer:
    """Store the chance that each context gives at this node; return how many contexts have seen it often."""
    sure = 0
    for c in range(len(base)):
        slot = places.offsets[c] + ((base[c] + node) & places.masks[c])
        slots[c] = slot
        counter = np.int64(counters[slot])
        seen = counter & 1023
        chance = counter >> 16
        inputs[2 * c] = (stretch(chance) * _TRUST[seen]) >> 10
        inputs[2 * c + 1] = ((chance - 32768) * _TRUST[seen]) >> 15
        if seen > 30:
            sure += 1
    return sure


@inlined
def _after(tree: BinTree, node: Integer, bit: Integer, inner: Integer) -> Integer:
    """Return the place of the decision that follows a bit at a node."""
    after = np.int64(tree.children[node, bit])
    return after if after >= 0 else len(tree.splits) + ((-1 - after) << inner) + 1


@inlined
def _fetch(counters: Array, base: Array, node: Integer, places: ContextSlots) -> None:
    """Have the counters of a decision that may come next fetched while this one is coded."""
    for c in range(len(base)):
        prefetch(counters, places.offsets[c] + ((base[c] + node) & places.masks[c]))


@inlined
def _look_back(
    counters: Array, slots: Array, inputs: Array, known: Array, rows: Array, cut: tuple[Integer, Integer]
) -> None:
    """Store the chances by the distances from earlier values to a cut (its place and width); 0 without an earlier row."""
    first, contexts = len(counters) - CELLS * len(known), len(slots) - len(known)
    for q in range(len(known)):
        slot = first + q * CELLS
        if rows[q] >= 0:
            slot += WIDTHS * kind_of(cut[0] - known[q]) + cut[1]
        c = contexts + q
        slots[c] = slot
        counter = np.int64(counters[slot])
        seen = counter & 1023 if rows[q] >= 0 else 0
        chance = counter >> 16
        inputs[2 * c] = (stretch(chance) * _TRUST[seen]) >> 10
        inputs[2 * c + 1] = ((chance - 32768) * _TRUST[seen]) >> 15


@inlined
def _weight_sets(
    mixer: Integer, sure: Integer, contexts: Integer, depth: Integer, bins: tuple[Integer, Integer]
) -> Sets:
    """Choose the weights of the three mixers: by node and confidence, by the first parent's bin, by the last parent's."""
    confidence = 0 if 3 * sure < contexts else 1 if 3 * sure < 2 * contexts else 2
    first, last = 4 * bins[0] + min(depth >> 1, 3), 4 * bins[1] + min((depth + 1) >> 1, 3)
    return 3 * mixer + confidence, first, last


@inlined
def _new_mixers(kinds: Integer, inputs: Integer, width: Integer) -> Mixers:
    return Mixers(initial_weights(3 * kinds + 8 * _SELECTED, inputs, width), initial_corrections(kinds))


@compiled
def code_column(coder: Coder, values: Array, column: ColumnCoding) -> None:
    """Encode `values` (int64) or decode into them, by the tree of bins and then by halvings inside a bin.

    A node leads to another of the tree or to one of the bins, whatever is read; a leaf is below 2^inner, as the loop ends
    at that level; places of counters are masked; bins of parents are within those of their plans, for the symbols of a
    column are checked when it is read (`blocks`). Edges are less than 2^62 apart (`plan`), so that differences of values,
    which lie between them, and widths in bits are in range. Earlier rows are before this one, or -1: the last of
    `coded`, and of `values`, which then does not count.
    """
    registers, data = coder
    tree, inner, places, counters, selectors, references, decisions, mixture, thorough, last_rate, warm_up = column
    middles, scores, priors, widths = decisions
    encoding, advised = registers[ENCODING] == 1, len(mixture.weights) > 0
    edges, nodes, contexts, last_bin = tree.edges, len(tree.splits), len(places.masks), len(tree.edges) - 2
    width, kinds = 2 * (contexts + references.shape[1]) + 3, nodes + inner + 1
    padded = (width + LANES - 1) // LANES * LANES
    inputs, base, known = (
        np.zeros(padded, np.int32),
        np.zeros(contexts, np.int64),
        np.zeros(references.shape[1], np.int64),
    )
    slots, mixers = np.zeros(contexts + len(known), np.int64), _new_mixers(kinds, width, padded)
    inputs[width - 3], far = _BIAS, len(counters) > _NEAR
    coded = np.zeros(len(values) + 1, np.int64)  # 1 + bin of each row so far; the last stays 0 and stands for none
    for row in range(len(values)):
        if row == warm_up.rows:
            registers[:] = warm_up.registers
            encoding = registers[ENCODING] == 1
        for c in range(contexts):
            base[c] = places.base[row, c] + _own_place(coded, row, c, last_bin + 2, places)
        for q in range(len(known)):
            known[q] = values[references[row, q]]
        first = coded[places.pasts[row, 0]] if selectors.own else selectors.first[row]
        parents = min(first, _SELECTED - 1), min(selectors.last[row], _SELECTED - 1)
        rate = 4 * last_rate + (24 * 4000) // (row + 4000)
        below, above = np.int64(0), whole_weight(row, mixture) if advised else np.int64(0)
        low, high = edges[0], edges[last_bin + 1]
        node, depth, leaf, level, found = 0 if nodes else -1, 0, 0, 0, 0
        while True:
            if node >= 0:
                place, mixer, depth = node, node, int(tree.depths[node])
            else:
                if leaf == 0:
                    found, leaf = -1 - node, 1
                    low, high = edges[found], edges[found + 1]
                if high - low < 2 or level >= inner:
                    break
                place, mixer, depth = nodes + (found << inner) + leaf, nodes + level, depth + 1
            middle, between = middles[place], np.int64(0)
            inputs[width - 2] = inputs[width - 1] = priors[place]
            if advised:
                between = weight_below(scores[place], row, mixture, _SIGMOIDS)
                chance = upper_chance(below, between, above)
                inputs[width - 1] = stretch(chance) if chance else 0
            if far and node >= 0:
                _fetch(counters, base, _after(tree, node, 0, inner), places)
                _fetch(counters, base, _after(tree, node, 1, inner), places)
            elif far:
                _fetch(counters, base, nodes + (found << inner) + 2 * leaf, places)
            sure = _look_up(counters, slots, inputs, base, place, places)
            _look_back(counters, slots, inputs, known, references[row], (middle, widths[place]))
            by_node, by_first, by_last = _weight_sets(mixer, sure, contexts, depth, parents)
            sets = (
                by_node * padded,
                (3 * kinds + by_first) * padded,
                (3 * kinds + 4 * _SELECTED + by_last) * padded,
            )
            bit = 1 if encoding and values[row] >= middle else 0
            if thorough:
                bit = decide(registers, data, bit, inputs, mixers, sets, (mixer, rate))
            else:
                bit = decide_fast(registers, data, bit, inputs, mixers, sets, rate)
            for c in range(len(slots)):
                learn_counter(counters, slots[c], bit, COUNT_LIMIT)
            below, above = (between, above) if bit else (below, between)
            if node >= 0:
                node = tree.children[node, bit]
            else:
                leaf, level = 2 * leaf + bit, level + 1
                low, high = (middle, high) if bit else (low, middle)
        coded[row] = found + 1
        code_rest(registers, data, values, row, low, high)


@inlined
def upper_part(size: Integer) -> Integer:
    """Return the chance of the upper part, of 2^16, when so many places, at least one, are halved."""
    return np.int64(_UPPER_PARTS[place_of(size)]) if size < 4096 else 32768


@inlined
def code_rest(registers: Array, data: Array, values: Array, row: Integer, low: Integer, high: Integer) -> None:
    """Code where between `low` and `high` (not included) a value lies, all places being equally likely.

    They are 1 to 2^62 apart, and come closer: the chance is between 1/3 and 2/3, and the loop ends.
    """
    encoding = registers[ENCODING] == 1
    while high - low > 1:
        middle = (low + high) >> 1
        if code_bit(registers, data, 1 if encoding and values[row] >= middle else 0, upper_part(high - low)):
            low = middle
        else:
            high = middle
    values[row] = low
