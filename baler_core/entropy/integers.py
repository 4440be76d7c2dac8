"""Pack integers into bytes, each array by the method that makes it smallest, and unpack them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import xxhash

from baler_core.entropy import bytes as squeeze
from baler_core.entropy.varint import ByteReader, unzigzag, write_sized, write_varint, zigzag
from baler_core.errors import FormatError
from baler_core.machine.recent import Recent

EMPTY, CONSTANT, PCODEC, BYTES, DIFFERENCES, BITS = range(6)
_WIDTHS = (1, 2, 4, 8)
_DIGEST_BYTES = 3
# Up to this many values every method is run to its end.
_ALWAYS = 1 << 15
# What a fast compressor makes of integers that a slow one may make smaller than pcodec, in bytes of pcodec's at most.
_NEAR = 1.4
# Forms of which a fast compressor makes so many times the least are left out with less searching.
_ALIKE = 1.03
# So few values take no time by any method.
_FEW = 1 << 10
_PCODEC_CHUNK = 1 << 18
# What a strong compressor leaves of what a fast one does, about.
STRONGER = 0.85
# Models ask for the same columns: of short ones half the estimates are asked for twice. By a digest of 128 bits.
_ESTIMATES: Final[Recent[float]] = Recent(1 << 13)


def pack_integers(values: np.ndarray, *, thorough: bool = True) -> bytes:
    """Pack int64 values of any shape (flattened in C order) into the fewest bytes.

    Candidates are pcodec, and xz and zstd on the values and their differences in the narrowest width that holds them.

    Parameters
    ----------
    thorough
        False tries only pcodec and xz on the values, for speed.
    """
    flat = np.ascontiguousarray(values.ravel().astype(np.int64, copy=False))
    if not flat.size:
        return bytes([EMPTY])
    low, high = int(flat.min()), int(flat.max())
    if low == high:
        return bytes([CONSTANT]) + write_varint(zigzag(low))
    packed = _pack(flat, PCODEC)
    methods = _methods_worth_trying(flat, len(packed), thorough=thorough)
    return min((packed, *(_pack(flat, method) for method in methods)), key=len)


def pack_likeliest(forms: Sequence[np.ndarray], *, differences: bool) -> tuple[int, bytes]:
    """Pack one of several int64 forms of the same integers, with less searching; return its number, and the bytes.

    The first form goes through pcodec; and what a fast compressor makes smallest of all forms, or about as small, through xz,
    if that may be smaller.

    Parameters
    ----------
    forms
        Of one size, which is not 0; the first one is not constant.
    differences
        Whether to try the differences of each form, too.
    """
    flats = [np.ascontiguousarray(form.ravel().astype(np.int64, copy=False)) for form in forms]
    packed = _pack(flats[0], PCODEC)
    methods = (BYTES, DIFFERENCES) if differences else (BYTES,)
    tried = [(_fast_size(flat, method), number, method) for number, flat in enumerate(flats) for method in methods]
    best, least = (0, packed), min(tried)[0]
    for fast, number, method in sorted(tried):
        if fast > _ALIKE * least or fast > _NEAR * len(packed):
            break
        if fast < len(packed) or _wins_on_pieces(flats[number], method):
            head, body = narrow(_prepared(flats[number], method))
            squeezed = bytes([method]) + head + squeeze.squeeze_numbers(body, head[0])
            best = min(best, (number, squeezed), key=lambda one: len(one[1]))
    return best


def _wins_on_pieces(flat: np.ndarray, method: int) -> bool:
    pieces = _pieces(flat)
    if int(pieces.min()) == int(pieces.max()):
        return False
    head, body = narrow(_prepared(pieces, method))
    return len(squeeze.squeeze_numbers(body, head[0])) < len(_pack(pieces, PCODEC))


def pack_fast(values: np.ndarray) -> bytes:
    """Pack the same in a fraction of the time: by pcodec, or by zstd where that is smaller."""
    flat = np.ascontiguousarray(values.ravel().astype(np.int64, copy=False))
    if flat.size <= _FEW or int(flat.min()) == int(flat.max()):
        return pack_integers(flat)
    packed = _pack_pcodec(flat)
    head, body = narrow(flat)
    plain = bytes([BYTES]) + head + squeeze.squeeze_fast(body)
    return min(packed, plain, key=len)


def estimated_bytes(values: np.ndarray, *, fast: bool = False) -> float:
    """About what `pack_integers` makes of int64 values of any shape, or `pack_fast`, by the two fastest methods."""
    flat = np.ascontiguousarray(values.ravel().astype(np.int64, copy=False))
    if not flat.size or int(flat.min()) == int(flat.max()):
        return 10.0
    key = xxhash.xxh3_128_digest(flat.data), flat.size, fast
    found = _ESTIMATES.get(key)
    if found is None:
        stronger = 1.0 if fast else STRONGER
        found = min(float(len(_pack_pcodec(flat))), stronger * len(squeeze.zstd(narrow(flat)[1], 3)))
        _ESTIMATES.put(key, found, 1)
    return found


def unpack_integers(data: bytes, count: int) -> np.ndarray:
    """Unpack the `count` int64 values that `pack_integers` packed.

    Raises
    ------
    FormatError
        If the bytes are damaged; no more memory is taken than `count` values need.
    """
    reader = ByteReader(data, "a stream of integers")
    method = reader.varint(256)
    if method == EMPTY or count == 0:
        if method != EMPTY or count != 0:
            raise FormatError(f"a stream of integers holds nothing where {count} values were expected")
        return np.zeros(0, np.int64)
    if method == CONSTANT:
        return np.full(count, _signed(unzigzag(reader.varint(2**64))), np.int64)
    if method == PCODEC:
        return _unpack_pcodec(reader, count)
    if method == BITS:
        low = _signed(unzigzag(reader.varint(2**64)))
        raw = squeeze.unsqueeze(reader.rest(), -(-count // 8))
        return np.unpackbits(np.frombuffer(raw, np.uint8), count=count).astype(np.int64) + low
    if method in (BYTES, DIFFERENCES):
        return _unpack_bytes(reader, count, differences=method == DIFFERENCES)
    raise FormatError(f"a stream of integers names the unknown method {method}")


def _signed(number: int) -> int:
    if not -(2**63) <= number < 2**63:
        raise FormatError(f"a stream of integers holds {number}, beyond 64 bits")
    return number


def _methods_worth_trying(flat: np.ndarray, best: int, *, thorough: bool) -> list[int]:
    """Return what to try after pcodec, which took `best` bytes; long arrays are first tested with a fast compressor."""
    if int(flat.max()) - int(flat.min()) == 1:
        return [BITS]
    methods = [BYTES, DIFFERENCES] if thorough else [BYTES]
    if flat.size <= _ALWAYS:
        return methods
    return [method for method in methods if _worth_trying(flat, best, method, thorough=thorough)]


def _worth_trying(flat: np.ndarray, best: int, method: int, *, thorough: bool) -> bool:
    """Return whether a fast compressor beats `best` already, or comes near and a slow one (xz alone, if not thorough) wins on pieces."""
    fast = _fast_size(flat, method)
    if fast < best or fast > _NEAR * best:
        return fast < best
    pieces = _pieces(flat)
    if int(pieces.min()) == int(pieces.max()):
        return False
    return len(_pack(pieces, method, thorough=thorough)) < len(_pack(pieces, PCODEC))


def _fast_size(flat: np.ndarray, method: int) -> int:
    """Return the bytes that a fast compressor makes of integers prepared for a method."""
    return len(squeeze.zstd(narrow(_prepared(flat, method))[1], 3))


def _pieces(flat: np.ndarray) -> np.ndarray:
    """Return the beginning and the middle of long arrays, on which slow compressors are tried."""
    middle, half = flat.size // 2, _ALWAYS // 2
    return np.concatenate([flat[:half], flat[middle : middle + half]])


def _prepared(flat: np.ndarray, method: int) -> np.ndarray:
    return np.diff(flat, prepend=np.int64(0)) if method == DIFFERENCES else flat


def _pack(flat: np.ndarray, method: int, *, thorough: bool = True) -> bytes:
    if method == PCODEC:
        return _pack_pcodec(flat)
    if method == BITS:
        low = int(flat.min())
        bits = np.packbits((flat - low).astype(np.uint8)).tobytes()
        return bytes([BITS]) + write_varint(zigzag(low)) + squeeze.squeeze(bits)
    return bytes([method]) + _squeezed_narrow(_prepared(flat, method), thorough=thorough)


def narrow(flat: np.ndarray) -> tuple[bytes, bytes]:
    """Integers in the fewest bytes each: a head (width, lowest value), and the values above the lowest; not compressed.

    `flat` is int64, 1-D.
    """
    if not flat.size:
        return b"\0", b""
    low = int(flat.min())
    span = int(flat.max()) - low
    if span == 0:
        return b"\0" + write_varint(zigzag(low)), b""
    width = next(w for w in _WIDTHS if span < 256**w)
    above = flat.view(np.uint64) - np.uint64(low % 2**64)
    return bytes([width]) + write_varint(zigzag(low)), above.astype(f"<u{width}").tobytes()


def widen(head: ByteReader, body: ByteReader, count: int) -> np.ndarray:
    """Return the `count` int64 values that `narrow` wrote, head and body read from where the readers stand."""
    width = head.varint(9)
    if count == 0:
        return np.zeros(0, np.int64)
    low = _signed(unzigzag(head.varint(2**64)))
    if width == 0:
        return np.full(count, low, np.int64)
    if width not in _WIDTHS:
        raise FormatError(f"a stream of integers has the impossible width {width}")
    above = np.frombuffer(body.take(width * count), f"<u{width}").astype(np.uint64)
    return (above + np.uint64(low % 2**64)).view(np.int64)


def _squeezed_narrow(flat: np.ndarray, *, thorough: bool) -> bytes:
    head, body = narrow(flat)
    return head + squeeze.squeeze(body, thorough=thorough)


def _unpack_bytes(reader: ByteReader, count: int, *, differences: bool) -> np.ndarray:
    head = bytes(reader.data[reader.position : reader.position + 12])
    width = reader.varint(9)
    reader.varint(2**64)
    body = squeeze.unsqueeze(reader.rest(), width * count)
    values = widen(ByteReader(head, reader.what), ByteReader(body, reader.what), count)
    return np.cumsum(values, dtype=np.int64) if differences else values


# ---- pcodec


def _pack_pcodec(flat: np.ndarray) -> bytes:
    from pcodec import ChunkConfig, PagingSpec, wrapped

    low = int(flat.min())
    span = int(flat.max()) - low
    width = next(w for w in _WIDTHS if span < 256**w)
    above = (flat.view(np.uint64) - np.uint64(low % 2**64)).astype(f"u{width}")
    file = wrapped.FileCompressor()
    config = ChunkConfig(
        compression_level=9, enable_8_bit=True, paging_spec=PagingSpec.equal_pages_up_to(_PCODEC_CHUNK)
    )
    parts = [bytes([PCODEC, width]), write_varint(zigzag(low)), write_sized(file.write_header())]
    for start in range(0, above.size, _PCODEC_CHUNK):
        chunk = file.chunk_compressor(above[start : start + _PCODEC_CHUNK], config)
        parts.append(write_sized(chunk.write_meta()))
        parts.append(write_sized(chunk.write_page(0)))
    return b"".join(parts)


def _unpack_pcodec(reader: ByteReader, count: int) -> np.ndarray:
    width = reader.varint(9)
    if width not in _WIDTHS:
        raise FormatError(f"a pcodec stream has the impossible width {width}")
    low = _signed(unzigzag(reader.varint(2**64)))
    above = np.zeros(count, f"u{width}")
    try:
        _read_pcodec_chunks(reader, above)
    except (RuntimeError, TypeError, ValueError) as error:
        raise FormatError(f"a pcodec stream is damaged ({error})") from error
    except BaseException as error:
        # The library is Rust: it may panic on hostile bytes, and its exception for that is no Exception.
        if type(error).__name__ == "PanicException":
            raise FormatError("a pcodec stream is damaged") from error
        raise
    return (above.astype(np.uint64) + np.uint64(low % 2**64)).view(np.int64)


def _read_pcodec_chunks(reader: ByteReader, target: np.ndarray) -> None:
    from pcodec import wrapped

    file, _ = wrapped.FileDecompressor.new(reader.sized())
    for start in range(0, target.size, _PCODEC_CHUNK):
        part = target[start : start + _PCODEC_CHUNK]
        chunk, _ = file.chunk_decompressor(reader.sized(), f"u{8 * target.itemsize}")
        chunk.read_page_into(reader.sized(), part.size, part)


def pack_checked(values: np.ndarray) -> bytes:
    """Pack integers behind the first bytes of a digest of the values."""
    return _digest(values) + pack_integers(values)


def unpack_checked(data: bytes, count: int) -> np.ndarray:
    """Invert `pack_checked`.

    Raises
    ------
    FormatError
        If the bytes are damaged, or restore to other integers than were packed.
    """
    values = unpack_integers(data[_DIGEST_BYTES:], count)
    if _digest(values) != data[:_DIGEST_BYTES]:
        raise FormatError("packed integers are damaged: their checksum is wrong")
    return values


def _digest(values: np.ndarray) -> bytes:
    return xxhash.xxh3_64(np.ascontiguousarray(values, "<i8").tobytes()).digest()[:_DIGEST_BYTES]
