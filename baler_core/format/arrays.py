"""Convert a model's state, a few small named arrays, to bytes and back."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from baler_core.entropy.bytes import squeeze, unsqueeze
from baler_core.entropy.integers import pack_integers, unpack_integers
from baler_core.entropy.varint import ByteReader, write_sized, write_varint
from baler_core.errors import FormatError

INTEGERS, BYTES = 0, 1
_DTYPE = re.compile(rb"[<|][biuf][1248]")
_ALWAYS_HELD, _MOST_EXPANDED = 1 << 25, 1 << 12


def encode_state(state: Mapping[str, np.ndarray]) -> bytes:
    """Return arrays of booleans, integers or floats by name, as few bytes; empty for an empty state."""
    return b"".join(_encode(name, np.asarray(array)) for name, array in sorted(state.items()))


def _encode(name: str, array: np.ndarray) -> bytes:
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise TypeError(f"a model's state may hold booleans, integers and floats, not {array.dtype} ({name!r})")
    portable = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False))
    forms = [bytes([BYTES]) + squeeze(portable.tobytes())]
    if array.dtype.kind in "bi" or (array.dtype.kind == "u" and array.dtype.itemsize < 8):
        forms.append(bytes([INTEGERS]) + pack_integers(portable))
    shape = write_varint(array.ndim) + b"".join(write_varint(length) for length in array.shape)
    head = write_sized(name.encode()) + write_sized(portable.dtype.str.encode()) + shape
    return head + write_sized(min(forms, key=len))


def decode_state(data: bytes, *, memory_limit: int) -> dict[str, np.ndarray]:
    """Invert `encode_state`.

    Raises
    ------
    FormatError
        If the bytes are damaged, or the arrays together would exceed `memory_limit` bytes, or be far more than so few
        bytes can tell: arrays of one number alone take any size in a few bytes.
    """
    reader = ByteReader(data, "a model's state")
    state: dict[str, np.ndarray] = {}
    left = min(memory_limit, _ALWAYS_HELD + _MOST_EXPANDED * len(data))
    while reader.position < len(reader.data):
        name, dtype = reader.sized(), reader.sized()
        shape = tuple(reader.varint(2**32) for _ in range(reader.varint(9)))
        count = int(np.prod(shape, dtype=object))
        kind = _dtype(dtype)
        left -= count * kind.itemsize
        if left < 0:
            raise FormatError(f"a model's state claims {count * kind.itemsize} bytes for {name!r}")
        state[name.decode("utf-8", "replace")] = _decode(reader.sized(), kind, count).reshape(shape)
    return state


def _dtype(stored: bytes) -> np.dtype:
    if not _DTYPE.fullmatch(stored):
        raise FormatError(f"a model's state cannot be of dtype {stored!r}")
    try:
        return np.dtype(stored.decode("ascii"))
    except TypeError as error:  # a float of one byte, say
        raise FormatError(f"a model's state has the impossible dtype {stored!r}") from error


def _decode(data: bytes, dtype: np.dtype, count: int) -> np.ndarray:
    if data[:1] == bytes([INTEGERS]):
        return unpack_integers(data[1:], count).astype(dtype)
    return np.frombuffer(unsqueeze(data[1:], count * dtype.itemsize), dtype).copy()
