"""Evaluate a masked autoregressive flow in exact whole numbers: the mixture of each column from those before it."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from baler_core.builtin.models.table.network.mixtures import WEIGHT, Mixture, exp_table, scale_table
from baler_core.builtin.models.table.network.weights import MatrixReader, matrices_to_bytes
from baler_core.entropy.varint import ByteReader, write_varint
from baler_core.errors import FormatError
from baler_core.machine.records import dataclass

LOGISTICS = 4
OUTPUTS = 3 * LOGISTICS
FEATURES, COUNTS = 4, 2
"""Inputs that a column gives, and that a row's place in its event gives."""
INPUT_ONE, WEIGHT_ONE, HIDDEN_ONE = 64, 64, 32
"""An input of 1, a weight of 1, and a hidden unit of 1."""
LARGEST_HIDDEN = 255
MOST_COLUMNS, MOST_WIDE = 64, 256
_INTO_BITS, _ACROSS_BITS = 7, 6
"""Products of inputs and weights, or of hidden units and weights, to hidden units."""
_TOGETHER = 1 << 13


class Inputs(Protocol):
    """What is known of the rows before a column is coded."""

    rows: int

    def features(self, number: int) -> np.ndarray:
        """Return int16 (FEATURES, rows) of a column that is coded already."""

    def counts(self) -> np.ndarray:
        """Return int16 (COUNTS, rows): position in the event, and its size."""


@dataclass(frozen=True)
class Flow:
    """A flow: each column's score to a mixture of logistics, whose parameters follow from the columns before.

    Attributes
    ----------
    columns
        Column numbers in the order of coding.
    told
        For each, whether its mixture is used.
    jagged
        Whether the place of a row in its event is an input.
    into, across, out
        int16 (inputs, first), (first, second), (second, columns * OUTPUTS): weights in units of 1 / WEIGHT_ONE. Unit k of
        n in a layer looks at k * columns // n columns; the mixture of a column, at the units that look at those before it.
    skip
        int16 (inputs, columns * LOGISTICS): from the inputs to the centres.
    biases
        int16 (1, first), (1, second), (1, columns * OUTPUTS).
    """

    columns: tuple[int, ...]
    told: tuple[bool, ...]
    jagged: bool
    into: np.ndarray
    across: np.ndarray
    out: np.ndarray
    skip: np.ndarray
    biases: tuple[np.ndarray, np.ndarray, np.ndarray]

    @property
    def matrices(self) -> tuple[np.ndarray, ...]:
        """All weights, in the order in which they are stored."""
        return self.into, self.across, self.out, self.skip, *self.biases

    def before(self, number: int) -> set[int]:
        """Return the columns that the mixture of a column follows from."""
        return set(self.columns[: self.columns.index(number)]) if self.tells(number) else set()

    def tells(self, number: int) -> bool:
        """Return whether a column is coded by its mixture."""
        return number in self.columns and self.told[self.columns.index(number)]

    def to_bytes(self) -> bytes:
        """Write the flow as bytes."""
        head = [len(self.columns), self.into.shape[1], self.across.shape[1], int(self.jagged), *self.columns]
        head += [int(told) for told in self.told]
        return b"".join(map(write_varint, head)) + matrices_to_bytes(self.matrices)

    @classmethod
    def from_bytes(cls, data: bytes, columns: int) -> Flow:
        """Invert `to_bytes` for a table of so many columns.

        Raises
        ------
        FormatError
            If the bytes are damaged.
        """
        reader = ByteReader(data, "the flow of a table")
        count = reader.varint(MOST_COLUMNS + 1)
        first, second = reader.varint(MOST_WIDE + 1), reader.varint(MOST_WIDE + 1)
        jagged = bool(reader.varint(2))
        numbers = tuple(reader.varint(columns) for _ in range(count)) if columns else ()
        if not (count and first and second) or len({*numbers}) != count:
            raise FormatError("the flow of a table is damaged: its columns are impossible")
        told = tuple(bool(reader.varint(2)) for _ in range(count))
        inputs = FEATURES * count + COUNTS * jagged
        shapes = [(inputs, first), (first, second), (second, count * OUTPUTS), (inputs, count * LOGISTICS)]
        matrices = MatrixReader(reader.rest()).matrices([*shapes, (1, first), (1, second), (1, count * OUTPUTS)])
        into, across, out, skip, *biases = matrices
        return cls(numbers, told, jagged, into, across, out, skip, (biases[0], biases[1], biases[2]))


