"""The `scalar` model: every variable by itself, quantised under its bound and packed; the baseline of all other models."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, SupportsBytes

import numpy as np
import xxhash
from pydantic import Field as Option

from baler_core.data.block import values_of
from baler_core.data.bounds import Tolerance
from baler_core.data.part import Part
from baler_core.data.variables import GroupKind, Layout, Variable
from baler_core.entropy import bytes as squeeze
from baler_core.entropy.integers import (
    STRONGER,
    estimated_bytes,
    narrow,
    pack_fast,
    pack_integers,
    unpack_integers,
    widen,
)
from baler_core.entropy.lorenzo import accumulate, best_axes, difference, middle_piece
from baler_core.entropy.varint import ByteReader, write_sized, write_varint
from baler_core.errors import FormatError
from baler_core.format.ranged import RangeReader
from baler_core.plugin.interfaces import NO_HINTS, Effort, Estimate, Hints, Model, Options, Streams, Tolerances
from baler_core.quantise.lattice import Lattice
from baler_core.quantise.lattice_fit import fit_lattice
from baler_core.quantise.scaled import (
    StepCounts,
    code_in_steps,
    estimated_in_steps,
    read_steps,
    restore_in_steps,
    scale_needs,
)

if TYPE_CHECKING:
    from baler_core.data.block import Block

# How a variable is stored: its integers packed by themselves; its integers, or its values as they lie in memory, in the
# stream that variables share; as a repetition of an earlier variable; or in steps as wide as each value's own tolerance.
OWN, SHARED_CODES, SHARED_VALUES, REPEATED, SCALED = range(5)
# Up to this many bytes compressors are run in full to compare; above, fast ones stand in for them.
_SMALL = 1 << 20
# Values of the piece that an estimate looks at; of the beginning of a row; and the share of rows that are usually distinct.
_PIECE = 1 << 16
_BEGINNING = 16
_DISTINCT = 0.6
_DIGEST_BYTES = 3


@dataclass
class _Coded:
    """One variable on its way to bytes."""

    head: bytes
    own: bytes
    codes_head: bytes
    codes: bytes
    values: bytes
    digest: bytes
    method: int = OWN

    @property
    def index(self) -> bytes:
        """What the decoder must know of it."""
        return bytes([self.method]) + self.head + (self.codes_head if self.method == SHARED_CODES else b"")

    @property
    def shared(self) -> bytes:
        """Its part of the shared stream."""
        return self.form(self.method)

    def form(self, method: int) -> bytes:
        """Return what it would add to the shared stream by a method."""
        return {OWN: b"", SCALED: b"", SHARED_CODES: self.codes, SHARED_VALUES: self.values}[method]


class ScalarOptions(Options):
    """Options of the `scalar` model."""

    effort: Effort = Option(default="max", description="How hard to try for few bytes, against time.")


class ScalarModel(Model):
    """Quantise under the bound, difference along grid axes where it helps, pack the integers. Learns nothing."""

    name = "scalar"
    summary = "each variable by itself: quantise, difference, pack; no learning"
    kinds: ClassVar[frozenset[GroupKind]] = frozenset({"table", "grid"})
    automatic = True
    takes_scales = True
    Options = ScalarOptions

    def estimate(self, block: Block, layout: Layout, tolerances: Tolerances, *, hints: Hints = NO_HINTS) -> Estimate:
        """Estimate from pieces of each variable, or from all variables of a table together by a fast compressor."""
        apart: dict[tuple[str, ...], float] = {}
        tolerances, scaled = {name: t.where_none for name, t in tolerances.items()}, tolerances
        lattices: dict[str, Lattice] = {}
        for variable in layout.variables:
            name = variable.name
            if scaled[name].scale is not None:
                apart[(name,)] = estimated_in_steps(block, name, scaled[name])
                continue
            fast = self.options.effort == "fast" and layout.kind == "grid"
            values = values_of(block, name)
            if layout.kind == "table":
                lattices[name] = fit_lattice(values, tolerances[name])
            apart[(name,)] = estimated_size(values, tolerances[name], fast=fast, lattice=lattices.get(name))
        if layout.kind == "grid":
            return Estimate(apart)
        if any(tolerance.scale is not None for tolerance in scaled.values()):
            return Estimate(apart)
        together = _together(block, layout, lattices)
        names = tuple(variable.name for variable in layout.variables)
        return Estimate(apart if sum(apart.values()) < together else {names: together})

    def encode(
        self, block: Block, layout: Layout, tolerances: Tolerances, *, hints: Hints = NO_HINTS, plan: object = None
    ) -> Streams:
        """Encode as streams `index` (how each variable is stored), `own` and `shared` (the integers)."""
        seen: dict[bytes, int] = {}
        entries: list[_Coded | int] = []
        restored = _restored_as_coded(block, layout, tolerances)
        for position, variable in enumerate(layout.variables):
            values = values_of(block, variable.name)
            if tolerances[variable.name].scale is not None:
                entries.append(_code_in_steps(values, tolerances[variable.name].among(restored)))
                continue
            key = repr((values.dtype.str, tolerances[variable.name])).encode() + values.tobytes()
            earlier = seen.setdefault(key, position)
            repeated = earlier != position
            fast = self.options.effort == "fast" and layout.kind == "grid"
            entries.append(earlier if repeated else _code(values, tolerances[variable.name], fast=fast))
        coded = [entry for entry in entries if isinstance(entry, _Coded)]
        if self.options.effort != "fast" or layout.kind == "table":
            _choose_sharing(coded)
        index = b"".join(
            entry.index if isinstance(entry, _Coded) else bytes([REPEATED]) + write_varint(entry) for entry in entries
        )
        index += _joined([one.digest for one in coded if one.method != SHARED_VALUES])
        own = b"".join(write_sized(one.own) for one in coded if one.method in (OWN, SCALED))
        return {"index": index, "own": own, "shared": b"".join(one.shared for one in coded)}

    def decode(self, streams: Streams, layout: Layout, tolerances: Tolerances) -> Block:
        """Restore the block that `encode` was given, within its tolerances."""
        return layout.build(_restored(streams, layout, tolerances, None))

    def decode_part(
        self, streams: Mapping[str, SupportsBytes], layout: Layout, tolerances: Tolerances, part: Part
    ) -> dict[str, np.ndarray]:
        """Restore a part: integers of other variables are passed over."""
        arrays = _restored(streams, layout, tolerances, part.names)
        return {v.name: arrays[v.name][part.box(v)] for v in layout.variables if v.name in part.names}


@dataclass(frozen=True)
class _Entry:
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


def _restored(
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
            digests.append(_digest(scaled[variable.name].integers))
        elif entry.method == REPEATED:
            earlier = layout.variables[entry.repeated]
            if earlier.name not in arrays:
                raise FormatError(f"{variable.name!r} is said to repeat {earlier.name!r}, which is of another kind")
            arrays[variable.name] = arrays[earlier.name]
        elif entry.method == SHARED_VALUES:
            arrays[variable.name] = np.frombuffer(bytes(entry.data), variable.numpy_dtype).reshape(shape)
        else:
            lattice, integers = _decode(stored, entry.method, bytes(entry.data), variable, shape)
            digests.append(_digest(integers))
            restore = lattice.restore if len(integers) == 1 else lattice.dequantise
            arrays[variable.name] = restore(*integers)
    if names is None and _joined(digests) != index.rest():
        raise FormatError("a scalar group is damaged: its integers have another checksum")
    return restore_in_steps(arrays, scaled, tolerances)


def _digest(integers: Sequence[np.ndarray]) -> bytes:
    """Digest the codes of a variable, and the classes of its special values if these are apart."""
    digest = xxhash.xxh3_64()
    for array in integers:
        digest.update(np.ascontiguousarray(array, "<i8").data if array.size else b"")
    return digest.digest()


def _joined(digests: Sequence[bytes]) -> bytes:
    """Return what a group stores of the digests of its variables; nothing if there are none."""
    return xxhash.xxh3_64(b"".join(digests)).digest()[:_DIGEST_BYTES] if digests else b""


def estimated_size(
    values: np.ndarray, tolerance: Tolerance, *, fast: bool = False, whole: bool = False, lattice: Lattice | None = None
) -> float:
    """Estimate the bytes of a variable from a piece of it, or from all of it if rows repeat, as in symmetric fields.

    Parameters
    ----------
    fast
        Whether it will be packed with little effort.
    whole
        Whether to look at all of it in any case.
    lattice
        That of all values, if it is known.
    """
    if not values.size:
        return 0.0
    piece = values if whole else middle_piece(values, _PIECE)
    if lattice is None or piece.size < values.size:
        lattice = fit_lattice(piece, tolerance)
    if piece.size < values.size and _rows_come_again(values, lattice):
        piece = values
    codes = _filled(*lattice.quantise(piece))
    least = min(estimated_bytes(difference(codes, axes), fast=fast) for axes in {(), best_axes(codes)})
    return least * values.size / piece.size


def _rows_come_again(values: np.ndarray, lattice: Lattice) -> bool:
    """Whether the beginnings of many rows of a grid, once quantised, are those of other rows; rows of one value do not count."""
    if values.ndim < 2 or values.shape[-1] < _BEGINNING:
        return False
    codes = lattice.quantise(values.reshape(-1, values.shape[-1])[:, :_BEGINNING])[0]
    codes = codes[(codes != codes[:, :1]).any(axis=1)]
    factors = np.random.default_rng(0).integers(1, 1 << 62, _BEGINNING)
    return len(np.unique(codes @ factors)) < _DISTINCT * len(codes)


def _together(block: Block, layout: Layout, lattices: Mapping[str, Lattice]) -> float:
    """Estimate the bytes of all variables in one stream, which repetitions across variables make small."""
    codes, values = [], []
    for variable in layout.variables:
        column = values_of(block, variable.name)
        codes.append(narrow(lattices[variable.name].codes(column))[1])
        values.append(np.ascontiguousarray(column).tobytes())
    return STRONGER * min(len(squeeze.zstd(b"".join(form), 3)) for form in (codes, values))


def _code(values: np.ndarray, tolerance: Tolerance, *, fast: bool) -> _Coded:
    """Code one variable in all the forms in which it may be stored; fast: only in its own."""
    lattice = fit_lattice(values, tolerance)
    codes, special = lattice.quantise(values)
    if values.ndim == 1:
        axes: tuple[int, ...] = ()
        holes = b""
        codes = lattice.merge_specials(codes, special)
    else:
        holes = pack_integers(special) if lattice.specials else b""
        codes = _filled(codes, special)
        axes = best_axes(codes)
    digest = _digest((codes,) if values.ndim == 1 else (codes, special))
    head = lattice.to_bytes() + write_varint(sum(1 << axis for axis in axes)) + write_sized(holes)
    if fast:
        return _Coded(head, pack_fast(difference(codes, axes)), b"", b"", b"", digest)
    own = pack_integers(difference(codes, axes), thorough=values.size < _SMALL)
    if axes and values.size < _SMALL:
        plain = pack_integers(codes)
        if len(plain) < len(own):
            head = lattice.to_bytes() + write_varint(0) + write_sized(holes)
            own = plain
    small = values.nbytes <= _SMALL
    exact = np.ascontiguousarray(values).tobytes() if small or not tolerance.lossy else b""
    return _Coded(head, own, *narrow(codes.ravel()), exact, digest)


def _filled(codes: np.ndarray, special: np.ndarray) -> np.ndarray:
    """Fill codes with each special place taking the code before it, so that differences there are 0."""
    if not special.any():
        return codes
    places = np.where(special.ravel() == 0, np.arange(codes.size), 0)
    return codes.ravel()[np.maximum.accumulate(places)].reshape(codes.shape)


def _restored_as_coded(block: Block, layout: Layout, tolerances: Tolerances) -> dict[str, np.ndarray]:
    """Return what will be restored of variables that tolerances follow from, and of what these follow from."""
    needed: list[str] = []
    waiting = [name for variable in layout.variables for name in scale_needs(tolerances[variable.name])]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.append(name)
            waiting += scale_needs(tolerances[name])
    restored: dict[str, np.ndarray] = {}
    for name in needed:
        if tolerances[name].scale is None:
            values = values_of(block, name)
            lattice = fit_lattice(values, tolerances[name])
            restored[name] = lattice.restore(lattice.codes(values))
    left = [name for name in needed if name not in restored]
    while left:
        name = next(n for n in left if not any(p in left for p in scale_needs(tolerances[n])))
        values, tolerance = values_of(block, name), tolerances[name].among(restored)
        restored[name] = code_in_steps(values, tolerance).restore(tolerance)
        left.remove(name)
    return restored


def _code_in_steps(values: np.ndarray, tolerance: Tolerance) -> _Coded:
    """Code a variable in steps as wide as each value's own tolerance."""
    steps = code_in_steps(values, tolerance)
    return _Coded(steps.head(), steps.packed(), b"", b"", b"", _digest(steps.integers), method=SCALED)


