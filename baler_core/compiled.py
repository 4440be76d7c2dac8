"""Turns loops over integers into machine code, kept on disk between runs where a place can be found for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar, cast

import numba
import numpy as np

Function = TypeVar("Function", bound=Callable[..., object])
Array: TypeAlias = np.ndarray[Any, Any]
Integer: TypeAlias = Any  # in compiled loops int and numpy.int64 are one


def compiled(function: Function) -> Function:
    """`function` as machine code that releases Python's lock; exact on integers, checked nowhere."""
    try:
        machine: Any = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # neither the package's folder nor the user's can be written to
        machine = numba.njit(nogil=True)(function)
    return cast(Function, machine)
