"""Grow the binary tree of decisions that leads to the bin of a value."""

from __future__ import annotations

from bisect import bisect_left
from typing import NamedTuple

import numpy as np

from baler_core.builtin.models.table.contexts.marginals import Marginal


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
    masses = marginal.masses
    cumulative = np.concatenate([[0], np.cumsum(masses)]).tolist()
    spans, depths = [(0, len(masses))], [0]
    children, splits, chances = [], [], []
    done = 0
    while done < len(spans):
        low, high = spans[done]
        if high - low < 2:
            break
        split = _middle(cumulative, low, high)
        total = cumulative[high] - cumulative[low]
        chances.append(((cumulative[high] - cumulative[split]) << 16) // total)
        pair = []
        for part in ((low, split), (split, high)):
            if part[1] - part[0] == 1:
                pair.append(-1 - part[0])
            else:
                pair.append(len(spans))
                spans.append(part)
                depths.append(depths[done] + 1)
        children.append(pair)
        splits.append(split)
        done += 1
    return BinTree(
        marginal.edges,
        np.array(children, np.int32).reshape(-1, 2),
        np.array(splits, np.int32),
        np.clip(np.array(chances, np.int64), 32, 65536 - 32).astype(np.int32),
        np.array(depths[: len(splits)], np.int32),
    )


def _middle(cumulative: list[int], low: int, high: int) -> int:
    """Return the bin border inside low..high with the most equal weights on both sides."""
    wanted = (cumulative[low] + cumulative[high]) / 2
    first = bisect_left(cumulative, wanted, low + 1, high - 1)
    if first - 1 > low and wanted - cumulative[first - 1] < cumulative[first] - wanted:
        return first - 1
    return first
