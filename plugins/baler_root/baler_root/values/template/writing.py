"""Write a TTree by its template: baskets where the original's ended, as values come; the tree's bytes at the end."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from baler_core import FormatError
from baler_root.contents.branches import Branch
from baler_root.values.entries import Entries, number_entries
from baler_root.values.plans import encode_branch
from baler_root.values.template.basket_bytes import filled_header, is_small, offsets_tail, with_entries
from baler_root.values.template.reading import COUNTS, KEPT, SHARED, VALUES_AND_OFFSETS
from baler_root.values.template.stored import StoredBranch, StoredTemplate, values_of_branches
from baler_root.values.writing.records import NOT_SMALL, Names, add_object


class TemplateOutput:
    """A TTree, in a file open for writing, that looks like the original in every byte but values and places.

    Parameters
    ----------
    directory
        uproot's directory that is being written.
    branches
        Those that hold variables.
    newer
        What was written of the newer cycle, whose baskets this one may share.

    Raises
    ------
    FormatError
        If the template asks for branches that are not there.
    """

    def __init__(
        self,
        directory: Any,
        names: Names,
        template: StoredTemplate,
        branches: Sequence[Branch],
        *,
        small: bool,
        newer: TemplateOutput | None = None,
    ) -> None:
        self._directory, self._names, self._small, self._newer = directory, names, small, newer
        self._template = template
        self._branches = {branch.key: branch for branch in branches}
        self._pending = [_Pending(stored) for stored in values_of_branches(template.branches)]
        self.places: dict[int, list[tuple[int, int]]] = {n: [] for n in range(len(template.branches))}
        self._number = {id(stored): n for n, stored in enumerate(template.branches)}
        known = {pending.branch.name for pending in self._pending if pending.branch.kind != COUNTS}
        if known != set(self._branches):
            raise FormatError("the description of a ROOT tree to be written is damaged: its branches are others")

    def extend(self, values: Mapping[str, np.ndarray], counts: Mapping[str, np.ndarray]) -> None:
        """Append events."""
        version = self._template.version
        encoded = {key: encode_branch(branch, values, counts, version) for key, branch in self._branches.items()}
        for pending in self._pending:
            name = pending.branch.name
            if pending.branch.kind == COUNTS:
                pending.add(number_entries(_counts(counts, name).astype("<i4")))
            else:
                pending.add(encoded[name])
            self._write_complete(pending)

    def _write_complete(self, pending: _Pending) -> None:
        """Write the baskets of which all entries are there."""
        while (part := pending.next_basket()) is not None:
            entries, embedded = part
            branch = pending.branch
            if embedded is None:
                self._write_values(branch, entries)
                continue
            place, size = embedded
            if entries.data.size != size:
                raise FormatError("the description of a ROOT tree to be written is damaged: an embedded basket")
            self._template.content[place : place + size] = entries.data.tobytes()

    def _write_values(self, branch: StoredBranch, entries: Entries) -> None:
        content = entries.data.tobytes()
        tail = offsets_tail(entries, len(branch.header)) if branch.kind == VALUES_AND_OFFSETS else b""
        self._write(branch, branch.header, content + tail, len(entries.lengths), len(content))

    def _write(self, branch: StoredBranch, header: bytes, content: bytes, entries: int | None, border: int = 0) -> None:
        import uproot

        node, sink = self._directory._cascading, self._directory._file.sink
        packed = uproot.compression.compress(content, node.freesegments.fileheader.compression)
        size = len(header) + len(packed)
        place = node.freesegments.allocate(size, dry_run=False)
        if place >= NOT_SMALL and (is_small(header) or branch.tables.width == 4):
            raise FormatError(
                f"the tree {self._names.name!r} cannot be written beyond 2 GB of a file: its places are of four bytes"
            )
        folder = node.key.location
        header = filled_header(header, len(packed), len(content), place, folder)
        if entries is not None:
            header = with_entries(header, entries, border if packed else None)
        sink.write(place, header + packed)
        self.places[self._number[id(branch)]].append((place, size))

    def close(self) -> None:
        """Write the baskets that are kept as they are, note all places, and write the tree."""
        for n, branch in enumerate(self._template.branches):
            if branch.kind == KEPT:
                for header, content in branch.kept:
                    self._write(branch, header, content, None)
            elif branch.kind == SHARED and self._newer is not None:
                self.places[n] = self._newer.places.get(n, [])[: branch.tables.baskets]
            if len(self.places[n]) != branch.tables.baskets:
                raise FormatError(
                    f"the description of the ROOT tree {self._names.name!r} is damaged: its baskets do not fit"
                )
            self._note(branch, self.places[n])
        add_object(self._directory, self._names, bytes(self._template.content), small=self._small)

    def _note(self, branch: StoredBranch, places: Sequence[tuple[int, int]]) -> None:
        """Put places and sizes of baskets into the tree's bytes."""
        content, tables = self._template.content, branch.tables
        code = "i" if tables.width == 4 else "q"
        struct.pack_into(f">{len(places)}i", content, tables.sizes, *(size for _, size in places))
        struct.pack_into(f">{len(places)}{code}", content, tables.seeks, *(place for place, _ in places))


class _Pending:
    """Entries of a branch on their way into baskets."""

    def __init__(self, branch: StoredBranch) -> None:
        self.branch = branch
        self._parts: list[Entries] = []
        self._start, self._have = 0, 0
        self._next = 0

    def add(self, entries: Entries) -> None:
        self._parts.append(entries)
        self._have += len(entries.lengths)

    def next_basket(self) -> tuple[Entries, tuple[int, int] | None] | None:
        """Return the entries of the next basket, and where it is embedded if it is; None if not all are there."""
        if self._next == len(self.branch.stops):
            return None
        wanted = self.branch.stops[self._next] - self._start
        if self._have < wanted or not self._parts:
            return None
        entries = _take(self._parts, wanted)
        number = self._next - self.branch.tables.baskets
        self._start, self._have, self._next = self._start + wanted, self._have - wanted, self._next + 1
        return entries, self.branch.embedded[number] if number >= 0 else None


def _take(parts: list[Entries], wanted: int) -> Entries:
    """Take the first `wanted` entries away."""
    whole = parts[0]
    if len(parts) > 1:
        data = np.concatenate([part.data for part in parts])
        whole = Entries(data, np.concatenate([part.lengths for part in parts]), whole.fixed)
    border = int(whole.lengths[:wanted].sum())
    parts[:] = [Entries(whole.data[border:], whole.lengths[wanted:], whole.fixed)]
    return Entries(whole.data[:border], whole.lengths[:wanted], whole.fixed)


def _counts(counts: Mapping[str, np.ndarray], place: str) -> np.ndarray:
    if place not in counts:
        raise FormatError(f"the description of a ROOT tree to be written is damaged: there are no lists {place!r}")
    return counts[place]
