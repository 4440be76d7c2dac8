"""Compress the tiles of a restored image as in the original where that loses nothing, and check the decoded pixels."""

from __future__ import annotations

import re
import shutil
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np

from baler_core import DataError, FormatError
from baler_fits.contents.fields import NotModelled, table_unit
from baler_fits.contents.hdus import padding_of, scan
from baler_fits.contents.headers import Keywords, cards_of, header_bytes, keyword_of, with_value
from baler_fits.values.quantisation import quantisation_of
from baler_fits.values.tiles import TiledImage
from baler_fits.values.tiling_floats import Tiled, compress_numbers

# What any pixels can be stored with; the fallback.
LOSSLESS = "GZIP_2"
# Cards that describe the table of compressed tiles, and those that tell how they are compressed.
_TABLE = r"BITPIX|NAXIS\d*|PCOUNT|GCOUNT|TFIELDS|THEAP|T(TYPE|FORM|UNIT|DIM|NULL|SCAL|ZERO|DISP)\d+"
_COMPRESSION = r"ZTILE\d+|ZCMPTYPE|ZNAME\d+|ZVAL\d+|ZQUANTIZ|ZDITHER0|ZSCALE|ZZERO|ZMASKCMP"
# Length of what begins a gzipped tile, and the place of the time in it (RFC 1952).
_GZIP_HEADER, _GZIP_TIME = 10, 4
_PRIMARY = "".join(
    f"{card:<80}"
    for card in (
        *(f"{key:<8}= {value:>20}" for key, value in (("SIMPLE", "T"), ("BITPIX", 8), ("NAXIS", 0), ("EXTEND", "T"))),
        "END",
    )
)


def compress_tiles(header: str, pixels: np.ndarray, scales: bytes | None, folder: Path) -> Tiled:
    """Compress an image without loss: by the method of its header if that gives the same pixels, else with GZIP_2.

    Parameters
    ----------
    header
        Cards of the original compressed HDU.
    pixels
        Stored pixels, big-endian; may be a memory map.
    scales
        As `read_quantisation` gave them; None for images that were not quantised.

    Raises
    ------
    FormatError
        If not even GZIP_2 gives the pixels back.
    """
    for attempt in (_as_before, _without_loss):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                made = attempt(header, pixels, scales, folder)
            except Exception:  # whatever foreign code raises where a compression cannot hold these pixels
                continue
        if made is None:
            continue
        if _decodes_to(made, pixels, folder):
            return made
        made.data.close()
    raise FormatError("a tile-compressed image cannot be written: astropy does not decode what it encoded")


def _as_before(header: str, pixels: np.ndarray, scales: bytes | None, folder: Path) -> Tiled | None:
    """With the compression of the original."""
    keywords = Keywords(header)
    algorithm = keywords.text("ZCMPTYPE").replace("RICE_ONE", "RICE_1")
    tile = tile_shape(keywords, pixels.shape)
    options: dict[str, Any] = {"compression_type": algorithm, "tile_shape": tile}
    if algorithm == "HCOMPRESS_1":
        options |= {"hcomp_scale": _parameter(keywords, "SCALE", 0), "hcomp_smooth": _parameter(keywords, "SMOOTH", 0)}
    if pixels.dtype.kind == "f" and scales is not None:
        quantisation = quantisation_of(keywords, table_unit(keywords), scales)
        if quantisation is None:
            return None
        return compress_numbers(
            header,
            pixels,
            quantisation,
            tile,
            lambda numbers: encode(numbers, folder, **options),
            folder,
        )
    if algorithm == "RICE_1":  # of 16-bit pixels, some software takes the differences in 32 bits
        size = _parameter(keywords, "BYTEPIX", 4)
        pixels = pixels.astype({1: "u1", 2: ">i2"}.get(size, ">i4"), casting="safe")
    made = encode(pixels, folder, **options)
    return replace(made, header=transplant(header, made.header, _TABLE))


def _without_loss(header: str, pixels: np.ndarray, scales: bytes | None, folder: Path) -> Tiled:
    """With a compression that holds any pixels."""
    shape = tile_shape(Keywords(header), pixels.shape)
    made = encode(pixels, folder, compression_type=LOSSLESS, tile_shape=shape)
    # integers keep their blank value; floats hold NaN itself
    structure = f"{_TABLE}|{_COMPRESSION}" + ("|ZBLANK" if pixels.dtype.kind == "f" else "")
    return replace(made, header=transplant(header, made.header, structure))


