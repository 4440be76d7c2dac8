"""Recognise the variables of one four-momentum by their names: `Jet_pt`, `Jet_eta`, `Jet_phi` ..."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from baler_root.metrics import kinematics

# What components are called, compared without case.
COMPONENTS = {
    "pt": "pt",
    "eta": "eta",
    "phi": "phi",
    "mass": "mass",
    "m": "mass",
    "energy": "energy",
    "e": "energy",
    "px": "px",
    "py": "py",
    "pz": "pz",
    "p": "p",
}
SEPARATORS = "_./ "


@dataclass(frozen=True)
class Momentum:
    """The variables of one four-momentum.

    Attributes
    ----------
    name
        What their names have in common (`Jet`).
    variables
        `{component: variable name}`; components are the values of `COMPONENTS`.
    """

    name: str
    variables: Mapping[str, str]

    def has(self, *components: str) -> bool:
        """Return whether all these components are there."""
        return all(component in self.variables for component in components)

    @property
    def has_direction(self) -> bool:
        """Whether px, py and pz follow from its components."""
        return self.has("pt", "eta", "phi") or self.has("px", "py", "pz")

    @property
    def is_complete(self) -> bool:
        """Whether energy and momentum follow from its components."""
        return self.has_direction and (self.has("mass") or self.has("energy"))


def find_momenta(names: Iterable[str]) -> list[Momentum]:
    """Return momenta of which at least three components are there, in the order of the names."""
    found: dict[str, dict[str, str]] = {}
    for name in names:
        stem, component = split_name(name)
        if component:
            found.setdefault(stem, {}).setdefault(component, name)
    momenta: dict[str, Momentum] = {}
    for stem, variables in found.items():
        if len(variables) >= 3:
            short = _short_name(stem)
            name = stem if short in momenta else short
            momenta[name] = Momentum(name, variables)
    return list(momenta.values())


def _short_name(stem: str) -> str:
    """A stem without folders, separators, and ROOT's usual names of members."""
    return stem.rpartition("/")[2].removesuffix(".f").removesuffix(".fCoordinates").rstrip(SEPARATORS) or "p"


def split_name(name: str) -> tuple[str, str]:
    """What comes before the component (with a number that comes after it), and the component; empty if there is none.

    `Jet_pt` and `Jet_pt_` are the pt of `Jet_`, `jetPt` that of `jet`, `V0s/V0s.fPt` that of `V0s/V0s.f`, `pt2` of `2`.
    """
    bare = name.rstrip("_")
    base = bare.rstrip("0123456789")
    index = bare[len(base) :]
    base = base.rstrip("_")
    for alias in sorted(COMPONENTS, key=len, reverse=True):
        stem = base[: len(base) - len(alias)]
        if base.casefold().endswith(alias) and _is_word_end(stem, base[len(stem)]):
            return stem + index, COMPONENTS[alias]
    return name, ""


def _is_word_end(stem: str, first: str) -> bool:
    """Whether a new word begins after the stem with the letter `first`."""
    if not stem or stem[-1] in SEPARATORS:
        return True
    return first.isupper() and not stem[-1].isupper()


def cartesian(values: Mapping[str, np.ndarray]) -> np.ndarray:
    """(4, rows) float64: E, px, py, pz from the components of a complete momentum."""
    v = {component: np.asarray(array, np.float64) for component, array in values.items()}
    if not {"px", "py", "pz"} <= v.keys():
        v["px"] = kinematics.component_x(v["pt"], v["phi"])
        v["py"] = kinematics.component_y(v["pt"], v["phi"])
        v["pz"] = kinematics.component_z(v["pt"], v["eta"])
    if "mass" in v:
        v["energy"] = kinematics.norm(v["px"], v["py"], v["pz"], v["mass"])
    return np.stack([v["energy"], v["px"], v["py"], v["pz"]])
