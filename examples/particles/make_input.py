"""Writes events.root: toy collision events with jets as a jagged collection, and the missing momentum."""

from pathlib import Path

import awkward as ak
import numpy as np
import uproot

EVENTS = 4000
rng = np.random.default_rng(2)
count = rng.poisson(3.5, EVENTS)
jets = int(count.sum())
pt = 20 + rng.exponential(35, jets)
eta = np.clip(rng.normal(0, 1.7, jets), -4.7, 4.7)
phi = rng.uniform(-np.pi, np.pi, jets)
mass = np.abs(rng.normal(0.12, 0.03, jets)) * pt
energy = np.sqrt((pt * np.cosh(eta)) ** 2 + mass**2)
charged = np.clip(rng.normal(0.6, 0.12, jets), 0, 1)
order = np.lexsort((-pt, np.repeat(np.arange(EVENTS), count)))


def per_event(values: np.ndarray) -> ak.Array:
    """Jets of one event together, the hardest first."""
    return ak.unflatten(values[order].astype(np.float32), count)


jet = {
    "pt": per_event(pt),
    "eta": per_event(eta),
    "phi": per_event(phi),
    "mass": per_event(mass),
    "energy": per_event(energy),
    "chargedEnergy": per_event(charged * energy),
    "neutralEnergy": per_event((1 - charged) * energy),
    "nConstituents": ak.unflatten(rng.poisson(12, jets)[order].astype(np.int32), count),
}
with uproot.recreate(Path(__file__).with_name("events.root")) as file:
    branches = {"Jet": ak.zip(jet), "MET_pt": rng.exponential(25, EVENTS).astype(np.float32)}
    branches["event"] = np.arange(EVENTS, dtype=np.uint64) + 10**12
    file.mktree("Events", {name: values.type if name == "Jet" else values.dtype for name, values in branches.items()})
    file["Events"].extend(branches)
