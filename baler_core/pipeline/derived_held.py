"""Holds derived quantities: computed from the restored values of a block, and their inputs stored exactly where they miss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from baler_core.data.block import Block, values_of
from baler_core.data.variables import block_sizes, leading_dimension
from baler_core.errors import BoundBroken
from baler_core.format.header import DerivedRecord, UnheldRecord
from baler_core.machine.records import dataclass
from baler_core.pipeline.derived.quantities import Computed, Derived, Surroundings, arrays_of
from baler_core.pipeline.group_coder import CodedBlock
from baler_core.pipeline.guarantee import EXACT_STREAM
from baler_core.pipeline.job import Job, PreparedBlock

# A cell that depends on more values than this is first mended by the most wrong of them, a growing part of all.
_MANY = 16
_FIRST_PART = 16
# After so many rounds all that a cell depends on is stored exactly.
_ROUNDS = 40


class DerivedKeeper:
    """Holds the quantities in one block, after the coders.

    Parameters
    ----------
    before
        How many rows of each leading dimension come before the block.
    """

    def __init__(self, job: Job, before: Mapping[str, int]) -> None:
        self._job = job
        self._around = Surroundings(job.schema, job.held.coordinates, dict(before))
        self.found = {one.rule.name: DerivedFound() for one in job.held.quantities}

    def hold(self, block: Block, given: Sequence[PreparedBlock], coded: Sequence[CodedBlock]) -> list[CodedBlock]:
        """Return the coded groups of a block, with more values stored exactly where a quantity missed its bound.

        Raises
        ------
        BoundBroken
            If one misses it with exact inputs, which is a bug.
        """
        around = self._around.of(block)
        arrays = {name: values for one in coded for name, values in one.restored.items()}
        held: list[_Held] = []
        for one in self._job.held.quantities:
            before = arrays_of(block, one)
            if before is not None:
                held.append(_Held(one, before, one.original(before, around)))
        for each in held:
            self.found[each.one.rule.name].add_unheld(each, arrays)
        exact = self._seams(block, held)
        _put(arrays, block, exact)
        for number in range(_ROUNDS + 1):
            more = [self._mended(each, arrays, number) for each in held]
            if not any(more):
                break
            for masks in more:
                _put(arrays, block, masks)
                _join(exact, masks)
        for each in held:
            self.found[each.one.rule.name].add(each, arrays, exact)
        corrected = [_with_exact(each, group, exact) for each, group in zip(coded, given, strict=True)]
        self._count_bytes(given, [_more_bytes(*pair) for pair in zip(coded, corrected, strict=True)], exact)
        return corrected

    def _count_bytes(
        self, given: Sequence[PreparedBlock], more: Sequence[int], exact: Mapping[str, np.ndarray]
    ) -> None:
        """Add to each quantity its part of the bytes of exact values, by their numbers."""
        for group, nbytes in zip(given, more, strict=True):
            counts = {name: int(np.count_nonzero(exact[name])) for name in group.original.tolerances if name in exact}
            for one in self._job.held.quantities if nbytes else ():
                own = sum(counts.get(name, 0) for name in one.names)
                self.found[one.rule.name].nbytes += nbytes * own / sum(counts.values())

    def _mended(self, each: _Held, arrays: Mapping[str, np.ndarray], number: int) -> dict[str, np.ndarray]:
        """Which values have to become exact, by variable; empty if the quantity holds."""
        after, trace = each.one.restored(arrays, each.computed)
        wrong = each.one.misses(each.computed, after)
        if not wrong.any():
            return {}
        masks = {
            name: mask & _moved(each.before[name], arrays[name])
            for name, mask in each.one.depends(wrong, trace).items()
        }
        masks = {name: mask for name, mask in masks.items() if mask.any()}
        if not masks:
            raise BoundBroken(f"the derived quantity {each.one.rule.name!r} breaks its bound with exact values")
        several = sum(int(np.count_nonzero(mask)) for mask in masks.values()) > _MANY * np.count_nonzero(wrong)
        if not several or number >= _ROUNDS:
            return masks
        part = 2.0**number / _FIRST_PART
        return {name: _most_wrong(mask, each.before[name], arrays[name], part) for name, mask in masks.items()}

    def _seams(self, block: Block, held: Sequence[_Held]) -> dict[str, np.ndarray]:
        """Rows at the borders of blocks that derivatives in the neighbouring block need, or that need these."""
        exact: dict[str, np.ndarray] = {}
        schema, sizes = self._job.schema, block_sizes(block)
        for each in held:
            dim = leading_dimension(each.one.inputs[0], schema)
            if dim is None or not each.computed.reach:
                continue
            first, rows = self._around.rows.get(dim, 0), sizes[dim]
            for variable in each.one.inputs:
                mask = np.zeros(each.before[variable.name].shape, bool)
                mask[: 2 * each.computed.reach if first else 0] = True
                mask[rows - 2 * each.computed.reach if first + rows < schema.sizes[dim] else rows :] = True
                _join(exact, {variable.name: mask})
        return exact


def derived_records(job: Job, found: Mapping[str, DerivedFound]) -> tuple[DerivedRecord, ...]:
    """Return what was found of the quantities over all blocks, for the header."""
    return tuple(
        DerivedRecord(
            one.rule.name,
            one.rule.formula.text,
            one.rule.bound,
            one_found.cells,
            one_found.exact,
            one_found.largest,
            one_found.share,
            one.units,
            UnheldRecord(
                one_found.missed,
                one_found.unheld_largest,
                one_found.unheld_share,
                round(one_found.nbytes),
                job.held.stated.get(one.rule.name),
            ),
        )
        for one, one_found in ((one, found.get(one.rule.name, DerivedFound())) for one in job.held.quantities)
    )


@dataclass(frozen=True)
class _Held:
    """A quantity in one block: the original values of its inputs, and what it is of them."""

    one: Derived
    before: Mapping[str, np.ndarray]
    computed: Computed

    def worst(self, after: np.ndarray) -> tuple[float, float]:
        """Return the largest error of its cells, and the largest share of what is allowed; of those that are finite."""
        values = self.computed.values
        with np.errstate(all="ignore"):
            error = np.abs(after - values)
            share = error / self.one.allowed(values)
        return (
            float(error[np.isfinite(error)].max(initial=0.0)),
            float(share[np.isfinite(share)].max(initial=0.0)),
        )


@dataclass
class DerivedFound:
    """What was found of a quantity so far; what is `unheld` before values became exact for it.

    Attributes
    ----------
    missed
        Cells beyond the bound before.
    nbytes
        Of the exact values.
    """

    cells: int = 0
    exact: int = 0
    largest: float = 0.0
    share: float = 0.0
    missed: int = 0
    unheld_largest: float = 0.0
    unheld_share: float = 0.0
    nbytes: float = 0.0

    def joined(self, other: DerivedFound) -> DerivedFound:
        """Return what was found in the blocks of both."""
        return DerivedFound(
            self.cells + other.cells,
            self.exact + other.exact,
            max(self.largest, other.largest),
            max(self.share, other.share),
            self.missed + other.missed,
            max(self.unheld_largest, other.unheld_largest),
            max(self.unheld_share, other.unheld_share),
            self.nbytes + other.nbytes,
        )

    def add_unheld(self, each: _Held, arrays: Mapping[str, np.ndarray]) -> None:
        """Take in a block as the coders left it."""
        after, _ = each.one.restored(arrays, each.computed)
        self.missed += int(np.count_nonzero(each.one.misses(each.computed, after)))
        largest, share = each.worst(after)
        self.unheld_largest = max(self.unheld_largest, largest)
        self.unheld_share = max(self.unheld_share, share)

    def add(self, each: _Held, arrays: Mapping[str, np.ndarray], exact: Mapping[str, np.ndarray]) -> None:
        """Take in a block; every cell is compared once more.

        Raises
        ------
        BoundBroken
            If one does not hold.
        """
        after, _ = each.one.restored(arrays, each.computed)
        if each.one.misses(each.computed, after).any():
            raise BoundBroken(f"the derived quantity {each.one.rule.name!r} breaks its bound")
        largest, share = each.worst(after)
        self.cells += after.size
        self.exact += sum(int(np.count_nonzero(exact[name])) for name in each.one.names if name in exact)
        self.largest = max(self.largest, largest)
        self.share = max(self.share, share)


def _moved(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Boolean mask, same shape: values of which any bit changed."""
    native = [
        np.ascontiguousarray(values.astype(values.dtype.newbyteorder("="), copy=False)) for values in (before, after)
    ]
    bits = [values.view(f"u{values.dtype.itemsize}") for values in native]
    return np.asarray(bits[0] != bits[1]).reshape(before.shape)


