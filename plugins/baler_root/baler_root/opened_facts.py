"""What an open tree and its branches say of themselves and of their file, as uproot's do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn, Self

from baler_core import DataError, File
from baler_root.opened_reading import ReadCounters


class NoBaskets(DataError, AttributeError):
    """Asked for what only baskets of ROOT have."""


class Sizes:
    """How many bytes trees and branches take: of values as they are restored, since none are stored by themselves."""

    @property
    def where(self) -> str:
        """Return the file and the tree, for messages."""
        raise NotImplementedError

    @property
    def uncompressed_bytes(self) -> int:
        """Return the bytes of all values as they are stored in arrays, without headers of baskets, which there are not."""
        raise NotImplementedError

    @property
    def compressed_bytes(self) -> NoReturn:
        """Refuse: variables are coded together, and what one takes follows from the others."""
        raise NoBaskets(
            f"{self.where}: a .bal file codes branches together, so that none has compressed bytes of its own: "
            "the size of the file is that of all, and Compressed.ratio or 'baler info' compare it"
        )

    compression_ratio = compressed_bytes


class TreeFacts(Sizes):
    """What is the same for all trees of a file, or follows from its name.

    Attributes
    ----------
    path
        With its folders, without a cycle.
    cycle
        Which of the trees of this name it was, in ROOT's count.
    """

    parent: Any
    stored: File
    path: str
    cycle: int = 1

    @property
    def branches(self) -> Sequence[Any]:
        """Return the branches in order."""
        raise NotImplementedError

    @property
    def object_path(self) -> str:
        """Return where it lies in the file, with its cycle."""
        return f"/{self.path};{self.cycle}"

    @property
    def cache_key(self) -> str:
        """Return what tells the tree from all others."""
        return f"{self.parent.uuid}:{self.object_path}"

    @property
    def uncompressed_bytes(self) -> int:
        """Return the bytes of all values as they are stored in arrays."""
        return sum(branch.uncompressed_bytes for branch in self.branches)

    def branch_of(self, variable: str) -> Any:
        """Return the branch that is a variable and nothing else; None if there is none."""
        return next((branch for branch in self.branches if branch.variables == (variable,)), None)

    @property
    def aliases(self) -> dict[str, str]:
        """Return none: aliases of the original are kept for its restored file, and expressions are taken from callers alone."""
        return {}

    @property
    def file(self) -> Any:
        """Return the file, as an uproot file: `file.uuid`, `file.file_path`."""
        return self.parent

    source = ReadCounters()  # stays 0

    @property
    def where(self) -> str:
        """Return the file and the tree, for messages."""
        return f"{self.stored.path}, {self.path}"

    @property
    def tree(self) -> Self:
        """Return itself, as uproot's reports of iterations ask."""
        return self
