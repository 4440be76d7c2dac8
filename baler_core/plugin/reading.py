"""Define what reads and writes files of a format: readers, their sources and sinks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from baler_core.data.formulas import Formula
from baler_core.data.variables import Schema, Variable, leading_slices
from baler_core.errors import DataError
from baler_core.machine.records import dataclass
from baler_core.plugin.interfaces import Component, Tolerances
from baler_core.plugin.shown import Shown

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from baler_core.data.block import Block


@dataclass(frozen=True)
class Settled:
    """What a source makes of the tolerances of its variables.

    Attributes
    ----------
    schema
        The one to store: the same variables and sizes, with a skeleton and attachments that may depend on what is exact.
    tolerances
        None larger than those given: some may be smaller, to leave room for how the restored file writes numbers.
    """

    schema: Schema
    tolerances: Tolerances


@dataclass(frozen=True)
class Categories:
    """What the whole numbers of a variable are codes of; negative ones, and nulls, stand for nothing.

    Attributes
    ----------
    entries
        The variable that lists what there is; empty where that is no single variable that code by code can be looked up in.
    ordered
        Whether the order of the entries has a meaning.
    starts
        Where the code 0 is found in the entries, for runs of rows: their number, and the place. Without any it is the first.
    """

    entries: str
    ordered: bool = False
    starts: Sequence[tuple[int, int]] = ()


class Source:
    """An open input file. Use as a context manager.

    A source defines `read`, or `blocks` where the format can only be read from its beginning.
    """

    schema: Schema
    obstacles: Mapping[str, str] = {}
    """Why variables that one may take for numbers are none (`line 7 holds 'x', which is not a number`), by name."""
    warnings: Sequence[str] = ()
    """What of the file is not in `schema`, and why, one sentence each: shown to the user, and kept in the .bal file."""
    aliases: Mapping[str, str] = {}
    """What users may call variables whose names here are others (`PRIMARY`, for `hdu0`): for hints alone."""
    elsewhere: Sequence[str] = ()
    """What the file only points to, since it lies in other files, and what is kept in a way that users should know: shown
    and kept alike, but nothing that is left out."""

    unchosen: Sequence[str] | None = None
    """The variables of the file that were not chosen, where the reader was given patterns; with None, which says that this
    is not known, a file that `opens_fast` is opened once more without patterns to see them."""

    as_stored: Sequence[str] = ()
    """What holds values, but is no variable, since it is kept byte for byte; by the names that users know it by."""

    masks: Mapping[str, Sequence[str]] = {}
    """Of variables whose values stand for nothing in places: names of boolean variables that are true there, along the
    same leading dimensions. What stands in such a place of a restored file is neither judged nor measured."""

    opens_fast: bool = True
    """Whether opening the file costs little, so that each worker may open it for itself instead of being sent blocks."""

    reads_in_threads: bool = False
    """Whether several threads may read the file at once, each by a source of its own, which the libraries of some formats
    cannot bear. If not, threads are sent blocks; workers in other processes open it in any case."""

    def blocks(self, max_bytes: int) -> Iterator[Block]:
        """Return the values, as blocks of about `max_bytes` following `leading_slices`; may be called again."""
        for _, variables, rows in leading_slices(self.schema, max_bytes):
            yield self.read(variables, rows)

    def read(self, variables: Sequence[Variable], rows: slice) -> Block:
        """Return some rows by themselves, in any order; what comes in the order of the file should not cost more for it.

        Parameters
        ----------
        variables
            All that are cut together (`leading_groups`).
        rows
            Of their leading dimension.
        """
        raise NotImplementedError(f"{type(self).__name__} defines neither 'read' nor 'blocks'")

    @property
    def reads_any_rows(self) -> bool:
        """Whether `read` is there."""
        return type(self).read is not Source.read

    def settle(self, tolerances: Tolerances, *, in_full: Collection[str] = ()) -> Settled:
        """Take note of how wrong values may become, before `blocks` is asked for them; most formats do not care.

        Parameters
        ----------
        in_full
            Variables whose restored values the file must show as they are, to the last bit: others are computed from
            them. Passed only if there are any.
        """
        return Settled(self.schema, tolerances)

    def move_rows(self, order: np.ndarray) -> None:
        """Take note that the rows of the only table will be handed out, and restored, in another order.

        `blocks` goes on giving them in the file's order. Formats in which nothing but values belongs to a row define
        this without doing anything; others move what else belongs to one, such as the spelling of its cells.

        Parameters
        ----------
        order
            int64: the row of the file that each row of the restored one is.

        Raises
        ------
        DataError
            By default: the format keeps its rows in order.
        """
        raise DataError("files of this format keep their rows in order: leave out 'order: free'")

    def close(self) -> None:
        """Release the file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()


class Sink(ABC):
    """An output file being written. The core gives it a temporary path and renames it once `close` has returned."""

    warnings: Sequence[str] = ()
    """How the finished file differs from the original beyond its values, one sentence each, known once `close` has
    returned; shown to the user."""

    @abstractmethod
    def write(self, block: Block) -> None:
        """Append a block; blocks come in the order, and cut the way, `Source.blocks` gave them."""

    @abstractmethod
    def close(self) -> None:
        """Complete the file."""

    def abort(self) -> None:
        """Release everything after a failure; the core removes the temporary file."""


@dataclass(frozen=True)
class TableColumn:
    """A column of a table as the libraries of the original's format show it.

    Attributes
    ----------
    name
        Of the column.
    variables
        What it is made of: values, masks, lengths of lists.
    build
        Makes an array of pyarrow of their values in some rows, and the number of rows. Variables along a jagged dimension
        come with all their values that belong to these rows.
    """

    name: str
    variables: tuple[str, ...]
    build: Callable[[Mapping[str, np.ndarray], int], Any]


