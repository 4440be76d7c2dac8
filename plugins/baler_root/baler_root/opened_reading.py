"""What libraries ask an uproot branch before they read it: its form, and where its values come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Protocol, TypeAlias

import numpy as np
from uproot.language.python import PythonLanguage

Documented: TypeAlias = bool | Mapping[str, str]
"""`ak_add_doc` of uproot: whether arrays get `__doc__`, the title; a mapping, which `uproot.dask` gives, means that too."""


_OF_BASKETS = ("decompression_executor", "interpretation_executor", "array_cache")


class Readable(Protocol):
    """An open branch."""

    def read(self, start: int, stop: int, library: Any) -> Any: ...


class Reading:
    """Stands for uproot's interpretation of a branch: tells the awkward form, and is handed back to `OpenBranch.array`."""

    def __init__(self, branch: Readable) -> None:
        self._branch = branch

    @cached_property
    def _form(self) -> Any:
        return self._branch.read(0, 0, "ak").layout.form

    def awkward_form(self, file: Any = None, *context: Any, **more: Any) -> Any:
        """Return the form of the arrays; arguments are those of uproot, and change nothing."""
        return self._form

    @property
    def numpy_dtype(self) -> np.dtype[Any]:
        """Return the type of one entry in NumPy: an object for lists, texts and records."""
        none = self._branch.read(0, 0, "np")
        return np.dtype((none.dtype, none.shape[1:]))

    def __repr__(self) -> str:
        return f"<baler_root.Reading {self._form.type}>"


@dataclass(frozen=True)
class ReadCounters:
    """What uproot counts of a file's bytes: none, as they are read past it."""

    num_requested_bytes: int = 0
    num_requests: int = 0
    num_requested_chunks: int = 0

    @property
    def performance_counters(self) -> ReadCounters:
        """Return the counters, as of a source of uproot."""
        return self

    def asdict(self) -> dict[str, int]:
        """Return the counters by name."""
        return asdict(self)


def without_ignored(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options without those of uproot that change nothing here: how baskets are read, and the one language."""
    return {
        name: value
        for name, value in options.items()
        if name not in _OF_BASKETS and not (name == "language" and isinstance(value, PythonLanguage))
    }


def documented(array: Any, branch: Any, ak_add_doc: Documented) -> Any:
    """Return an array with its branch's title as `__doc__` where `ak_add_doc` asks for it, as uproot does."""
    import awkward as ak

    title = getattr(branch, "title", None)
    return ak.with_parameter(array, "__doc__", title) if ak_add_doc and title is not None else array
