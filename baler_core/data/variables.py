"""Define variables, the schema of a file, blocks of values, and the groups that models code together."""

from __future__ import annotations

import base64
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import field, replace
from operator import attrgetter
from typing import Any, Literal, TypeAlias

import numpy as np

from baler_core.data.block import Block, make_block
from baler_core.data.patterns import matching_names, meant_among
from baler_core.errors import DataError, UnknownVariable, did_you_mean
from baler_core.machine.cached import cached_property
from baler_core.machine.records import dataclass

Json: TypeAlias = Any  # None, bool, int, float, str, list or dict of the same
GroupKind = Literal["table", "grid", "other"]
Role = Literal[
    "",
    "measured",
    "uncertainty",
    "identifier",
    "time",
    "position",
    "axis",
    "cell_bounds",
    "mesh",
    "flag",
    "count",
    "weight",
    "mask",
    "unnamed",
]
"""What a variable is to its field: measured quantities and their uncertainties may lose digits; the others say which,
when, where or how many, or have no name that tells. Empty where the file does not tell."""

# dtype strings beyond numpy's own: object arrays of Python `str` and of `bytes`, any length
TEXT_DTYPES = ("str", "bytes")


def _numpy_dtype(dtype: str) -> np.dtype[Any]:
    """Return the dtype of arrays (`object` for text)."""
    return np.dtype(object) if dtype in TEXT_DTYPES else np.dtype(dtype)


@dataclass(frozen=True)
class Variable:
    """One named n-D array of a file, without its values.

    Attributes
    ----------
    name
        The format's own name of it (`Jet_pt`, `flow/u`, `SCI`).
    dtype
        numpy dtype string with byte order (`<f4`, `|b1`, `|S12`), or `str` / `bytes` for object arrays.
    dims
        Names of its dimensions, slowest first. A dimension may carry the name of a variable.
    units, label
        For reports; empty when the file does not tell.
    fill
        Values that stand for "nothing here" and are kept exactly (in stored units).
    scale, offset
        Packing: physical = stored * scale + offset. Values stay in stored units everywhere in the core.
    axes
        What a dimension is where the file's metadata tells: `{dim: "time" | "member" | "level" | "y" | "x" | "spectral"}`.
    limits
        Smallest and largest valid value that the file states (in stored units): readers show what lies outside as missing.
    stated_limits
        The same numbers where some readers take them for stored units and others for physical ones: kept, too.
    flags
        Values with a meaning of their own (`flag_values`), kept exactly like `fill`, but not missing.
    role, reason
        What the variable is to its field, and how the file's metadata tell (`units 'days since 1850-01-01'`). A lossy
        bound reaches some roles only by name. Not stored in `.bal` files.
    standard_name
        The name of its quantity in the CF table, with a modifier if there is one. Not stored in `.bal` files.
    """

    name: str
    dtype: str
    dims: tuple[str, ...]
    units: str = ""
    label: str = ""
    fill: tuple[float, ...] = ()
    scale: float = 1.0
    offset: float = 0.0
    axes: Mapping[str, str] = field(default_factory=dict)
    limits: tuple[float, float] = (-math.inf, math.inf)
    flags: tuple[float, ...] = ()
    role: Role = field(default="", compare=False)
    reason: str = field(default="", compare=False)
    stated_limits: tuple[float, float] = (-math.inf, math.inf)
    standard_name: str = field(default="", compare=False)

    @property
    def is_text(self) -> bool:
        """Whether the values are Python strings or bytes objects."""
        return self.dtype in TEXT_DTYPES

    @property
    def is_packed(self) -> bool:
        """Whether stored numbers stand for others by a scale factor and an offset."""
        return (self.scale, self.offset) != (1.0, 0.0)

    @property
    def numpy_dtype(self) -> np.dtype[Any]:
        """The dtype of its arrays (`object` for text)."""
        return _numpy_dtype(self.dtype)

    @property
    def is_numeric(self) -> bool:
        """Whether models can code it: booleans, integers and floats up to 64 bits."""
        return not self.is_text and self.numpy_dtype.kind in "biuf" and self.numpy_dtype.itemsize <= 8


@dataclass(frozen=True)
class Schema:
    """Everything about a file except its values.

    Attributes
    ----------
    variables
        In the file's own order.
    sizes
        Length of every dimension.
    counts
        Jagged dimensions: `{jagged dimension: name of the integer variable holding how many rows of it belong to each
        row of that variable's own dimension}`. Rows of a jagged dimension are stored flat, parent after parent.
    skeleton
        What the reader needs besides values to rebuild the file (header cards, attributes, chunking, ...): JSON-able.
    attachments
        The same as bytes, by name: parts of the file that are carried as they are (objects of a format that no
        variable holds, a user block, trailing bytes). Stored squeezed, in a section of their own.
    """

    variables: tuple[Variable, ...]
    sizes: Mapping[str, int]
    counts: Mapping[str, str] = field(default_factory=dict)
    skeleton: Mapping[str, Json] = field(default_factory=dict)
    attachments: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    def __getitem__(self, name: str) -> Variable:
        return self._named[name]

    @cached_property
    def _named(self) -> dict[str, Variable]:
        """The first variable of each name."""
        return {variable.name: variable for variable in reversed(self.variables)}

    @property
    def names(self) -> list[str]:
        """Names of all variables, in order."""
        return [variable.name for variable in self.variables]

    def nbytes(self, variable: Variable) -> int:
        """Return bytes of its values in memory (8 per text cell)."""
        return int(np.prod([self.sizes[dim] for dim in variable.dims], dtype=object)) * variable.numpy_dtype.itemsize


