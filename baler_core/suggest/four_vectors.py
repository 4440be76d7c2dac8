"""Make bounds of energies and momenta finer where masses follow from both: their squares nearly cancel."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from baler_core.data.variables import Schema
from baler_core.errors import ConfigError
from baler_core.machine.records import dataclass
from baler_core.suggest.allowed import allowed_in
from baler_core.suggest.proposal import Proposal

# `Jet_Px`, `jets.fCoordinates.fPt`, `E1`: what a component of a four-vector is called, and of which.
_COMPONENT = re.compile(
    r"(?P<head>(?:.*[^A-Za-z0-9])?f?)(?P<what>p[xyzt]|eta|e|en|energy|m|mass)(?P<tail>_?\d*)", re.IGNORECASE
)
_SPELLED = {"en": "e", "energy": "e", "mass": "m"}
_SETS = (("e", "px", "py", "pz"), ("e", "pt", "eta"))
# Below this part of the energy a mass is lost in the rounding of single precision, or known anyway.
_MASSIVE = 0.01
_FEW = 5
# Particles that have a mass, and not all the same: most of a collection, with such a spread beside the median.
_MOST, _SPREAD = 0.5, 0.1
# Half of the masses may move by so much of themselves; of two particles that have the same mass, as two muons have, the mass
# of both together, but for one pair in a hundred.
_MOVED = 0.01
_ALL_BUT = 99
_FACTORS = (0.3, 0.1, 0.03, 0.01, 0.003)


def with_masses(
    proposals: Mapping[str, Proposal], schema: Schema, physical: Mapping[str, np.ndarray]
) -> dict[str, Proposal]:
    """Return the proposals, those of four-vectors fine enough that their masses keep two digits.

    Parameters
    ----------
    physical
        The first values, float64, NaN where there are none.
    """
    found = dict(proposals)
    for members in _four_vectors(schema).values():
        for wanted in _SETS if "m" not in members else ():
            names = [members.get(what, "") for what in wanted]
            shapes = {physical[name].shape for name in names if name in physical}
            if all(name in physical for name in names) and len(shapes) == 1:
                found |= _finer({name: found[name] for name in names}, wanted, schema, physical)
    return found


def _four_vectors(schema: Schema) -> dict[tuple[str, str], dict[str, str]]:
    """Names of the components, by what they are, of everything that has some."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for variable in schema.variables:
        match = _COMPONENT.fullmatch(variable.name) if variable.is_numeric else None
        if match is not None:
            what = match["what"].lower()
            found.setdefault((match["head"], match["tail"]), {})[_SPELLED.get(what, what)] = variable.name
    return found


def _finer(
    stated: Mapping[str, Proposal], wanted: tuple[str, ...], schema: Schema, physical: Mapping[str, np.ndarray]
) -> dict[str, Proposal]:
    """Multiply the bounds of one set by the largest factor that keeps its masses; nothing if they are kept, or there are none."""
    lossy = [name for name, proposal in stated.items() if proposal.is_lossy and _number(proposal) is not None]
    kept = _kept_masses([physical[name] for name in stated], wanted)
    if not lossy or kept is None:
        return {}
    random = np.random.default_rng(1)
    try:
        errors = {
            name: random.uniform(-1, 1, physical[name].shape) * allowed_in(stated[name].bound, schema[name], physical)
            for name in lossy
        }
    except ConfigError:  # a name that formulas cannot spell
        return {}
    first = 0.0
    for factor in (1.0, *_FACTORS):
        lost = kept.lost([physical[name] + factor * errors.get(name, 0.0) for name in stated])
        first = first or lost
        if lost <= _MOVED or factor == _FACTORS[-1]:
            break
    if factor == 1.0:
        return {}
    return {name: _times(stated[name], factor, first, kept.what) for name in lossy}


@dataclass(frozen=True)
class KeptMasses:
    """Masses that are to be kept, of single particles or of neighbours in a collection.

    Attributes
    ----------
    before
        float64 (particles,) or (pairs,); `known` of them count.
    of_pairs
        Whether they are of neighbours.
    """

    wanted: tuple[str, ...]
    before: np.ndarray
    known: np.ndarray
    of_pairs: bool

    @property
    def what(self) -> str:
        """Name them for a reason."""
        return "masses of pairs" if self.of_pairs else "masses"

    def lost(self, components: list[np.ndarray]) -> float:
        """Return by what share of themselves they move with other components: half of them, of pairs nearly all."""
        after = _pair_masses(components) if self.of_pairs else _masses(components, self.wanted)
        before = self.before[self.known]
        moved = np.abs(np.nan_to_num(after[self.known]) - before) / before
        return float(np.percentile(moved, _ALL_BUT if self.of_pairs else 50))


def _kept_masses(components: list[np.ndarray], wanted: tuple[str, ...]) -> KeptMasses | None:
    """Return the masses that matter; None if none do: of few particles, or of pairs whose angles alone tell them."""
    before = _masses(components, wanted)
    energy = np.abs(components[0])
    with np.errstate(invalid="ignore"):
        known = np.isfinite(before) & (before > _MASSIVE * energy)
    if np.count_nonzero(known) >= max(_FEW, _MOST * np.count_nonzero(np.isfinite(energy))):
        low, middle, high = np.percentile(before[known], (5, 50, 95))
        if high - low >= _SPREAD * middle:
            return KeptMasses(wanted, before, known, of_pairs=False)
    if "pt" in wanted:
        return None  # pt, eta and phi tell the mass of a pair without its energy
    before = _pair_masses(components)
    with np.errstate(invalid="ignore"):
        known = np.isfinite(before) & (before > _MASSIVE * np.abs(_pairs(components[0])))
    return KeptMasses(wanted, before, known, of_pairs=True) if np.count_nonzero(known) >= _FEW else None


def _pairs(values: np.ndarray) -> np.ndarray:
    """Return the sums of neighbours: those of one event, mostly, and of two as good as any pair."""
    flat = values.reshape(-1)
    return np.asarray(flat[:-1] + flat[1:])


def _pair_masses(components: list[np.ndarray]) -> np.ndarray:
    return _masses([_pairs(values) for values in components], ("e", "px", "py", "pz"))


def _masses(components: list[np.ndarray], wanted: tuple[str, ...]) -> np.ndarray:
    """Invariant masses; NaN where momenta exceed energies."""
    energy, *momenta = components
    with np.errstate(all="ignore"):
        size = momenta[0] * np.cosh(momenta[1]) if "pt" in wanted else np.sqrt(sum(p * p for p in momenta))
        return np.asarray(np.sqrt((energy - size) * (energy + size)))


def _number(proposal: Proposal) -> tuple[str, float] | None:
    """The kind and the number of a bound that may be multiplied."""
    match = re.fullmatch(r"\{(abs|rel|range): ([0-9.e+-]+)\}", proposal.bound)
    return (match[1], float(match[2])) if match is not None else None


def _times(proposal: Proposal, factor: float, lost: float, what: str) -> Proposal:
    kind, number = _number(proposal) or ("", 0.0)
    bound = f"{{{kind}: {number * factor:.1e}}}".replace("e-0", "e-")
    return replace(proposal, bound=bound, reason=f"{proposal.reason}; {proposal.bound} would move {what} by {lost:.0%}")
