"""Pass the names and patterns of a selection to the trees that they match."""

from __future__ import annotations

from collections.abc import Sequence

from baler_core import matching_names, select_names, unmistakable

WILDCARDS = set("*?[")


class PatternsOfTrees:
    """What is asked for, of trees whose variables have prefixes.

    Parameters
    ----------
    patterns
        None for everything.
    """

    def __init__(self, patterns: Sequence[str] | None, where: str) -> None:
        self.patterns: Sequence[str] | None = patterns
        self._where = where
        self._known: list[str] = []
        self.offered: list[str] = []
        """All variables that there were to choose from, with their prefixes."""
        self._met: set[str] = set()

    def look_among(self, names: Sequence[str]) -> None:
        """Settle what patterns mean that are names themselves, or the last part of names (`Jet_*` of `Events/Jet_pt`).

        Parameters
        ----------
        names
            Of all variables of all trees, with their prefixes.
        """
        if self.patterns is not None:
            self.patterns = unmistakable(self.patterns, names)

    def of(self, prefix: str, names: Sequence[str]) -> list[str] | None:
        """Return what is asked for of one tree, by its own names; empty for nothing, None for everything.

        Parameters
        ----------
        names
            Names of all its variables.
        """
        self.offered += [prefix + name for name in names]
        if self.patterns is None or not prefix:
            self._met |= set(self.patterns or ())
            return None if self.patterns is None else list(self.patterns)
        self._known += [prefix + name for name in names]
        found = []
        for pattern in self.patterns:
            if WILDCARDS & set(pattern) and prefix + pattern.removeprefix(prefix) not in self._known:
                found += [name.removeprefix(prefix) for name in matching_names([pattern], [prefix + n for n in names])]
            elif pattern.startswith(prefix):
                found.append(pattern.removeprefix(prefix))
                self._met.add(pattern)
        return list(dict.fromkeys(found))

    def refuse_unknown(self) -> None:
        """Complain of names that no tree has.

        Raises
        ------
        DataError
            Naming the nearest.
        """
        unknown = [p for p in self.patterns or () if not WILDCARDS & set(p) and p not in self._met]
        if unknown or (self.patterns and not self._met and self._known):
            select_names(self._known, unknown or self.patterns, self._where)
