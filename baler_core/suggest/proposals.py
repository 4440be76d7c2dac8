"""Propose a bound for each variable of a file, with its reason: lossy only for measurements, well below their noise."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

import numpy as np

from baler_core.data.angles import names_direction
from baler_core.data.bounds import usable
from baler_core.data.noise import noise_of
from baler_core.data.roles import GRID_AXIS, PIXELS, SINGLE, Finding, roles_of
from baler_core.data.sentinels import sentinels_in
from baler_core.data.uncertainties import Errors, errors_beside
from baler_core.data.variables import Schema, Variable

LOSSLESS = "lossless"
OTHERS = "{rel: 1.0e-3}"
_FIELDS = "{range: 1.0e-3}"
UNCERTAINTIES = "{rel: 1.0e-2}"
OWN_ERRORS = "{rel: 5.0e-2}"

# How much of each value's own error (of images: as of noise), and of the noise, a bound may take.
_OF_ERROR = 0.1
_OF_NOISE = 0.25
_MAGNITUDE = re.compile(r"(^|_)(mag|mags|vmag|bmag|kmag|jmag|hmag|gmag|rmag|imag|kepmag|tmag)\d*(_|$)", re.IGNORECASE)
# Differences of two magnitudes, of Gaia, Johnson and Cousins, SDSS and Pan-STARRS, 2MASS; they pass through zero.
_COLOUR = re.compile(
    r"(bp[-_]rp|bp[-_]g|g[-_]rp|[ubvri][-_][bvri]|[ugrizy][-_][grizy]|[jhk]s?[-_][hk]s?)(_?0|_mean|_corr)?",
    re.IGNORECASE,
)
# A loss relative to the value takes too much of a spread that is smaller than this part of it.
_NARROW = 0.05
_SMALL = 0.01
# So few values cost next to nothing, and small matrices and coefficients are no measurements.
_FEWEST = 17
# Where so many values are exactly zero, zero has a meaning (land, sparsity) that only a relative bound keeps.
_MANY_ZEROS = 0.05
# Fewer values than these do not tell a spread or a rhythm; a rhythm is kept by this part of the steps.
_FEW = 30
_EVEN = 0.75
# Vectors in the rows of a table are shorter than this.
_LONG_AXIS = 64


@dataclass(frozen=True)
class Proposal:
    """A bound as the configuration writes it, and why."""

    bound: str
    reason: str

    @property
    def is_lossy(self) -> bool:
        """Whether anything may be lost."""
        return self.bound != LOSSLESS

    @property
    def is_own(self) -> bool:
        """Whether it is a share of each value's own error."""
        return self.bound.startswith('{abs: "')


def proposals_for(schema: Schema, values: Mapping[str, np.ndarray]) -> dict[str, Proposal]:
    """Return a bound for every variable.

    Parameters
    ----------
    values
        The first values of each, any shape, in stored units; where there are none, name and metadata must do.
    """
    roles = roles_of(schema, values)
    physical = {v.name: _physical(values[v.name], v) for v in schema.variables if v.is_numeric and v.name in values}
    series = {v.dims[0] for v in schema.variables if len(v.dims) == 1 and _is_time_axis(v, roles, physical)}
    beside = errors_beside(schema.names)
    counts = set(schema.counts.values())
    sentinels = sentinels_in(schema, values)
    kept = {name: Proposal(LOSSLESS, f"{sentinel}: missing values?") for name, sentinel in sentinels.items()}
    kept |= {name: Proposal(LOSSLESS, "counts of a collection") for name in counts}
    kept |= {
        v.name: Proposal(LOSSLESS, f"fewer than {_FEWEST} values") for v in schema.variables if _is_tiny(v, schema)
    }
    kept = {name: proposal for name, proposal in kept.items() if not roles.get(name, Finding()).is_exact}
    found = {
        v.name: kept[v.name]
        if v.name in kept
        else _proposal(v, roles.get(v.name, Finding()), physical, _suited(beside.get(v.name, ()), v, schema), series)
        for v in schema.variables
    }
    used = {e.name for name, errors in beside.items() if found[name].is_own for e in errors}
    return {
        name: Proposal(OWN_ERRORS, f"{p.reason}, of which bounds are a part")
        if name in used and p.bound == UNCERTAINTIES
        else p
        for name, p in found.items()
    }


def _suited(errors: Sequence[Errors], variable: Variable, schema: Schema) -> list[Errors]:
    """Return the errors that have the shape of the values, or also lower and upper sides."""
    known = {v.name: v for v in schema.variables if v.is_numeric}
    rank = len(variable.dims)
    return [e for e in errors if e.name in known and rank and known[e.name].dims[:rank] == variable.dims]


