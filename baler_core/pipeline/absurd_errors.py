"""Find from which size on an error is absurd: larger than all values spread, and than a hundred times what is common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from baler_core.data.block import Block, values_of
from baler_core.data.bounds import Tolerance
from baler_core.data.tolerance import rounded_down

# Marks in place of errors, such as 1000 or 99999, are so many times the median.
_TIMES = 100.0


def with_largest(blocks: Iterable[Block], tolerances: Mapping[str, Tolerance]) -> dict[str, Tolerance]:
    """Return tolerances that, of each value, may be at least so many times the median.

    Parameters
    ----------
    tolerances
        Of all variables; those of kind `each` have scales, and values that follow from how far values spread.
    """
    common: dict[str, float] = {}
    scales = {name: t.scale for name, t in tolerances.items() if t.scale is not None}
    for block in blocks:
        for name, scale in scales.items():
            if name in block.variables and all(need in block.variables for need in scale.needs):
                sizes = scale.stated({need: values_of(block, need) for need in scale.needs})
                if (sizes > 0).any():
                    common[name] = max(common.get(name, 0.0), float(np.median(sizes[sizes > 0])))
    found = dict(tolerances)
    for name, median in common.items():
        largest = min(max(tolerances[name].value, _TIMES * median), 1e308)
        found[name] = replace(tolerances[name], value=rounded_down(largest))
    return found
