"""Make the template of an RNTuple: its own envelopes, which columns hold variables, and the pages of all others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from baler_root.contents.branches import Branch
from baler_root.contents.forms import Form, List, Record, Text, leaves
from baler_root.contents.keys import content_of
from baler_root.contents.trees import Tree, first_line
from baler_root.values.ntuple.elements import DTYPES, INDEX, ROUNDED, page_bytes
from baler_root.values.ntuple.envelopes import (
    SPLIT_FLOAT,
    full_floats,
    links_of,
    name_header,
    name_header_in_footer,
    pages_of,
    unsealed,
)
from baler_root.values.template.tree_bytes import Unfamiliar

# What becomes of a column's pages: made again from the values of a variable, the lengths of lists, the lengths or
# characters of text; kept as they are
VALUES, LENGTHS, TEXT_LENGTHS, CHARACTERS, KEPT = "vlocr"


@dataclass(frozen=True)
class NTupleTemplate:
    """An RNTuple without the values of its variables.

    Attributes
    ----------
    anchor, header, footer, lists
        Its own bytes, unpacked; in footer and page lists it is left blank where pages are.
    kinds
        One letter per column.
    types
        The number of each column's type.
    sources
        For each letter but `r`, in order: which of the leaves or lists of its branches, counted as `sources_of` does.
    bits
        For each letter `r`, in order: how many bits an element takes.
    kept
        The pages of these columns, unpacked.
    """

    anchor: bytes
    header: bytes
    footer: bytes
    lists: Sequence[bytes]
    kinds: str = ""
    types: Sequence[int] = ()
    sources: Sequence[int] = ()
    bits: Sequence[int] = ()
    kept: bytes = b""

    def attachments(self) -> dict[str, bytes]:
        """Return the bytes, by name, without those that are empty."""
        parts = {"anchor": self.anchor, "header": self.header, "footer": self.footer}
        parts |= {"lists": b"".join(self.lists), "kept": self.kept}
        return {name: part for name, part in parts.items() if part}

    def to_json(self) -> dict[str, Any]:
        """Return the rest of it."""
        return {
            "kinds": self.kinds,
            "types": list(self.types),
            "sources": list(self.sources),
            "bits": list(self.bits),
            "lists": [len(envelope) for envelope in self.lists],
        }


@dataclass(frozen=True)
class _Column:
    """A column of a branch: its number, what it holds, and of which leaf or list."""

    number: int
    kind: str
    name: str


def sources_of(branches: Sequence[Branch]) -> dict[str, int]:
    """Return numbers of all leaves, by name, and of all lists, by place."""
    names = dict.fromkeys(leaf.name for branch in branches for leaf in leaves(branch.form, branch.key))
    places = dict.fromkeys(
        f"{place}" for branch in branches for leaf in leaves(branch.form, branch.key) for place in leaf.lists
    )
    return {name: n for n, name in enumerate([*names, *places])}


def make_ntuple_template(tree: Tree, key: Any, branches: Sequence[Branch]) -> tuple[NTupleTemplate, list[Branch]]:
    """Return the template of an RNTuple, and those of its branches whose pages can be made again from variables.

    Parameters
    ----------
    key
        uproot's key of it.

    Raises
    ------
    Unfamiliar
        If it is not laid out as expected.
    """
    ntuple = tree.tree
    try:
        pages = [pages_of(envelope) for envelope in _page_lists(ntuple)]
        columns = {branch.key: _fitting_columns(tree, branch, pages) for branch in branches}
        made = [branch for branch in branches if columns[branch.key] is not None]
        kept = {branch.key for branch in made}
        made = [branch for branch in made if not branch.counter or branch.counter in kept]
        sources = sources_of(made)
        found: dict[int, tuple[str, int]] = {}
        for branch in made:
            for column in columns[branch.key] or ():
                # views of other fields show columns that are known already
                found.setdefault(column.number, (column.kind, sources[column.name]))
        return _template(ntuple, content_of(key), found), made
    except ValueError as reason:
        raise Unfamiliar(str(reason)) from reason
    except Unfamiliar:
        raise
    except Exception as error:  # uproot and the codecs raise many kinds
        raise Unfamiliar(f"its pages cannot be read: {first_line(error)}") from error


def _fitting_columns(tree: Tree, branch: Branch, pages: Sequence[Sequence[Sequence[Any]]]) -> list[_Column] | None:
    """The columns of a branch; None if they could not be made again from values, so that they are kept as they are."""
    found, records = [], tree.tree.column_records
    for form_key, kind, name in _columns(tree.ntuple_form.content(branch.key), branch.form, branch.key, branch.key):
        known, _, number = str(form_key).partition("-")
        if known != "column" or not number.isdigit() or not _fits(records[int(number)], kind, pages):
            return None
        found.append(_Column(int(number), kind, name))
    return found


def _columns(shown: Any, form: Form, name: str, place: str) -> Iterator[tuple[str | None, str, str]]:
    """The columns that a field is read from, as uproot's form names them; what they hold, and of what."""
    if isinstance(form, List):
        place += "[]"
        yield shown.form_key, LENGTHS, place
        yield from _columns(shown.content, form.content, name, place)
    elif isinstance(form, Record):
        for part, content in form.fields:
            yield from _columns(shown.content(part), content, f"{name}.{part}", f"{place}.{part}")
    elif isinstance(form, Text):
        yield shown.form_key, TEXT_LENGTHS, name
        yield shown.content.form_key, CHARACTERS, name
    else:
        while shown.is_regular:
            shown = shown.content
        if not str(shown.form_key).endswith("-cardinality"):
            yield shown.form_key, VALUES, name


