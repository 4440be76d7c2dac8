"""Compare the headers of a restored file with the original ones, and describe the differences in sentences."""

from __future__ import annotations

from collections import Counter

from baler_fits.contents.headers import Keywords, cards_of, keyword_of
from baler_fits.schema.skeleton import Bones

# Cards that follow from the values and their place in the file.
_SUMS = ("CHECKSUM", "DATASUM")
_STORAGE = ("NAXIS1", "PCOUNT", "THEAP")
LISTED = 6


def what_differs(place: int, bones: Bones, header: str, loose_tiles: int = 0) -> list[str]:
    """Return how the header of an HDU of the restored file differs from the original.

    Parameters
    ----------
    place
        Number of the HDU in the restored file.
    header
        As it is written.
    loose_tiles
        How many tiles of quantised floats had to be gzipped instead.
    """
    where = f"HDU {place}"
    if name := Keywords(bones.header).text("EXTNAME"):
        where += f" ({name})"
    sentences: list[str] = []
    if bones.moved:
        sentences.append(
            f"{where}: the arrays of variable length have the same values, but another order in the file: they lay with "
            f"gaps, shared places or out of order"
        )
    if loose_tiles:
        sentences.append(
            f"{where}: {loose_tiles} tiles are compressed with gzip, since {Keywords(header).text('ZCMPTYPE')} of "
            f"quantised pixels would not keep the restored ones"
        )
    if header == bones.header:
        return sentences
    before, after = _by_keyword(bones.header), _by_keyword(header)
    if algorithm := _changed_algorithm(before, after):
        sentences.append(
            f"{where}: the tiles are compressed with {algorithm}, which would not keep the restored pixels"
        )
    if changed := _changed_keywords(bones.header, header):
        more = f" and {len(changed) - LISTED} more" if len(changed) > LISTED else ""
        sentences.append(f"{where}: the header differs from the original: {', '.join(changed[:LISTED])}{more}")
    return sentences


def _changed_keywords(original: str, restored: str) -> list[str]:
    """List the keywords whose cards differ between two headers, but for checksums and how arrays are stored."""
    before, after = _by_keyword(original), _by_keyword(restored)
    changed: list[str] = []
    for keyword in dict.fromkeys([*before, *after]):
        if keyword in _SUMS or keyword in _STORAGE or keyword.startswith("TFORM"):
            continue
        old, new = before.get(keyword, Counter()), after.get(keyword, Counter())
        if old and not new:
            changed.append(f"{keyword} is gone")
        elif new and not old:
            changed.append(f"{keyword} is new")
        elif old != new:
            changed.append(f"{keyword} is {_value(restored, keyword)}, was {_value(original, keyword)}")
    return changed


def _by_keyword(header: str) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for card in cards_of(header):
        found.setdefault(keyword_of(card), Counter())[card] += 1
    return found


def _changed_algorithm(before: dict[str, Counter[str]], after: dict[str, Counter[str]]) -> str:
    """`GZIP_2 in place of RICE_1` where that is so."""
    names = [Keywords("".join(cards.get("ZCMPTYPE", ()))).text("ZCMPTYPE") for cards in (before, after)]
    return f"{names[1]} in place of {names[0]}" if names[0] != names[1] else ""


def _value(header: str, keyword: str) -> object:
    return Keywords(header).get(keyword)
