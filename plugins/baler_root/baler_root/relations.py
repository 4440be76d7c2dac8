"""Offers formulas that may hold between the variables of a table: four-momenta and the energies that jets consist of."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from baler_root import kinematics
from baler_root.momenta import Momentum, find_momenta, split_name

# Energies that add up to that of a particle-flow jet: a set is offered if at least three of it are there.
CONSTITUENTS = (
    ("ChargedHadron", "NeutralHadron", "Photon", "Electron", "Muon", "HFHadron", "HFEM"),
    ("ChargedHadron", "NeutralHadron", "ChargedEm", "NeutralEm", "ChargedMu", "HFHadron"),
)

FUNCTIONS: Mapping[str, Callable[..., np.ndarray]] = {
    "pt_from_energy": kinematics.transverse_from_energy,
    "mass_from_energy": kinematics.mass_from_energy,
    "energy": kinematics.energy,
    "sum": kinematics.total,
    "norm": kinematics.norm,
    "leg": kinematics.leg,
    "px": kinematics.component_x,
    "py": kinematics.component_y,
    "pz": kinematics.component_z,
    "momentum": kinematics.momentum,
    "phi": kinematics.azimuth,
    "eta": kinematics.pseudorapidity,
}

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


@dataclass(frozen=True)
class Formula:
    """A guess that one variable follows from others, to be tested on the values.

    Attributes
    ----------
    name
        Which of `FUNCTIONS`.
    target
        The variable it gives.
    parents
        The variables it needs, in the order of the function's arguments.
    """

    name: str
    target: str
    parents: tuple[str, ...]

    def evaluate(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """The target's values from those of its parents: float64; not finite where it is undefined."""
        with np.errstate(all="ignore"):
            return FUNCTIONS[self.name](*(np.asarray(values[parent], np.float64) for parent in self.parents))


def offered_formulas(names: Sequence[str]) -> list[Formula]:
    """Formulas whose target and parents are all among the names of a table's variables."""
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
    stem = split_name(next(iter(momentum.variables.values())))[0]
    for kinds in CONSTITUENTS:
        patterns = [re.compile(rf"{re.escape(stem)}[a-z]?{kind}Energy_?", re.IGNORECASE) for kind in kinds]
        found = [name for pattern in patterns for name in names if pattern.fullmatch(name)]
        if len(found) >= 3:
            yield tuple(found)
