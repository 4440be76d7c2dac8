"""Propose a bound for each variable of a file, with its reason: lossy only for measurements, well below their noise."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import yaml

from baler_core.data.error_bound import LOSSLESS as LOSSLESS_BOUND
from baler_core.data.error_bound import ErrorBound
from baler_core.data.noise import Noise, noise_of
from baler_core.data.roles import GRID_AXIS, LONG_LIST, SINGLE, Finding, lists_in_rows, roles_of
from baler_core.data.sentinels import sentinels_in
from baler_core.data.uncertainties import Errors, errors_beside
from baler_core.data.variables import Schema, Variable
from baler_core.errors import ConfigError
from baler_core.machine.records import dataclass
from baler_core.pipeline.noise_bounds import has_tiles
from baler_core.suggest.allowed import allowed_in, finer_by_far, physical_values
from baler_core.suggest.coarse import Coarseness, stored_coarsely
from baler_core.suggest.differences import of_states
from baler_core.suggest.draws import are_draws, of_features
from baler_core.suggest.edges import with_edges
from baler_core.suggest.four_vectors import with_masses
from baler_core.suggest.interval_ends import of_ends
from baler_core.suggest.kinds import are_categories, has_conventional_zero, of_column, of_field, unvarying
from baler_core.suggest.objections import objection
from baler_core.suggest.own_errors import errors_of, of_own_errors, of_significance
from baler_core.suggest.proposal import FIELDS, LOSSLESS, OTHERS, Proposal, absolute
from baler_core.suggest.recommended import of_generators, recommendation
from baler_core.suggest.uncertainties import of_uncertainty
from baler_core.suggest.unit_vectors import unit_components

_OF_NOISE = 0.25
# So few values cost next to nothing, and small matrices and coefficients are no measurements.
_FEWEST = 17
# Fewer values than these do not tell a rhythm; a rhythm is kept by this part of the steps.
_FEW = 30
_EVEN = 0.75
# Somebody who rounded values chose their precision: a bound that would take less than so many times that is not worth it.
_CHOSEN = 4.0
# Groups and trees of what was set, not measured: in files of ATLAS, of simulations, of instruments.
_SETTINGS_GROUPS = re.compile(r"(?i)_?(?:meta[_ -]?data|config(?:uration)?s?|settings|provenance)")
_SETTINGS = "it describes the data"
# Dimensions along which neighbours are other realizations of the same thing: their differences are no noise.
_DRAWS = re.compile(
    r"(?i)(?:\w+_)?(?:samples?|realizations?|realisations?|ensembles?|members?|draws?|chains?|walkers?)(?:_\w+)?"
)
_FINE_STRUCTURE = "a field with fine structure, which may be noise"
# Where a bound of a kind does harm, one that is finer by these factors may not.
_FINER, _MORE_BITS = (0.3, 0.1), (2, 3)


@dataclass(frozen=True)
class Seen:
    """What proposals go by: a file's variables, what they are, and their first values.

    Attributes
    ----------
    physical
        float64, as readers show them, NaN where there are none.
    series
        Dimensions along which times stand in even steps.
    names
        Of all variables, without groups.
    own
        Variables that hold the errors of others.
    lists
        Variables that are short lists in the rows of a table.
    maps
        The last two dimensions of latitudes and longitudes that are fields, as of a satellite's swath.
    directions
        Components of unit vectors and quaternions.
    """

    roles: Mapping[str, Finding]
    stored: Mapping[str, np.ndarray]
    physical: Mapping[str, np.ndarray]
    errors: Mapping[str, Sequence[Errors]]
    series: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    own: frozenset[str] = frozenset()
    lists: frozenset[str] = frozenset()
    maps: frozenset[tuple[str, ...]] = frozenset()
    directions: frozenset[str] = frozenset()


def proposals_for(schema: Schema, values: Mapping[str, np.ndarray]) -> dict[str, Proposal]:
    """Return a bound for every variable.

    Parameters
    ----------
    values
        The first values of each, any shape, in stored units; where there are none, name and metadata must do.
    """
    seen = _seen(schema, values)
    kept = {
        v.name: Proposal(LOSSLESS, "few different values, each often")
        for v in schema.variables
        if _may_lose(v) and v.name in seen.physical and are_categories(seen.physical[v.name])
    }
    kept |= {name: proposal for name, proposal in of_generators(schema).items() if _may_lose(schema[name])}
    kept |= unvarying(schema, seen.physical)
    kept |= {
        name: Proposal(LOSSLESS, f"{mark}: missing values?") for name, mark in sentinels_in(schema, values).items()
    }
    kept |= {name: Proposal(LOSSLESS, "counts of a collection") for name in schema.counts.values()}
    kept |= {
        v.name: Proposal(LOSSLESS, f"fewer than {_FEWEST} values") for v in schema.variables if _is_tiny(v, schema)
    }
    kept |= {v.name: Proposal(LOSSLESS, "no values") for v in schema.variables if v.dims and not schema.nbytes(v)}
    kept |= {v.name: Proposal(LOSSLESS, _SETTINGS) for v in schema.variables if _is_setting(v.name)}
    kept = {name: proposal for name, proposal in kept.items() if not seen.roles.get(name, Finding()).is_exact}
    found = {
        v.name: kept[v.name] if v.name in kept else _weighed(_proposal(v, seen), v, seen) for v in schema.variables
    }
    return with_edges(with_masses(found, schema, seen.physical), schema, seen.physical)


def _seen(schema: Schema, values: Mapping[str, np.ndarray]) -> Seen:
    roles = roles_of(schema, values)
    beside = errors_beside(schema.names)
    values = _same_rows(values, beside)
    physical = {
        v.name: physical_values(values[v.name], v) for v in schema.variables if v.is_numeric and v.name in values
    }
    series = {v.dims[0] for v in schema.variables if len(v.dims) == 1 and _is_time_axis(v, roles, physical)}
    errors = {v.name: errors_of(schema, v.name, physical, beside) for v in schema.variables if _may_lose(v)}
    names = frozenset(name.rpartition("/")[2] for name in schema.names)
    return Seen(
        roles,
        values,
        physical,
        errors,
        frozenset(series),
        names,
        frozenset(error.name for found in errors.values() for error in found),
        lists_in_rows(schema),
        frozenset(v.dims[-2:] for v in schema.variables if len(v.dims) > 1 and _is_on_earth(v, roles)),
        unit_components(schema, physical),
    )


def _same_rows(values: Mapping[str, np.ndarray], beside: Mapping[str, Sequence[Errors]]) -> dict[str, np.ndarray]:
    """Values without rows that are not known of their errors too: of those with several errors fewer rows are read."""
    found = dict(values)
    for name, errors in beside.items():
        known = [one.name for one in errors if one.name in values and values[one.name].ndim > 1]
        if name in found and found[name].ndim and known:
            rows = min(len(found[one]) for one in (name, *known))
            found |= {one: found[one][:rows] for one in (name, *known)}
    return found


def _is_setting(name: str) -> bool:
    """Whether the group of a variable says that it describes the data: conditions, settings, how they were made."""
    return any(_SETTINGS_GROUPS.fullmatch(part) for part in name.split("/")[:-1])


def _may_lose(variable: Variable) -> bool:
    """Whether it holds real numbers, packed or not."""
    return variable.is_numeric and (
        variable.numpy_dtype.kind == "f" or (variable.numpy_dtype.kind in "iu" and variable.scale != 1.0)
    )


def _proposal(variable: Variable, seen: Seen) -> Proposal:
    """What suits one variable: by its errors, its noise, what others recommend, its kind."""
    finding = seen.roles.get(variable.name, Finding())
    if not _may_lose(variable):
        return Proposal(LOSSLESS, str(finding) if finding.is_exact else "")
    values = seen.physical.get(variable.name)
    if not variable.dims or (values is not None and values.size == 1):
        return Proposal(LOSSLESS, str(finding) if finding.is_exact else SINGLE)
    is_uncertainty = finding.role == "uncertainty" or variable.name in seen.own
    is_grid = _is_grid(variable, values, seen)
    by_error = None
    if not is_uncertainty and values is not None:
        by_error = _below_errors(variable, values, seen, is_grid=is_grid) or of_significance(variable, seen.physical)
    in_series = variable.dims[0] in seen.series and values is not None and values.ndim == 1
    by_noise = _below_noise(values, variable, seen) if finding.is_guess and in_series else None
    if finding.is_exact and not (finding.is_guess and (by_error or by_noise)):
        return Proposal(LOSSLESS, str(finding))
    if is_uncertainty:
        return of_uncertainty(values)
    is_plane = is_grid and values is not None and min(values.shape[-2:]) >= GRID_AXIS
    if by_error is not None and is_plane and not _is_of_earth(variable, seen):
        by_error = finer_by_far(_below_noise(values, variable, seen), by_error, variable, seen.physical)
    if by_error is None and (is_plane or in_series):
        by_noise = _below_noise(values, variable, seen)
    by_states = of_states(variable, values) if is_grid else None
    if by_states is not None:
        return by_error or by_states
    by_kind = of_field(values, is_plane=is_plane) if is_grid else of_column(variable, values)
    if variable.name in seen.directions:
        by_kind = Proposal("{abs: 1.0e-4}", "a component of unit vectors or rotations")
    if by_kind.bound == OTHERS and has_conventional_zero(variable):
        by_kind = Proposal(FIELDS, f"in {variable.units}, whose zero means nothing")
    if not by_kind.is_lossy:
        return by_error or by_kind
    has_zeros = is_grid and "exactly 0" in by_kind.reason
    stated = recommendation(variable, seen.names, values)
    by_noise = None if has_zeros else _finer_of(by_noise, stated, variable, seen)
    if by_noise is not None and is_grid and by_kind.bound == OTHERS and _is_of_earth(variable, seen):
        by_noise = None  # rain, a trace gas: what differs between neighbours is no noise, and little is not nothing
    if by_noise is not None and is_grid and by_kind.bound == FIELDS and _may_be_structure(variable, seen):
        by_noise = _finer_of(by_noise, _of_seen_range(values), variable, seen)
    by_ends = None if is_grid else of_ends(variable.name, seen.physical)
    if by_ends is not None and _finer_of(by_ends, by_kind, variable, seen) is by_ends:
        by_kind = by_ends
    return by_error or by_noise or stated or by_kind


def _finer_of(by_noise: Proposal | None, stated: Proposal | None, variable: Variable, seen: Seen) -> Proposal | None:
    """The proposal by noise, unless another allows less: fields of models have structure that looks like noise."""
    if by_noise is None or stated is None:
        return by_noise
    allowed = [float(np.nanmedian(allowed_in(one.bound, variable, seen.physical))) for one in (by_noise, stated)]
    return by_noise if allowed[0] <= allowed[1] else stated


def _weighed(proposal: Proposal, variable: Variable, seen: Seen) -> Proposal:
    """The proposal, unless the values speak against it, or nothing would be gained since they are stored coarsely."""
    values = seen.physical.get(variable.name)
    if not proposal.is_lossy or values is None or not np.isfinite(values).any():
        return proposal
    try:
        allowed = allowed_in(proposal.bound, variable, seen.physical)
    except ConfigError as error:  # a name that formulas cannot spell
        return Proposal(LOSSLESS, f"no formula could be made: {error}")
    coarse = stored_coarsely(variable, seen.stored[variable.name], values)
    if coarse is not None and _gains_nothing(
        values, allowed, coarse, chosen=not proposal.is_below_noise, whole=variable.numpy_dtype.kind != "f"
    ):
        return Proposal(LOSSLESS, f"stored {coarse} already, so exact costs little more ({proposal.reason})")
    noise = _noise_seen(values, variable, coarse) if _has_neighbours(variable, seen) else Noise()
    why = objection(
        values, allowed, noise, is_below_noise=proposal.is_below_noise, relative=_is_relative(proposal.bound)
    )
    if not why:
        return proposal
    for other in (*_finer(proposal), replace(proposal, bound=OTHERS)) if not proposal.is_below_noise else ():
        if other.bound != proposal.bound:
            allowed = allowed_in(other.bound, variable, seen.physical)
            if not objection(values, allowed, noise, is_below_noise=False, relative=_is_relative(other.bound)):
                return replace(other, reason=f"{proposal.reason}; {proposal.bound} {why}")
    return Proposal(LOSSLESS, f"{proposal.bound} {why}")


def _is_relative(bound: str) -> bool:
    return bound.startswith(("{rel", "{bits"))


def _gains_nothing(values: np.ndarray, allowed: np.ndarray, coarse: Coarseness, *, chosen: bool, whole: bool) -> bool:
    """Whether most values would lose nothing, or little beyond what somebody chose to keep of the mantissa.

    Packed values, which are `whole` numbers of steps, lose nothing below one step.
    """
    known = np.isfinite(values) & (values != 0) & np.isfinite(allowed) & (allowed > 0)
    if not known.any():
        return False
    factor = _CHOSEN if chosen and coarse.bits else 2.0 if whole else 1.0
    return bool(np.median(allowed[known] / coarse.half_step(values[known])) < factor)


def _finer(proposal: Proposal) -> list[Proposal]:
    """The same bound, three and ten times finer; none if it has no number."""
    kind, _, number = proposal.bound.strip("{}").partition(": ")
    if kind == "bits":
        return [replace(proposal, bound=f"{{bits: {int(number) + more}}}") for more in _MORE_BITS]
    if kind not in ("abs", "range", "rel"):
        return []
    bounds = [f"{{{kind}: {float(number) * factor:.1e}}}" for factor in _FINER]
    return [replace(proposal, bound=bound.replace("e-0", "e-").replace("e+0", "e+")) for bound in bounds]


def _of_seen_range(values: np.ndarray | None) -> Proposal:
    """A share of the range of the first values, which other values of the file would only widen."""
    known = values[np.isfinite(values)] if values is not None else np.zeros(0)
    width = float(np.ptp(known)) if known.size else 0.0
    share = float(yaml.safe_load(FIELDS)["range"])
    return Proposal(absolute(share * width) if width > 0 else FIELDS, _FINE_STRUCTURE)


def _may_be_structure(variable: Variable, seen: Seen) -> bool:
    """Whether the noise of a field may be fine structure: neighbours have something in common, or it is weather."""
    return _is_of_earth(variable, seen) or not _is_white(variable, seen)


def _is_of_earth(variable: Variable, seen: Seen) -> bool:
    """Whether a field is one of the atmosphere, the sea or the ground, by its CF name or its coordinates.

    What varies between neighbours there is clouds and eddies, however coarse its grid.
    """
    on_earth = any(seen.roles.get(dim, Finding()).role == "position" for dim in variable.dims)
    return bool(variable.standard_name) or on_earth or variable.dims[-2:] in seen.maps


def _is_on_earth(variable: Variable, roles: Mapping[str, Finding]) -> bool:
    """Whether it holds latitudes or longitudes."""
    is_position = roles.get(variable.name, Finding()).role == "position"
    return is_position and bool(
        re.search(r"lat|lon|degrees?_?[ne]", variable.name.lower() + " " + variable.units.lower())
    )


def _is_white(variable: Variable, seen: Seen) -> bool:
    """Whether neighbours in a field have nothing in common."""
    values = seen.physical[variable.name]
    return _noise_seen(values, variable, stored_coarsely(variable, seen.stored[variable.name], values)).is_white


def _has_neighbours(variable: Variable, seen: Seen) -> bool:
    """Whether values that stand beside each other are neighbours in space or time."""
    values = seen.physical[variable.name]
    return _is_grid(variable, values, seen) or (variable.dims[0] in seen.series and values.ndim == 1)


def _is_tiny(variable: Variable, schema: Schema) -> bool:
    """Whether numbers are so few that a loss saves nothing."""
    return variable.is_numeric and 1 < schema.nbytes(variable) // variable.numpy_dtype.itemsize < _FEWEST


def _below_errors(variable: Variable, values: np.ndarray, seen: Seen, *, is_grid: bool) -> Proposal | None:
    """A share of each value's own error, where there are errors beside it; where many have none, what suits its kind."""
    errors = seen.errors.get(variable.name, ())
    if not errors:
        return None
    by_kind = ErrorBound.parse(yaml.safe_load(of_column(variable, values).bound)) if not is_grid else LOSSLESS_BOUND
    part = by_kind.value if by_kind.kind == "rel" else 0.0
    rounding = _rounding(values, variable)
    return of_own_errors(errors, values, seen.physical, rounding, is_plane=is_grid, share_otherwise=part)


