"""Decide for each tree of a file: read as variables, stored unchanged, or left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from baler_root.contents.keys import Item, newest
from baler_root.contents.trees import find_tree


@dataclass(frozen=True)
class TreeChoice:
    """A tree that is kept.

    Attributes
    ----------
    place
        Of its key, in the list of all items.
    prefix
        What its variables are called by in front of their own names; None if it is carried without any.
    newer
        Place of the newest cycle of the same tree, if that is another one.
    """

    place: int
    prefix: str | None
    newer: int | None = None


def choose_trees(items: Sequence[Item], path: Path, wanted: str | None, *, others: bool) -> list[TreeChoice]:
    """Return the trees that are kept, those with variables first, newer cycles before older ones.

    Parameters
    ----------
    wanted
        The only tree whose branches are to be variables; otherwise those of all trees are, of each its newest cycle.
    others
        Whether the other trees, and older cycles, are carried.

    Raises
    ------
    DataError
        If the wanted tree is not there.
    """
    place_of = {id(item): n for n, item in enumerate(items)}
    current = [item for item in newest(items) if item.is_tree]
    chosen = [find_tree(items, path, wanted)] if wanted is not None else current
    choices = [TreeChoice(place_of[id(item)], f"{item.path}/" if len(chosen) > 1 else "") for item in chosen]
    if not others:
        return choices
    taken = {choice.place for choice in choices}
    latest = {(item.folder, item.name): place_of[id(item)] for item in current}
    rest = sorted((item for item in items if item.is_tree), key=lambda item: -item.cycle)
    for item in rest:
        place, newer = place_of[id(item)], latest[item.folder, item.name]
        if place not in taken:
            choices.append(TreeChoice(place, None, None if newer == place else newer))
    return choices
