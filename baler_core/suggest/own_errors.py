"""Propose a share of each value's own error, where a column or plane of errors lies beside the values."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping, Sequence

import numpy as np
import yaml

from baler_core.data.arithmetic import FUNCTIONS
from baler_core.data.noise import noise_of
from baler_core.data.uncertainties import Errors
from baler_core.data.variables import Schema, Variable
from baler_core.pipeline.noise_bounds import FORMULAS, agrees_with_noise, error_planes
from baler_core.suggest.proposal import LOSSLESS, Proposal, absolute

_OF_COLUMN, _OF_PLANE = 0.1, 0.25
# Of the values, so many must have an error: a column that is mostly empty says nothing about the others.
_MOSTLY = 0.5
# Where more than this part of the values have no error, the bound that the others had without errors holds for these.
_LACKING = 0.05
# More errors than upper, lower and their mean belong to something else.
_MOST = 3


def errors_of(
    schema: Schema, name: str, physical: Mapping[str, np.ndarray], beside: Mapping[str, Sequence[Errors]]
) -> list[Errors]:
    """Return the columns or planes of a variable's errors, as far as their values are errors of most of its values.

    Of standard deviations and their squares or inverses beside one variable, the standard deviations count.

    Parameters
    ----------
    physical
        Values, float64, NaN where there are none.
    beside
        Columns of errors by their names.
    """
    own = physical.get(name)
    if own is None:
        return []
    found = []
    for plane, measure in error_planes(schema, name, beside, several=True):
        errors = Errors(plane, measure)
        values = physical.get(plane)
        if values is None or values.shape[: own.ndim] != own.shape:
            continue
        sizes = errors.sizes(smallest(values, own.shape)[np.isfinite(own)])
        if sizes.size < max(1.0, _MOSTLY * np.isfinite(own).sum()):
            continue
        if measure == "sigma" or own.ndim < 2 or agrees_with_noise(sizes, noise_of(own).sigma):
            found.append(errors)
    sigmas = [errors for errors in found if errors.measure == "sigma"]
    return sigmas[:_MOST] or found[:1]


def of_own_errors(
    errors: Sequence[Errors],
    values: np.ndarray,
    physical: Mapping[str, np.ndarray],
    rounding: float,
    *,
    is_plane: bool,
    share_otherwise: float = 0.0,
) -> Proposal | None:
    """Return the proposal of a tenth of each value's error, of a quarter for planes; None where the names allow no formula.

    Parameters
    ----------
    values
        Of the variable itself, float64.
    rounding
        How far the variable's type rounds its values: what is finer keeps them exact.
    share_otherwise
        What part of themselves values without an error may lose, if these are more than a few; none if it is 0.
    """
    share = _OF_PLANE if is_plane else _OF_COLUMN
    formula = _formula(errors, share)
    if formula is None:
        return None
    found = {one.name: smallest(physical[one.name], values.shape) for one in errors}
    sizes = np.concatenate([one.sizes(found[one.name]) for one in errors])
    common = float(np.median(sizes))
    names = " and ".join(one.name.rpartition("/")[2] for one in errors)
    if share * common < rounding:
        return Proposal(LOSSLESS, f"common errors, {common:.3g} in {names}, are finer than its numbers")
    part = "a quarter" if is_plane else "a tenth"
    is_one = len(errors) == 1 and physical[errors[0].name].shape == values.shape
    which = "each value's error" if is_one else "the smaller of each value's errors"
    reason = f"{part} of {which}, in {names} (commonly {common:.3g})"
    other, lacking = _of_values_without(values, list(found.values()), share_otherwise, share * common)
    return Proposal(f"{{abs: {quoted(formula)}{other}}}", reason + lacking, is_below_noise=True)


def _of_values_without(values: np.ndarray, errors: list[np.ndarray], share: float, most: float) -> tuple[str, str]:
    """Return the bound of values without an error, and what to say of it; nothing if these are few.

    They lose a share of themselves, but no more than the others commonly do.
    """
    known = np.isfinite(values)
    without = known & ~np.all([np.isfinite(one) & (one != 0) for one in errors], axis=0)
    part = int(np.count_nonzero(without)) / max(1, int(np.count_nonzero(known)))
    if not share or part <= _LACKING:
        return "", ""
    allowed = share * float(np.median(np.abs(values[without])))
    other = f"{{rel: {share:.1e}}}" if allowed <= most else absolute(most)
    return f", else: {other.replace('e-0', 'e-')}", f"; {part:.0%} have none"


def smallest(values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the smallest size of the errors of each value, of a shape; NaN if any is missing. One of each as it is."""
    if values.shape == shape:
        return values
    with np.errstate(all="ignore"):
        return np.asarray(np.abs(values).reshape(*shape, -1).min(axis=-1))


def of_significance(variable: Variable, physical: Mapping[str, np.ndarray]) -> Proposal | None:
    """Return the proposal for a variable whose ratio to its error stands beside it, as Gaia's `parallax_over_error`.

    A tenth of the error is a share of the value, of the most significant ones but for a thousandth; the error is no column.
    """
    ratios = physical.get(f"{variable.name}_over_error")
    if ratios is None or not np.isfinite(ratios).any():
        return None
    largest = float(np.percentile(np.abs(ratios[np.isfinite(ratios)]), 99.9))
    if largest <= 1:
        return None
    share = absolute(_OF_COLUMN / largest).replace("abs", "rel")
    name = f"{variable.name}_over_error".rpartition("/")[2]
    return Proposal(share, f"a tenth of the error where {name} is {largest:.3g}, the largest seen", is_below_noise=True)


def _formula(errors: Sequence[Errors], share: float) -> str | None:
    """Return the formula of a bound; None if a name cannot stand in one."""
    words = [_word(one.name) for one in errors]
    if not words or any(word is None for word in words):
        return None
    if len(words) == 1:
        return (
            FORMULAS[errors[0].measure]
            .format(share=share, plane=errors[0].name)
            .replace(f"`{errors[0].name}`", str(words[0]))
        )
    return f"{share:g} * min({', '.join(f'abs({word})' for word in words)})"


def _word(name: str) -> str | None:
    """Return a name as formulas spell it; None if it holds what they cannot."""
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) and not keyword.iskeyword(name) and name not in FUNCTIONS:
        return name
    return None if "`" in name or "{" in name or not name.isprintable() or len(name) > 200 else f"`{name}`"


def quoted(text: str) -> str:
    """Return text between double quotes, as YAML reads it."""
    return yaml.dump(text, Dumper=yaml.SafeDumper, default_style='"', allow_unicode=True, width=1_000_000).strip()
