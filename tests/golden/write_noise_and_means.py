"""Writes the golden file of bounds by noise and of means: `python tests/golden/write_noise_and_means.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import baler_core

HERE = Path(__file__).resolve().parent
BOUNDS = {
    "image": {"noise": 0.25},
    "counts": {"noise": 0.5, "dither": True},
    "absolute": {"mean_abs": 0.02},
    "relative": {"mean_rel": 0.01, "rel": 0.03},
    "squares": {"rms": 0.05, "abs": 0.2},
}


def originals() -> dict[str, np.ndarray]:
    """An image with padding and holes, one of integers, and columns with zeros, NaN and few decimals."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:24, :72]
    image = (np.hypot(y - 12, x - 30) + rng.normal(0, 0.5, x.shape) * (1 + y / 8)).astype("f4")
    image[0], image[5, 3:9] = 0.0, np.nan
    relative = rng.lognormal(0, 2, 400)
    relative[[3, 50]] = 0.0, np.nan
    return {
        "image": image,
        "counts": rng.poisson(200 + x).astype("i2"),
        "absolute": np.round(rng.normal(size=400), 3),
        "relative": relative,
        "squares": rng.normal(size=400).cumsum().astype("f4"),
    }


if __name__ == "__main__":
    source, target = HERE / "noise_and_means.npz", HERE / f"noise_and_means-{baler_core.__version__}.bal"
    if not source.exists():
        np.savez_compressed(source, **originals())  # type: ignore[arg-type]
    done = baler_core.compress(source, target, bounds=BOUNDS, block_bytes=5_000, model={"effort": "fast"})
    print(f"{target.name}: {done.file_bytes} bytes, {dict(done.models)}")
