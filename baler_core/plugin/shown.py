"""Define how the libraries of a format show a file without its values: groups, names, dimensions, attributes, encodings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

import numpy as np

from baler_core.machine.records import dataclass


@dataclass(frozen=True)
class ShownVariable:
    """A variable as the libraries of its format show it.

    Attributes
    ----------
    name, group
        Its name in its group, and the path of that, without a leading slash (`` for the root).
    parts
        Variables of the schema that hold its values, by the members of an element that lead to them; `()` for the whole.
    dims, shape
        Of all its values. Where the schema has fewer rows, the rest is `padding`.
    dtype
        Of its elements. Stored integers of the other sign, and booleans, are seen as these; object for text, or numpy's
        `StringDType`.
    attributes
        As the file has them: fill values, packing and units among them.
    encoding
        How the file stores it, in the words of xarray.
    padding
        What rows show that were never written.
    cells
        dtype of the numbers that each cell holds as bytes; empty where cells are no runs of numbers.
    """

    name: str
    group: str
    parts: Mapping[tuple[str, ...], str]
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    encoding: Mapping[str, Any] = field(default_factory=dict)
    padding: Any = None
    cells: str = ""


@dataclass(frozen=True)
class ShownGroup:
    """A group as the libraries of its format show it.

    Attributes
    ----------
    attributes
        Of the group itself.
    unlimited
        Dimensions of the group that may grow.
    """

    attributes: Mapping[str, Any] = field(default_factory=dict)
    unlimited: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Shown:
    """A file as the libraries of its format show it.

    Attributes
    ----------
    groups
        By path, without a leading slash; the root, which is empty, first.
    variables
        In the order of the file.
    """

    groups: Mapping[str, ShownGroup]
    variables: Sequence[ShownVariable]
