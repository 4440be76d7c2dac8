"""Writes waves.npz: a damped wave on a grid, and a table of measurements of it."""

from pathlib import Path

import numpy as np

time, y, x = np.meshgrid(np.linspace(0, 4, 40), np.linspace(0, 1, 48), np.linspace(0, 2, 64), indexing="ij")
rng = np.random.default_rng(1)
height = np.exp(-0.3 * time) * np.sin(6 * x - 2 * time) * np.cos(3 * y)
station = rng.integers(0, 12, 5000)
reading = 20 + station + rng.normal(0, 0.5, 5000)
np.savez(
    Path(__file__).with_name("waves.npz"),
    height=height.astype(np.float32),
    station=station.astype(np.int32),
    reading=reading.astype(np.float32),
)