def _rounding(values: np.ndarray, variable: Variable) -> float:
    """Return how far the type, or the scale factor, rounds common values."""
    if variable.numpy_dtype.kind != "f":
        return abs(variable.scale) / 2
    known = np.abs(values[np.isfinite(values) & (values != 0)])
    return float(np.finfo(variable.numpy_dtype).eps) / 2 * float(np.median(known)) if known.size else 0.0


def _below_noise(values: np.ndarray | None, variable: Variable, seen: Seen) -> Proposal | None:
    """A quarter of the noise, if there is any beyond the rounding of the numbers as they are stored."""
    if values is None or not np.isfinite(values).any() or any(map(_DRAWS.fullmatch, variable.dims[-2:])):
        return None
    noise = _noise_seen(values, variable, stored_coarsely(variable, seen.stored[variable.name], values))
    if not noise.is_noise or (values.ndim == 1 and are_draws(values, noise, variable)):
        return None
    if values.ndim > 1 and (features := of_features(values, noise, variable)) is not None:
        return features
    about = f"{noise.sigma:.3g} {variable.units}".rstrip()
    if has_tiles(variable, values.shape[-2:]):
        tile = "row" if values.ndim == 2 else "plane"
        return Proposal(
            f"{{noise: {_OF_NOISE}}}", f"a quarter of the noise in each {tile}, about {about}", is_below_noise=True
        )
    return Proposal(absolute(_OF_NOISE * noise.sigma), f"a quarter of the noise, {about}", is_below_noise=True)


