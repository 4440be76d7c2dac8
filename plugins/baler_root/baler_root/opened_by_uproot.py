"""Let `uproot.open` open .bal files, for libraries that take paths alone: a file of ROOT keys that stand for open trees.

uproot takes a class that reads bytes (`handler`), and classes of objects (`custom_classes`). The first hands it a small ROOT
file that holds the names of the trees and RNTuples; the second returns, for each of them, the tree as `baler_root.open` does.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import uproot
from uproot.source.object import ObjectSource

from baler_core import DataError
from baler_root.opened import RootFile
from baler_root.opened import open as open_one


class BalSource(ObjectSource):  # type: ignore[misc, unused-ignore]
    """The ROOT file that stands for a .bal file: trees and RNTuples without entries, by the names of those inside.

    Attributes
    ----------
    opened
        The .bal file.
    """

    def __init__(self, file_path: str, **options: Any) -> None:
        self.opened = open_one(file_path)
        if not isinstance(self.opened, RootFile):
            raise DataError(
                f"{file_path}: names no .bal file with trees; the name of a tree goes apart: {{path: 'Events'}}"
            )
        self._options = options
        super().__init__(io.BytesIO(_names_of(self.opened)), **options)
        self._file_path = file_path

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self._file_path, "options": self._options}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["path"], **state["options"])  # type: ignore[misc]


class StoredTree:
    """What uproot reads a tree as: the one of the .bal file."""

    @classmethod
    def read(cls, chunk: Any, cursor: Any, context: Any, file: Any, selffile: Any, parent: Any) -> Any:
        """Return the tree that a key of `BalSource` stands for; arguments are those of models of uproot."""
        return file.source.opened[parent.object_path]


def _names_of(opened: RootFile) -> bytes:
    written = io.BytesIO()
    with uproot.recreate(written, uuid_function=lambda: opened.uuid) as file:
        for name, tree in opened.trees.items():
            if tree.is_ntuple:
                file.mkrntuple(name, {"entry": np.zeros(0, "u1")}, tree.title)
            else:
                file.mktree(name, {"entry": "u1"}, title=tree.title)
        return written.getvalue()  # before uproot closes it


def options() -> dict[str, Any]:
    """Return the options with which uproot opens .bal files."""
    return {"handler": BalSource, "custom_classes": {"TTree": StoredTree, "ROOT::RNTuple": StoredTree}}
