"""Read a file once for what its schema needs: lengths of lists, where anything is null, dictionaries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from baler_core import DataError
from baler_parquet.contents.files import ArrowFile
from baler_parquet.contents.nodes import Node, nodes_of
from baler_parquet.schema.collections import Tally, may_count
from baler_parquet.values.numbers import numbers_of
from baler_parquet.values.take import LISTS, NULL, Taken

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass
class Dictionaries:
    """The dictionary of each node in each piece of a file.

    Attributes
    ----------
    distinct
        By place: the different ones, in order.
    of
        By place: which of them each piece has; -1 for a piece without.
    """

    distinct: dict[str, list[pa.Array]] = field(default_factory=dict)
    of: dict[str, list[int]] = field(default_factory=dict)

    def of_piece(self, place: str, piece: int) -> pa.Array | None:
        """Return the one of a piece."""
        number = self.of[place][piece] if piece < len(self.of.get(place, ())) else -1
        return self.distinct[place][number] if number >= 0 else None

    def add(self, node: Node, piece: int, found: pa.Array) -> None:
        """Take note of the dictionary of a part; those of one piece are joined."""
        import pyarrow as pa

        distinct, of = self.distinct.setdefault(node.place, []), self.of.setdefault(node.place, [])
        of += [-1] * (piece + 1 - len(of))
        before = self.of_piece(node.place, piece)
        if before is not None and before.equals(found):
            return
        if before is not None:
            if len(found) >= len(before) and found.slice(0, len(before)).equals(before):
                joined = found
            elif before.slice(0, len(found)).equals(found):
                return
            else:
                try:
                    joined = pa.concat_arrays([before, found]).unique()
                except pa.ArrowException as error:
                    raise DataError(f"the dictionaries of {node.name!r} change within a piece of the file") from error
        else:
            joined = found
        if not (distinct and distinct[-1].equals(joined)):
            distinct.append(joined)
        of[piece] = len(distinct) - 1

    def codes(self, node: Node, piece: int, array: pa.Array) -> np.ndarray:
        """Return the codes of an array under the dictionary of its piece."""
        import pyarrow.compute as pc

        whole, codes = self.of_piece(node.place, piece), numbers_of(array.indices)
        if whole is None or not len(array.dictionary):
            return np.zeros(len(array), "<i4")
        if whole.slice(0, len(array.dictionary)).equals(array.dictionary):
            return codes
        moved = pc.index_in(array.dictionary, whole).to_numpy(zero_copy_only=False)
        # What is null has any code.
        return np.asarray(moved).astype("<i4")[np.clip(codes.astype(np.int64), 0, len(moved) - 1)]


@dataclass
class ColumnScan:
    """What was found.

    Attributes
    ----------
    tallies
        Of the lengths of lists, by place.
    counters
        Of columns that may count them, by name.
    nulls
        Places of nodes with nulls, with `|null` behind.
    """

    tallies: dict[str, Tally] = field(default_factory=dict)
    counters: dict[str, Tally] = field(default_factory=dict)
    nulls: set[str] = field(default_factory=set)
    dictionaries: Dictionaries = field(default_factory=Dictionaries)


def scan(file: ArrowFile, places: Sequence[int], nodes: Sequence[Node]) -> ColumnScan:
    """Read the columns whose lists, nulls or dictionaries are not known from the file's metadata."""
    found = ColumnScan()
    lists = [part.name for node in nodes for part in nodes_of(node) if part.kind == "list"]
    counting = {
        node.place
        for node in nodes
        if node.kind == "values" and not node.shape and node.dtype[1] in "iu" and may_count(node.name, lists)
    }
    needed = [
        (place, node)
        for place, node in zip(places, nodes, strict=True)
        if node.place in counting
        or node.children
        or node.kind == "dictionary"
        or node.shape
        or not file.no_nulls(place)
    ]
    for node in nodes:
        for part in nodes_of(node):
            if part.kind == "list":
                found.tallies[part.place] = Tally()
        if node.place in counting:
            found.counters[node.name] = Tally()
    for piece, arrays in file.parts([place for place, _ in needed]) if needed else ():
        for (_, node), array in zip(needed, arrays, strict=True):
            _look(found, node, array, piece)
    for node in nodes:
        if node.place + NULL in found.nulls:
            found.counters.pop(node.name, None)
    return found


def _look(found: ColumnScan, node: Node, array: pa.Array, piece: int) -> None:
    def codes(one: Node, part: pa.Array) -> np.ndarray:
        found.dictionaries.add(one, piece, part.dictionary)
        return np.zeros(len(part), "<i4")

    taken = Taken(codes)
    taken.take(node, array)
    for key, values in taken.arrays.items():
        place, bar, what = key.partition("|")
        if bar and what != LISTS[1:]:
            found.nulls.add(key)
        elif bar:
            found.tallies[place].add(values)
        elif key == node.place and node.name in found.counters:
            found.counters[node.name].add(values)