@dataclass(frozen=True)
class Cut:
    """What a reader makes of a part of a file.

    Attributes
    ----------
    schema
        The one to create the file by.
    warnings
        What of the whole file will not be there, besides the variables and rows left out, one sentence each.
    """

    schema: Schema
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class Rounded:
    """How the values of a lossy variable of an exported file are rounded; both 0 where they are as restored.

    Attributes
    ----------
    step
        They are multiples of this power of two; 0 where they are not.
    bits
        So many explicit bits of the mantissa at most any of them has; 0 before the file is complete where `step` is given.
    """

    step: float
    bits: int


@dataclass(frozen=True)
class Exported:
    """What a reader makes of a file for those who have no baler.

    Attributes
    ----------
    schema
        The one to create the file by: the same variables, stored as suits rounded values.
    storage
        How the format stores them, in a few words: `zstd baskets`.
    warnings
        How the file differs from the original beyond values and storage, one sentence each.
    """

    schema: Schema
    storage: str
    warnings: Sequence[str] = ()


class Reader(Component, ABC):
    """Reads and writes one file format."""

    suffixes: ClassVar[tuple[str, ...]]
    """Lower-case, with the dot (`.root`, `.fits.gz`)."""
    written: ClassVar[tuple[str, ...]] = ()
    """Suffixes of the files it writes, where these are not the ones it reads."""
    folders: ClassVar[tuple[str, ...]] = ()
    """Names of files one of which makes a folder an input (`zarr.json`), for formats that are folders. `create` then makes
    a folder where the original was one."""
    shortens_digits: ClassVar[bool] = False
    """Whether files are written in digits that are chosen for each value within its bound: values for export, which are
    rounded already, would be rounded twice, and stay as restored."""

    @classmethod
    def formulas(cls, names: Sequence[str]) -> Sequence[Formula]:
        """Guess from names which variables of a table follow from others in this field's data.

        They need not be true: a model tests each on the values. Asked of every installed reader, whatever the file.
        """
        return ()

    @abstractmethod
    def open(self, path: Path, variables: Sequence[str] | None = None) -> Source:
        """Open a file without reading values.

        Parameters
        ----------
        variables
            Shell-style patterns of the variables to take; None takes all. A pattern without wildcards that matches
            nothing is a DataError naming the nearest variables.

        Raises
        ------
        DataError
            If the file is missing, damaged or not of this format, or lacks what was asked for.
        """

    @abstractmethod
    def create(self, path: Path, schema: Schema) -> Sink:
        """Start a file at `path` as `schema` and its skeleton describe it."""

    def cut(self, schema: Schema, whole: Schema) -> Cut:
        """Describe a file that holds a part of another: fewer variables, or fewer rows of the leading dimension.

        Parameters
        ----------
        schema
            That of the part: variables, sizes and counts are right; skeleton and attachments are still those of the whole.
        whole
            That of the whole file.

        Raises
        ------
        DataError
            If files of this format cannot be cut so; the message says what can be done instead.
        """
        raise DataError(
            f"files of the reader {self.name!r} are restored whole; baler_core.open_file gives parts of them as arrays and tables"
        )

    def exported(self, schema: Schema, lossy: Mapping[str, Rounded], sample: Block) -> Exported | None:
        """Describe a file whose own compression suits rounded values; None, the default, has it written as the original.

        Parameters
        ----------
        lossy
            The variables of floats that are not exact.
        sample
            The first block, as it will be written: to try what compresses it best.
        """
        return None

    def finish_export(self, path: Path, schema: Schema, lossy: Mapping[str, Rounded]) -> None:
        """Complete a closed file that `exported` described: say how values were rounded, store it otherwise, or do nothing.

        Parameters
        ----------
        path
            The temporary file; changed in place.
        lossy
            As for `exported`, with the bits that were found.
        """

    def nulls(self, schema: Schema) -> Mapping[str, Sequence[str]]:
        """Return for each variable that has nulls those of booleans that are true where there is one; most formats have none.

        Each lies along as many of the variable's dimensions, the first ones, as it has.
        """
        return {}

    def categories(self, schema: Schema) -> Mapping[str, Categories]:
        """Return for each variable of codes what they are codes of; most formats have none.

        Tables then hold categories in its place, and no column of the entries, which are no rows.
        """
        return {}

    def table_columns(self, schema: Schema, names: Collection[str]) -> Sequence[TableColumn]:
        """Return the columns that tables have in place of some variables, in their order; most formats have none.

        For types that variables do not have: decimals, times, structs, lists that are null.

        Parameters
        ----------
        names
            The variables that were asked for.
        """
        return ()

    def frame_as_read(self, schema: Schema, frame: pd.DataFrame, start: int | None) -> pd.DataFrame:
        """Return a table of pandas of all columns, from a row on, as pandas reads it from the original: with its index.

        Most formats have none.
        """
        return frame

    def missing_in_tables(self, variable: Variable, values: np.ndarray) -> np.ndarray | None:
        """Return where stored values stand for nothing in tables, as a mask; None, the default, where only nulls do.

        For formats in which a plain value means that there is none, as an empty cell of text does.
        """
        return None

    def shown(self, schema: Schema) -> Shown | None:
        """Return how the libraries of this format show the file that `create` would make, from its schema alone.

        Libraries that open `.bal` files, such as xarray, show it so. None, the default, has them take names, dimensions,
        units, fill values and packing from the schema.
        """
        return None


def is_marked(path: Path, marks: Collection[str]) -> bool:
    """Return whether a folder holds a file of one of these names, which `Reader.folders` lists."""
    return any((path / mark).is_file() for mark in marks)
