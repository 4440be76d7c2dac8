"""Hold the arrays of figures as small records, and store them in one .npz file."""

from __future__ import annotations

import dataclasses
import json
import math
import zipfile
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

import numpy as np

from baler_core.errors import DataError
from baler_core.machine.records import dataclass


@dataclass(frozen=True)
class Histogram:
    """Counts in bins.

    Attributes
    ----------
    edges
        float64, (bins + 1,), physical units.
    counts
        int64, (bins,).
    below, above
        Values outside the edges.
    """

    edges: np.ndarray
    counts: np.ndarray
    below: int = 0
    above: int = 0


@dataclass(frozen=True)
class Distribution:
    """A variable before and after, and what it lost.

    Attributes
    ----------
    before, after
        In the same bins.
    logarithmic
        Whether the bins are equal in the logarithm of the value.
    zeros
        Values that are 0 before and after, where the bins are logarithmic.
    response, residual
        From a random sample of `sampled` of the variable's `values` pairs.
    undefined
        Responses that are infinite and that are NaN, in the whole variable.
    response_moments, residual_moments
        Mean and RMS of all defined ones.
    """

    before: Histogram
    after: Histogram
    response: Histogram
    residual: Histogram
    logarithmic: bool = False
    zeros: tuple[int, int] = (0, 0)
    values: int = 0
    sampled: int = 0
    undefined: tuple[int, int] = (0, 0)
    response_moments: tuple[float, float] = (0.0, 0.0)
    residual_moments: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Picture:
    """A 2-D slice of a field.

    Attributes
    ----------
    original, difference
        float32, 2-D, physical units; NaN where fill or not finite. difference = restored - original.
    dims
        Names of its axes: vertical, horizontal.
    place
        Where the slice lies in the field (`time 12 of 24`); empty for a whole 2-D field.
    step
        Every how many points along each axis were taken.
    extent
        Coordinates of (left, right, bottom, top) where the file has coordinates; else indices.
    axis_units
        Units of the two axes' coordinates.
    """

    original: np.ndarray
    difference: np.ndarray
    dims: tuple[str, str]
    place: str = ""
    step: tuple[int, int] = (1, 1)
    extent: tuple[float, float, float, float] = (0.0, 1.0, 0.0, 1.0)
    axis_units: tuple[str, str] = ("", "")


@dataclass(frozen=True)
class Drawings:
    """Distributions and pictures by variable, in the file's order, and distributions of derived quantities."""

    distributions: Mapping[str, Distribution] = field(default_factory=dict)
    pictures: Mapping[str, Picture] = field(default_factory=dict)
    derived: Mapping[str, Distribution] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write them as a .npz of plain arrays, one of them an index in JSON."""
        pool = _Pool()
        index = {
            "distributions": {name: _put(record, pool) for name, record in self.distributions.items()},
            "pictures": {name: _put(record, pool) for name, record in self.pictures.items()},
        }
        index["derived"] = {name: _put(record, pool) for name, record in self.derived.items()}
        arrays = {dtype: np.concatenate(parts) for dtype, parts in pool.parts.items()}
        arrays["index"] = np.array(json.dumps(index))
        np.savez_compressed(path, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, path: Path) -> Drawings:
        """Invert `save`.

        Raises
        ------
        DataError
            If the file is missing or not as `save` wrote it.
        """
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                index = json.loads(str(stored["index"]))
                arrays = {key: stored[key] for key in stored.files if key != "index"}
            return cls(
                {name: _take(Distribution, record, arrays) for name, record in index["distributions"].items()},
                {name: _take(Picture, record, arrays) for name, record in index["pictures"].items()},
                {name: _take(Distribution, record, arrays) for name, record in index.get("derived", {}).items()},
            )
        except (OSError, KeyError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise DataError(f"{path}: cannot be drawn from ({error}). Run 'baler evaluate' again") from error


class _Pool:
    """Arrays of one dtype behind each other, equal ones once: thousands of short arrays would be mostly their names."""

    def __init__(self) -> None:
        self.parts: dict[str, list[np.ndarray]] = {}
        self._ends: dict[str, int] = {}
        self._known: dict[tuple[str, bytes], int] = {}

    def add(self, values: np.ndarray) -> dict[str, Any]:
        """Put an array in; returns where it is."""
        dtype = values.dtype.str
        end = self._ends.get(dtype, 0)
        start = self._known.setdefault((dtype, values.tobytes()), end)
        if start == end and values.size:
            self.parts.setdefault(dtype, []).append(values.ravel())
            self._ends[dtype] = end + values.size
        return {"array": dtype, "start": start, "shape": list(values.shape)}


def _put(record: Any, pool: _Pool) -> dict[str, Any]:
    """A record as JSON, its arrays moved to the pool."""
    stored: dict[str, Any] = {}
    for item in dataclasses.fields(record):
        value = getattr(record, item.name)
        if isinstance(value, np.ndarray):
            stored[item.name] = pool.add(value)
        else:
            stored[item.name] = _put(value, pool) if dataclasses.is_dataclass(value) else value
    return stored


def _array(place: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """The array that `_Pool.add` put there."""
    shape, start = tuple(place["shape"]), int(place["start"])
    size = math.prod(shape)
    return arrays[place["array"]][start : start + size].reshape(shape) if size else np.zeros(shape, place["array"])


def _take(kind: type[Any], record: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Any:
    """Invert `_put`."""
    values: dict[str, Any] = {}
    for key, value in record.items():
        if isinstance(value, dict):
            values[key] = _array(value, arrays) if "array" in value else _take(Histogram, value, arrays)
        else:
            values[key] = tuple(value) if isinstance(value, list) else value
    return kind(**values)