class FlowRows:
    """A flow on the rows of one block: units are computed as the columns that they look at become known.

    Notes
    -----
    Sums of products of whole numbers, below 2^40 whatever the weights: float64 holds each exactly, in any order, on any
    processor. That is why a library of linear algebra may make them.
    """

    def __init__(self, flow: Flow, inputs: Inputs) -> None:
        self.flow, self._inputs = flow, inputs
        self._layers = [np.zeros((inputs.rows, m.shape[1]), np.uint8) for m in (flow.into, flow.across)]
        self._done = 0

    def mixture_of(self, number: int) -> Mixture:
        """Return the mixtures of a column that the flow tells; columns are asked for in their order."""
        flow = self.flow
        place = flow.columns.index(number)
        self._go_on(place)
        known = units_known(flow.across.shape[1], len(flow.columns), place)
        mixture = Mixture(*(np.zeros((self._inputs.rows, LOGISTICS), np.int64) for _ in range(3)))
        columns, centres = (
            slice(place * OUTPUTS, (place + 1) * OUTPUTS),
            slice(place * LOGISTICS, (place + 1) * LOGISTICS),
        )
        for rows in self._pieces():
            out = _product(self._layers[1][rows, :known], flow.out[:known, columns])
            out += flow.biases[2][0, columns].astype(np.int64) * HIDDEN_ONE
            inputs = self._seen(place, rows)
            _fill(mixture, rows, out, _product(inputs, flow.skip[: inputs.shape[1], centres]))
        return mixture

    def _go_on(self, place: int) -> None:
        """Compute all units that look at no column from `place` on."""
        flow, count = self.flow, len(self.flow.columns)
        first, second = (
            (units_known(m.shape[1], count, self._done - 1), units_known(m.shape[1], count, place))
            for m in (flow.into, flow.across)
        )
        for rows in self._pieces() if place >= self._done else ():
            inputs = self._seen(place, rows)
            sums = _product(inputs, flow.into[: inputs.shape[1], slice(*first)])
            bias = flow.biases[0][0, slice(*first)].astype(np.int64) * INPUT_ONE
            self._layers[0][rows, slice(*first)] = _unit(sums + bias, _INTO_BITS)
            sums = _product(self._layers[0][rows, : first[1]], flow.across[: first[1], slice(*second)])
            bias = flow.biases[1][0, slice(*second)].astype(np.int64) * HIDDEN_ONE
            self._layers[1][rows, slice(*second)] = _unit(sums + bias, _ACROSS_BITS)
        self._done = max(self._done, place + 1)

    def _seen(self, place: int, rows: slice) -> np.ndarray:
        """Inputs of the columns before a place: int16 (rows, inputs), those of the event first."""
        counts = [self._inputs.counts()[:, rows]] if self.flow.jagged else []
        known = [self._inputs.features(number)[:, rows] for number in self.flow.columns[:place]]
        return np.concatenate([*counts, *known, np.zeros((0, rows.stop - rows.start), np.int16)]).T

    def _pieces(self) -> list[slice]:
        rows = self._inputs.rows
        return [slice(start, min(start + _TOGETHER, rows)) for start in range(0, rows, _TOGETHER)]


def units_known(units: int, columns: int, place: int) -> int:
    """Return how many of a layer's units look at no column from `place` on; -1 gives 0."""
    return min(units, -(-(place + 1) * units // columns))


def looked_at(units: int, columns: int) -> np.ndarray:
    """Return how many columns each unit of a layer looks at: int64 (units,)."""
    return np.arange(units) * columns // units


def _product(numbers: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.asarray((numbers.astype(np.float64) @ weights.astype(np.float64)).astype(np.int64))


def _unit(sums: np.ndarray, bits: int) -> np.ndarray:
    return np.asarray(np.clip((sums + (1 << (bits - 1))) >> bits, 0, LARGEST_HIDDEN).astype(np.uint8))


def _fill(mixture: Mixture, rows: slice, out: np.ndarray, centres: np.ndarray) -> None:
    """Weights, centres and scales from the outputs of some rows, as `inference` does for the network of one column."""
    exps, scales = exp_table(), scale_table()
    logs = out[:, :LOGISTICS]
    far = (logs.max(axis=1, keepdims=True) - logs + 64) >> 7
    weights = exps[np.minimum(far, len(exps) - 1)] + 1
    mixture.weights[rows] = weights * WEIGHT // weights.sum(axis=1, keepdims=True) + 1
    mixture.centres[rows] = centres + 2 * out[:, LOGISTICS : 2 * LOGISTICS]
    mixture.scales[rows] = scales[np.clip((out[:, 2 * LOGISTICS :] + 64) >> 7, -112, 40) + 112]
