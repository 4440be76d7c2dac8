"""Parse the `derived` section into rules, and collect its problems."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baler_core.config.bound_rules import Complain
from baler_core.data.arithmetic import Arithmetic, Function, parse_arithmetic
from baler_core.data.bound_syntax import BoundError
from baler_core.data.derived import BOUNDS, DerivedRule
from baler_core.data.error_bound import ErrorBound
from baler_core.errors import ConfigError, did_you_mean

_EXAMPLE = '{m: {of: "pair_mass(Muon)", rel: 1.0e-3}}'
_LONGEST = 100


def parse_derived(
    stated: Any, functions: Mapping[str, Function], complain: Complain, where: str
) -> tuple[DerivedRule, ...]:
    """Return derived quantities from their configuration form.

    Parameters
    ----------
    stated
        `{name: {of: formula, kind: value}}`, with `units` if wanted.
    functions
        What formulas may call.
    complain
        Called with the place of a problem, inside `derived`, and a message.
    where
        With `{}` for the name: the place of a quantity, for messages about data.
    """
    if stated is None:
        return ()
    if not isinstance(stated, dict) or not stated:
        complain((), f"wanted quantities by name, such as {_EXAMPLE}, found {stated!r}")
        return ()
    rules = (_rule(str(name), one, functions, complain, where) for name, one in stated.items())
    return tuple(rule for rule in rules if rule is not None)


def _rule(
    name: str, stated: Any, functions: Mapping[str, Function], complain: Complain, where: str
) -> DerivedRule | None:
    if not name.isprintable() or not name or len(name) > _LONGEST:
        complain((name,), f"the name of a quantity has 1 to {_LONGEST} printable characters")
        return None
    if not isinstance(stated, dict) or "of" not in stated:
        complain((name,), f"wanted a formula and a bound, such as {_EXAMPLE}, found {stated!r}")
        return None
    formula = _formula(name, stated["of"], functions, complain)
    units = stated.get("units", "")
    if not isinstance(units, str) or not units.isprintable():
        complain((name, "units"), f"units are text, found {units!r}")
        units = ""
    bound = _bound(name, {key: value for key, value in stated.items() if key not in ("of", "units")}, complain)
    if formula is None or bound is None:
        return None
    return DerivedRule(name, formula, bound, where.replace("{}", name), units)


def _formula(name: str, stated: Any, functions: Mapping[str, Function], complain: Complain) -> Arithmetic | None:
    if not isinstance(stated, str):
        complain((name, "of"), f"wanted a formula as text, such as 'pair_mass(Muon)', found {stated!r}")
        return None
    try:
        return parse_arithmetic(stated, functions)
    except ConfigError as error:
        complain((name, "of"), str(error))
        return None


def _bound(name: str, stated: Mapping[str, Any], complain: Complain) -> ErrorBound | None:
    for key in stated:
        if key not in BOUNDS:
            complain((name, key), f"unknown key. {did_you_mean(key, ['of', 'units', *BOUNDS])}")
            return None
    try:
        return ErrorBound.parse(dict(stated))
    except BoundError as error:
        missing = "" if stated else ": say how far the quantity may move, such as rel: 1.0e-3"
        complain((name, error.key) if error.key else (name,), f"{error}{missing}")
    except ConfigError as error:
        missing = "wanted a bound beside 'of': abs, rel or range, such as rel: 1.0e-3" if not stated else str(error)
        complain((name,), missing)
    return None
