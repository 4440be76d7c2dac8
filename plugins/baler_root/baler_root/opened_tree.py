"""A tree of an open .bal file: its branches by name, and ranges of its entries."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Protocol, Self

from baler_core import ConfigError, DataError, File, look_up, matching_names
from baler_root.contents.forms import List, Record
from baler_root.opened_branch import Library, OpenBranch, together
from baler_root.opened_parent import OpenParent
from baler_root.schema.parts import TreeSchema
from baler_root.schema.skeleton import branches_of

_UNITS = {"B": 1, "kB": 1000, "KB": 1000, "MB": 1000**2, "GB": 1000**3}


class TreeParent(Protocol):
    """The open file that a tree lies in."""

    file: File

    def __getitem__(self, name: str) -> OpenTree: ...
    def close(self) -> None: ...


class OpenTree(Mapping[str, "OpenBranch"]):
    """A tree, read as `uproot.TTree` is: only the branches and entries that are asked for are restored.

    Attributes
    ----------
    name, title, classname
        As in the ROOT file.
    num_entries
        How many events there are.
    """

    def __init__(self, parent: TreeParent, part: TreeSchema) -> None:
        self.parent, self.file, self.part, skeleton = parent, parent.file, part, part.schema.skeleton
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

    def __getitem__(self, name: str) -> Any:
        """Return a branch; an `OpenParent` for an object that is split into branches.

        Raises
        ------
        KeyError
            If there is no such branch; with the nearest names.
        """
        if name not in self._branches:
            members = {key.rpartition("/")[2]: b for key, b in self._branches.items() if key.startswith(f"{name}/")}
            if members:
                return OpenParent(self, name, members)
        below = [branch for key, branch in self._branches.items() if key.rpartition("/")[2] == name]
        if name not in self._branches and len(below) == 1 and below[0]._branch.key.count("/"):
            return below[0]
        return look_up(name, self._branches, self.where, "branch")

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
    def where(self) -> str:
        """Return the file and the tree, for messages."""
        return f"{self.file.path}, {self.object_path}"

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
        virtual: bool = False,
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
        virtual
            A branch is restored when its values are first used; for `library="ak"`.

        Raises
        ------
        KeyError
            If there is no such branch.
        """
        names = self._chosen(expressions, filter_name)
        start, stop = self.range_of(entry_start, entry_stop)
        if virtual:
            columns = self._virtual(names, start, stop, library)
        else:
            columns = {name: self[name].read(start, stop, library) for name in names}
        if how in (tuple, list):
            return how(columns.values())
        if how is dict or (library == "np" and how is None):
            return columns
        if how is not None:
            raise ConfigError(f"arrays(how={how!r}): dict, tuple, list or None is wanted")
        return together(columns, stop - start, start, library)

    def _virtual(self, names: Sequence[str], start: int, stop: int, library: Library) -> dict[str, Any]:
        if library != "ak":
            raise ConfigError(f"arrays(virtual=True, library={library!r}): virtual arrays are those of awkward, 'ak'")
        from baler_root.opened_virtual import virtual

        return {name: virtual(partial(self[name].read, library="ak"), name, start, stop) for name in names}

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
        start, stop = self.range_of(entry_start, entry_stop)
        step = self._step("iterate", step_size, names)
        for low in range(start, stop, step):
            high = min(low + step, stop)
            yield self.arrays(names, entry_start=low, entry_stop=high, library=library, how=how)

    def dask(
        self,
        *,
        filter_name: str | Sequence[str] | Callable[[str], bool] | None = None,
        step_size: int | str = "100 MB",
    ) -> Any:
        """Return the tree as a `dask_awkward.Array`, as `uproot.dask` does: branches that are not used are not restored.

        Parameters
        ----------
        filter_name
            As for `keys`.
        step_size
            Entries, or bytes, of each partition.

        Raises
        ------
        DataError
            If dask-awkward is not installed; the message says how.
        ConfigError
            If dask-awkward fails with the version of dask that is installed unless a setting is changed.
        """
        try:
            from baler_root.opened_dask import collection, refuse_failing_versions
        except ModuleNotFoundError as error:
            raise DataError(
                f"dask() needs {error.name}, which is not installed: pip install 'baler-root[dask]'"
            ) from error
        refuse_failing_versions()
        names = self._chosen(None, filter_name)
        return collection(self.arrays, names, self.num_entries, self._step("dask", step_size, names))

    def _step(self, function: str, stated: int | str, names: Sequence[str]) -> int:
        step = stated if isinstance(stated, int) else self._entries_of(function, stated, names)
        if step <= 0:
            raise ConfigError(f"{function}(step_size={stated!r}): a positive number of entries, or a size, is wanted")
        return step

    def _chosen(self, expressions: str | Sequence[str] | None, filter_name: Any) -> list[str]:
        if expressions is None:
            names = self.keys(filter_name=filter_name)
            return [name for name in names if filter_name is not None or not self._branches[name]._inner]
        names = [expressions] if isinstance(expressions, str) else list(expressions)
        for name in names:
            self[name]  # refuses what is not there
        return names

    def range_of(self, start: int | None, stop: int | None) -> tuple[int, int]:
        """Return the entries that a slice means."""
        low, high, _ = slice(start, stop).indices(self.num_entries)
        return low, max(low, high)

    def _entries_of(self, function: str, size: str, names: Sequence[str]) -> int:
        number, _, unit = size.strip().partition(" ")
        try:
            wanted = float(number) * _UNITS[unit.strip()]
        except (ValueError, KeyError) as error:
            raise ConfigError(
                f"{function}(step_size={size!r}): entries, or a size such as '100 MB', are wanted"
            ) from error
        each = sum(self[name]._nbytes for name in names) / max(1, self.num_entries)
        return max(1, int(wanted / max(1.0, each)))

    def __repr__(self) -> str:
        return f"<baler_root.OpenTree {self.object_path!r} ({len(self)} branches, {self.num_entries:,} entries)>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.parent.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self.parent, self.object_path)


def _again(file: TreeParent, path: str) -> OpenTree:
    return file[path]


def _inside(form: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Return the fields inside a form by their paths, each with the form reduced to what leads to it."""
    if isinstance(form, List):
        yield from ((path, replace(form, content=inner)) for path, inner in _inside(form.content))
    elif isinstance(form, Record):
        for name, content in form.fields:
            yield (name,), replace(form, fields=((name, content),))
            yield from (((name, *path), replace(form, fields=((name, inner),))) for path, inner in _inside(content))
