"""Estimate what autoencoders would make of a table, and the coefficient of variation, by which their authors judge data."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from baler_core.machine.records import dataclass

# Sums and squares of larger numbers would overflow.
LARGE = 1e150
# Bits of a normal variable of deviation 1 on a lattice of step 2 * error: log2(sqrt(2 pi e) / (2 error)).
_NORMAL = math.log2(math.sqrt(2 * math.pi * math.e) / 2)
_HIDDEN = (50, 100, 200)


@dataclass(frozen=True)
class ExpectedAutoencoder:
    """An autoencoder of a table: of how many latents, what it leaves unexplained, and what a file takes.

    Attributes
    ----------
    explained
        Share of the variance of the standardised columns that a linear one explains.
    nbytes
        Latents, residuals within the bounds, and a decoder of 50-100-200 nodes with a byte per weight.
    """

    latents: int
    explained: float
    nbytes: int


def variation(values: np.ndarray) -> float:
    """Return the coefficient of variation, standard deviation / |mean|, of finite values; infinite for a mean of 0."""
    known = values[np.isfinite(values)].astype(np.float64)
    if not known.size:
        return math.nan
    largest = np.abs(known).max()
    known /= largest if largest > LARGE else 1.0
    mean, deviation = abs(float(known.mean())), float(known.std())
    return deviation / mean if mean > 0 else math.inf if deviation > 0 else 0.0


def expected_autoencoder(columns: np.ndarray, allowed: np.ndarray, rows: int, ratio: float) -> ExpectedAutoencoder:
    """Return what a linear autoencoder with entropy-coded latents and residuals would take.

    Networks that bend find somewhat more than a linear one, and their residuals are no smaller than the noise.

    Parameters
    ----------
    columns
        A sample, float64 (rows, columns), finite, no column constant.
    allowed
        What each value of the sample may lose, float64 of the same shape; 0 where nothing.
    rows
        Of the whole table.
    ratio
        Columns / latents.
    """
    count = columns.shape[1]
    latents = max(1, math.ceil(count / ratio))
    deviation = columns.std(axis=0)
    standard = (columns - columns.mean(axis=0)) / deviation
    _, sizes, axes = np.linalg.svd(standard, full_matrices=False)
    basis = axes[:latents]
    left = standard - (standard @ basis.T) @ basis
    # Values that may lose nothing cost at least as much as those that may lose least.
    least = np.where(allowed > 0, allowed, np.inf).min(axis=0)
    error = np.where(allowed > 0, allowed, least) / deviation
    with np.errstate(over="ignore"):
        residual_bits = normal_bits(left.std(axis=0) / error).mean(axis=0).sum()
        latent_bits = normal_bits(sizes[:latents] / math.sqrt(len(standard)) / np.exp(np.log(error).mean())).sum()
    nodes = (latents, *_HIDDEN, count)
    decoder = sum(a * b + b for a, b in pairwise(nodes))
    explained = float(np.square(sizes[:latents]).sum() / max(1e-300, np.square(sizes).sum()))
    return ExpectedAutoencoder(latents, explained, round(rows * (residual_bits + latent_bits) / 8) + decoder)


def normal_bits(sizes: np.ndarray) -> np.ndarray:
    """Return the bits per value of normal variables whose deviations are so many times the allowed error: finite, whatever they are."""
    with np.errstate(divide="ignore"):
        return np.maximum(0.0, np.log2(np.minimum(sizes, np.finfo(np.float64).max)) + _NORMAL)
