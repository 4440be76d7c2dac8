"""A tree of an open .bal file: its branches by name, and ranges of its entries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import accumulate
from typing import Any, Protocol, Self
from uuid import UUID

from uproot.behaviors.TBranch import HasBranches, Report

from baler_core import ConfigError, DataError, File, look_up
from baler_root.contents.forms import fields_inside
from baler_root.opened_branch import OpenBranch
from baler_root.opened_expressions import Expressions
from baler_root.opened_facts import TreeFacts
from baler_root.opened_fields import merged_fields
from baler_root.opened_filters import Filter, accepting, kept_unread, short_names
from baler_root.opened_parent import OpenParent
from baler_root.opened_reading import Documented, documented, without_ignored
from baler_root.opened_steps import entries_in
from baler_root.opened_together import Library, grouped, library_of, series_of
from baler_root.schema.parts import TreeSchema
from baler_root.schema.skeleton import branches_of


class TreeParent(Protocol):
    """The open file that a tree lies in."""

    stored: File

    @property
    def uuid(self) -> UUID: ...
    def __getitem__(self, name: str) -> OpenTree: ...
    def close(self) -> None: ...


class OpenTree(TreeFacts, Mapping[str, "OpenBranch"]):
    """A tree, read as `uproot.TTree` is: only the branches and entries that are asked for are restored.

    Attributes
    ----------
    name, title, classname, is_ntuple
        As in the ROOT file.
    num_entries
        How many events there are.
    """

    def __init__(self, parent: TreeParent, part: TreeSchema) -> None:
        self.parent, self.stored, self.part, skeleton = parent, parent.stored, part, part.schema.skeleton
        self.path = str(skeleton["tree"])
        self.name, self.title = self.path.rpartition("/")[2], str(skeleton.get("title", ""))
        self.is_ntuple = skeleton.get("kind") == "RNTuple"
        self.classname = str(skeleton.get("class", "ROOT::RNTuple" if self.is_ntuple else "TTree"))
        schema = part.schema
        self._branches: dict[str, OpenBranch] = {}
        for branch in branches_of(schema):
            self._branches[branch.key] = OpenBranch(self, branch)
            if self.is_ntuple:
                inner = {".".join((branch.key, *path)): (form, path) for path, form in fields_inside(branch.form)}
                self._branches |= {key: OpenBranch(self, replace(branch, form=f), p) for key, (f, p) in inner.items()}
        first = schema.variables[0]
        dim, seen = first.dims[0], set[str]()
        while dim in schema.counts and dim not in seen:
            seen.add(dim)
            dim = schema[schema.counts[dim]].dims[0]
        self.num_entries, self._dim = int(schema.sizes[dim]), part.prefix + dim

    # ---- branches

    def __getitem__(self, name: str) -> Any:
        """Return a branch; an `OpenParent` for an object that is split into branches.

        Raises
        ------
        KeyError
            If there is no such branch; with the nearest names.
        """
        found = self._found(name)
        kept = kept_unread(self.part.schema.skeleton)
        return look_up(name, self._branches, self.where, "branch", kept) if found is None else found

    def _found(self, name: str) -> OpenBranch | OpenParent | None:
        if name in self._branches:
            return self._branches[name]
        members = {key.rpartition("/")[2]: b for key, b in self._branches.items() if key.startswith(f"{name}/")}
        if members:
            return OpenParent(self, name, members)
        below = [branch for key, branch in self._branches.items() if key.rpartition("/")[2] == name]
        return below[0] if len(below) == 1 and below[0]._branch.key.count("/") else None

    def __iter__(self) -> Iterator[str]:
        return iter(self._branches)

    def __len__(self) -> int:
        return len(self._branches)

    def iteritems(
        self,
        *,
        filter_name: Filter = None,
        filter_typename: Filter = None,
        filter_branch: Filter = None,
        recursive: bool = True,
        full_paths: bool = True,
        ignore_duplicates: bool = False,
    ) -> Iterator[tuple[str, Any]]:
        """Return names and branches, as uproot does.

        Parameters
        ----------
        filter_name
            A name, a pattern, a regular expression between slashes, several of them, or a function; None takes all.
        filter_typename
            The same for C++ types.
        filter_branch
            A function of branches.
        recursive
            False leaves out what lies inside of objects that are split, and gives these as wholes.
        full_paths
            False gives names without those of the objects around them.
        ignore_duplicates
            True leaves out a name that came before.
        """
        named, typed, taken = accepting(filter_name), accepting(filter_typename), accepting(filter_branch)
        names = self._branches if recursive else dict.fromkeys(key.partition("/")[0] for key in self._branches)
        seen = set[str]()
        for key in names:
            short = key.rpartition("/")[2]
            shown = key if full_paths else short
            if ignore_duplicates and shown in seen:
                continue
            if named(key) or (short != key and named(short)):
                branch = self[key]
                if typed(branch.typename) and taken(branch):
                    seen.add(shown)
                    yield shown, branch

    def keys(self, **filters: Any) -> Any:
        """Return the names of the branches; arguments as of `iteritems`."""
        return [name for name, _ in self.iteritems(**filters)]

    def items(self, **filters: Any) -> Any:
        """Return names and branches; arguments as of `iteritems`."""
        return list(self.iteritems(**filters))

    def values(self, **filters: Any) -> Any:
        """Return the branches; arguments as of `iteritems`."""
        return [branch for _, branch in self.iteritems(**filters)]

    def iterkeys(self, **filters: Any) -> Iterator[str]:
        """Return the names of the branches one by one; arguments as of `iteritems`."""
        return (name for name, _ in self.iteritems(**filters))

    def itervalues(self, **filters: Any) -> Iterator[Any]:
        """Return the branches one by one; arguments as of `iteritems`."""
        return (branch for _, branch in self.iteritems(**filters))

    def typenames(self, **filters: Any) -> dict[str, str]:
        """Return the C++ types of the branches; arguments as of `iteritems`."""
        return {name: branch.typename for name, branch in self.iteritems(**filters)}

    def show(self, **filters: Any) -> None:
        """Print names and types of the branches; arguments as of `iteritems`."""
        types = self.typenames(**filters)
        wide = max(map(len, types), default=4) + 2
        print("\n".join([f"{'name':<{wide}}typename", *(f"{name:<{wide}}{kind}" for name, kind in types.items())]))

    @property
    def branches(self) -> list[OpenBranch]:
        """Return the branches in order."""
        return list(self._branches.values())

    # ---- values

    def arrays(
        self,
        expressions: str | Iterable[str] | None = None,
        cut: str | None = None,
        *,
        entry_start: int | None = None,
        entry_stop: int | None = None,
        library: Library = "ak",
        how: Any = None,
        aliases: Mapping[str, str] | None = None,
        virtual: bool = False,
        ak_add_doc: Documented = False,
        **filters: Any,
    ) -> Any:
        """Return several branches, or what is computed from them.

        Parameters
        ----------
        expressions
            Names of branches, or expressions in uproot's language: `"sqrt(px**2 + py**2)"`; None takes all branches, or those of
            `filter_name`, `filter_typename` and `filter_branch`.
        cut
            An expression: entries (or what is inside them) are left out where it is false.
        entry_start, entry_stop
            The entries, as in a slice: negative ones count from the end.
        library
            `ak` returns an awkward array of records, `np` a dictionary of arrays, `pd` a table of pandas.
        how
            `dict`, `tuple` or `list` gives the branches apart, `"zip"` lists of equal lengths as lists of records.
        aliases
            Names for expressions, to be used in others.
        virtual
            A branch is restored when its values are first used; for `library="ak"`.
        ak_add_doc
            Whether arrays of awkward get the titles of their branches as `__doc__`.
        filters
            Those of `keys`; executors and caches that uproot takes may be given, and change nothing.

        Raises
        ------
        KeyError
            If there is no such branch.
        """
        asked = self._asked(expressions, cut, aliases, filters)
        start, stop = self.range_of(entry_start, entry_stop)
        short = library_of(library)
        branches = self._to_read(asked)
        if virtual:
            columns = self._virtual(branches, start, stop, short)
        else:
            columns = {name: branch.read(start, stop, short) for name, branch in branches.items()}
        if short == "pd":
            columns = series_of(columns, stop - start, start)
        if not self._is_plain(asked):
            columns = asked.computed(columns)
        length = len(next(iter(columns.values()))) if columns else stop - start
        if ak_add_doc and short == "ak":
            columns = {name: documented(one, self._found(name), ak_add_doc) for name, one in columns.items()}
        made = grouped(columns, length, short, how)
        return documented(made, self, ak_add_doc) if short == "ak" and how is None else made

    def _virtual(self, branches: Mapping[str, Any], start: int, stop: int, library: Library) -> dict[str, Any]:
        if library != "ak":
            raise ConfigError(f"arrays(virtual=True, library={library!r}): virtual arrays are those of awkward, 'ak'")
        from baler_root.opened_virtual import virtual

        return {name: virtual(partial(one.read, library="ak"), name, start, stop) for name, one in branches.items()}

    def iterate(
        self,
        expressions: str | Iterable[str] | None = None,
        cut: str | None = None,
        *,
        step_size: int | str = "100 MB",
        report: bool = False,
        entry_start: int | None = None,
        entry_stop: int | None = None,
        aliases: Mapping[str, str] | None = None,
        library: Library = "ak",
        how: Any = None,
        ak_add_doc: Documented = False,
        **filters: Any,
    ) -> Iterator[Any]:
        """Return one part of the entries after the other.

        Parameters
        ----------
        step_size
            Of so many entries, or bytes: `"100 MB"`.
        report
            Whether each comes with uproot's `Report`, which tells its entries.
        expressions, cut, entry_start, entry_stop, aliases, library, how, ak_add_doc, filters
            As for `arrays`.
        """
        asked = self._asked(expressions, cut, aliases, filters)
        start, stop = self.range_of(entry_start, entry_stop)
        step = self._step("iterate", step_size, self._needed(asked))
        for low in range(start, stop, step):
            high = min(low + step, stop)
            part = self.arrays(
                asked.stated,
                cut,
                entry_start=low,
                entry_stop=high,
                library=library,
                how=how,
                aliases=aliases,
                ak_add_doc=ak_add_doc,
            )
            yield (part, Report(self, low, high)) if report else part

    def num_entries_for(
        self, memory_size: int | str, expressions: str | Iterable[str] | None = None, **filters: Any
    ) -> int:
        """Return how many entries of some branches take so many bytes."""
        asked = self._asked(expressions, None, None, filters)
        size = memory_size if isinstance(memory_size, str) else f"{memory_size} B"
        return self._step("num_entries_for", size, self._needed(asked))

    def common_entry_offsets(self) -> list[int]:
        """Return the entries at which blocks of the file begin, and how many there are."""
        lengths = (block.sizes.get(self._dim, 0) for block in self.stored.header.blocks)
        return sorted({0, *accumulate(lengths)})

    def dask(
        self,
        *,
        step_size: int | str = "100 MB",
        **filters: Any,
    ) -> Any:
        """Return the tree as a `dask_awkward.Array`, as `uproot.dask` does: branches that are not used are not restored.

        Parameters
        ----------
        step_size
            Entries, or bytes, of each partition.
        filters
            As for `arrays`.

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
        names = self._needed(self._asked(None, None, None, filters))
        return collection(self.arrays, names, self.num_entries, self._step("dask", step_size, names))

    def _step(self, function: str, stated: int | str, names: Sequence[str]) -> int:
        return entries_in(function, stated, sum(self[name]._nbytes for name in names) / max(1, self.num_entries))

    def _asked(
        self,
        expressions: str | Iterable[str] | None,
        cut: str | None,
        aliases: Mapping[str, str] | None,
        filters: Mapping[str, Any],
    ) -> Expressions:
        filters = without_ignored(filters)
        named = self.keys(**filters)  # refuses filters that there are not
        if expressions is None:
            stated = short_names([name for name in named if filters or not self._branches[name]._inner], self._branches)
        else:
            stated = [expressions] if isinstance(expressions, str) else list(expressions)
        return Expressions(stated, cut, aliases or {}, self._branches, self._names_branch, self.where, self.__getitem__)

    def _names_branch(self, name: str) -> bool:
        return self._found(name) is not None

    def _is_plain(self, asked: Expressions) -> bool:
        return asked.plain and all(map(self._names_branch, asked.stated))

    def _needed(self, asked: Expressions) -> Sequence[str]:
        """Return the branches that are to be restored; refuses what is not there."""
        return asked.stated if self._is_plain(asked) else asked.branches()

    def _to_read(self, asked: Expressions) -> dict[str, Any]:
        """Return the branches that are to be restored, by the names of their arrays."""
        names = self._needed(asked)
        if self.is_ntuple and self._is_plain(asked) and all(name in self._branches for name in names):
            return dict(merged_fields(names, self._branches))
        return {name: self[name] for name in names}

    def range_of(self, start: int | None, stop: int | None) -> tuple[int, int]:
        """Return the entries that a slice means."""
        low, high, _ = slice(start, stop).indices(self.num_entries)
        return low, max(low, high)

    def __repr__(self) -> str:
        return f"<baler_root.OpenTree {self.path!r} ({len(self)} branches, {self.num_entries:,} entries)>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.parent.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self.parent, self.path)


HasBranches.register(OpenTree)  # for libraries that tell trees from paths by it, as uproot.dask does


def _again(file: TreeParent, path: str) -> OpenTree:
    return file[path]
