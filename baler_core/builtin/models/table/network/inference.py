"""Evaluate the small network of one column in exact integers: a mixture of logistics from earlier columns."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from baler_core.builtin.models.table.network.mixtures import COMPONENTS, WEIGHT, Mixture, exp_table, scale_table
from baler_core.machine.compiled import Array, Integer, compiled, inlined
from baler_core.machine.records import dataclass

_INPUT_BITS = 6
INPUT_ONE = 1 << _INPUT_BITS
"""An input of 1."""
FINE, COARSE = 32, 64
"""A weight of 1 into hidden units, and out of them or around them. A hidden unit of 1 is FINE too."""
LARGEST_HIDDEN = 255
OUTPUTS = 3 * COMPONENTS
_TOGETHER = 256
"""Rows that are evaluated at a time: what they need stays in the processor's nearest cache."""


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
    """Return the mixtures that a network predicts for rows.

    Parameters
    ----------
    inputs
        int16 (inputs, rows) in units of 1 / INPUT_ONE.

    Notes
    -----
    Sums of products of whole numbers: with at most 256 inputs of 10 bits and weights of 16 bits all stay below 2^40.
    Networks whose weights are small enough for 32 bits, as all that are trained here, are evaluated in these: faster.
    """
    dtype = np.int32 if _most_reached(network) < 2**31 else np.int64
    mixture = Mixture(*(np.zeros((inputs.shape[1], COMPONENTS), np.int64) for _ in range(3)))
    weights = _Weights(*(np.ascontiguousarray(matrix, dtype) for matrix in network.matrices))
    width = len(network.bias)
    room = np.zeros((width + COMPONENTS + OUTPUTS, _TOGETHER), dtype)
    evaluate(weights, inputs, mixture, room, exp_table(), scale_table())
    return mixture


def _most_reached(network: Network) -> int:
    """Return a bound on all sums of an evaluation, whatever the inputs."""
    largest = 1 << 15
    into, skip, out, bias, out_bias = (int(np.abs(m.astype(np.int64)).sum(axis=0).max()) for m in network.matrices)
    outputs = LARGEST_HIDDEN * out + FINE * out_bias
    return max(largest * into + INPUT_ONE * (bias + 1), largest * skip + 2 * outputs)


class _Weights(NamedTuple):
    """The matrices of a network, int32 or int64."""

    into: Array
    skip: Array
    out: Array
    bias: Array
    out_bias: Array


@compiled
def evaluate(weights: _Weights, inputs: Array, mixture: Mixture, room: Array, exps: Array, scales: Array) -> None:
    """Fill in a mixture for each row, many rows at a time: weights of 0 cost nothing.

    `room` holds hidden units, centres and outputs of these rows, in the integers that sums are made in.
    """
    width, rows = weights.into.shape[1], inputs.shape[1]
    hidden, centres, out = room[:width], room[width : width + COMPONENTS], room[width + COMPONENTS :]
    for first in range(0, rows, _TOGETHER):
        count = min(_TOGETHER, rows - first)
        for k in range(width):
            hidden[k] = weights.bias[0, k] * INPUT_ONE + INPUT_ONE // 2
        centres[:] = 0
        _add_products(hidden, inputs[:, first : first + count], weights.into)
        _add_products(centres, inputs[:, first : first + count], weights.skip)
        for k in range(width):
            for r in range(count):
                hidden[k, r] = min(max(hidden[k, r] >> _INPUT_BITS, 0), LARGEST_HIDDEN)
        for c in range(OUTPUTS):
            out[c] = weights.out_bias[0, c] * FINE
        _add_products(out, hidden[:, :count], weights.out)
        for r in range(count):
            _read_outputs(out[:, r], centres[:, r], first + r, mixture, exps, scales)


@inlined
def _add_products(sums: Array, inputs: Array, weights: Array) -> None:
    """Add to each row of `sums` all rows of inputs, weighted."""
    for f in range(weights.shape[0]):
        for k in range(weights.shape[1]):
            weight = weights[f, k]
            if weight != 0:
                for r in range(inputs.shape[1]):
                    sums[k, r] += weight * inputs[f, r]


@inlined
def _read_outputs(out: Array, centres: Array, row: Integer, mixture: Mixture, exps: Array, scales: Array) -> None:
    """A row's weights, centres and scales from the outputs of its network, which no sum overflows (see `mixture_of`)."""
    top, total = np.int64(out[0]), np.int64(0)
    for k in range(1, COMPONENTS):
        top = max(top, np.int64(out[k]))
    for k in range(COMPONENTS):
        mixture.weights[row, k] = exps[min((top - out[k] + 64) >> 7, len(exps) - 1)] + 1
        total += mixture.weights[row, k]
    for k in range(COMPONENTS):
        mixture.weights[row, k] = mixture.weights[row, k] * WEIGHT // total + 1
        mixture.centres[row, k] = centres[k] + 2 * out[COMPONENTS + k]
        wide = min(max((out[2 * COMPONENTS + k] + 64) >> 7, -112), 40)
        mixture.scales[row, k] = scales[wide + 112]
