"""The small network of one column: what earlier columns say about it, as a mixture of logistics, in exact integers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from baler_core.builtin.models.table.mixtures import COMPONENTS, WEIGHT, Mixture, exp_table, scale_table
from baler_core.compiled import Array, Integer, compiled, inlined

_INPUT_BITS = 6
INPUT_ONE = 1 << _INPUT_BITS
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
    Sums of products of whole numbers: with at most 256 inputs of 10 bits and weights of 16 bits all stay below 2^40.
    """
    room = tuple(np.zeros((len(inputs), COMPONENTS), np.int64) for _ in range(3))
    told = Mixture(*room)
    weights = _Weights(*(np.ascontiguousarray(matrix, np.int64) for matrix in network.matrices))
    _evaluate(weights, np.ascontiguousarray(inputs), told, exp_table(), scale_table())
    return told


class _Weights(NamedTuple):
    """The matrices of a network, int64."""

    into: Array
    skip: Array
    out: Array
    bias: Array
    out_bias: Array


@compiled
def _evaluate(weights: _Weights, inputs: Array, told: Mixture, exps: Array, scales: Array) -> None:
    """Fill in a mixture for each row."""
    width = weights.into.shape[1]
    hidden, out = np.zeros(width, np.int64), np.zeros(OUTPUTS, np.int64)
    for row in range(len(inputs)):
        for k in range(width):
            hidden[k] = weights.bias[0, k] * INPUT_ONE + INPUT_ONE // 2
        for k in range(COMPONENTS):
            told.centres[row, k] = 0
        for f in range(inputs.shape[1]):
            x = np.int64(inputs[row, f])
            if x != 0:
                for k in range(width):
                    hidden[k] += x * weights.into[f, k]
                for k in range(COMPONENTS):
                    told.centres[row, k] += x * weights.skip[f, k]
        for c in range(OUTPUTS):
            out[c] = weights.out_bias[0, c] * FINE
        for k in range(width):
            reached = min(hidden[k] >> _INPUT_BITS, LARGEST_HIDDEN)
            if reached > 0:
                for c in range(OUTPUTS):
                    out[c] += reached * weights.out[k, c]
        _read_outputs(out, row, told, exps, scales)


@inlined
def _read_outputs(out: Array, row: Integer, told: Mixture, exps: Array, scales: Array) -> None:
    """A row's weights, centres and scales from the outputs of its network."""
    top, total = out[0], np.int64(0)
    for k in range(1, COMPONENTS):
        top = max(top, out[k])
    for k in range(COMPONENTS):
        told.weights[row, k] = exps[min((top - out[k] + 64) >> 7, len(exps) - 1)] + 1
        total += told.weights[row, k]
    for k in range(COMPONENTS):
        told.weights[row, k] = told.weights[row, k] * WEIGHT // total + 1
        told.centres[row, k] += 2 * out[COMPONENTS + k]
        wide = min(max((out[2 * COMPONENTS + k] + 64) >> 7, -112), 40)
        told.scales[row, k] = scales[wide + 112]
