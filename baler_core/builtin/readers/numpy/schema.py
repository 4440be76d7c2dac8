"""The schema of a set of NumPy arrays, and its blocks from their row streams."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from baler_core.builtin.readers.numpy.npy_array import ArrayForm, ArrayRows, split_fields
from baler_core.data.block import Block, make_block
from baler_core.data.variables import Json, Schema, Variable, select_names


def arrays_schema(forms: Sequence[ArrayForm], skeleton: dict[str, Json]) -> Schema:
    """Name the dimensions: arrays of the same shape share theirs, and so become one table or one set of fields."""
    leaves = [leaf for form in forms for leaf in form.leaves()]
    lengths: dict[int, set[int]] = {}
    for leaf in leaves:
        for axis, length in enumerate(leaf.shape):
            lengths.setdefault(axis, set()).add(length)
    prefix = "dim"
    while any(leaf.name.startswith(prefix) for leaf in leaves):
        prefix += "_"
    variables: list[Variable] = []
    sizes: dict[str, int] = {}
    for leaf in leaves:
        dims = tuple(
            f"{prefix}{axis}" if len(lengths[axis]) == 1 else f"{prefix}{axis}_{length}"
            for axis, length in enumerate(leaf.shape)
        )
        sizes.update(zip(dims, leaf.shape, strict=True))
        variables.append(Variable(leaf.name, leaf.dtype.str, dims))
    return Schema(tuple(variables), sizes, skeleton=skeleton)


def chosen_arrays(forms: Sequence[ArrayForm], patterns: Sequence[str] | None, where: str) -> list[ArrayForm]:
    """The arrays, cut down to the wanted fields, whose variables match; a pattern may name a structured array whole."""
    every_name = [leaf.name for form in forms for leaf in form.leaves()]
    if patterns is None:
        return list(forms)
    structured = {form.name for form in forms if form.dtype.names}
    expanded = [part for p in patterns for part in ((p, f"{p}/*") if p in structured else (p,))]
    names = set(select_names([*every_name, *structured], expanded, where))
    return [form.with_fields(names) for form in forms if any(leaf.name in names for leaf in form.leaves())]


class OpenArrays:
    """The rows of arrays, of which those are open that are not read to their ends.

    Parameters
    ----------
    opened
        Starts the rows of an array.
    """

    def __init__(self, forms: Sequence[ArrayForm], opened: Callable[[ArrayForm], ArrayRows]) -> None:
        self._owner = {leaf.name: form for form in forms for leaf in form.leaves()}
        self._opened = opened
        self._open: dict[str, ArrayRows] = {}

    def read(self, variables: Sequence[Variable], rows: slice) -> Block:
        """Return some rows of variables."""
        arrays = {self._owner[variable.name].name: self._owner[variable.name] for variable in variables}
        values = {}
        for name, form in arrays.items():
            if name in self._open and rows.start < self._open[name].next_row:
                self._open.pop(name).close()
            if name not in self._open:
                self._open[name] = self._opened(form)
            values.update(split_fields(self._open[name].take(rows), form))
            if not form.shape or rows.stop == form.shape[0]:
                self._open.pop(name).close()
        return make_block({v.name: (v.dims, values[v.name]) for v in variables})

    def close(self) -> None:
        """Release the files."""
        for stream in self._open.values():
            stream.close()
        self._open.clear()


def cut_forms(stored: Sequence[Json], schema: Schema) -> list[Json]:
    """Return the forms of the arrays that hold the variables of a part of a file, with its lengths."""
    sizes = {variable.name: schema.sizes[variable.dims[0]] for variable in schema.variables if variable.dims}
    found = []
    for form in map(ArrayForm.from_json, stored):
        names = {leaf.name for leaf in form.leaves()} & set(schema.names)
        if names:
            rows = [sizes[name] for name in sorted(names) if name in sizes]
            cut = form.with_fields(names)
            found.append(cut._replace(shape=(*rows[:1], *cut.shape[1:]) if cut.shape else ()).to_json())
    return found
