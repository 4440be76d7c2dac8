"""Compress bytes by xz, zstd or deflate without their containers, and restore them within a known length."""

from __future__ import annotations

import lzma
import zlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import xxhash

from baler_core.errors import FormatError
from baler_core.machine.recent import Recent

if TYPE_CHECKING:
    from zstandard import ZstdCompressionDict

# Literal context, literal position and position bits: for text, xz's own, for four-byte and for eight-byte numbers.
_LC_LP_PB: Final = ((3, 0, 0), (3, 0, 2), (0, 2, 2), (0, 3, 3))
# Which of these suits numbers of so many bytes.
_SETTINGS: Final = {0: 0, 1: 0, 2: 2, 4: 2, 8: 3}
_LONG: Final = 1 << 18
_QUICK: Final = 6
# The compression ratio of pieces over that of the whole from which on pieces tell nothing: 1.0-1.4 on fields of floats,
# 7-35 on corners of cells, which repeat from row to row.
_UNLIKE: Final = 2
_SAMPLE: Final = 1 << 13
# Up to so many bytes, xz and zstd win hardly anything where deflate, which begins in a tenth of the time, wins nothing; and
# in even fewer no numbers show.
_SHORT: Final = 1 << 8
_FEW: Final = 64
# Bits of a frame's first byte that are set where its size follows.
_STATES_SIZE: Final = 0xE0
# Window that zstd may ask memory for, however short what it restores is said to be.
_LEAST_WINDOW: Final = 1 << 17
STORED, XZ, ZSTD, WORDS, ZSTD_WORDS = 0, 1, 5, 6, 7
_METHODS: Final = [XZ, XZ + 1, XZ + 2, XZ + 3, ZSTD]


def _xz_filters(setting: int, size: int) -> list[dict[str, Any]]:
    literal_context, literal_position, position = _LC_LP_PB[setting]
    # "extreme" searches longer matches, which misleads the optimiser on numbers that repeat in part
    extreme = 0 if setting == 1 else lzma.PRESET_EXTREME
    dictionary = max(4096, min(1 << 26, 1 << max(1, size - 1).bit_length()))
    # tables of three bytes are made in half the time of those of four, and find as much in so little
    finder = lzma.MF_BT3 if size <= _SAMPLE else lzma.MF_BT4
    return [
        {
            "id": lzma.FILTER_LZMA1,
            "preset": 9 | extreme,
            "mf": finder,
            "dict_size": dictionary,
            "lc": literal_context,
            "lp": literal_position,
            "pb": position,
        }
    ]


def xz(data: bytes, setting: int = 0) -> bytes:
    """Raw LZMA at its strongest; `setting` 0 suits text and bytes, 1 anything, 2 and 3 four- and eight-byte numbers."""
    return lzma.compress(data, lzma.FORMAT_RAW, filters=_xz_filters(setting, len(data)))


def zstd(data: bytes, level: int = 19, words: bytes = b"") -> bytes:
    """A zstd frame without checksum, content size and dictionary number, which may begin as if it had seen `words`."""
    import zstandard

    parameters = zstandard.ZstdCompressionParameters.from_level(
        level,
        source_size=len(data) + len(words),
        write_checksum=0,
        write_content_size=0,
        write_dict_id=0,
        format=zstandard.FORMAT_ZSTD1_MAGICLESS,
    )
    return zstandard.ZstdCompressor(dict_data=_dictionary(words), compression_params=parameters).compress(data)


def _dictionary(words: bytes) -> ZstdCompressionDict | None:
    import zstandard

    return zstandard.ZstdCompressionDict(words, zstandard.DICT_TYPE_RAWCONTENT) if words else None


