"""Code the weights of networks, small integers most of which are 0, with adaptive probabilities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from baler_core.builtin.models.table.network.inference import OUTPUTS, Network
from baler_core.builtin.models.table.network.mixtures import COMPONENTS
from baler_core.entropy.arithmetic import Coder, finish, new_decoder, new_encoder
from baler_core.entropy.magnitudes import LENGTHS, bit_length
from baler_core.entropy.mixing import new_counters
from baler_core.entropy.numbers import code_number
from baler_core.errors import FormatError
from baler_core.machine.compiled import Array, Integer, compiled

MOST_COLUMNS = 64
MOST_WIDE = 64
_STATES = 8
_KINDS = 5
_ROW = 4 * LENGTHS
_LARGEST = 1 << 15


def matrices_to_bytes(matrices: Sequence[np.ndarray]) -> bytes:
    """Write matrices of small whole numbers; their shapes are stored elsewhere."""
    coder = new_encoder(8 * sum(matrix.size for matrix in matrices) + 64)
    for matrix in matrices:
        code_matrix(*coder, new_counters(_STATES * _ROW), matrix.astype(np.int64), 0)
    return finish(coder)


class MatrixReader:
    """Takes matrices from the bytes of `matrices_to_bytes`."""

    def __init__(self, data: bytes) -> None:
        self._coder = new_decoder(data)

    def matrices(self, shapes: Sequence[tuple[int, int]]) -> list[np.ndarray]:
        """Return matrices of these shapes: int16.

        Raises
        ------
        FormatError
            If a weight is larger than any that is written.
        """
        found = [np.zeros(shape, np.int64) for shape in shapes]
        for matrix in found:
            code_matrix(*self._coder, new_counters(_STATES * _ROW), matrix, 0)
        return [_checked(matrix) for matrix in found]


def networks_to_bytes(networks: Sequence[Network]) -> bytes:
    """Write the weights of networks, one after the other; their shapes are stored elsewhere."""
    if not networks:
        return b""
    size = sum(matrix.size for network in networks for matrix in network.matrices)
    coder, counters = new_encoder(8 * size + 64), _counters()
    for network in networks:
        _code_matrices(coder, counters, [matrix.astype(np.int64) for matrix in network.matrices])
    return finish(coder)


class NetworkReader:
    """Takes networks from the bytes of `networks_to_bytes`, in turn.

    Parameters
    ----------
    inputs
        How many inputs one column gives.
    """

    def __init__(self, data: bytes, inputs: int) -> None:
        self._coder = new_decoder(data)
        self._counters = _counters()
        self._inputs = inputs

    def network(self, columns: tuple[int, ...], width: int) -> Network:
        """Return the next network, which looks at these columns and has so many hidden units.

        Raises
        ------
        FormatError
            If its weights are larger than any that are written.
        """
        inputs = len(columns) * self._inputs
        shapes = ((inputs, width), (inputs, COMPONENTS), (width, OUTPUTS), (1, width), (1, OUTPUTS))
        found = [np.zeros(shape, np.int64) for shape in shapes]
        _code_matrices(self._coder, self._counters, found)
        into, skip, out, bias, out_bias = map(_checked, found)
        return Network(columns, into, bias[0], out, out_bias[0], skip)


def _checked(matrix: np.ndarray) -> np.ndarray:
    if (np.abs(matrix) >= _LARGEST).any():
        raise FormatError("what was learned of a table is damaged: a network's weights are too large")
    return matrix.astype(np.int16)


def _counters() -> Array:
    return new_counters(_KINDS * _STATES * _ROW)


def _code_matrices(coder: Coder, counters: Array, matrices: Sequence[Array]) -> None:
    for kind, matrix in enumerate(matrices):
        code_matrix(*coder, counters, matrix, kind)


@compiled
def code_matrix(registers: Array, data: Array, counters: Array, matrix: Array, kind: Integer) -> None:
    """Write or read a matrix of whole numbers, each in the context of its neighbours above and to the left."""
    for row in range(matrix.shape[0]):
        for column in range(matrix.shape[1]):
            near = 0
            if row > 0:
                near += 2 * abs(matrix[row - 1, column])
            if row > 1:
                near += abs(matrix[row - 2, column])
            if column > 0:
                near += abs(matrix[row, column - 1])
            state = min(bit_length(near), _STATES - 1)
            place = (kind * _STATES + state) * _ROW
            matrix[row, column] = code_number(registers, data, counters, place, matrix[row, column])
