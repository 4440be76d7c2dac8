"""Parse and format numbers of text tables: values of cells, and number formats."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Sequence
from decimal import Decimal

import numpy as np

from baler_core.builtin.readers.csv.rounding import ROUNDING

# Words for "no value" in a column of numbers, in lower case.
_WORDS = (
    *("", "nan", "-nan", "+nan", "na", "n/a", "#n/a", "<na>", "nat", "null", "none", "missing", "undef", "indef"),
    *("-", "--", "---", "\\n", "?", ".", "..", "...", "*", "**", "***"),
)
MISSING = frozenset(itertools.chain(_WORDS, (w.upper() for w in _WORDS), ("NaN", "None", "Null", "\\N")))
# Cells of text that pandas takes for "no value" unless told otherwise; of `MISSING`, dashes, dots and the like are data in text.
_MISSING_TEXT = frozenset(
    (
        *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA", "n/a"),
        *("NULL", "null", "NaN", "-NaN", "nan", "-nan", "None"),
    )
)
# Numbers that are written as they stood, however others of their column are: -9999 among 1.0 and 2.5.
_AS_IT_STOOD = r"[+-]?\d{0,30}[.,]?\d{0,30}(?:[eE][+-]?\d{1,3})?"
WORDS = re.compile(f"@{_AS_IT_STOOD}(?:;{_AS_IT_STOOD}){{0,199}}")
FORMAT = re.compile(
    r",?(?:r|j|J|d|\+?(?:0\d{1,2})?\.\d{1,2}[feEgG])(?:" + ROUNDING.pattern + ")?(?:" + WORDS.pattern + ")?"
)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_INFINITY = re.compile(r"[+-]?inf(?:inity)?", re.ASCII | re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+", re.ASCII)
# 1,234.56, 12 %, $5, 3 km, 1.5D+03: numbers to people, text to readers of tables.
_MARKED = re.compile(
    r"[$€£¥]?\s?[-+−]?(?:\d{1,3}(?:[,.'\u00a0\u202f ]\d{3})+|\d+)?(?:[.,]\d+)?(?:[dD][+-]?\d+)?(?:\s?[%°$€£¥]| [^\W\d_]{1,3})?"
)
# What readers of tables pass over around a number; beside other blanks, such as the one that no line breaks at, it is text.
_BLANKS = " \t\n\v\f\r"
# A float64 keeps any decimal of so many digits apart from its neighbours.
_DIGITS = 17


def is_missing(cell: str) -> bool:
    """Return whether a cell is a word for "no value"."""
    # The commonest cells first: words as they are usually spelled, and numbers.
    return cell in MISSING or (not cell[-1:].isdigit() and cell.strip().lower() in _WORDS)


def missing_cells(values: np.ndarray) -> np.ndarray | None:
    """Return where floats are NaN, or cells of text words for "no value"; None for whole numbers."""
    if values.dtype.kind == "f":
        return np.isnan(values)
    if values.dtype.kind != "O":
        return None
    return np.fromiter((cell in _MISSING_TEXT for cell in values.tolist()), bool, values.size)


def is_number(cell: str) -> bool:
    """Return whether a cell reads as a number (infinities and NaN included)."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def is_decimal_comma(cell: str) -> bool:
    """Return whether a cell is a number with a decimal comma."""
    return _DECIMAL_COMMA.fullmatch(cell.strip()) is not None


def is_marked_number(cell: str) -> bool:
    """Return whether people read a cell as a number, though it has other characters in it."""
    text = cell.strip()
    return any(map(str.isdigit, text)) and _MARKED.fullmatch(text) is not None


def has_decimal_commas(cells: Sequence[str], *, sure: bool = False) -> bool:
    """Return whether commas are decimal ones in the cells of a column of numbers, and not between thousands.

    Parameters
    ----------
    sure
        Whether other columns tell that those are not marked so.
    """
    present = [cell.strip() for cell in cells]
    marked = [cell for cell in present if "," in cell]
    numbers = all(_DECIMAL_COMMA.fullmatch(cell) for cell in marked) and all(
        _NUMBER.fullmatch(cell) and "." not in cell for cell in present if "," not in cell
    )
    return bool(marked) and numbers and (sure or not all(map(_THOUSANDS.fullmatch, marked)))


def has_unclear_commas(cells: Sequence[str]) -> bool:
    """Return whether the commas in all cells may be decimal ones, or stand between thousands."""
    return bool(cells) and all(_THOUSANDS.fullmatch(cell.strip()) for cell in cells)


def with_points(cells: Sequence[str]) -> list[str]:
    """Return cells with decimal points in place of commas."""
    return "\0".join(cells).replace(",", ".").split("\0")


def floats(cells: Sequence[str]) -> list[float]:
    """Return the floats of cells, NaN for words that mean "no value"; raise ValueError for other text."""
    try:
        return list(map(float, cells))
    except ValueError:
        pass
    nan = math.nan
    try:
        return [nan if cell in MISSING else float(cell) for cell in cells]
    except ValueError:
        return [nan if is_missing(cell) else float(cell) for cell in cells]


def objection(cell: str, *, integers: bool) -> str:
    """Return why a cell cannot be stored as a number, as the end of a sentence; empty if it can.

    Parameters
    ----------
    integers
        Whether the column holds integers alone.
    """
    text = cell.strip(_BLANKS)
    if is_missing(text) or _INFINITY.fullmatch(text):
        return ""
    if not _NUMBER.fullmatch(text) or not text.isascii():
        return "which is not a number"
    unsigned = text.lstrip("+-")
    mantissa, _, exponent = unsigned.lower().partition("e")
    if unsigned.isdigit():
        if unsigned[0] == "0" and len(unsigned) > 1:
            return "which starts with a zero as names do"
        if not integers and int(unsigned) > 2**53 and int(float(unsigned)) != int(unsigned):
            return "which has more digits than a float keeps"
        return ""
    value = float(text)
    if math.isinf(value) or (value == 0 and mantissa.strip("0.")):
        return "which is beyond the range of a float"
    if exponent and mantissa.isdigit() and len(mantissa) > 1:
        return "which may be a name with an e in it"
    return ""


def loses_digits(cell: str) -> bool:
    """Return whether a number has more digits than a float keeps."""
    digits = cell.strip().lower().partition("e")[0].lstrip("+-").replace(".", "").strip("0")
    return len(digits) > _DIGITS


def number_writer(number: str) -> Callable[[float], str]:
    """Return the function that writes floats in a column's number format."""
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


def likeliest_format(sample: Sequence[str]) -> str:
    """Return the number format that writes most of the sample's cells as they stand."""
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
    formats += [f".{n}{letters[1]}" for n in (6, 7, 8, 9, 10, 12, 15, 16, 17)]
    sign = "+" * any(cell.startswith("+") for cell in sample)
    widths = {len(cell) for cell in sample[:10]} if any(_starts_with_zeros(cell) for cell in sample) else set()
    padded = [f"{sign}0{w}.{n}f" for w in sorted(widths) for n in sorted(decimals) if w < 100 and n < 100]
    return formats + padded + [sign + form for form in formats if sign and form.startswith(".")]


def _starts_with_zeros(cell: str) -> bool:
    digits = cell.lstrip("+-")
    return len(digits) > 1 and digits[0] == "0" and digits[1].isdigit()
