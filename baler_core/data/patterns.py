"""Shell-style patterns of names: which names they match, and where a pattern is a name itself."""

from __future__ import annotations

import fnmatch
import glob
from collections.abc import Collection, Iterable, Sequence

_ALL = "*"


def name_matches(name: str, pattern: str, literal: Collection[str] = ()) -> bool:
    """Whether a shell-style pattern matches; any name matches itself, brackets (`pt [GeV]`) or not.

    Parameters
    ----------
    literal
        Patterns that match nothing but themselves, as `literal_among` finds them.
    """
    # Files of a thousand variables may have as many patterns: most are plain names.
    is_plain = "*" not in pattern and "?" not in pattern and "[" not in pattern
    return name == pattern or (not is_plain and pattern not in literal and fnmatch.fnmatchcase(name, pattern))


def names_in_full(name: str, pattern: str) -> bool:
    """Whether a pattern is the very name, as it stands or with its special characters in brackets (`x[[]0]`)."""
    return pattern in (name, glob.escape(name))


def literal_among(patterns: Iterable[str], names: Collection[str]) -> frozenset[str]:
    """The patterns that are names themselves: beside `flux[ADU]`, `fluxA` is not what `flux[ADU]` means."""
    special = [p for p in patterns if p != _ALL and ("[" in p or "?" in p or "*" in p)]
    known = set(names) if special else set()
    return frozenset(p for p in special if p in known)


def matching_names(patterns: Sequence[str], names: Sequence[str]) -> list[str]:
    """The names that any of the patterns matches, in their own order.

    One that is a name itself, such as `pt [GeV]`, means that name alone; any other is shell-style.
    """
    literal = literal_among(patterns, names)
    return [name for name in names if any(name_matches(name, p, literal) for p in patterns)]


def unmistakable(patterns: Iterable[str], names: Collection[str]) -> tuple[str, ...]:
    """The same patterns, where those that are names themselves match them alone, whoever asks."""
    patterns = tuple(patterns)
    literal = literal_among(patterns, names)
    return tuple(glob.escape(p) if p in literal else p for p in patterns)
