"""Tile-compressed images, decoded tile by tile."""

from __future__ import annotations

import warnings
from typing import Any, BinaryIO

import numpy as np

from baler_core import DataError
from baler_fits.contents.fields import NotModelled
from baler_fits.contents.hdus import Hdu


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
        """Return stored pixels of some rows along the slowest axis; only the tiles they touch are decoded.

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
