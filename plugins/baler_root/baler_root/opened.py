"""Read the trees of a .bal file as uproot reads those of a ROOT file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from baler_core import DataError, File, FormatError, look_up, open_one
from baler_root.opened_tree import OpenTree
from baler_root.schema.parts import take_parts

_DAMAGE = (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError)


def open(path: Any, *, trained: str | Path | None = None, cache: str | int = "256 MB") -> RootFile | OpenTree:
    """Open a `.bal` file that was made of a ROOT file, or of its tree: `jets.bal:Events`.

    Parameters
    ----------
    path
        A path, an address that fsspec opens, the bytes of a file, or a binary file object.
    trained
        The file of trained models that it refers to.
    cache
        How many bytes of restored values are kept for the next question.

    Returns
    -------
    The file as a mapping of its trees; a tree where the path names one.

    Raises
    ------
    DataError
        If it was not made of a ROOT file.
    """
    place, tree = path, ""
    if isinstance(path, str) and not Path(path).exists() and path.lower().rpartition(":")[0].endswith(".bal"):
        place, _, tree = path.rpartition(":")
    file = open_one(place, trained=trained, cache=cache)
    if file.reader != "root":
        file.close()
        raise DataError(f"{file.path}: was made by the reader {file.reader!r}, not of a ROOT file: use baler_core.open")
    opened = RootFile(file)
    return opened[tree] if tree else opened


class RootFile(Mapping[str, "OpenTree"]):
    """The trees of a file by name, with or without their cycle: `file["Events"]`, `file["folder/Events;1"]`."""

    def __init__(self, file: File) -> None:
        self.file = file
        try:
            parts = [part for part in take_parts(file.schema) if part.schema.variables]
            self._trees = {str(part.schema.skeleton["tree"]): OpenTree(self, part) for part in parts}
        except _DAMAGE as error:
            file.close()
            raise FormatError(
                f"{file.path}: the record of its trees is damaged: {' '.join(str(error).split())}"
            ) from error

    def __getitem__(self, name: str) -> OpenTree:
        more = "Histograms and other objects come back with 'baler decompress'."
        plain = str(name).partition(";")[0].strip("/")
        return look_up(plain, self._trees, self.file.path, "tree with variables called", more)

    def __iter__(self) -> Iterator[str]:
        return iter(self._trees)

    def __len__(self) -> int:
        return len(self._trees)

    def __contains__(self, name: object) -> bool:
        return str(name).partition(";")[0].strip("/") in self._trees

    def classnames(self) -> dict[str, str]:
        """Return the class of each tree."""
        return {name: tree.classname for name, tree in self._trees.items()}

    def __repr__(self) -> str:
        return f"<baler_root.RootFile {str(self.file.path)!r}: {', '.join(self._trees) or 'no trees'}>"

    def close(self) -> None:
        """Release the file."""
        self.file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return RootFile, (self.file,)
