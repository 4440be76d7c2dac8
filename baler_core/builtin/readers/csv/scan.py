"""Find the type of each column of a text table: guessed from its first cells, then verified on every cell."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import field, replace

import numpy as np

from baler_core.builtin.readers.csv.bulk import BulkRows, spelling_of
from baler_core.builtin.readers.csv.columns import MISSING_INTEGER, ColumnForm
from baler_core.builtin.readers.csv.numbers import (
    MISSING,
    WORDS,
    has_decimal_commas,
    has_unclear_commas,
    is_marked_number,
    is_missing,
    is_number,
    likeliest_format,
    loses_digits,
    number_writer,
    objection,
    with_points,
)
from baler_core.builtin.readers.csv.rounding import COARSEST, NO_GRID, decimals_of
from baler_core.machine.records import dataclass

_SAMPLE = 2000
_CERTAIN = 100
# With more cells that their values do not tell, another format is looked for.
_FEW = 20
# With a larger share of cells that are not spelled as expected, all are read one by one.
_MANY_ODD = 0.5
# With a larger share of cells of more digits than floats keep, a column is text.
_MANY_LONG = 0.1


@dataclass
class Irregular:
    """The cells of a column whose text does not follow from their values."""

    rows: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def move(self, place: np.ndarray) -> None:
        """Move the cells with their rows, each to its `place`."""
        moved = sorted(zip((int(place[row]) for row in self.rows), self.texts, strict=True))
        self.rows, self.texts = [row for row, _ in moved], [text for _, text in moved]


class ScannedColumn:
    """One column on its way to a form that keeps every cell.

    Attributes
    ----------
    form
        What it is taken for; final once `settle` has returned False.
    irregular
        The cells that `form` would not give back, by row.
    why_text
        Why a column whose cells are mostly numbers is text: which line, which cell.
    decimals
        With so many decimals all its floats are written exactly (-2: hundreds); `NO_GRID` for more.
    """

    def __init__(self, cells: Sequence[str], lines: Sequence[int], *, commas: bool = False) -> None:
        self._commas = commas
        self.irregular = Irregular()
        self.why_text = ""
        self.decimals = COARSEST
        self._low = self._high = 0
        self._fraction: tuple[int, str] | None = None
        self._refused = False
        self._long = 0
        self._rows = 0
        self._sample: list[str] = []
        self._first_long: tuple[int, str] | None = None
        self._has_words = False
        self._tried_formats = 0
        self.form = self._guess(cells, lines)

    # ---- the guess

    def _guess(self, cells: Sequence[str], lines: Sequence[int]) -> ColumnForm:
        sample = cells[:_SAMPLE]
        absent = list(map(is_missing, sample))
        present = [cell for cell, none in zip(sample, absent, strict=True) if not none]
        words = Counter(cell.strip() for cell in itertools.compress(sample, absent))
        self._has_words = bool(words)
        word = words.most_common(1)[0][0] if words else ""
        self._empty = not present
        if self._empty:
            return ColumnForm("float64", "r", word)
        if any("," in cell for cell in present) and has_decimal_commas(present, sure=self._commas):
            points = with_points(present)
            if not any(objection(cell, integers=False) for cell in points):
                return ColumnForm("float64", "," + likeliest_format(points), word)
        integers = all(map(_is_integer, present))
        numbers = itertools.compress(lines, (not none for none in absent))
        # What the verification would not take for numbers it tells; text is told here.
        certain = all(map(is_number, present))
        for line, cell in zip(numbers, present[:_CERTAIN] if certain else present, strict=False):
            if wrong := objection(cell, integers=integers):
                if has_unclear_commas(present):
                    self._refuse(line, cell, "whose comma may be a decimal one, or stand between thousands")
                elif 2 * sum(map(is_number, present)) > len(present):
                    self._refuse(line, cell, wrong)
                elif all(is_number(each) or is_marked_number(each) for each in present):
                    self._refuse(line, cell, "a number with other characters in it")
                return ColumnForm("text")
        if integers:
            return ColumnForm("int64", "d", word, bool(words))
        return ColumnForm("float64", likeliest_format(present), word)

    # ---- the verification

    def take(self, cells: Sequence[str], rows: Sequence[int], lines: Sequence[int]) -> np.ndarray | None:
        """Return values of the next cells; None if the column turns out to be something else.

        Parameters
        ----------
        rows
            The row of each.
        lines
            The lines of the file they stand in.
        """
        self._rows += len(cells)
        if self.form.kind == "text":
            return self.form.values(cells)
        if self._refused:
            return None
        present = (
            [(cell, line) for cell, line in zip(cells, lines, strict=True) if not is_missing(cell)]
            if self._empty
            else []
        )
        if present:
            old = self.form
            self.form = self._guess([cell for cell, _ in present], [line for _, line in present])
            self.form = replace(self.form, missing=old.missing, has_missing=self.form.kind == "int64")
            if self.form.kind != "float64":
                self._refused = True
                return None
            self._empty = False
        return (
            self._take_integers(cells, rows, lines)
            if "d" in self.form.number
            else self._take_floats(cells, rows, lines)
        )

    def take_bulk(self, rows: BulkRows, column: int, first: int, lines: Sequence[int]) -> np.ndarray | None:
        """Do the same for rows in bulk: cell by cell only what is not spelled as expected."""
        kind, number = self.form.kind, self.form.number
        spelling = spelling_of(number) if kind in ("int64", "float64") and not (self._refused or self._empty) else None
        values, odd = np.zeros(0), np.zeros(len(rows), np.int64)
        if spelling is not None:
            values, odd = rows.numbers(column, spelling)
        if len(odd) > _MANY_ODD * len(rows):
            return self.take(rows.cells(column), range(first, first + len(rows)), lines)
        self._rows += len(values) - len(odd)
        if values.dtype.kind == "i":
            self._low, self._high = min(self._low, int(values.min())), max(self._high, int(values.max()))
        else:
            self._note(values, rows.cells(column, self._wanted))
        values = values.astype(kind, copy=False)
        if not len(odd):
            return values
        places = odd.tolist()
        taken = self.take(rows.cells_at(column, places), [first + n for n in places], [lines[n] for n in places])
        if taken is not None:
            values[odd] = taken
        return None if taken is None else values

    @property
    def _wanted(self) -> int:
        """How many cells of the next ones are kept to find a format with."""
        return max(_SAMPLE - len(self._sample), 200) if len(self._sample) < 3 * _SAMPLE else 0

    def _take_integers(self, cells: Sequence[str], rows: Sequence[int], lines: Sequence[int]) -> np.ndarray | None:
        try:
            numbers = list(map(int, cells))
        except ValueError:
            return self._take_mixed(cells, rows, lines)
        self._low, self._high = min(self._low, *numbers), max(self._high, *numbers)
        try:
            values = np.array(numbers, self.form.kind)
        except OverflowError:
            return None
        return values if self._compare(list(map(str, numbers)), cells, rows, lines, integers=True) else None

    def _take_mixed(self, cells: Sequence[str], rows: Sequence[int], lines: Sequence[int]) -> np.ndarray | None:
        """The same where not all cells are integers."""
        try:
            numbers = [int(cell) for cell in cells if cell not in MISSING and not is_missing(cell)]
        except ValueError:
            present = [(n, cell) for n, cell in zip(lines, cells, strict=True) if not is_missing(cell)]
            if not self._objects([cell for _, cell in present], [n for n, _ in present], integers=False):
                self._fraction = next((n, cell) for n, cell in present if not _is_integer(cell))
            return None
        self._low, self._high = min(self._low, 0, *numbers), max(self._high, 0, *numbers)
        if not self._has_words:
            self._note_words(cells)
        if self._low <= MISSING_INTEGER or self._high >= 2**63:
            return None
        values = self.form.values(cells)
        return values if self._compare(self.form.cells(values), cells, rows, lines, integers=True) else None

    def _take_floats(self, cells: Sequence[str], rows: Sequence[int], lines: Sequence[int]) -> np.ndarray | None:
        base = self.form.number.removeprefix(",")
        try:
            numbers = list(map(float, cells))
        except ValueError:
            numbers = []
        if numbers and not self.form.comma and tuple(map(number_writer(base), numbers)) == tuple(cells):
            values = np.array(numbers)
            if not np.isnan(values).any():
                self._note(values, cells)
                return values
        try:
            values = self.form.values(cells)
        except ValueError:
            self._objects(cells, lines, integers=False)
            self._refused = True
            return None
        if not self._has_words and np.isnan(values).any():
            self._note_words(cells)
        if not self._compare(self.form.cells(values), cells, rows, lines, integers=False):
            return None
        self._note(values, cells)
        return values

    def _note(self, values: np.ndarray, cells: Sequence[str]) -> None:
        if self.decimals < NO_GRID:
            self.decimals = decimals_of(values, self.decimals)
        self._sample += cells[: self._wanted]

    def _note_words(self, cells: Sequence[str]) -> None:
        """Have the commonest word of the first cells that hold any stand for missing values."""
        words = Counter(cell.strip() for cell in cells if is_missing(cell))
        self.form = replace(self.form, missing=words.most_common(1)[0][0], has_missing=self.form.kind != "float64")
        self._has_words = True

    def _count_long(self, texts: Sequence[str], lines: Sequence[int]) -> None:
        for line, text in zip(lines, texts, strict=True):
            if loses_digits(text):
                self._long += 1
                self._first_long = self._first_long or (line, text)

    def _compare(
        self, written: list[str], cells: Sequence[str], rows: Sequence[int], lines: Sequence[int], *, integers: bool
    ) -> bool:
        """Note the cells that would be written otherwise; False if one of them makes the column text."""
        if written == list(cells):
            return True
        odd = [place for place, (ours, theirs) in enumerate(zip(written, cells, strict=True)) if ours != theirs]
        texts, numbers = [cells[place] for place in odd], [lines[place] for place in odd]
        if self._objects(texts, numbers, integers=integers):
            return False
        self._count_long(texts, numbers)
        self.irregular.rows += [rows[place] for place in odd]
        self.irregular.texts += texts
        return True

    def _objects(self, cells: Sequence[str], lines: Sequence[int], *, integers: bool) -> bool:
        """Whether a cell makes the column text; notes which."""
        for line, cell in zip(lines, cells, strict=True):
            if wrong := objection(with_points([cell])[0] if self.form.comma else cell, integers=integers):
                self._refuse(line, cell, wrong)
                return True
        return False

    def _refuse(self, line: int, cell: str, wrong: str) -> None:
        self._refused = True
        self.why_text = f"line {line} holds {cell!r}, {wrong}"

    def missing_words(self) -> Irregular:
        """Return the irregular cells that mean "no value"."""
        pairs = [
            (row, text) for row, text in zip(self.irregular.rows, self.irregular.texts, strict=True) if is_missing(text)
        ]
        return Irregular([row for row, _ in pairs], [text for _, text in pairs])

    def words_for(self, numbers: Collection[float]) -> list[str]:
        """Return how irregular cells spell some numbers, one spelling of each, the commonest."""
        if self.form.kind != "float64":
            return []
        words = Counter(text for text in self.irregular.texts if WORDS.fullmatch(f"@{text}"))
        found: dict[float, str] = {}
        for word, _ in words.most_common():
            found.setdefault(self.form.values([word]).item(), word)
        return [word for number, word in found.items() if number in numbers]

    # ---- the decision

    def settle(self) -> bool:
        """Return whether the column is something else than it was taken for, and all cells must be taken once more."""
        form = self._better_form()
        if form is None:
            if self.form.kind == "text":
                self.irregular = Irregular()
            return False
        self.form = form
        self.irregular = Irregular()
        self.decimals = COARSEST
        self._long = self._rows = 0
        self._refused = self._empty = False
        self._sample = []
        return True

    def _better_form(self) -> ColumnForm | None:
        """The form that the cells seen ask for; None if it is the one they were taken for."""
        if self._refused:
            return ColumnForm("text") if self.why_text else self.form
        if self.form.kind == "text":
            return None
        if self.form.kind != "float64":
            return self._better_integers()
        odd = [text for text in self.irregular.texts if not is_missing(text)]
        if self._long > _MANY_LONG * self._rows and self._first_long is not None:
            line, cell = self._first_long
            self._refuse(line, cell, "which has more digits than a float keeps")
            return ColumnForm("text")
        if len(odd) > _FEW and not self._tried_formats:
            self._tried_formats = 1
            share = max(_FEW, _SAMPLE * len(odd) // self._rows)
            sample = [*odd[:share], *(cell for cell in self._sample[-_SAMPLE:] if not is_missing(cell))]
            number = "," * self.form.comma + likeliest_format(with_points(sample) if self.form.comma else sample)
            if number != self.form.number:
                return replace(self.form, number=number)
        return None

    def _better_integers(self) -> ColumnForm | None:
        if self._fraction is not None:
            (line, cell), self._fraction = self._fraction, None
            if max(-self._low, self._high) > 2**53:
                self._refuse(line, cell, "a fraction beside integers of more digits than a float keeps")
                return ColumnForm("text")
            return ColumnForm("float64", "j", self.form.missing)
        if self._low > MISSING_INTEGER - (not self.form.has_missing) and self._high < 2**63:
            return None
        if self._low >= 0 and self._high < 2**64 and not self.form.has_missing:
            return None if self.form.kind == "uint64" else ColumnForm("uint64", "d")
        self.why_text = "it holds integers of more than 64 bits"
        return ColumnForm("text")


def tells_decimal_commas(cells: Sequence[str]) -> bool:
    """Return whether the cells of a column tell that commas are decimal ones in all of the table."""
    present = [cell for cell in cells[:_SAMPLE] if not is_missing(cell)]
    return has_decimal_commas(present) and not any(objection(cell, integers=False) for cell in with_points(present))


def _is_integer(cell: str) -> bool:
    digits = cell.strip()
    return digits.isascii() and digits.lstrip("+-").isdigit() and len(digits) - len(digits.lstrip("+-")) <= 1
