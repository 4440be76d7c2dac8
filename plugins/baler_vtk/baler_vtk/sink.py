"""Write restored arrays into the text of the original."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from baler_core import Block, FormatError, Schema, Sink, values_of
from baler_vtk.contents.xml_text import ArrayPlace
from baler_vtk.skeleton import TEXT, MeshSkeleton
from baler_vtk.values.coding import encoded


class VtkSink(Sink):
    """A file whose text is written when all values are there: arrays are kept encoded until then."""

    def __init__(self, path: Path, schema: Schema) -> None:
        self._path, self._text = path, schema.attachments.get(TEXT, b"")
        self._skeleton = MeshSkeleton.from_json(schema.skeleton, self._text)
        if sorted(self._skeleton.names) != sorted(schema.names):
            raise FormatError("the record of a VTK file has other arrays than the schema")
        for name, place in zip(self._skeleton.names, self._skeleton.places, strict=True):
            if np.dtype(schema[name].dtype).str[1:] != place.dtype:
                raise FormatError(f"the record of a VTK file has the array {name!r} of another type")
        self._parts: dict[str, list[np.ndarray]] = {name: [] for name in schema.names}
        self._schema = schema

    def write(self, block: Block) -> None:
        """Take in rows of some arrays."""
        for name in map(str, block.variables):
            self._parts[name].append(np.array(values_of(block, name)))

    def close(self) -> None:
        """Write the file."""
        contents = {
            name: self._encoded(name, place)
            for name, place in zip(self._skeleton.names, self._skeleton.places, strict=True)
        }
        offsets, written = self._appended(contents)
        with self._path.open("wb") as file:
            done = 0
            for name, place in zip(self._skeleton.names, self._skeleton.places, strict=True):
                file.write(self._text[done : place.start])
                done = place.start
                file.write(str(offsets[name]).encode() if place.format == "appended" else contents[name])
            head = self._skeleton.head if self._skeleton.head >= 0 else len(self._text)
            file.write(self._text[done:head])
            for name in written:
                file.write(contents[name])
            file.write(self._text[head:])

    def _appended(self, contents: Mapping[str, bytes]) -> tuple[dict[str, int], list[str]]:
        """Return the offset of each appended array, and which of them are written, in their order."""
        appended = sorted(
            (place.offset, name)
            for name, place in zip(self._skeleton.names, self._skeleton.places, strict=True)
            if place.format == "appended"
        )
        offsets: dict[str, int] = {}
        placed: dict[int, list[str]] = {}
        written: list[str] = []
        at = 0
        for offset, name in appended:
            # Several elements may show the same bytes, which differ if bounds do.
            twins = placed.setdefault(offset, [])
            twin = next((one for one in twins if contents[one] == contents[name]), None)
            if twin is not None:
                offsets[name] = offsets[twin]
                continue
            twins.append(name)
            written.append(name)
            offsets[name] = at
            at += len(contents[name])
        return offsets, written

    def _encoded(self, name: str, place: ArrayPlace) -> bytes:
        parts = self._parts.pop(name)
        dtype = np.dtype(self._schema[name].dtype)
        flat = np.concatenate([part.reshape(-1) for part in parts]) if parts else np.zeros(0, dtype)
        return encoded(flat.astype(dtype, copy=False), place, self._skeleton.form)
