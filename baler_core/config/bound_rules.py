"""Parse the `bounds` section into BoundRules, and collect its problems."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, get_args

from baler_core.config.yaml_nodes import KeyPath
from baler_core.data.bound_syntax import BoundError, BoundKind
from baler_core.data.bounds import BoundRules
from baler_core.data.error_bound import LOSSLESS, ErrorBound
from baler_core.data.patterns import name_matches
from baler_core.errors import ConfigError

Complain: TypeAlias = Callable[[KeyPath, str], None]


def parse_bounds(stated: Any, complain: Complain) -> BoundRules:
    """Return bounds from their configuration form.

    Parameters
    ----------
    stated
        `lossless`, `none` or `{abs: 1e-3}`, which stand for the same under the pattern `*`; or a mapping of patterns to
        bounds, where the first match wins.
    complain
        Called with the place of a problem, inside `bounds`, and a message.
    """
    if stated is None:
        return BoundRules()
    if isinstance(stated, str) or _is_single_bound(stated):
        return BoundRules((("*", _parse_bound(stated, (), complain)),))
    if not isinstance(stated, dict) or not stated:
        complain((), f"wanted a bound, or bounds by pattern such as {{'Jet_*': {{rel: 1.0e-3}}}}, found {stated!r}")
        return BoundRules()
    rules = tuple((pattern, _parse_bound(bound, (pattern,), complain)) for pattern, bound in stated.items())
    for pattern, earlier in _unreachable([pattern for pattern, _ in rules]):
        complain((pattern,), f"never used: {earlier!r} comes before it and matches the same names. Move it up")
    return BoundRules(rules)


def _is_single_bound(stated: Any) -> bool:
    """`{abs: 1e-3}` and `{abs: "0.1 * e"}` are bounds; `{abs: {rel: 1e-3}}` and `{abs: lossless}` bound a variable abs."""
    if not isinstance(stated, dict):
        return False
    return any(
        key in get_args(BoundKind)
        and (not isinstance(value, dict | str | ErrorBound) or (key == "abs" and value not in ("lossless", "none")))
        and not isinstance(value, dict | ErrorBound)
        for key, value in stated.items()
    )


def _parse_bound(stated: Any, path: KeyPath, complain: Complain) -> ErrorBound:
    try:
        return ErrorBound.parse(stated)
    except ConfigError as error:
        key = (error.key,) if isinstance(error, BoundError) and error.key else ()
        complain((*path, *key), str(error))
        return LOSSLESS


def _unreachable(patterns: Sequence[str]) -> list[tuple[str, str]]:
    """Patterns that never apply, each with the earlier one that takes all its variables."""
    found = []
    for index, pattern in enumerate(patterns):
        earlier = next((p for p in patterns[:index] if _covers(p, pattern)), None)
        if earlier is not None:
            found.append((pattern, earlier))
    return found


def _covers(earlier: str, later: str) -> bool:
    """Whether every name that matches `later` matches `earlier`; False where that is not plain to see."""
    if "[" in earlier + later or ("?" in earlier and "*" in later):
        return False
    return name_matches(later, earlier)
