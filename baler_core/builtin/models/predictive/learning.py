"""Learns the weights of stencils from some values of a chunk, and codes all of them with these."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from baler_core.builtin.models.predictive.classes import learned_classes
from baler_core.builtin.models.predictive.field import Integers, encode_with
from baler_core.builtin.models.predictive.sampling import samples_of
from baler_core.builtin.models.predictive.stencil import COLUMNS, EDGE, LARGEST_EDGE, MOST_CLASSES, fitted
from baler_core.interfaces import Effort

# Numbers of contexts that are mixed.
MIXED: Mapping[Effort, int] = {"fast": 0, "balanced": 3, "max": 7}
# Values that stencils are learned from.
_ROWS: Mapping[Effort, int] = {"fast": 6_000, "balanced": 20_000, "max": 24_000}
_FEW_ROWS = 4_000
# For fewer values, far neighbours and classes are not worth their weights.
_MANY_VALUES = 1 << 18


def encode_integers(integers: Integers, effort: Effort = "max", known: np.ndarray | None = None) -> bytes:
    """All values outside holes, and a checksum of what will be restored.

    Parameters
    ----------
    known
        Stencils that suited another file: then none are learned.
    """
    if known is None or not _suits(known, integers.values.shape[1]):
        known = learn_stencils(integers, effort)
    return encode_with(integers, known, MIXED[effort])[0]


def encode_roughly(integers: Integers) -> bytes:
    """The same, as quickly as possible."""
    return encode_with(integers, learn_stencils(integers, "fast", roughly=True), MIXED["fast"])[0]


def _suits(known: np.ndarray, variables: int) -> bool:
    """Whether stencils that were read can be used."""
    fits = known.ndim == 4 and known.dtype == np.int64 and known.shape[2] in range(1, MOST_CLASSES + 1)
    return fits and known.shape == (variables, 2, known.shape[2], COLUMNS) and int(np.abs(known).max()) <= LARGEST_EDGE


def learn_stencils(integers: Integers, effort: Effort, *, roughly: bool = False) -> np.ndarray:
    """Stencils for each variable, without and with a slice before: int64 (variables, 2, classes, COLUMNS).

    Some places are looked at. There are classes, and far neighbours count, at most effort for many values.
    """
    thorough = effort == "max" and integers.values.size >= _MANY_VALUES
    stencils = np.zeros((integers.values.shape[1], 2, MOST_CLASSES, COLUMNS), np.int64)
    stencils[:, :, 0, EDGE] = LARGEST_EDGE
    most = 1
    for sample in samples_of(integers, _FEW_ROWS if roughly else _ROWS[effort], far=thorough):
        own = stencils[sample.variable, int(sample.temporal)]
        own[0, sample.used] = fitted(sample.features, sample.targets, base=sample.base, roughly=roughly)
        if thorough and integers.closed:
            classes = learned_classes(sample, own[0, :EDGE].copy(), integers.values.size)
            own[: len(classes)] = classes
            most = max(most, len(classes))
    return stencils[:, :, :most]
