"""Define how a file is opened: enough to open it again."""

from __future__ import annotations

from pathlib import Path

from baler_core.machine.records import dataclass

CACHE = 256_000_000


@dataclass(frozen=True)
class Opening:
    """How a file was opened: enough to open it again.

    Attributes
    ----------
    trained
        The file of trained models that it refers to.
    cache
        Bytes of restored values that are kept.
    memory
        At most so many bytes may a group of a block take.
    """

    trained: Path | None
    cache: int
    memory: int | None
