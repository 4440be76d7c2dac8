"""Edit the headers of the restored file: the original ones without the parts that were not selected."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from baler_fits.contents.fields import Unit
from baler_fits.contents.headers import Keywords, cards_of, keyword_of, set_values
from baler_fits.values.heap import MAX_UNUSED

_IMAGE_CARDS = re.compile(r"(NAXIS\d+|BSCALE|BZERO|BLANK|GROUPS|PCOUNT|GCOUNT|P(TYPE|SCAL|ZERO)\d+|DATASUM|CHECKSUM)$")
_COLUMN_CARDS = re.compile(
    r"(T(?:TYPE|FORM|UNIT|NULL|SCAL|ZERO|DISP|DIM|DMIN|DMAX|LMIN|LMAX|CTYP|CUNI|CRPX|CRVL|CDLT|CROT|UCD|COMM|DESC))(\d+)$"
)


def without_image(header: str) -> str:
    """Return a primary header whose image was not taken: NAXIS = 0, everything else as it was."""
    return set_values(_without(header, lambda keyword: bool(_IMAGE_CARDS.match(keyword))), {"NAXIS": 0})


def without_columns(header: str, unit: Unit, dropped: Iterable[int]) -> str:
    """Return a table header without the columns of these numbers (from 1); the others are numbered anew."""
    gone = set(dropped)
    count = Keywords(header).whole("TFIELDS")
    kept = [n for n in range(1, count + 1) if n not in gone]
    numbers = {old: new for new, old in enumerate(kept, start=1)}

    def unwanted(keyword: str) -> bool:
        match = _COLUMN_CARDS.match(keyword)
        return bool(match) and int(match[2]) in gone if match else False

    cards: list[str] = []
    for card in cards_of(_without(header, unwanted)):
        match = _COLUMN_CARDS.match(keyword_of(card))
        if match and int(match[2]) in numbers:
            card = f"{match[1] + str(numbers[int(match[2])]):<8}{card[8:]}"
        cards.append(card)
    row_bytes = unit.row_bytes - sum(field.row_bytes for field in unit.fields if field.column in gone)
    return set_values("".join(cards), {"TFIELDS": len(kept), "NAXIS1": row_bytes})


def with_heap(header: str, unit: Unit, length: int) -> str:
    """A table header whose heap holds `length` bytes, as far behind the rows as it was in `unit` within reason."""
    keywords = Keywords(header)
    table = keywords.whole("NAXIS1") * keywords.whole("NAXIS2")
    gap = unit.heap - unit.rows * unit.row_bytes
    gap = gap if length and gap <= MAX_UNUSED else 0
    values: dict[str, int | str] = {"PCOUNT": gap + length}
    if keywords.get("THEAP") is not None:
        values["THEAP"] = table + gap
    return set_values(header, values)


def _without(header: str, unwanted: Callable[[str], bool]) -> str:
    """The header without some cards and what continues them."""
    cards: list[str] = []
    dropping = False
    for card in cards_of(header):
        keyword = keyword_of(card)
        dropping = dropping if keyword == "CONTINUE" else unwanted(keyword)
        if not dropping:
            cards.append(card)
    return "".join(cards)
