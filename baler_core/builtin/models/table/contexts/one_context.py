"""Code a column with one context and no mixing: fast, as the state of the coder stays in registers of the processor."""

from __future__ import annotations

import numpy as np

from baler_core.builtin.models.table.contexts.coder import COUNT_LIMIT, WarmUp, upper_part
from baler_core.builtin.models.table.contexts.places import ContextSlots
from baler_core.builtin.models.table.contexts.trees import BinTree
from baler_core.entropy.arithmetic import ENCODING, HIGH, LOW, OVERRUN, POSITION, WINDOW, Coder
from baler_core.entropy.mixing import learned
from baler_core.machine.compiled import Array, Integer, compiled, inlined, place_of

PRIOR_COUNT = 6
"""What the marginal's chance is worth at the start, in bits seen."""
_LEAST = 32
"""Least chance of a bit, of 2^16."""
_FULL = 0xFFFFFFFF


def marginal_counters(chances: Array, places: int, nodes: int, size: int) -> Array:
    """Make `size` counters that start at the marginal's chances: `places` per context, `nodes` in the tree."""
    one = np.full(places, 1 << 31 | PRIOR_COUNT, np.uint32)
    one[:nodes] = chances.astype(np.uint32) << 16 | PRIOR_COUNT
    repeated = np.empty((-(-size // places), places), np.uint32)
    repeated[:] = one
    return repeated.reshape(-1)[:size]


@inlined
def _written(
    low: Integer, high: Integer, data: Array, position: Integer, overrun: Integer
) -> tuple[Integer, Integer, Integer, Integer]:
    """Write the bytes on which both ends of a range agree; as `code_bit` does."""
    while (low ^ high) >> 24 == 0:
        if position < data.size:
            data[place_of(position)] = high >> 24
        else:
            overrun = 1
        position += 1
        low, high = (low << 8) & _FULL, ((high << 8) & _FULL) | 255
    return low, high, position, overrun


@inlined
def _read(
    low: Integer, high: Integer, window: Integer, data: Array, position: Integer
) -> tuple[Integer, Integer, Integer, Integer]:
    """Read a byte for each on which both ends of a range agree; as `code_bit` does."""
    while (low ^ high) >> 24 == 0:
        following = np.int64(data[place_of(position)]) if position < data.size else 0
        position += 1
        window = ((window << 8) & _FULL) | following
        low, high = (low << 8) & _FULL, ((high << 8) & _FULL) | 255
    return low, high, window, position


@inlined
def _places_moved(places: ContextSlots, bins: Integer) -> Array:
    """Return by how much each of the column's own bins in an earlier row (0 for none) moves the place of the context."""
    moved = np.zeros((places.pasts.shape[1], bins), np.int64)
    for p in range(places.pasts.shape[1]):
        for b in range(bins):
            moved[p, b] = b * places.classes[0, p] // bins * places.own[0, p]
    return moved


@inlined
def _place(places: ContextSlots, moved: Array, coded: Array, row: Integer) -> Integer:
    """Return the first place of a row's context."""
    place = np.int64(places.base[row, 0])
    for p in range(places.pasts.shape[1]):
        place += moved[p, coded[places.pasts[row, p]]]
    return place


@inlined
def _encode(
    coder: Coder, values: Array, rows: tuple[Integer, Integer], tree: BinTree, cuts: Array, places: ContextSlots,
    moved: Array, coded: Array, counters: Array,
) -> None:  # fmt: skip
    registers, data = coder
    low, high, position, overrun = registers[LOW], registers[HIGH], registers[POSITION], registers[OVERRUN]
    edges, children, mask = tree.edges, tree.children.reshape(-1), places.masks[0]
    root: Integer = 0 if len(tree.splits) else -1
    for row in range(rows[0], rows[1]):
        place, value, node = _place(places, moved, coded, row), values[row], root
        while node >= 0:
            slot = place_of((place + node) & mask)
            counter = np.int64(counters[slot])
            bit = 1 if value >= cuts[place_of(node)] else 0
            middle = low + (((high - low) * min(max(counter >> 16, _LEAST), 65536 - _LEAST)) >> 16)
            low, high = (low, middle) if bit else (middle + 1, high)
            low, high, position, overrun = _written(low, high, data, position, overrun)
            counters[slot] = learned(counter, bit, COUNT_LIMIT)
            node = np.int64(children[place_of(2 * node + bit)])
        coded[row] = -node
        below, above = edges[place_of(-1 - node)], edges[place_of(-node)]
        while above - below > 1:
            cut = (below + above) >> 1
            middle = low + (((high - low) * upper_part(above - below)) >> 16)
            bit = 1 if value >= cut else 0
            below, above = (cut, above) if bit else (below, cut)
            low, high = (low, middle) if bit else (middle + 1, high)
            low, high, position, overrun = _written(low, high, data, position, overrun)
        values[row] = below
    registers[LOW], registers[HIGH], registers[POSITION], registers[OVERRUN] = low, high, position, overrun


@inlined
def _decode(
    coder: Coder, values: Array, rows: tuple[Integer, Integer], tree: BinTree, cuts: Array, places: ContextSlots,
    moved: Array, coded: Array, counters: Array,
) -> None:  # fmt: skip
    registers, data = coder
    low, high, window, position = registers[LOW], registers[HIGH], registers[WINDOW], registers[POSITION]
    edges, children, mask = tree.edges, tree.children.reshape(-1), places.masks[0]
    root: Integer = 0 if len(tree.splits) else -1
    for row in range(rows[0], rows[1]):
        place, node = _place(places, moved, coded, row), root
        slot = place_of((place + node) & mask)
        counter = np.int64(counters[slot])
        while node >= 0:
            # Both that may follow are fetched before the bit is known: other counters than this one, as their numbers differ
            # by less than there are nodes.
            one, two = np.int64(children[place_of(2 * node)]), np.int64(children[place_of(2 * node + 1)])
            slot_of_one, slot_of_two = place_of((place + one) & mask), place_of((place + two) & mask)
            counter_of_one, counter_of_two = np.int64(counters[slot_of_one]), np.int64(counters[slot_of_two])
            middle = low + (((high - low) * min(max(counter >> 16, _LEAST), 65536 - _LEAST)) >> 16)
            bit = 1 if window <= middle else 0
            low, high = (low, middle) if bit else (middle + 1, high)
            counters[slot] = learned(counter, bit, COUNT_LIMIT)
            node, slot, counter = (two, slot_of_two, counter_of_two) if bit else (one, slot_of_one, counter_of_one)
            low, high, window, position = _read(low, high, window, data, position)
        coded[row] = -node
        below, above = edges[place_of(-1 - node)], edges[place_of(-node)]
        while above - below > 1:
            cut = (below + above) >> 1
            middle = low + (((high - low) * upper_part(above - below)) >> 16)
            bit = 1 if window <= middle else 0
            below, above = (cut, above) if bit else (below, cut)
            low, high = (low, middle) if bit else (middle + 1, high)
            low, high, window, position = _read(low, high, window, data, position)
        values[row] = below
    registers[LOW], registers[HIGH], registers[WINDOW], registers[POSITION] = low, high, window, position


@compiled
def code_by_counters(
    coder: Coder, values: Array, tree: BinTree, places: ContextSlots, counters: Array, warm_up: WarmUp
) -> None:
    """Encode `values` (int64) or decode into them; in rows of the warm-up, they are known, and coded to nowhere."""
    rows, cuts = len(values), np.zeros(len(tree.splits), np.int64)
    for node in range(len(cuts)):
        cuts[node] = tree.edges[tree.splits[node]]
    coded, moved = np.zeros(rows + 1, np.int64), _places_moved(places, len(tree.edges))
    first = min(warm_up.rows, rows)
    if first:
        _encode(coder, values, (0, first), tree, cuts, places, moved, coded, counters)
    if first == rows:
        return
    coder.registers[:] = warm_up.registers
    if coder.registers[ENCODING] == 1:
        _encode(coder, values, (first, rows), tree, cuts, places, moved, coded, counters)
    else:
        _decode(coder, values, (first, rows), tree, cuts, places, moved, coded, counters)
