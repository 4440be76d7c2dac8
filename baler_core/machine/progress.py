"""Show progress of training and choosing; silent without a terminal."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

from baler_core.data.variables import Layout


@contextmanager
def shown(title: str, unit: str, total: int | None = None) -> Iterator[Callable[[str], None]]:
    """A bar on standard error while the body runs; what it gives is called after each step, with a rate to show.

    Parameters
    ----------
    unit
        What a step is called.
    total
        How many there will be, if that is known.
    """
    with tqdm(total=total, desc=title, unit=unit, disable=None, leave=False) as bar:

        def step(rate: str) -> None:
            bar.update()
            bar.set_postfix_str(rate)

        yield step


def rate(layout: Layout, size: float) -> str:
    """`size` bytes as bits per row of a table, or per value of fields."""
    if layout.kind == "grid":
        return bits_per_value(size, sum(math.prod(layout.shape(variable)) for variable in layout.variables))
    return bits_per_row(size, layout.shape(layout.variables[0])[0] if layout.variables[0].dims else 1)


def bits_per_row(size: float, rows: int) -> str:
    """Return bytes of all columns as bits per row."""
    return f"{8 * size / max(1, rows):.1f} bits/row"


def bits_per_value(size: float, values: int) -> str:
    """Return bytes of all values as bits per value."""
    return f"{8 * size / max(1, values):.3f} bits/value"
