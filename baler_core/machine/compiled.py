"""Mark loops that are compiled when the package is built, and run their machine code; plain Python where there is none."""

from __future__ import annotations

import functools
import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, TypeAlias, TypeVar, cast

import numpy as np

from baler_core.machine.loop_library import open_library

Function = TypeVar("Function", bound=Callable[..., object])
Array: TypeAlias = np.ndarray[Any, Any]
Integer: TypeAlias = Any  # in compiled loops int and numpy.int64 are one
INLINED: Final = "__inlined__"
# Numbers that machine code does not tell from those of Python.
_SCALARS = {"int64": "int", "float64": "float", "bool_": "bool"}
# Of the numbers of `ndarray.flags`: C order, aligned, writeable.
_FLAGS = 0x1 | 0x100 | 0x400
_WORD = (1 << 64) - 1
_ARRAY = re.compile(r"(?P<dtype>[a-zA-Z]\d+):(?P<dims>\d+)(?P<layout>[CA])(?P<frozen>r?)")


def compiled(function: Function) -> Function:
    """Mark a function that Python calls; in machine code it releases Python's lock, is exact on integers, and checks nothing.

    The types of arguments that it is compiled for stand in `loop_types.txt`.
    """
    return cast(Function, functools.update_wrapper(Loop(function), function))


def inlined(function: Function) -> Function:
    """Mark a small function that loops call for every bit: it becomes part of each function that calls it."""
    setattr(function, INLINED, True)
    return function


def with_item(items: tuple[Integer, ...], place: Integer, item: Integer) -> tuple[Integer, ...]:
    """Return a copy of a tuple with one item replaced.

    In machine code, tuples of numbers, unlike arrays, stay in registers, and for each length the compiler makes code of
    its own, with loops over them unrolled.
    """
    return (*items[:place], item, *items[place + 1 :])


@inlined
def place_of(number: Integer) -> Integer:
    """Return a place in an array, never negative, as an unsigned number: it needs no check against counting from the end."""
    return np.uint64(number)


def prefetch(array: Array, place: Integer) -> None:
    """Make the processor fetch an item of an array that will be needed; any place will do, and nothing else happens."""


class Loop:
    """A function that runs as machine code for the types of arguments for which there is some.

    Attributes
    ----------
    function
        The same in Python.
    """

    def __init__(self, function: Callable[..., object]) -> None:
        self.function = function
        self._ready: dict[tuple[object, ...], Callable[..., object]] = {}

    def __call__(self, *arguments: Any) -> Any:
        """Run the code for the types of these arguments."""
        types = tuple([_type_of(argument) for argument in arguments])
        ready = self._ready.get(types)
        if ready is None:
            ready = self._ready[types] = self._find(arguments)
        return ready(*arguments)

    def _find(self, arguments: Sequence[Any]) -> Callable[..., object]:
        """Find the machine code for the types of arguments, or make do with Python."""
        library = open_library()
        if library is None:
            return functools.partial(_run_in_python, self.function)
        found = " ".join(map(describe, arguments))
        known = library.codes(self.function.__module__, self.function.__qualname__)
        for types in sorted(known, key=lambda types: types != found):
            fit = _fit(types, found)
            if fit is not None:
                return known[types] if fit == "as it is" else functools.partial(_run_on_copies, known[types])
        warnings.warn(
            f"{self.function.__module__}.{self.function.__qualname__} is not compiled for {found}: it runs in Python, "
            "about 200 times slower; please report this",
            RuntimeWarning,
            stacklevel=3,
        )
        return functools.partial(_run_in_python, self.function)


def _type_of(value: Any) -> object:
    """Return what tells the types of arguments apart: quickly, since it is asked at each call."""
    if isinstance(value, np.ndarray):
        return value.dtype, value.ndim, value.flags.num & _FLAGS
    if isinstance(value, tuple):
        return type(value), tuple([_type_of(item) for item in value])
    return type(value)


def describe(value: Any) -> str:
    """Write the type of an argument as in `loop_types.txt`: `i4:2C`, `u1:1Ar`, `int`, `package.module:Class(f8:1C,bool)`."""
    if isinstance(value, np.ndarray):
        order = "C" if value.flags.c_contiguous else "A"
        kept = "" if value.flags.writeable else "r"
        return f"{value.dtype.str.lstrip('<|=')}:{value.ndim}{order}{kept}"
    if isinstance(value, tuple):
        name = "" if type(value) is tuple else f"{type(value).__module__}:{type(value).__name__}"
        return f"{name}({','.join(map(describe, value))})"
    name = type(value).__name__
    return _SCALARS.get(name, name)


def _fit(types: str, found: str) -> Literal["as it is", "copied"] | None:
    """Say whether code for some types takes arguments of others.

    It does if arrays are in C order where it must be so, and may be written to; what a caller has frozen may be copied.
    """
    if _ARRAY.sub("", types) != _ARRAY.sub("", found):
        return None
    fit: Literal["as it is", "copied"] = "as it is"
    for listed, given in zip(_ARRAY.finditer(types), _ARRAY.finditer(found), strict=True):
        if listed["dtype"] != given["dtype"] or listed["dims"] != given["dims"]:
            return None
        ordered = listed["layout"] == "A" or given["layout"] == "C"
        if not ordered and not given["frozen"]:
            return None
        if given["frozen"] and not (listed["frozen"] and ordered):
            fit = "copied"
    return fit


def _run_on_copies(code: Callable[..., object], *arguments: Any) -> object:
    """Run code with copies of frozen arrays, which only a caller's promise keeps from being written to."""
    return code(*map(_thawed, arguments))


def _thawed(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value if value.flags.writeable else np.array(value, order="C")
    if isinstance(value, tuple):
        items = map(_thawed, value)
        return tuple(items) if type(value) is tuple else type(value)(*items)
    return value


class _Numbers(np.ndarray):
    """An array whose items are numbers of Python, as wide as in compiled loops."""

    def __getitem__(self, place: Any) -> Any:
        item = super().__getitem__(place)
        return item if isinstance(item, np.ndarray) else item.item()

    def __setitem__(self, place: Any, value: Any) -> None:
        if isinstance(value, int) and self.dtype.kind in "iu":  # wraps around, where NumPy would refuse
            value = np.asarray(value & _WORD, np.uint64).astype(self.dtype)
        super().__setitem__(place, value)


def _run_in_python(function: Callable[..., object], *arguments: Any) -> object:
    """Run a loop uncompiled; integers wrap around silently, as they do in machine code."""
    with np.errstate(all="ignore"):
        return function(*map(_with_numbers, arguments))


def _with_numbers(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.view(_Numbers)
    if isinstance(value, tuple):
        items = map(_with_numbers, value)
        return tuple(items) if type(value) is tuple else type(value)(*items)
    return value
