"""The records of everything in an HDF5 file: which datasets are taken, and one record per object and link."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from baler_core import DataError
from baler_hdf5.contents.datatypes import Json, UnsupportedTypeError, describe_type
from baler_hdf5.contents.selections import describe_region
from baler_hdf5.contents.tree import Entry, ObjectTree, walk
from baler_hdf5.schema.datasets import (
    WITHOUT_IT,
    StoredDataset,
    describe_dataset,
    refuse_or_report,
    select,
    without_clashes,
)
from baler_hdf5.schema.dimensions import Marks, netcdf_dimensions, read_marks, scales_of
from baler_hdf5.schema.skeleton import Recorder
from baler_hdf5.schema.stored_values import with_unreadable_named

if TYPE_CHECKING:
    import h5py

PathOf = Callable[[Any], str | None]
Warn = Callable[[str], None]


@dataclass(frozen=True)
class Records:
    """What is taken from a file.

    Attributes
    ----------
    records
        Complete ones, in the file's order.
    datasets
        Those taken, by path.
    scales
        Paths of the scales along the dimensions of each dataset.
    has_numbers
        Whether netCDF has numbered its dimensions.
    path_of
        The path behind an object reference.
    """

    records: Sequence[Json]
    datasets: Mapping[str, StoredDataset]
    scales: Mapping[str, Sequence[str | None]]
    has_numbers: bool
    path_of: PathOf


def read_records(
    file: h5py.File,
    patterns: Sequence[str] | None,
    where: str,
    warn: Warn,
    *,
    allow_missing: bool = False,
    try_values: bool = False,
) -> Records:
    """Read everything but values.

    Parameters
    ----------
    patterns
        Of the variables to take (None: all); dimension scales of what is taken come along.
    where
        The file's name, for messages.
    warn
        Called with a sentence for each object that is left out.
    allow_missing
        Whether datasets that cannot be read are left out.
    try_values
        Whether all values are read once, to leave out datasets in which some cannot be.

    Raises
    ------
    DataError
        If a pattern without wildcards fits nothing, or a chosen dataset cannot be read.
    """
    tree = walk(file, warn)
    _refuse_unnamed(tree, where, warn, allow_missing=allow_missing)
    types = {entry.path for entry in tree.of_kind("type")}
    named = {address: path for address, path in tree.paths.items() if path in types}
    path_of = _paths_behind_references(file, tree.paths)
    every, marks = _described(file, tree, named, path_of)
    scales = scales_of(every, marks)
    numbered = set(netcdf_dimensions(marks).values())
    selected = select(every, patterns, where)
    if try_values:
        selected = with_unreadable_named(file, selected)
    chosen = refuse_or_report(selected, where, warn, allow_missing=allow_missing)
    kept = _with_scales(chosen, every, scales, numbered)

    dropped = ({dataset.path for dataset in every} - kept.keys()) | set(_unreadable_types(file, types, warn))
    recorder = Recorder(file, named, kept, lambda ref: _unless(path_of(ref), dropped), warn)
    records = [recorder.record(entry) for entry in _kept_entries(tree, dropped)]
    return Records(records, kept, scales, bool(numbered), path_of)


def _refuse_unnamed(tree: ObjectTree, where: str, warn: Warn, *, allow_missing: bool) -> None:
    """What is called by bytes that are not UTF-8 has no path, which is text."""
    if tree.unnamed and not allow_missing:
        more = f" (and {len(tree.unnamed) - 1} more)" if len(tree.unnamed) > 1 else ""
        raise DataError(
            f"{where}: {tree.unnamed[0]}{more} cannot be kept, since its name is not UTF-8: rename it; {WITHOUT_IT}"
        )
    for name in tree.unnamed:
        warn(f"{name} is left out: its name is not UTF-8")


def _unreadable_types(file: h5py.File, types: Iterable[str], warn: Warn) -> Iterator[str]:
    """Paths of committed types that cannot be restored; they hold no values, and datasets of such types are told of."""
    for path in types:
        try:
            describe_type(file[path].id, {})
        except (UnsupportedTypeError, TypeError, ValueError) as error:
            warn(f"the datatype {path!r} is left out: {error}")
            yield path


def _described(
    file: h5py.File, tree: ObjectTree, named: Mapping[int, str], path_of: PathOf
) -> tuple[list[StoredDataset], dict[str, Marks]]:
    """All datasets, no two of one name, and the marks of dimensions on those that have a shape, by path."""
    every: list[StoredDataset] = []
    marks: dict[str, Marks] = {}
    for entry in tree.of_kind("dataset"):
        item = file[entry.path]
        every.append(describe_dataset(item, entry.path, named))
        if every[-1].shape is not None:
            marks[entry.path] = read_marks(item, path_of)
    return without_clashes(every), marks


def _paths_behind_references(file: h5py.File, paths: Mapping[int, str]) -> PathOf:
    """A function from a reference to the path of the object, and its region; None if it leads nowhere."""
    from h5py import h5o, h5r

    def path_of(reference: Any) -> str | None:
        if not reference:
            return None
        try:
            path = paths.get(h5o.get_info(h5r.dereference(reference, file.id)).addr)
            if path is None or not isinstance(reference, h5r.RegionReference):
                return path
            return describe_region(reference, file, path)
        except (ValueError, RuntimeError, KeyError, OSError):
            return None

    return path_of


def _unless(path: str | None, dropped: set[str]) -> str | None:
    return None if path is None or path.partition("\n")[0] in dropped else path


def _with_scales(
    chosen: Sequence[StoredDataset],
    every: Sequence[StoredDataset],
    scales: Mapping[str, Sequence[str | None]],
    netcdf_scales: set[str],
) -> dict[str, StoredDataset]:
    """The chosen datasets and the scales of their dimensions, by path, in the file's order.

    Netcdf numbers the dimensions of a file from 0 on and refuses gaps: all of its scales come along.
    """
    by_path = {dataset.path: dataset for dataset in chosen}
    along = {scale for path in by_path for scale in scales.get(path, ())} | netcdf_scales
    return {d.path: by_path.get(d.path, d) for d in every if d.path in by_path or (d.path in along and not d.problem)}


def _kept_entries(tree: ObjectTree, dropped: set[str]) -> list[Entry]:
    """The entries without datasets that are not taken and hard links to them."""
    return [e for e in tree.entries if e.path not in dropped and not (e.kind == "hard" and e.target in dropped)]
