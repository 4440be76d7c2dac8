"""Read the keywords of header cards, and edit cards without changing any other byte."""

from __future__ import annotations

import math
import re
import warnings
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from astropy.io import fits

CARD = 80
BLOCK = 2880
Number: TypeAlias = int | float

_VALUE = re.compile(r"\s*('(?:[^']|'')*'|[^/]*?)\s*(/.*)?$")


class Keywords:
    """Keywords and values of one header; malformed values read as missing.

    Parameters
    ----------
    text
        All cards of the header unit up to END, 80 characters each.
    """

    def __init__(self, text: str) -> None:
        from astropy.io import fits

        printable = "".join(c if " " <= c <= "~" else "?" for c in text)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._header: fits.Header = fits.Header.fromstring(printable)

    def get(self, keyword: str) -> object:
        """Return the value of a keyword; None where it is missing, undefined or not legal FITS."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                value = self._header.get(keyword)
            except Exception:  # astropy's verification raises many kinds on cards that are not FITS
                return None
        return value if isinstance(value, bool | int | float | str) else None

    def whole(self, keyword: str, default: int = 0) -> int:
        """Return an integer keyword."""
        value = self.get(keyword)
        return value if isinstance(value, int) and not isinstance(value, bool) else default

    def number(self, keyword: str, default: Number = 0.0) -> Number:
        """Return a finite number, as the int or float it was written as."""
        value = self.get(keyword)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return default
        return value

    def text(self, keyword: str) -> str:
        """Return a string keyword, long ones (CONTINUE) joined, trailing blanks removed."""
        value = self.get(keyword)
        return value.rstrip() if isinstance(value, str) else ""

    def flag(self, keyword: str) -> bool:
        """Return whether a logical keyword is true."""
        return self.get(keyword) is True

    def comment(self, keyword: str) -> str:
        """Return the comment on a keyword's card."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return str(self._header.comments[keyword]).strip() if keyword in self._header else ""
            except Exception:  # as in `get`
                return ""


def cards_of(text: str) -> list[str]:
    """Return the cards of a header, 80 characters each."""
    return [text[at : at + CARD] for at in range(0, len(text), CARD)]


def keyword_of(card: str) -> str:
    """Return the keyword a card starts with."""
    return card[:8].rstrip()


def with_value(card: str, value: int | str) -> str:
    """Return the card with another value; keyword and comment stay where they are if there is room."""
    written = f"'{value:<8}'" if isinstance(value, str) else f"{value:>20}"
    new = f"{card[:8]}= {written:<20}"
    match = _VALUE.match(card[10:])
    comment = match.group(2) if match else None
    if comment:
        column = 10 + match.start(2) if match else 0
        new = f"{new:<{column}}" if len(new) < column else f"{new} "
        new += comment.rstrip()
    return f"{new:<{CARD}}"[:CARD]


def set_values(text: str, values: dict[str, int | str]) -> str:
    """Return the header with other values on existing cards (the first card of each keyword)."""
    left = dict(values)
    return "".join(
        with_value(card, left.pop(keyword_of(card))) if keyword_of(card) in left else card for card in cards_of(text)
    )


def header_bytes(text: str, padding: bytes | None = None) -> bytes:
    """The header as it stands in a file: padded to whole blocks of 2880 bytes, with blanks if nothing else is known."""
    raw = text.encode("latin-1")
    return raw.ljust(-(-len(raw) // BLOCK) * BLOCK, b" ") if padding is None else raw + padding
