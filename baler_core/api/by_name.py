"""Offer the variables of an open file, or of several, as a mapping that is closed in the end."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Generic, Self, TypeVar

from baler_core.errors import look_up

Array = TypeVar("Array")


class ByName(Mapping[str, Array], Generic[Array]):
    """Variables by name. The object of each is made when it is asked for first, as a file may have thousands.

    Attributes
    ----------
    path
        Where they lie, for messages.
    """

    path: Any

    def __init__(self, names: Collection[str]) -> None:
        self._names = dict.fromkeys(names)
        self._made: dict[str, Array] = {}

    @abstractmethod
    def _make(self, name: str) -> Array:
        """Return the object of a variable that is there."""

    def __getitem__(self, name: str) -> Array:
        """Return a variable.

        Raises
        ------
        UnknownVariable
            With the nearest names (a KeyError, too).
        """
        if name not in self._made:
            look_up(name, self._names, self.path)
            self._made[name] = self._make(name)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    @abstractmethod
    def close(self) -> None:
        """Release the file; values cannot be asked for any more."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()
