"""The schema of an HDF5 file: which variables are taken, their dimensions, and what their attributes say."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from baler_core import Schema, Variable
from baler_hdf5.attributes import plain_values
from baler_hdf5.conventions import CONVENTIONAL, axis_role, described, fill_values, packing
from baler_hdf5.datasets import StoredDataset, describe_dataset, report_left_out, select
from baler_hdf5.datatypes import Json
from baler_hdf5.dimensions import Dimensions, Marks, name_dimensions, netcdf_dimensions, read_marks, scales_of
from baler_hdf5.raw_datatypes import decode_bytes, raw_dtype
from baler_hdf5.skeleton import Recorder, shortened
from baler_hdf5.tree import Entry, Tree, walk

if TYPE_CHECKING:
    import h5py

PathOf = Callable[[Any], str | None]
Warn = Callable[[str], None]


@dataclass(frozen=True)
class Contents:
    """What is taken from a file: its schema, the datasets behind the variables, and paths behind references."""

    schema: Schema
    datasets: tuple[StoredDataset, ...]
    path_of: PathOf


def read_contents(file: h5py.File, patterns: Sequence[str] | None, where: str, warn: Warn) -> Contents:
    """Read everything but values.

    Parameters
    ----------
    patterns
        Of the variables to take (None: all); dimension scales of what is taken come along.
    where
        The file's name, for messages.
    warn
        Told about what is left out.

    Raises
    ------
    DataError
        If a pattern without wildcards fits nothing.
    """
    tree = walk(file, warn)
    types = {entry.path for entry in tree.of_kind("type")}
    named = {address: path for address, path in tree.paths.items() if path in types}
    path_of = _paths_behind_references(file, tree.paths)
    every: list[StoredDataset] = []
    marks: dict[str, Marks] = {}
    for entry in tree.of_kind("dataset"):
        item = file[entry.path]
        every.append(describe_dataset(item, entry.path, named))
        if every[-1].shape is not None:
            marks[entry.path] = read_marks(item, path_of)
    report_left_out(every, warn)
    scales = scales_of(every, marks)
    kept = _with_scales(select(every, patterns, where), every, scales, set(netcdf_dimensions(marks).values()))

    dropped = {dataset.path for dataset in every} - kept.keys()
    recorder = Recorder(file, named, kept, lambda ref: _unless(path_of(ref), dropped), warn)
    records = [recorder.record(entry) for entry in _kept_entries(tree, dropped)]
    dimensions = name_dimensions(list(kept.values()), scales)
    variables = _variables(list(kept.values()), dimensions, {record["path"]: record for record in records})
    schema = Schema(
        tuple(variables), dimensions.sizes, {}, {"format": "hdf5", "entries": [shortened(r) for r in records]}
    )
    return Contents(schema, tuple(kept.values()), path_of)


def _paths_behind_references(file: h5py.File, paths: Mapping[int, str]) -> PathOf:
    """A function from an object reference to the path of the object; None if it leads nowhere."""
    from h5py import h5o, h5r

    def path_of(reference: Any) -> str | None:
        if not reference:
            return None
        try:
            return paths.get(h5o.get_info(h5r.dereference(reference, file.id)).addr)
        except (ValueError, RuntimeError, KeyError, OSError):
            return None

    return path_of


def _unless(path: str | None, dropped: set[str]) -> str | None:
    return None if path in dropped else path


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
    return {d.path: by_path.get(d.path, d) for d in every if d.path in by_path or d.path in along}


def _kept_entries(tree: Tree, dropped: set[str]) -> list[Entry]:
    """The entries without datasets that are not taken and hard links to them."""
    return [e for e in tree.entries if e.path not in dropped and not (e.kind == "hard" and e.target in dropped)]


def _variables(
    datasets: Sequence[StoredDataset], dimensions: Dimensions, records: Mapping[str, Json]
) -> list[Variable]:
    """The variables of all datasets, with what their attributes say by the CF conventions."""
    said = {dataset.path: plain_values(records[dataset.path]["attributes"], CONVENTIONAL) for dataset in datasets}
    roles = {
        dim: axis_role(scale, said.get(scale, {}))
        for dim, scale in dimensions.scales.items()
        if axis_role(scale, said.get(scale, {}))
    }
    variables = []
    for dataset in datasets:
        attributes, fill = said[dataset.path], records[dataset.path]["fill"]
        units, label = described(attributes)
        scale, offset = packing(attributes)
        for name, field in dataset.fields.items():
            dims = dimensions.dims[name]
            numeric = field.cells == "plain"
            default = _stored_fill(fill, dataset.type) if numeric and not field.members else None
            variables.append(
                Variable(
                    name,
                    field.dtype,
                    dims,
                    units=units,
                    label=label,
                    fill=fill_values(attributes, field.dtype, default) if numeric else (),
                    scale=scale,
                    offset=offset,
                    axes={dim: roles[dim] for dim in dims if dim in roles},
                )
            )
    return variables


def _stored_fill(fill: str | None, record: Json) -> float | None:
    """The fill value in the dataset's creation properties, unless it is 0, which means no more than 'not written'."""
    raw = raw_dtype(record)
    if fill is None or raw is None or raw.base.kind not in "iuf":
        return None
    return np.frombuffer(decode_bytes(fill, raw.base, ()).tobytes(), raw.base)[0].item() or None