def _template(ntuple: Any, anchor: bytes, found: Mapping[int, tuple[str, int]]) -> NTupleTemplate:
    ntuple.header, ntuple.footer  # noqa: B018 (reads them)
    header, footer = bytes(ntuple._header_chunk.raw_data), bytes(ntuple._footer_chunk.raw_data)
    lists = _page_lists(ntuple)
    pages = [pages_of(envelope) for envelope in lists]
    records = ntuple.column_records
    rounded = [n for n in sorted(found) if int(records[n].type) in ROUNDED]
    if rounded:  # what may be any value within a bound needs all of its bits
        header = full_floats(header, rounded)
        footer = name_header_in_footer(footer, header)
        lists = [name_header(envelope, header) for envelope in lists]
    kept = [n for n in range(len(records)) if n not in found]
    return NTupleTemplate(
        anchor,
        header,
        unsealed(footer, [place + 8 for place in links_of(footer)]),
        [
            unsealed(e, [page.place for c in p for column in c for page in column])
            for e, p in zip(lists, pages, strict=True)
        ],
        "".join(found[n][0] if n in found else KEPT for n in range(len(records))),
        [SPLIT_FLOAT[0] if n in rounded else int(record.type) for n, record in enumerate(records)],
        [found[n][1] for n in sorted(found)],
        [int(records[n].nbits) for n in kept],
        b"".join(_kept_pages(ntuple, n, int(records[n].nbits)) for n in kept),
    )


def _fits(record: Any, kind: str, pages: Sequence[Sequence[Sequence[Any]]]) -> bool:
    """Whether the pages of a column follow from values: not of fields added later, stored in several ways, or unknown."""
    if record.first_element_index or record.repr_idx:
        return False
    if int(record.type) not in {*DTYPES, *ROUNDED} or (int(record.type) in INDEX) != (kind in (LENGTHS, TEXT_LENGTHS)):
        return False
    return all(record.idx < len(cluster) for group in pages for cluster in group)


def _page_lists(ntuple: Any) -> list[bytes]:
    return [_page_list(ntuple, record.page_list_link) for record in ntuple.footer.cluster_group_records]


def _page_list(ntuple: Any, link: Any) -> bytes:
    chunk, cursor = ntuple.read_locator(link.locator, link.env_uncomp_size)
    return bytes(chunk.get(cursor.index, cursor.index + link.env_uncomp_size, cursor, {}))


def _kept_pages(ntuple: Any, column: int, bits: int) -> bytes:
    """The pages of a column in all clusters, unpacked."""
    parts = []
    for cluster in ntuple.page_link_list:
        for page in cluster[column].pages if column < len(cluster) else ():
            size = page_bytes(page.num_elements, bits)
            chunk, cursor = ntuple.read_locator(page.locator, size)
            parts.append(bytes(chunk.get(cursor.index, cursor.index + size, cursor, {})))
    return b"".join(parts)
