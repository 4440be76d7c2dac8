"""Cut the plain arrays of columns along rows, with the items of lists that belong to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np

from baler_parquet.contents.nodes import Node
from baler_parquet.values.take import LISTS, NULL

Arrays: TypeAlias = dict[str, np.ndarray]


class ArrayFront:
    """Arrays by place, taken from the front."""

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        self._arrays = arrays
        self._done: dict[str, int] = {}

    def next(self, node: Node, length: int) -> Arrays:
        """Return the next rows of all arrays of a node.

        Raises
        ------
        ValueError
            If there are fewer.
        """
        start = self._done.get(node.place, 0)
        self._done[node.place] = stop = start + length
        found: Arrays = {}
        for level in range(len(node.shape) + 1):
            self._copy(node.place + NULL + (str(level) if level else ""), start, stop, found)
        if node.kind in ("values", "dictionary"):
            self._copy(node.place, start, stop, found)
        elif node.kind == "list":
            self._copy(node.place + LISTS, start, stop, found)
            counts = found[node.place + LISTS]
            if counts.dtype.kind not in "iu" or (counts < 0).any():
                raise ValueError("lists of negative lengths")
            length = int(counts.sum())
        for child in node.children:
            found.update(self.next(child, length))
        return found

    def _copy(self, key: str, start: int, stop: int, found: Arrays) -> None:
        if key in self._arrays:
            if stop > len(self._arrays[key]):
                raise ValueError("fewer values than the table needs")
            found[key] = self._arrays[key][start:stop]
