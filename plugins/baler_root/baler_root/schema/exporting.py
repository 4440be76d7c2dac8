"""Choose the compression of a ROOT file that suits rounded values."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Collection
from dataclasses import replace

from baler_core import Block, Exported, Schema, values_of

# What ROOT itself makes of its level 9.
LEVEL = 18
# Baskets of about so many bytes are tried, of so many branches.
_BASKET, _BRANCHES = 1 << 15, 50


def exported_file(schema: Schema, lossy: Collection[str], sample: Block) -> Exported:
    """Return the schema of a file with the compression that makes a sample of its lossy branches smallest."""
    import zstandard

    ways: dict[tuple[str, int], Callable[[bytes], bytes]] = {
        ("ZSTD", LEVEL): zstandard.ZstdCompressor(LEVEL).compress,
        ("ZLIB", 1): lambda basket: zlib.compress(basket, 1),  # the first level often suits few distinct values best
        ("ZLIB", 6): lambda basket: zlib.compress(basket, 6),
    }
    baskets = []
    for name in [name for name in lossy if name in sample][:_BRANCHES]:
        values = values_of(sample, name)
        start = values[: _BASKET // max(1, values.dtype.itemsize)]
        baskets.append(start.astype(start.dtype.newbyteorder(">")).tobytes())
    best = min(ways, key=lambda way: sum(len(ways[way](basket)) for basket in baskets))
    skeleton = {**schema.skeleton, "compression": list(best)}
    text = {"ZLIB": "zlib", "ZSTD": "Zstandard"}[best[0]]
    return Exported(replace(schema, skeleton=skeleton), f"{text} (level {best[1]})")
