"""Find the branches of a tree that are damaged, so that the rest of it can be kept without them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from baler_root.contents.branches import Branch, LeftOut
from baler_root.contents.trees import Tree, first_line
from baler_root.schema.jagged import PIECE_BYTES
from baler_root.values.reading import event_ranges, unreadable
from baler_root.values.template.basket_bytes import read_basket


def without_damaged(
    tree: Tree, readable: Sequence[Branch], left_out: Sequence[LeftOut]
) -> tuple[list[Branch], list[LeftOut], list[LeftOut]]:
    """Return what is left of both lists, and the branches that are damaged: all values are read once.

    Lists whose counter is damaged are counted by themselves.
    """
    said: dict[str, str] = {}
    for rows in event_ranges(tree, PIECE_BYTES):
        said |= unreadable(tree, [branch for branch in readable if branch.key not in said], rows)
    if tree.kind == "TTree":
        # what uproot cannot interpret is kept as it is stored, if its bytes are there
        listed = [*said, *(one.key for one in left_out)]
        said = _damaged_baskets((key, tree.handles[key]) for key in listed)
    types = {branch.key: branch.type for branch in readable} | {one.key: one.type for one in left_out}
    damaged = [LeftOut(key, types[key], f"since the file is damaged there ({why})") for key, why in said.items()]
    kept = [replace(b, counter="" if b.counter in said else b.counter) for b in readable if b.key not in said]
    return kept, [one for one in left_out if one.key not in said], damaged


def _damaged_baskets(handles: Iterable[tuple[str, Any]]) -> dict[str, str]:
    said: dict[str, str] = {}
    for key, handle in handles:
        try:
            for n in range(handle._num_normal_baskets):
                read_basket(handle, n)
        except Exception as error:  # uproot and the codecs raise many kinds
            said[key] = first_line(error)
    return said