def encode(pixels: np.ndarray, folder: Path, **options: Any) -> Tiled:
    """Return any image as astropy compresses it with these options, without quantising floats."""
    from astropy.io import fits

    with tempfile.TemporaryFile(dir=folder) as whole:
        hdu = fits.CompImageHDU(pixels, quantize_level=0.0, **options)
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(whole)
        written = scan(whole, "the restored tiles")[1]
        data = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (the caller closes it)
        whole.seek(written.start)
        shutil.copyfileobj(whole, data)
        data.truncate(written.size)
    made = Tiled(written.header, data)
    _clear_times(made, {"COMPRESSED_DATA"} if str(options.get("compression_type")).startswith("GZIP") else set())
    return made


def _clear_times(made: Tiled, gzipped: set[str]) -> None:
    """Set the time that gzip notes in each tile to 0, as CFITSIO does, so that the same pixels always make the same file.

    Parameters
    ----------
    gzipped
        Columns of gzipped tiles beside that of floats that had to be gzipped.
    """
    unit = table_unit(Keywords(made.header))
    made.data.seek(0)
    table = np.frombuffer(made.data.read(unit.rows * unit.row_bytes), unit.row_dtype)
    for n, field in enumerate(unit.fields):
        if field.name not in gzipped | {"GZIP_COMPRESSED_DATA"}:
            continue
        for length, place in table[f"f{n}"].reshape(-1, 2).tolist():
            if length >= _GZIP_HEADER:
                made.data.seek(unit.heap + place + _GZIP_TIME)
                made.data.write(bytes(4))


def tile_shape(keywords: Keywords, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the size of a tile, slowest axis first."""
    return tuple(reversed([keywords.whole(f"ZTILE{n}", 1 if n > 1 else shape[-1]) for n in range(1, len(shape) + 1)]))


def _parameter(keywords: Keywords, name: str, default: int) -> int:
    """A parameter of the compression (ZNAMEn, ZVALn)."""
    for n in range(1, 1000):
        if keywords.get(f"ZNAME{n}") is None:
            break
        if keywords.text(f"ZNAME{n}").upper() == name:
            return int(keywords.number(f"ZVAL{n}", default))
    return default


def _decodes_to(made: Tiled, pixels: np.ndarray, folder: Path) -> bool:
    """Whether a reader of the compressed image will see exactly these pixels."""
    header, data = made.header, made.data
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".fits") as whole:
        whole.write(header_bytes(_PRIMARY) + header_bytes(header))
        data.seek(0)
        shutil.copyfileobj(data, whole)
        whole.write(padding_of(header, data.tell()))
        whole.flush()
        step = max(1, (8 << 20) // max(1, pixels[:1].nbytes))
        tile = tile_shape(Keywords(header), pixels.shape)[0]
        step = max(1, step // tile) * tile
        image = None
        try:
            file = cast(BinaryIO, whole)
            image = TiledImage(file, scan(file, "the restored tiles")[1], pixels.dtype)
            return all(
                _same(pixels[at : at + step], image.rows(at, min(at + step, len(pixels))))
                for at in range(0, len(pixels), step)
            )
        except (DataError, NotModelled):
            return False
        finally:
            if image is not None:
                image.close()


def _same(before: np.ndarray, after: np.ndarray) -> bool:
    """Whether both have the same bits, save those that NaN carry."""
    if before.shape != after.shape:
        return False
    if before.dtype.kind != "f":
        return np.array_equal(before, after)
    same = (before == after) & (np.signbit(before) == np.signbit(after))
    return bool((same | (np.isnan(before) & np.isnan(after))).all())


def transplant(original: str, compressed: str, structure: str) -> str:
    """Return the original header, its structural cards set to those of the newly compressed table.

    Parameters
    ----------
    structure
        Pattern of the keywords to take from the new header.
    """
    pattern = re.compile(f"({structure})$")
    new = {keyword_of(card): card for card in cards_of(compressed) if pattern.match(keyword_of(card))}
    values = Keywords(compressed)
    cards: list[str] = []
    last = 0
    for card in cards_of(original):
        keyword = keyword_of(card)
        if pattern.match(keyword):
            if keyword not in new:
                continue
            value, replacement = values.get(keyword), new.pop(keyword)
            if value is not None and value != Keywords(card).get(keyword):
                # comments on the table's own cards stay; those on compression parameters belong to the parameter
                if isinstance(value, int | str) and not keyword.startswith("Z"):
                    card = with_value(card, value)
                else:
                    card = replacement
            last = len(cards) + 1
        cards.append(card)
    return "".join(cards[:last] + list(new.values()) + cards[last:])