def _noise_seen(values: np.ndarray, variable: Variable, coarse: Coarseness | None) -> Noise:
    """The noise beyond the rounding of the type, and beyond the steps in which values are stored."""
    largest = float(np.abs(values[np.isfinite(values)]).max())
    eps = float(np.finfo(variable.numpy_dtype).eps) if variable.numpy_dtype.kind == "f" else 0.0
    return noise_of(values, rounding=max(4 * eps * largest, coarse.step / 2 if coarse is not None else 0.0))


def _is_grid(variable: Variable, values: np.ndarray | None, seen: Seen) -> bool:
    """Whether it is an image or a field: of rank 2 or more, and no short vectors."""
    if len(variable.dims) < 2 or variable.name in seen.lists:
        return False
    if values is None or values.shape[-1] >= LONG_LIST:
        return True
    return min(values.shape[-2:]) >= GRID_AXIS or (values.ndim > 2 and values.shape[-1] >= GRID_AXIS)


def _is_time_axis(variable: Variable, roles: Mapping[str, Finding], physical: Mapping[str, np.ndarray]) -> bool:
    """Whether a column holds times in mostly even steps, so that neighbouring rows are neighbours in time.

    Events come in order too, but at random times: their neighbours have nothing in common.
    """
    if variable.name not in physical or roles.get(variable.name, Finding()).role != "time":
        return False
    values = physical[variable.name]
    known = values[np.isfinite(values)]
    steps = np.diff(known)
    if known.size < _FEW or not (steps > 0).all():
        return False
    middle = float(np.median(steps))
    return bool(np.mean(np.abs(steps - middle) <= 0.05 * middle) >= _EVEN)
