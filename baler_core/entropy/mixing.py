"""Adapt probabilities of bits: counters in several contexts, mixed on the logistic scale, in exact integers.

The method of PAQ (Mahoney, "Adaptive weighing of context models for lossless data compression", 2005): each context
keeps a probability; a small online logistic regression combines them. Integer arithmetic throughout, so that a decoder
on any machine finds the same numbers.
"""

from __future__ import annotations

import numpy as np

from baler_core.machine.compiled import Array, Integer, inlined, place_of

# Probabilities are 16-bit; the logistic scale has 256 steps per unit and reaches to +-12.
SCALE = 256
REACH = 12 * SCALE - 1
_STRETCH_BITS = 14
WEIGHT_ONE = 1 << 16


def _squash_table() -> Array:
    """Return 65536 / (1 + exp(-x / 256)) for x = -REACH .. REACH, rounded, within 1 .. 65535."""
    values = 65536 / (1 + np.exp(np.arange(-REACH, REACH + 1) / -SCALE))
    return np.clip(np.rint(values), 1, 65535)


def _stretch_table() -> Array:
    """Return 256 ln(p / (1 - p)) rounded, for p at the middle of 2^14 equal cells."""
    middles = np.arange(1 << _STRETCH_BITS) + 0.5
    values = SCALE * np.log(middles / ((1 << _STRETCH_BITS) - middles))
    return np.clip(np.rint(values), -REACH, REACH)


# Rounded so far from any tie that no mathematics library can give other integers; a test compares their checksum. Kept
# narrow, since they share the processor's smallest cache with what is coded.
SQUASH = _squash_table().astype(np.uint16)
STRETCH = _stretch_table().astype(np.int16)
# How far a counter moves towards the bit it saw, by how many it has seen: 65536 / (n + 1.5).
RATES = (65536 * 2 // (2 * np.arange(1024) + 3)).astype(np.uint16)


@inlined
def squash(x: Integer) -> Integer:
    """Return the probability (1 .. 65535) at `x` on the logistic scale."""
    return np.int64(SQUASH[place_of(min(REACH, max(-REACH, x)) + REACH)])


@inlined
def stretch(probability: Integer) -> Integer:
    """The place of a 16-bit probability on the logistic scale; callers have it from the upper half of 32 bits, or clamped."""
    return np.int64(STRETCH[place_of(probability >> 2)])


@inlined
def learned(counter: Integer, bit: Integer, limit: Integer) -> Integer:
    """Learn a counter (probability in the upper 22 bits, bits seen in the lower 10) moved towards `bit`.

    The mask keeps `seen` to the 1024 rates, all below 2^16, so that a probability stays within its 22 bits.
    """
    seen = counter & 1023
    probability = counter >> 10
    target = 4194303 if bit else 0
    probability += ((target - probability) * np.int64(RATES[seen])) >> 16
    if seen < limit:
        seen += 1
    return (probability << 10) | seen


@inlined
def learn_counter(counters: Array, place: Integer, bit: Integer, limit: Integer) -> None:
    """Move a counter towards `bit`."""
    at = place_of(place)
    counters[at] = learned(np.int64(counters[at]), bit, limit)


@inlined
def dot(weights: Array, row: Integer, inputs: Array, count: Integer) -> Integer:
    """Return the weighted sum of the inputs, on the logistic scale; callers clamp it, whatever weights a stream may have driven to."""
    total = np.int64(0)
    for i in range(count):
        total += np.int64(weights[row, i]) * np.int64(inputs[i])
    return total >> 16


@inlined
def learn_weights(weights: Array, row: Integer, inputs: Array, count: Integer, error: Integer, rate: Integer) -> None:
    """Move the weights along the gradient of the code length; `error` is (bit - probability) in 1/65536."""
    change = error * rate
    for i in range(count):
        weights[row, i] += (np.int64(inputs[i]) * change + 524288) >> 20


def new_counters(size: int) -> Array:
    """Make counters that have seen nothing: probability one half."""
    return np.full(size, (1 << 21) << 10, np.uint32)
