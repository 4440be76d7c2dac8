"""A plain decoder of .bal files after docs/file_format.md and docs/format: slow, without any import of `baler_core`.

`restore` takes the bytes of a file and returns its variables; whatever is wrong with them, it raises `Damaged`.
"""

from reference.reading import Damaged
from reference.restoring import restore

__all__ = ["Damaged", "restore"]
