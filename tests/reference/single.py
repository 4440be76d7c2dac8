"""Restore a single array that has no file around it (file_format.md: a single array)."""

from __future__ import annotations

import json
import math
import zlib

import numpy as np

from reference.container import state
from reference.reading import Bytes, Damaged, decompress
from reference.restoring import MODELS, NONSENSE, Model, OwnTolerances, restored_group
from reference.tolerances import Variable, complete

NUMBERS = ("f2", "f4", "f8", "i2", "i4", "i8", "u2", "u4", "u8")
DTYPES = [f"<{n}" for n in NUMBERS] + [f">{n}" for n in NUMBERS] + ["|i1", "|u1", "|b1"]
NAMES = ("fields", "columns", "cuts", "index", "own", "shared", "values", "&", "%", "~", "0", "!")
KINDS = ("exact", "abs", "rel", "bits", "each", "free")


def restore_array(data: bytes, *, limit: int = 1 << 30) -> np.ndarray:
    """The array of `baler_core.encode`, if it is a plain array of numbers and its model is described."""
    try:
        with np.errstate(all="ignore"):
            return _restored(data, limit)
    except NONSENSE as error:
        raise Damaged(f"{type(error).__name__}: {error}") from error


def _restored(data: bytes, limit: int) -> np.ndarray:
    if data[:4] != b"\x89BA\x01" or zlib.crc32(data[:-4]) != int.from_bytes(data[-4:], "little"):
        raise Damaged("these bytes are no array, or cut short")
    stream = Bytes(data[4:-4])
    coder, form, flags = stream.byte(), DTYPES[stream.byte()], stream.byte()
    shape = tuple(stream.varint() for _ in range(stream.below(33)))
    if math.prod(shape) * np.dtype(form).itemsize > limit or flags & 32 or not shape:
        raise Damaged("an array of impossible size, or one that needs a state from elsewhere")
    kind = KINDS[flags & 7]
    value = stream.double() if kind not in ("exact", "free") else 0.0
    shift = stream.double() if flags & 16 else 0.0
    bound = json.loads(stream.sized()) if flags & 8 else ["lossless" if kind == "exact" else kind, value]
    tolerance = complete([kind, value, shift], bound, {"form": form})
    learned = state(stream.sized(), limit)
    streams = _streams(stream, limit)
    variable = Variable("data", form, tuple(f"dim{axis}" for axis in range(len(shape))), tolerance)
    name = ("exact", "scalar", "predictive", "transform", "table")[coder & 15]
    if name not in MODELS:
        raise Damaged(f"this decoder knows no model {name!r}")
    options = {"effort": ("", "fast", "balanced", "max")[coder >> 4]} if coder >> 4 else {}
    model = Model(name, options, learned, None, OwnTolerances({variable.name: variable}))
    values, digest = restored_group(model, streams, [variable], [shape], [])
    if tolerance.kind == "exact" and digest[:4] != stream.rest():
        raise Damaged("an array restores to something else than was written")
    return values[0]


def _streams(stream: Bytes, limit: int) -> dict[str, bytes]:
    listed = []
    for _ in range(stream.below(64)):
        known, together = divmod(stream.below(2 * len(NAMES) + 2), 2)
        name = NAMES[known] if known < len(NAMES) else stream.sized().decode()
        listed.append((name, stream.below(limit), together))
    total = sum(size for _, size, together in listed if together)
    common = Bytes(decompress(stream.sized(), total) if total <= limit and total else b"")
    return {name: (common if together else stream).take(size) for name, size, together in listed}
