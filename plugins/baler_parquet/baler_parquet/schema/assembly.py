"""Put restored variables together to the pieces of a table."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from baler_parquet.contents.columns import trees_of
from baler_parquet.contents.nodes import Naming, Node, nodes_of
from baler_parquet.schema.layout import MOST_EMPTY, dictionary_nodes
from baler_parquet.values.build import Building
from baler_parquet.values.cut import ArrayFront
from baler_parquet.values.writing import Output

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass
class _Dictionary:
    """The entries of the dictionaries of a node.

    Attributes
    ----------
    content
        The tree of an entry.
    names
        Of its variables, by place.
    sizes, of
        Lengths of the different ones, and which of them each piece has.
    arrays
        What has come so far, by place.
    """

    content: Node
    names: dict[str, str]
    sizes: list[int]
    of: list[int]
    arrays: dict[str, list[np.ndarray]] = field(default_factory=dict)
    made: list[pa.Array] | None = None

    def of_piece(self, piece: int) -> pa.Array:
        """Return the dictionary of a piece."""
        import pyarrow as pa

        if self.made is None:
            whole = {place: np.concatenate(parts) for place, parts in self.arrays.items()}
            cut, self.made = ArrayFront(whole), []
            for length in self.sizes:
                arrays = cut.next(self.content, length)
                self.made.append(Building(arrays, _no_dictionary).build(self.content, self.kind, length))
        number = self.of[piece] if piece < len(self.of) else -1
        if (
            number < 0
        ):  # of a piece without rows nothing is known: files of arrow hold one dictionary, that of any neighbour
            around = (*self.of[piece:], *reversed(self.of[:piece]))
            number = next((one for one in around if one >= 0), -1)
        return self.made[number] if 0 <= number < len(self.made) else pa.array([], self.kind)

    kind: Any = None


def _no_dictionary(node: Node) -> pa.Array:
    raise ValueError("a dictionary of dictionaries")


class Assembly:
    """A table that is written piece by piece, from blocks of variables.

    Parameters
    ----------
    skeleton
        The record of the source.
    known
        Names of all variables.
    """

    def __init__(self, schema: pa.Schema, skeleton: Mapping[str, Any], known: Collection[str]) -> None:
        self._schema = schema
        self._plan(skeleton, known)
        self._piece = 0
        self._collected: list[list[pa.Array]] = []
        self._length = 0
        self._no_rows: dict[str, np.ndarray] = {}

    def _plan(self, skeleton: Mapping[str, Any], known: Collection[str]) -> None:
        self._nodes = trees_of(self._schema, Naming())
        stated = {str(place): str(name) for place, name in skeleton["names"].items()}
        plain = {
            node.place: node.name
            for column in self._nodes
            for node in nodes_of(column)
            if node.kind in ("values", "dictionary")
        }
        names = {**plain, **stated}
        self._dictionaries: dict[str, _Dictionary] = {}
        for node, content in dictionary_nodes(self._nodes, Naming()):
            about = skeleton["dictionaries"][node.place]
            own = {place: name for place, name in names.items() if place.startswith(f"{node.place}#")}
            sizes, of = [int(one) for one in about["sizes"]], [int(one) for one in about["of"]]
            if any(size < 0 for size in sizes):
                raise ValueError("a dictionary of negative length")
            made = self._dictionaries[node.place] = _Dictionary(content, own, sizes, of)
            made.kind = node.type.value_type
        self._names = {place: name for place, name in names.items() if "#" not in place}
        for name in names.values():
            if name not in known:
                raise ValueError(f"there is no variable {name!r}")
        self._rows = [int(rows) for rows in skeleton["rows"]]
        if any(rows < 0 for rows in self._rows) or (not self._names and sum(self._rows) > MOST_EMPTY):
            raise ValueError("pieces of the file have impossible numbers of rows")

    def blocks(self) -> list[list[str]]:
        """Return the names of the variables that come together, those of dictionaries first."""
        sets = [list(dictionary.names.values()) for dictionary in self._dictionaries.values()]
        return [names for names in [*sets, list(self._names.values())] if names]

    def add(self, block: Mapping[str, np.ndarray], output: Output) -> None:
        """Take in the entries of a dictionary, or rows.

        Raises
        ------
        KeyError, IndexError, TypeError, ValueError, pyarrow.ArrowException
            If they do not fit.
        """
        for dictionary in self._dictionaries.values():
            if any(name in block for name in dictionary.names.values()):
                for place, name in dictionary.names.items():
                    dictionary.arrays.setdefault(place, []).append(block[name])
                return
        if self._names:
            self._add_rows({place: block[name] for place, name in self._names.items()}, output)

    def _add_rows(self, arrays: Mapping[str, np.ndarray], output: Output) -> None:
        top = next(node for node in self._nodes if _key_of(node, arrays))
        total = len(arrays[_key_of(top, arrays)])
        cut, done = ArrayFront(arrays), 0
        self._no_rows = {place: values[:0] for place, values in arrays.items()}
        while done < total:
            if self._piece >= len(self._rows):
                raise ValueError("more rows than the pieces of the file have")
            length = min(total - done, self._rows[self._piece] - self._length)
            columns = {}
            for node in self._nodes:
                columns.update(cut.next(node, length))
            self._collected.append(self._build(columns, length))
            self._length += length
            done += length
            if self._length == self._rows[self._piece]:
                self._flush(output)

    def _build(self, arrays: Mapping[str, np.ndarray], length: int) -> list[pa.Array]:
        piece = self._piece
        building = Building(arrays, lambda node: self._dictionaries[node.place].of_piece(piece))
        made = [building.build(node, one.type, length) for node, one in zip(self._nodes, self._schema, strict=True)]
        for array in made:
            array.validate(full=True)
        return made

    def _flush(self, output: Output) -> None:
        """Write the piece that is complete."""
        import pyarrow as pa

        columns = [
            pa.chunked_array([part[n] for part in self._collected], one.type) for n, one in enumerate(self._schema)
        ]
        output.write(pa.Table.from_arrays(columns, schema=self._schema))
        self._collected, self._length = [], 0
        self._piece += 1

    def finish(self, output: Output) -> None:
        """Write the pieces without values that are left."""
        while self._piece < len(self._rows):
            rows = self._rows[self._piece]
            if rows and (self._names or self._collected):
                raise ValueError("fewer rows than the pieces of the table have")
            if rows:
                self._collected.append(self._build({}, rows))
            elif self._no_rows and self._dictionaries:  # so that it has the dictionaries of the others
                self._collected.append(self._build(self._no_rows, 0))
            self._flush(output)


def _key_of(node: Node, arrays: Mapping[str, np.ndarray]) -> str:
    """The place of an array of a column that lies along its rows; empty if there is none."""
    for key in (node.place, f"{node.place}|null", f"{node.place}|counts"):
        if key in arrays:
            return key
    below: Sequence[Node] = node.children if node.kind == "struct" else ()
    return next((key for child in below if (key := _key_of(child, arrays))), "")
