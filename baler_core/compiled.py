"""Turns loops over integers into machine code, kept on disk between runs where a place can be found for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numba

Function = TypeVar("Function", bound=Callable[..., object])


def compiled(function: Function) -> Function:
    """`function` as machine code that releases Python's lock; exact on integers, checked nowhere."""
    try:
        machine: Function = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # neither the package's folder nor the user's can be written to
        machine = numba.njit(nogil=True)(function)
    return machine
