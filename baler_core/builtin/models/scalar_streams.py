"""Streams of the `scalar` model to values: all variables, or some and those that they repeat."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, SupportsBytes

import numpy as np
import xxhash

from baler_core.builtin.models.scalar_sharing import OWN, REPEATED, SCALED, SHARED_CODES, SHARED_VALUES
from baler_core.data.variables import Layout, Variable
from baler_core.entropy.integers import unpack_integers, widen
from baler_core.entropy.lorenzo import accumulate
from baler_core.entropy.varint import ByteReader
from baler_core.errors import FormatError
from baler_core.format.ranged import RangeReader
from baler_core.plugin.interfaces import Tolerances
from baler_core.quantise.lattice import Lattice
from baler_core.quantise.scaled import StepCounts, read_steps, restore_in_steps

_DIGEST_BYTES = 3


class _Entry(NamedTuple):
    """One variable of a file whose integers have not been decoded yet.

    Attributes
    ----------
    head
        What the index says of it.
    data
        Its part of the stream `own` or `shared`, read when it is needed.
    repeated
        Position of the variable that it repeats.
    """

    method: int
    head: bytes = b""
    data: SupportsBytes = b""
    repeated: int = -1


def _read_entry(index: ByteReader, own: RangeReader, shared: RangeReader, layout: Layout, position: int) -> _Entry:
    """Read what the index says of a variable, and pass over its integers."""
    method, variable = index.varint(5), layout.variables[position]
    if method == REPEATED:
        repeated = index.varint(position)
        earlier = layout.variables[repeated]
        if layout.shape(earlier) != layout.shape(variable) or earlier.dtype != variable.dtype:
            raise FormatError(f"{variable.name!r} is said to repeat {earlier.name!r}, which is of another kind")
        return _Entry(method, repeated=repeated)
    start, count = index.position, int(np.prod(layout.shape(variable), dtype=object))
    if method == SCALED:
        index.sized()
        index.take(8)
        index.varint(2**64)
        data = own.sized_part()
    else:
        Lattice.read(index, variable.dtype)
        index.varint(1 << max(1, len(variable.dims)))
        index.sized()
        if method == OWN:
            data = own.sized_part()
        elif method == SHARED_VALUES:
            data = shared.part(count * variable.numpy_dtype.itemsize)
        else:
            data = shared.part(_narrow_size(index, count))
    return _Entry(method, bytes(index.data[start : index.position]), data)


def _narrow_size(index: ByteReader, count: int) -> int:
    """Return how many bytes `count` integers take that `narrow` wrote, whose head is next."""
    width = index.varint(9)
    if count:
        index.varint(2**64)
    return width * count


def _with_repeated(entries: Sequence[_Entry], layout: Layout, names: Collection[str]) -> list[int]:
    """Return positions of variables by name and of those that they repeat, in the order of the file."""
    wanted = [position for position, variable in enumerate(layout.variables) if variable.name in names]
    found: set[int] = set()
    while wanted:
        position = wanted.pop()
        if position not in found:
            found.add(position)
            wanted += [entries[position].repeated] if entries[position].method == REPEATED else []
    return sorted(found)


def restored(
    streams: Mapping[str, SupportsBytes], layout: Layout, tolerances: Tolerances, names: Collection[str] | None
) -> dict[str, np.ndarray]:
    """Restore all variables, whose checksum is compared, or some by name and those that they repeat."""
    missing = {"index", "own", "shared"} - streams.keys()
    if missing:
        raise FormatError(f"a scalar group lacks its streams {sorted(missing)}")
    index = ByteReader(bytes(streams["index"]), "the index of a scalar group")
    own = RangeReader(streams["own"], "a scalar group")
    shared = RangeReader(streams["shared"], "the shared stream of a scalar group")
    entries = [_read_entry(index, own, shared, layout, position) for position in range(len(layout.variables))]
    arrays: dict[str, np.ndarray] = {}
    digests: list[bytes] = []
    scaled: dict[str, StepCounts] = {}
    for position in range(len(entries)) if names is None else _with_repeated(entries, layout, names):
        variable, entry = layout.variables[position], entries[position]
        shape, stored = layout.shape(variable), ByteReader(entry.head, index.what)
        if entry.method == SCALED:
            scaled[variable.name] = read_steps(stored, bytes(entry.data), variable.dtype, shape)
            digests.append(digest_of(scaled[variable.name].integers))
        elif entry.method == REPEATED:
            earlier = layout.variables[entry.repeated]
            if earlier.name not in arrays:
                raise FormatError(f"{variable.name!r} is said to repeat {earlier.name!r}, which is of another kind")
            arrays[variable.name] = arrays[earlier.name]
        elif entry.method == SHARED_VALUES:
            arrays[variable.name] = np.frombuffer(bytes(entry.data), variable.numpy_dtype).reshape(shape)
        else:
            lattice, integers = _decode(stored, entry.method, bytes(entry.data), variable, shape)
            digests.append(digest_of(integers))
            restore = lattice.restore if len(integers) == 1 else lattice.dequantise
            arrays[variable.name] = restore(*integers)
    if names is None and joined_digests(digests) != index.rest():
        raise FormatError("a scalar group is damaged: its integers have another checksum")
    return restore_in_steps(arrays, scaled, tolerances)


def _decode(
    head: ByteReader, method: int, data: bytes, variable: Variable, shape: tuple[int, ...]
) -> tuple[Lattice, list[np.ndarray]]:
    """Decode the lattice, and the codes and, for grids, the classes of special values."""
    lattice = Lattice.read(head, variable.dtype)
    axes_bits, holes = head.varint(1 << max(1, len(shape))), head.sized()
    axes = tuple(axis for axis in range(len(shape)) if axes_bits >> axis & 1)
    count = int(np.prod(shape, dtype=object))
    if method == SHARED_CODES:
        codes = widen(head, ByteReader(data, "the shared stream of a scalar group"), count).reshape(shape)
    else:
        codes = accumulate(unpack_integers(data, count).reshape(shape), axes)
    if len(shape) == 1:
        return lattice, [codes]
    special = unpack_integers(holes, count) if holes else np.zeros(count, np.int64)
    return lattice, [codes, special.reshape(shape)]


def digest_of(integers: Sequence[np.ndarray]) -> bytes:
    """Digest the codes of a variable, and the classes of its special values if these are apart."""
    digest = xxhash.xxh3_64()
    for array in integers:
        digest.update(np.ascontiguousarray(array, "<i8").data if array.size else b"")
    return digest.digest()


def joined_digests(digests: Sequence[bytes]) -> bytes:
    """Return what a group stores of the digests of its variables; nothing if there are none."""
    return xxhash.xxh3_64(b"".join(digests)).digest()[:_DIGEST_BYTES] if digests else b""
