"""The datasets of an HDF5 file: what each holds, which can be restored, and which a user's patterns choose."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from baler_core import DataError, select_names
from baler_hdf5.contents.datatypes import Json, UnsupportedTypeError, describe_type
from baler_hdf5.contents.filters import missing_filter
from baler_hdf5.contents.selections import describe_sources
from baler_hdf5.schema.placeholders import has_own_values, is_placeholder
from baler_hdf5.values.fields import Field, fields_of

if TYPE_CHECKING:
    import h5py

# What netCDF writes before the names of its HDF5 objects when there is more to say than HDF5 can.
NETCDF_RENAMED = "_nc4_non_coord_"
# No file packs values better than this (deflate reaches 1030), and small claims cannot hurt.
LARGEST_RATIO = 2000
HARMLESS = 2**30
LARGEST_CHUNK = 2**30
WITHOUT_IT = "to compress the rest without it, use --allow-missing or the reader's option allow_missing"


@dataclass(frozen=True)
class StoredDataset:
    """A dataset without its values.

    Attributes
    ----------
    path
        Without a leading slash.
    type
        Record of its datatype (`datatypes`).
    shape
        None for a null dataspace.
    fields
        The variables it holds by name; empty for null dataspaces, virtual datasets and dimensions that are no variables.
    chunks
        Shape of its chunks; None if it is stored in one piece.
    problem
        Why it cannot be restored; empty if it can.
    """

    path: str
    type: Json = None
    shape: tuple[int, ...] | None = None
    fields: Mapping[str, Field] = field(default_factory=dict)
    chunks: tuple[int, ...] | None = None
    problem: str = ""


def describe_dataset(dataset: h5py.Dataset, path: str, named: Mapping[int, str]) -> StoredDataset:
    """Return what the dataset at `path` holds, and whether it can be restored.

    Parameters
    ----------
    named
        Paths of committed datatypes by address.
    """
    try:
        problem = _problem(dataset)
        if problem:
            return StoredDataset(path, problem=problem)
        record = describe_type(dataset.id.get_type(), named)
        fields = fields_of(record)
    except (UnsupportedTypeError, OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        return StoredDataset(path, problem=str(error))
    if dataset.shape is None or dataset.is_virtual or (is_placeholder(dataset) and not has_own_values(dataset)):
        return StoredDataset(path, record, dataset.shape)
    parent, _, name = path.rpartition("/")
    base = f"{parent}/" * bool(parent) + name.removeprefix(NETCDF_RENAMED)
    return StoredDataset(path, record, tuple(dataset.shape), _named(base, fields), dataset.chunks)


def _named(base: str, fields: Iterable[Field]) -> dict[str, Field]:
    """The fields by name; one whose name is another's (`a/b` beside `b` in `a`) gets a `_` behind it."""
    named: dict[str, Field] = {}
    for part in fields:
        name = "/".join((base, *part.members))
        while name in named:
            name += "_"
        named[name] = part
    return named


def without_clashes(datasets: Sequence[StoredDataset]) -> list[StoredDataset]:
    """Return the same datasets; netCDF's prefix stays where the name without it is another's."""
    plain = {name for each in datasets if NETCDF_RENAMED not in each.path for name in each.fields}
    taken: set[str] = set()
    found = []
    for dataset in datasets:
        if NETCDF_RENAMED in dataset.path and dataset.fields.keys() & plain:
            dataset = replace(dataset, fields=_named(dataset.path, dataset.fields.values()))
        if dataset.fields.keys() & taken:
            dataset = StoredDataset(dataset.path, problem="another dataset has a variable of the same name")
        taken |= dataset.fields.keys()
        found.append(dataset)
    return found


def _problem(dataset: h5py.Dataset) -> str:
    """What forbids reading it: other files, filters that are not installed, sizes that cannot be true."""
    if dataset.is_virtual:
        describe_sources(dataset)
        return ""
    if dataset.external:
        return "its values lie in other files"
    lacking = missing_filter(dataset.id)
    if lacking:
        return lacking
    size = dataset.id.get_type().get_size()
    if dataset.chunks and math.prod(dataset.chunks) * size > LARGEST_CHUNK:
        return f"its chunks claim {math.prod(dataset.chunks) * size} bytes each"
    claimed = math.prod(dataset.shape or ()) * size
    stored = dataset.id.get_storage_size()
    if claimed > HARMLESS and claimed > LARGEST_RATIO * stored and not is_placeholder(dataset):
        return f"it claims {claimed} bytes, of which the file holds {stored}"
    return ""


def select(datasets: Sequence[StoredDataset], patterns: Sequence[str] | None, where: str) -> list[StoredDataset]:
    """Return the datasets that patterns choose, each with the chosen variables only.

    A pattern fits a variable's name or its dataset's path, with or without a leading slash.

    Raises
    ------
    DataError
        If a pattern without wildcards fits nothing, or nothing is chosen at all.
    """
    if patterns is None:
        return list(datasets)
    names = dict.fromkeys(name for dataset in datasets for name in (dataset.path, *dataset.fields))
    fitting = set(select_names(list(names), patterns, where))
    chosen = []
    for dataset in datasets:
        whole = dataset.path in fitting
        kept = {name: part for name, part in dataset.fields.items() if whole or name in fitting}
        if kept or whole:
            chosen.append(replace(dataset, fields=kept))
    return chosen


def refuse_or_report(
    datasets: Sequence[StoredDataset], where: str, warn: Callable[[str], None], *, allow_missing: bool
) -> list[StoredDataset]:
    """Return the datasets that can be restored; of others a warning is given.

    Raises
    ------
    DataError
        If some cannot be restored, and are not allowed to be missing.
    """
    broken = [dataset for dataset in datasets if dataset.problem]
    if broken and not allow_missing:
        others = f" ({len(broken) - 1} more datasets cannot be read either)" if len(broken) > 1 else ""
        raise DataError(
            f"{where}: dataset {broken[0].path!r} cannot be read: {broken[0].problem}{others}; {WITHOUT_IT}"
        )
    for dataset in broken:
        warn(f"dataset {dataset.path!r} is left out: {dataset.problem}")
    return [dataset for dataset in datasets if not dataset.problem]