def _proposal(
    variable: Variable,
    finding: Finding,
    physical: Mapping[str, np.ndarray],
    errors: Sequence[Errors],
    series: set[str],
) -> Proposal:
    """What suits one variable: by what it is, else its errors, its noise, its kind."""
    packed = variable.is_numeric and variable.numpy_dtype.kind in "iu" and variable.scale != 1.0
    if not variable.is_numeric or not (variable.numpy_dtype.kind == "f" or packed):
        return Proposal(LOSSLESS, str(finding) if finding.is_exact else "")
    values = physical.get(variable.name)
    if not variable.dims or (values is not None and values.size == 1):
        return Proposal(LOSSLESS, str(finding) if finding.is_exact else SINGLE)
    by_error = _below_errors(errors, physical, values, variable)
    in_series = variable.dims[0] in series and values is not None and values.ndim == 1
    by_noise = _below_noise(values, variable) if finding.is_guess and in_series else None
    if finding.is_exact and not (finding.is_guess and (by_error or by_noise)):
        return Proposal(LOSSLESS, str(finding))
    if finding.role == "uncertainty":
        return Proposal(UNCERTAINTIES, "an uncertainty")
    if by_error is not None:
        return by_error
    if _is_grid(variable, values):
        is_plane = values is not None and min(values.shape[-2:]) >= GRID_AXIS
        if values is not None and _has_many_zeros(values):
            return Proposal(OTHERS, "many values are exactly 0, which a bound relative to each value keeps")
        by_noise = _below_noise(values, variable) if is_plane else None
        return by_noise or _of_field(values, is_plane=is_plane)
    return _of_column(variable, values, packed=packed, in_series=variable.dims[0] in series)


def _of_field(values: np.ndarray | None, *, is_plane: bool) -> Proposal:
    """What suits a field without noise: of a range, unless much of it is far smaller than its largest values."""
    if values is not None and not is_plane and _is_whole(values):
        return Proposal(LOSSLESS, "whole numbers, which may be indices")
    if values is not None and _is_mostly_small(values):
        return Proposal(OTHERS, "never negative, and mostly far smaller than its largest values")
    return Proposal(_FIELDS, _why_no_noise(values if is_plane else None))


def _is_tiny(variable: Variable, schema: Schema) -> bool:
    """Whether numbers are so few that a loss saves nothing."""
    return variable.is_numeric and 1 < schema.nbytes(variable) // variable.numpy_dtype.itemsize < _FEWEST


def _has_many_zeros(values: np.ndarray) -> bool:
    """Whether zero stands among other numbers far more often than any measurement gives it."""
    known = values[np.isfinite(values)]
    zeros = int((known == 0).sum())
    return _FEW <= zeros < known.size and zeros >= _MANY_ZEROS * known.size and not _is_whole(values)


def _is_whole(values: np.ndarray) -> bool:
    known = values[np.isfinite(values)]
    return known.size > 0 and bool((known == np.rint(known)).all())


def _is_mostly_small(values: np.ndarray) -> bool:
    """Whether a bound of the range would flatten most values, as of rain: half of those above zero are below a hundredth."""
    known = values[np.isfinite(values)]
    positive = known[known > 0]
    if not positive.size or (known < 0).any():
        return False
    return float(np.median(positive)) < _SMALL * float(positive.max())


def _of_column(variable: Variable, values: np.ndarray | None, *, packed: bool, in_series: bool) -> Proposal:
    """What suits a column of a table, or a series."""
    if values is not None and _is_constant(values):
        return Proposal(LOSSLESS, "a single value in all that was read")
    angle = _angle(variable)
    if angle is not None:
        return angle
    if in_series and values is not None and values.ndim == 1:
        by_noise = _below_noise(values, variable)
        if by_noise is not None:
            return by_noise
    name = variable.name.rpartition("/")[2]
    if _MAGNITUDE.search(name) or _COLOUR.fullmatch(name) or variable.units.lower() == "mag":
        return Proposal("{abs: 1.0e-3}", "a magnitude")
    if variable.units.lower() in PIXELS:
        return Proposal("{abs: 1.0e-3}", "a place on an image")
    if packed:
        return Proposal(_FIELDS, "packed: represents real numbers by a scale factor")
    if values is not None and _is_narrow(values):
        return Proposal(_FIELDS, "its spread is small compared with its values")
    return Proposal(OTHERS, "three digits")


def _angle(variable: Variable) -> Proposal | None:
    """The same small angle everywhere: values near zero mean no more than others."""
    units = variable.units.lower()
    if units in ("deg", "degree", "degrees", "arcdegrees"):
        return Proposal("{abs: 5.0e-3}", "an angle in degrees")
    if units in ("rad", "radian", "radians") or names_direction(variable.name):
        return Proposal("{abs: 1.0e-4}", "an angle")
    return None


