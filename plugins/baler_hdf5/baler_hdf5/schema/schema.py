"""Build the schema of an HDF5 file: selected variables, their dimensions and attributes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from baler_core import Schema
from baler_hdf5.contents.cells import shown_text
from baler_hdf5.contents.datatypes import Json
from baler_hdf5.schema.datasets import StoredDataset
from baler_hdf5.schema.dimensions import name_dimensions
from baler_hdf5.schema.records import PathOf, Warn, read_records
from baler_hdf5.schema.skeleton import shortened
from baler_hdf5.schema.variables import make_variables, rises_or_falls
from baler_hdf5.values.elements import read_elements

if TYPE_CHECKING:
    import h5py

# Datasets up to this many values are read to see whether they are axes of others.
LARGEST_AXIS = 2**20
# Attributes of the root group that netCDF writes.
NETCDF_MARKS = ("_NCProperties", "_nc3_strict")


@dataclass(frozen=True)
class Contents:
    """What is taken from a file: its schema, the datasets behind the variables, and paths behind references.

    Attributes
    ----------
    elsewhere
        What it only points to, in other files, one sentence each.
    """

    schema: Schema
    datasets: tuple[StoredDataset, ...]
    path_of: PathOf
    elsewhere: tuple[str, ...] = ()


def read_contents(
    file: h5py.File,
    patterns: Sequence[str] | None,
    where: str,
    warn: Warn,
    *,
    allow_missing: bool = False,
    netcdf: bool = False,
) -> Contents:
    """Read everything but values (those of short datasets that may be axes aside); arguments as of `read_records`.

    Parameters
    ----------
    netcdf
        Whether the file is meant for readers of NetCDF, whatever it says of itself.

    Raises
    ------
    DataError
        If a pattern without wildcards fits nothing, or a chosen dataset cannot be read.
    """
    read = read_records(file, patterns, where, warn, allow_missing=allow_missing, try_values=allow_missing)
    datasets = tuple(read.datasets.values())
    dimensions = name_dimensions(datasets, read.scales)

    def is_monotonic(path: str) -> bool:
        return _is_monotonic(file, read.datasets[path])

    variables = make_variables(
        datasets,
        dimensions,
        {record["path"]: record for record in read.records},
        netcdf=netcdf or read.has_numbers or any(name in file.attrs for name in NETCDF_MARKS),
        is_monotonic=is_monotonic,
    )
    skeleton = {"format": "hdf5", "entries": [shortened(record) for record in read.records]}
    schema = Schema(tuple(variables), dimensions.sizes, {}, skeleton)
    return Contents(schema, datasets, read.path_of, tuple(_elsewhere(read.records)))


def _elsewhere(records: Sequence[Json]) -> Iterator[str]:
    """Of every link to another file, and every virtual dataset of other files, what comes back and what does not."""
    for record in records:
        if record["kind"] == "external":
            yield (
                f"{record['path']!r} is a link to {shown_text(record['target'])!r} in the file "
                f"{shown_text(record['file'])!r}: "
                "it comes back as this link; keep that file too"
            )
        files = [source[1] for source in record.get("sources", ()) if source[1] != "."]
        if files:
            more = f" and {len(set(files)) - 1} more files" if len(set(files)) > 1 else ""
            yield (
                f"dataset {record['path']!r} is virtual, with values in {files[0]!r}{more}: "
                "it comes back as a virtual dataset; keep those files too"
            )


def _is_monotonic(file: h5py.File, dataset: StoredDataset) -> bool:
    """Whether a dataset of one row or column of values rises or falls; not asked of long ones."""
    from h5py import h5d

    shape = dataset.shape or ()
    if math.prod(shape) > LARGEST_AXIS:
        return False
    stored = h5d.open(file.id, dataset.path.encode("utf-8"))
    try:
        return rises_or_falls(read_elements(stored, dataset.type, slice(0, shape[0])))
    except OSError:  # told when all values are read
        return False
