"""A plain decoder of .bal files after docs/file_format.md and docs/format: slow, without any import of `baler_core`.

`restore` takes the bytes of a file and returns its variables, `restore_array` those of a single array; whatever is wrong with them, it raises `Damaged`.
"""

from reference.reading import Damaged
from reference.restoring import restore
from reference.single import restore_array

__all__ = ["Damaged", "restore", "restore_array"]
