"""Read the columns of a Parquet or Arrow file as blocks of plain arrays."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from baler_core import DataError, Settled, Source, Tolerances, Variable, leading_slices, make_block
from baler_parquet.contents.columns import choose_columns
from baler_parquet.contents.files import ArrowFile, first_line, located
from baler_parquet.contents.nodes import Naming, index_columns, nodes_of
from baler_parquet.schema.collections import Tally
from baler_parquet.schema.layout import (
    MOST_EMPTY,
    SCHEMA,
    Known,
    RowLayout,
    dictionary_nodes,
    joined,
    lay_out,
    stated_about,
    value_names,
)
from baler_parquet.schema.scan import ColumnScan, scan
from baler_parquet.values.take import LISTS, NULL, Taken

if TYPE_CHECKING:
    import pyarrow as pa

    from baler_core import Block

Storage: TypeAlias = "Callable[[pa.Schema, Sequence[int]], tuple[dict[str, Any], list[str]]]"


class ArrowSource(Source):
    """An open file.

    Parameters
    ----------
    patterns
        Names to take, shell-style; None takes all.
    storage
        What the record of its storage is, and what of it cannot be restored.
    """

    reads_in_threads = True

    def __init__(self, file: ArrowFile, patterns: Sequence[str] | None, storage: Storage) -> None:
        self._file = file
        import pyarrow as pa

        try:
            self._open(patterns, storage)
        # Names that are no text, and what else of a schema shows only when it is asked for.
        except (pa.ArrowException, UnicodeDecodeError, RecursionError, OverflowError, NotImplementedError) as error:
            file.close()
            raise DataError(f"{file.path}: is damaged: {first_line(error)}") from error
        except BaseException:
            file.close()
            raise

    def _open(self, patterns: Sequence[str] | None, storage: Storage) -> None:
        file = self._file
        self._rows: _Rows | None = None
        self._chosen = choose_columns(file.schema, patterns, str(file.path))
        nodes = self._chosen.nodes
        with located(file.path):
            self._scan = scan(file, self._chosen.places, nodes)
        naming = Naming(value_names(nodes))
        about = stated_about(self._chosen.schema, index_columns(file.schema.metadata))
        row = naming.unique("row")
        self._dictionaries: dict[str, tuple[RowLayout, list[pa.Array]]] = {}
        for node, content in dictionary_nodes(nodes, naming):
            arrays = self._scan.dictionaries.distinct.get(node.place, [])
            layout = _lay_out_dictionary(arrays, content, naming)
            self._dictionaries[node.place] = layout, arrays
        found = self._scan
        known = Known(found.nulls, found.tallies, found.counters, about)
        self._layout = lay_out(nodes, sum(file.rows), row, naming, known)
        if not self._layout.variables and sum(file.rows) > MOST_EMPTY:
            raise DataError(f"{file.path}: has {sum(file.rows):,} rows and nothing in them")
        layouts = [*(layout for layout, _ in self._dictionaries.values()), self._layout]
        self.masks = {name: masks for layout in layouts for name, masks in layout.masks.items()}
        record, warnings = storage(self._chosen.schema, self._chosen.places)
        self.unchosen = self._chosen.unchosen
        self.warnings = [*self._chosen.warnings, *warnings]
        self.schema = joined(
            layouts,
            self._skeleton(record),
            {SCHEMA: self._chosen.schema.serialize().to_pybytes()},
        )

    def _skeleton(self, record: Mapping[str, Any]) -> dict[str, Any]:
        names = {
            place: name
            for layout in (self._layout, *(layout for layout, _ in self._dictionaries.values()))
            for place, name in layout.names.items()
        }
        plain = {node.place: node.name for column in self._chosen.nodes for node in nodes_of(column)}
        return {
            "kind": self._file.kind,
            "rows": self._file.rows,
            "names": {place: name for place, name in names.items() if plain.get(place) != name},
            "dictionaries": {
                place: {"sizes": [len(one) for one in arrays], "of": self._scan.dictionaries.of.get(place, [])}
                for place, (_, arrays) in self._dictionaries.items()
            },
            "storage": dict(record),
        }

    def settle(self, tolerances: Tolerances, *, in_full: Collection[str] = ()) -> Settled:
        """Refuse bounds on codes: the number of an entry of a dictionary has no error."""
        codes = {node.name for column in self._chosen.nodes for node in nodes_of(column) if node.kind == "dictionary"}
        for name in codes & set(tolerances):
            if tolerances[name].kind != "exact":
                raise DataError(
                    f"{self._file.path}: {name!r} holds codes of a dictionary, which can only be kept lossless: take its "
                    "bound away"
                )
        return Settled(self.schema, tolerances)

    def move_rows(self, order: np.ndarray) -> None:
        """Do nothing: only values belong to a row."""

    def blocks(self, max_bytes: int) -> Iterator[Block]:
        """Yield the dictionaries, then the rows."""
        rows = self._from_start()
        for _, variables, part in leading_slices(self.schema, max_bytes):
            yield self._read(rows, variables, part)

    def read(self, variables: Sequence[Variable], rows: slice) -> Block:
        """Return some rows, or some entries of a dictionary; what lies before a row group is not read."""
        if self._rows is None:
            self._rows = self._from_start()
        return self._read(self._rows, variables, rows)

    def _from_start(self) -> _Rows:
        return _Rows(self._file, self._chosen.places, self._layout, self._scan)

    def _read(self, rows: _Rows, variables: Sequence[Variable], part: slice) -> Block:
        entries = {name: one for one in self._dictionaries.values() for name in one[0].names.values()}
        with located(self._file.path):
            if variables[0].name in entries:
                layout, arrays = entries[variables[0].name]
                found = _dictionary_rows(layout, arrays, part)
            else:
                layout, found = self._layout, rows.at(part)
        named = {name: found[place] for place, name in layout.names.items() if place in found}
        return make_block({v.name: (v.dims, _checked(named, v.name, v.numpy_dtype)) for v in variables})

    def close(self) -> None:
        """Release the file."""
        self._file.close()


def _checked(named: Mapping[str, np.ndarray], name: str, dtype: np.dtype[Any]) -> np.ndarray:
    values = named[name]
    return values if values.dtype == dtype else values.astype(dtype)


def _lay_out_dictionary(arrays: Sequence[pa.Array], content: Any, naming: Naming) -> RowLayout:
    """The variables of the entries of a dictionary, those of all pieces of the file one after the other."""
    tallies = {node.place: Tally() for node in nodes_of(content) if node.kind == "list"}
    nulls: set[str] = set()
    for array in arrays:
        taken = Taken()
        taken.take(content, array)
        for key, values in taken.arrays.items():
            place, bar, what = key.partition("|")
            if bar and what == LISTS[1:]:
                tallies[place].add(values)
            elif bar:
                nulls.add(key)
    row = naming.unique(f"{content.name} entries")
    about = {content.place: {"role": "flag", "reason": "entries of a dictionary"}}
    return lay_out([content], sum(map(len, arrays)), row, naming, Known(nulls, tallies, {}, about))


def _dictionary_rows(layout: RowLayout, arrays: Sequence[pa.Array], part: slice) -> dict[str, np.ndarray]:
    import pyarrow as pa

    kind = arrays[0].type if arrays else layout.nodes[0].type
    whole = pa.chunked_array(arrays, kind).slice(part.start, part.stop - part.start)
    return _joined(layout, [_taken(layout, [chunk], None) for chunk in whole.chunks], part.stop - part.start)


def _taken(layout: RowLayout, arrays: Sequence[pa.Array], codes: Any) -> dict[str, np.ndarray]:
    taken = Taken(codes)
    for node, array in zip(layout.nodes, arrays, strict=True):
        taken.take(node, array)
    length = len(arrays[0]) if arrays else 0
    for key in taken.arrays:
        if NULL in key and key not in layout.names:
            name = next(n.name for column in layout.nodes for n in nodes_of(column) if n.place == key.partition("|")[0])
            raise DataError(f"the column {name!r} has nulls, and the file states that it has none: it is damaged")
    return {**taken.arrays, "": np.zeros(length, bool)}


def _joined(layout: RowLayout, parts: Sequence[Mapping[str, np.ndarray]], rows: int) -> dict[str, np.ndarray]:
    """The parts one after the other; a mask that one of them lacks is False there."""
    import pyarrow as pa

    found: dict[str, np.ndarray] = {}
    empty = Taken()
    if not parts:
        for node in layout.nodes:
            empty.take(node, pa.array([], node.type))
        parts = [{**empty.arrays, "": np.zeros(0, bool)}]
    for place in layout.names:
        if NULL in place:
            pieces = [part.get(place, _no_mask(place, part)) for part in parts]
        else:
            pieces = [part[place] for part in parts]
        found[place] = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
    if sum(len(part[""]) for part in parts) != rows:
        raise DataError("the file holds fewer rows than it states")
    return found


def _no_mask(place: str, part: Mapping[str, np.ndarray]) -> np.ndarray:
    """A mask of what has no nulls, of the shape of what it masks."""
    node, _, level = place.partition(NULL)
    if node in part:
        return np.zeros(part[node].shape[: int(level or 0) + 1], bool)
    if node + LISTS in part:
        return np.zeros(len(part[node + LISTS]), bool)
    parent = node
    while "." in parent:
        parent = parent.rpartition(".")[0]
        if parent + LISTS in part:
            return np.zeros(int(part[parent + LISTS].sum()), bool)
    return np.zeros(len(part[""]), bool)


class _Rows:
    """The rows of a file, cut as they are asked for: cheap in their order, from the beginning of a piece elsewhere."""

    def __init__(self, file: ArrowFile, places: Sequence[int], layout: RowLayout, found: ColumnScan) -> None:
        self._file, self._places = file, places
        self._layout, self._scan = layout, found
        self._begin(0)

    def _begin(self, piece: int) -> None:
        self._parts = self._file.parts(self._places, piece)
        self._piece, self._rest, self._start = piece, [], 0  # type: int, list[pa.Array], int
        self._row = sum(self._file.rows[:piece])

    def at(self, part: slice) -> dict[str, np.ndarray]:
        """Return the plain arrays of some rows."""
        ends = list(itertools.accumulate(self._file.rows))
        piece = bisect_right(ends, part.start)
        if part.start < self._row or (piece < len(ends) and ends[piece] - self._file.rows[piece] > self._row):
            self._begin(piece)
        skipped = part.start - self._row
        while skipped > 0:
            if not self._rest or self._start >= len(self._rest[0]):
                step = next(self._parts, None)
                if step is None:
                    break
                self._piece, self._rest, self._start = step[0], step[1], 0
                continue
            here = min(skipped, len(self._rest[0]) - self._start)
            self._start, skipped = self._start + here, skipped - here
        self._row = part.stop
        return self._next(part)

    def _next(self, part: slice) -> dict[str, np.ndarray]:
        wanted, found = part.stop - part.start, []
        while wanted > 0:
            if not self._rest or self._start >= len(self._rest[0]):
                step = next(self._parts, None)
                if step is None:
                    break
                self._piece, self._rest, self._start = step[0], step[1], 0
                continue
            arrays = [array.slice(self._start, wanted) for array in self._rest]
            piece = self._piece
            codes = lambda node, array, piece=piece: self._scan.dictionaries.codes(node, piece, array)  # noqa: E731
            found.append(_taken(self._layout, arrays, codes))
            self._start += len(arrays[0])
            wanted -= len(arrays[0])
        return _joined(self._layout, found, part.stop - part.start)