def _most_wrong(mask: np.ndarray, before: np.ndarray, after: np.ndarray, part: float) -> np.ndarray:
    """The part of the masked values with the largest errors."""
    places = np.flatnonzero(mask)
    count = min(places.size, max(1, int(part * places.size)))
    with np.errstate(all="ignore"):
        error = np.abs(before.ravel()[places].astype(np.float64) - after.ravel()[places].astype(np.float64))
    chosen = places[np.argpartition(-np.nan_to_num(error, nan=np.inf), count - 1)[:count]]
    found = np.zeros(mask.size, bool)
    found[chosen] = True
    return found.reshape(mask.shape)


def _put(arrays: dict[str, np.ndarray], block: Block, masks: Mapping[str, np.ndarray]) -> None:
    """Take the original values where masks say so."""
    for name, mask in masks.items():
        arrays[name] = np.where(mask, values_of(block, name), arrays[name])


def _join(known: dict[str, np.ndarray], more: Mapping[str, np.ndarray]) -> None:
    for name, mask in more.items():
        known[name] = known[name] | mask if name in known else mask


def _more_bytes(before: CodedBlock, after: CodedBlock) -> int:
    """What exact values take more than before."""
    return len(after.streams.get(EXACT_STREAM, b"")) - len(before.streams.get(EXACT_STREAM, b""))


def _with_exact(coded: CodedBlock, given: PreparedBlock, exact: Mapping[str, np.ndarray]) -> CodedBlock:
    """A group with what is to be exact in it; lossy variables alone can differ."""
    tolerances = given.original.tolerances
    places = {
        name: mask for name, mask in exact.items() if name in tolerances and tolerances[name].lossy and mask.any()
    }
    return coded.with_exact(given, places) if places else coded
