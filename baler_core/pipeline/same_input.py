"""Tell whether a .bal file was made from the same values as an input has now, by the first block of each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import numpy as np

from baler_core.data.block import Block, values_of
from baler_core.errors import BalerError
from baler_core.format.header import ErrorRecord
from baler_core.pipeline.decode import NOWHERE_ELSE, BalFile, make_component
from baler_core.plugin.reading import Reader

# Largest errors are recorded in decimal, in physical units.
_LEEWAY = 1e-3


def holds_other_values(path: Path, source: Path) -> bool:
    """Return whether the first values of a .bal file are further from those of an input than its largest errors.

    What cannot be compared, since either cannot be read, counts as the same.
    """
    try:
        with BalFile(path, None, NOWHERE_ELSE) as stored:
            header = stored.header
            reader = cast(Reader, make_component("reader", header.reader, stored.registry, path))
            with reader.open(source) as opened:
                before, after = next(opened.blocks(1 << 20), None), next(stored.blocks(), None)
            if before is None or after is None:
                return False
            exact = {v.name for v, t in zip(header.schema.variables, header.tolerances, strict=True) if not t.lossy}
            scales = {v.name: abs(v.scale) for v in header.schema.variables}
            return any(
                _other(before, after, name, scales[name], header.errors if name not in exact else {})
                for name in map(str, after.variables)
                if name in before.variables and (name in exact or name in header.errors)
            )
    except BalerError:
        return False


def _other(before: Block, after: Block, name: str, scale: float, errors: Mapping[str, ErrorRecord]) -> bool:
    one, other = values_of(before, name), values_of(after, name)
    if one.dtype != other.dtype or one.shape[1:] != other.shape[1:]:
        return False
    rows = min(len(one), len(other)) if one.ndim else None
    one, other = (one[:rows], other[:rows]) if one.ndim else (one, other)
    if name not in errors or one.dtype.kind not in "iuf":
        return not np.array_equal(one, other, equal_nan=one.dtype.kind in "fc")
    with np.errstate(all="ignore"):
        wide, narrow = one.astype(np.float64), other.astype(np.float64)
        error = np.abs(wide - narrow) * scale
        allowed = errors[name].largest * (1 + _LEEWAY) + _LEEWAY * 1e-6 * np.abs(wide) * scale
    return bool((error[np.isfinite(error)] > np.broadcast_to(allowed, error.shape)[np.isfinite(error)]).any())
