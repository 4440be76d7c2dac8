"""Split a list of files into shares, the same everywhere, for batch systems that start one job for each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Self, TypeVar

from baler_core.errors import ConfigError
from baler_core.machine.records import dataclass

Item = TypeVar("Item")


@dataclass(frozen=True)
class ListShare:
    """One of several shares of a list, counted from 1."""

    number: int
    total: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the share that `3/100` means.

        Raises
        ------
        ConfigError
            If it means none.
        """
        match = re.fullmatch(r"\s*([0-9]{1,9})\s*/\s*([0-9]{1,9})\s*", text)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise ConfigError(f"{text!r} is no share of a list: write 1/100 for the first of a hundred, up to 100/100")
        return cls(int(match[1]), int(match[2]))

    def of(self, items: Sequence[Item]) -> tuple[Item, ...]:
        """Return every `total`-th of the items, so that shares of a sorted list take about the same time."""
        return tuple(items[self.number - 1 :: self.total])

    @property
    def suffix(self) -> str:
        """What the manifest of this share adds to its name; sorts by number."""
        return f".part{self.number:0{len(str(self.total))}d}of{self.total}"

    def __str__(self) -> str:
        return f"{self.number}/{self.total}"
