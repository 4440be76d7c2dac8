"""The `scalar` model: every variable by itself, quantised under its bound and packed; the baseline of all other models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import ClassVar, Final, SupportsBytes

import numpy as np
import xxhash

from baler_core.builtin.models.scalar_sharing import (
    OWN,
    REPEATED,
    SCALED,
    SHARED_VALUES,
    SMALL,
    CodedVariable,
    choose_sharing,
)
from baler_core.builtin.models.scalar_streams import digest_of, joined_digests, restored
from baler_core.data.block import Block, values_of
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
    pack_likeliest,
)
from baler_core.entropy.lorenzo import best_axes, difference, middle_piece
from baler_core.entropy.varint import write_sized, write_varint
from baler_core.machine.recent import Recent
from baler_core.machine.threads import in_parallel
from baler_core.plugin.interfaces import NO_HINTS, Effort, Estimate, Hints, Model, Streams, Tolerances
from baler_core.plugin.late_options import options_at
from baler_core.quantise.lattice import Lattice
from baler_core.quantise.lattice_fit import fit_lattice
from baler_core.quantise.scaled import (
    code_in_steps,
    estimated_in_steps,
    scale_needs,
)

# Values of the piece that an estimate looks at; of the beginning of a row, and of its beginning that mostly tells enough; and
# the share of rows that are usually distinct.
_PIECE = 1 << 16
_BEGINNING, _FIRST = 16, 4
_DISTINCT = 0.6
# So few values go through all compressors, but at `fast`.
_FEW = 1 << 13
# Variables of so many bytes are kept for a while as they were coded: models that leave some to this one ask for the same again.
_KEPT_EACH: Final = 1 << 18
_CODED: Final[Recent[CodedVariable]] = Recent(1 << 24)


class ScalarModel(Model):
    """Quantise under the bound, difference along grid axes where it helps, pack the integers. Learns nothing."""

    name = "scalar"
    summary = "each variable by itself: quantise, difference, pack; no learning"
    kinds: ClassVar[frozenset[GroupKind]] = frozenset({"table", "grid"})
    automatic = True
    takes_scales = True
    Options = options_at("baler_core.builtin.models.scalar_options:ScalarOptions")

    def estimate(self, block: Block, layout: Layout, tolerances: Tolerances, *, hints: Hints = NO_HINTS) -> Estimate:
        """Estimate from pieces of each variable, or from all variables of a table together by a fast compressor."""
        tolerances, scaled = {name: t.where_none for name, t in tolerances.items()}, tolerances
        lattices: dict[str, Lattice] = {}
        fast = self.options.effort == "fast" and layout.kind == "grid"

        def expected(variable: Variable) -> float:
            name = variable.name
            if scaled[name].scale is not None:
                return estimated_in_steps(block, name, scaled[name])
            values = values_of(block, name)
            if layout.kind == "table":
                lattices[name] = fit_lattice(values, tolerances[name])
            return estimated_size(values, tolerances[name], fast=fast, lattice=lattices.get(name))

        # Variables of a grid are large, and each would take several times its bytes at once.
        sizes = [*map(expected, layout.variables)] if layout.kind == "grid" else in_parallel(expected, layout.variables)
        apart: dict[tuple[str, ...], float] = {
            (variable.name,): size for variable, size in zip(layout.variables, sizes, strict=True)
        }
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
        entries: list[CodedVariable | int] = []
        restored = _restored_as_coded(block, layout, tolerances)
        for position, variable in enumerate(layout.variables):
            values = values_of(block, variable.name)
            if tolerances[variable.name].scale is not None:
                entries.append(_code_in_steps(values, tolerances[variable.name].among(restored)))
                continue
            key = repr((values.dtype.str, tolerances[variable.name])).encode() + values.tobytes()
            earlier = seen.setdefault(key, position)
            repeated = earlier != position
            effort: Effort = self.options.effort if layout.kind == "grid" else "max"
            entries.append(earlier if repeated else _code(values, tolerances[variable.name], effort))
        coded = [entry for entry in entries if isinstance(entry, CodedVariable)]
        if self.options.effort != "fast" or layout.kind == "table":
            choose_sharing(coded)
        index = b"".join(
            entry.index if isinstance(entry, CodedVariable) else bytes([REPEATED]) + write_varint(entry)
            for entry in entries
        )
        index += joined_digests([one.digest for one in coded if one.method != SHARED_VALUES])
        own = b"".join(write_sized(one.own) for one in coded if one.method in (OWN, SCALED))
        return {"index": index, "own": own, "shared": b"".join(one.shared for one in coded)}

    def decode(self, streams: Streams, layout: Layout, tolerances: Tolerances) -> Block:
        """Restore the block that `encode` was given, within its tolerances."""
        return layout.build(restored(streams, layout, tolerances, None))

    def decode_part(
        self, streams: Mapping[str, SupportsBytes], layout: Layout, tolerances: Tolerances, part: Part
    ) -> dict[str, np.ndarray]:
        """Restore a part: integers of other variables are passed over."""
        arrays = restored(streams, layout, tolerances, part.names)
        return {v.name: part.cut(arrays[v.name], v) for v in layout.variables if v.name in part.names}


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
    if codes.ndim == 1 and codes[0] == codes[-1] and (codes == codes[0]).all():  # flags by the hundred
        return estimated_bytes(codes)
    least = min(
        estimated_bytes(difference(codes, axes), fast=fast) for axes in {(), best_axes(middle_piece(codes, _PIECE))}
    )
    return least * values.size / piece.size


def _rows_come_again(values: np.ndarray, lattice: Lattice) -> bool:
    """Whether the beginnings of many rows of a grid, once quantised, are those of other rows; rows of one value do not count."""
    if values.ndim < 2 or values.shape[-1] < _BEGINNING:
        return False
    rows = values.reshape(-1, values.shape[-1])
    if _distinct(lattice.quantise(rows[:, :_FIRST])[0]) >= _DISTINCT * len(rows):  # and so the longer beginnings are
        return False
    codes = lattice.quantise(rows[:, :_BEGINNING])[0]
    codes = codes[(codes != codes[:, :1]).any(axis=1)]
    return _distinct(codes) < _DISTINCT * len(codes)


def _distinct(codes: np.ndarray) -> int:
    """Return how many rows differ among those that are not of one value."""
    codes = codes[(codes != codes[:, :1]).any(axis=1)]
    factors = np.random.default_rng(0).integers(1, 1 << 62, codes.shape[1])
    return len(np.unique(codes @ factors))


def _together(block: Block, layout: Layout, lattices: Mapping[str, Lattice]) -> float:
    """Estimate the bytes of all variables in one stream, which repetitions across variables make small."""

    def codes(variable: Variable) -> bytes:
        return narrow(lattices[variable.name].codes(values_of(block, variable.name)))[1]

    def values(variable: Variable) -> bytes:
        return np.ascontiguousarray(values_of(block, variable.name)).tobytes()

    def size(form: Callable[[Variable], bytes]) -> int:
        return len(squeeze.zstd(b"".join(map(form, layout.variables)), 3))

    return STRONGER * min(in_parallel(size, (codes, values)))


def _code(values: np.ndarray, tolerance: Tolerance, effort: Effort) -> CodedVariable:
    """Code one variable in all the forms in which it may be stored; at `fast` only in its own."""
    if values.nbytes > _KEPT_EACH or tolerance.kind == "each":
        return _coded(values, tolerance, effort)
    # equal tolerances may still differ in the sign of a zero among their special values
    key = (
        values.dtype.str,
        values.shape,
        xxhash.xxh3_128_digest(values.tobytes()),
        tolerance,
        repr(tolerance.fill),
        effort,
    )
    found = _CODED.get(key)
    if found is None:
        found = _coded(values, tolerance, effort)
        _CODED.put(key, found, len(found.own) + len(found.codes) + len(found.values))
    return replace(found)  # whose way to be stored is the caller's to choose


def _coded(values: np.ndarray, tolerance: Tolerance, effort: Effort) -> CodedVariable:
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
    digest = digest_of((codes,) if values.ndim == 1 else (codes, special))
    axes, own = _packed(codes, axes, effort)
    head = lattice.to_bytes() + write_varint(sum(1 << axis for axis in axes)) + write_sized(holes)
    if effort == "fast":
        return CodedVariable(head, own, b"", b"", b"", digest)
    small = values.nbytes <= SMALL
    exact = np.ascontiguousarray(values).tobytes() if small or not tolerance.lossy else b""
    return CodedVariable(head, own, *narrow(codes.ravel()), exact, digest)


def _packed(codes: np.ndarray, axes: tuple[int, ...], effort: Effort) -> tuple[tuple[int, ...], bytes]:
    """Pack differences along `axes`, or the codes themselves if they are smaller; return the axes, and the bytes."""
    differences, thorough = difference(codes, axes), codes.size < SMALL
    if effort == "fast":
        return axes, pack_fast(differences)
    if effort == "balanced" and differences.size > _FEW and differences.min() != differences.max():
        ways = [axes, ()] if axes else [axes]
        number, own = pack_likeliest([differences, codes][: len(ways)], differences=thorough)
        return ways[number], own
    own = pack_integers(differences, thorough=thorough)
    if axes and (thorough or _may_be_smaller_plain(codes, len(own))):
        plain = pack_integers(codes, thorough=thorough)
        return ((), plain) if len(plain) < len(own) else (axes, own)
    return axes, own


def _may_be_smaller_plain(codes: np.ndarray, best: int) -> bool:
    """Return whether codes may take fewer than `best` bytes without differences, as where whole rows come again."""
    return STRONGER * len(squeeze.zstd(narrow(codes.ravel())[1], 3)) < best


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


def _code_in_steps(values: np.ndarray, tolerance: Tolerance) -> CodedVariable:
    """Code a variable in steps as wide as each value's own tolerance."""
    steps = code_in_steps(values, tolerance)
    return CodedVariable(steps.head(), steps.packed(), b"", b"", b"", digest_of(steps.integers), method=SCALED)
