"""Write the streams of one array with as few bytes around them as can be, and read them back."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping

import numpy as np

from baler_core.data.bounds import Tolerance, ToleranceKind
from baler_core.data.error_bound import ErrorBound
from baler_core.data.tolerance import complete_tolerance
from baler_core.data.variables import GroupKind, Layout, Variable
from baler_core.entropy.bytes import squeeze, unsqueeze
from baler_core.entropy.varint import ByteReader, write_sized, write_varint
from baler_core.errors import FormatError
from baler_core.format.bounds_json import bound_from_json, bound_to_json
from baler_core.format.streams import worth_squeezing
from baler_core.machine.records import dataclass

BARE = b"\x89BA\x01"
NAME = "data"
MODELS = ("exact", "scalar", "predictive", "transform", "table")
EFFORTS = ("", "fast", "balanced", "max")
_NUMBERS = ("f2", "f4", "f8", "i2", "i4", "i8", "u2", "u4", "u8")
_DTYPES = (*(f"<{kind}" for kind in _NUMBERS), *(f">{kind}" for kind in _NUMBERS), "|i1", "|u1", "|b1")
_KINDS: tuple[ToleranceKind, ...] = ("exact", "abs", "rel", "bits", "each", "free")
_STREAMS = ("fields", "columns", "cuts", "index", "own", "shared", "values", "&", "%", "~", "0", "!")
_STATED, _SHIFTED, _STATE_ELSEWHERE, _BASELINE = 8, 16, 32, 64
_MOST_AXES = 32
_DIGEST, _CHECKSUM, _STATE_DIGEST = 4, 4, 8


@dataclass(frozen=True)
class BareStream:
    """All that restores one array.

    Attributes
    ----------
    model, effort
        Names; no effort where the model's default holds.
    dtype, shape
        Of the array.
    bound, tolerance
        As stated, and for values of this array.
    streams
        Of the model, and those that the core has beside them.
    digest
        That of the restored values, where these have no leeway; else empty.
    state
        What the model learned, as bytes; None if it is elsewhere.
    state_digest
        Tells which state that is.
    """

    model: str
    effort: str
    dtype: str
    shape: tuple[int, ...]
    bound: ErrorBound
    tolerance: Tolerance
    streams: Mapping[str, bytes]
    digest: bytes
    state: bytes | None
    state_digest: bytes = b""

    @property
    def variable(self) -> Variable:
        """Return the array as a variable."""
        return variable_of(self.dtype, len(self.shape))

    @property
    def layout(self) -> Layout:
        """Return the group that it is."""
        return layout_of(self.variable, self.shape)


def variable_of(dtype: str, rank: int) -> Variable:
    """Return an array without a name as a variable."""
    return Variable(NAME, dtype, tuple(f"dim{axis}" for axis in range(rank)))


def layout_of(variable: Variable, shape: tuple[int, ...]) -> Layout:
    """Return the group that a single array is."""
    kind: GroupKind = "table" if len(shape) == 1 else "grid"
    return Layout(kind, (variable,), dict(zip(variable.dims, shape, strict=True)))


def fits(dtype: str, rank: int) -> bool:
    """Return whether arrays of a dtype and rank can be stored so."""
    return dtype in _DTYPES and 0 < rank <= _MOST_AXES


def pack_bare(bare: BareStream) -> bytes:
    """Return the stream as bytes: a head, the state, the streams, a digest, and a CRC-32 of all."""
    tolerance, simple = bare.tolerance, _simple(bare.bound)
    shifted = tolerance.kind != "exact" and tolerance.shift != 0
    flags = _KINDS.index(tolerance.kind) | _STATED * (not simple) | _SHIFTED * shifted
    flags |= _STATE_ELSEWHERE * (bare.state is None)
    head = [BARE, bytes([MODELS.index(bare.model) | EFFORTS.index(bare.effort) << 4, _DTYPES.index(bare.dtype), flags])]
    head += [write_varint(len(bare.shape)), *map(write_varint, bare.shape)]
    head += [struct.pack("<d", tolerance.value)] if tolerance.kind in ("abs", "rel", "bits", "each") else []
    head += [struct.pack("<d", tolerance.shift)] if shifted else []
    head += [] if simple else [write_sized(json.dumps(bound_to_json(bare.bound)).encode())]
    head += [bare.state_digest if bare.state is None else write_sized(bare.state)]
    body = b"".join([*head, *_packed_streams(bare.streams), bare.digest])
    return body + zlib.crc32(body).to_bytes(_CHECKSUM, "little")


def _simple(bound: ErrorBound) -> bool:
    """Return whether a bound says nothing but its tolerance."""
    return len(bound_to_json(bound)) == 2 and bound.mean is None and not bound.formula and bound.kind != "noise"


def _packed_streams(streams: Mapping[str, bytes]) -> list[bytes]:
    names = sorted(streams)
    together = [name for name in names if worth_squeezing(streams[name])]
    squeezed = squeeze(b"".join(streams[name] for name in together)) if together else b""
    if len(squeezed) >= sum(len(streams[name]) for name in together):
        together, squeezed = [], b""
    parts = [write_varint(len(names))]
    for name in names:
        known = _STREAMS.index(name) if name in _STREAMS else len(_STREAMS)
        parts.append(write_varint(2 * known + (name in together)))
        parts += [write_sized(name.encode())] if known == len(_STREAMS) else []
        parts.append(write_varint(len(streams[name])))
    parts += [write_sized(squeezed)] if together else []
    return parts + [streams[name] for name in names if name not in together]


def unpack_bare(data: bytes, *, memory_limit: int) -> BareStream:
    """Invert `pack_bare`.

    Raises
    ------
    FormatError
        If the bytes are damaged, no such stream, or claim more than `memory_limit` bytes of values.
    """
    if data[: len(BARE)] != BARE:
        raise FormatError(f"these bytes are no array that baler encoded (they begin with {bytes(data[:4])!r})")
    body, checksum = data[:-_CHECKSUM], data[-_CHECKSUM:]
    if len(data) < 12 or zlib.crc32(body) != int.from_bytes(checksum, "little"):
        raise FormatError("the bytes of an encoded array are damaged or cut short: their checksum is wrong")
    try:
        return _unpacked(ByteReader(body[len(BARE) :], "an encoded array"), memory_limit)
    except (ValueError, LookupError, TypeError, RecursionError, OverflowError) as error:
        raise FormatError(f"the bytes of an encoded array are damaged ({type(error).__name__}: {error})") from error


def _unpacked(reader: ByteReader, memory_limit: int) -> BareStream:
    coder, number, flags = reader.take(3)
    model, effort, dtype = MODELS[coder & 15], EFFORTS[coder >> 4], _DTYPES[number]
    shape = tuple(reader.varint(1 << 62) for _ in range(reader.varint(_MOST_AXES + 1)))
    claimed = int(np.prod(shape, dtype=object)) * np.dtype(dtype).itemsize
    if not shape or claimed > memory_limit:
        raise FormatError(f"an encoded array claims {claimed} bytes; {memory_limit} can be restored here")
    kind = _KINDS[flags & 7]
    (value,) = struct.unpack("<d", reader.take(8)) if kind in ("abs", "rel", "bits", "each") else (0.0,)
    (shift,) = struct.unpack("<d", reader.take(8)) if flags & _SHIFTED else (0.0,)
    if not (0 <= value < np.inf and np.isfinite(shift)) or flags >= _BASELINE:
        raise FormatError("an encoded array states an impossible tolerance")
    stated = json.loads(reader.sized()) if flags & _STATED else None
    bound = bound_from_json(stated) if stated is not None else _bound_of(kind, value)
    variable = variable_of(dtype, len(shape))
    tolerance = complete_tolerance(Tolerance(kind, value, shift), bound, variable)
    elsewhere = bool(flags & _STATE_ELSEWHERE)
    state_digest = reader.take(_STATE_DIGEST) if elsewhere else b""
    state = None if elsewhere else reader.sized()
    streams = _read_streams(reader, memory_limit)
    if reader.left not in (0, _DIGEST):
        raise FormatError("an encoded array is damaged: it is followed by other bytes")
    return BareStream(model, effort, dtype, shape, bound, tolerance, streams, reader.rest(), state, state_digest)


def _bound_of(kind: str, value: float) -> ErrorBound:
    if kind == "exact":
        return ErrorBound("lossless", 0.0)
    if kind not in ("abs", "rel", "bits"):
        raise FormatError("an encoded array states a tolerance without its bound")
    return ErrorBound("abs" if kind == "abs" else "rel" if kind == "rel" else "bits", value)


def _read_streams(reader: ByteReader, memory_limit: int) -> dict[str, bytes]:
    listed: list[tuple[str, int, bool]] = []
    for _ in range(reader.varint(64)):
        known, together = divmod(reader.varint(2 * len(_STREAMS) + 2), 2)
        name = _STREAMS[known] if known < len(_STREAMS) else reader.sized().decode()
        listed.append((name, reader.varint(memory_limit + 1), bool(together)))
    total = sum(length for _, length, together in listed if together)
    if total > memory_limit:
        raise FormatError(f"an encoded array is damaged: its streams would take {total} bytes")
    common = ByteReader(unsqueeze(reader.sized(), total) if total else b"", reader.what)
    return {name: (common if together else reader).take(length) for name, length, together in listed}
