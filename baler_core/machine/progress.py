"""Show progress of training and choosing; silent without a terminal."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tqdm import tqdm

Counting = AbstractContextManager[Callable[[int], object]]
"""Gives what is called with more bytes."""


@contextmanager
def counted(title: str, total: int) -> Iterator[Callable[[int], object]]:
    """A bar on standard error of how many of `total` bytes are done; what it gives is called with more bytes."""
    with _bar(total=total, desc=title, unit="B", unit_scale=True) as bar:
        yield _nothing if bar is None else bar.update


@contextmanager
def _bar(**options: Any) -> Iterator[tqdm[Any] | None]:
    """A bar, or None where standard error is no terminal: the library for it takes a while to load."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    # Its own lock is one between processes, of which there is one here, and takes long to make.
    tqdm.set_lock(threading.RLock())
    with tqdm(**options) as bar:
        yield bar


def _nothing(_: object) -> None:
    """Show nothing."""


UNCOUNTED: Counting = nullcontext(_nothing)
"""For bytes whose total is not known beforehand."""


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
    with _bar(total=total, desc=title, unit=unit, leave=False) as bar:

        def step(rate: str) -> None:
            assert bar is not None
            bar.update()
            bar.set_postfix_str(rate)

        yield _nothing if bar is None else step


def bits_per_row(size: float, rows: int) -> str:
    """Return bytes of all columns as bits per row."""
    return f"{8 * size / max(1, rows):.1f} bits/row"


def bits_per_value(size: float, values: int) -> str:
    """Return bytes of all values as bits per value."""
    return f"{8 * size / max(1, values):.3f} bits/value"
