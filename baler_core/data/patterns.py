"""Match shell-style patterns with names: exact names first, then wildcards, then the last part of names."""

from __future__ import annotations

import fnmatch
import glob
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType

_ALL = "*"
_PLAIN: Mapping[str, frozenset[str]] = MappingProxyType({})


def name_matches(name: str, pattern: str, meant: Mapping[str, frozenset[str]] = _PLAIN) -> bool:
    """Return whether a shell-style pattern matches; any name matches itself, brackets (`pt [GeV]`) or not.

    Parameters
    ----------
    meant
        What some of the patterns match, as `meant_among` finds it.
    """
    if name == pattern or pattern in meant:
        return name == pattern or name in meant[pattern]
    # Files of a thousand variables may have as many patterns: most are plain names.
    return _has_wildcards(pattern) and fnmatch.fnmatchcase(name, pattern)


def _has_wildcards(pattern: str) -> bool:
    return "*" in pattern or "?" in pattern or "[" in pattern


def names_in_full(name: str, pattern: str) -> bool:
    """Return whether a pattern is the very name, as it stands or with its special characters in brackets (`x[[]0]`).

    A slash before the name or the pattern makes no difference.
    """
    bare = name.removeprefix("/")
    return pattern.removeprefix("/") in (bare, glob.escape(bare))


def meant_among(patterns: Iterable[str], names: Collection[str]) -> dict[str, frozenset[str]]:
    """Return what patterns match, of those that do not mean what the shell would take them for.

    One that is a name itself means that name alone: beside `flux[ADU]`, `fluxA` is not what `flux[ADU]` means. One
    without a slash that matches no name means the last part of names: `Jet_*` the `Events/Jet_pt` of a file with
    several trees, `pt` the `jets/pt` of a file with groups. One that
    begins with a slash and matches no name means whole names: `/pt` is the `pt` outside all groups.
    """
    known = set(names)
    last = {name: name.rpartition("/")[2] for name in names if "/" in name}
    parts = set(last.values())
    found: dict[str, frozenset[str]] = {}
    for pattern in patterns:
        if pattern in known:
            if pattern != _ALL and _has_wildcards(pattern):
                found[pattern] = frozenset([pattern])
        elif last and "/" not in pattern and not any(name_matches(name, pattern) for name in known):
            own = {pattern: frozenset([pattern])} if pattern in parts else {}
            found[pattern] = frozenset(name for name, part in last.items() if name_matches(part, pattern, own))
        elif pattern.startswith("/") and not any(name_matches(name, pattern) for name in known):
            bare = pattern.removeprefix("/")
            own = {bare: frozenset([bare])} if bare in known else {}
            found[pattern] = frozenset(name for name in names if name_matches(name, bare, own))
    return found


def matching_names(patterns: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return the names that any of the patterns matches, in their own order.

    One that is a name itself, such as `pt [GeV]`, means that name alone; any other is shell-style (see `meant_among`).
    """
    meant = meant_among(patterns, names)
    return [name for name in names if any(name_matches(name, p, meant) for p in patterns)]


def unmistakable(patterns: Iterable[str], names: Sequence[str]) -> tuple[str, ...]:
    """Patterns that match the same whoever asks: the names themselves, where `meant_among` says what is meant."""
    patterns = tuple(patterns)
    meant = meant_among(patterns, names)
    full: list[str] = []
    for pattern in patterns:
        own = meant.get(pattern, frozenset())
        full += [glob.escape(name) for name in names if name in own] if own else [pattern]
    return tuple(dict.fromkeys(full))


def variable_meant(needed: str, beside: str, names: Collection[str]) -> str | None:
    """Return the variable that a formula means by a name: that very one, one of the group of `beside`, or the only one.

    Parameters
    ----------
    beside
        The variable that the formula is for: `Muon_dxyErr` for `Events/Muon_dxy` is `Events/Muon_dxyErr`.
    """
    if needed in names:
        return needed
    group, slash, _ = beside.rpartition("/")
    if f"{group}{slash}{needed}" in names:
        return f"{group}{slash}{needed}"
    found = [name for name in names if name.rpartition("/")[2] == needed]
    return found[0] if len(found) == 1 else None
