"""Turn flat arrays into the bytes of ROOT entries, as branches keep them in baskets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from baler_root.contents.forms import Form, List, Number, Text
from baler_root.values.flatten import encode_text, offsets_of
from baler_root.values.tbuffer import BYTE_COUNT, string_bytes

# Version that ROOT's collections carry before each entry.
COLLECTION_VERSION = 9


@dataclass(frozen=True)
class Entries:
    """Consecutive entries of one branch.

    Attributes
    ----------
    data
        uint8, all entries one after the other.
    lengths
        int64, bytes of each entry.
    fixed
        Whether all entries have the same length by their type, so that no offsets are stored.
    """

    data: np.ndarray
    lengths: np.ndarray
    fixed: bool = False


def number_entries(*columns: np.ndarray) -> Entries:
    """Return one entry per row: the number, or the fixed-size array, of each column in turn."""
    parts = [_big_endian(column).reshape(len(column), _row_bytes(column)) for column in columns]
    data = np.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]
    return Entries(data.reshape(-1), np.full(len(data), data.shape[1], np.int64), fixed=True)


def counted_entries(values: np.ndarray, counts: np.ndarray) -> Entries:
    """Return one entry per list: its numbers; their count is kept in another branch."""
    return Entries(_big_endian(values), counts.astype(np.int64) * _row_bytes(values))


def _row_bytes(values: np.ndarray) -> int:
    """Bytes of one row of an array."""
    return values.dtype.itemsize * int(np.prod(values.shape[1:], dtype=np.int64))


def text_entries(values: np.ndarray) -> Entries:
    """Return one entry per string."""
    encoded = [string_bytes(encode_text(value)) for value in values]
    return Entries(np.frombuffer(b"".join(encoded), np.uint8), np.array([len(e) for e in encoded], np.int64))


def collection_entries(
    form: List,
    name: str,
    values: Mapping[str, np.ndarray],
    counts: Mapping[str, np.ndarray],
    version: int = COLLECTION_VERSION,
) -> Entries:
    """Return one entry per std::vector, with ROOT's header of byte count and version."""
    inner = _nested(form, name, name, values, counts)
    headers = np.zeros((len(inner.lengths), 6), np.uint8)
    headers[:, :4] = _big_endian((inner.lengths + 2).astype(np.uint32) | np.uint32(BYTE_COUNT)).reshape(-1, 4)
    headers[:, 5] = version
    return _preceded(inner, headers)


def _nested(
    form: Form, name: str, place: str, values: Mapping[str, np.ndarray], counts: Mapping[str, np.ndarray]
) -> Entries:
    """Values of a form as they stand inside a collection."""
    if isinstance(form, Number):
        return number_entries(values[name])
    if isinstance(form, Text):
        return text_entries(values[name])
    assert isinstance(form, List)
    place += "[]"
    content = _nested(form.content, name, place, values, counts)
    ends = offsets_of(content.lengths)[offsets_of(counts[place])]
    headers = _big_endian(counts[place].astype(np.uint32)).reshape(-1, 4)
    return _preceded(Entries(content.data, np.diff(ends)), headers)


def _preceded(entries: Entries, headers: np.ndarray) -> Entries:
    """Every entry with its row of `headers` (uint8) before it."""
    rows, width = headers.shape
    lengths = entries.lengths + width
    starts = offsets_of(lengths)[:-1]
    out = np.empty(int(lengths.sum()), np.uint8)
    is_header = np.zeros(out.size, bool)
    is_header[(starts[:, None] + np.arange(width)).reshape(-1)] = True
    out[is_header] = headers.reshape(rows * width)
    out[~is_header] = entries.data
    return Entries(out, lengths)


def _big_endian(values: np.ndarray) -> np.ndarray:
    """The bytes of an array, each number big-endian: uint8, 1-D."""
    swapped = np.ascontiguousarray(values, values.dtype.newbyteorder(">"))
    return swapped.reshape(-1).view(np.uint8)