@dataclass(frozen=True)
class Layout:
    """The shape of a group in one block: what a decoder must know before it sees a byte.

    Attributes
    ----------
    kind
        `table`: numeric 1-D variables along one dimension. `grid`: numeric variables of rank >= 2 on the same dimensions.
        `other`: everything else (text, complex, records, rank 0).
    variables
        The group's variables, in file order.
    sizes
        Length of every dimension they use, in this block.
    counts
        For a jagged table: name of the variable (in another group) that cuts its rows into events. Else empty.
    lengths
        int64, the rows of each event of this block, which add up to its rows; None where there are no events, or the
        variable `counts` is not stored.
    stage
        1 or more for variables that are coded after others of their dimensions, from which their tolerances follow.
    """

    kind: GroupKind
    variables: tuple[Variable, ...]
    sizes: Mapping[str, int]
    counts: str = ""
    lengths: np.ndarray | None = field(default=None, compare=False)
    stage: int = field(default=0, compare=False)

    @property
    def name(self) -> str:
        """How the group is called in reports and files: its dimensions."""
        named = ",".join(self.variables[0].dims) or "values"
        return f"{named} ({self.stage})" if self.stage else named

    def shape(self, variable: Variable) -> tuple[int, ...]:
        """Return shape of one of its variables in this block."""
        return tuple(self.sizes[dim] for dim in variable.dims)

    @cached_property
    def nbytes(self) -> int:
        """Bytes of all values in memory."""
        alike = Counter(map(attrgetter("dims", "dtype"), self.variables))  # tables have thousands of columns
        return sum(
            count * math.prod(self.sizes[dim] for dim in dims) * _numpy_dtype(dtype).itemsize
            for (dims, dtype), count in alike.items()
        )

    def build(self, arrays: Mapping[str, np.ndarray]) -> Block:
        """Return a block holding `arrays`, one per variable, cast to each variable's dtype and shape."""
        block: dict[str, tuple[Sequence[str], np.ndarray]] = {}
        with np.errstate(all="ignore"):
            for v in self.variables:
                values = np.asarray(arrays[v.name]).reshape(self.shape(v))
                block[v.name] = (v.dims, values.astype(v.numpy_dtype, copy=False))
        return make_block(block)


def with_events(layout: Layout, counts: np.ndarray) -> Layout:
    """Return a jagged group's layout with the rows of each event, from the values of its counts.

    Raises
    ------
    DataError
        If they do not fit.
    """
    rows = layout.sizes[layout.variables[0].dims[0]]
    return replace(layout, lengths=event_lengths(counts, rows, layout.counts))


def event_lengths(counts: np.ndarray, rows: int, name: str) -> np.ndarray:
    """Return the values of a variable of counts as int64, known to add up to `rows`.

    Raises
    ------
    DataError
        If they do not, or cannot be counts at all.
    """
    if counts.ndim != 1 or counts.dtype.kind not in "iu":
        raise DataError(f"{name!r} cannot hold counts of a jagged dimension: it is {counts.ndim}-D {counts.dtype}")
    # Summed as float64: exact below 2^53, and beyond that no overflow can feign the right sum.
    total = counts.sum(dtype=np.float64)
    if (counts < 0).any() or total != rows:
        raise DataError(f"the counts in {name!r} do not fit: they are for {total:.0f} rows, and there are {rows}")
    return counts.astype(np.int64)


def counts_first(layouts: Sequence[Layout]) -> list[int]:
    """Return places of groups in an order in which the counts of each come before it.

    Raises
    ------
    DataError
        If groups need each other's counts in a circle.
    """
    # A variable may have no name either.
    holders = holders_of(layouts)
    needed = [{holders[one.counts]} if one.counts and one.counts in holders else set() for one in layouts]
    order, stuck = needed_first(needed)
    if stuck is not None:
        raise DataError(f"the counts of the group {layouts[stuck].name!r} depend on themselves")
    return order


def holders_of(layouts: Sequence[Layout]) -> dict[str, int]:
    """Return the place of the group that holds each variable."""
    return {v.name: place for place, layout in enumerate(layouts) for v in layout.variables}


def needed_first(needed: Sequence[Set[int]]) -> tuple[list[int], int | None]:
    """Return places in an order in which each comes after those it needs, and the first that needs itself, or None."""
    order: list[int] = []
    while len(order) < len(needed):
        waiting = [place for place in range(len(needed)) if place not in order]
        ready = [place for place in waiting if needed[place].isdisjoint(waiting)]
        if not ready:
            return order, waiting[0]
        order += ready
    return order, None


