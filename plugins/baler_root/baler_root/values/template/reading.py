"""Make the template of a TTree: its own bytes, which branches are variables, and the baskets of all others."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from baler_root.contents.branches import Branch
from baler_root.contents.forms import List, leaves
from baler_root.contents.keys import content_of
from baler_root.contents.trees import WITHOUT_IT, Tree, UnreadableError, first_line
from baler_root.values.entries import COLLECTION_VERSION, number_entries
from baler_root.values.flatten import take_apart
from baler_root.values.plans import encode_branch
from baler_root.values.template.basket_bytes import blank_header, embedded_place, filled_header, holds, read_basket
from baler_root.values.template.packed import as_stored
from baler_root.values.template.tree_bytes import Tables, all_branches, find_tables, tables_to_bytes

# What becomes of a branch's baskets: made again from a variable, without offsets or with them; made again from the
# lengths of lists; kept as they are; the same as those of the newer cycle; there are none
VALUES, VALUES_AND_OFFSETS, COUNTS, KEPT, SHARED, NONE = "vVcrm-"


@dataclass(frozen=True)
class Template:
    """A TTree without the values of its variables.

    Attributes
    ----------
    content
        The bytes of the tree; where baskets are, and the values of embedded ones, left blank.
    kinds
        One letter per branch, in the order of `all_branches`.
    tables
        Where the branches note their baskets.
    keys
        The branch behind each letter `v` and `V`, in order.
    counts
        The list, as `forms.Leaf.lists` calls it, whose lengths are behind each letter `c`, in order.
    headers
        A header for each letter `v`, `V` and `c` with baskets in the file, in order.
    kept
        The baskets of each letter `r`: headers and contents.
    embedded
        Rows of branch, first entry, entry behind the last, place in `content`, bytes.
    version
        What ROOT's collections carry before each entry.
    """

    content: bytes
    kinds: str
    tables: Sequence[Tables]
    keys: Sequence[str] = ()
    counts: Sequence[str] = ()
    headers: bytes = b""
    kept: bytes = b""
    embedded: Sequence[Sequence[int]] = ()
    version: int = COLLECTION_VERSION

    def attachments(self) -> dict[str, bytes]:
        """Its bytes, by name."""
        parts = {"tree": self.content, "headers": self.headers, "baskets": self.kept}
        parts["tables"] = tables_to_bytes(self.tables)
        return {name: part for name, part in parts.items() if part}

    def to_json(self) -> dict[str, Any]:
        """Return the rest of it."""
        stored: dict[str, Any] = {"kinds": self.kinds, "keys": list(self.keys), "version": self.version}
        stored |= {"counts": list(self.counts)} if self.counts else {}
        return stored | ({"embedded": [list(row) for row in self.embedded]} if self.embedded else {})


@dataclass
class _Draft:
    """A template being made."""

    content: bytearray
    kinds: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    counts: list[str] = field(default_factory=list)
    headers: list[bytes] = field(default_factory=list)
    kept: list[bytes] = field(default_factory=list)
    embedded: list[list[int]] = field(default_factory=list)


class _Remade(NamedTuple):
    """Branches whose baskets can be made again from values, by the `id` of uproot's branch."""

    branches: dict[int, Branch]
    offsets: dict[int, bool]
    counted: dict[str, Branch]
    """The first of them by the branch that counts its entries."""
    version: int

    def among(self, keys: Collection[str]) -> list[Branch]:
        """Those with these keys, in order."""
        return [branch for branch in self.branches.values() if branch.key in keys]


def _remade(tree: Tree, branches: Sequence[Branch], whole: bytes) -> _Remade:
    stored = [as_stored(tree, branch) for branch in branches]
    version = _version(tree, stored)
    remade = _Remade({}, {}, {}, version)
    for branch in stored:
        handle = tree.handles[branch.key]
        if (offsets := _made_again(tree, branch, whole, version)) is not None:
            remade.branches[id(handle)], remade.offsets[id(handle)] = branch, offsets
            if branch.counter:
                remade.counted.setdefault(branch.counter, branch)
    return remade


def make_template(
    tree: Tree, key: Any, branches: Sequence[Branch], where: str, newer: Any = None
) -> tuple[Template, list[Branch]]:
    """The template of a tree, and those of its branches whose baskets can be made again from values, byte for byte.

    Parameters
    ----------
    key
        uproot's key of the tree.
    newer
        uproot's object of a newer cycle, whose baskets this one may share.

    Raises
    ------
    Unfamiliar
        If the tree is not laid out as expected.
    UnreadableError
        If a basket cannot be read.
    """
    whole = content_of(key)
    handles = all_branches(tree.tree)
    tables = find_tables(whole, handles)
    draft = _Draft(bytearray(whole))
    remade = _remade(tree, branches, whole)
    shared = all_branches(newer) if newer is not None else []
    for n, (handle, table) in enumerate(zip(handles, tables, strict=True)):
        if n < len(shared) and _shares(handle, shared[n]):
            draft.kinds.append(SHARED)
        elif id(handle) in remade.branches:
            _add_values(draft, n, handle, remade.branches[id(handle)], remade.offsets[id(handle)])
        elif not table.baskets:
            draft.kinds.append(NONE)
        elif (place := _counted_place(tree, handle, remade.counted)) is not None:
            _add_counts(draft, place, handle)
        else:
            draft.kinds.append(KEPT)
            draft.kept += _kept_baskets(handle, where)
        _blank(draft.content, table)
    return _template_of(draft, tables, remade.version), remade.among(set(draft.keys))


def _add_counts(draft: _Draft, place: str, handle: Any) -> None:
    """Add a branch that counts the entries of lists, which are made again from these."""
    draft.kinds.append(COUNTS)
    draft.counts.append(place)
    draft.headers.append(blank_header(read_basket(handle, 0).header))


