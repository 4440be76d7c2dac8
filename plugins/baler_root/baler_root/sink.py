"""Writes blocks into a new ROOT file that looks like the original."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from baler_core import FormatError, Schema, Sink, values_of
from baler_root.branches import Branch
from baler_root.flatten import put_together
from baler_root.forms import leaves
from baler_root.plans import TreePlan
from baler_root.skeleton import branches_of, list_dimensions
from baler_root.trees import first_line
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

        self._schema = schema
        branches, self._counts_of = _described(schema)
        skeleton = schema.skeleton
        self._file = uproot.recreate(str(path), compression=_compression(skeleton.get("compression")))
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


def _described(schema: Schema) -> tuple[list[Branch], dict[str, str]]:
    """The branches of the skeleton, and for the place of every list the variable that holds its lengths.

    Raises
    ------
    FormatError
        If skeleton and variables do not fit together, as only a damaged file can have it.
    """
    try:
        if schema.skeleton["kind"] not in ("TTree", "RNTuple") or not schema.skeleton["tree"]:
            raise ValueError("no kind of tree")
        branches = branches_of(schema)
        counts_of = {
            place: schema.counts[dim]
            for branch in branches
            for leaf in leaves(branch.form, branch.key)
            for place, dim in zip(leaf.lists, list_dimensions(schema, leaf), strict=True)
        }
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise FormatError(f"the description of the ROOT tree to be written is damaged: {first_line(error)}") from error
    return branches, counts_of


def _no_rows(form: Any) -> np.ndarray:
    return np.zeros((0, *getattr(form, "shape", ())), getattr(form, "dtype", object))


def _compression(stored: Sequence[Any] | None) -> Any:
    """The compression of the original file; LZMA, slow to write, becomes Zstandard."""
    import uproot

    name, level = stored or ("ZLIB", 1)
    if name == "LZMA":
        name, level = "ZSTD", 5
    codecs = {"ZLIB": uproot.ZLIB, "LZ4": uproot.LZ4, "ZSTD": uproot.ZSTD}
    return codecs.get(name, uproot.ZLIB)(min(max(int(level), 1), 9)) if level else None
