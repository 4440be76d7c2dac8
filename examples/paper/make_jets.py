"""Writes jets.npz: jets with 24 variables in the shape of the Baler paper's table, made up: `python make_jets.py [ROWS]`.

Jets come in pairs with a falling spectrum; their energy is shared among kinds of particles, most of which are absent from
most jets (exact zeros), sums repeat what they sum up (nearly duplicate columns), and a few jets stand in the table twice.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

ROWS = 20_000
PARTS = ("ChargedHadron", "NeutralHadron", "Photon", "Electron", "Muon", "HFHadron", "HFEM")


def shares(rng: np.random.Generator, eta: np.ndarray) -> np.ndarray:
    """The part of a jet's energy that each kind of particle carries: (jets, kinds), rows sum to 1."""
    weights = rng.gamma([6.0, 1.2, 2.8, 0.5, 0.5, 3.0, 2.0], size=(eta.size, len(PARTS)))
    present = rng.random((eta.size, len(PARTS))) < [0.999, 0.6, 0.98, 0.03, 0.02, 0.97, 0.9]
    forward = np.abs(eta) > 3.0
    present[forward, :5] = rng.random((forward.sum(), 5)) < 0.02
    present[~forward, 5:] = rng.random(((~forward).sum(), 2)) < 0.01
    present[forward, 5] = True
    present[~forward, 0] |= ~present[~forward].any(axis=1)
    weights = np.where(present, weights, 0.0)
    return weights / weights.sum(axis=1, keepdims=True)


def jets(rows: int, seed: int = 1) -> dict[str, np.ndarray]:
    """The table, one float32 column per variable: momenta, energies and masses in GeV, angles in radians."""
    rng = np.random.default_rng(seed)
    leading = 20 * (1 - rng.random((rows + 1) // 2)) ** -0.45
    pt = (leading[:, None] * [1.0, 1.0] * np.clip(rng.normal(1, 0.12, (leading.size, 2)), 0.5, 1.5)).ravel()[:rows]
    eta = np.clip(rng.normal(0, 1.9, rows), -4.9, 4.9)
    phi = rng.uniform(-np.pi, np.pi, (leading.size, 1)) + np.array([0, np.pi]) + rng.normal(0, 0.2, (leading.size, 2))
    phi = ((phi.ravel()[:rows] + np.pi) % (2 * np.pi)) - np.pi
    area = 0.785 * (1 + 0.02 * rng.normal(size=rows) - 0.05 * (np.abs(eta) > 4))
    energies = shares(rng, eta) * (pt * np.cosh(eta) * rng.normal(1.02, 0.02, rows))[:, None]
    mean_energy = np.array([3.0, 4.0, 1.6, 12.0, 15.0, 9.0, 6.0]) * np.cosh(eta)[:, None] ** 0.5
    counts = np.where(energies > 0, 1 + rng.poisson(np.minimum(energies / mean_energy, 60.0)), 0)
    counts[:, 3:5] = np.minimum(counts[:, 3:5], 1)
    constituents = counts.sum(axis=1)
    mass = np.where(constituents > 1, pt * 0.13 * rng.gamma(6, 1 / 6, rows) * (1 - 0.8 / constituents), 0.0)
    columns = {"pt": pt, "eta": eta, "phi": phi, "mass": mass, "mJetArea": area}
    columns |= {f"m{part}Energy": energies[:, place] for place, part in enumerate(PARTS)}
    columns |= {f"m{part}Multiplicity": counts[:, place] for place, part in enumerate(PARTS)}
    columns["mChargedEmEnergy"] = columns["mElectronEnergy"]
    columns["mChargedMuEnergy"] = columns["mMuonEnergy"]
    columns["mNeutralEmEnergy"] = columns["mPhotonEnergy"] + columns["mHFEMEnergy"]
    columns["mChargedMultiplicity"] = counts[:, [0, 3, 4]].sum(axis=1)
    columns["mNeutralMultiplicity"] = counts[:, [1, 2, 5, 6]].sum(axis=1)
    twice = rng.integers(0, rows, rows // 500)
    table = {name: values.astype("<f4") for name, values in columns.items()}
    for values in table.values():
        values[(twice + 1) % rows] = values[twice]
    return table


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    np.savez(Path(__file__).with_name("jets.npz"), **jets(count))
