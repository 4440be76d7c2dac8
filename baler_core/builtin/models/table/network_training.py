"""Trains the small network of one column: from the scores of earlier columns to a mixture of logistics over its own.

Method: a mixture of logistics by a network with one hidden layer and a linear path around it (a conditional density
as in Bishop 1994, "Mixture density networks"), fitted by Adam (Kingma and Ba 2015) to the exact chance of each integer,
with weights rounded to what will be stored during the second half (straight-through estimator, Bengio et al. 2013).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from baler_core.builtin.models.table.network import ACTIVATION, COMPONENTS, FINE, COARSE, Network
from baler_core.compiled import compiled

Array: TypeAlias = np.ndarray
_RATE = 6e-3
_BATCH = 512
_MARGINAL = 2.0**-9
"""Share of the marginal in the fitted distribution, so that no value is impossible."""


@dataclass(frozen=True)
class Lesson:
    """What a network is to learn from.

    Attributes
    ----------
    inputs
        float32 (rows, inputs): features of earlier columns.
    low, high
        float64 (rows,): scores at the lower and upper end of each integer value.
    mass
        float64 (rows,): chance of each value by the marginal.
    """

    inputs: Array
    low: Array
    high: Array
    mass: Array


@compiled
def _forward(x: Array, w1: Array, b1: Array, w2: Array, b2: Array, skip: Array, hidden: Array, out: Array, rounded: bool) -> None:
    for k in range(len(b1)):
        hidden[k] = b1[k]
    for k in range(len(b2)):
        out[k] = b2[k]
    parts = skip.shape[1]
    for f in range(len(x)):
        value = x[f]
        if value != 0:
            for k in range(len(b1)):
                hidden[k] += value * w1[f, k]
            for k in range(parts):
                out[parts + k] += value * skip[f, k]
    for k in range(len(b1)):
        h = min(max(hidden[k], np.float32(0)), np.float32(7.96875))
        if rounded:
            h = np.float32(math.floor(h * 32 + 0.5) / 32)
        hidden[k] = h
        if h > 0:
            for c in range(len(b2)):
                out[c] += h * w2[k, c]


@compiled
def _logistic(x: float) -> float:
    if x >= 0:
        return 1 / (1 + math.exp(-min(x, 700.0)))
    e = math.exp(max(x, -700.0))
    return e / (1 + e)


@compiled
def _surprise(out: Array, low: float, high: float, mass: float, slope: Array, shares: Array, parts: Array) -> float:
    """-ln of the chance of the interval; leaves its derivative by `out` in `slope`."""
    count = len(out) // 3
    top = out[0]
    for k in range(1, count):
        top = max(top, out[k])
    total = 0.0
    for k in range(count):
        shares[k] = math.exp(float(out[k] - top))
        total += shares[k]
    inside = 0.0
    for k in range(count):
        shares[k] /= total
        wide = min(max(float(out[2 * count + k]), -7.0), 2.5)
        inverse = math.exp(-wide)
        a, b = (low - out[count + k]) * inverse, (high - out[count + k]) * inverse
        below, above = _logistic(a), _logistic(b)
        chance = above * (1 - below) * -math.expm1(min(a - b, 0.0))
        if b < 0 or chance == 0.0:
            chance = above - below if above - below > chance else chance
        parts[k] = chance
        edge_a, edge_b = below * (1 - below), above * (1 - above)
        slope[count + k] = shares[k] * inverse * (edge_a - edge_b)
        inner = 0.0
        if -7.0 < out[2 * count + k] < 2.5:
            inner = shares[k] * (edge_a * a - edge_b * b)
        slope[2 * count + k] = inner
        inside += shares[k] * chance
    likely = (1 - _MARGINAL) * inside + _MARGINAL * mass
    scale = -(1 - _MARGINAL) / likely
    for k in range(count):
        slope[k] = scale * shares[k] * (parts[k] - inside)
        slope[count + k] *= scale
        slope[2 * count + k] *= scale
    return -math.log(likely)


@compiled
def _learn_batch(
    x: Array, low: Array, high: Array, mass: Array, rows: Array, theta: Array, gradient: Array, width: int, rounded: bool
) -> float:
    """The mean surprise of some rows, and its gradient."""
    features = x.shape[1]
    w1, b1, w2, b2, skip = _split(theta, features, width)
    g1, gb1, g2, gb2, gs = _split(gradient, features, width)
    hidden, out = np.zeros(width, np.float32), np.zeros(len(b2), np.float32)
    slope, shares, parts = np.zeros(len(b2)), np.zeros(len(b2) // 3), np.zeros(len(b2) // 3)
    back = np.zeros(width, np.float32)
    flow = np.zeros(len(b2), np.float32)
    total = 0.0
    gradient[:] = 0
    count = len(b2) // 3
    for row in rows:
        _forward(x[row], w1, b1, w2, b2, skip, hidden, out, rounded)
        total += _surprise(out, low[row], high[row], mass[row], slope, shares, parts)
        for c in range(len(b2)):
            flow[c] = slope[c]
            gb2[c] += flow[c]
        for k in range(width):
            back[k] = 0
            h = hidden[k]
            if h > 0:
                g = np.float32(0)
                for c in range(len(b2)):
                    g += flow[c] * w2[k, c]
                    g2[k, c] += h * flow[c]
                if h < np.float32(7.96875):
                    back[k] = g
                    gb1[k] += g
        for f in range(features):
            value = x[row, f]
            if value != 0:
                for k in range(width):
                    g1[f, k] += value * back[k]
                for k in range(count):
                    gs[f, k] += value * flow[count + k]
    gradient /= np.float32(len(rows))
    return total / len(rows)


@compiled
def _split(theta: Array, features: int, width: int) -> tuple[Array, Array, Array, Array, Array]:
    outs = 9
    a = features * width
    b = a + width
    c = b + width * outs
    d = c + outs
    return (
        theta[:a].reshape((features, width)), theta[a:b], theta[b:c].reshape((width, outs)), theta[c:d],
        theta[d:].reshape((features, outs // 3)),
    )  # fmt: skip


@compiled
def _train(
    x: Array, low: Array, high: Array, mass: Array, order: Array, theta: Array, scales: Array, sparse: Array,
    momentum: Array, energy: Array, width: int, batch: int, first: int, steps: int, rate: float,
) -> float:  # fmt: skip
    """Steps `first`, first + 1, ... of `steps` through the rows of `order`; returns the mean surprise."""
    gradient = np.zeros(len(theta), np.float32)
    used = theta.copy()
    total, done = 0.0, 0
    for start in range(0, len(order) - batch + 1, batch):
        step = first + done
        part = step / steps
        rounded = part > 0.5
        for i in range(len(theta)):
            used[i] = theta[i]
            if rounded:
                used[i] = np.float32(np.rint(theta[i] * scales[i]) / scales[i])
        total += _learn_batch(x, low, high, mass, order[start : start + batch], used, gradient, width, rounded)
        now = rate * min(1.0, step / 30 + 0.03) * (0.5 * (1 + math.cos(math.pi * part)) + 0.005)
        norm = 0.0
        for i in range(len(theta)):
            gradient[i] += sparse[i] * np.sign(theta[i])
            norm += float(gradient[i]) ** 2
        shrink = min(1.0, 2.0 / math.sqrt(norm + 1e-12))
        fix1, fix2 = 1 - 0.9 ** (step + 1), 1 - 0.98 ** (step + 1)
        for i in range(len(theta)):
            g = float(gradient[i]) * shrink
            momentum[i] += (g - momentum[i]) * 0.1
            energy[i] += (g * g - energy[i]) * 0.02
            limit = 127.0 / scales[i] if sparse[i] >= 0 else 1000.0
            moved = theta[i] - now * (momentum[i] / fix1) / (math.sqrt(energy[i] / fix2) + 1e-8)
            theta[i] = min(max(moved, -limit), limit)
        done += 1
    return total / max(done, 1)


def train_network(lesson: Lesson, columns: tuple[int, ...], width: int, epochs: int, sparsity: float, seed: int) -> tuple[Network, float]:
    """The network, and the bits per value of the last pass."""
    rng = np.random.default_rng(seed)
    rows, features = lesson.inputs.shape
    outs = 3 * COMPONENTS
    fan = max(features, 4)
    b2 = np.zeros(outs)
    b2[COMPONENTS : 2 * COMPONENTS] = np.linspace(-1, 1, COMPONENTS)
    b2[2 * COMPONENTS :] = -0.1
    theta = np.concatenate([
        rng.normal(size=features * width) * 0.7 / fan**0.5, rng.normal(size=width) * 0.5,
        rng.normal(size=width * outs) * 0.15 / width**0.5, b2, np.zeros(features * COMPONENTS),
    ]).astype(np.float32)  # fmt: skip
    sizes = [features * width, width, width * outs, outs, features * COMPONENTS]
    scales = np.repeat([FINE, FINE, COARSE, COARSE, COARSE], sizes).astype(np.float32)
    sparse = np.repeat([sparsity, 0, 0.3 * sparsity, 0, sparsity], sizes).astype(np.float32)
    momentum, energy = np.zeros(len(theta), np.float32), np.zeros(len(theta), np.float32)
    batch = min(_BATCH, rows)
    each = rows // batch
    surprise = 0.0
    for epoch in range(epochs):
        order = rng.permutation(rows)
        surprise = _train(
            lesson.inputs, lesson.low, lesson.high, lesson.mass, order, theta, scales, sparse,
            momentum, energy, width, batch, epoch * each, epochs * each, _RATE,
        )  # fmt: skip
    weights = np.rint(theta * scales).astype(np.int16)
    parts = np.split(weights, np.cumsum(sizes)[:-1])
    return Network(columns, parts[0].reshape(features, width), parts[1], parts[2].reshape(width, outs), parts[3], parts[4].reshape(features, COMPONENTS)), surprise / math.log(2)
