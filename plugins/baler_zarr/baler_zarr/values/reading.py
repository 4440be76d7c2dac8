"""Read rows of an array, decoding each chunk once as long as rows are asked for in order."""

from __future__ import annotations

import math
import warnings

import numpy as np

from baler_core import DataError
from baler_zarr.values.opened import OpenArray

# Rows of one band of chunks are kept between blocks up to so many bytes.
MOST_KEPT = 256 << 20


class Rows:
    """The rows of an array."""

    def __init__(self, array: OpenArray) -> None:
        self._array = array
        self._start = self._stop = 0
        self._kept: np.ndarray | None = None

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return rows, or the single element of an array without dimensions.

        Raises
        ------
        DataError
            If a chunk is damaged.
        """
        array = self._array
        if not array.shape:
            return self._decode(())
        step = array.chunks[0]
        whole = math.prod(array.shape[1:]) * max(1, array.dtype.itemsize) * step
        if (start % step == 0 and (stop % step == 0 or stop == array.shape[0])) or whole > MOST_KEPT:
            return self._decode((slice(start, stop),))
        parts = []
        while start < stop:
            if self._kept is None or not self._start <= start < self._stop:
                self._start = start // step * step
                self._stop = min(self._start + step, array.shape[0])
                self._kept = self._decode((slice(self._start, self._stop),))
            end = min(stop, self._stop)
            parts.append(self._kept[start - self._start : end - self._start])
            start = end
        if not parts:
            return self._decode((slice(0, 0),))
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _decode(self, selection: tuple[slice, ...]) -> np.ndarray:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return np.asarray(self._array.zarr[selection])
        # Of zarr and its codecs, which raise whatever their parts do.
        except Exception as error:
            said = " ".join(str(error).split())[:200] or type(error).__name__
            raise DataError(f"the array {self._array.record.name!r} cannot be decoded: {said}") from error
