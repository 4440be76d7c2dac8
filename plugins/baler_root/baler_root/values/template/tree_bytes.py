"""Finds, in the bytes of a TTree, where each of its branches notes the places of its baskets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np


class Unfamiliar(Exception):
    """A tree whose bytes are not laid out as expected; the message is the reason."""


@dataclass(frozen=True)
class Tables:
    """Where, in the tree's bytes, a branch notes the baskets that it has in the file.

    Attributes
    ----------
    baskets
        How many there are.
    sizes, seeks
        Places of the tables of their bytes (of four) and of their places in the file (of `width`).
    stop
        Entry behind the last of them.
    """

    baskets: int = 0
    sizes: int = 0
    seeks: int = 0
    width: int = 0
    stop: int = 0


COLUMNS = 5


def all_branches(tree: Any) -> list[Any]:
    """Return the branches of a TTree in the order in which their bytes end: those below a branch before it."""
    found = [branch for top in tree.branches for branch in _ending(top)]
    references = tree.member("fBranchRef", none_if_missing=True)
    return [*found, references] if hasattr(references, "branches") else found


def _ending(branch: Any) -> Iterator[Any]:
    for below in branch.branches:
        yield from _ending(below)
    yield branch


def find_tables(content: bytes, branches: Sequence[Any]) -> list[Tables]:
    """Return the tables of all branches.

    Raises
    ------
    Unfamiliar
        If those of a branch with baskets are not found.
    """
    tables, start = [], 0
    for branch in branches:
        found = Tables()
        if branch._num_normal_baskets:
            found = _find(content, branch, start)
            start = found.seeks
        tables.append(found)
    return tables


def _find(content: bytes, branch: Any, start: int) -> Tables:
    baskets = int(branch._num_normal_baskets)
    sizes, entries, seeks = (np.asarray(branch.member("fBasket" + table)) for table in ("Bytes", "Entry", "Seek"))
    stop = int(entries[baskets]) if baskets < len(entries) else int(branch.member("fEntryNumber"))
    for entry_width in (8, 4):
        for width in (8, 4):
            for flags in ((b"\x01", b"\x01"), (b"\x01", b"\x02"), (b"", b"")):
                last = seeks.astype(f">i{width}").tobytes()
                parts = (
                    sizes.astype(">i4").tobytes(),
                    flags[0],
                    entries.astype(f">i{entry_width}").tobytes(),
                    flags[1],
                )
                before = b"".join(parts)
                place = content.find(before + last, start)
                if place >= 0:
                    return Tables(baskets, place, place + len(before), width, stop)
    raise Unfamiliar(f"the baskets of the branch {branch.name!r} are noted in a way that is not known")


def tables_to_bytes(tables: Sequence[Tables]) -> bytes:
    """Return differences from branch to branch, column by column: int64, little-endian."""
    rows = np.array([astuple(table) for table in tables], "<i8").reshape(-1, COLUMNS)
    return np.diff(rows, axis=0, prepend=0).T.tobytes()


def tables_from_bytes(stored: bytes) -> list[Tables]:
    """Return the tables that `tables_to_bytes` wrote."""
    rows = np.cumsum(np.frombuffer(stored, "<i8").reshape(COLUMNS, -1).T, axis=0)
    return [Tables(*map(int, row)) for row in rows]
