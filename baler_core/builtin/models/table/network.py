"""The small network of one column, in exact integers: what earlier columns say about it, as a mixture of logistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from baler_core.builtin.models.table.mixtures import COMPONENTS, Mixture, exp_table, scale_table

Array: TypeAlias = np.ndarray
FINE, COARSE, ACTIVATION = 32, 64, 32


@dataclass(frozen=True)
class Network:
    columns: tuple[int, ...]
    into: Array
    bias: Array
    out: Array
    out_bias: Array
    skip: Array


def mixture(network: Network, inputs: Array) -> Mixture:
    """inputs: int16 (rows, inputs) in units of 1/64."""
    x = inputs.astype(np.float64)
    acc = x @ network.into.astype(np.float64) + network.bias * 64.0
    hidden = np.clip(np.floor((acc + 32) / 64), 0, 255)
    found = (hidden @ network.out.astype(np.float64) + network.out_bias * 32.0).astype(np.int64)
    k = COMPONENTS
    centres = 2 * found[:, k : 2 * k] + (x @ network.skip.astype(np.float64)).astype(np.int64)
    log_weights, widths = found[:, :k], found[:, 2 * k :]
    behind = (log_weights.max(axis=1, keepdims=True) - log_weights + 64) >> 7
    weights = exp_table()[np.minimum(behind, 160)] + 1
    weights = weights * 65536 // weights.sum(axis=1, keepdims=True) + 1
    scales = scale_table()[np.clip((widths + 64) >> 7, -112, 40) + 112]
    return Mixture(weights, centres, scales)
