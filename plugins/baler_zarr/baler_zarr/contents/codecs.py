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


def codecs_of(meta: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the names of all codecs of an array, those within shards included, and how each is set.

    Raises
    ------
    ValueError
        If they are not stated as they should be.
    """
    if meta.get("zarr_format") == 2:
        stated = [*(meta.get("filters") or []), *([meta["compressor"]] if meta.get("compressor") else [])]
        if not all(isinstance(one, dict) for one in stated):
            raise ValueError("its codecs are stated wrongly")
        return [(str(one.get("id")), one) for one in stated]
    return list(_codecs(meta.get("codecs"), 0))


def _codecs(stated: Any, depth: int) -> Iterator[tuple[str, dict[str, Any]]]:
    if not isinstance(stated, list | tuple) or depth > DEEPEST:
        raise ValueError("its codecs are stated wrongly")
    for one in stated:
        if isinstance(one, str):
            yield one, {}
            continue
        if not isinstance(one, dict):
            raise ValueError("its codecs are stated wrongly")
        inside = one.get("configuration")
        settings = inside if isinstance(inside, dict) else {}
        yield str(one.get("name")).removeprefix("numcodecs."), settings
        for key in ("codecs", "index_codecs"):
            if key in settings:
                yield from _codecs(settings[key], depth + 1)


def objection(meta: dict[str, Any]) -> str:
    """Return why an array cannot be decoded and encoded again; empty if it can."""
    try:
        codecs = codecs_of(meta)
    except ValueError as error:
        return str(error)
    for name, settings in codecs:
        if name in LOSSY:
            return f"its codec {name!r} changes values"
        if name not in EXACT:
            return f"its codec {name!r} is not known to be exact and safe"
        if name == "delta" and not _differs_exactly(settings):
            return "its codec 'delta' changes values: differences are exact between whole numbers of one type alone"
    if meta.get("storage_transformers"):
        return "it has storage transformers"
    return ""


def _differs_exactly(settings: dict[str, Any]) -> bool:
    """Whether sums of stored differences are the values, whatever these are: as whole numbers of one type wrap around."""
    import numpy as np

    dtype = settings.get("dtype")
    try:
        types = [np.dtype(str(one)) for one in (dtype, settings.get("astype") or dtype)]
    except TypeError:
        return False
    return types[0] == types[1] and types[0].kind in "iu"
