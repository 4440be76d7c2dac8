"""A plain decoder of .bal files, written from docs/file_format.md and docs/format alone: slow, short, without `baler_core`.

`restore` takes the bytes of a file and returns its variables; whatever is wrong with them, it raises `Damaged`.
"""

from reference.reading import Damaged
from reference.restoring import restore

__all__ = ["Damaged", "restore"]
