"""Tell whether a .bal file was made from the same values as an input has now, by restoring it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np

from baler_core.data.block import Block, values_of
from baler_core.data.pairing import UnpairedError, paired_blocks
from baler_core.data.variables import Schema
from baler_core.errors import BalerError
from baler_core.format.header import ErrorRecord, Header
from baler_core.pipeline.decode import NOWHERE_ELSE, BalFile, make_component
from baler_core.plugin.reading import Reader

# Largest errors are recorded in decimal, in physical units.
_LEEWAY = 1e-3
_BLOCK_BYTES = 1 << 26


def holds_other_values(path: Path, source: Path) -> bool:
    """Return whether any value of a .bal file is further from that of an input than its largest errors.

    What cannot be compared, since either cannot be read, counts as the same.
    """
    try:
        with BalFile(path, None, NOWHERE_ELSE) as stored:
            header = stored.header
            reader = cast(Reader, make_component("reader", header.reader, stored.registry, path))
            with reader.open(source) as opened:
                return _differ(header, opened.schema, opened.blocks(_BLOCK_BYTES), stored.blocks())
    except BalerError:
        return False


def _differ(header: Header, schema: Schema, before: Iterable[Block], after: Iterable[Block]) -> bool:
    """Return whether blocks of an input and of a .bal file differ by more than the file's errors."""
    exact = {v.name for v, t in zip(header.schema.variables, header.tolerances, strict=True) if not t.lossy}
    common = [v for v in header.schema.variables if v.name in schema.names and (v.name in exact | header.errors.keys())]
    if any(schema[v.name].dims != v.dims or schema[v.name].dtype != v.dtype for v in common):
        return True
    both = replace(header.schema, variables=tuple(common))
    scales = {v.name: abs(v.scale) for v in common}
    try:
        return any(
            _other(piece.original, piece.restored, name, scales[name], header.errors if name not in exact else {})
            for piece in paired_blocks(before, after, both)
            for name in map(str, piece.restored.variables)
        )
    except UnpairedError:
        return True


def _other(before: Block, after: Block, name: str, scale: float, errors: Mapping[str, ErrorRecord]) -> bool:
    one, other = values_of(before, name), values_of(after, name)
    if one.dtype != other.dtype:
        return True
    if name not in errors or one.dtype.kind not in "iuf":
        return not np.array_equal(one, other, equal_nan=one.dtype.kind in "fc")
    with np.errstate(all="ignore"):
        wide, narrow = one.astype(np.float64), other.astype(np.float64)
        error = np.abs(wide - narrow) * scale
        allowed = errors[name].largest * (1 + _LEEWAY) + _LEEWAY * 1e-6 * np.abs(wide) * scale
    return bool((error[np.isfinite(error)] > np.broadcast_to(allowed, error.shape)[np.isfinite(error)]).any())
