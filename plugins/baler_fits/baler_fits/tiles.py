"""Tile-compressed images: decoded tile by tile on reading, compressed again, without loss, on writing."""

from __future__ import annotations

import re
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from baler_core import DataError
from baler_fits.headers import Keywords, cards_of, keyword_of, with_value
from baler_fits.structure import Hdu, scan
from baler_fits.units import NotModelled

# Lossless for integers as they are; whatever else a file uses gives way to GZIP_2 when it is restored.
LOSSLESS = ("RICE_1", "GZIP_1", "GZIP_2")
# Cards that describe the compressed table, not the image.
_STRUCTURE = re.compile(
    r"(BITPIX|NAXIS\d*|PCOUNT|GCOUNT|TFIELDS|THEAP|T(TYPE|FORM|UNIT|DIM|NULL|SCAL|ZERO|DISP)\d+"
    r"|ZTILE\d+|ZCMPTYPE|ZNAME\d+|ZVAL\d+|ZQUANTIZ|ZDITHER0|ZBLANK|ZSCALE|ZZERO|ZMASKCMP)$"
)


class TiledImage:
    """A tile-compressed image in an open file.

    Parameters
    ----------
    file
        The FITS file on disk, open for reading.
    hdu
        Place of its HDU.
    stored
        dtype that its header announces.

    Raises
    ------
    NotModelled
        If the compression is not one that astropy decodes.
    """

    def __init__(self, file: BinaryIO, hdu: Hdu, stored: np.dtype[Any]) -> None:
        from astropy.io import fits

        self._where = f"{file.name}, HDU {hdu.index}"
        self._hdus: Any = None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                self._hdus = fits.open(file.name, do_not_scale_image_data=True)
                self._hdu: Any = self._hdus[hdu.index]
                dtype = self._hdu.section[(slice(0, 1),) * len(self._hdu.shape)].dtype
                if dtype.newbyteorder(">") != stored.newbyteorder(">"):
                    raise ValueError(f"it decodes to {dtype}")
            except Exception as error:  # foreign code meeting a file it cannot decode
                self.close()
                raise NotModelled(f"tile-compressed image that astropy does not decode ({error})") from error

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Stored pixels of some rows along the slowest axis; only the tiles they touch are decoded.

        Raises
        ------
        DataError
            If the compressed bytes are damaged.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return np.asarray(self._hdu.section[start:stop])
            except Exception as error:  # whatever foreign code raises on damaged tiles
                raise DataError(
                    f"{self._where}: the compressed image is damaged in rows {start} to {stop} ({error}). "
                    f"Get the file again, or keep it byte for byte with 'reader: {{name: fits, tiles: keep}}'"
                ) from error

    def close(self) -> None:
        """Release what astropy holds."""
        if self._hdus is not None:
            self._hdus.close()


def compress_tiles(header: str, pixels: np.ndarray, folder: Path) -> tuple[str, BinaryIO]:
    """Compress an image without loss, in the tiles and, where it is lossless, with the algorithm of its header.

    Parameters
    ----------
    header
        Cards of the original compressed HDU.
    pixels
        Stored pixels, big-endian; may be a memory map.

    Returns
    -------
    header
        The original cards; those that describe the compressed table are brought up to date.
    data
        A temporary file that begins with the table and its heap, without padding.
    """
    from astropy.io import fits

    keywords = Keywords(header)
    algorithm = keywords.text("ZCMPTYPE")
    if algorithm not in LOSSLESS or pixels.dtype.kind == "f" or (algorithm == "RICE_1" and pixels.dtype.itemsize > 4):
        algorithm = algorithm if algorithm in LOSSLESS[1:] else "GZIP_2"
    tile = tuple(
        reversed([keywords.whole(f"ZTILE{n}", 1 if n > 1 else pixels.shape[-1]) for n in range(1, pixels.ndim + 1)])
    )
    with tempfile.TemporaryFile(dir=folder) as whole, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        hdu = fits.CompImageHDU(pixels, compression_type=algorithm, tile_shape=tile, quantize_level=0.0)
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(whole)
        written = scan(whole, "the restored tiles")[1]
        data = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (the caller closes it)
        whole.seek(written.start)
        shutil.copyfileobj(whole, data)
        data.truncate(written.size)
    return transplant(header, written.header, keep_blank=pixels.dtype.kind != "f"), data


def transplant(original: str, compressed: str, *, keep_blank: bool) -> str:
    """The original header, its structural cards set to those of the newly compressed table.

    Parameters
    ----------
    keep_blank
        Leave ZBLANK: integers keep their blank value; unquantised floats hold NaN itself.
    """
    new = {keyword_of(card): card for card in cards_of(compressed) if _STRUCTURE.match(keyword_of(card))}
    values = Keywords(compressed)
    cards: list[str] = []
    last = 0
    for card in cards_of(original):
        keyword = keyword_of(card)
        if _STRUCTURE.match(keyword):
            if keyword not in new and not (keep_blank and keyword == "ZBLANK"):
                continue
            value = values.get(keyword)
            replacement = new.pop(keyword, card)
            if value is not None and value != Keywords(card).get(keyword):
                # comments on the table's own cards stay; those on compression parameters belong to the parameter
                if isinstance(value, int | str) and not keyword.startswith("Z"):
                    card = with_value(card, value)
                else:
                    card = replacement
            last = len(cards) + 1
        cards.append(card)
    return "".join(cards[:last] + list(new.values()) + cards[last:])
