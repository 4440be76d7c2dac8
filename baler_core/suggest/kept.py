"""Turn formulas of derived quantities that are to be kept into entries with a name and a bound."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import yaml

from baler_core.data.arithmetic import parse_arithmetic
from baler_core.data.derived import DerivedRule
from baler_core.data.error_bound import ErrorBound
from baler_core.data.variables import Schema
from baler_core.derived.quantities import bind_rules
from baler_core.plugin.registry import Registry

# What quantities may lose, where the field has a custom; all others a thousandth of themselves.
_BOUNDS: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(("ddx", "ddy", "ddz", "vorticity", "divergence"), ("range: 1.0e-2", "a difference of neighbours")),
    "spectrum": ("rel: 1.0e-2", "an energy in each wavenumber"),
    **dict.fromkeys(("magnitude", "colour"), ("abs: 1.0e-3", "in magnitudes")),
    "separation": ("abs: 1.0e-5", "in degrees: 0.04 arcseconds"),
    "distance": ("rel: 1.0e-2", "of a parallax"),
}
_DIFFERENCE = ("range: 1.0e-3", "a sum or difference, which may be 0")
_OTHERS = ("rel: 1.0e-3", "three digits")


@dataclass(frozen=True)
class Kept:
    """An entry of `derived`: `name: {of: formula, bound}`, with the reason for the bound."""

    name: str
    formula: str
    bound: str
    reason: str


def kept_quantities(formulas: Iterable[str], schema: Schema, registry: Registry) -> list[Kept]:
    """Return an entry for each formula.

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
    bind_rules(rules, schema, registry)
    return found


def _named(formula: str, taken: Iterable[str]) -> str:
    """Return a name made of the words of a formula."""
    short = "_".join(re.findall(r"\w+", formula))[:40].strip("_") or "quantity"
    names = (short, *(f"{short}_{number}" for number in range(2, 1000)))
    return next(name for name in names if name not in set(taken))
