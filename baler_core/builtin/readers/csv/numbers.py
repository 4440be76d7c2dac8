"""Parse and format numbers of text tables: values of cells, number formats, and cutting of digits."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal

import numpy as np

from baler_core.builtin.readers.csv.shortest import GRID, Grid
from baler_core.data.bounds import SAFETY, Tolerance
from baler_core.data.tolerance import rounded_down

# Words for "no value" in a column of numbers, in lower case.
_WORDS = (
    *("", "nan", "-nan", "+nan", "na", "n/a", "#n/a", "<na>", "nat", "null", "none", "missing", "undef", "indef"),
    *("-", "--", "---", "\\n", "?", ".", "..", "...", "*", "**", "***"),
)
MISSING = frozenset(itertools.chain(_WORDS, (w.upper() for w in _WORDS), ("NaN", "None", "Null", "\\N")))
FORMAT = re.compile(r",?(?:r|j|J|d|\+?(?:0\d{1,2})?\.\d{1,2}[feEgG])(?:~g?\d{1,2}(?:" + GRID.pattern + ")?)?")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_INFINITY = re.compile(r"[+-]?inf(?:inity)?", re.ASCII | re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+(?:[eE][+-]?\d+)?", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(?:,\d{3})+", re.ASCII)
# A float64 keeps any decimal of so many digits apart from its neighbours.
_DIGITS = 17
# This share of a tolerance is left to the rounding of decimals in the text; it costs 0.007 bits per value.
_SHARE = 0.0051
# Where that makes a tolerance smaller by no more than this, restored values lie on the decimals of the originals.
_WORTH = 1.0105
# So many decimals or more mean that values lie on none.
_NO_GRID = 15
_MANY_STEPS = 2.0**52


def is_missing(cell: str) -> bool:
    """Return whether a cell is a word for "no value"."""
    # The commonest cells first: words as they are usually spelled, and numbers.
    return cell in MISSING or (not cell[-1:].isdigit() and cell.strip().lower() in _WORDS)


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


def has_decimal_commas(cells: Sequence[str]) -> bool:
    """Return whether commas are decimal ones in the cells of a column of numbers, and not between thousands."""
    present = [cell.strip() for cell in cells]
    marked = [cell for cell in present if "," in cell]
    numbers = all(_DECIMAL_COMMA.fullmatch(cell) for cell in marked) and all(
        _NUMBER.fullmatch(cell) and "." not in cell for cell in present if "," not in cell
    )
    return bool(marked) and numbers and not all(map(_THOUSANDS.fullmatch, marked))


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
    text = cell.strip()
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


def decimals_of(values: np.ndarray, at_least: int, limit: int = _NO_GRID) -> int:
    """The fewest decimals, from `at_least` up, with which all finite values are written exactly; `limit` if none do."""
    finite = values[np.isfinite(values)]
    largest = float(np.abs(finite).max(initial=0.0))
    for decimals in range(at_least, limit):
        scale = 10.0**decimals
        if largest * scale >= 2.0**52:
            break
        if (np.rint(finite * scale) / scale == finite).all():
            return decimals
    return limit


def shortened(tolerance: Tolerance, decimals: int) -> tuple[str, Tolerance]:
    """Return how numbers under a tolerance are cut in the text, and the tolerance that leaves room for it.

    Parameters
    ----------
    decimals
        With so many all original values are written exactly; `_NO_GRID` for more.

    Returns
    -------
    how
        `~3`: rounded to three decimals. `~g6`: to six digits. `~g6r2:0.001`: or to fewer where originals of two decimals
        stay inside the tolerance. Empty: not at all, as where some values stay exact or on their side.
    tolerance
        For whatever restores the values: its error and that of the rounding stay within the one given.
    """
    # A cut may put a value on a special one, or on the other side, and adds to errors on average.
    if tolerance.fill or tolerance.thresholds or tolerance.mean:
        return "", tolerance
    if tolerance.kind == "free":
        return "~g7", tolerance
    value = tolerance.value
    grid = Grid(decimals, tolerance.kind[0], value) if decimals < _NO_GRID else ""
    if tolerance.kind == "abs" and value > 0:
        return _shortened_to_places(tolerance, decimals, grid)
    if tolerance.kind == "rel" and value > 0:
        digits = 1 - math.floor(math.log10(2 * _SHARE * value / (1 + value) * (1 + 1e-9)))
        if digits < _DIGITS:
            return f"~g{digits}{grid}", replace(tolerance, value=rounded_down(value * (1 - _SHARE)))
    if tolerance.kind == "bits" and grid:
        return f"~g{_DIGITS}{grid}", tolerance
    return "", tolerance


def _shortened_to_places(tolerance: Tolerance, decimals: int, grid: Grid | str) -> tuple[str, Tolerance]:
    """Return the same for an absolute tolerance: rounded to decimals."""
    value = tolerance.value
    places = max(0, -math.floor(math.log10(2 * _SHARE * value * (1 + 1e-9))))
    # Rounded to the originals' own decimals, an error of less than n + 1/2 of their last digit is at most n of it.
    steps = min(value * SAFETY * 10.0**decimals, _MANY_STEPS)
    half = math.floor(steps) + 0.49
    if decimals < _NO_GRID and decimals <= places and steps >= 1 and steps <= half * _WORTH:
        return f"~{decimals}", replace(tolerance, value=min(value, rounded_down(half * 10.0**-decimals)))
    if places > 15:
        return "", tolerance
    less = rounded_down(value - max(0.5 * 10.0**-places, value * 1e-6))
    return f"~{places}{grid if places > decimals else ''}", replace(tolerance, value=less)


def shortened_in_place(tolerance: Tolerance, decimals: int) -> tuple[str, Tolerance]:
    """Return the same for a table of fixed width, whose cells have no room for more decimals than the originals had.

    Only an absolute tolerance tells how far all values may move on their own decimals: under others they stay exact.
    """
    if tolerance.fill or tolerance.thresholds or tolerance.mean:
        return "", Tolerance("exact")
    if tolerance.kind == "free" and decimals < _NO_GRID:
        return f"~{decimals}", tolerance
    if tolerance.kind != "abs" or decimals == _NO_GRID:
        return "", Tolerance("exact")
    half = math.floor(min(tolerance.value * SAFETY * 10.0**decimals, _MANY_STEPS)) + 0.49
    return f"~{decimals}", replace(tolerance, value=min(tolerance.value, rounded_down(half * 10.0**-decimals)))


def cut(values: np.ndarray, how: str) -> np.ndarray:
    """Return float64 values rounded as `shortened` defines; a zero has no sign, which would make its cell longer."""
    return _rounded(values, how) + 0.0 if how else values


def _rounded(values: np.ndarray, how: str) -> np.ndarray:
    rounded, grid = re.fullmatch(r"~(g?\d+)(.*)", how, re.DOTALL).groups()  # type: ignore[union-attr]
    digits = int(rounded.removeprefix("g"))
    pattern = f"%.{digits}g" if rounded.startswith("g") else f"%.{digits}f"
    short = np.array(list(map(float, map(pattern.__mod__, values.tolist()))), np.float64)
    if not grid:
        return short
    on = Grid.parse(grid)
    if on.kind == "a":
        inner = shortened(Tolerance("abs", on.tolerance), _NO_GRID)[1].value
        return on.shorten(values, short, np.full(len(values), digits), inner)
    with np.errstate(all="ignore"):
        places = digits - 1 - np.floor(np.log10(np.abs(short)))
    return on.shorten(values, short, places, on.tolerance * (1 - _SHARE))
