"""Bytes of a collection whose pair masses are kept: by one bound for all rows, and by a bound for each row.

    python benchmarks/pair_rows.py FILE [--collection Muon] [--rel 1e-3]

A bound for each row must be known to the decoder, and follows from other rows, which are lossy too: so it is stored, in
powers of 4 of equal shares of the linearised error, as a column from which the bounds of eta and phi follow. Rows where a
mass still misses its bound count the bytes of four values stored exactly.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import baler_core

MODEL = {"name": "auto", "effort": "balanced"}
# What the exact values of a row take with their places, as `baler info` tells of files with derived quantities.
EXACT_BYTES = 18
LARGEST = 1e-2


@dataclass(frozen=True)
class Pairs:
    """Objects of all events, by column, and which of them are pairs."""

    columns: Mapping[str, np.ndarray]
    first: np.ndarray
    second: np.ndarray

    def masses(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Return the invariant mass of each pair."""
        pt, eta, phi, mass = (columns[name].astype(np.float64) for name in ("pt", "eta", "phi", "mass"))
        parts = [np.hypot(pt * np.cosh(eta), mass), pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)]
        energy, *momenta = [part[self.first] + part[self.second] for part in parts]
        return np.asarray(np.sqrt(np.maximum(energy**2 - sum(p**2 for p in momenta), 0)))

    def allowed(self, share: float) -> np.ndarray:
        """Return the error of eta and phi with which no mass moves by more than a share: float64, one per object."""
        eta, phi, pt = (self.columns[name].astype(np.float64) for name in ("eta", "phi", "pt"))
        apart = [eta[self.first] - eta[self.second], phi[self.first] - phi[self.second]]
        size = np.cosh(apart[0]) - np.cos(apart[1])
        size = np.maximum(size, self.masses(self.columns) ** 2 / (2 * pt[self.first] * pt[self.second]))
        found = np.full(len(pt), LARGEST)
        for slope, curve in ((np.abs(np.sinh(apart[0])), np.cosh(apart[0])), (np.abs(np.sin(apart[1])), 1.0)):
            error = (np.sqrt(slope**2 + 4 * curve * share * size) - slope) / curve
            for side in (self.first, self.second):
                np.minimum.at(found, side, error)
        return found


def read(path: Path, collection: str) -> Pairs:
    """Return the objects of a file of NanoAOD's kind."""
    import awkward as ak
    import uproot

    names = ("pt", "eta", "phi", "mass")
    with uproot.open(path) as file:
        arrays = file["Events"].arrays([f"{collection}_{name}" for name in names])
    found = {name: arrays[f"{collection}_{name}"] for name in names}
    counts = ak.to_numpy(ak.num(found["pt"]))
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    one, other = ak.unzip(ak.argcombinations(found["pt"], 2))
    columns = {name: ak.to_numpy(ak.flatten(values)).astype(np.float32) for name, values in found.items()}
    return Pairs(columns, ak.to_numpy(ak.flatten(one + starts)), ak.to_numpy(ak.flatten(other + starts)))


def measured(pairs: Pairs, rel: float, columns: Mapping[str, np.ndarray], bounds: Mapping[str, Any]) -> tuple[int, int]:
    """Return the bytes with all masses kept, and how many of these are rows stored exactly."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pairs.bal"
        baler_core.compress(dict(columns), path, bounds=dict(bounds), model=MODEL)
        restored = {name: np.asarray(values) for name, values in baler_core.open(path, as_="numpy").items()}
        nbytes = path.stat().st_size
    before = pairs.masses(pairs.columns)
    wrong = np.abs(pairs.masses(restored) - before) > rel * before
    rows = len({*pairs.first[wrong].tolist(), *pairs.second[wrong].tolist()})
    return nbytes + EXACT_BYTES * rows, EXACT_BYTES * rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the fewest bytes of both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--collection", default="Muon")
    parser.add_argument("--rel", type=float, default=1e-3)
    options = parser.parse_args(arguments)
    pairs, rel = read(options.file, options.collection), options.rel
    print(f"{len(pairs.columns['pt']):,} objects, {len(pairs.first):,} pairs")
    others = {"pt": {"rel": 0.17 * rel}, "mass": {"rel": 0.7 * rel}}
    one = {
        step: measured(pairs, rel, pairs.columns, {**others, "eta": {"abs": step}, "phi": {"abs": step}})
        for step in (rel * 10.0 ** (power / 4) for power in range(-8, 0))
    }
    step = min(one, key=lambda step: one[step])
    print(f"one bound, {step:.2g}: {one[step][0]:,} bytes, of these {one[step][1]:,} for rows stored exactly")
    each = {}
    for part in (0.35, 0.5, 0.7):
        allowed = (4.0 ** np.floor(np.log(pairs.allowed(part * rel)) / np.log(4.0))).astype(np.float32)
        own = {**others, "allowed": "lossless", "eta": {"abs": "allowed"}, "phi": {"abs": "allowed"}}
        each[part] = measured(pairs, rel, {**pairs.columns, "allowed": allowed}, own)
    part = min(each, key=lambda part: each[part])
    print(f"a bound for each row: {each[part][0]:,} bytes, of these {each[part][1]:,} for rows stored exactly")


if __name__ == "__main__":
    main()
