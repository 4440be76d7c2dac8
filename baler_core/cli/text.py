"""Format plain text for the terminal: aligned tables, sizes, numbers, and JSON for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import click


def printable(text: str, *, lines: bool = False) -> str:
    r"""Text as a terminal may get it: whatever is no printable character becomes its escape (`\x1b`), which does nothing.

    Names and messages may hold what a stranger's file says.

    Parameters
    ----------
    lines
        Whether line feeds stay.
    """
    return "".join(
        c if c.isprintable() or (lines and c == "\n") else c.encode("unicode_escape").decode("ascii") for c in text
    )


def print_box(title: str, sentences: Sequence[str], *, err: bool = False) -> None:
    """Sentences that cannot be overlooked, under a title between two rules."""
    rule = "!" * 78
    lines = [f"\n{rule}", printable(title), *(f"  - {printable(sentence)}" for sentence in sentences), rule]
    click.echo("\n".join(lines), err=err)


def print_table(rows: Sequence[Sequence[str]], *, header: Sequence[str] = (), indent: str = "") -> None:
    """Columns aligned to the left; trailing blanks removed."""
    lines = [[printable(cell) for cell in line] for line in ([header, *rows] if header else rows)]
    widths = [
        max((len(row[i]) for row in lines if i < len(row)), default=0) for i in range(max(map(len, lines), default=0))
    ]
    for line in lines:
        click.echo(indent + "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=False)).rstrip())


def print_json(value: Any) -> None:
    """Valid JSON: what is not finite becomes null."""
    click.echo(json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def bytes_text(size: int) -> str:
    """`1,234 B`, `1.2 MB`: exact below 100 kB, powers of 1000 above."""
    if size < 100_000:
        return f"{size:,} B"
    for unit, factor in (("kB", 1e3), ("MB", 1e6), ("GB", 1e9)):
        if size < 1000 * factor:
            return f"{size / factor:.4g} {unit}"
    return f"{size / 1e12:,.4g} TB"
