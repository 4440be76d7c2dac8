"""Plain arrays → Arrow arrays of the original types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from baler_parquet.contents.nodes import Node, innermost
from baler_parquet.values.numbers import array_of
from baler_parquet.values.take import LISTS, NULL

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass
class Building:
    """Makes the columns of some rows.

    Attributes
    ----------
    arrays
        By place, as `Taken` has them.
    dictionary
        The dictionary of a node.
    """

    arrays: Mapping[str, np.ndarray]
    dictionary: Callable[[Node], pa.Array]

    def build(self, node: Node, kind: pa.DataType, length: int) -> pa.Array:
        """Return the array of a node.

        Parameters
        ----------
        kind
            Its type with all extension types.

        Raises
        ------
        ValueError, KeyError, pyarrow.ArrowException
            If the arrays do not fit.
        """
        null = self.arrays.get(node.place + NULL)
        if null is not None and (null.shape != (length,) or null.dtype != bool):
            raise ValueError(f"the mask of {node.name!r} does not fit")
        return dressed(self._plain(node, null, length), kind)

    def _plain(self, node: Node, null: np.ndarray | None, length: int) -> pa.Array:
        import pyarrow as pa

        if node.kind == "struct":
            children = [self.build(child, node.type.field(n).type, length) for n, child in enumerate(node.children)]
            return pa.Array.from_buffers(node.type, length, [_bits(null)], children=children)
        if node.kind == "list":
            return self._list(node, null, length)
        if node.kind == "nothing":
            if pa.types.is_null(node.type):
                return pa.nulls(length)
            return pa.Array.from_buffers(node.type, length, [_bits(null), pa.py_buffer(b"")])
        values = self.arrays[node.place]
        if values.shape != (length, *node.shape):
            raise ValueError(f"{node.name!r} has the shape {values.shape}")
        if node.kind == "dictionary":
            if values.dtype.kind != "i":
                raise ValueError(f"the codes of {node.name!r} are no whole numbers")
            return self._dictionary(node, values, null)
        return self._values(node, values, null) if node.shape else array_of(values, node.type, null)

    def _dictionary(self, node: Node, codes: np.ndarray, null: np.ndarray | None) -> pa.Array:
        import pyarrow as pa

        index = node.type.index_type
        narrow = codes.astype(index.to_pandas_dtype())
        if (narrow != codes).any():
            raise ValueError(f"codes of {node.name!r} do not fit {index}")
        found = self.dictionary(node)
        if null is not None and not len(found):
            narrow = np.zeros_like(narrow)
        return pa.DictionaryArray.from_arrays(pa.array(narrow, index, mask=null), found, ordered=node.type.ordered)

    def _values(self, node: Node, values: np.ndarray, null: np.ndarray | None) -> pa.Array:
        """Lists of fixed size around numbers, from the innermost out."""
        import pyarrow as pa

        depth = len(node.shape)
        masks = [null, *(self.arrays.get(f"{node.place}{NULL}{level}") for level in range(1, depth + 1))]
        for level, mask in enumerate(masks):
            if mask is not None and (mask.shape != values.shape[: level + 1] or mask.dtype != bool):
                raise ValueError(f"a mask of {node.name!r} does not fit")
        masks = [None if mask is None else mask.reshape(-1) for mask in masks]
        array = array_of(values.reshape(-1), innermost(node.type, depth), masks[depth])
        types = [node.type]
        for _ in range(1, depth):
            types.append(types[-1].value_type)
        for level in reversed(range(depth)):
            length = int(np.prod(values.shape[: level + 1]))
            array = pa.Array.from_buffers(types[level], length, [_bits(masks[level])], children=[array])
        return array

    def _list(self, node: Node, null: np.ndarray | None, length: int) -> pa.Array:
        import pyarrow as pa

        counts = self.arrays[node.place + LISTS]
        if counts.shape != (length,) or counts.dtype.kind not in "iu" or (counts < 0).any():
            raise ValueError(f"the lengths of the lists {node.name!r} do not fit")
        offsets = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])
        child, kind = node.children[0], node.type
        if pa.types.is_fixed_size_list(kind):
            items = self.build(child, kind.value_type, int(offsets[-1]))
            expected = np.full(length, kind.list_size) if null is None else np.where(null, 0, kind.list_size)
            if (counts != expected).any():
                raise ValueError(f"the lengths of the lists {node.name!r} do not fit")
            if null is not None:
                # Something has to stand in lists that are null, too.
                places = np.cumsum(~null) - 1
                index = np.repeat(places, kind.list_size) * kind.list_size + np.tile(np.arange(kind.list_size), length)
                items = items.take(pa.array(index, mask=np.repeat(null, kind.list_size)))
            return pa.Array.from_buffers(kind, length, [_bits(null)], children=[items])
        if pa.types.is_map(kind):
            entries = pa.struct([kind.key_field, kind.item_field])
            items = self.build(child, entries, int(offsets[-1]))
        else:
            items = self.build(child, kind.value_type, int(offsets[-1]))
        width = "<i8" if pa.types.is_large_list(kind) else "<i4"
        if width == "<i4" and offsets[-1] >= 1 << 31:
            raise ValueError(f"the lists {node.name!r} are too long for one array")
        starts = pa.py_buffer(offsets.astype(width).tobytes())
        return pa.Array.from_buffers(kind, length, [_bits(null), starts], children=[items])


def dressed(array: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return an array as one of an extension type, of runs, or of views of lists, whose storage it is."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if isinstance(kind, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(kind, dressed(array, kind.storage_type))
    if pa.types.is_run_end_encoded(kind):
        return pc.run_end_encode(dressed(array, kind.value_type), run_end_type=kind.run_end_type)
    if pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind):
        bits, offsets = array.buffers()[:2]
        starts = np.frombuffer(offsets, "<i8" if pa.types.is_large_list_view(kind) else "<i4")
        sizes = pa.py_buffer(np.diff(starts).tobytes())
        return pa.Array.from_buffers(kind, len(array), [bits, offsets, sizes], children=[array.values])
    return array


def _bits(null: np.ndarray | None) -> pa.Buffer | None:
    """The bitmap of what is valid."""
    import pyarrow as pa

    return None if null is None else pa.py_buffer(np.packbits(~null, bitorder="little").tobytes())
