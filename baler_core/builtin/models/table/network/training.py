"""Train the small network of one column on a sample of rows.

Method: a mixture of logistics by a network with one hidden layer and a linear path around it (a mixture density network,
Bishop 1994), fitted to the chance of each whole number by Adam (Kingma and Ba 2015); during the second half with the
weights rounded to what will be stored (straight-through estimator, Bengio et al. 2013). A penalty that grows with the
logarithm of the weights, as their bytes do, keeps most of them 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from baler_core.builtin.models.table.network.inference import COARSE, FINE, LARGEST_HIDDEN, OUTPUTS, Network
from baler_core.builtin.models.table.network.mixtures import COMPONENTS, negative_log_likelihood
from baler_core.machine.compiled import Array, Integer, compiled, inlined
from baler_core.machine.records import dataclass

# Adam's rate, with a cosine schedule: what the prototypes used on all of their tables.
_RATE = 6e-3
_BATCH = 256
# Steps over which the rate rises from 0.
_WARM_UP = 30
_KNEE = 20.0
"""A weight of 1 / _KNEE is pressed towards 0 half as hard as the smallest: large ones cost few more bytes than small."""
_LARGEST_STEP = 2.0
_LARGEST_WEIGHT = 127.0
_TOP = np.float32(LARGEST_HIDDEN / FINE)


class TrainingData(NamedTuple):
    """What a network learns from.

    Attributes
    ----------
    inputs
        float32 (rows, inputs): features of earlier columns.
    low, high
        float64 (rows,): scores of both ends of each value.
    mass
        float64 (rows,): chance of each value by the marginal.
    """

    inputs: Array
    low: Array
    high: Array
    mass: Array


class _Parts(NamedTuple):
    """Views of a vector of all weights: as in `Network`."""

    into: Array
    bias: Array
    out: Array
    out_bias: Array
    skip: Array


class _Adam(NamedTuple):
    """State of the optimiser: weights, their units, penalties, and moving means of slopes and of their squares."""

    weights: Array
    units: Array
    penalties: Array
    slopes: Array
    squares: Array


@dataclass(frozen=True)
class Schedule:
    """How a network is trained.

    Attributes
    ----------
    width
        Hidden units.
    epochs
        Passes over the rows.
    penalty
        On the sum of absolute weights, in nats per row.
    seed
        Of first weights and order of rows.
    """

    width: int
    epochs: int
    penalty: float
    seed: int


def train_network(
    data: TrainingData,
    columns: tuple[int, ...],
    schedule: Schedule,
    goes_on: Callable[[float], bool] = lambda bits: True,
) -> Network | None:
    """Return the network of a column that looks at `columns`.

    Parameters
    ----------
    goes_on
        Called after each pass with the bits per value; False ends training without a network.
    """
    rng = np.random.default_rng(schedule.seed)
    rows, inputs = data.inputs.shape
    adam = _start(rng, inputs, schedule)
    batch = min(_BATCH, rows)
    each = rows // batch
    for epoch in range(schedule.epochs):
        order = rng.permutation(rows)
        nats = _run_epoch(data, order, adam, schedule.width, batch, epoch * each, schedule.epochs * each)
        if not goes_on(nats / math.log(2)):
            return None
    whole = np.rint(adam.weights * adam.units).astype(np.int16)
    parts = _split(whole, inputs, schedule.width)
    return Network(columns, parts.into, parts.bias, parts.out, parts.out_bias, parts.skip)


def _start(rng: np.random.Generator, inputs: int, schedule: Schedule) -> _Adam:
    width = schedule.width
    out_bias = np.concatenate([np.zeros(COMPONENTS), np.linspace(-1, 1, COMPONENTS), np.full(COMPONENTS, -0.1)])
    weights = np.concatenate(
        [
            rng.normal(0, 0.7 / max(inputs, 4) ** 0.5, inputs * width),
            rng.normal(0, 0.5, width),
            rng.normal(0, 0.15 / width**0.5, width * OUTPUTS),
            out_bias,
            np.zeros(inputs * COMPONENTS),
        ]
    )
    sizes = [inputs * width, width, width * OUTPUTS, OUTPUTS, inputs * COMPONENTS]
    units = np.repeat([FINE, FINE, COARSE, COARSE, COARSE], sizes)
    penalties = schedule.penalty * np.repeat([1, 0, 0.3, 0, 1], sizes)
    nothing = np.zeros(len(weights))
    return _Adam(*(a.astype(np.float32) for a in (weights, units, penalties, nothing, nothing)))


@inlined
def _split(vector: Array, inputs: Integer, width: Integer) -> _Parts:
    a = inputs * width
    b, c, d = a + width, a + width + width * OUTPUTS, a + width + width * OUTPUTS + OUTPUTS
    return _Parts(
        vector[:a].reshape((inputs, width)),
        vector[a:b],
        vector[b:c].reshape((width, OUTPUTS)),
        vector[c:d],
        vector[d:].reshape((inputs, COMPONENTS)),
    )


@compiled
def _run_epoch(
    data: TrainingData, order: Array, adam: _Adam, width: Integer, batch: Integer, first: Integer, steps: Integer
) -> float:
    """Pass over the rows once (steps `first`, `first` + 1, ... of `steps`); return the mean code length in nats."""
    total = 0.0
    gradient, used = np.zeros_like(adam.weights), np.zeros_like(adam.weights)
    for number in range(len(order) // batch):
        done = (first + number) / steps
        rounded = done > 0.5
        for i in range(len(used)):
            used[i] = adam.weights[i]
            if rounded:
                used[i] = np.float32(np.rint(adam.weights[i] * adam.units[i]) / adam.units[i])
        total += _find_gradient(data, order[number * batch : (number + 1) * batch], used, gradient, width, rounded)
        rate = _RATE * min(1.0, (first + number + 1) / _WARM_UP) * (0.5 * (1 + math.cos(math.pi * done)) + 0.005)
        _step(adam, gradient, rate, first + number + 1)
    return total / max(1, len(order) // batch)


@compiled
def _find_gradient(
    data: TrainingData, rows: Array, weights: Array, gradient: Array, width: Integer, rounded: bool
) -> float:
    """Find the mean code length of some rows, which is returned, and its slope by every weight."""
    total = 0.0
    net, slope = _split(weights, data.inputs.shape[1], width), _split(gradient, data.inputs.shape[1], width)
    hidden, back = np.zeros(width, np.float32), np.zeros(width, np.float32)
    out, flow = np.zeros(OUTPUTS, np.float32), np.zeros(OUTPUTS, np.float32)
    shares, inside = np.zeros(COMPONENTS), np.zeros(COMPONENTS)
    gradient[:] = 0
    for row in rows:
        x = data.inputs[row]
        _forward(x, net, hidden, out, rounded)
        total += negative_log_likelihood(out, data.low[row], data.high[row], data.mass[row], flow, shares, inside)
        _backward(x, net, slope, hidden, back, flow)
    gradient /= np.float32(len(rows))
    return total / len(rows)


@inlined
def _forward(x: Array, net: _Parts, hidden: Array, out: Array, rounded: bool) -> None:
    """Compute hidden units and outputs for one row."""
    hidden[:] = net.bias
    out[:] = net.out_bias
    for f in range(len(x)):
        if x[f] != 0:
            for k in range(len(hidden)):
                hidden[k] += x[f] * net.into[f, k]
            for k in range(COMPONENTS):
                out[COMPONENTS + k] += x[f] * net.skip[f, k]
    for k in range(len(hidden)):
        reached = min(max(hidden[k], np.float32(0)), _TOP)
        if rounded:
            reached = np.float32(math.floor(reached * FINE + 0.5) / FINE)
        hidden[k] = reached
        if reached > 0:
            for c in range(OUTPUTS):
                out[c] += reached * net.out[k, c]


@inlined
def _backward(x: Array, net: _Parts, slope: _Parts, hidden: Array, back: Array, flow: Array) -> None:
    """Add one row's part to the slopes, from the slopes by its outputs (`flow`)."""
    for c in range(OUTPUTS):
        slope.out_bias[c] += flow[c]
    for k in range(len(hidden)):
        back[k] = 0
        if hidden[k] > 0:
            total = np.float32(0)
            for c in range(OUTPUTS):
                total += flow[c] * net.out[k, c]
                slope.out[k, c] += hidden[k] * flow[c]
            if hidden[k] < _TOP:
                back[k] = total
                slope.bias[k] += total
    for f in range(len(x)):
        if x[f] != 0:
            for k in range(len(hidden)):
                slope.into[f, k] += x[f] * back[k]
            for k in range(COMPONENTS):
                slope.skip[f, k] += x[f] * flow[COMPONENTS + k]


@compiled
def _step(adam: _Adam, gradient: Array, rate: float, number: Integer) -> None:
    """Take one step of Adam, of limited length, on the penalised slopes."""
    total = 0.0
    for i in range(len(gradient)):
        weight = adam.weights[i]
        gradient[i] += adam.penalties[i] * np.sign(weight) / (1 + abs(weight) * _KNEE)
        total += float(gradient[i]) ** 2
    shrink = min(1.0, _LARGEST_STEP / math.sqrt(total + 1e-12))
    slow, slower = 1 - 0.9**number, 1 - 0.98**number
    for i in range(len(gradient)):
        g = float(gradient[i]) * shrink
        adam.slopes[i] += (g - adam.slopes[i]) * 0.1
        adam.squares[i] += (g * g - adam.squares[i]) * 0.02
        moved = adam.weights[i] - rate * (adam.slopes[i] / slow) / (math.sqrt(adam.squares[i] / slower) + 1e-8)
        limit = _LARGEST_WEIGHT / adam.units[i]
        adam.weights[i] = min(max(moved, -limit), limit)
