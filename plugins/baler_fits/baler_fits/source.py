"""An open FITS file: its schema, what a restored file needs, and its values block by block."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from baler_core import Block, DataError, Schema, Source, Variable, make_block, select_names
from baler_fits.contents.dimensions import Dimensions
from baler_fits.contents.hdus import scan
from baler_fits.contents.naming import apart, chosen_hdu, hdu_names, offered_names, refuse_aliases
from baler_fits.contents.roles import FieldPlace, looked_up
from baler_fits.schema.data_units import Content, content_of, read_arrays, read_bytes, read_rows
from baler_fits.schema.skeleton import TRAILING, skeleton_of
from baler_fits.schema.variables import CatalogueEntry, counts_of, enter
from baler_fits.values.numbers import to_native
from baler_fits.values.packing import open_plain


class FitsSource(Source):
    """An open FITS file.

    Parameters
    ----------
    path
        The file; one compressed as a whole is unpacked into a temporary file.
    patterns
        Names to take, shell-style; None takes all.
    hdu
        Take this HDU alone, by number or name.
    decode_tiles
        Take tile-compressed images as images, rather than byte for byte.
    """

    reads_in_threads = True

    def __init__(
        self,
        path: Path,
        patterns: Sequence[str] | None = None,
        *,
        hdu: int | str | None = None,
        decode_tiles: bool = True,
    ) -> None:
        self._file, packed = open_plain(path)
        self.opens_fast = not packed
        self._contents: list[Content] = []
        try:
            hdus = scan(self._file, path.name)
            trailing = hdus.pop() if not hdus[-1].header else None
            for found in hdus:
                self._contents.append(content_of(self._file, found, decode_tiles=decode_tiles))
            self._enter(path.name, patterns, hdu)
            bones, attachments = skeleton_of(self._file, self._entries, alone=self._alone)
            if trailing is not None and self._alone is None:
                attachments[TRAILING] = read_bytes(self._file, trailing, 0, trailing.size)
        except BaseException:
            self.close()
            raise
        skeleton = {"gzip": packed == "gzip", "hdus": bones}
        if packed not in ("", "gzip"):
            skeleton["packed"] = packed
        self.schema = Schema(
            tuple(v for entry in self._entries for v in entry.variables),
            self._sizes,
            counts_of(self._entries),
            skeleton,
            attachments,
        )

    def _enter(self, file: str, patterns: Sequence[str] | None, hdu: int | str | None) -> None:
        """Choose the variables."""
        names = hdu_names([content.keywords for content in self._contents])
        names = apart(names, [content.unit for content in self._contents])
        self._alone = chosen_hdu(hdu, names, file) if hdu is not None else None
        offered = [
            offered_names(name, content.unit, plain=hdu is not None) if self._alone in (None, n) else []
            for n, (name, content) in enumerate(zip(names, self._contents, strict=True))
        ]
        everything = [name for some in offered for name in some]
        if self._alone is not None and not everything:
            filled = [name for name, content in zip(names, self._contents, strict=True) if content.unit.fields]
            raise DataError(f"HDU {hdu} of {file} holds no data. HDUs with data: {', '.join(filled) or 'none'}")
        if offered and offered[0] == ["hdu0"]:
            self.aliases = {"PRIMARY": "hdu0"}
        refuse_aliases(patterns or (), everything, self.aliases, file)
        chosen = set(select_names(everything, patterns, file))
        self.unchosen = [name for name in everything if name not in chosen]
        dimensions = Dimensions()
        tables = looked_up([content.keywords for content in self._contents])
        self._entries = [
            enter(content, _place(content, name, tables), dimensions, chosen & set(some), plain=hdu is not None)
            for name, content, some in zip(names, self._contents, offered, strict=True)
        ]
        self._sizes = dimensions.sizes
        self.warnings = [
            warning
            for entry, name, some in zip(self._entries, names, offered, strict=True)
            for warning in _warn(entry, name, len(set(some) - chosen))
        ]

    def read(self, variables: Sequence[Variable], rows: slice) -> Block:
        """Return some rows of tables, or planes along the slowest axes of images."""
        names = {variable.name for variable in variables}
        arrays: dict[str, tuple[Sequence[str], np.ndarray]] = {}
        for entry in self._entries:
            if any(variable.name in names for variable in entry.variables):
                arrays.update(self._read(entry, rows))
        return make_block({v.name: arrays[v.name] for v in variables})

    def _read(self, entry: CatalogueEntry, rows: slice) -> dict[str, tuple[Sequence[str], np.ndarray]]:
        """Some rows of all variables of an HDU."""
        content, unit = entry.content, entry.content.unit
        found: dict[str, tuple[Sequence[str], np.ndarray]] = {}
        for n, variable in entry.counts.items():
            counts = content.pointers[n].counts[rows].astype(variable.dtype)
            found[variable.name] = (variable.dims, counts)
        plain = {n: v for n, v in entry.values.items() if n not in content.pointers}
        for n, variable in entry.values.items():
            if n in content.pointers:
                found[variable.name] = (variable.dims, self._elements(content, n, variable, rows))
        if content.tiles is not None:
            pixels = to_native(content.tiles.rows(rows.start, rows.stop), unit.fields[0])
            return {variable.name: (variable.dims, pixels) for variable in plain.values()}
        arrays = {
            n: np.empty((rows.stop - rows.start, *unit.fields[n].shape), variable.dtype)
            for n, variable in plain.items()
        }
        if arrays:
            for where, chunk in read_rows(self._file, content.hdu, unit, rows):
                for n, array in arrays.items():
                    array[where] = to_native(chunk[f"f{n}"], unit.fields[n])
        return found | {plain[n].name: (plain[n].dims, array) for n, array in arrays.items()}

    def _elements(self, content: Content, n: int, variable: Variable, rows: slice) -> np.ndarray:
        """The elements of a variable-length column, row after row; for text one bytes object per row."""
        pieces = read_arrays(self._file, content, n, rows)
        if variable.is_text:
            texts = np.empty(len(pieces), object)
            texts[:] = pieces
            return texts
        one = content.unit.fields[n]
        return to_native(np.frombuffer(b"".join(pieces), one.stored), one)

    def move_rows(self, order: np.ndarray) -> None:
        """Do nothing: only values belong to a row."""

    def close(self) -> None:
        """Release the file."""
        for content in self._contents:
            if content.tiles is not None:
                content.tiles.close()
        self._file.close()


def _place(content: Content, name: str, tables: set[str]) -> FieldPlace:
    """Where an HDU's fields stand; `tables` are those in which a WCS looks up coordinates."""
    columns = frozenset(one.name.upper() for one in content.unit.fields)
    return FieldPlace(content.keywords, name, columns, content.keywords.text("EXTNAME").strip().upper() in tables)


def _warn(entry: CatalogueEntry, name: str, unchosen: int) -> list[str]:
    """What of an HDU is left out, other than a number of unchosen variables."""
    content = entry.content
    where = f"HDU {content.hdu.index} ({name})"
    left = [field.name or "its image" for n, field in enumerate(content.unit.fields) if n not in entry.values]
    if not left or (entry.values and len(left) == unchosen):
        return []
    if not entry.values:
        return [f"{where}: left out of the restored file"]
    return [f"{where}: left out of the restored file: {', '.join(left)}"]