def deflate(data: bytes, words: bytes = b"") -> bytes:
    """Raw deflate that begins as if it had just seen `words`."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, 9, zdict=words)
    return compressor.compress(data) + compressor.flush()


def squeeze(data: bytes, *, thorough: bool = True, words: bytes = b"") -> bytes:
    """Return the smallest of the stored, xz and zstd forms of `data`, with a leading byte for the form.

    Parameters
    ----------
    thorough
        Also try xz with other settings, and zstd (several times slower). For long data, the best is chosen on pieces, if these are alike.
    words
        What short data is likely to hold; `unsqueeze` must be given the same.
    """
    if len(data) <= _SAMPLE:
        return _squeezed_again(data, thorough, words)
    key = xxhash.xxh3_128_digest(data), len(data), thorough, words
    found = _KEPT.get(key)
    if found is None:
        found = _squeezed(data, thorough, words)
        _KEPT.put(key, found, len(found))
    return found


def _squeezed(data: bytes, thorough: bool, words: bytes) -> bytes:
    if thorough and len(data) > _SAMPLE and _is_noise(data):
        forms = [(STORED, data)]
    elif thorough and len(data) > _LONG:
        forms = [(STORED, data), *_forms_of_long(data)]
    elif len(data) > _SAMPLE:
        forms = [(STORED, data), *((method, _compress(data, method)) for method in (_METHODS if thorough else [XZ]))]
    else:
        forms = [(STORED, data), *_forms_of_short(data, thorough)]
    if words:
        forms += [(WORDS, deflate(data, words)), (ZSTD_WORDS, zstd(data, 22, words))]
    method, best = min(forms, key=lambda form: len(form[1]))
    return bytes([method]) + best


# What was measured for a plan is written soon after, and files of one kind share much: xz takes half a millisecond to begin.
_squeezed_again: Final = lru_cache(maxsize=512)(_squeezed)
# Text and other exact values are the same under each bound that is tried; long ones are known by a digest of 128 bits.
_KEPT: Final[Recent[bytes]] = Recent(1 << 24)


def squeeze_fast(data: bytes) -> bytes:
    """Return the stored or zstd form of `data`, as `squeeze` writes them."""
    best = zstd(data, _QUICK)
    return bytes([ZSTD]) + best if len(best) < len(data) else bytes([STORED]) + data


def squeeze_numbers(data: bytes, width: int) -> bytes:
    """Return the stored or xz form of numbers of `width` bytes, as `squeeze` writes them, by the setting that suits their width."""
    key = xxhash.xxh3_128_digest(data), len(data), width
    found = _KEPT.get(key)
    if found is None:
        method = XZ + _SETTINGS[width]
        best = data if len(data) > _SAMPLE and _is_noise(data) else _compress(data, method)
        found = bytes([method]) + best if len(best) < len(data) else bytes([STORED]) + data
        _KEPT.put(key, found, len(found))
    return found


def _compress(data: bytes, method: int) -> bytes:
    return zstd(data) if method == ZSTD else xz(data, method - XZ)


def _is_noise(data: bytes) -> bool:
    """Whether zstd makes nothing smaller of all, nor xz of a part in the middle: xz takes longest where nothing is to be had."""
    middle = (len(data) - _SAMPLE) // 2 // 8 * 8
    sample = data[middle : middle + _SAMPLE]
    # zstd finds what repeats anywhere, but nothing in a byte of the one before, or of its place in a number
    return len(zstd(data, _QUICK)) >= len(data) and all(
        len(_compress(sample, method)) >= len(sample) for method in (XZ, XZ + 3)
    )


def _forms_of_short(data: bytes, thorough: bool) -> list[tuple[int, bytes]]:
    """Compress by what may be smallest: xz for numbers of eight bytes, and with both contexts, where it likes those of four."""
    hopeless = len(data) <= _SHORT and len(deflate(data)) >= len(data)
    if not thorough:
        return [] if hopeless else [(XZ, _compress(data, XZ))]
    methods = [] if hopeless else [XZ] if len(data) <= _FEW else [XZ, XZ + 2]
    forms = {method: _compress(data, method) for method in methods}
    if len(methods) > 1 and len(forms[XZ + 2]) < len(forms[XZ]):
        forms |= {method: _compress(data, method) for method in (XZ + 1, XZ + 3)}
    return [*sorted(forms.items()), (ZSTD, _compress(data, ZSTD))]


def _forms_of_long(data: bytes) -> list[tuple[int, bytes]]:
    """Compress by the method that makes two long pieces smallest, cut where numbers of eight bytes begin, or by all.

    By all where the whole turns out to be much unlike its pieces, which then have told nothing.
    """
    piece = _LONG // 4
    middle = len(data) // 2 // 8 * 8
    sample = data[:piece] + data[middle : middle + piece]
    size, best = min((len(_compress(sample, method)), method) for method in _METHODS)
    whole = _compress(data, best)
    if len(whole) * len(sample) <= _UNLIKE * size * len(data):
        return [(best, whole)]
    return [(best, whole), *((method, _compress(data, method)) for method in _METHODS if method != best)]


def unsqueeze(data: bytes, length: int, words: bytes = b"") -> bytes:
    """Return what `squeeze` was given, whose length is known to be `length`.

    Raises
    ------
    FormatError
        If the bytes are damaged or would restore to anything but `length` bytes; memory stays within `length`.
    """
    if not data:
        raise FormatError("a compressed stream is empty")
    method, body = data[0], data[1:]
    try:
        restored = _restore(method, body, length, words)
    except (lzma.LZMAError, zlib.error, EOFError, ValueError) as error:
        raise FormatError(f"a compressed stream is damaged ({error})") from error
    if len(restored) != length:
        raise FormatError(f"a compressed stream holds {len(restored)} bytes where {length} were expected")
    return restored


def _restore(method: int, body: bytes, length: int, words: bytes) -> bytes:
    if method == STORED:
        return body
    if method == WORDS and words:
        return zlib.decompressobj(-zlib.MAX_WBITS, zdict=words).decompress(body, length + 1)
    if XZ <= method < XZ + len(_LC_LP_PB):
        decoder = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_xz_filters(method - XZ, length))
        return decoder.decompress(body, max_length=length + 1)
    if method == ZSTD or (method == ZSTD_WORDS and words):
        import zstandard

        # the library takes memory by the size that a frame states; ours state none
        if not body or body[0] & _STATES_SIZE:
            raise FormatError("a zstd stream is damaged (its first byte is not one that is written here)")
        decompressor = zstandard.ZstdDecompressor(
            _dictionary(words if method == ZSTD_WORDS else b""),
            max_window_size=max(_LEAST_WINDOW, min(1 << 27, 4 << (length + len(words)).bit_length())),
            format=zstandard.FORMAT_ZSTD1_MAGICLESS,
        )
        try:
            return decompressor.decompress(body, max_output_size=length + 1)
        except zstandard.ZstdError as error:
            raise FormatError(f"a zstd stream is damaged ({error})") from error
    raise FormatError(f"unknown compression method {method}")
