"""Code one bit by mixers of log-odds and a correction of their mean, which all learn from it."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np

from baler_core.entropy.arithmetic import code_bit
from baler_core.entropy.lanes import LANES, move_weights, weighted_sum
from baler_core.entropy.mixing import REACH, WEIGHT_ONE, squash
from baler_core.machine.compiled import Array, Integer, inlined

_CELLS = 32
_SPAN = 2 * REACH + 1
_LEAST = 16
"""Least chance of a bit, of 2^16."""


Sets: TypeAlias = tuple[Integer, Integer, Integer]
"""Where in the weights the set begins that each of the three mixers uses."""


class Mixers(NamedTuple):
    """Weights of three mixers, and corrections, all of which learn.

    Attributes
    ----------
    weights
        int32, sets one after the other: those by decision and confidence, by the first parent, by the last parent.
    corrections
        int64 (decisions, cells + 2): the true chance, of 2^20, at log-odds between -REACH and REACH.
    """

    weights: Array
    corrections: Array


@inlined
def initial_weights(sets: Integer, inputs: Integer, width: Integer) -> Array:
    """Make weights that follow the last of so many inputs alone, `width` for each set."""
    weights = np.zeros(sets * width, np.int32)
    for one in range(sets):
        weights[one * width + inputs - 1] = WEIGHT_ONE
    return weights


@inlined
def initial_corrections(decisions: Integer) -> Array:
    """Make corrections that change nothing."""
    corrections = np.zeros((decisions, _CELLS + 2), np.int64)
    for cell in range(_CELLS + 2):
        corrections[:, cell] = squash(cell * _SPAN // _CELLS - REACH) << 4
    return corrections


@inlined
def _dot(weights: Array, start: Integer, inputs: Array, blocks: Integer) -> Integer:
    """Return the weighted sum of the inputs, on the logistic scale: within REACH, whatever weights a stream may have driven to."""
    return min(max(weighted_sum(weights, start, inputs, blocks) >> 16, -REACH), REACH)


@inlined
def decide(
    registers: Array, data: Array, bit: Integer, inputs: Array, mixers: Mixers, sets: Sets,
    learning: tuple[Integer, Integer],
) -> Integer:  # fmt: skip
    """Code one bit by the mean of three mixers, half of it corrected (Mahoney's adaptive probability map).

    `learning` is the decision, which has a correction of its own, and the rate.
    The mean of clamped numbers is within REACH, so that its cell is below _CELLS.
    """
    weights, blocks, (decision, rate) = mixers.weights, len(inputs) // LANES, learning
    one = _dot(weights, sets[0], inputs, blocks)
    two = _dot(weights, sets[1], inputs, blocks)
    three = _dot(weights, sets[2], inputs, blocks)
    mean = ((one + two + three) * 21845) >> 16
    place = (mean + REACH) * _CELLS
    cell = place // _SPAN
    part = (place - cell * _SPAN) * 4096 // _SPAN
    curve = mixers.corrections[decision]
    corrected = (curve[cell] * (4096 - part) + curve[cell + 1] * part) >> 16
    bit = code_bit(registers, data, bit, min(max((squash(mean) + corrected) >> 1, _LEAST), 65536 - _LEAST))
    near = cell if part < 2048 else cell + 1
    curve[near] += ((bit << 20) - bit - curve[near]) >> 6
    move_weights(weights, sets[0], inputs, blocks, ((bit << 16) - squash(one)) * rate)
    move_weights(weights, sets[1], inputs, blocks, ((bit << 16) - squash(two)) * rate)
    move_weights(weights, sets[2], inputs, blocks, ((bit << 16) - squash(three)) * rate)
    return bit


@inlined
def decide_fast(
    registers: Array,
    data: Array,
    bit: Integer,
    inputs: Array,
    mixers: Mixers,
    sets: Sets,
    rate: Integer,
) -> Integer:
    """Code one bit by the mean of the first two mixers."""
    weights, blocks = mixers.weights, len(inputs) // LANES
    one = _dot(weights, sets[0], inputs, blocks)
    two = _dot(weights, sets[1], inputs, blocks)
    bit = code_bit(registers, data, bit, min(max(squash((one + two) >> 1), _LEAST), 65536 - _LEAST))
    move_weights(weights, sets[0], inputs, blocks, ((bit << 16) - squash(one)) * rate)
    move_weights(weights, sets[1], inputs, blocks, ((bit << 16) - squash(two)) * rate)
    return bit
