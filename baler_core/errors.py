"""Define the exceptions of every layer, and find the names that a user may have meant."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

Found = TypeVar("Found")
USER, USAGE, BROKEN_BOUND, BUG = 1, 2, 3, 70
"""Exit codes of commands, by who can mend what went wrong."""


class BalerError(Exception):
    """A problem the user can fix: the command line shows the message alone and exits with 1."""


class ConfigError(BalerError):
    """The configuration, or a command-line value, asks for something that cannot be."""


class PluginError(BalerError):
    """A component was asked for that no working plugin offers."""


class DataError(BalerError):
    """An input file is missing, unreadable, or holds something else than was asked for."""


class UnsuitedError(DataError):
    """A file is whole, but not of the kind that a reader takes: where nobody chose the reader, it is kept byte for byte."""


class FormatError(BalerError):
    """A `.bal` file is damaged, cut short, hostile, or of a newer format."""


class MissingFile(FormatError, FileNotFoundError):
    """A `.bal` file is not there."""


class DamagedFile(FormatError, OSError):
    """A `.bal` file is damaged, for libraries whose users expect an OSError."""


class DamagedChunk(FormatError, ValueError):
    """A chunk of an array store is damaged, or was encoded by something else."""


class CutShort(FormatError, OSError):
    """A `.bal` file ends too early."""


class UnknownVariable(DataError, KeyError):
    """A variable was asked for that a file does not hold."""

    __str__ = Exception.__str__  # KeyError would put the sentence in quotation marks


class OutsideError(DataError, IndexError):
    """Rows or a region were asked for that a variable does not have."""


class SourceError(DataError, OSError):
    """Bytes cannot be read from where they lie, or are not those that were there before."""


class MissingPackage(BalerError, ImportError):
    """A package that only some work needs is not installed, or cannot be imported."""


class BoundBroken(Exception):
    """A restored value lies outside its bound: our bug, never the user's (exit code 3)."""


class NotTheOriginal(BoundBroken):
    """Two files that are compared differ by more than the bounds: most likely one was not made from the other."""


def nearest_names(name: str, candidates: Iterable[str], *, count: int = 3) -> list[str]:
    """Return the candidates most like `name`, best first; compared without case."""
    import difflib

    by_folded = {candidate.casefold(): candidate for candidate in candidates}
    matches = difflib.get_close_matches(name.casefold(), list(by_folded), n=count, cutoff=0.5)
    return [by_folded[match] for match in matches]


def did_you_mean(name: str, candidates: Iterable[str], *, listed: int = 12) -> str:
    """Return one sentence to end a message about the unknown `name`: the nearest names, else what there is."""
    available = sorted(set(candidates))
    close = nearest_names(name, available)
    if close:
        return "Did you mean " + " or ".join(repr(match) for match in close) + "?"
    if not available:
        return "None is available."
    more = f" and {len(available) - listed} more" if len(available) > listed else ""
    return "Available: " + ", ".join(available[:listed]) + more + "."


def look_up(name: str, items: Mapping[str, Found], where: object, what: str = "variable", more: str = "") -> Found:
    """Return an item by its name.

    Parameters
    ----------
    where, what
        For the message: the file, and what its items are.
    more
        A sentence to end it.

    Raises
    ------
    UnknownVariable
        With the nearest names, if there is none.
    """
    if name not in items:
        sentence = f"{where}: there is no {what} {name!r}. {did_you_mean(str(name), items)}"
        raise UnknownVariable(f"{sentence} {more}" if more else sentence)
    return items[name]