def _below_errors(
    errors: Sequence[Errors], physical: Mapping[str, np.ndarray], values: np.ndarray | None, variable: Variable
) -> Proposal | None:
    """A share of each value's own error, where a variable of errors stands beside it."""
    found = [(e, sizes) for e in errors if e.name in physical and (sizes := e.sizes(physical[e.name])).size]
    if values is None or not found:
        return None
    named = " and ".join(_short(e.name) for e, _ in found)
    common = min(float(np.median(sizes)) for _, sizes in found)
    image = _is_grid(variable, values)
    share = _OF_NOISE if image else _OF_ERROR
    if share * common < _rounding(values, variable):
        return Proposal(LOSSLESS, f"common errors, {common:.3g} in {named}, are finer than its numbers")
    terms = [term for e, _ in found if (term := _term(e))]
    if len(terms) < len(found):
        return None
    if len(terms) == 1:
        formula = f"{share} {terms[0]}" if terms[0].startswith("/") else f"{share} * {terms[0]}"
    else:
        least = [f"1 {term}" if term.startswith("/") else f"abs({term})" for term in terms]
        formula = f"{share} * min({', '.join(least)})"
    reason = f"a {'quarter' if image else 'tenth'} of each value's own error, in {named}"
    return Proposal(f'{{abs: "{formula}"}}', reason)


def _term(errors: Errors) -> str | None:
    """Return the size of errors as a formula has it, after a product's sign; None for names that no formula can hold."""
    name = _short(errors.name)
    if re.search(r"[`\"\\\n{}]", name):
        return None
    word = name if all(part.isidentifier() for part in name.split(".")) else f"`{name}`"
    return {"sigma": word, "variance": f"sqrt({word})", "inverse variance": f"/ sqrt({word})"}[errors.measure]


def _rounding(values: np.ndarray, variable: Variable) -> float:
    """Return how far the type, or the scale factor, rounds common values."""
    if variable.numpy_dtype.kind != "f":
        return abs(variable.scale) / 2
    known = np.abs(values[np.isfinite(values) & (values != 0)])
    return float(np.finfo(variable.numpy_dtype).eps) / 2 * float(np.median(known)) if known.size else 0.0


def _below_noise(values: np.ndarray | None, variable: Variable) -> Proposal | None:
    """A quarter of the noise, if there is any beyond the rounding of floating-point numbers."""
    if values is None or not np.isfinite(values).any():
        return None
    is_float = variable.numpy_dtype.kind == "f"
    step = float(np.finfo(variable.numpy_dtype).eps) if is_float else 0.0
    noise = noise_of(values, rounding=4 * step * float(np.nanmax(np.abs(values[np.isfinite(values)]))))
    if not noise.is_noise:
        return None
    return Proposal(_absolute(_OF_NOISE * noise.sigma), f"a quarter of the noise, {noise.sigma:.3g}")


def _why_no_noise(values: np.ndarray | None) -> str:
    if values is None:
        return "a field"
    return (
        "a smooth field, without visible noise"
        if noise_of(values).sigma > 0
        else "no noise is visible in its first values"
    )


def _is_grid(variable: Variable, values: np.ndarray | None) -> bool:
    """Whether it is an image or a field: of rank 2 or more, and no short vectors."""
    if len(variable.dims) < 2:
        return False
    if values is None or values.shape[-1] >= _LONG_AXIS:
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


def _is_constant(values: np.ndarray) -> bool:
    """Whether all values that are there are the same."""
    known = values[np.isfinite(values)]
    return known.size > 1 and bool((known == known[0]).all())


def _is_narrow(values: np.ndarray) -> bool:
    """Whether values stand far from zero beside their spread, as pressures and temperatures do."""
    known = values[np.isfinite(values)]
    if known.size < _FEW:
        return False
    middle = abs(float(np.median(known)))
    low, high = np.percentile(known, (5, 95))
    return bool(0 < high - low < _NARROW * middle)


def _physical(values: np.ndarray, variable: Variable) -> np.ndarray:
    """Values as readers show them, NaN where there is none; float64, the same shape."""
    known = np.where(usable(values, variable.fill), values.astype(np.float64), np.nan)
    return np.asarray(known * variable.scale + variable.offset)


def _absolute(size: float) -> str:
    """An absolute bound of two digits, rounded down."""
    number = Decimal(size)
    short = number.quantize(Decimal(1).scaleb(number.adjusted() - 1), ROUND_FLOOR)
    return f"{{abs: {float(short):.1e}}}".replace("e-0", "e-").replace("e+0", "e+")


def _short(name: str) -> str:
    return name.rpartition("/")[2]
