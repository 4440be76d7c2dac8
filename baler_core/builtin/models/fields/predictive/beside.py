"""Code an image of whole numbers by prediction from its own neighbours and from those of an image that is known."""

from __future__ import annotations

import zlib
from typing import NamedTuple

import numpy as np

from baler_core.builtin.models.fields.predictive.coder import SIGNED, code_signed_beside
from baler_core.builtin.models.fields.predictive.field import LARGEST, Integers, code_common, read_common
from baler_core.builtin.models.fields.predictive.predictor import FRACTION
from baler_core.builtin.models.fields.predictive.series import new_series, restored
from baler_core.builtin.models.fields.predictive.signed_contexts import new_signed_statistics
from baler_core.builtin.models.fields.predictive.stencil import Stencils
from baler_core.entropy.arithmetic import OVERRUN, Coder, finish, new_decoder, new_encoder
from baler_core.entropy.signed import new_slots
from baler_core.errors import FormatError
from baler_core.plugin.interfaces import Effort

_LARGEST_ERROR = 1 << 40


class Known(NamedTuple):
    """An image of the same shape, int64 in 1/1024 of a step; and how large values are expected to be, in 1/16."""

    values: np.ndarray
    errors: np.ndarray


def encode_beside(values: np.ndarray, known: Known, effort: Effort) -> bytes:
    """Write whole numbers, int64 (y, x), of less than 2^30 in magnitude, with a checksum."""
    stencils = _learned(values, known, effort)
    limits = int(values.min()), int(values.max())
    mixed = SIGNED[effort == "max"]
    capacity = 4096 + 4 * values.size
    while True:
        coder = new_encoder(capacity)
        code_common(coder, limits, stencils, 1)
        _code(coder, values, known, (stencils, limits, mixed))
        if not coder.registers[OVERRUN]:
            return bytes([mixed]) + _checksum(values) + finish(coder)
        capacity *= 4


def decode_beside(data: bytes, known: Known) -> np.ndarray:
    """Invert `encode_beside`.

    Raises
    ------
    FormatError
        If the bytes are damaged.
    """
    if len(data) < 4 or data[0] not in SIGNED:
        raise FormatError("coefficients are cut short, or damaged")
    coder = new_decoder(data[4:])
    limits, stencils = read_common(coder, (1, 2))
    values = _code(coder, np.zeros(known.values.shape, np.int64), known, (stencils, limits, data[0]))
    if _checksum(values) != data[1:4]:
        raise FormatError("coefficients are damaged: they have another checksum")
    return values


def _learned(values: np.ndarray, known: Known, effort: Effort) -> Stencils:
    """Learn the stencil of the second variable; that of the first is nothing."""
    from baler_core.builtin.models.fields.predictive.stencil_fit import learn_stencils

    both = np.stack([known.values, values << FRACTION])[np.newaxis]
    found = learn_stencils(Integers(both, None), effort)
    found.weights[0] = 0
    return found


def _code(coder: Coder, values: np.ndarray, known: Known, how: tuple[Stencils, tuple[int, int], int]) -> np.ndarray:
    stencils, (low, high), mixed = how
    both = np.stack([np.clip(known.values, -(LARGEST << FRACTION), LARGEST << FRACTION), values << FRACTION])
    series = new_series(both[np.newaxis], None, stencils, (low << FRACTION, high << FRACTION), closed=False)
    series.errors[0, 2:-2, 2:-2] = np.clip(known.errors, 0, _LARGEST_ERROR)
    code_signed_beside(coder, new_signed_statistics(), series, new_slots(mixed - 1))
    return np.ascontiguousarray(restored(series, (1, 2, *values.shape))[0, 1]) >> FRACTION


def _checksum(values: np.ndarray) -> bytes:
    return zlib.crc32(np.ascontiguousarray(values, "<i8").data).to_bytes(4, "little")[:3]
