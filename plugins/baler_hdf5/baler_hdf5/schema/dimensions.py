"""Name the dimensions of HDF5 datasets: those of netCDF, of dimension scales, or generated ones shared by shape."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from baler_hdf5.schema.datasets import StoredDataset

if TYPE_CHECKING:
    import h5py


@dataclass
class DatasetDimensions:
    """The dimensions of all variables.

    Attributes
    ----------
    sizes
        Length by dimension name.
    dims
        Dimension names of each variable, by its name.
    scales
        Path of the dataset that gives a dimension its name, by dimension.
    """

    sizes: dict[str, int] = field(default_factory=dict)
    dims: dict[str, tuple[str, ...]] = field(default_factory=dict)
    scales: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, length: int, taken: Sequence[str] = ()) -> str:
        """Return a dimension of this name and length; the length goes into the name where the name alone is taken."""
        while name in taken or self.sizes.get(name, length) != length:
            name = f"{name}_{length}"
        self.sizes[name] = length
        return name


@dataclass(frozen=True)
class Marks:
    """The dimensions of a dataset by its attributes.

    Attributes
    ----------
    is_scale
        Whether it is a dimension scale.
    number
        Its number, if it stands for a netCDF dimension.
    numbers
        Numbers of its netCDF dimensions, where netCDF had to write them down.
    attached
        Paths of the first scale attached along each dimension.
    """

    is_scale: bool = False
    number: int | None = None
    numbers: tuple[int, ...] = ()
    attached: tuple[str | None, ...] = ()


def read_marks(item: h5py.Dataset, path_of: Callable[[Any], str | None]) -> Marks:
    """Return the marks of one dataset; `path_of` gives the path behind an object reference."""
    names = set(item.attrs)
    lists = item.attrs["DIMENSION_LIST"] if "DIMENSION_LIST" in names else ()
    if getattr(lists, "shape", None) != (len(item.shape or ()),):
        lists = ()
    is_scale = "CLASS" in names and bytes(item.attrs["CLASS"]) == b"DIMENSION_SCALE"
    number = _integers(item, "_Netcdf4Dimid", names)
    return Marks(
        is_scale,
        number[0] if number and is_scale else None,
        _integers(item, "_Netcdf4Coordinates", names),
        tuple(path_of(references[0]) if len(references) else None for references in lists),
    )


def _integers(item: h5py.Dataset, name: str, names: Collection[str]) -> tuple[int, ...]:
    """An attribute of integers; empty if there is none."""
    value = item.attrs[name] if name in names else None
    if not isinstance(value, np.ndarray | np.integer) or value.dtype.kind not in "iu":
        return ()
    return tuple(int(number) for number in np.asarray(value).reshape(-1))


def netcdf_dimensions(marks: Mapping[str, Marks]) -> dict[int, str]:
    """Return paths of the datasets that stand for netCDF dimensions, by the dimension's number."""
    return {mark.number: path for path, mark in marks.items() if mark.number is not None}


def scales_of(datasets: Sequence[StoredDataset], marks: Mapping[str, Marks]) -> dict[str, list[str | None]]:
    """Return for every dataset, by path, the path of the scale along each of its dimensions (None: it has none).

    Netcdf's own attributes are asked first: HDF5 has no way to attach scales to a scale of rank 2.
    """
    known = {dataset.path for dataset in datasets if dataset.shape is not None}
    numbered = netcdf_dimensions(marks)
    found: dict[str, list[str | None]] = {}
    for dataset in datasets:
        if dataset.shape is None:
            continue
        mark, rank = marks[dataset.path], len(dataset.shape)
        if len(mark.numbers) == rank and all(number in numbered for number in mark.numbers):
            found[dataset.path] = [numbered[number] for number in mark.numbers]
        elif rank == 1 and mark.is_scale:
            found[dataset.path] = [dataset.path]
        else:
            attached = mark.attached or (None,) * rank
            found[dataset.path] = [scale if scale in known else None for scale in attached]
    return found


def name_dimensions(datasets: Sequence[StoredDataset], scales: Mapping[str, Sequence[str | None]]) -> DatasetDimensions:
    """Name all dimensions.

    A scale's dimension is called by its path (`time`, `ocean/depth`). Without a scale it is `dim0_200`, after axis and
    length, below the group of the dataset: datasets of one shape in one group share dimensions, and models code them
    together.
    """
    found = DatasetDimensions()
    for dataset in datasets:
        if scales.get(dataset.path) == [dataset.path] and dataset.fields and dataset.shape is not None:
            found.add(dataset.path, dataset.shape[0])
            found.scales[dataset.path] = dataset.path
    for dataset in datasets:
        for name, variable in dataset.fields.items():
            shape = (dataset.shape or ()) + variable.shape
            axes = [*scales[dataset.path], *([None] * len(variable.shape))]
            found.dims[name] = _name_axes(found, dataset.path, shape, axes)
    return found


def _name_axes(
    found: DatasetDimensions, path: str, shape: tuple[int, ...], axes: Sequence[str | None]
) -> tuple[str, ...]:
    """Distinct names for the dimensions of one variable (a covariance has the same scale twice)."""
    group = path.rpartition("/")[0]
    names: list[str] = []
    for axis, (length, scale) in enumerate(zip(shape, axes, strict=True)):
        name = scale if scale is not None else f"{group}/dim{axis}_{length}".lstrip("/")
        name = found.add(name, length, names)
        if scale is not None:
            found.scales[name] = scale
        names.append(name)
    return tuple(names)
