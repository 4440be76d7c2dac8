"""Read the template of an RNTuple from a .bal file, and check that its parts fit together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from baler_root.contents.branches import Branch
from baler_root.values.ntuple.elements import DTYPES, INDEX, page_bytes
from baler_root.values.ntuple.envelopes import Page, links_of, pages_of, sealed
from baler_root.values.ntuple.reading import CHARACTERS, KEPT, LENGTHS, TEXT_LENGTHS, VALUES, sources_of

ANCHOR_BYTES = 72  # versions, places and sizes, and the checksum: what an anchor ends with


@dataclass(frozen=True)
class StoredPage:
    """A page to be written, the page list with its locator, and whether a cluster begins with it."""

    page: Page
    group: int
    begins: bool


@dataclass
class StoredColumn:
    """A column to be written: a letter of `ntuple.reading`, the type, whose values, and its pages in order."""

    kind: str
    type: int
    source: str = ""
    pages: list[StoredPage] = field(default_factory=list)
    kept: list[bytes] = field(default_factory=list)


@dataclass
class StoredNTuple:
    """The envelopes of an RNTuple, and its columns."""

    anchor: bytes
    header: bytes
    footer: bytearray
    links: list[int]
    lists: list[bytearray]
    columns: list[StoredColumn]


def read_ntuple_template(
    stored: Mapping[str, Any], parts: Mapping[str, bytes], branches: Sequence[Branch]
) -> StoredNTuple:
    """Return the template that `reading.make_ntuple_template` made, from its JSON and its attachments.

    Raises
    ------
    KeyError, TypeError, ValueError
        If they are damaged.
    """
    footer = bytearray(parts["footer"])
    lists = [*_cut(parts.get("lists", b""), [int(size) for size in stored["lists"]])]
    links = links_of(footer)
    if len(parts["header"]) < 8 or sealed(parts["header"]) != parts["header"]:
        raise ValueError("the header does not fit its checksum")
    if len(links) != len(lists) or len(parts["anchor"]) < ANCHOR_BYTES:
        raise ValueError("the page lists do not fit")
    columns = _columns(stored, branches)
    for group, envelope in enumerate(lists):
        for cluster in pages_of(envelope):
            for column, pages in zip(columns, cluster, strict=False):
                column.pages += [StoredPage(page, group, begins=n == 0) for n, page in enumerate(pages)]
            if len(cluster) > len(columns):
                raise ValueError("there are pages of no column")
    _take_kept(columns, [int(bits) for bits in stored["bits"]], parts.get("kept", b""))
    return StoredNTuple(
        parts["anchor"], parts["header"], footer, links, [bytearray(envelope) for envelope in lists], columns
    )


def _columns(stored: Mapping[str, Any], branches: Sequence[Branch]) -> list[StoredColumn]:
    names, sources = [*sources_of(branches)], iter(stored["sources"])
    columns = []
    for kind, number in zip(str(stored["kinds"]), stored["types"], strict=True):
        column = StoredColumn(kind, int(number))
        if kind in (VALUES, LENGTHS, TEXT_LENGTHS, CHARACTERS):
            source = int(next(sources, -1))
            if not 0 <= source < len(names) or column.type not in DTYPES:
                raise ValueError("a column of no variable")
            if (column.type in INDEX) != (kind in (LENGTHS, TEXT_LENGTHS)):
                raise ValueError("a column of another type")
            column.source = names[source]
        elif kind != KEPT:
            raise ValueError("a column of no known kind")
        columns.append(column)
    return columns


def _take_kept(columns: Sequence[StoredColumn], bits: Sequence[int], content: bytes) -> None:
    kept = [column for column in columns if column.kind == KEPT]
    sizes = [page_bytes(stored.page.elements, width) for c, width in zip(kept, bits, strict=True) for stored in c.pages]
    pages = _cut(content, sizes)
    for column in kept:
        column.kept = [next(pages) for _ in column.pages]
    if next(pages, None) is not None or sum(sizes) != len(content):
        raise ValueError("the pages that are kept do not fit")


def _cut(content: bytes, sizes: Sequence[int]) -> Iterator[bytes]:
    start = 0
    for size in sizes:
        part = content[start : start + size]
        if size < 0 or len(part) != size:
            raise ValueError("bytes are missing")
        start += size
        yield part
