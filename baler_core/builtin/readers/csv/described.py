"""Read what tables of fixed width say of their columns above the rows: those of IPAC, and machine-readable ones (AAS, CDS)."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from baler_core.builtin.readers.csv.numbers import is_number
from baler_core.builtin.readers.csv.text import RULE, body
from baler_core.machine.records import dataclass

_IPAC_TYPES = re.compile(r"i(nt(eger)?)?|l(ong)?|f(loat)?|d(ouble)?|r(eal)?|c(har)?|t|date", re.IGNORECASE)
_BYTES = re.compile(r"\s*(?:(\d+)\s*-)?\s*(\d+)\s+([AIFEDL]\S*)\s+(\S+)\s+(\S+)(?:\s+(.*?))?\s*")
_NULL = re.compile(r"(?:[\[\]][^\[\]]*[\[\]])?\s*\?=(\S+)")
_NO_UNIT = frozenset({"", "-", "--", "---", "null"})


@dataclass(frozen=True)
class DescribedTable:
    """The columns of a table, as its header describes them.

    Attributes
    ----------
    lines
        How many lines come before the rows.
    cuts
        Where the cells of each column stand.
    nulls
        The number that stands for "no value" in each column, as it is written; empty for none.
    """

    lines: int
    names: tuple[str, ...]
    units: tuple[str, ...]
    labels: tuple[str, ...]
    nulls: tuple[str, ...]
    cuts: tuple[tuple[int, int], ...]


def described(lines: Sequence[str]) -> DescribedTable | None:
    """Return what the first lines of a table say of its columns; None if they are no such header."""
    return _ipac(lines) or _byte_by_byte(lines)


def _ipac(lines: Sequence[str]) -> DescribedTable | None:
    """Names, types, units and nulls between bars, which stand where no cell has a character."""
    start = sum(1 for _ in itertools.takewhile(lambda line: line.startswith("\\"), lines))
    head = [body(line).rstrip() for line in itertools.takewhile(lambda line: line.startswith("|"), lines[start:])]
    bars = [[place for place, mark in enumerate(line) if mark == "|"] for line in head]
    if not 2 <= len(head) <= 4 or len(bars[0]) < 2 or any(places != bars[0] for places in bars):
        return None
    cuts = tuple((left + 1, right) for left, right in itertools.pairwise(bars[0]))
    names, types, units, nulls = ([line[a:b].strip(" -") for a, b in cuts] for line in [*head, "", ""][:4])
    if not all(names) or not all(map(_IPAC_TYPES.fullmatch, types)):
        return None
    nulls = [line.strip() for line in (head[3][a:b] for a, b in cuts)] if len(head) > 3 else nulls
    return _checked(start + len(head), names, units, [""] * len(names), nulls, cuts)


def _byte_by_byte(lines: Sequence[str]) -> DescribedTable | None:
    """The rows `1- 8 F8.4 mag Vmag ? Magnitude` of a machine-readable table, which ends its header with a rule."""
    begin = next((n for n, line in enumerate(lines) if line.startswith("Byte-by-byte Description")), None)
    if begin is None:
        return None
    rules = [n for n, line in enumerate(lines) if len(set(body(line))) == 1 and RULE.fullmatch(body(line))]
    inner = [n for n in rules if n > begin][:3]
    if len(inner) < 3:
        return None
    found = [m for line in lines[inner[1] + 1 : inner[2]] if (m := _BYTES.fullmatch(body(line)))]
    cuts = tuple((int(m[1] or m[2]) - 1, int(m[2])) for m in found)
    nulls = [null[1] if (null := _NULL.match(m[6] or "")) else "" for m in found]
    return _checked(
        rules[-1] + 1, [m[5] for m in found], [m[4] for m in found], [m[6] or "" for m in found], nulls, cuts
    )


def _checked(
    count: int,
    names: Sequence[str],
    units: Sequence[str],
    labels: Sequence[str],
    nulls: Sequence[str],
    cuts: tuple[tuple[int, int], ...],
) -> DescribedTable | None:
    """The description, if its columns have names of their own and follow each other."""
    ordered = all(0 <= a < b for a, b in cuts) and all(a[1] <= b[0] for a, b in itertools.pairwise(cuts))
    if not names or len(set(names)) < len(names) or not ordered:
        return None
    units = ["" if unit in _NO_UNIT else unit for unit in units]
    nulls = [null if is_number(null) else "" for null in nulls]
    return DescribedTable(count, tuple(names), tuple(units), tuple(labels), tuple(nulls), cuts)
