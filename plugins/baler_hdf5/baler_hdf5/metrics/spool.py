"""Keep arrays until they are wanted: in memory while they are few, in a temporary file when they are many."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping

import numpy as np

IN_MEMORY = 64 * 2**20


class Spool:
    """Sets of arrays by name, given back in the order they came."""

    def __init__(self) -> None:
        self._file: tempfile.SpooledTemporaryFile[bytes] | None = None
        self._names: list[list[str]] = []

    def put(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Keep one set."""
        if self._file is None:
            self._file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 (closed by `take`)
        self._names.append(list(arrays))
        for array in arrays.values():
            np.lib.format.write_array(self._file, np.ascontiguousarray(array), allow_pickle=False)

    def take(self) -> Iterator[dict[str, np.ndarray]]:
        """Give all sets back and forget them."""
        file, names = self._file, self._names
        self._file, self._names = None, []
        if file is None:
            return
        with file:
            file.seek(0)
            for together in names:
                yield {name: np.lib.format.read_array(file, allow_pickle=False) for name in together}
