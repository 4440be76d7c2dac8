"""Names of the dimensions of HDF5 datasets: those of netCDF, of dimension scales, or made-up ones shared by shape."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from baler_hdf5.datasets import StoredDataset

if TYPE_CHECKING:
    import h5py


@dataclass
class Dimensions:
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
        """A dimension of this name and length; the length goes into the name where the name alone is taken."""
        while name in taken or self.sizes.get(name, length) != length:
            name = f"{name}_{length}"
        self.sizes[name] = length
        return name


def netcdf_dimensions(file: h5py.File, paths: Iterable[str]) -> dict[int, str]:
    """Paths of the datasets that stand for netCDF dimensions, by the dimension's number."""
    found = {}
    for path in paths:
        number = _integers(file[path], "_Netcdf4Dimid")
        if number and "CLASS" in file[path].attrs:
            found[number[0]] = path
    return found


def scales_of(
    file: h5py.File,
    datasets: Sequence[StoredDataset],
    netcdf_ids: Mapping[int, str],
    path_of: Callable[[Any], str | None],
) -> dict[str, list[str | None]]:
    """For every dataset, by path, the path of the scale along each of its dimensions (None: it has none).

    Netcdf's own attributes are asked first: HDF5 has no way to attach scales to a scale of rank 2.
    """
    known = {dataset.path for dataset in datasets if dataset.shape is not None}
    found: dict[str, list[str | None]] = {}
    for dataset in datasets:
        if dataset.shape is None:
            continue
        item, rank = file[dataset.path], len(dataset.shape)
        numbers = _integers(item, "_Netcdf4Coordinates")
        if len(numbers) == rank and all(number in netcdf_ids for number in numbers):
            found[dataset.path] = [netcdf_ids[number] for number in numbers]
        elif rank == 1 and item.attrs.get("CLASS", b"") == b"DIMENSION_SCALE":
            found[dataset.path] = [dataset.path]
        else:
            attached = _attached(item, rank, path_of)
            found[dataset.path] = [scale if scale in known else None for scale in attached]
    return found


def _integers(item: h5py.Dataset, name: str) -> list[int]:
    """An attribute of integers as a list; empty if there is none."""
    if name not in item.attrs:
        return []
    value = item.attrs[name]
    return [int(n) for n in value.reshape(-1)] if getattr(value, "dtype", None) is not None else []


def _attached(item: h5py.Dataset, rank: int, path_of: Callable[[Any], str | None]) -> list[str | None]:
    """Paths of the first scale attached along each dimension."""
    if "DIMENSION_LIST" not in item.attrs:
        return [None] * rank
    lists = item.attrs["DIMENSION_LIST"]
    if getattr(lists, "shape", None) != (rank,):
        return [None] * rank
    return [path_of(references[0]) if len(references) else None for references in lists]


def name_dimensions(datasets: Sequence[StoredDataset], scales: Mapping[str, Sequence[str | None]]) -> Dimensions:
    """Name all dimensions.

    A scale's dimension is called by its path (`time`, `ocean/depth`). Without a scale it is `dim0_200`, after axis and
    length, below the group of the dataset: datasets of one shape in one group share dimensions, and models code them
    together.
    """
    found = Dimensions()
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


def _name_axes(found: Dimensions, path: str, shape: tuple[int, ...], axes: Sequence[str | None]) -> tuple[str, ...]:
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
