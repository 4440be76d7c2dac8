"""The columns of a text table: what each holds, cells to values, values to the same cells."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from baler_core.builtin.readers.csv.numbers import FORMAT, floats, is_missing, is_number, number_writer, with_points
from baler_core.builtin.readers.csv.rounding import cut
from baler_core.data.variables import Json, Variable
from baler_core.errors import FormatError
from baler_core.machine.records import dataclass

ColumnKind = Literal["int64", "uint64", "float64", "text"]
KINDS: dict[str, ColumnKind] = {"<i8": "int64", "<u8": "uint64", "<f8": "float64", "str": "text"}
# Stands for a missing value in a column of integers: far from what any of them may become under a bound.
MISSING_INTEGER = -(2**63)
# Formats of more digits than each decimal of so many keeps as a float.
_ALL_DIGITS = re.compile(r"\.(?:1[5-9]|[2-9]\d)([eEgG])$")


@dataclass(frozen=True)
class ColumnForm:
    """What a column holds and how its numbers are written.

    Attributes
    ----------
    number
        `d`: integer. `r`: shortest digits, at least one decimal (1.0). `j`: shortest digits (1). `J`: as Java
        writes them (1.0E-4). Else a printf format without its percent sign (`.3f`). A comma before it: with decimal
        commas. Behind it, how digits were cut under a lossy bound: `~3` to three decimals, `~g6` to six digits; and numbers
        that no bound moves and that are written as they stood: `@-9999;99.90`.
    missing
        The word that stands for "no value".
    has_missing
        Whether an integer column has such places.
    limits
        Cutting digits moves no value beyond these.
    """

    kind: ColumnKind
    number: str = "r"
    missing: str = ""
    has_missing: bool = False
    limits: tuple[float, float] = (-math.inf, math.inf)

    def to_json(self) -> Json:
        """Return for the skeleton the number format and, after a blank, the missing word."""
        return f"{self.number} {self.missing}" if self.missing else self.number

    @classmethod
    def from_json(cls, stored: Json, variable: Variable) -> ColumnForm:
        """Return the form that `to_json` stored.

        Raises
        ------
        FormatError
            If it was damaged on the way.
        """
        number, _, missing = stored.partition(" ") if isinstance(stored, str) else ("", "", "")
        if variable.dtype not in KINDS or not _is_format(number):
            raise FormatError(f"the description of a column is damaged: {stored!r} for {variable.dtype}")
        return cls(KINDS[variable.dtype], number, missing, bool(variable.fill), variable.limits)

    @property
    def dtype(self) -> str:
        """Of the variable: numpy dtype string, or `str`."""
        return next(dtype for dtype, kind in KINDS.items() if kind == self.kind)

    @property
    def fill(self) -> tuple[float, ...]:
        """Values of the variable that stand for a missing one."""
        return (float(MISSING_INTEGER),) if self.has_missing else ()

    @property
    def comma(self) -> bool:
        """Whether the column has decimal commas."""
        return self.number.startswith(",")

    def cut(self, how: str, words: Sequence[str] = ()) -> ColumnForm:
        """Return the form that cuts digits as `rounding.shortened` defines, and writes some numbers as they stood.

        A format that writes all digits of a float, as numpy.savetxt does, would write those of the few that are left in full:
        7.22445 as 7.224450000000000216e+00.
        """
        number = _ALL_DIGITS.sub(lambda found: "r" if found[1] in "eE" else "j", self.number) if how else self.number
        return replace(self, number=number + how + "@" * bool(words) + ";".join(words))

    def values(self, cells: Sequence[str]) -> np.ndarray:
        """Return values of some cells; a ValueError where the column is not what it was found to be."""
        if self.kind == "text":
            values = np.empty(len(cells), object)
            values[:] = cells
            return values
        if self.kind == "float64":
            return np.array(floats(with_points(cells) if self.comma and cells else cells), np.float64)
        try:
            return np.array(list(map(int, cells)), self.kind)
        except ValueError:
            present = [str(MISSING_INTEGER) if is_missing(cell) else cell for cell in cells]
            return np.array(list(map(int, present)), self.kind)

    def missing_places(self, values: np.ndarray) -> np.ndarray:
        """Return boolean mask of the values that stand for "no value"."""
        if self.kind == "float64":
            return np.isnan(values)
        if self.kind == "int64":
            return values == MISSING_INTEGER
        return np.zeros(len(values), bool)

    def cells(self, values: np.ndarray) -> list[str]:
        """Return cells of some values; unless digits are cut, they read back as exactly these values."""
        if self.kind == "text":
            return values.tolist()
        if self.kind == "float64":
            return self._float_cells(values)
        cells = list(map(str, values.tolist()))
        if self.has_missing:
            for index in np.flatnonzero(values == MISSING_INTEGER):
                cells[index] = self.missing
        return cells

    def _float_cells(self, values: np.ndarray) -> list[str]:
        number, _, words = self.number.removeprefix(",").partition("@")
        base, mark, how = number.partition("~")
        short = cut(values, mark + how)
        beyond = ((short < self.limits[0]) & (values >= self.limits[0])) | (
            (short > self.limits[1]) & (values <= self.limits[1])
        )
        plain = np.where(beyond, values, short).tolist()
        cells = list(map(number_writer(base), plain))
        absent = np.isnan(values)
        if base not in ("r", "j", "J"):
            # What the format would round (values that a lossy bound moved) is written in full.
            for index in np.flatnonzero((np.array(floats(cells)) != plain) & ~absent):
                cells[index] = repr(plain[index])
        if self.comma:
            cells = "\0".join(cells).replace(".", ",").split("\0")
        for word in filter(None, words.split(";")):
            for index in np.flatnonzero(values == float(word.replace(",", "."))):
                cells[index] = word
        for index in np.flatnonzero(absent):
            cells[index] = self.missing
        return cells


def _is_format(number: str) -> bool:
    """Whether a column may be written so, whatever a file says."""
    words = number.partition("@")[2].replace(",", ".").split(";")
    return FORMAT.fullmatch(number) is not None and all(map(is_number, filter(None, words)))