def _template_of(draft: _Draft, tables: Sequence[Tables], version: int) -> Template:
    """Join the pieces of a draft."""
    return Template(
        bytes(draft.content),
        "".join(draft.kinds),
        tables,
        draft.keys,
        draft.counts,
        b"".join(draft.headers),
        b"".join(draft.kept),
        draft.embedded,
        version,
    )


def _blank(content: bytearray, table: Tables) -> None:
    """Leave out of the tree's bytes what its writer puts in."""
    content[table.sizes : table.sizes + 4 * table.baskets] = bytes(4 * table.baskets)
    content[table.seeks : table.seeks + table.width * table.baskets] = bytes(table.width * table.baskets)


def _shares(handle: Any, newer: Any) -> bool:
    """Whether the baskets of a branch are the first ones of a branch of the newer cycle."""
    number = handle._num_normal_baskets
    places = [np.asarray(branch.member("fBasketSeek"))[:number].tolist() for branch in (handle, newer)]
    return 0 < number <= newer._num_normal_baskets and handle.name == newer.name and places[0] == places[1]


def _ranges(handle: Any) -> list[tuple[int, int]]:
    pairs = (handle.basket_entry_start_stop(n) for n in range(handle.num_baskets))
    return [(int(start), int(stop)) for start, stop in pairs]


def _made_again(tree: Tree, branch: Branch, content: bytes, version: int) -> bool | None:
    """Whether encoding the values of a branch gives its baskets, with offsets (True) or without (False); else None."""
    handle, kinds = tree.handles[branch.key], set()
    try:
        for n, (start, stop) in enumerate(_ranges(handle)):
            if start == stop:
                continue
            layout = tree.read(branch.key, start, stop)
            values, counts = take_apart(layout, branch.form, branch.key)
            if branch.counter and not _counter_agrees(tree, branch, counts[branch.key + "[]"], start, stop):
                return None
            entries = encode_branch(branch, values, counts, version)
            if n < handle._num_normal_baskets:
                kinds.add(holds(read_basket(handle, n), entries))
            elif not _embeds(content, handle.basket(n), entries.data.tobytes()):
                return None
    except Exception:  # what uproot cannot read, of which there are many kinds, is kept as it is
        return None
    if handle.num_entries != tree.entries or len(kinds) > 1:
        return None
    return kinds.pop() if kinds else False


def _version(tree: Tree, branches: Sequence[Branch]) -> int:
    """Return the bytes that ROOT wrote before each entry of a collection, which identify its version."""
    for branch in branches:
        handle = tree.handles[branch.key]
        if isinstance(branch.form, List) and not branch.counter and handle._num_normal_baskets:
            try:
                found = read_basket(handle, 0).content[4:6]
            except Exception:  # uproot and the codecs raise many kinds
                continue
            if len(found) == 2 and found[1] > 0 and not found[0]:
                return found[1]
    return COLLECTION_VERSION


def _embeds(content: bytes, basket: Any, values: bytes) -> bool:
    """Whether a basket embedded in the tree's bytes consists of these values."""
    place = embedded_place(basket)
    return bytes(basket.data) == values == content[place : place + len(values)]


def _counter_agrees(tree: Tree, branch: Branch, counts: np.ndarray, start: int, stop: int) -> bool:
    """Whether the branch that is said to count lists does so."""
    counter = tree.handles.get(branch.counter)
    if counter is None:
        return False
    import uproot

    form = uproot.AsDtype(">i4") if counter.branches else None
    values = counter.array(form, entry_start=start, entry_stop=stop, library="np")
    return np.array_equal(values, counts)


def _add_values(draft: _Draft, n: int, handle: Any, branch: Branch, offsets: bool) -> None:
    draft.kinds.append(VALUES_AND_OFFSETS if offsets else VALUES)
    draft.keys.append(branch.key)
    if handle._num_normal_baskets:
        draft.headers.append(blank_header(read_basket(handle, 0).header))
    for number, (start, stop) in [*enumerate(_ranges(handle))][handle._num_normal_baskets :]:
        if start == stop:
            continue
        basket = handle.basket(number)
        place, size = embedded_place(basket), len(basket.data)
        draft.content[place : place + size] = bytes(size)
        draft.embedded.append([n, start, stop, place, size])


def _counted_place(tree: Tree, handle: Any, counted: Mapping[str, Branch]) -> str | None:
    """The list whose lengths are all that a branch holds, as those above split collections."""
    keys = [key for key, known in tree.handles.items() if known is handle and key in counted]
    if not keys or handle.num_baskets != handle._num_normal_baskets:
        return None
    branch = counted[keys[0]]
    place = next(leaves(branch.form, branch.key)).lists[0]
    try:
        for n, (start, stop) in enumerate(_ranges(handle)):
            layout = tree.read(branch.key, start, stop)
            counts = take_apart(layout, branch.form, branch.key)[1][place]
            if holds(read_basket(handle, n), number_entries(counts.astype("<i4"))) is not False:
                return None
    except Exception:  # as in _made_again
        return None
    return place


def _kept_baskets(handle: Any, where: str) -> list[bytes]:
    parts = []
    for n in range(handle._num_normal_baskets):
        try:
            basket = read_basket(handle, n)
        except Exception as error:
            raise UnreadableError(
                f"{where}: the branch {handle.name!r} cannot be read: {first_line(error)}. The file may be damaged "
                f"or cut short; {WITHOUT_IT}"
            ) from error
        parts += [filled_header(basket.header, 0, len(basket.content), 0, 0), basket.content]
    return parts
