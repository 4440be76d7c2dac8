"""Read the arrays of a Zarr store as blocks of plain arrays."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from baler_core import Block, DataError, Schema, Source, Variable, leading_slices, make_block, select_names
from baler_zarr.contents.arrays import ArrayRecord, arrays_of, documents_of, without
from baler_zarr.contents.codecs import objection
from baler_zarr.contents.store import open_store
from baler_zarr.schema.dimensions import dimensions_of
from baler_zarr.schema.skeleton import FILES, MISSING, StoreSkeleton, gaps_of
from baler_zarr.schema.variables import variables_of
from baler_zarr.values.elements import Field, fields_of, shown
from baler_zarr.values.opened import OpenArray, open_array, refuse_unwritable
from baler_zarr.values.reading import Rows

# Files that are kept byte for byte are held in memory.
MOST_CARRIED = 256 << 20
# What is never written takes no room, but a store of nothing else is none.
MOST_CLAIMED = 100_000


class ZarrSource(Source):
    """An open store."""

    reads_in_threads = True

    def __init__(self, path: Path, patterns: Sequence[str] | None) -> None:
        self._store = open_store(path)
        try:
            self._open(patterns)
        except BaseException:
            self.close()
            raise

    def _open(self, patterns: Sequence[str] | None) -> None:
        store, reasons = self._store, []
        documents = documents_of(store)
        try:
            records = arrays_of(documents)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise DataError(f"{store.path}: is damaged: {error}") from error
        if not documents:
            raise DataError(f"{store.path}: is no Zarr store: there is no zarr.json, .zgroup or .zarray in it")
        arrays: list[OpenArray] = []
        fields: dict[str, list[Field]] = {}
        odd: list[ArrayRecord] = []
        for record in records:
            try:
                opened, found = self._opened(record)
            except ValueError as error:
                odd.append(record)
                reasons.append(f"{store.path}: the array {record.name!r} is kept byte for byte, since {error}")
                continue
            arrays.append(opened)
            fields[record.path] = found
        self._refuse_claims(arrays)
        if patterns is not None:
            arrays, fields, documents = self._selected(patterns, arrays, fields, documents, records)
            odd, reasons = [], []
        dims, sizes = dimensions_of([one.record for one in arrays])
        self._fields, variables = variables_of(arrays, fields, dims)
        self._place = {field.name: (one, field) for one in arrays for field in self._fields[one.record.path]}
        self._rows: dict[str, Rows] = {}
        self.elsewhere = reasons
        self.as_stored = [record.name for record in odd]
        used = {dim for variable in variables for dim in variable.dims}
        skeleton, attachments = self._record(documents, arrays, whole=patterns is None)
        self.schema = Schema(
            tuple(variables),
            {dim: size for dim, size in sizes.items() if dim in used},
            {},
            skeleton.to_json(),
            attachments,
        )

    def _opened(self, record: ArrayRecord) -> tuple[OpenArray, list[Field]]:
        """An array and its variables; ValueError says why it has none."""
        if said := objection(dict(record.meta)):
            raise ValueError(said)
        opened = open_array(self._store.zarr, record)
        if list(opened.shape) != record.meta["shape"]:
            raise ValueError(f"its shape is {opened.shape}")
        found = fields_of(record.name, opened.dtype, opened.texts)
        refuse_unwritable(opened)
        return opened, found

    def _refuse_claims(self, arrays: Sequence[OpenArray]) -> None:
        for one in arrays:
            claimed = math.prod(one.shape) * max(1, one.dtype.itemsize)
            if claimed > MOST_CLAIMED * (self._store.total + (1 << 20)):
                raise DataError(
                    f"{self._store.path}: the array {one.record.name!r} claims {claimed:,} bytes, and the whole store has "
                    f"{self._store.total:,}"
                )

    def _selected(
        self,
        patterns: Sequence[str],
        arrays: list[OpenArray],
        fields: dict[str, list[Field]],
        documents: dict[str, str],
        records: Sequence[ArrayRecord],
    ) -> tuple[list[OpenArray], dict[str, list[Field]], dict[str, str]]:
        """The arrays that hold a variable of the patterns, as wholes."""
        names = [field.name for found in fields.values() for field in found]
        kept = set(select_names(names, patterns, str(self._store.path)))
        chosen = [one for one in arrays if any(field.name in kept for field in fields[one.record.path])]
        paths = {one.record.path for one in chosen}
        dropped = {record.path for record in records} - paths
        return chosen, {path: fields[path] for path in paths}, without(documents, dropped)

    def _record(
        self, documents: dict[str, str], arrays: Sequence[OpenArray], *, whole: bool
    ) -> tuple[StoreSkeleton, dict[str, bytes]]:
        store = self._store
        skeleton = StoreSkeleton(documents, self._fields)
        taken, gaps = set(documents), b""
        for one in arrays:
            absent = gaps_of(one, store.sizes)
            if absent.any():
                skeleton.gaps.append(one.record.path)
                gaps += np.packbits(absent).tobytes()
            taken |= {key for _, key in one.keys()}  # noqa: SIM118
        attachments = {MISSING: gaps} if gaps else {}
        others = [(key, size) for key, size in store.sizes.items() if key not in taken] if whole else []
        if sum(size for _, size in others) > MOST_CARRIED:
            raise DataError(
                f"{store.path}: more than {MOST_CARRIED >> 20} MB of it would have to be kept byte for byte ("
                f"{others[0][0]}, ...): move these files elsewhere, or choose variables"
            )
        if others:
            skeleton.carried = others
            attachments[FILES] = b"".join(store.read(key) for key, _ in others)
        return skeleton, attachments

    def blocks(self, max_bytes: int) -> Iterator[Block]:
        """Yield the values, cut along the first dimension of arrays."""
        rows: dict[str, Rows] = {}
        for _, variables, part in leading_slices(self.schema, max_bytes):
            yield self._read(rows, variables, part)

    def read(self, variables: Sequence[Variable], rows: slice) -> Block:
        """Return some rows along the first dimension."""
        return self._read(self._rows, variables, rows)

    def _read(self, rows: dict[str, Rows], variables: Sequence[Variable], part: slice) -> Block:
        """Read through what may still have the chunks of the rows before."""
        read: dict[str, np.ndarray] = {}
        block: dict[str, tuple[Sequence[str], np.ndarray]] = {}
        for v in variables:
            array, field = self._place[v.name]
            path = array.record.path
            if path not in read:
                try:
                    read[path] = rows.setdefault(path, Rows(array)).read(part.start, part.stop)
                except DataError as error:
                    raise DataError(f"{self._store.path}: {error}") from error
            block[v.name] = (v.dims, shown(read[path], field))
        return make_block(block)

    def close(self) -> None:
        """Release the store."""
        self._store.close()
