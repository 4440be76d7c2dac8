"""List the binary decisions of a column before its values are coded: where each cuts, and its chance."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from baler_core.builtin.models.table.contexts.trees import BinTree
from baler_core.builtin.models.table.network.mixtures import log_table, score
from baler_core.entropy.mixing import stretch
from baler_core.machine.compiled import Array, Integer, compiled, inlined

_LOGS = log_table()


class Decisions(NamedTuple):
    """One entry per decision: the nodes of the tree, then 2^inner per bin, in a bin those of each level after another.

    Attributes
    ----------
    middles
        int64: the upper part holds this value and those above it.
    scores
        int64: the same point as a score, for mixtures.
    priors
        int64: log-odds of the upper part by the marginal.
    widths
        int64: how many bits the values in both parts differ in.
    """

    middles: Array
    scores: Array
    priors: Array
    widths: Array


@compiled
def list_decisions(tree: BinTree, inner: Integer, shares: Array) -> Decisions:
    """Return the decisions of a tree and of `inner` halvings inside each bin.

    Products of shares and widths of very wide bins may wrap around: `score` makes a score of anything.

    Parameters
    ----------
    shares
        int64 (bins + 1,): the marginal's cumulative weight at the edges of its bins.
    """
    nodes, bins, total = len(tree.splits), len(tree.edges) - 1, shares[-1]
    middles, scores, priors, widths = np.zeros((4, nodes + (bins << inner)), np.int64)
    lows, highs = np.zeros((2, max(nodes + 1, 2 << inner)), np.int64)
    lows[0], highs[0] = tree.edges[0], tree.edges[bins]
    for node in range(nodes):
        middles[node] = tree.edges[tree.splits[node]]
        scores[node] = score(shares[tree.splits[node]], total, _LOGS)
        priors[node] = stretch(tree.chances[node])
        widths[node] = _bits(highs[node] - lows[node])
        for upper, below in enumerate(tree.children[node]):
            if below >= 0:
                lows[below] = middles[node] if upper else lows[node]
                highs[below] = highs[node] if upper else middles[node]
    for b in range(bins):
        lows[1], highs[1] = tree.edges[b], tree.edges[b + 1]
        for leaf in range(1, 1 << inner):
            middle, place = (lows[leaf] + highs[leaf]) >> 1, nodes + (b << inner) + leaf
            part = (shares[b + 1] - shares[b]) * (middle - lows[1]) // (highs[1] - lows[1])
            middles[place], scores[place] = middle, score(shares[b] + part, total, _LOGS)
            widths[place] = _bits(highs[leaf] - lows[leaf])
            lows[2 * leaf], highs[2 * leaf] = lows[leaf], middle
            lows[2 * leaf + 1], highs[2 * leaf + 1] = middle, highs[leaf]
    return Decisions(middles, scores, priors, widths)


@inlined
def _bits(number: Integer) -> Integer:
    """Return the binary digits of a number from 0 to 2^62, which edges of bins are apart at most (see `plan`)."""
    bits = 0
    while number >> bits:
        bits += 1
    return bits
