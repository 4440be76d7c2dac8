"""Arrow arrays → plain arrays: values, where they are null, lengths of lists, codes of dictionaries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from baler_core import DataError
from baler_parquet.contents.nodes import Node, innermost
from baler_parquet.contents.numbers import dtype_of
from baler_parquet.values.numbers import numbers_of

if TYPE_CHECKING:
    import pyarrow as pa

Mask: TypeAlias = "np.ndarray | None"
# What follows the place of a node for what it has beside its values.
NULL, LISTS = "|null", "|counts"


@dataclass
class Taken:
    """The plain arrays of some rows of a column, by place.

    Attributes
    ----------
    arrays
        Values by place; `|null` behind it for a mask of those that are null (only where some are), `|counts` for the
        lengths of lists.
    codes
        What makes codes of an array with a dictionary; without it they are those of the array.
    """

    codes: Callable[[Node, Any], np.ndarray] | None = None
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    def take(self, node: Node, array: pa.Array, hidden: Mask = None) -> None:
        """Take an array apart.

        Parameters
        ----------
        hidden
            Where a parent is null, so that whatever stands here means nothing.
        """
        array = plain(array)
        null = nulls_of(array)
        own: Mask = null
        absent: Mask = hidden if null is None else null
        if null is not None and hidden is not None:
            own, absent = null & ~hidden, null | hidden
        if own is not None and own.any():
            self.arrays[node.place + NULL] = own
        if node.kind == "struct":
            for child in node.children:
                self.take(child, array.field(child.position), absent)
        elif node.kind == "list":
            self._list(node, array, absent)
        elif node.kind == "dictionary":
            codes = self.codes(node, array) if self.codes is not None else numbers_of(array.indices)
            self.arrays[node.place] = covered(codes.astype("<i4"), absent)
        elif node.kind == "values":
            self._values(node, array, absent)

    def _list(self, node: Node, array: pa.Array, absent: Mask) -> None:
        import pyarrow as pa

        child = node.children[0]
        if pa.types.is_fixed_size_list(array.type):
            counts = np.full(len(array), array.type.list_size, np.int64)
            starts = (np.arange(len(array)) + array.offset) * array.type.list_size
            items = array.values
        elif pa.types.is_list_view(array.type) or pa.types.is_large_list_view(array.type):
            starts, counts = (numbers_of(part).astype(np.int64) for part in (array.offsets, array.sizes))
            items = array.values
        else:
            offsets = numbers_of(array.offsets).astype(np.int64)
            starts, counts = offsets[:-1], np.diff(offsets)
            items = entries_of(array) if pa.types.is_map(array.type) else array.values
        if absent is not None:
            counts = np.where(absent, 0, counts)
        if counts.size and counts.min() < 0:
            raise DataError("lists of negative lengths")
        self.arrays[node.place + LISTS] = counts
        self.take(child, _items(items, starts, counts))

    def _values(self, node: Node, array: pa.Array, absent: Mask) -> None:
        shape: tuple[int, ...] = (len(array),)
        for length in node.shape:
            items = array.values.slice(array.offset * length, len(array) * length)
            if absent is not None:
                absent = np.repeat(absent, length)
            shape, array = (*shape, length), items
            null = nulls_of(items)
            if null is not None:
                own = null if absent is None else null & ~absent
                if own.any():
                    self.arrays[f"{node.place}{NULL}{len(shape) - 1}"] = own.reshape(shape)
                absent = null if absent is None else null | absent
        try:
            values = numbers_of(array)
        except DataError as error:
            raise DataError(f"the column {node.name!r} {error}") from error
        empty = b"" if dtype_of(array.type) == "bytes" else ""
        self.arrays[node.place] = covered(values, absent, empty).reshape(shape)


def _items(items: pa.Array, starts: np.ndarray, counts: np.ndarray) -> pa.Array:
    """The items of lists, one list after the other, without what lies between them."""
    import pyarrow as pa

    filled = counts > 0
    starts, counts = starts[filled], counts[filled]
    if not counts.size:
        return items.slice(0, 0)
    if (starts[1:] == starts[:-1] + counts[:-1]).all():
        return items.slice(int(starts[0]), int(counts.sum()))
    before = np.cumsum(counts) - counts
    return items.take(pa.array(np.repeat(starts - before, counts) + np.arange(counts.sum())))


def plain(array: pa.Array) -> pa.Array:
    """Return the storage of an extension array, and runs as single values."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(array, pa.ExtensionArray):
        return plain(array.storage)
    if pa.types.is_run_end_encoded(array.type):
        return plain(pc.run_end_decode(array))
    return array


def nulls_of(array: pa.Array) -> Mask:
    """Return where an array is null; None where it is nowhere. Values of a dictionary may be null by themselves."""
    import pyarrow as pa

    if pa.types.is_null(array.type):
        return None
    source = array.indices if pa.types.is_dictionary(array.type) else array
    if not source.null_count:
        return None
    mask: np.ndarray = source.is_null().to_numpy(zero_copy_only=False)
    return mask


def entries_of(array: pa.Array) -> pa.Array:
    """Return the keys and items of a map as an array of structs."""
    import pyarrow as pa

    fields = [array.type.key_field, array.type.item_field]
    return pa.StructArray.from_arrays([array.keys, array.items], fields=fields)


def covered(values: np.ndarray, absent: Mask, empty: str | bytes = "") -> np.ndarray:
    """Return the values, each absent one replaced by the last that is there, texts by `empty`: they influence nothing."""
    if absent is None or not absent.any():
        return values
    if values.dtype.kind == "O":
        values = values.copy()
        values[absent] = empty
        return values
    places = np.flatnonzero(~absent)
    if not places.size:
        return np.zeros(values.shape, values.dtype)
    source = np.where(absent, places[0], np.arange(values.size))
    return values[np.maximum.accumulate(source)]


def item_type(node: Node) -> pa.DataType:
    """Return the type of single values of a node."""
    return innermost(node.type, len(node.shape))
