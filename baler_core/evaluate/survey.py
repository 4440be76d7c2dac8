"""Read the original once: ranges and samples of its variables, coordinates, and bytes to compress."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from typing import TYPE_CHECKING

import numpy as np

from baler_core.data.block import values_of
from baler_core.data.bounds import ValueRange, value_range
from baler_core.data.comparison import is_measured, measured
from baler_core.data.running_statistics import Sample, sample_size
from baler_core.data.variables import Schema, Variable, native_bytes
from baler_core.machine.records import dataclass

if TYPE_CHECKING:
    from baler_core.data.block import Block

_SAMPLE = 20_000
_COORDINATE = 100_000


@dataclass
class Survey:
    """Result of the first pass.

    Attributes
    ----------
    limits
        Range of every numeric variable's finite, non-fill values, in stored units.
    samples
        Of the same values, in physical units.
    coordinates
        Values of short 1-D variables named like their dimension, in physical units.
    native_bytes
        Of each variable.
    """

    limits: dict[str, ValueRange] = field(default_factory=dict)
    samples: dict[str, Sample] = field(default_factory=dict)
    coordinates: dict[str, np.ndarray] = field(default_factory=dict)
    native_bytes: dict[str, int] = field(default_factory=dict)


def survey(blocks: Iterable[Block], schema: Schema, kept: ByteSample) -> Survey:
    """Read the blocks of the original once; `kept` collects bytes for other compressors."""
    found = Survey()
    size = sample_size(len(schema.variables), most=_SAMPLE)
    for block in blocks:
        for variable in schema.variables:
            if variable.name in block.variables:
                values = values_of(block, variable.name)
                _take_in(found, variable, values, size)
                _coordinate(found, schema, variable, values)
                raw = native_bytes(values)
                found.native_bytes[variable.name] = found.native_bytes.get(variable.name, 0) + len(raw)
                kept.add(variable.name, raw, values.dtype.itemsize)
    return found


def _take_in(found: Survey, variable: Variable, values: np.ndarray, size: int) -> None:
    if not is_measured(variable):
        return
    name = variable.name
    kept = values[measured(variable, values)]
    found.limits[name] = found.limits.get(name, ValueRange()).joined(value_range(kept))
    sample = found.samples.setdefault(name, Sample(size))
    with np.errstate(over="ignore", invalid="ignore"):
        sample.update(kept.astype(np.float64) * variable.scale + variable.offset)


def _coordinate(found: Survey, schema: Schema, variable: Variable, values: np.ndarray) -> None:
    if variable.dims == (variable.name,) and is_measured(variable) and schema.sizes[variable.name] <= _COORDINATE:
        physical = values.astype(np.float64) * variable.scale + variable.offset
        before = found.coordinates.get(variable.name, np.empty(0))
        found.coordinates[variable.name] = np.concatenate([before, physical])


class ByteSample:
    """Native bytes of all variables, or of evenly spread stretches of them where all would be too many.

    Parameters
    ----------
    limit
        At most about this many bytes are kept.
    expected
        Native bytes of the whole file.
    """

    def __init__(self, limit: int, expected: int) -> None:
        self.share = min(1.0, limit / max(1, expected))
        self._parts: dict[str, list[bytes]] = {}

    def add(self, name: str, raw: bytes, item: int) -> None:
        """Keep the first part of a variable's bytes in one block."""
        if self.share > 0:
            length = len(raw) if self.share == 1 else -(-int(len(raw) * self.share) // item) * item
            self._parts.setdefault(name, []).append(raw[:length])

    @property
    def data(self) -> bytes:
        """What was kept, variable after variable."""
        return b"".join(part for parts in self._parts.values() for part in parts)
