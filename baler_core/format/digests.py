"""Compute digests of restored blocks, which must agree on every machine, so that faults after encoding are seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xxhash

from baler_core.data.bounds import Tolerance
from baler_core.data.variables import Layout

GROUP_DIGEST_BYTES = 4
BLOCK_DIGEST_BYTES = 8


def group_digest(
    arrays: Mapping[str, np.ndarray], layout: Layout, tolerances: Mapping[str, Tolerance], corrections: bytes
) -> bytes:
    """Digest the restored values of a group that have no leeway: those of exact variables, and the corrections.

    What lossy variables are restored from are integers, which models check by digests of their own; the
    floating-point values made of them may differ in their last bits elsewhere.

    Parameters
    ----------
    arrays
        Restored values by variable.
    corrections
        The stream of values that are stored exactly.
    """
    digest = xxhash.xxh3_64(corrections)
    for variable in layout.variables:
        if not tolerances[variable.name].lossy:
            _add(digest, arrays[variable.name])
    return digest.digest()


def stored_digest(place: int, group: bytes) -> bytes:
    """Return what a file holds of a group's digest, bound to the place of its block in the file.

    Returns
    -------
    `GROUP_DIGEST_BYTES` bytes.
    """
    return xxhash.xxh3_64(group, seed=place).digest()[:GROUP_DIGEST_BYTES]


def block_digest(place: int, groups: Sequence[bytes]) -> bytes:
    """Join the digests of a block's groups as files of version 1 of the format hold them.

    Returns
    -------
    `BLOCK_DIGEST_BYTES` bytes.
    """
    return xxhash.xxh3_64(b"".join(groups), seed=place).digest()


def _add(digest: xxhash.xxh3_64, values: np.ndarray) -> None:
    if values.dtype.kind != "O":
        digest.update(np.ascontiguousarray(values).reshape(-1).view(np.uint8).data if values.size else b"")
        return
    for cell in values.ravel():
        encoded = cell if isinstance(cell, bytes) else str(cell).encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "little") + encoded)
