"""Writes blocks into a new ROOT file that looks like the original."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from baler_core import Schema, Sink, values_of
from baler_root.branches import Branch
from baler_root.flatten import put_together
from baler_root.forms import leaves
from baler_root.plans import TreePlan
from baler_root.schema import branch_from_json, list_dimensions
from baler_root.ttree import TreeWriter

if TYPE_CHECKING:
    import xarray as xr


class _Output(Protocol):
    """A tree being written: takes the values of a block and the lengths of its lists."""

    def extend(self, values: Mapping[str, np.ndarray], counts: Mapping[str, np.ndarray]) -> None: ...

    def close(self) -> None: ...


class RootSink(Sink):
    """A ROOT file with one tree."""

    def __init__(self, path: Path, schema: Schema) -> None:
        import uproot

        skeleton = schema.skeleton
        branches = [branch_from_json(stored) for stored in skeleton["branches"]]
        found = [leaf for branch in branches for leaf in leaves(branch.form, branch.key)]
        self._schema = schema
        self._counts_of = {
            place: schema.counts[dim]
            for leaf in found
            for place, dim in zip(leaf.lists, list_dimensions(schema, leaf), strict=True)
        }
        self._file = uproot.recreate(str(path), compression=_compression(skeleton["compression"]))
        folder, _, name = skeleton["tree"].rpartition("/")
        directory = self._file.mkdir(folder) if folder else self._file
        output = TTreeOutput if skeleton["kind"] == "TTree" else RNTupleOutput
        self._output: _Output = output(directory, name, skeleton["title"], branches)

    def write(self, block: xr.Dataset) -> None:
        """Append the events of a block."""
        values = {variable.name: values_of(block, variable.name) for variable in self._schema.variables}
        counts = {place: values[name].astype(np.int64) for place, name in self._counts_of.items()}
        self._output.extend(values, counts)

    def close(self) -> None:
        """Write the tree and close the file."""
        self._output.close()
        self._file.close()

    def abort(self) -> None:
        """Close the file as it is."""
        self._file.close()


class TTreeOutput:
    """A TTree in a file open for writing."""

    def __init__(self, directory: Any, name: str, title: str, branches: Sequence[Branch]) -> None:
        self._plan = TreePlan(branches)
        self._writer = TreeWriter(directory, name, title, self._plan.top)

    def extend(self, values: Mapping[str, np.ndarray], counts: Mapping[str, np.ndarray]) -> None:
        """Append events."""
        self._writer.write(self._plan.encode(values, counts))

    def close(self) -> None:
        """Write the tree with all its branches."""
        self._writer.close()


class RNTupleOutput:
    """An RNTuple in a file open for writing."""

    def __init__(self, directory: Any, name: str, title: str, branches: Sequence[Branch]) -> None:
        self._branches = branches
        empty = {leaf.name: _no_rows(leaf.form) for b in branches for leaf in leaves(b.form, b.key)}
        places = {place for b in branches for leaf in leaves(b.form, b.key) for place in leaf.lists}
        form = self._record(empty, dict.fromkeys(places, np.zeros(0, np.int64))).form
        self._ntuple = directory.mkrntuple(name, form, title)

    def extend(self, values: Mapping[str, np.ndarray], counts: Mapping[str, np.ndarray]) -> None:
        """Append events as one cluster."""
        import awkward as ak

        record = self._record(values, counts)
        if len(record):
            self._ntuple.extend(ak.Array(record))

    def _record(self, values: Mapping[str, np.ndarray], counts: Mapping[str, np.ndarray]) -> Any:
        import awkward as ak

        contents = [put_together(branch.form, branch.key, values, counts) for branch in self._branches]
        return ak.contents.RecordArray(contents, [branch.key for branch in self._branches])

    def close(self) -> None:
        """Nothing is left to write: each cluster has been listed as it came."""


def _no_rows(form: Any) -> np.ndarray:
    return np.zeros((0, *getattr(form, "shape", ())), getattr(form, "dtype", object))


def _compression(stored: Sequence[Any] | None) -> Any:
    """The compression of the original file; LZMA, slow to write, becomes Zstandard."""
    import uproot

    name, level = stored or ("ZLIB", 1)
    if name == "LZMA":
        name, level = "ZSTD", 5
    return getattr(uproot, name, uproot.ZLIB)(level) if level else None
