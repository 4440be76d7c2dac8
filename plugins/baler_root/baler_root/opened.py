"""Read the trees of a .bal file as uproot reads those of a ROOT file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from baler_core import DataError, File, FormatError, look_up, open_one
from baler_root.opened_filters import Filter, accepting
from baler_root.opened_tree import OpenTree
from baler_root.schema.parts import take_parts

_CYCLE = re.compile(r";[0-9]+(?=/|$)")
_DAMAGE = (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError)


def open(path: Any, *, trained: str | Path | None = None, cache: str | int = "256 MB") -> Any:
    """Open a `.bal` file that was made of a ROOT file, or its tree: `jets.bal:Events`, `{"jets.bal": "Events"}`.

    Parameters
    ----------
    path
        A path, an address that fsspec opens, the bytes of a file, or a binary file object; with the name of a tree, or of a
        branch in it.
    trained
        The file of trained models that it refers to.
    cache
        How many bytes of restored values are kept for the next question.

    Returns
    -------
    The file as a mapping of its trees; a tree or a branch where the path names one.

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

    def __getitem__(self, name: str) -> Any:
        """Return a tree, or a branch by its path: `file["Events/Jet_pt"]`.

        Raises
        ------
        KeyError
            If there is none; with the nearest names.
        """
        more = "Histograms and other objects come back with 'baler decompress'."
        plain = _CYCLE.sub("", str(name)).strip("/")
        for tree in sorted(self._trees, key=len, reverse=True):
            if plain not in self._trees and plain.startswith(f"{tree}/"):
                return self._trees[tree][plain.removeprefix(f"{tree}/")]
        return look_up(plain, self._trees, self.file.path, "tree with variables called", more)

    def __iter__(self) -> Iterator[str]:
        return iter(self._trees)

    def __len__(self) -> int:
        return len(self._trees)

    def __contains__(self, name: object) -> bool:
        return _CYCLE.sub("", str(name)).strip("/") in self._trees

    def iteritems(
        self,
        *,
        recursive: bool = True,
        cycle: bool = False,
        filter_name: Filter = None,
        filter_classname: Filter = None,
    ) -> Iterator[tuple[str, OpenTree]]:
        """Return names and trees.

        Parameters
        ----------
        recursive
            False leaves out trees in folders.
        cycle
            Whether names end in `;1`, as those of uproot do.
        filter_name, filter_classname
            A name, a pattern, a regular expression between slashes, several of them, or a function; None takes all.
        """
        named, classed = accepting(filter_name), accepting(filter_classname)
        for name, tree in self._trees.items():
            if (recursive or "/" not in name) and named(name) and classed(tree.classname):
                yield f"{name};1" if cycle else name, tree

    def keys(self, **filters: Any) -> Any:
        """Return the names of the trees; arguments as of `iteritems`."""
        return [name for name, _ in self.iteritems(**filters)]

    def values(self, **filters: Any) -> Any:
        """Return the trees; arguments as of `iteritems`."""
        return [tree for _, tree in self.iteritems(**filters)]

    def items(self, **filters: Any) -> Any:
        """Return names and trees; arguments as of `iteritems`."""
        return list(self.iteritems(**filters))

    def classnames(self, **filters: Any) -> dict[str, str]:
        """Return the class of each tree; arguments as of `iteritems`."""
        return {name: tree.classname for name, tree in self.iteritems(**filters)}

    def classname_of(self, name: str) -> str:
        """Return the class of a tree."""
        return str(self[name].classname)

    @property
    def file_path(self) -> str:
        """Return where the file lies."""
        return str(self.file.path)

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
