"""Code columns whose tolerances follow from other columns: in steps as wide as each value's tolerance."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import field, replace

import numpy as np

from baler_core.data.bounds import Tolerance
from baler_core.entropy.varint import ByteReader, write_varint
from baler_core.errors import FormatError, PluginError
from baler_core.machine.records import dataclass

_MOST_PARENTS = 16
# Quarters of an octave, as mantissas.
_WIDTHS = np.array([0.5, 0.5946035575013605, 0.7071067811865476, 0.8408964152537145])


@dataclass(frozen=True)
class OwnSteps:
    """How a column counts in steps of its own.

    Attributes
    ----------
    points
        Of the data's own points, as `quantise.own_steps` has them.
    parents, factors
        Columns whose weighted sum steps count from, and weights; the last factor is a constant. Without factors, from 0.
    fills
        What stands for a parent's value that is not finite.
    rungs, base
        Steps are rounded down to one of so many widths per octave, `base` among them: neighbouring rows then count alike.
        0 for no rounding.
    """

    points: float
    parents: tuple[int, ...] = ()
    factors: tuple[float, ...] = ()
    fills: tuple[float, ...] = ()
    rungs: int = 0
    base: float = 1.0

    def centre(self, restored: Mapping[int, np.ndarray]) -> np.ndarray | None:
        """Return from where steps count, float64; None for 0. The same sums in the same order everywhere."""
        if not self.factors:
            return None
        total = np.full(len(restored[self.parents[0]]), self.factors[-1])
        with np.errstate(all="ignore"):  # of a damaged file
            for parent, factor, fill in zip(self.parents, self.factors, self.fills, strict=False):
                values = restored[parent].astype(np.float64)
                total = total + factor * np.where(np.isfinite(values), values, fill)
        return total

    def rounded(self, tolerance: Tolerance) -> Tolerance:
        """Return the tolerance that steps are made of. Products and comparisons alone: the same everywhere."""
        if not self.rungs or tolerance.each is None:
            return tolerance
        with np.errstate(all="ignore"):
            mantissa, exponent = np.frexp(tolerance.each / self.base)
            widths = _WIDTHS[:: 4 // self.rungs]
            place = np.clip(np.searchsorted(widths, mantissa, side="right") - 1, 0, len(widths) - 1)
            rounded = np.ldexp(widths[place], exponent) * self.base
        return replace(
            tolerance, each=np.where(tolerance.each > 0, np.minimum(rounded, tolerance.each), tolerance.each)
        )

    def to_bytes(self) -> bytes:
        """Return ten bytes, and a few per parent."""
        out = struct.pack("<d", self.points) + write_varint(self.rungs)
        out += struct.pack("<d", self.base) if self.rungs else b""
        out += write_varint(len(self.parents))
        out += b"".join(write_varint(parent) for parent in self.parents)
        numbers = (*self.factors, *self.fills)
        return out + struct.pack(f"<{len(numbers)}f", *numbers)


def read_own_steps(data: ByteReader, columns: int) -> OwnSteps:
    """Invert `OwnSteps.to_bytes`; FormatError if the bytes are no such thing."""
    (points,) = struct.unpack("<d", data.take(8))
    rungs = data.varint(5)
    (base,) = struct.unpack("<d", data.take(8)) if rungs else (1.0,)
    count = data.varint(_MOST_PARENTS + 1)
    parents = tuple(data.varint(columns) for _ in range(count))
    numbers = struct.unpack(f"<{2 * count + 1}f", data.take(4 * (2 * count + 1))) if count else ()
    if not np.isfinite([points, base, *numbers]).all() or base <= 0 or rungs == 3:
        raise FormatError(f"{data.what} is damaged: a column counts in impossible steps")
    return OwnSteps(points, parents, numbers[: count + 1], numbers[count + 1 :], rungs, base)


@dataclass(frozen=True)
class Scales:
    """The tolerances of a table's columns that follow from other columns.

    Attributes
    ----------
    numbers
        Of all columns, by name.
    tolerances
        Of the columns that have such, by number.
    """

    numbers: Mapping[str, int] = field(default_factory=dict)
    tolerances: Mapping[int, Tolerance] = field(default_factory=dict)

    def needs(self, number: int) -> tuple[int, ...]:
        """Return the columns that the tolerances of a column follow from, directly."""
        tolerance = self.tolerances.get(number)
        if tolerance is None or tolerance.scale is None:
            return ()
        return tuple(self.numbers[name] for name in tolerance.scale.ancestors if name in self.numbers)

    def of(self, number: int, restored: Mapping[int, np.ndarray]) -> Tolerance:
        """Return the tolerance of a column, known for each value.

        Raises
        ------
        FormatError
            If there is none of the kind, or what it follows from is not restored.
        """
        tolerance = self.tolerances.get(number)
        if tolerance is None or tolerance.scale is None or any(p not in restored for p in self.needs(number)):
            raise FormatError("a column of a table counts in steps that follow from nothing")
        return tolerance.among({name: restored[n] for name, n in self.numbers.items() if n in restored})

    def part(self, rows: slice) -> Scales:
        """Return the same for some of the rows."""
        return Scales(self.numbers, {n: tolerance.of_rows(rows) for n, tolerance in self.tolerances.items()})

    @property
    def known(self) -> tuple[str, ...]:
        """Variables outside the table that are restored before it."""
        scales = [t.scale for t in self.tolerances.values() if t.scale is not None]
        return tuple(dict.fromkeys(name for scale in scales for name in scale.known))

    def knowing(self, values: Mapping[str, np.ndarray]) -> Scales:
        """Return the same with other values of what is outside."""
        return Scales(self.numbers, {n: tolerance.knowing(values) for n, tolerance in self.tolerances.items()})

    def parents_first(self, order: Sequence[int]) -> list[int]:
        """Return the same order, but columns after those that their tolerances follow from."""
        found: list[int] = []
        waiting = list(order)
        while waiting:
            ready = next((n for n in waiting if all(p not in waiting for p in self.needs(n))), None)
            if ready is None:
                raise PluginError("tolerances of a table follow from each other in a circle")
            waiting.remove(ready)
            found.append(ready)
        return found


NO_SCALES = Scales()


def scales_of(names: Sequence[str], tolerances: Mapping[str, Tolerance]) -> Scales:
    """Return the scales of a table's columns, in their order."""
    scaled = {
        n: tolerances[name] for n, name in enumerate(names) if name in tolerances and tolerances[name].kind == "each"
    }
    return Scales({name: n for n, name in enumerate(names)}, scaled) if scaled else NO_SCALES
