"""Offer formulas that may hold between the variables of a table: four-momenta and the energies that jets consist of."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from baler_core import Formula
from baler_root.metrics.momenta import Momentum, find_momenta, split_name

# Energies that add up to that of a particle-flow jet: a set is offered if at least three of it are there.
CONSTITUENTS = (
    ("ChargedHadron", "NeutralHadron", "Photon", "Electron", "Muon", "HFHadron", "HFEM"),
    ("ChargedHadron", "NeutralHadron", "ChargedEm", "NeutralEm", "ChargedMu", "HFHadron"),
)

# formula, what it gives, what it needs
MOMENTUM_FORMULAS = (
    ("energy", "energy", ("pt", "eta", "mass")),
    ("norm", "energy", ("px", "py", "pz", "mass")),
    ("norm", "energy", ("p", "mass")),
    ("pt_from_energy", "pt", ("eta", "mass", "energy")),
    ("norm", "pt", ("px", "py")),
    ("mass_from_energy", "mass", ("pt", "eta", "energy")),
    ("leg", "mass", ("energy", "px", "py", "pz")),
    ("leg", "mass", ("energy", "p")),
    ("px", "px", ("pt", "phi")),
    ("py", "py", ("pt", "phi")),
    ("pz", "pz", ("pt", "eta")),
    ("momentum", "p", ("pt", "eta")),
    ("norm", "p", ("px", "py", "pz")),
    ("phi", "phi", ("px", "py")),
    ("eta", "eta", ("px", "py", "pz")),
)


def offered_formulas(names: Sequence[str]) -> list[Formula]:
    """Return formulas whose target and parents are all among the names of a table's variables."""
    return [formula for momentum in find_momenta(names) for formula in _of_momentum(momentum, names)]


def _of_momentum(momentum: Momentum, names: Sequence[str]) -> Iterator[Formula]:
    of = momentum.variables
    for name, target, parents in MOMENTUM_FORMULAS:
        if momentum.has(target, *parents):
            yield Formula(name, of[target], tuple(of[parent] for parent in parents))
    for energies in _constituents(momentum, names):
        if momentum.has("energy"):
            yield Formula("sum", of["energy"], energies)
        if momentum.has("pt", "eta", "mass"):
            yield Formula("pt_from_energy", of["pt"], (of["eta"], of["mass"], *energies))
            yield Formula("mass_from_energy", of["mass"], (of["pt"], of["eta"], *energies))


def _constituents(momentum: Momentum, names: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Sets of variables, named like the momentum's, that may add up to its energy."""
    names = [name for name in names if "energy" in name.lower()]
    if len(names) < 3:
        return
    stem = split_name(next(iter(momentum.variables.values())))[0]
    for kinds in CONSTITUENTS:
        patterns = [re.compile(rf"{re.escape(stem)}[a-z]?{kind}Energy_?", re.IGNORECASE) for kind in kinds]
        found = [name for pattern in patterns for name in names if pattern.fullmatch(name)]
        if len(found) >= 3:
            yield tuple(found)
