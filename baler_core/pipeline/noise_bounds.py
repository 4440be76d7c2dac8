"""Find what the noise of variables is, where a bound is a share of it: an error plane, one number, or each tile's own."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from baler_core.data.block import Block, values_of
from baler_core.data.bounds import BoundRules, usable
from baler_core.data.error_bound import LOSSLESS, ErrorBound
from baler_core.data.noise import noise_of, noise_of_tiles
from baler_core.data.patterns import names_in_full
from baler_core.data.tolerance import rounded_down
from baler_core.data.uncertainties import Errors, Measure, errors_beside
from baler_core.data.variables import Schema, Variable
from baler_core.errors import ConfigError
from baler_core.machine.records import dataclass
from baler_core.pipeline.input import first_values

_NO_RULES = BoundRules()
Walk = Callable[[], Iterable["Block"]]
# Names of planes beside images: HST, JWST, DESI, SDSS, MUSE, ESO, Spitzer, ALMA. Weights may be others than inverse
# variances, which is found by comparing.
_PLANES: Mapping[str, Measure] = {
    **dict.fromkeys(
        ("err", "error", "errors", "stat_err", "sigma", "sigmadat", "uncert", "uncertainty", "unc"), "sigma"
    ),
    **dict.fromkeys(("var", "variance", "stat"), "variance"),
    **dict.fromkeys(("ivar", "wht", "weight"), "inverse variance"),
}
_SIGNALS = ("sci", "data", "image", "signal", "flux", "primary", "hdu0", "")
FORMULAS: Mapping[Measure, str] = {
    "sigma": "{share:g} * `{plane}`",
    "variance": "{share:g} * sqrt(`{plane}`)",
    "inverse variance": "{share:g} / sqrt(`{plane}`)",
}
# A plane that says something else than the differences of neighbours by more than this factor holds no errors.
_ALIKE = 3.0
# So many tiles are enough to say about how large it is.
_NOISY_TILES = 16
# A value has lower, upper and mean errors, not more.
_MOST_ERRORS = 3
# Shorter rows tell no noise of their own.
_SHORTEST = 64


@dataclass(frozen=True)
class NoiseFound:
    """What the bounds of a file mean once the noise is known, and what to tell of it."""

    bounds: tuple[ErrorBound, ...]
    told: Sequence[str]


class _NoNoise(ConfigError):
    """The noise of a variable cannot be estimated."""


def with_noise(schema: Schema, bounds: Sequence[ErrorBound], walk: Walk, rules: BoundRules = _NO_RULES) -> NoiseFound:
    """Return the bounds with those that are shares of a noise as formulas or numbers, unless tiles have their own.

    Where there is no noise, a variable stays exact, unless its bound names it in full.

    Parameters
    ----------
    walk
        Begins to read the file's blocks.
    rules
        Where the bounds come from: they tell which name a variable in full, and where they stand in a configuration.

    Raises
    ------
    ConfigError
        If the noise of a variable that a bound names in full cannot be estimated.
    """
    rules = rules.among(schema.names)
    stated = dict(zip(schema.names, bounds, strict=True))
    shares = {name: bound for name, bound in stated.items() if bound.kind == "noise"}
    if not shares:
        return NoiseFound(tuple(bounds), ())
    planes = {name: error_planes(schema, name) for name in shares}
    wanted = {*shares, *(plane for found in planes.values() for plane, _ in found)}
    values = first_values(walk, [name for name in schema.names if name in wanted])
    told = []
    for name, bound in shares.items():
        rule, place = rules.rule_for(name), rules.places_of([name]).get(name, "")
        in_full = rule is not None and names_in_full(name, rule[0])
        own = _first_noisy(schema[name], values.get(name, np.zeros(0)), walk)
        try:
            stated[name], sentence = _resolved(schema[name], bound, planes[name], {**values, name: own}, place)
        except _NoNoise as error:
            if in_full and own.size:
                raise
            stated[name], sentence = LOSSLESS, f"{error}. It stays exact"
        told.append(sentence)
    return NoiseFound(tuple(stated.values()), told)


def _resolved(
    variable: Variable,
    bound: ErrorBound,
    planes: Sequence[tuple[str, Measure]],
    values: Mapping[str, np.ndarray],
    place: str,
) -> tuple[ErrorBound, str]:
    """Return what a bound means for one variable, and what to tell."""
    start = f"{place + ': ' if place else ''}the noise of {variable.name!r}"
    own = values[variable.name]
    measured = noise_of(own).sigma if own.size else 0.0
    for plane, measure in planes if not bound.dither else ():
        sizes = Errors(plane, measure).sizes(values.get(plane, np.zeros(0)))
        if sizes.size and (measure == "sigma" or agrees_with_noise(sizes, measured)):
            formula = FORMULAS[measure].format(share=bound.value, plane=plane)
            return replace(bound, kind="abs", value=0.0, formula=formula), f"{start} is what {plane!r} says ({measure})"
    if not measured > 0:
        raise _NoNoise(
            f"{start} cannot be estimated: {_why(own)}. State a bound with a number, such as {{abs: 0.1}}, or lossless"
        )
    if has_tiles(variable, own.shape[-2:]):
        what = "row" if len(variable.dims) == 2 else f"plane of {' x '.join(variable.dims[-2:])}"
        return bound, f"{start} is measured in each {what}: about {measured:.3g} {variable.units}".rstrip()
    if bound.dither:
        raise ConfigError(
            f"{start} is one number for all of it, and only images and cubes are dithered: leave 'dither' out"
        )
    value = rounded_down(bound.value * measured)
    sentence = (
        f"{start} is {measured:.3g} {variable.units}".rstrip() + f", by {own.size:,} of its values: abs {value:g}"
    )
    return replace(bound, kind="abs", value=value), sentence


def _first_noisy(variable: Variable, first: np.ndarray, walk: Walk) -> np.ndarray:
    """Return the first physical values, or those of the first block with any noise: images may begin with an empty border."""
    own = shown_values(variable, first)
    if not own.size or noise_of(own).sigma > 0:
        return own
    for block in walk():
        if variable.name in block.variables:
            values = shown_values(variable, values_of(block, variable.name))
            tiles = noise_of_tiles(values) if values.ndim > 1 and values.size else np.zeros(0)
            if (tiles > 0).any():
                return values.reshape(-1, *values.shape[-2 if values.ndim > 2 else -1 :])[tiles > 0][:_NOISY_TILES]
            if values.ndim < 2 and values.size and noise_of(values).sigma > 0:
                return values
    return own


def _why(values: np.ndarray) -> str:
    known = values[np.isfinite(values)]
    if known.size < 2:
        return "there are no values"
    return "its first values are all the same" if known.min() == known.max() else "its first values tell none"


def has_tiles(variable: Variable, shape: tuple[int, ...]) -> bool:
    """Return whether noise is measured in each row of a variable, or each plane of the last two dimensions' shape."""
    if len(variable.dims) < 2:
        return False
    return shape[-1] >= _SHORTEST if len(variable.dims) == 2 else math.prod(shape) >= _SHORTEST * _SHORTEST // 4


