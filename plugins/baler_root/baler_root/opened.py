"""Read the trees of a .bal file as uproot reads those of a ROOT file."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from baler_core import DataError, File, FormatError, look_up, open_one
from baler_root.opened_filters import Filter, accepting
from baler_root.opened_objects import OpenObjects
from baler_root.opened_tree import OpenTree
from baler_root.schema.parts import take_parts

_CYCLE = re.compile(r";[0-9]+(?=/|$)")
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


class RootFile(Mapping[str, Any]):
    """The trees and other objects of a file by name, with or without their cycle: `file["Events"]`, `file["cuts/h;1"]`."""

    def __init__(self, file: File) -> None:
        self.file = file
        try:
            parts = take_parts(file.schema)
            named = [part for part in parts if part.schema.variables]
            self._trees = {str(part.schema.skeleton["tree"]): OpenTree(self, part) for part in named}
            self._objects = OpenObjects(file, len(parts))
        except _DAMAGE as error:
            file.close()
            raise FormatError(
                f"{file.path}: the record of its trees is damaged: {' '.join(str(error).split())}"
            ) from error

    def __getitem__(self, name: str) -> Any:
        """Return a tree, a branch by its path, `file["Events/Jet_pt"]`, or another object, as uproot reads it.

        Raises
        ------
        KeyError
            If there is none; with the nearest names.
        """
        plain = _CYCLE.sub("", str(name)).strip("/")
        if plain in self._objects and plain not in self._trees:
            return self._objects[str(name).strip("/")]
        for tree in sorted(self._trees, key=len, reverse=True):
            if plain not in self._trees and plain.startswith(f"{tree}/"):
                return self._trees[tree][plain.removeprefix(f"{tree}/")]
        return look_up(plain, {**self._trees, **dict.fromkeys(self._objects)}, self.file.path, "tree or object called")

    def __iter__(self) -> Iterator[str]:
        yield from self._trees
        yield from (name for name in self._objects if name not in self._trees)

    def __len__(self) -> int:
        return len({*self._trees, *self._objects})

    def __contains__(self, name: object) -> bool:
        plain = _CYCLE.sub("", str(name)).strip("/")
        return plain in self._trees or plain in self._objects

    def iterkeys(
        self,
        *,
        recursive: bool = True,
        cycle: bool = False,
        filter_name: Filter = None,
        filter_classname: Filter = None,
    ) -> Iterator[str]:
        """Yield the names of trees and other objects.

        Parameters
        ----------
        recursive
            False leaves out those in folders.
        cycle
            Whether names end in `;1`, as those of uproot do.
        filter_name, filter_classname
            A name, a pattern, a regular expression between slashes, several of them, or a function; None takes all.
        """
        named, classed = accepting(filter_name), accepting(filter_classname)
        for name in self:
            class_name, number = self._class_of(name)
            if (recursive or "/" not in name) and named(name) and classed(class_name):
                yield f"{name};{number}" if cycle else name

    def _class_of(self, name: str) -> tuple[str, int]:
        plain = _CYCLE.sub("", name)
        return (self._trees[plain].classname, 1) if plain in self._trees else self._objects.class_of(plain)

    def iteritems(self, **filters: Any) -> Iterator[tuple[str, Any]]:
        """Yield names and what they stand for; arguments as of `iterkeys`."""
        return ((name, self[name]) for name in self.iterkeys(**filters))

    def keys(self, **filters: Any) -> Any:
        """Return the names of trees and other objects; arguments as of `iterkeys`."""
        return list(self.iterkeys(**filters))

    def values(self, **filters: Any) -> Any:
        """Return the trees and other objects; arguments as of `iterkeys`."""
        return [self[name] for name in self.iterkeys(**filters)]

    def items(self, **filters: Any) -> Any:
        """Return names and what they stand for; arguments as of `iterkeys`."""
        return list(self.iteritems(**filters))

    def classnames(self, **filters: Any) -> dict[str, str]:
        """Return the class of each tree and object; arguments as of `iterkeys`."""
        return {name: self._class_of(name)[0] for name in self.iterkeys(**filters)}

    def classname_of(self, name: str) -> str:
        """Return the class of a tree or object.

        Raises
        ------
        KeyError
            If there is none.
        """
        return self._class_of(name)[0] if name in self else str(self[name].classname)

    @property
    def file_path(self) -> str:
        """Return where the file lies."""
        return str(self.file.path)

    def __repr__(self) -> str:
        return f"<baler_root.RootFile {str(self.file.path)!r}: {', '.join(self) or 'nothing'}>"

    def close(self) -> None:
        """Release the file."""
        self.file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return RootFile, (self.file,)
