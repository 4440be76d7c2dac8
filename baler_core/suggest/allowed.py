"""Compute what a proposed bound would allow to each value of a sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import yaml

from baler_core.data.arithmetic import parse_arithmetic
from baler_core.data.bounds import usable
from baler_core.data.error_bound import ErrorBound
from baler_core.data.noise import noise_of, noise_of_tiles
from baler_core.data.patterns import variable_meant
from baler_core.data.variables import Variable
from baler_core.pipeline.noise_bounds import has_tiles
from baler_core.suggest.own_errors import smallest
from baler_core.suggest.proposal import Proposal

# Errors that tell more than so many times the noise of neighbours are of something that neighbours share.
_FAR = 2.0


def allowed_in(bound: str, variable: Variable, physical: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the error that a bound, as the configuration writes it, allows to each value, in physical units.

    float64, the shape of the values; 0 or NaN where nothing is allowed.
    """
    return allowed_by(ErrorBound.parse(yaml.safe_load(bound)), variable, physical)


def allowed_by(stated: ErrorBound, variable: Variable, physical: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the same for a bound that has been read."""
    values = physical[variable.name]
    with np.errstate(all="ignore"):
        if stated.formula:
            formula = parse_arithmetic(stated.formula)
            meant = {word: str(variable_meant(word, variable.name, physical)) for word in formula.names}
            parents = {word: smallest(physical[name], values.shape) for word, name in meant.items()}
            found = np.abs(formula.evaluate(parents))
            if stated.other is None:
                return found
            return np.where(np.isfinite(found) & (found > 0), found, allowed_by(stated.other, variable, physical))
        if stated.kind == "noise":
            return stated.value * _noise(variable, values)
        if stated.kind == "abs":
            return np.full(values.shape, stated.value)
        if stated.kind == "range":
            known = values[np.isfinite(values)]
            return np.full(values.shape, stated.value * float(np.ptp(known)) if known.size else 0.0)
        if stated.kind == "rel":
            return stated.value * np.abs(values)
        if stated.kind == "bits":
            return np.ldexp(0.5, np.frexp(values)[1] - 1 - int(stated.value))
    return np.zeros(values.shape)


def finer_by_far(
    by_noise: Proposal | None, by_error: Proposal, variable: Variable, physical: Mapping[str, np.ndarray]
) -> Proposal:
    """Return the proposal by errors, unless they are far larger than the noise: then faint sources stand out from that alone."""
    if by_noise is None:
        return by_error
    noise, error = (float(np.nanmedian(allowed_in(one.bound, variable, physical))) for one in (by_noise, by_error))
    if _FAR * noise >= error:
        return by_error
    told = f"{by_noise.reason}; {by_error.reason} is {error / noise:.2g} times as much"
    return replace(by_noise, reason=told)


def _noise(variable: Variable, values: np.ndarray) -> np.ndarray:
    if not has_tiles(variable, values.shape[-2:]):
        return np.full(values.shape, noise_of(values).sigma)
    axes = 1 if values.ndim == 2 else 2
    sigmas = noise_of_tiles(values).reshape(values.shape[:-axes] + (1,) * axes)
    return np.broadcast_to(sigmas, values.shape)


def physical_values(values: np.ndarray, variable: Variable) -> np.ndarray:
    """Return values as readers show them, NaN where there is none; float64, the same shape."""
    with np.errstate(invalid="ignore"):  # some NaN are meant to signal
        known = np.where(usable(values, variable.fill), values.astype(np.float64), np.nan)
    return np.asarray(known * variable.scale + variable.offset)
