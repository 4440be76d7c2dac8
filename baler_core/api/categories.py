"""Look up what the codes of a file's categorical columns stand for: one column of a table with its list of categories."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from baler_core.errors import DataError, FormatError
from baler_core.machine.records import dataclass

if TYPE_CHECKING:
    import pandas as pd

    from baler_core.api.stored_array import StoredArray, StoredFile
    from baler_core.plugin.reading import Categories


@dataclass(frozen=True)
class CodedColumn:
    """A column of categories.

    Attributes
    ----------
    codes
        Which of the entries each value is (int64, of any shape), -1 where there is none.
    entries
        What there is, each once and none missing.
    ordered
        Whether their order has a meaning.
    """

    codes: np.ndarray
    entries: np.ndarray
    ordered: bool

    def __getitem__(self, key: slice) -> CodedColumn:
        return CodedColumn(self.codes[key], self.entries, self.ordered)

    def values(self) -> np.ndarray:
        """Return the entries themselves, masked where there is none."""
        known = self.codes >= 0
        found = np.zeros(self.codes.shape, self.entries.dtype)
        found[known] = self.entries[self.codes[known]]
        return found if known.all() else np.ma.MaskedArray(found, ~known)

    def series(self) -> pd.Series[Any]:
        """Return a column of pandas."""
        import pandas as pd

        kind = self.entries.dtype
        native = self.entries if kind.isnative or kind.hasobject else self.entries.astype(kind.newbyteorder("="))
        return pd.Series(pd.Categorical.from_codes(self.codes, pd.Index(native), self.ordered))


def coded(file: StoredFile, array: StoredArray, values: np.ndarray, start: int) -> CodedColumn:
    """Return stored codes as categories.

    Parameters
    ----------
    values
        Codes of some rows, masked where they are null.
    start
        Which row the first of them is.

    Raises
    ------
    DataError
        If the categories are no plain values.
    FormatError
        If the file has codes of categories that it does not have.
    """
    about = file.categories[array.name]
    if not about.entries:
        raise DataError(
            f"{file.path}: the categories of {array.name!r} are no plain values, or differ between pieces of lists, which "
            "these tables have no column for: name other columns"
        )
    listed = file[about.entries]
    places = np.asarray(values).astype(np.int64)
    null = np.ma.getmaskarray(values) | (places < 0)
    places = places + _starts(about, start, len(places)).reshape((-1,) + (1,) * (places.ndim - 1))
    if ((places < 0) | (places >= listed.shape[0]))[~null].any():
        raise FormatError(f"{file.path}: is damaged: {array.name!r} has codes of categories that are not listed")
    entries, renumbered = _distinct(listed.rows(0, listed.shape[0]))
    codes = np.full(places.shape, -1, np.int64)
    codes[~null] = renumbered[places[~null]]
    return CodedColumn(codes, entries, about.ordered)


def _starts(about: Categories, start: int, length: int) -> np.ndarray:
    """Return where code 0 of each of some rows lies among the entries."""
    if not about.starts:
        return np.zeros(length, np.int64)
    ends = np.cumsum([rows for rows, _ in about.starts])
    pieces = np.searchsorted(ends, np.arange(start, start + length), "right")
    return np.array([place for _, place in about.starts], np.int64)[np.minimum(pieces, len(ends) - 1)]


def _distinct(listed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the entries, each once, and for each one listed which of them it is: -1 where it is null or NaN."""
    plain, null = np.asarray(listed), np.ma.getmaskarray(listed)
    if plain.dtype.kind in "fc":
        null = null | np.isnan(plain)
    known: dict[Any, int] = {}
    numbers = np.full(len(plain), -1, np.int64)
    kept: list[int] = []
    for place, entry in enumerate(plain.tolist()):
        if null[place]:
            continue
        if entry not in known:
            known[entry] = len(kept)
            kept.append(place)
        numbers[place] = known[entry]
    return plain[kept], numbers
