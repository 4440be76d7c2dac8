"""Write an RNTuple by its template: pages where the original's ended, as values come; its envelopes at the end."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from baler_core import FormatError
from baler_root.contents.branches import Branch
from baler_root.contents.forms import Text, leaves
from baler_root.values.flatten import encode_text
from baler_root.values.ntuple.elements import DTYPES, encode_page
from baler_root.values.ntuple.envelopes import put_locator, sealed
from baler_root.values.ntuple.reading import CHARACTERS, KEPT, LENGTHS, TEXT_LENGTHS
from baler_root.values.ntuple.stored import ANCHOR_BYTES, StoredColumn, StoredNTuple, StoredPage
from baler_root.values.writing.records import Names, add_blob, add_object

BLOB_BYTES = 1 << 20


class NTupleTemplateOutput:
    """An RNTuple, in a file open for writing, that looks like the original in every byte but values and places.

    Parameters
    ----------
    directory
        uproot's directory that is being written.
    branches
        Those that hold variables.
    """

    def __init__(self, directory: Any, names: Names, template: StoredNTuple, branches: Sequence[Branch]) -> None:
        self._directory, self._names, self._template = directory, names, template
        self._text = {leaf.name for b in branches for leaf in leaves(b.form, b.key) if isinstance(leaf.form, Text)}
        self._pending = [_PendingPages(column) for column in template.columns if column.kind != KEPT]
        self._blob: list[bytes] = []
        self._waiting: list[tuple[StoredPage, int, int]] = []

    def extend(self, values: Mapping[str, np.ndarray], counts: Mapping[str, np.ndarray]) -> None:
        """Append events."""
        text = {name: [encode_text(value) for value in values[name]] for name in self._text}
        for pending in self._pending:
            pending.add(_elements(pending.column, values, counts, text))
            while (page := pending.next_page()) is not None:
                self._write_page(*page)

    def _write_page(self, stored: StoredPage, content: bytes) -> None:
        """Put a page into the blob that is being filled."""
        import xxhash

        packed = self._packed(content)
        self._waiting.append((stored, sum(map(len, self._blob)), len(packed)))
        self._blob.append(packed)
        if stored.page.checked:
            self._blob.append(struct.pack("<Q", xxhash.xxh3_64_intdigest(packed)))
        if sum(map(len, self._blob)) > BLOB_BYTES:
            self._write_blob()

    def _packed(self, content: bytes) -> bytes:
        """Content as it is written: packed only where that makes it smaller, which is how readers tell."""
        import uproot

        packed = uproot.compression.compress(content, self._directory._cascading.freesegments.fileheader.compression)
        return bytes(packed) if len(packed) < len(content) else content

    def _write_blob(self) -> None:
        start = add_blob(self._directory, b"".join(self._blob))
        for stored, offset, size in self._waiting:
            put_locator(self._template.lists[stored.group], stored.page.place, size, start + offset)
        self._blob.clear()
        self._waiting.clear()

    def close(self) -> None:
        """Write the unchanged pages, the envelopes, and the anchor with their locations."""
        if any(not pending.is_done for pending in self._pending):
            raise FormatError(f"the description of the RNTuple {self._names.name!r} is damaged: its pages do not fit")
        for column in self._template.columns:
            for stored, content in zip(column.pages, column.kept, strict=False):
                self._write_page(stored, content)
        self._write_blob()
        footer = self._template.footer
        for link, envelope in zip(self._template.links, self._template.lists, strict=True):
            offset, size, _ = self._write_envelope(sealed(envelope))
            put_locator(footer, link + 8, size, offset)
        places = [self._write_envelope(self._template.header), self._write_envelope(sealed(footer))]
        add_object(self._directory, self._names, _anchor(self._template.anchor, places), packed=False)

    def _write_envelope(self, envelope: bytes) -> tuple[int, int, int]:
        packed = self._packed(envelope)
        return add_blob(self._directory, packed), len(packed), len(envelope)


def _anchor(anchor: bytes, places: Sequence[tuple[int, int, int]]) -> bytes:
    """An anchor that leads to header and footer, at the given `places`: offset, bytes, bytes unpacked."""
    import xxhash

    own = anchor[-ANCHOR_BYTES:]
    content = own[:8] + struct.pack(">6Q", *(number for place in places for number in place)) + own[56:64]
    return anchor[:-ANCHOR_BYTES] + content + struct.pack(">Q", xxhash.xxh3_64_intdigest(content))


def _elements(
    column: StoredColumn,
    values: Mapping[str, np.ndarray],
    counts: Mapping[str, np.ndarray],
    text: Mapping[str, Sequence[bytes]],
) -> np.ndarray:
    """What a column holds of some events; of lists and text their lengths."""
    try:
        if column.kind == LENGTHS:
            return counts[column.source]
        if column.kind == TEXT_LENGTHS:
            return np.fromiter(map(len, text[column.source]), np.int64, len(text[column.source]))
        if column.kind == CHARACTERS:
            return np.frombuffer(b"".join(text[column.source]), np.uint8)
        return values[column.source].reshape(-1).astype(DTYPES[column.type])
    except (KeyError, ValueError) as error:
        raise FormatError(
            f"the description of an RNTuple is damaged: there is no variable {column.source!r} of this kind"
        ) from error


class _PendingPages:
    """Elements of a column on their way into pages."""

    def __init__(self, column: StoredColumn) -> None:
        self.column = column
        self._parts: list[np.ndarray] = []
        self._have, self._next, self._end = 0, 0, 0

    @property
    def is_done(self) -> bool:
        """Whether all pages are written and nothing is left."""
        return self._next == len(self.column.pages) and self._have == 0

    def add(self, elements: np.ndarray) -> None:
        self._parts.append(elements)
        self._have += len(elements)

    def next_page(self) -> tuple[StoredPage, bytes] | None:
        """Return the next page and its bytes, not packed; None if not all of its elements are there."""
        if self._next == len(self.column.pages):
            return None
        stored = self.column.pages[self._next]
        wanted = stored.page.elements
        if self._have < wanted or not self._parts:
            return None
        whole = self._parts[0] if len(self._parts) == 1 else np.concatenate(self._parts)
        self._parts = [whole[wanted:]]
        self._have, self._next = self._have - wanted, self._next + 1
        page = whole[:wanted]
        if self.column.kind in (LENGTHS, TEXT_LENGTHS):
            page = self._ends(page, begins=stored.begins)
        return stored, encode_page(page, self.column.type)

    def _ends(self, lengths: np.ndarray, *, begins: bool) -> np.ndarray:
        """Where lists end, counted from the beginning of the cluster."""
        ends = np.cumsum(lengths, dtype=np.int64) + (0 if begins else self._end)
        self._end = int(ends[-1]) if len(ends) else self._end
        return ends.astype(DTYPES[self.column.type])
