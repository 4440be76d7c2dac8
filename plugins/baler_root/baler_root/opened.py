"""Read the trees of a .bal file as uproot reads those of a ROOT file: branches by name, ranges of entries, awkward arrays."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np

from baler_core import (
    ConfigError,
    DataError,
    File,
    FormatError,
    OutsideError,
    UnknownVariable,
    did_you_mean,
    matching_names,
    open_file,
)
from baler_root.contents.branches import Branch
from baler_root.contents.forms import List, Number, Record, Text, leaves
from baler_root.schema.parts import Part, take_parts
from baler_root.schema.skeleton import branches_of, list_dimensions
from baler_root.values.flatten import put_together

Library = Literal["ak", "np", "pd"]
LIBRARIES = ("ak", "np", "pd")
_UNITS = {"B": 1, "kB": 1000, "KB": 1000, "MB": 1000**2, "GB": 1000**3}
_DAMAGE = (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError)


def open(path: Any, *, trained: str | Path | None = None, cache: str | int = "256 MB") -> RootFile | OpenTree:
    """Open a `.bal` file that was made of a ROOT file, or of its tree: `jets.bal:Events`.

    Parameters
    ----------
    path
        A path, an address that fsspec opens, the bytes of a file, or a binary file object.
    trained
        The file of trained models that it refers to.
    cache
        How many bytes of restored values are kept for the next question.

    Returns
    -------
    The file as a mapping of its trees; a tree where the path names one.

    Raises
    ------
    DataError
        If it was not made of a ROOT file.
    """
    place, tree = path, ""
    if isinstance(path, str) and not Path(path).exists() and path.lower().rpartition(":")[0].endswith(".bal"):
        place, _, tree = path.rpartition(":")
    file = open_file(place, trained=trained, cache=cache)
    if file.reader != "root":
        file.close()
        raise DataError(f"{file.path}: was made by the reader {file.reader!r}, not of a ROOT file: use baler_core.open")
    opened = RootFile(file)
    return opened[tree] if tree else opened


class RootFile(Mapping[str, "OpenTree"]):
    """The trees of a file by name, with or without their cycle: `file["Events"]`, `file["folder/Events;1"]`."""

    def __init__(self, file: File) -> None:
        self.file = file
        try:
            parts = [part for part in take_parts(file.schema) if part.schema.variables]
            self._trees = {str(part.schema.skeleton["tree"]): OpenTree(self, part) for part in parts}
        except _DAMAGE as error:
            file.close()
            raise FormatError(
                f"{file.path}: the record of its trees is damaged: {' '.join(str(error).split())}"
            ) from error

    def __getitem__(self, name: str) -> OpenTree:
        found = self._trees.get(str(name).partition(";")[0].strip("/"))
        if found is None:
            raise UnknownVariable(
                f"{self.file.path}: there is no tree {name!r} with variables. {did_you_mean(str(name), self._trees)} "
                "Histograms and other objects come back with 'baler decompress'."
            )
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._trees)

    def __len__(self) -> int:
        return len(self._trees)

    def __contains__(self, name: object) -> bool:
        return str(name).partition(";")[0].strip("/") in self._trees

    def classnames(self) -> dict[str, str]:
        """Return the class of each tree."""
        return {name: tree.classname for name, tree in self._trees.items()}

    def __repr__(self) -> str:
        return f"<baler_root.RootFile {str(self.file.path)!r}: {', '.join(self._trees) or 'no trees'}>"

    def close(self) -> None:
        """Release the file."""
        self.file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return RootFile, (self.file,)


class OpenTree(Mapping[str, "OpenBranch"]):
    """A tree, read as `uproot.TTree` is: only the branches and entries that are asked for are restored.

    Attributes
    ----------
    name, title, classname
        As in the ROOT file.
    num_entries
        How many events there are.
    """

    def __init__(self, parent: RootFile, part: Part) -> None:
        self.parent, self._part, skeleton = parent, part, part.schema.skeleton
        self.object_path = str(skeleton["tree"])
        self.name, self.title = self.object_path.rpartition("/")[2], str(skeleton.get("title", ""))
        default = "TTree" if skeleton.get("kind") == "TTree" else "ROOT::RNTuple"
        self.classname = str(skeleton.get("class", default))
        schema = part.schema
        self._branches: dict[str, OpenBranch] = {}
        for branch in branches_of(schema):
            self._branches[branch.key] = OpenBranch(self, branch)
            if skeleton.get("kind") == "RNTuple":
                inner = {".".join((branch.key, *path)): (form, path) for path, form in _inside(branch.form)}
                self._branches |= {key: OpenBranch(self, replace(branch, form=f), p) for key, (f, p) in inner.items()}
        first = schema.variables[0]
        dim, seen = first.dims[0], set[str]()
        while dim in schema.counts and dim not in seen:
            seen.add(dim)
            dim = schema[schema.counts[dim]].dims[0]
        self.num_entries = int(schema.sizes[dim])

    # ---- branches

    def __getitem__(self, name: str) -> OpenBranch:
        found = self._branches.get(name)
        if found is None:
            below = [branch for key, branch in self._branches.items() if key.rpartition("/")[2] == name]
            if len(below) != 1 or not below[0]._branch.key.count("/"):
                hint = did_you_mean(str(name), self._branches)
                raise UnknownVariable(f"{self._where}: there is no branch {name!r}. {hint}")
            found = below[0]
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._branches)

    def __len__(self) -> int:
        return len(self._branches)

    def keys(self, *, filter_name: str | Sequence[str] | Callable[[str], bool] | None = None) -> Any:
        """Return the names of the branches; `filter_name` takes patterns or a function."""
        if filter_name is None:
            return list(self._branches)
        if callable(filter_name):
            return [name for name in self._branches if filter_name(name)]
        patterns = [filter_name] if isinstance(filter_name, str) else list(filter_name)
        return matching_names(patterns, list(self._branches))

    def typenames(self) -> dict[str, str]:
        """Return the C++ types of the branches."""
        return {name: branch.typename for name, branch in self._branches.items()}

    @property
    def branches(self) -> list[OpenBranch]:
        """Return the branches in order."""
        return list(self._branches.values())

    @property
    def _where(self) -> str:
        return f"{self.parent.file.path}, {self.object_path}"

    # ---- values

    def arrays(
        self,
        expressions: str | Sequence[str] | None = None,
        *,
        filter_name: str | Sequence[str] | Callable[[str], bool] | None = None,
        entry_start: int | None = None,
        entry_stop: int | None = None,
        library: Library = "ak",
        how: Any = None,
    ) -> Any:
        """Return several branches.

        Parameters
        ----------
        expressions
            Names of branches; None takes all, or those of `filter_name`.
        entry_start, entry_stop
            The entries, as in a slice: negative ones count from the end.
        library
            `ak` returns an awkward array of records, `np` a dictionary of arrays, `pd` a table of pandas.
        how
            `dict`, `tuple` or `list` gives the branches apart.

        Raises
        ------
        KeyError
            If there is no such branch.
        """
        names = self._chosen(expressions, filter_name)
        start, stop = self._range(entry_start, entry_stop)
        columns = {name: self[name]._read(start, stop, library) for name in names}
        if how in (tuple, list):
            return how(columns.values())
        if how is dict or (library == "np" and how is None):
            return columns
        if how is not None:
            raise ConfigError(f"arrays(how={how!r}): dict, tuple, list or None is wanted")
        return _together(columns, stop - start, start, library)

    def iterate(
        self,
        expressions: str | Sequence[str] | None = None,
        *,
        filter_name: str | Sequence[str] | Callable[[str], bool] | None = None,
        entry_start: int | None = None,
        entry_stop: int | None = None,
        step_size: int | str = "100 MB",
        library: Library = "ak",
        how: Any = None,
    ) -> Iterator[Any]:
        """Return one part of the entries after the other, of `step_size` entries or bytes; other arguments of `arrays`."""
        names = self._chosen(expressions, filter_name)
        start, stop = self._range(entry_start, entry_stop)
        step = step_size if isinstance(step_size, int) else self._entries_of(step_size, names)
        if step <= 0:
            raise ConfigError(f"iterate(step_size={step_size!r}): a positive number of entries, or a size, is wanted")
        for low in range(start, stop, step):
            high = min(low + step, stop)
            yield self.arrays(names, entry_start=low, entry_stop=high, library=library, how=how)

    def _chosen(self, expressions: str | Sequence[str] | None, filter_name: Any) -> list[str]:
        if expressions is None:
            names = self.keys(filter_name=filter_name)
            return [name for name in names if filter_name is not None or not self._branches[name]._inner]
        names = [expressions] if isinstance(expressions, str) else list(expressions)
        for name in names:
            self[name]  # refuses what is not there
        return names

    def _range(self, start: int | None, stop: int | None) -> tuple[int, int]:
        low, high, _ = slice(start, stop).indices(self.num_entries)
        return low, max(low, high)

    def _entries_of(self, size: str, names: Sequence[str]) -> int:
        number, _, unit = size.strip().partition(" ")
        try:
            wanted = float(number) * _UNITS[unit.strip()]
        except (ValueError, KeyError) as error:
            raise ConfigError(
                f"iterate(step_size={size!r}): entries, or a size such as '100 MB', are wanted"
            ) from error
        each = sum(self[name]._nbytes for name in names) / max(1, self.num_entries)
        return max(1, int(wanted / max(1.0, each)))

    def __repr__(self) -> str:
        return f"<baler_root.OpenTree {self.object_path!r} ({len(self)} branches, {self.num_entries:,} entries)>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.parent.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return RootFile.__getitem__, (self.parent, self.object_path)


class OpenBranch:
    """A branch, read as `uproot.TBranch` is."""

    def __init__(self, tree: OpenTree, branch: Branch, inner: tuple[str, ...] = ()) -> None:
        self.tree, self._branch, self._inner = tree, branch, inner
        self.name, self.title = branch.key.rpartition("/")[2], branch.title
        schema = tree._part.schema
        self._variables = [leaf.name for leaf in leaves(branch.form, branch.key)]
        self._counts = {
            place: schema.counts[dim]
            for leaf in leaves(branch.form, branch.key)
            for place, dim in zip(leaf.lists, list_dimensions(schema, leaf), strict=True)
        }

    @property
    def num_entries(self) -> int:
        """Return how many events there are."""
        return self.tree.num_entries

    @property
    def typename(self) -> str:
        """Return the C++ type, as far as it is kept."""
        return self._branch.type or _type_of(self._branch.form)

    @property
    def _nbytes(self) -> int:
        arrays = [self._stored(name) for name in (*self._variables, *self._counts.values())]
        return sum(math.prod(array.shape) * max(8, array.dtype.itemsize) for array in arrays)

    def _stored(self, name: str) -> Any:
        return self.tree.parent.file[self.tree._part.prefix + name]

    def _unpacked(self, name: str, start: int, stop: int) -> np.ndarray:
        """Return stored numbers as uproot shows them: those of Double32_t and Float16_t as floats."""
        stored = self._stored(name)
        values: np.ndarray = stored.rows(start, stop)
        variable = stored.variable
        if (variable.scale, variable.offset) == (1.0, 0.0) or values.dtype.kind not in "iu":
            return values
        floats = values * variable.scale + variable.offset
        return floats.astype(np.float32) if "Float16" in self.typename else floats

    def array(self, *, entry_start: int | None = None, entry_stop: int | None = None, library: Library = "ak") -> Any:
        """Return the values of some entries; arguments as of `OpenTree.arrays`."""
        start, stop = self.tree._range(entry_start, entry_stop)
        values = self._read(start, stop, library)
        if library != "pd":
            return values
        return _together({self._branch.key: values}, stop - start, start, library)[self._branch.key]

    def _read(self, start: int, stop: int, library: Library) -> Any:
        if library not in LIBRARIES:
            raise ConfigError(f"library={library!r}: there is no such library. {did_you_mean(str(library), LIBRARIES)}")
        values = {name: self._unpacked(name, start, stop) for name in self._variables}
        counts = {place: self._stored(name).rows(start, stop) for place, name in self._counts.items()}
        plain = self._branch.form
        if not self._inner and library != "ak" and isinstance(plain, Number):
            return values[self._variables[0]]
        import awkward as ak

        try:
            array = ak.Array(put_together(plain, self._branch.key, values, counts))
        except (ValueError, OutsideError) as error:
            raise FormatError(f"{self.tree._where}: the lengths of {self._branch.key!r} are damaged") from error
        array = array[self._inner] if self._inner else array
        if library == "ak":
            return array
        return (
            _as_objects(array)
            if array.ndim > 1 or not isinstance(array.layout, ak.contents.NumpyArray)
            else np.asarray(array)
        )

    def __repr__(self) -> str:
        return f"<baler_root.OpenBranch {self._branch.key!r} ({self.typename})>"


def _inside(form: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Return the fields inside a form by their paths, each with the form reduced to what leads to it."""
    if isinstance(form, List):
        yield from ((path, replace(form, content=inner)) for path, inner in _inside(form.content))
    elif isinstance(form, Record):
        for name, content in form.fields:
            yield (name,), replace(form, fields=((name, content),))
            yield from (((name, *path), replace(form, fields=((name, inner),))) for path, inner in _inside(content))