def shown_values(variable: Variable, values: np.ndarray) -> np.ndarray:
    """Return physical values, float64; NaN where they are missing."""
    known = usable(values, (*variable.fill, *variable.flags), variable.limits)
    with np.errstate(invalid="ignore"):  # some NaN are meant to signal
        return np.where(known, values.astype(np.float64) * variable.scale + variable.offset, np.nan)


def agrees_with_noise(sizes: np.ndarray, noise: float) -> bool:
    """Return whether errors by a variance or weight are those that the differences of neighbours show, if they show any."""
    return bool(noise == 0 or 1 / _ALIKE < float(np.median(sizes)) / noise < _ALIKE)


def error_planes(
    schema: Schema, name: str, beside: Mapping[str, Sequence[Errors]] | None = None, *, several: bool = False
) -> list[tuple[str, Measure]]:
    """Return variables of the same dimensions that may hold the errors of one: by names of columns and planes, by metadata.

    Parameters
    ----------
    beside
        What `errors_beside` finds, if it was asked already.
    several
        Whether those count too that hold a few errors of each value, such as the lower and the upper one.
    """
    by_columns = (errors_beside(schema.names) if beside is None else beside).get(name, [])
    folder, _, last = name.rpartition("/")
    by_planes: list[tuple[str, Measure]] = []
    for other in schema.names if _bare(last) in _SIGNALS else ():
        inside, _, plane = other.rpartition("/")
        measure = _PLANES.get(_bare(plane))
        if measure is not None and inside == folder and _version(plane) == _version(last):
            by_planes.append((other, measure))
    dims, standard = schema[name].dims, schema[name].standard_name
    # CF conventions, appendix C: the modifier of a standard name
    by_standard: list[tuple[str, Measure]] = [
        (v.name, "sigma") for v in schema.variables if standard and v.standard_name == f"{standard} standard_error"
    ]
    found = dict.fromkeys([*((errors.name, errors.measure) for errors in by_columns), *by_planes, *by_standard])
    return [
        (other, measure)
        for other, measure in found
        if (schema[other].dims == dims or (several and _has_several(schema, other, dims)))
        and schema[other].is_numeric
        and schema[other].numpy_dtype.kind == "f"
    ]


def _has_several(schema: Schema, name: str, dims: tuple[str, ...]) -> bool:
    """Whether a variable has one dimension more, which is short."""
    more = schema[name].dims[len(dims) :]
    return schema[name].dims[: len(dims)] == dims and len(more) == 1 and schema.sizes[more[0]] <= _MOST_ERRORS


def _bare(name: str) -> str:
    """Return a name in small letters without the number of its version: `SCI,2` as `sci`."""
    return re.sub(r"[,_ ]?\d*$", "", name.casefold()) if name.casefold() != "hdu0" else "hdu0"


def _version(name: str) -> str:
    found = re.search(r"[,_ ](\d+)$", name)
    return found[1] if found else ""
