"""Compares two text tables word by word: the same words in the same lines, numbers within a relative bound."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from pathlib import Path

# What stands between cells, whatever the format.
_LONGEST = 6
_BETWEEN = re.compile(r"[,;|\s\"]+")


def text_differences(original: Path, restored: Path, rel: float) -> Iterator[str]:
    """Tell which words differ, apart from numbers with a fraction or an exponent within a relative bound."""
    before, after = (path.read_bytes().decode("utf-8", "surrogateescape").splitlines() for path in (original, restored))
    if len(before) != len(after):
        yield f"{len(before)} lines became {len(after)}"
    for number, (x, y) in enumerate(zip(before, after, strict=False), start=1):
        if x != y and not _is_within(x, y, Decimal(rel) * Decimal("1.000000001")):
            yield f"line {number}: {x[:60]!r} became {y[:60]!r}"


def _is_within(line: str, other: str, rel: Decimal) -> bool:
    words, others = (_BETWEEN.split(text.strip()) for text in (line, other))
    return len(words) == len(others) and all(
        x == y or _is_near(x, y, rel) or _is_near(x.replace(",", "."), y.replace(",", "."), rel)
        for x, y in zip(words, others, strict=True)
    )


def _is_near(word: str, other: str, rel: Decimal) -> bool:
    """Whether both are numbers within the bound; long whole ones, which may be ids, must be the same."""
    try:
        x, y = Decimal(word), Decimal(other)
    except InvalidOperation:
        return False
    is_long = word.lstrip("+-").isdigit() and len(word) > _LONGEST
    return not is_long and abs(x - y) <= rel * abs(x)