def native_bytes(values: np.ndarray) -> bytes:
    """Return the values as their dtype holds them, in C order; text in UTF-8 with a line feed after each cell."""
    if values.dtype.kind != "O":
        return values.tobytes()
    return b"".join(_bytes_of(cell) + b"\n" for cell in values.ravel())


def native_size(values: np.ndarray) -> int:
    """Return the length of `native_bytes`: what ratios of compression refer to."""
    if values.dtype.kind != "O":
        return values.nbytes
    return sum(len(_bytes_of(cell)) + 1 for cell in values.ravel())


def _bytes_of(cell: str | bytes) -> bytes:
    # surrogatepass: text of files need not be quite Unicode
    return cell if isinstance(cell, bytes) else str(cell).encode("utf-8", "surrogatepass")


def block_sizes(block: Block) -> dict[str, int]:
    """Return length of every dimension of a block."""
    return {str(dim): int(length) for dim, length in block.sizes.items()}


def leading_dimension(variable: Variable, schema: Schema) -> str | None:
    """Return the dimension along which a file is cut into blocks for this variable; None for rank 0.

    For a variable along a jagged dimension this is the dimension of its counts, up to the outermost parent.
    """
    if not variable.dims:
        return None
    dim = variable.dims[0]
    # A chain of jagged dimensions is at most as long as there are dimensions: a hostile file's circle ends here.
    for _ in schema.counts:
        if dim not in schema.counts:
            break
        dim = schema[schema.counts[dim]].dims[0]
    return dim


def leading_groups(schema: Schema) -> dict[str | None, list[Variable]]:
    """Return variables that are cut into blocks together, by their leading dimension; in the file's order."""
    found: dict[str | None, list[Variable]] = {}
    for variable in schema.variables:
        found.setdefault(leading_dimension(variable, schema), []).append(variable)
    return found


def leading_slices(schema: Schema, max_bytes: int) -> list[tuple[str | None, list[Variable], slice]]:
    """Return a plan of blocks: (leading dimension, its variables, rows), each of about `max_bytes` or less.

    Rows count along the leading dimension; a reader of jagged data finds the matching rows of the jagged dimensions
    from the counts. Even rows of one byte are never cut finer than one row.
    """
    plan: list[tuple[str | None, list[Variable], slice]] = []
    for dim, variables in leading_groups(schema).items():
        rows = schema.sizes[dim] if dim is not None else 1
        total = sum(schema.nbytes(v) for v in variables)
        blocks = max(1, min(rows, -(-total // max(1, max_bytes))))
        step = max(1, -(-rows // blocks))
        starts = range(0, max(rows, 1), step)
        plan.extend((dim, variables, slice(start, min(start + step, rows))) for start in starts)
    return plan


def select_names(names: Sequence[str], patterns: Sequence[str] | None, where: str) -> list[str]:
    """Return the names that match any of the shell-style `patterns`, in their own order; all of them for None.

    A pattern without a slash that matches no name means the last part of names, behind a slash.

    Raises
    ------
    UnknownVariable
        If a pattern without wildcards matches nothing (nearest names are given), or nothing is left at all.
    """
    if patterns is None:
        return list(names)
    meant, known = meant_among(patterns, names), set(names)
    for pattern in patterns:
        if not set("*?[") & set(pattern) and pattern not in known and not meant.get(pattern):
            raise UnknownVariable(f"{where}: there is no variable {pattern!r}. {did_you_mean(pattern, names)}")
    chosen = matching_names(patterns, names)
    if not chosen:
        raise UnknownVariable(f"{where}: no variable matches {', '.join(patterns)}. {did_you_mean(patterns[0], names)}")
    return chosen


def group_variables(variables: Iterable[Variable], sizes: Mapping[str, int], schema: Schema) -> list[Layout]:
    """Split the variables of one block into the groups that models code together, in order of first appearance."""
    members: dict[tuple[GroupKind, tuple[str, ...]], list[Variable]] = {}
    for variable in variables:
        kind: GroupKind = "other"
        if variable.is_numeric and variable.dims:
            kind = "table" if len(variable.dims) == 1 else "grid"
        members.setdefault((kind, variable.dims), []).append(variable)
    return [
        Layout(kind, tuple(group), {dim: sizes[dim] for dim in dims}, schema.counts.get(dims[0], "") if dims else "")
        for (kind, dims), group in members.items()
    ]


def encode_array(values: np.ndarray) -> Json:
    """Return a small array as JSON, for skeletons: `{"dtype", "shape", "base64"}`; bytes-exact."""
    contiguous = np.ascontiguousarray(values)
    return {
        "dtype": contiguous.dtype.str,
        "shape": list(values.shape),
        "base64": base64.b64encode(contiguous.tobytes()).decode("ascii"),
    }


def decode_array(stored: Mapping[str, Json]) -> np.ndarray:
    """Return the array that `encode_array` stored."""
    raw = base64.b64decode(stored["base64"])
    return np.frombuffer(raw, np.dtype(stored["dtype"])).reshape(stored["shape"]).copy()
