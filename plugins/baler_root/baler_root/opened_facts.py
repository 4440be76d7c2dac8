"""What an open tree says of itself and of its file, as uproot's trees do."""

from __future__ import annotations

from typing import Any, Self

from baler_core import File
from baler_root.opened_reading import ReadCounters


class TreeFacts:
    """What is the same for all trees of a file, or follows from its name."""

    parent: Any
    stored: File
    object_path: str

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
        return f"{self.stored.path}, {self.object_path}"

    @property
    def tree(self) -> Self:
        """Return itself, as uproot's reports of iterations ask."""
        return self
