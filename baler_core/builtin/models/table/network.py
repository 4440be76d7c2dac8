"""The small network of one column: what earlier columns say about it, as a mixture of logistics, in exact integers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from baler_core.builtin.models.table.mixtures import COMPONENTS, WEIGHT, Mixture, exp_table, scale_table

INPUT_ONE = 64
"""An input of 1."""
FINE, COARSE = 32, 64
"""A weight of 1 into hidden units, and out of them or around them. A hidden unit of 1 is FINE too."""
LARGEST_HIDDEN = 255
OUTPUTS = 3 * COMPONENTS


@dataclass(frozen=True)
class Network:
    """One hidden layer, and a linear path around it to the centres.

    Attributes
    ----------
    columns
        Earlier columns whose features are its inputs.
    into, bias
        int16 (inputs, width) and (width,): weights into the hidden units, in units of 1 / FINE.
    out, out_bias
        int16 (width, OUTPUTS) and (OUTPUTS,): from there to the logarithms of the mixture's weights, its centres and
        the logarithms of its widths, in units of 1 / COARSE.
    skip
        int16 (inputs, COMPONENTS): from the inputs to the centres, in units of 1 / COARSE.
    """

    columns: tuple[int, ...]
    into: np.ndarray
    bias: np.ndarray
    out: np.ndarray
    out_bias: np.ndarray
    skip: np.ndarray

    @property
    def matrices(self) -> tuple[np.ndarray, ...]:
        """All weights as matrices, in the order in which they are stored."""
        return self.into, self.skip, self.out, self.bias[None, :], self.out_bias[None, :]


def mixture_of(network: Network, inputs: np.ndarray) -> Mixture:
    """What a network says of rows.

    Parameters
    ----------
    inputs
        int16 (rows, inputs) in units of 1 / INPUT_ONE.

    Notes
    -----
    Products are summed in float64, where integers below 2^53 are exact in any order: with at most 256 inputs of 10 bits
    and weights of 16 bits no sum comes near.
    """
    x = inputs.astype(np.float64)
    reached = x @ network.into.astype(np.float64) + network.bias.astype(np.float64) * INPUT_ONE
    hidden = np.clip(np.floor((reached + INPUT_ONE / 2) / INPUT_ONE), 0, LARGEST_HIDDEN)
    outputs = hidden @ network.out.astype(np.float64) + network.out_bias.astype(np.float64) * FINE
    found = outputs.astype(np.int64)
    around = (x @ network.skip.astype(np.float64)).astype(np.int64)
    k = COMPONENTS
    behind = (found[:, :k].max(axis=1, keepdims=True) - found[:, :k] + 64) >> 7
    shares = exp_table()[np.minimum(behind, len(exp_table()) - 1)] + 1
    weights = shares * WEIGHT // shares.sum(axis=1, keepdims=True) + 1
    widths = np.clip((found[:, 2 * k :] + 64) >> 7, -112, 40)
    return Mixture(weights, 2 * found[:, k : 2 * k] + around, scale_table()[widths + 112])
