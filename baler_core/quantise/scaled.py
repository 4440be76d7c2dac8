"""One variable in steps as wide as each value's own tolerance, as integers and bytes."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from baler_core.data.block import Block, values_of
from baler_core.data.bounds import Tolerance
from baler_core.entropy.integers import estimated_bytes, pack_integers, unpack_integers
from baler_core.entropy.varint import ByteReader, unzigzag, write_sized, write_varint, zigzag
from baler_core.errors import FormatError
from baler_core.quantise.lattice import Lattice
from baler_core.quantise.lattice_fit import fit_lattice
from baler_core.quantise.own_steps import from_codes, own_points, to_codes


class StepCounts(NamedTuple):
    """A variable's values as numbers of steps.

    Attributes
    ----------
    lattice
        Of the values that no step holds.
    points
        Of the data's own points, as `own_steps` has them.
    low
        Below all codes: stands for a value that is stored by the lattice.
    codes, others
        int64: of each value (1-D), and of those that the lattice holds.
    """

    lattice: Lattice
    points: float
    low: int
    codes: np.ndarray
    others: np.ndarray

    @property
    def integers(self) -> tuple[np.ndarray, np.ndarray]:
        """All that is stored of values."""
        return self.codes, self.others

    def head(self) -> bytes:
        """Return what is known beside the integers: some ten bytes."""
        return write_sized(self.lattice.to_bytes()) + struct.pack("<d", self.points) + write_varint(zigzag(self.low))

    def packed(self) -> bytes:
        """Return the integers as bytes."""
        return write_sized(pack_integers(self.codes)) + write_sized(pack_integers(self.others))

    def restore(self, tolerance: Tolerance) -> np.ndarray:
        """Return values, 1-D; the tolerance is known for each.

        Raises
        ------
        FormatError
            If it is not.
        """
        if tolerance.each is None or len(tolerance.each) != len(self.codes):
            raise FormatError("a variable counts in steps that follow from nothing")
        beside = self.codes == self.low
        if int(beside.sum()) != len(self.others):
            raise FormatError(
                f"{len(self.others)} values are stored beside steps where {int(beside.sum())} are missing"
            )
        codes = np.where(beside, 0, self.codes)
        values = from_codes(codes, tolerance.each, self.points, np.dtype(self.lattice.dtype))
        values[beside] = self.lattice.restore(self.others)
        return values


def code_in_steps(values: np.ndarray, tolerance: Tolerance) -> StepCounts:
    """Round values (1-D) to steps; the tolerance is known for each."""
    points = own_points(values)
    codes, good = to_codes(values, tolerance, points)
    low = int(codes.min(initial=0)) - 1
    codes[~good] = low
    lattice = fit_lattice(values[~good], tolerance.where_none)
    return StepCounts(lattice, points, low, codes, lattice.codes(values[~good]))


def read_steps(head: ByteReader, packed: bytes, dtype: str, shape: tuple[int, ...]) -> StepCounts:
    """Invert `StepCounts.head` and `StepCounts.packed` for a variable of one dimension.

    Raises
    ------
    FormatError
        If the bytes are damaged.
    """
    lattice = Lattice.from_bytes(head.sized(), dtype)
    (points,) = struct.unpack("<d", head.take(8))
    low = unzigzag(head.varint(2**64))
    if len(shape) != 1 or not np.isfinite(points):
        raise FormatError("a variable counts in impossible steps")
    body = ByteReader(packed, "a variable in steps of its own")
    codes = unpack_integers(body.sized(), shape[0])
    others = unpack_integers(body.sized(), int((codes == low).sum()))
    return StepCounts(lattice, points, low, codes, others)


def restore_in_steps(
    arrays: Mapping[str, np.ndarray], scaled: Mapping[str, StepCounts], tolerances: Mapping[str, Tolerance]
) -> dict[str, np.ndarray]:
    """Return arrays with those added that follow from them, each after what its tolerances follow from.

    Raises
    ------
    FormatError
        If what one follows from is not there.
    """
    found, left = dict(arrays), list(scaled)
    while left:
        name = next((n for n in left if all(need in found for need in scale_needs(tolerances[n]))), None)
        if name is None:
            raise FormatError(f"{left[0]!r} counts in steps that follow from nothing")
        found[name] = scaled[name].restore(tolerances[name].among(found))
        left.remove(name)
    return found


def scale_needs(tolerance: Tolerance) -> tuple[str, ...]:
    """Return the variables that a tolerance follows from, but for those that are known; none of other kinds."""
    scale = tolerance.scale
    return () if scale is None else tuple(name for name in scale.ancestors if name not in scale.known)


def estimated_in_steps(block: Block, name: str, tolerance: Tolerance) -> float:
    """Estimate the bytes of a variable in steps, which follow from the originals here."""
    scale = tolerance.scale
    assert scale is not None
    originals = {str(key): values_of(block, str(key)) for key in block.variables}
    steps = code_in_steps(values_of(block, name), tolerance.among(originals))
    return sum(estimated_bytes(integers) for integers in steps.integers if integers.size)
