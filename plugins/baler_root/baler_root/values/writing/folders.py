"""Make the folders of a ROOT file, empty ones too, and find the one that a key belongs in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from baler_root.contents.objects import KeyRecord
from baler_root.values.writing.records import Names, add_folder, order_keys, write_folders


class Folders:
    """The folders of a file that uproot is writing.

    Parameters
    ----------
    file
        uproot's directory at the top.
    keys
        All keys, each folder before what is in it.
    """

    def __init__(self, file: Any, keys: Sequence[KeyRecord]) -> None:
        self._keys = keys
        self._made = {-1: file}
        for n, key in enumerate(keys):
            if key.is_folder:
                names = Names(key.class_name, key.name, key.title, key.cycle, key.date)
                self._made[n] = add_folder(self._made[key.folder], names)

    def of(self, n: int) -> Any:
        """uproot's directory for a key."""
        return self._made[self._keys[n].folder]

    def close(self) -> None:
        """Write all folders, their keys in the order that is given."""
        for n, directory in self._made.items():
            order_keys(directory, [(key.name, key.cycle) for key in self._keys if key.folder == n])
        write_folders([*self._made.values()])
