"""Compile loops over integers to machine code, cached on disk between runs where a folder is writable."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar, cast

import numba
import numpy as np
from numba.cpython.unsafe.tuple import tuple_setitem

Function = TypeVar("Function", bound=Callable[..., object])
Array: TypeAlias = np.ndarray[Any, Any]
Integer: TypeAlias = Any  # in compiled loops int and numpy.int64 are one
# In compiled loops only: a copy of a tuple with one item replaced. Tuples of numbers, unlike arrays, stay in registers, and
# for each length the compiler makes code of its own, with loops over them unrolled.
with_item: Callable[[tuple[Integer, ...], Integer, Integer], tuple[Integer, ...]] = cast(Any, tuple_setitem)


# Loops check nothing, since every place in an array and every shift is shown beside them to be in range, whatever a
# stream says. This has them check each place nevertheless: for tests, with compiled code kept in a folder of its own.
CHECKED = os.environ.get("BALER_CHECKED_LOOPS", "") == "1"


def compiled(function: Function) -> Function:
    """`function` as machine code that releases Python's lock; exact on integers, checked nowhere but where CHECKED."""
    return _to_machine_code(function)


def inlined(function: Function) -> Function:
    """Return the same for a small function that is called for every bit: made part of each function that calls it."""
    return _to_machine_code(function, forceinline=True)


def _to_machine_code(function: Function, *, forceinline: bool = False) -> Function:
    options: dict[str, Any] = {
        "nogil": True,
        "error_model": "numpy",
        "forceinline": forceinline,
        "boundscheck": CHECKED,
    }
    try:
        machine: Any = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # neither the package's folder nor the user's can be written to
        machine = numba.njit(**options)(function)
    return cast(Function, machine)
