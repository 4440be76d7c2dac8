"""The columns of a text table: their types found cell by cell, cells to values, values to the same cells."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

import numpy as np

from baler_core.dataset import Json, Variable
from baler_core.errors import FormatError

ColumnKind = Literal["int64", "uint64", "float64", "text"]
KINDS: dict[str, ColumnKind] = {"<i8": "int64", "<u8": "uint64", "<f8": "float64", "str": "text"}
# Words for "no value" in a column of numbers.
MISSING = frozenset(
    ("", "nan", "NaN", "NAN", "-nan", "NA", "N/A", "n/a", "#N/A", "null", "NULL", "None", "-", "--", "---", "\\N")
)
# Stands for a missing value in a column of integers: far from what any of them may become under a bound.
MISSING_INTEGER = -(2**63)
_FIRST_SAMPLE, _LATER_SAMPLE, _LARGEST_SAMPLE = 2000, 100, 20_000
_FORMAT = re.compile(r"r|j|J|d|\.\d{1,2}[feEgG]")
_PADDED_INTEGER = re.compile(r"\s*[+-]?0\d+\s*")


@dataclass(frozen=True)
class ColumnForm:
    """What a column holds and how its numbers are written.

    Attributes
    ----------
    number
        `d`: integer. `r`: shortest digits, at least one decimal (1.0). `j`: shortest digits (1). `J`: as Java
        writes them (1.0E-4). Else a printf format
        without its percent sign (`.3f`).
    missing
        The word that stands for "no value".
    has_missing
        Whether an integer column has such places.
    """

    kind: ColumnKind
    number: str = "r"
    missing: str = ""
    has_missing: bool = False

    def to_json(self) -> Json:
        """What the variable does not tell, for the skeleton: the number format, and after a blank the missing word."""
        return f"{self.number} {self.missing}" if self.missing else self.number

    @classmethod
    def from_json(cls, stored: Json, variable: Variable) -> ColumnForm:
        """The form that `to_json` stored.

        Raises
        ------
        FormatError
            If it was damaged on the way.
        """
        number, _, missing = stored.partition(" ") if isinstance(stored, str) else ("", "", "")
        if variable.dtype not in KINDS or not _FORMAT.fullmatch(number):
            raise FormatError(f"the description of a column is damaged: {stored!r} for {variable.dtype}")
        return cls(KINDS[variable.dtype], number, missing, bool(variable.fill))

    @property
    def dtype(self) -> str:
        """Of the variable: numpy dtype string, or `str`."""
        return next(dtype for dtype, kind in KINDS.items() if kind == self.kind)

    @property
    def fill(self) -> tuple[float, ...]:
        """Values of the variable that stand for a missing one."""
        return (float(MISSING_INTEGER),) if self.has_missing else ()

    def values(self, cells: Sequence[str]) -> np.ndarray:
        """Values of some cells; a ValueError where the column is not what it was found to be."""
        if self.kind == "text":
            values = np.empty(len(cells), object)
            values[:] = cells
            return values
        if self.kind == "float64":
            return np.array(_floats(cells), np.float64)
        if self.has_missing:
            cells = [str(MISSING_INTEGER) if cell.strip() in MISSING else cell for cell in cells]
        return np.array(list(map(int, cells)), self.kind)

    def cells(self, values: np.ndarray) -> list[str]:
        """Cells of some values; they read back as exactly these values."""
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
        plain = values.tolist()
        cells = list(map(number_writer(self.number), plain))
        for index in np.flatnonzero(np.isnan(values)):
            cells[index] = self.missing
        if self.number not in ("r", "j", "J"):
            # What the format would round (values that a lossy bound moved) is written in full.
            for index in np.flatnonzero((np.array(_floats(cells)) != values) & ~np.isnan(values)):
                cells[index] = repr(plain[index])
        return cells


def number_writer(number: str) -> Callable[[float], str]:
    """The function that writes floats in a column's number format."""
    if number == "r":
        return repr
    if number in ("j", "d"):
        return _shortest
    if number == "J":
        return _as_java
    return f"%{number}".__mod__


def _shortest(value: float) -> str:
    return repr(value).removesuffix(".0")


def _as_java(value: float) -> str:
    """As Java writes a double: 1.0, and with an exponent from 1.0E7 up and below 0.001."""
    text = repr(value)
    if value == 0 or 1e-3 <= abs(value) < 1e7 or not math.isfinite(value):
        return text
    sign, digits, exponent = Decimal(text).normalize().as_tuple()
    tail = "".join(map(str, digits[1:])) or "0"
    return f"{'-' * sign}{digits[0]}.{tail}E{int(exponent) + len(digits) - 1}"


