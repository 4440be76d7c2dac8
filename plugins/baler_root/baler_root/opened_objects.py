"""Hand out the histograms, graphs and other objects that a .bal file carries, as uproot reads them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

from baler_core import File, FormatError
from baler_root.contents.objects import OBJECTS, STREAMERS, KeyRecord, keys_from_json
from baler_root.contents.trees import first_line
from baler_root.sink import DAMAGE, cut, names_of
from baler_root.values.writing.folders import Folders
from baler_root.values.writing.records import add_object
from baler_root.values.writing.streamers import add_streamers


class OpenObjects:
    """What a file holds beside trees; read when one is asked for.

    Parameters
    ----------
    file
        The open file, whose attachments are read when they are needed.
    trees
        How many trees it has.
    """

    def __init__(self, file: File, trees: int) -> None:
        self._stored = file
        stored = file.schema.skeleton.get("keys")
        self._keys = keys_from_json(stored, trees) if stored else []

    def read(self, path: str) -> Any:
        """Return an object by its path, with its cycle or without."""
        return self._file[path]

    @cached_property
    def _file(self) -> Any:
        """A ROOT file in memory that holds them alone."""
        try:
            return self._written()
        except DAMAGE as error:
            raise FormatError(
                f"{self._stored.path}: the objects beside its trees are damaged: {first_line(error)}"
            ) from error

    def _written(self) -> Any:
        import uproot

        written, attachments = io.BytesIO(), self._stored.attachments
        kept = [key for key in self._keys if key.tree is None]
        place_of = {n: place for place, n in enumerate(n for n, key in enumerate(self._keys) if key.tree is None)}
        objects = cut(attachments.get(OBJECTS, b""), kept)
        file = uproot.recreate(written, compression=None)
        folders = Folders(file, [_moved(key, place_of) for key in kept])
        if STREAMERS in attachments:
            add_streamers(file, attachments[STREAMERS])
        for n, content in objects.items():
            add_object(folders.of(n), names_of(kept[n]), content, small=kept[n].small)
        folders.close()
        whole = written.getvalue()  # before uproot closes it
        file.close()
        return uproot.open(io.BytesIO(whole))


def _moved(key: KeyRecord, place_of: Mapping[int, int]) -> KeyRecord:
    return replace(key, folder=place_of.get(key.folder, -1))
