"""How the cells of a table are padded with blanks: aligned right or left, in fields of fixed width."""

from __future__ import annotations

import re
from collections.abc import Sequence

from baler_core.builtin.readers.csv.text import body

Span = tuple[int, int]
# Less than this share of the lines in columns, and the padding has no rule.
_ENOUGH = 0.6


def alignments(
    lines: Sequence[str], quote: str, *, columns: Sequence[Sequence[str]] = (), cuts: Sequence[Span] = ()
) -> list[str]:
    """Return the padding of each column, as `Layout.fields` has it; nothing if there is none.

    Parameters
    ----------
    lines
        Of a table in which blanks separate, or of fixed width.
    columns
        Else the cells of each column, blanks included.
    cuts
        Where the cells of a table of fixed width stand.
    """
    if columns:
        stated = [_padding(cells) for cells in columns]
        return stated if any(stated) else []
    bodies = [body(line) for line in lines]
    spans = [_cut_spans(line, cuts) if cuts else _spans(line, quote) for line in bodies]
    pairs = [(line, places) for line, places in zip(bodies, spans, strict=True) if places]
    width = max(map(len, spans), key=lambda n: sum(len(s) == n for s in spans), default=0)
    pairs = [(line, places) for line, places in pairs if len(places) == width]
    if not pairs or (not cuts and all(line == " ".join(line[a:b] for a, b in places) for line, places in pairs)):
        return []
    return _aligned(pairs, width)


def _spans(line: str, quote: str) -> list[Span]:
    pattern = rf"{re.escape(quote)}(?:[^{quote}]|{re.escape(quote * 2)})*{re.escape(quote)}|\S+" if quote else r"\S+"
    return [found.span() for found in re.finditer(pattern, line)]


def _cut_spans(line: str, cuts: Sequence[Span]) -> list[Span]:
    spans = []
    for start, end in cuts:
        cell = line[start:end]
        lead = len(cell) - len(cell.lstrip())
        spans.append((start + lead, start + len(cell.rstrip())) if cell.strip() else (-1, -1))
    return spans


def _aligned(pairs: Sequence[tuple[str, Sequence[Span]]], width: int) -> list[str]:
    """`>8` and `<8` of each column, whose widths make up the line."""
    sides: list[str] = []
    begins: list[int] = []
    ends: list[int] = []
    for place in range(width):
        there = [spans[place] for _, spans in pairs if spans[place][1] > 0]
        starts, stops = [a for a, _ in there] or [0], [b for _, b in there] or [0]
        start, stop = max(set(starts), key=starts.count), max(set(stops), key=stops.count)
        right, left = stops.count(stop), starts.count(start)
        # Cells of one length tell nothing: aligned as those before them.
        sides.append((sides or [">"])[-1] if right == left else ">" if right > left else "<")
        begins.append(start)
        ends.append(stop if sides[-1] == ">" else max(stops))
    stated, position = [], 0
    for place, side in enumerate(sides):
        start = position if side == ">" else max(position, begins[place])
        if place + 1 == width:
            longest = max(len(line) for line, _ in pairs)
            trailing = all(len(line) == longest for line, _ in pairs)
            stop = ends[place] if side == ">" else (longest if trailing else start)
        elif side == "<" and sides[place + 1] == "<":
            stop = begins[place + 1]
        else:
            stop = ends[place]
        stop = max(start, stop)
        stated.append(" " * min(start - position, 999) + f"{side}{min(stop - start, 9999)}")
        if place + 1 == width and side == ">" and all(len(line) == stop + 1 for line, _ in pairs):
            stated[-1] += " "
        position = stop
    return stated


def _padding(cells: Sequence[str]) -> str:
    """The padding of one column between separators."""
    if all(cell == cell.strip(" ") for cell in cells):
        return ""
    best, most = "", _ENOUGH * len(cells)
    for before in ("", " "):
        for behind in ("", " "):
            inner = [
                c[len(before) : len(c) - len(behind)] for c in cells if c.startswith(before) and c.endswith(behind)
            ]
            lengths = list(map(len, inner))
            usual = max(set(lengths), key=lengths.count) if lengths else 0
            for stated in (f"{before}{behind}", f"{before}>{usual}{behind}", f"{before}<{usual}{behind}"):
                hits = sum(_pad(cell.strip(" "), stated, before, behind, usual) == cell for cell in cells)
                if hits > most:
                    best, most = stated, hits
    return best


def _pad(cell: str, stated: str, before: str, behind: str, width: int) -> str:
    if ">" in stated:
        cell = cell.rjust(width)
    elif "<" in stated:
        cell = cell.ljust(width)
    return before + cell + behind


def fixed_cuts(lines: Sequence[str]) -> tuple[Span, ...]:
    """Where the cells of a table of fixed width stand: between the columns of characters that are blank in all lines."""
    bodies = [body(line).rstrip() for line in lines]
    if len(bodies) < 3:
        return ()
    longest = max(map(len, bodies))
    if longest > 10_000 or any("\t" in line for line in bodies):
        return ()
    taken = [any(line[place : place + 1].strip() for line in bodies) for place in range(longest)]
    edges = [
        place for place in range(longest + 1) if (place < longest and taken[place]) != (place > 0 and taken[place - 1])
    ]
    cuts = tuple(zip(edges[::2], edges[1::2], strict=True))
    return cuts if len(cuts) > 1 else ()
