"""Context mixing: what several contexts say about a binary decision, weighed by how right they were, in exact integers.

Method: logistic mixing of adaptive counters as in the PAQ family (Mahoney 2005, "Adaptive weighing of context models for
lossless data compression"), with a tree of bins in place of bytes.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from baler_core.builtin.models.table.coder import decode_bit, decode_even, encode_bit, encode_even
from baler_core.compiled import compiled

Array: TypeAlias = np.ndarray
LIMIT = 2047
HALF_COUNTER = 1 << 30
"""A counter that has seen nothing: chance 1/2 in its upper 22 bits, count 0 in its lower 9."""
COUNT_BITS = 9
COUNT_MASK = (1 << COUNT_BITS) - 1


@compiled
def _gather(
    counters: Array,
    slots: Array,
    inputs: Array,
    base: Array,
    node: int,
    masks: Array,
    offsets: Array,
    stretch: Array,
    trust: Array,
) -> int:
    """Look up what each context knows at this node; returns how many know it well."""
    sure = 0
    for c in range(len(masks)):
        slot = int(offsets[c]) + ((int(base[c]) + node) & int(masks[c]))
        slots[c] = slot
        counter = int(counters[slot])
        count = counter & COUNT_MASK
        chance = counter >> (COUNT_BITS + 10)
        belief = int(trust[count])
        inputs[2 * c] = (int(stretch[chance]) * belief) >> 10
        inputs[2 * c + 1] = ((chance - 2048) * belief) >> 11
        if count > 30:
            sure += 1
    return sure


@compiled
def _dot(inputs: Array, weights: Array) -> int:
    total = 0
    for k in range(len(weights)):
        total += int(inputs[k]) * int(weights[k])
    total >>= 16
    return min(max(total, -LIMIT), LIMIT)


@compiled
def _learn(inputs: Array, weights: Array, error: int) -> None:
    for k in range(len(weights)):
        weights[k] += (int(inputs[k]) * error + (1 << 17)) >> 18


@compiled
def _count(counters: Array, slots: Array, bit: int, rates: Array) -> None:
    """Move every counter towards the bit it should have foreseen."""
    for c in range(len(slots)):
        counter = int(counters[slots[c]])
        count = counter & COUNT_MASK
        chance = counter >> COUNT_BITS
        target = 4194303 if bit else 0
        chance += (((target - chance) >> 2) * int(rates[count])) >> 14
        if count < COUNT_MASK:
            count += 1
        counters[slots[c]] = (chance << COUNT_BITS) | count


@compiled
def _blend(inputs: Array, first: Array, second: Array, chances: Array, squash: Array) -> int:
    """The mean log-odds of two mixers as a chance of 16 bits; leaves each mixer's own in `chances`."""
    a, b = _dot(inputs, first), _dot(inputs, second)
    chances[0] = squash[a + LIMIT]
    chances[1] = squash[b + LIMIT]
    return int(squash[((a + b) >> 1) + LIMIT])


