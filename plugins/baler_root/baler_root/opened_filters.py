"""Choose names as the filters of uproot do: by patterns, regular expressions between slashes, and functions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from baler_core import ConfigError, matching_names
from baler_root.values.template.reading import KEPT

Filter: TypeAlias = str | Iterable[Any] | Callable[[Any], Any] | None
"""A name, a pattern (`Jet_*`), a regular expression (`/Jet_(pt|eta)/i`), several of these, or a function; None takes all."""

_REGULAR = re.compile(r"/(.*)/([iLmsux]*)", re.DOTALL)


def accepting(stated: Filter) -> Callable[[Any], bool]:
    """Return a function that tells whether a filter takes a name.

    Raises
    ------
    ConfigError
        If a regular expression is none.
    """
    if stated is None:
        return lambda name: True
    if callable(stated):
        return lambda name: bool(stated(name))
    if not isinstance(stated, str):
        filters = [accepting(one) for one in stated]
        return lambda name: any(takes(name) for takes in filters)
    if between := _REGULAR.fullmatch(stated):
        pattern = _compiled(stated, *between.groups())
        return lambda name: pattern.match(name) is not None
    if any(letter in stated for letter in "*?["):
        return lambda name: bool(matching_names([stated], [name]))
    return lambda name: name == stated


def _compiled(stated: str, expression: str, flags: str) -> re.Pattern[str]:
    try:
        return re.compile(f"(?{flags.replace('L', '')}){expression}" if flags.replace("L", "") else expression)
    except re.error as error:
        raise ConfigError(f"filter {stated!r}: is no regular expression: {error}") from error


def short_names(chosen: Sequence[str], keys: Iterable[str]) -> list[str]:
    """Return names of branches without those of the objects around them, as uproot calls arrays; in full where several share one."""
    paths = [key.split("/") for key in keys]
    counts = Counter(path[-1] for path in paths)
    objects = {step for path in paths for step in path[:-1]}
    return [
        name if counts[short] > 1 or short in objects else short
        for name, short in ((name, name.rpartition("/")[2]) for name in chosen)
    ]


def kept_unread(skeleton: Mapping[str, Any]) -> str:
    """Say how many branches of a tree were kept as they are, and come back only when the file is restored; empty if none."""
    template = skeleton.get("template")
    count = str(template.get("kinds", "")).count(KEPT) if isinstance(template, Mapping) else 0
    if not count:
        return ""
    return f"{count} more {'branch comes' if count == 1 else 'branches come'} back only when the file is restored."
