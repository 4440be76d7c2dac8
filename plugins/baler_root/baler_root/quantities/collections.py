"""Find the variables of a collection's four-momenta for a quantity, and put their values together again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from baler_core import Around, Cells, ConfigError, Variable, did_you_mean
from baler_root.metrics.momenta import Momentum, cartesian, find_momenta, split_name

# The components that a quantity is computed from, the first that are complete.
_DIRECTIONS = (("pt", "eta", "phi"), ("px", "py", "pz"))
_PLANES = (("pt", "phi"), ("px", "py"))
_SIZES = (("pt",), ("px", "py"))
_ENERGIES = (("mass",), ("energy",), ())


def vectors_of(collection: str, known: Sequence[Variable], wanted: str) -> list[str]:
    """Return the variables of a collection's momenta.

    Parameters
    ----------
    wanted
        `vectors`: direction and energy (or none, for massless objects); `plane`: what tells px and py; `sizes`: pT.

    Raises
    ------
    ConfigError
        If there is no such collection, or it lacks components.
    """
    momentum = _momentum(collection, known)
    sets = {"vectors": _DIRECTIONS, "plane": _PLANES, "sizes": _SIZES}[wanted]
    needed = next((components for components in sets if momentum.has(*components)), None)
    if needed is None:
        raise ConfigError(
            f"the collection {collection!r} lacks {', '.join(sets[0])} (or {', '.join(sets[1])}); it has "
            f"{', '.join(momentum.variables.values())}"
        )
    if wanted == "vectors":
        needed = (*needed, *next(energy for energy in _ENERGIES if momentum.has(*energy)))
    return [momentum.variables[component] for component in needed]


def _momentum(collection: str, known: Sequence[Variable]) -> Momentum:
    """The momentum whose variables are called like a collection, or like the last part of its name."""
    names = [variable.name for variable in known if variable.is_numeric and variable.dims]
    found = {momentum.name: momentum for momentum in _all_momenta(names)}
    for key in (collection, collection.rpartition("/")[2]):
        if key in found:
            return found[key]
    raise ConfigError(f"there is no collection {collection!r} with momenta. {did_you_mean(collection, list(found))}")


def _all_momenta(names: Sequence[str]) -> list[Momentum]:
    """Momenta of three components, and what has two: a missing momentum has no direction along the beam."""
    momenta = find_momenta(names)
    taken = {name for momentum in momenta for name in momentum.variables.values()}
    pairs: dict[str, dict[str, str]] = {}
    for name in names:
        stem, component = split_name(name)
        if component and name not in taken:
            pairs.setdefault(stem, {}).setdefault(component, name)
    return momenta + [Momentum(stem.rpartition("/")[2].rstrip("_./ "), parts) for stem, parts in pairs.items()]


def by_component(parts: Sequence[Cells]) -> dict[str, np.ndarray]:
    """Return the values of the variables that `vectors_of` named, by component."""
    return {split_name(part.variable.name)[1]: part.values for part in parts if part.variable is not None}


def four_vectors(parts: Sequence[Cells]) -> np.ndarray:
    """Return (4, rows) float64: E, px, py, pz; massless where the collection has neither mass nor energy."""
    values = by_component(parts)
    if not values.keys() & {"mass", "energy"}:
        values["mass"] = np.zeros(parts[0].values.shape)
    return cartesian(values)


def transverse(parts: Sequence[Cells]) -> tuple[np.ndarray, np.ndarray]:
    """Return px and py of each object: float64, one per row."""
    values = by_component(parts)
    if "pt" in values:
        return values["pt"] * np.cos(values["phi"]), values["pt"] * np.sin(values["phi"])
    return values["px"], values["py"]


def lengths_of(parts: Sequence[Cells], around: Around) -> np.ndarray:
    """Return how many objects each event has: int64; one each where the collection is not jagged."""
    part = parts[0]
    if len(part.dims) == 1 and part.dims[0] in around.lengths:
        return around.lengths[part.dims[0]]
    if len(part.dims) == 2:
        return np.full(part.values.shape[0], part.values.shape[1])
    if len(part.dims) == 1:
        return np.ones(len(part.values), np.int64)
    raise ConfigError(f"the objects of a collection lie along one jagged dimension or in rows, found {part.dims}")


def events_of(parts: Sequence[Cells], around: Around) -> str:
    """Return the dimension of the events."""
    dim = parts[0].dims[0]
    return around.events.get(dim, dim)