@compiled
def code_column(
    decoding: bool, state: Array, data: Array, values: Array, edges: Array, children: Array, splits: Array,
    chances0: Array, depths: Array, inner: int, base: Array, masks: Array, offsets: Array, own: Array, classes: Array,
    counters: Array, selector: Array, own_selects: bool, mixers: int, stretch: Array, squash: Array, trust: Array,
    rates: Array, speed: int, known: int,
) -> None:  # fmt: skip
    """Encode `values` into `data`, or decode `data` into `values` (both int64 and uint8, changed in place).

    The first `known` values are not coded but learned from.
    """
    contexts = len(masks)
    slots = np.zeros(contexts, np.int64)
    inputs = np.zeros(2 * contexts + 2, np.int64)
    chances = np.zeros(2, np.int64)
    nodes = len(splits)
    width = 2 * contexts + 2
    by_node = np.zeros((nodes + inner + 1, 3, width), np.int32)
    by_node[:, :, width - 1] = 65536
    by_parent = np.zeros((mixers, 4, width), np.int32)
    by_parent[:, :, width - 1] = 65536
    inputs[width - 2] = 256
    past, bins = 0, len(edges)
    place0 = np.zeros(contexts, np.int64)
    for row in range(len(values)):
        for c in range(contexts):
            place0[c] = int(base[row, c]) + past * int(classes[c]) // bins * int(own[c])
        chosen = min(past, mixers - 1) if own_selects else int(selector[row])
        step = speed + (6 * 4000) // (row + 4000)
        low, high = int(edges[0]), int(edges[len(edges) - 1])
        value = int(values[row])
        node = 0 if nodes else -1
        place, depth = 0, 0
        leaf = 0
        while True:
            if node >= 0:
                middle = int(edges[splits[node]])
                place, mixer = node, node
                depth = int(depths[node])
                inputs[width - 1] = stretch[chances0[node] >> 4]
            else:
                if leaf == 0:
                    low, high = int(edges[-1 - node]), int(edges[-node])
                    leaf = 1
                    past = -node
                    inputs[width - 1] = 0
                    level = 0
                if high - low < 2 or level >= inner:
                    break
                middle = (low + high) >> 1
                place, mixer = nodes + ((-1 - node) << inner) + leaf, nodes + level
                depth += 1
            sure = _gather(counters, slots, inputs, place0, place, masks, offsets, stretch, trust)
            first = by_node[mixer, 0 if 3 * sure < contexts else 1 if 3 * sure < 2 * contexts else 2]
            second = by_parent[chosen, 0 if depth < 2 else 1 if depth < 4 else 2 if depth < 6 else 3]
            chance = _blend(inputs, first, second, chances, squash)
            if decoding and row >= known:
                bit = decode_bit(state, data, chance)
            else:
                bit = 1 if value >= middle else 0
                if row >= known:
                    encode_bit(state, data, chance, bit)
            _learn(inputs, first, ((bit << 16) - int(chances[0])) * step)
            _learn(inputs, second, ((bit << 16) - int(chances[1])) * step)
            _count(counters, slots, bit, rates)
            if node >= 0:
                node = int(children[node, bit])
            else:
                if bit:
                    low = middle
                else:
                    high = middle
                leaf = 2 * leaf + bit
                level += 1
        if row < known:
            continue
        if high - low > 1:
            if decoding:
                low += decode_even(state, data, high - low)
            else:
                encode_even(state, data, value - low, high - low)
        if decoding:
            values[row] = low


PRIOR_COUNT = 6
"""What the marginal's chance is worth at the start, in bits seen."""


def marginal_counters(chances: Array, places: int, nodes: int, size: int) -> Array:
    """Counters of `size` table places that start at the marginal's chances: `places` per context, `nodes` in the tree."""
    one = np.full(places, HALF_COUNTER, np.int64)
    one[:nodes] = chances.astype(np.int64) << (6 + COUNT_BITS)
    return np.resize(one | PRIOR_COUNT, size).astype(np.int32)


@compiled
def code_by_counters(
    decoding: bool, state: Array, data: Array, values: Array, edges: Array, children: Array, splits: Array,
    base: Array, own: int, classes: int, mask: int, counters: Array, rates: Array, known: int,
) -> None:  # fmt: skip
    """The same as `code_column` with one context and no mixing: fast."""
    slot = np.zeros(1, np.int64)
    past = 0
    for row in range(len(values)):
        place = int(base[row]) + past * classes // len(edges) * own
        value = int(values[row])
        node = 0 if len(splits) else -1
        while node >= 0:
            slot[0] = (place + node) & mask
            chance = min(max(int(counters[slot[0]]) >> (COUNT_BITS + 6), 32), 65536 - 32)
            if decoding and row >= known:
                bit = decode_bit(state, data, chance)
            else:
                bit = 1 if value >= edges[splits[node]] else 0
                if row >= known:
                    encode_bit(state, data, chance, bit)
            _count(counters, slot, bit, rates)
            node = int(children[node, bit])
        low, high = int(edges[-1 - node]), int(edges[-node])
        past = -node
        if row < known:
            continue
        if high - low > 1:
            if decoding:
                low += decode_even(state, data, high - low)
            else:
                encode_even(state, data, value - low, high - low)
        if decoding:
            values[row] = low