def _as_objects(array: Any) -> np.ndarray:
    """Return lists, records and texts as numpy has them: objects, one per entry."""
    import awkward as ak

    cells = np.empty(len(array), object)
    for index, one in enumerate(array):
        cells[index] = np.asarray(one) if isinstance(one, ak.Array) and one.ndim == 1 and not ak.fields(one) else one
    return cells


def _together(columns: Mapping[str, Any], length: int, start: int, library: Library) -> Any:
    """Return columns as one object."""
    if library == "pd":
        import pandas as pd

        index = pd.RangeIndex(start, start + length)
        flat = {name: list(values) if values.ndim > 1 else values for name, values in columns.items()}
        return pd.DataFrame({name: pd.Series(values, index=index) for name, values in flat.items()}, index=index)
    import awkward as ak

    contents = [array.layout for array in columns.values()]
    return ak.Array(ak.contents.RecordArray(contents, list(columns), length=length))


def _type_of(form: Any) -> str:
    """Return what a form is in C++."""
    names = {"b1": "bool", "i1": "int8_t", "u1": "uint8_t", "i2": "int16_t", "u2": "uint16_t", "i4": "int32_t"}
    names |= {"u4": "uint32_t", "i8": "int64_t", "u8": "uint64_t", "f4": "float", "f8": "double"}
    if isinstance(form, Number):
        return names.get(np.dtype(form.dtype).str[1:], form.dtype) + "".join(f"[{size}]" for size in form.shape)
    if isinstance(form, List):
        return f"{_type_of(form.content)}[]"
    if isinstance(form, Text):
        return "char*"
    return "struct" if isinstance(form, Record) else ""
