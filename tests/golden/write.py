"""Writes the golden files of models: `python tests/golden/write.py MODEL ...`, from original.npz, made when it is missing.

A golden file of a released version is never written again: later versions must decode it as it is.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

import baler_core

HERE = Path(__file__).resolve().parent
BOUNDS = {
    "field": {"abs": 0.01},
    "hollow": {"range": 1e-3},
    "energy": {"rel": 1e-3},
    "mantissa": {"bits": 7},
    "charge": {"abs": 1},
    "*": "lossless",
}
# Networks that are small, so that the files are, and trained for a few seconds; other models have their default options.
NETWORKS: dict[str, dict[str, Any]] = {
    "variational_autoencoder": {"latent_ratio": 20, "hidden": [8]},
    "conv_autoencoder": {"latent_ratio": 8, "channels": [4, 8]},
    "normalizing_flow": {"hidden": [4, 4], "effort": "balanced", "keep": True},
}


def originals() -> dict[str, np.ndarray]:
    """A table and fields with what is hard to keep: special values, wide integers, lattices, text."""
    rng = np.random.default_rng(20)
    time, y, x = np.meshgrid(np.linspace(0, 2, 12), np.linspace(0, 1, 18), np.linspace(0, 2, 21), indexing="ij")
    field = (np.sin(4 * x - time) * np.cos(3 * y)).astype("<f4")
    hollow = field.astype("<f8") + 0.01 * rng.normal(size=field.shape)
    hollow[:, 5:8, 3:9], hollow[2, 0, 0], hollow[3, 1, 1] = np.nan, np.inf, -0.0
    energy = (20 + rng.exponential(30, 500)).astype("<f4")
    energy[[4, 70, 71]] = [0.0, np.nan, -np.inf]
    return {
        "field": field,
        "hollow": hollow,
        "energy": energy,
        "mantissa": rng.normal(size=500),
        "charge": rng.integers(-9, 10, 500).astype("<i2"),
        "decimal": np.round(rng.normal(size=500), 2),
        "sum": np.round(rng.normal(size=500), 2).cumsum(),
        "wide": rng.integers(0, 2**64, 500, dtype="<u8"),
        "flag": rng.random(500) < 0.3,
        "label": rng.choice(["signal", "background", "café"], 500),
    }


if __name__ == "__main__":
    if not (HERE / "original.npz").exists():
        np.savez_compressed(HERE / "original.npz", **originals())
    for model in sys.argv[1:]:
        target = HERE / f"{model}-{baler_core.__version__}.bal"
        settings: dict[str, Any] = {"bounds": BOUNDS, "model": {"name": model, **NETWORKS.get(model, {})}}
        if model in NETWORKS:
            settings["training"] = {"epochs": 20}
        done = baler_core.compress(HERE / "original.npz", target, block_bytes=20_000, **settings)
        print(f"{target.name}: {done.file_bytes} bytes, {dict(done.models)}")
