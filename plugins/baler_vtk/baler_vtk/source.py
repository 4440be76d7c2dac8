"""Read the arrays of a VTK file as variables."""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from baler_core import Block, DataError, Role, Schema, Source, Variable, leading_slices, make_block, select_names
from baler_vtk.contents.legacy_text import BEGIN, read_legacy
from baler_vtk.contents.xml_text import ArrayPlace, XmlText, names_of, read_text
from baler_vtk.skeleton import TEXT, MeshSkeleton
from baler_vtk.values.coding import decoded

_ROLES: dict[str, tuple[Role, str]] = {
    "Points": ("position", "points of the mesh"),
    "Coordinates": ("position", "coordinates of the grid"),
    **dict.fromkeys(("Cells", "Verts", "Lines", "Strips", "Polys"), ("mesh", "what the cells of the mesh consist of")),
}
_TIMES = frozenset({"TimeValue", "TIME", "Time", "CYCLE"})


class VtkSource(Source):
    """An open file."""

    def __init__(self, path: Path, patterns: Sequence[str] | None) -> None:
        self._path = path
        try:
            with path.open("rb") as file:
                if not path.stat().st_size:
                    raise DataError(f"{path}: the file is empty")
                self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise DataError(f"{path}: cannot be opened ({error.strerror or error})") from error
        try:
            self._open(patterns)
        except BaseException:
            self.close()
            raise

    def _open(self, patterns: Sequence[str] | None) -> None:
        is_legacy = self._data[: len(BEGIN)] == BEGIN
        self._text: XmlText = (read_legacy if is_legacy else read_text)(self._path, self._data)
        places = self._text.places
        if not places:
            raise DataError(f"{self._path}: holds no arrays")
        names = list(names_of(places))
        if patterns is not None and len(select_names(names, patterns, str(self._path))) < len(names):
            raise DataError(
                f"{self._path}: VTK files are taken whole, with all {len(names)} arrays: leave 'variables' out"
            )
        self._places = dict(zip(names, places, strict=True))
        self._last: tuple[str, np.ndarray] | None = None
        sizes: dict[str, int] = {}
        variables = tuple(self._variable(name, place, sizes) for name, place in self._places.items())
        skeleton, literal = MeshSkeleton.of(self._text, names)
        self.schema = Schema(variables, sizes, {}, skeleton.to_json(), {TEXT: literal})

    def _variable(self, name: str, place: ArrayPlace, sizes: dict[str, int]) -> Variable:
        flat = self._flat(name)
        rows, rest = divmod(flat.size, place.components)
        if rest:
            raise DataError(
                f"{self._path}: the array {place.name!r} has {flat.size} values in tuples of {place.components}"
            )
        dims = _dims(name, place, rows)
        shape = self._shape(place, rows)
        for dim, length in zip(dims, shape, strict=True):
            if sizes.setdefault(dim, length) != length:  # something else of the same kind is longer
                dims = tuple(f"{name}/{axis}" for axis in range(len(shape)))
                sizes.update(zip(dims, shape, strict=True))
                break
        role, reason = _ROLES.get(place.section, ("time", "the time of the file") if place.name in _TIMES else ("", ""))
        if place.role:
            role, reason = place.role, "as the file says"
        return Variable(name, flat.dtype.str, dims, role=role, reason=reason)

    @staticmethod
    def _shape(place: ArrayPlace, rows: int) -> tuple[int, ...]:
        grid = _grid(place, rows)
        inner = (place.components,) if place.components > 1 else ()
        return (*(grid or (rows,)), *inner)

    def _flat(self, name: str) -> np.ndarray:
        """Return the numbers of an array, of which the last one is kept."""
        if self._last is None or self._last[0] != name:
            place, text = self._places[name], self._text
            start, stop = place.start, place.stop
            if place.offset >= 0:
                start, stop = text.appended[0] + place.offset, text.appended[1]
            try:
                self._last = name, decoded(self._data, start, stop, place, text.form)
            except DataError as error:
                raise DataError(f"{self._path}: {error}") from error
        return self._last[1]

    def blocks(self, max_bytes: int) -> Iterator[Block]:
        """Yield the values, cut along the first dimension of arrays."""
        for _, variables, rows in leading_slices(self.schema, max_bytes):
            arrays = {}
            for v in variables:
                shape = tuple(self.schema.sizes[dim] for dim in v.dims)
                arrays[v.name] = (v.dims, self._flat(v.name).reshape(shape)[rows])
            yield make_block(arrays)

    def close(self) -> None:
        """Release the file."""
        self._last = None
        self._data.close()


def _grid(place: ArrayPlace, rows: int) -> tuple[int, ...]:
    """Return the shape of an array on a grid, z first; empty where it is none."""
    if not place.extent or place.section not in ("PointData", "CellData", "Points"):
        return ()
    cells = place.section == "CellData"
    shape = tuple(max(1, length - cells) for length in place.extent)[::-1]
    return shape if math.prod(shape) == rows else ()


def _dims(name: str, place: ArrayPlace, rows: int) -> tuple[str, ...]:
    piece = name.partition("/")[0] + "/" if name.startswith("piece") else ""
    inner = (f"component{place.components}",) if place.components > 1 else ()
    kind = "cell" if place.section == "CellData" else "point"
    if _grid(place, rows):
        return (*(f"{piece}{kind}_{axis}" for axis in "zyx"), *inner)
    if place.section in ("PointData", "CellData", "Points"):
        return (f"{piece}{kind}s", *inner)
    return (f"{name}/rows", *inner)