def _floats(cells: Sequence[str]) -> list[float]:
    try:
        return list(map(float, cells))
    except ValueError:
        return [float("nan") if cell.strip() in MISSING else float(cell) for cell in cells]


@dataclass
class ColumnScan:
    """Finds a column's form, fed with its cells from the first row to the last."""

    kind: Literal["missing", "integer", "float", "text"] = "missing"
    low: int = 0
    high: int = 0
    missing: str | None = None
    sample: list[str] = field(default_factory=list)

    def take(self, cells: Sequence[str]) -> None:
        """Take in the next cells."""
        if self.kind == "text":
            return
        joined = "".join(cells)
        if "_" in joined or not joined.isascii():
            # Python would read 1_000 and foreign digits as numbers.
            self.kind = "text"
            return
        if self.kind == "float" or not self._take_integers(cells):
            self._take_floats(cells)

    def _take_integers(self, cells: Sequence[str]) -> bool:
        """Whether all cells are integers or missing."""
        present = cells
        try:
            numbers = list(map(int, cells))
        except ValueError:
            present = [cell for cell in cells if cell.strip() not in MISSING]
            try:
                numbers = list(map(int, present))
            except ValueError:
                return False
            self._note_missing(cells)
        if not numbers:
            return True
        if list(map(str, numbers)) != list(present) and any(map(_PADDED_INTEGER.fullmatch, present)):
            # 007 is a name, not a number.
            self.kind = "text"
            return True
        self.low, self.high = min(self.low, *numbers), max(self.high, *numbers)
        self.kind = "integer"
        self._add_sample(present)
        return True

    def _take_floats(self, cells: Sequence[str]) -> None:
        try:
            numbers = np.array(_floats(cells))
        except ValueError:
            self.kind = "text"
            return
        if np.isnan(numbers).any():
            self._note_missing(cells)
        if self.kind == "integer" and max(-self.low, self.high) > 2**53:
            # As floats, the integers so far would change.
            self.kind = "text"
            return
        self.kind = "float"
        self._add_sample([cell for cell, number in zip(cells, numbers, strict=True) if number == number])

    def _note_missing(self, cells: Sequence[str]) -> None:
        if self.missing is None:
            self.missing = next((cell.strip() for cell in cells if cell.strip() in MISSING), None)

    def _add_sample(self, present: Sequence[str]) -> None:
        if len(self.sample) > _LARGEST_SAMPLE:
            return
        room = max(_FIRST_SAMPLE - len(self.sample), _LATER_SAMPLE)
        self.sample.extend(present[:room])
        # Formats differ in how they write whole numbers and very small ones: those must be among the sample.
        joined = "".join(present)
        if joined.count(".") < len(present):
            self.sample.extend(itertools.islice((cell for cell in present if "." not in cell), _LATER_SAMPLE))
        for letter in "eE":
            if letter in joined:
                self.sample.extend(itertools.islice((cell for cell in present if letter in cell), _LATER_SAMPLE))

    def form(self) -> ColumnForm:
        """What was found."""
        word = self.missing or ""
        if self.kind == "integer":
            lowest = MISSING_INTEGER if self.missing is None else MISSING_INTEGER + 1
            if self.low >= lowest and self.high < 2**63:
                return ColumnForm("int64", "d", word, self.missing is not None)
            if self.low >= 0 and self.high < 2**64 and self.missing is None:
                return ColumnForm("uint64", "d")
        elif self.kind in ("float", "missing"):
            return ColumnForm("float64", likeliest_format(self.sample), word)
        return ColumnForm("text")


def likeliest_format(sample: Sequence[str]) -> str:
    """The number format that writes most of the sample's cells as they stand."""
    numbers = list(map(float, sample))
    best, most = "r", -1
    for candidate in _candidates(sample):
        hits = sum(map(str.__eq__, map(number_writer(candidate), numbers), sample))
        if hits > most:
            best, most = candidate, hits
        if hits == len(sample):
            break
    return best


def _candidates(sample: Sequence[str]) -> list[str]:
    """Formats that the sample's first digits make possible, the likeliest first."""
    letters = "eg" if not any("E" in cell for cell in sample) else "EG"
    decimals = {len(cell.partition(".")[2]) for cell in sample[:10] if "e" not in cell.lower()}
    digits = {len(re.split("[eE]", cell)[0].partition(".")[2]) for cell in sample[:10] if "e" in cell.lower()}
    formats = ["r", "j", *("J" * (letters == "EG")), *(f".{n}f" for n in sorted(decimals) if n < 100)]
    formats += [f".{n}{letters[0]}" for n in sorted(digits) if n < 100]
    return formats + [f".{n}{letters[1]}" for n in (6, 7, 8, 9, 10, 12, 15, 16, 17)]
