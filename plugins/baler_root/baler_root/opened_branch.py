"""A branch of an open .bal file: its values as awkward, numpy or pandas have them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from baler_core import ConfigError, File, FormatError, OutsideError
from baler_root.contents.branches import Branch
from baler_root.contents.forms import Number, leaves
from baler_root.opened_facts import NoBaskets, Sizes
from baler_root.opened_reading import Documented, Reading, documented
from baler_root.opened_together import Library, library_of, together
from baler_root.opened_types import branch_type, field_type
from baler_root.schema.parts import TreeSchema
from baler_root.schema.skeleton import list_dimensions
from baler_root.values.flatten import put_together


class BranchParent(Protocol):
    """The open tree that a branch belongs to."""

    stored: File
    part: TreeSchema
    num_entries: int
    is_ntuple: bool

    @property
    def file(self) -> Any: ...
    @property
    def where(self) -> str: ...
    @property
    def object_path(self) -> str: ...
    def branch_of(self, variable: str) -> OpenBranch | None: ...
    def common_entry_offsets(self) -> list[int]: ...
    def range_of(self, start: int | None, stop: int | None) -> tuple[int, int]: ...


class OpenBranch(Sizes):
    """A branch, read as `uproot.TBranch` is.

    Attributes
    ----------
    branches
        Those inside of it: none, since objects that are split into branches are an `OpenParent`.
    """

    branches: Sequence[OpenBranch] = ()

    def __init__(self, tree: BranchParent, branch: Branch, inner: tuple[str, ...] = ()) -> None:
        self.tree, self._branch, self._inner = tree, branch, inner
        self.name, self.title = branch.key.rpartition("/")[2], branch.title
        schema = tree.part.schema
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
        if self._branch.type:
            return self._branch.type
        form = self._branch.form
        return field_type(form, self._inner) if self.tree.is_ntuple else branch_type(form)

    @property
    def _nbytes(self) -> int:
        arrays = [self._stored(name) for name in (*self._variables, *self._counts.values())]
        return sum(math.prod(array.shape) * max(8, array.dtype.itemsize) for array in arrays)

    def _stored(self, name: str) -> Any:
        return self.tree.stored[self.tree.part.prefix + name]

    def _unpacked(self, name: str, start: int, stop: int) -> np.ndarray:
        """Return stored numbers as uproot shows them: those of Double32_t and Float16_t as floats."""
        stored = self._stored(name)
        values: np.ndarray = stored.rows(start, stop)
        variable = stored.variable
        if (variable.scale, variable.offset) == (1.0, 0.0) or values.dtype.kind not in "iu":
            return values
        kind = np.float32 if "Float16" in self.typename else np.float64  # in which uproot computes, too
        floats: np.ndarray = values.astype(kind)
        floats *= kind(variable.scale)
        floats += kind(variable.offset)
        return floats

    @property
    def parent(self) -> BranchParent:
        """Return the tree."""
        return self.tree

    @property
    def file(self) -> Any:
        """Return the file, as an uproot file: `file.uuid`, `file.file_path`."""
        return self.tree.file

    @property
    def where(self) -> str:
        """Return the file, the tree and the branch, for messages."""
        return f"{self.tree.where}, {self._branch.key}"

    @property
    def object_path(self) -> str:
        """Return where it lies in the file: behind its tree."""
        return f"{self.tree.object_path}:{self._branch.key}"

    @property
    def variables(self) -> tuple[str, ...]:
        """Return the variables that hold its values."""
        return tuple(self._variables)

    @property
    def top_level(self) -> bool:
        """Return whether it lies in no object that is split into branches."""
        return "/" not in self._branch.key and not self._inner

    @property
    def count_branch(self) -> OpenBranch | None:
        """Return the branch that tells how many values each entry has; None if there is none."""
        first = next(iter(self._counts.values()), None)
        return None if first is None else self.tree.branch_of(first)

    @property
    def uncompressed_bytes(self) -> int:
        """Return the bytes of all values, and of their counts, as they are stored in arrays.

        Raises
        ------
        DataError
            If it holds text, which takes no stated number of bytes; an AttributeError, too.
        """
        arrays = [self._stored(name) for name in {*self._variables, *self._counts.values()}]
        if any(array.variable.is_text for array in arrays):
            raise NoBaskets(f"{self.where}: how many bytes its text takes is known once it is restored")
        return sum(math.prod(array.shape) * int(array.dtype.itemsize) for array in arrays)

    @property
    def entry_offsets(self) -> list[int]:
        """Return the entries at which blocks of the file begin, which take the place of baskets, and how many there are."""
        return self.tree.common_entry_offsets()

    @property
    def num_baskets(self) -> int:
        """Return how many blocks hold its values."""
        return len(self.entry_offsets) - 1

    @property
    def cache_key(self) -> str:
        """Return what tells the branch from all others."""
        return f"{self.file.uuid}:{self.tree.part.prefix}:{self._branch.key}:{'.'.join(self._inner)}"

    @cached_property
    def interpretation(self) -> Reading:
        """Return what tells the awkward form, as uproot's interpretations do."""
        return Reading(self)

    def array(
        self,
        interpretation: Reading | None = None,
        entry_start: int | None = None,
        entry_stop: int | None = None,
        *,
        library: Library = "ak",
        ak_add_doc: Documented = False,
        decompression_executor: Any = None,
        interpretation_executor: Any = None,
        array_cache: Any = None,
    ) -> Any:
        """Return the values of some entries; arguments as of `OpenTree.arrays`.

        Parameters
        ----------
        interpretation
            None, or the branch's own: there are no bytes of ROOT here that could be interpreted in another way.
        decompression_executor, interpretation_executor, array_cache
            Of uproot: they change nothing.
        """
        if interpretation is not None and interpretation is not self.interpretation:
            raise ConfigError(f"{self._branch.key}: a .bal file has no bytes of ROOT to interpret: leave it out")
        start, stop = self.tree.range_of(entry_start, entry_stop)
        short = library_of(library)
        values = self.read(start, stop, short)
        if short == "ak":
            return documented(values, self, ak_add_doc)
        if short == "np":
            return values
        return together({self._branch.key: values}, stop - start, start, short)[self._branch.key].rename(None)

    def arrays(self, *, entry_start: int | None = None, entry_stop: int | None = None, library: Library = "ak") -> Any:
        """Return the branch as `OpenTree.arrays` returns several."""
        start, stop = self.tree.range_of(entry_start, entry_stop)
        short = library_of(library)
        columns = {self.name: self.read(start, stop, short)}
        return columns if short == "np" else together(columns, stop - start, start, short)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        values = np.asarray(self.array(library="np"))
        return values if dtype is None else values.astype(dtype, copy=False)

    def read(self, start: int, stop: int, library: Library) -> Any:
        """Return entries from `start` to `stop`, as a library has them."""
        values = {name: self._unpacked(name, start, stop) for name in self._variables}
        counts = {place: self._stored(name).rows(start, stop) for place, name in self._counts.items()}
        plain = self._branch.form
        if not self._inner and library != "ak" and isinstance(plain, Number):
            return values[self._variables[0]]
        import awkward as ak

        try:
            array = ak.Array(put_together(plain, self._branch.key, values, counts))
        except (ValueError, OutsideError) as error:
            raise FormatError(f"{self.tree.where}: the lengths of {self._branch.key!r} are damaged") from error
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


def _as_objects(array: Any) -> np.ndarray:
    """Return lists, records and texts as numpy has them: objects, one per entry."""
    import awkward as ak

    cells = np.empty(len(array), object)
    for index, one in enumerate(array):
        cells[index] = np.asarray(one) if isinstance(one, ak.Array) and one.ndim == 1 and not ak.fields(one) else one
    return cells
