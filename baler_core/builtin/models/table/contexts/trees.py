"""Grow the binary tree of decisions that leads to the bin of a value."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from baler_core.builtin.models.table.contexts.marginals import Marginal
from baler_core.machine.compiled import Array, Integer, compiled, inlined


class BinTree(NamedTuple):
    """A balanced binary tree over the bins of a column.

    Attributes
    ----------
    edges
        int64 (bins + 1,): bin b holds edges[b] <= value < edges[b + 1].
    children
        int32 (nodes, 2): next node below and above the split, or -1 - bin at a leaf.
    splits
        int32 (nodes,): bins from this one on lie above the split.
    chances
        int32 (nodes,): chance of the upper part by the marginal, times 2^16.
    depths
        int32 (nodes,): decisions taken before this one.
    """

    edges: np.ndarray
    children: np.ndarray
    splits: np.ndarray
    chances: np.ndarray
    depths: np.ndarray


def grow_tree(marginal: Marginal) -> BinTree:
    """Return the tree that splits every set of neighbouring bins near half of its weight."""
    cumulative = np.concatenate([np.zeros(1, np.int64), np.cumsum(marginal.masses)])
    nodes = max(marginal.bins - 1, 0)
    spans, children = np.zeros((nodes, 2), np.int64), np.zeros((nodes, 2), np.int32)
    splits, chances, depths = (np.zeros(nodes, np.int32) for _ in range(3))
    if nodes:
        fill_tree(cumulative, spans, children, splits, chances, depths)
    return BinTree(marginal.edges, children, splits, chances, depths)


@compiled
def fill_tree(cumulative: Array, spans: Array, children: Array, splits: Array, chances: Array, depths: Array) -> None:
    """Write the nodes of a tree, level by level; `spans` are the bins below each."""
    spans[0, 1] = len(cumulative) - 1
    made = 1
    for node in range(len(splits)):
        low, high = spans[node, 0], spans[node, 1]
        split = _middle(cumulative, low, high)
        total = cumulative[high] - cumulative[low]
        chance = ((cumulative[high] - cumulative[split]) << 16) // total
        chances[node] = min(max(chance, 32), 65536 - 32)
        splits[node] = split
        for side in range(2):
            first = split if side else low
            last = high if side else split
            if last - first == 1:
                children[node, side] = -1 - first
            else:
                children[node, side] = made
                spans[made, 0], spans[made, 1] = first, last
                depths[made] = depths[node] + 1
                made += 1


@inlined
def _middle(cumulative: Array, low: Integer, high: Integer) -> Integer:
    """Return the bin border inside low..high with the most equal weights on both sides."""
    wanted = cumulative[low] + cumulative[high]  # twice the half
    first, last = low + 1, high - 1
    while first < last:
        middle = (first + last) >> 1
        if 2 * cumulative[middle] < wanted:
            first = middle + 1
        else:
            last = middle
    if first - 1 > low and wanted - 2 * cumulative[first - 1] < 2 * cumulative[first] - wanted:
        return first - 1
    return first
