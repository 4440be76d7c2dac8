"""Which codecs of arrays are known: safe to run, and exact, so that values that are encoded again stay the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

# Of zarr and numcodecs; those of version 3 have `numcodecs.` in front of the latter.
EXACT = frozenset(
    {
        "bytes", "transpose", "sharding_indexed", "gzip", "zstd", "blosc", "crc32c", "vlen-utf8", "vlen-bytes", "zlib",
        "bz2", "lzma", "lz4", "shuffle", "bitshuffle", "delta", "packbits", "crc32", "adler32", "fletcher32",
        "jenkins_lookup3", "pcodec",
    }
)  # fmt: skip
LOSSY = frozenset({"quantize", "bitround", "fixedscaleoffset", "astype", "zfpy", "scale_offset", "cast_value"})
DEEPEST = 8


def codecs_of(meta: dict[str, Any]) -> list[str]:
    """Return the names of all codecs of an array, those within shards included.

    Raises
    ------
    ValueError
        If they are not stated as they should be.
    """
    if meta.get("zarr_format") == 2:
        stated = [*(meta.get("filters") or []), *([meta["compressor"]] if meta.get("compressor") else [])]
        if not all(isinstance(one, dict) for one in stated):
            raise ValueError("its codecs are stated wrongly")
        return [str(one.get("id")) for one in stated]
    return list(_names(meta.get("codecs"), 0))


def _names(stated: Any, depth: int) -> Iterator[str]:
    if not isinstance(stated, list | tuple) or depth > DEEPEST:
        raise ValueError("its codecs are stated wrongly")
    for one in stated:
        if isinstance(one, str):
            yield one
            continue
        if not isinstance(one, dict):
            raise ValueError("its codecs are stated wrongly")
        yield str(one.get("name")).removeprefix("numcodecs.")
        inside = one.get("configuration")
        for key in ("codecs", "index_codecs"):
            if isinstance(inside, dict) and key in inside:
                yield from _names(inside[key], depth + 1)


def objection(meta: dict[str, Any]) -> str:
    """Return why an array cannot be decoded and encoded again; empty if it can."""
    try:
        names = codecs_of(meta)
    except ValueError as error:
        return str(error)
    for name in names:
        if name in LOSSY:
            return f"its codec {name!r} changes values"
        if name not in EXACT:
            return f"its codec {name!r} is not known to be exact and safe"
    if meta.get("storage_transformers"):
        return "it has storage transformers"
    return ""
