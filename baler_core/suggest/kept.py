"""Turn formulas of derived quantities that are to be kept into entries with a name and a bound."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import yaml

from baler_core.data.arithmetic import parse_arithmetic
from baler_core.data.bounds import usable
from baler_core.data.derived import DerivedRule
from baler_core.data.error_bound import ErrorBound
from baler_core.data.noise import noise_of
from baler_core.data.variables import Schema
from baler_core.errors import ConfigError
from baler_core.machine.records import dataclass
from baler_core.pipeline.derived.quantities import Derived, bind_rules
from baler_core.plugin.registry import Registry
from baler_core.suggest.proposal import absolute

# What quantities may lose, where the field has a custom; all others a thousandth of themselves.
_BOUNDS: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(("ddx", "ddy", "ddz", "vorticity", "divergence"), ("range: 1.0e-2", "a difference of neighbours")),
    "spectrum": ("rel: 1.0e-2", "an energy in each wavenumber"),
    **dict.fromkeys(("magnitude", "colour"), ("abs: 1.0e-3", "in magnitudes")),
    "separation": ("abs: 1.0e-5", "in degrees: 0.04 arcseconds"),
    "distance": ("rel: 1.0e-2", "of a parallax"),
}
# Pixels, where the formula of `aperture_flux` states none.
_RADIUS = 4.0
_OF_NOISE = 0.25
# The momentum of a collection, and so many quantities that may be kept.
_MOMENTUM = re.compile(r"([A-Za-z]\w*)_p[tx]", re.IGNORECASE)
_EXAMPLES = 3
_USUAL = ("muon", "electron", "jet")
NO_VALUES: Mapping[str, np.ndarray] = MappingProxyType({})
_DIFFERENCE = ("range: 1.0e-3", "a sum or difference, which may be 0")
_OTHERS = ("rel: 1.0e-3", "three digits")


@dataclass(frozen=True)
class Kept:
    """An entry of `derived`: `name: {of: formula, bound}`, with the reason for the bound."""

    name: str
    formula: str
    bound: str
    reason: str


def kept_quantities(
    formulas: Iterable[str], schema: Schema, registry: Registry, values: Mapping[str, np.ndarray] = NO_VALUES
) -> list[Kept]:
    """Return an entry for each formula.

    Parameters
    ----------
    values
        The first values of variables, in stored units, as far as they are known.

    Raises
    ------
    ConfigError
        If a formula is none, or needs what the file does not have.
    """
    found: list[Kept] = []
    rules = []
    for text in formulas:
        formula = parse_arithmetic(text, registry.functions())
        operation = formula.term.operation
        bound, reason = _BOUNDS.get(operation, _DIFFERENCE if operation in "+-" else _OTHERS)
        name = _named(text, [kept.name for kept in found])
        found.append(Kept(name, text, bound, reason))
        stated = ErrorBound.parse(yaml.safe_load(f"{{{bound}}}"))
        rules.append(DerivedRule(name, formula, stated, f"--keep {text!r}"))
    bound_to = bind_rules(rules, schema, registry)
    return [_below_noise(kept, one, values) for kept, one in zip(found, bound_to, strict=True)]


def possible_quantities(schema: Schema, registry: Registry, values: Mapping[str, np.ndarray]) -> list[Kept]:
    """Return a few quantities that people compute from such variables, for those who may want to keep them."""
    names = [variable.name.rpartition("/")[2] for variable in schema.variables]
    heads = dict.fromkeys(match[1] for name in names if (match := _MOMENTUM.fullmatch(name)))
    heads = dict.fromkeys([*(head for head in heads if head.lower() in _USUAL), *heads])
    found: list[Kept] = []
    for text in [f"pair_mass({head})" for head in heads] + [
        "vorticity(u, v)",
        "aperture_flux(SCI)",
        "aperture_flux(hdu0)",
    ]:
        if len(found) < _EXAMPLES:
            try:
                found += kept_quantities([text], schema, registry, values)
            except ConfigError:  # not of these variables, or of a package that is not here
                continue
    return found


def _below_noise(kept: Kept, bound: Derived, values: Mapping[str, np.ndarray]) -> Kept:
    """The same, with a quarter of its noise where a quantity adds up the pixels of an image with noise."""
    term = bound.rule.formula.term
    image = bound.inputs[0]
    if term.operation != "aperture_flux" or image.name not in values:
        return kept
    known = np.where(usable(values[image.name], image.fill), values[image.name].astype(np.float64), np.nan)
    noise = noise_of(known)
    radius = term.parts[1].number if len(term.parts) > 1 else _RADIUS
    if not noise.is_noise or radius <= 0:
        return kept
    of_flux = noise.sigma * abs(image.scale) * math.sqrt(math.pi) * radius
    told = f"a quarter of its noise in a circle of {radius:g} pixels, {of_flux:.3g} {image.units}".rstrip()
    return replace(kept, bound=absolute(_OF_NOISE * of_flux).strip("{}"), reason=told)


def _named(formula: str, taken: Iterable[str]) -> str:
    """Return a name made of the words of a formula."""
    short = "_".join(re.findall(r"\w+", formula))[:40].strip("_") or "quantity"
    names = (short, *(f"{short}_{number}" for number in range(2, 1000)))
    return next(name for name in names if name not in set(taken))