def _choose_sharing(coded: Sequence[_Coded]) -> None:
    """Move variables into the shared stream where general compression of all of them together is smaller.

    Candidates are: none; those that compress about as well there by themselves; all; and all with their values as they lie
    in memory, where variables that repeat each other in part look alike.
    """
    candidates = [one for one in coded if len(one.own) > 8 and one.method == OWN]
    choices = _partial_choices(candidates) if len(candidates) > 1 else []
    if all(one.values for one in candidates):
        choices.append([SHARED_VALUES] * len(candidates))
    own = sum(len(one.own) for one in candidates)
    # The fast estimate is up to a third too high; the more data, the nearer it must be for the slow measurement.
    hope = 1.4 if sum(len(one.codes) for one in candidates) <= 16 * _SMALL else 1.1
    best, smallest = [OWN] * len(candidates), own
    for methods in choices:
        if _total(candidates, methods, _size) < hope * own:
            total = _total(candidates, methods, _squeezed_size)
            best, smallest = (methods, total) if total < smallest else (best, smallest)
    for one, method in zip(candidates, best, strict=True):
        one.method = method


def _partial_choices(candidates: Sequence[_Coded]) -> list[list[int]]:
    """Return the methods of those that compress about as well in the shared stream by themselves, others staying out; and of all."""
    better = [_better_shared_form(one) for one in candidates]
    keen = [
        form if _size(one.form(form)) < 1.15 * len(one.own) + 40 else OWN
        for one, form in zip(candidates, better, strict=True)
    ]
    return [keen] if keen == better else [keen, better]


def _total(candidates: Sequence[_Coded], methods: Sequence[int], size: Callable[[bytes], int]) -> int:
    """Return bytes of the candidates, each by its method; `size` measures those of the shared stream."""
    pairs = list(zip(candidates, methods, strict=True))
    alone = sum(len(one.own) for one, method in pairs if method == OWN)
    return alone + size(b"".join(one.form(method) for one, method in pairs))


def _better_shared_form(one: _Coded) -> int:
    return SHARED_VALUES if one.values and _size(one.values) < _size(one.codes) else SHARED_CODES


def _size(data: bytes) -> int:
    """Return what general compression makes of `data`: exact for small data, a fast upper estimate for large."""
    return len(squeeze.xz(data)) if len(data) <= _SMALL else len(squeeze.zstd(data, 5))


def _squeezed_size(data: bytes) -> int:
    """Return what the container will make of a shared stream."""
    return len(squeeze.squeeze(data)) if data else 0


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
