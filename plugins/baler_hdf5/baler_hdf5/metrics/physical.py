"""Stored values of a variable as physical ones: unpacked, float64, NaN where there is nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from baler_core import Block, Variable, matching_names, values_of


def physical(values: np.ndarray, variable: Variable) -> np.ndarray:
    """Return physical values (float64, same shape); NaN at fill values and where not finite."""
    unpacked = values.astype(np.float64) * variable.scale + variable.offset
    nothing = ~np.isfinite(unpacked)
    for fill in variable.fill:
        nothing |= values == np.asarray(fill).astype(values.dtype)
    unpacked[nothing] = np.nan
    return unpacked


def fields_of_block(
    original: Block, restored: Block, variables: Mapping[str, Variable], patterns: Sequence[str], rank: int
) -> Iterator[tuple[Variable, np.ndarray, np.ndarray]]:
    """Yield the real fields of a block that patterns choose, original and restored, as physical values.

    A field is a float or packed variable of at least `rank` dimensions.
    """
    names = [str(name) for name in original.variables]
    for name in matching_names(patterns, names):
        variable = variables[name]
        real = variable.is_numeric and (variable.numpy_dtype.kind == "f" or variable.scale != 1.0)
        if real and len(variable.dims) >= rank:
            yield variable, physical(values_of(original, name), variable), physical(values_of(restored, name), variable)
