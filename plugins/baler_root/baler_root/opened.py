"""Read the trees of a .bal file as uproot reads those of a ROOT file."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Self
from uuid import UUID

from uproot.reading import ReadOnlyDirectory

from baler_core import DataError, File, FormatError, open_one
from baler_root.opened_folder import OpenFolder
from baler_root.opened_listing import list_entries
from baler_root.opened_objects import OpenObjects
from baler_root.opened_tree import OpenTree
from baler_root.schema.parts import take_parts

_DAMAGE = (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError)


def open(path: Any, *, trained: str | Path | None = None, cache: str | int = "256 MB") -> Any:
    """Open a `.bal` file that was made of a ROOT file, or an object in it: `jets.bal:Events`, `{"jets.bal": "Events"}`.

    Parameters
    ----------
    path
        A path, an address that fsspec opens, the bytes of a file, or a binary file object; with the name of a tree, of a
        branch in it, or of another object.
    trained
        The file of trained models that it refers to.
    cache
        How many bytes of restored values are kept for the next question.

    Returns
    -------
    The file as a mapping of its trees and other objects; a tree, a branch or an object where the path names one. A file
    without trees, which was kept byte for byte, is opened by uproot.

    Raises
    ------
    DataError
        If it was not made of a ROOT file.
    """
    place, tree = path, ""
    if isinstance(path, Mapping) and len(path) == 1:
        ((place, tree),) = path.items()
    elif isinstance(path, str) and not Path(path).exists() and path.lower().rpartition(":")[0].endswith(".bal"):
        place, _, tree = path.rpartition(":")
    file = open_one(place, trained=trained, cache=cache)
    if kept := file.kept_whole(b"root"):
        import uproot

        file.close()
        whole = uproot.open(io.BytesIO(kept))
        return whole[tree] if tree else whole
    if file.reader != "root":
        file.close()
        raise DataError(f"{file.path}: was made by the reader {file.reader!r}, not of a ROOT file: use baler_core.open")
    opened = RootFile(file)
    return opened[tree] if tree else opened


class RootFile(OpenFolder):
    """The trees, folders and other objects of a file by name: `file["Events"]`, `file["cuts/h;1"]`.

    Attributes
    ----------
    closed
        Whether `close` was called.
    """

    def __init__(self, file: File) -> None:
        self.stored = file
        try:
            parts = take_parts(file.schema)
            trees = [OpenTree(self, part) if part.schema.variables else None for part in parts]
            super().__init__(None, file, list_entries(file, trees))
            self._carried = OpenObjects(file, len(parts))
        except _DAMAGE as error:
            file.close()
            raise FormatError(
                f"{file.path}: the record of its trees is damaged: {' '.join(str(error).split())}"
            ) from error
        self.closed = False

    @property
    def _objects(self) -> OpenObjects:
        return self._carried

    @cached_property
    def uuid(self) -> UUID:
        """An identifier of what it holds: not that of the original."""
        return UUID(bytes=hashlib.sha256(repr(self.stored.fingerprint).encode()).digest()[:16])

    def close(self) -> None:
        """Release the file."""
        self.stored.close()
        self.closed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return RootFile, (self.stored,)


ReadOnlyDirectory.register(RootFile)  # for libraries that tell open files from paths by it, as coffea does
