"""Tell how far data have moved from those that a model was trained on: bytes, corrections, and distributions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from pathlib import Path

import numpy as np

from baler_core.config import Config
from baler_core.data.bounds import usable
from baler_core.format.file_info import read_info
from baler_core.machine.records import dataclass
from baler_core.pipeline.compressed import Compressed
from baler_core.pipeline.input import first_values, open_input
from baler_core.plugin.registry import Registry

# Files that take so many times the bytes per value, or need so many times the corrections, are said to drift.
_MORE_BYTES, _MORE_CORRECTIONS = 1.05, 2.0
# Fewer corrections than this share of all values are never many.
_FEW = 1e-3
_FAR = 0.1
# Fewer values have no distribution to speak of.
_FEWEST = 200


@dataclass(frozen=True)
class DataProfile:
    """What is measured of a compressed file.

    Attributes
    ----------
    bits_per_value
        Of the whole `.bal` file.
    corrections
        Share of the values that are stored beside what the model made of them; None where that is not known.
    samples
        Some values of each variable that may lose something: float64, finite, ascending.
    """

    bits_per_value: float
    corrections: float | None = None
    samples: Mapping[str, np.ndarray] = field(default_factory=dict)


def profile_of(
    source: Path, compressed: Path, done: Compressed | None, config: Config, registry: Registry
) -> DataProfile:
    """Measure a file and its `.bal` file; `done` is None where it was compressed before."""
    header = read_info(compressed).header
    schema = header.schema
    values = sum(int(np.prod([schema.sizes[dim] for dim in v.dims], dtype=np.int64)) for v in schema.variables)
    pairs = zip(schema.variables, header.tolerances, strict=True)
    lossy = {v.name: v for v, tolerance in pairs if tolerance.lossy and v.is_numeric}
    _, opened = open_input(source, config, registry)
    with opened:
        firsts = first_values(lambda: opened.blocks(config.block_bytes), list(lossy))
    samples = {}
    for name, found in firsts.items():
        kept = found[usable(found, (*lossy[name].fill, *lossy[name].flags), lossy[name].limits)]
        samples[name] = np.sort(kept.astype(np.float64).ravel())
    share = sum(done.corrections.values()) / max(1, done.values) if done is not None else None
    return DataProfile(8 * compressed.stat().st_size / max(1, values), share, samples)


@dataclass(frozen=True)
class Drift:
    """How a file differs from those that the model was trained on.

    Attributes
    ----------
    bytes_ratio
        Its bytes per value / those in training.
    corrections
        Share of its values that are stored beside what the model made of them.
    distances
        Kolmogorov-Smirnov distance of the values of each variable, of those with enough values.
    said
        What is remarkable, one phrase each; empty if nothing is.
    """

    bytes_ratio: float
    corrections: float | None
    distances: Mapping[str, float]
    said: tuple[str, ...]


def drift_between(trained: DataProfile, now: DataProfile) -> Drift:
    """Compare a file with the one that the model was trained on."""
    ratio = now.bits_per_value / trained.bits_per_value if trained.bits_per_value else 1.0
    distances = {
        name: ks_distance(trained.samples[name], values)
        for name, values in now.samples.items()
        if name in trained.samples and min(values.size, trained.samples[name].size) >= _FEWEST
    }
    said = []
    if ratio > _MORE_BYTES:
        said.append(f"{ratio:.2f} times the bytes per value of the training data")
    usual = trained.corrections or 0.0
    if now.corrections is not None and now.corrections > max(_FEW, _MORE_CORRECTIONS * usual):
        said.append(f"{100 * now.corrections:.2g} % of the values are corrections, {100 * usual:.2g} % in training")
    far = sorted((name for name in distances if distances[name] > _FAR), key=lambda name: -distances[name])
    if far:
        listed = ", ".join(f"{name!r} {distances[name]:.2f}" for name in far[:5])
        more = f" and {len(far) - 5} more" if len(far) > 5 else ""
        said.append(f"other distributions (Kolmogorov-Smirnov distance): {listed}{more}")
    return Drift(ratio, now.corrections, distances, tuple(said))


def ks_distance(one: np.ndarray, other: np.ndarray) -> float:
    """Return the largest difference of two cumulative distributions, of values in ascending order."""
    places = np.concatenate([one, other])
    below = [np.searchsorted(values, places, side="right") / values.size for values in (one, other)]
    return float(np.abs(below[0] - below[1]).max(initial=0.0))
