"""Classify the distance from values in earlier rows to the cut of each decision.

A context that holds only the class of an earlier value learns each class by itself. Here the distance from the earlier
value to the cut is the context, so that what is learned at one value serves at all: series, sorted columns, and rows that
are nearly copies of others.
"""

from __future__ import annotations

import numpy as np

from baler_core.machine.compiled import Array, Integer, inlined

WIDTHS = 64
"""Kinds of widths: how many bits the values that are left differ in."""
_NEAR = 1 << 12
_STEPS = 4
_KINDS = 256
CELLS = _KINDS * WIDTHS
"""Counters of one reference; the first of them is for rows that have none."""


def _kinds_of_distances() -> Array:
    """Tabulate the kind of each distance from 0 to 4095: four per octave, small ones each their own."""
    found = np.zeros(_NEAR, np.int64)
    for distance in range(1, _NEAR):
        octave = distance.bit_length() - 1
        part = (distance << 2 >> octave) & 3 if octave >= 2 else (distance & 1) * 2 if octave == 1 else 0
        found[distance] = _STEPS * octave + part + 1
    return found


_DISTANCES = _kinds_of_distances()
_OCTAVES = 10


@inlined
def kind_of(distance: Integer) -> Integer:
    """The kind of a distance: 2 to 254, 128 and below for negative ones; of any 64-bit number, thanks to the mask."""
    left, more = abs(distance), 0
    while left >= _NEAR:
        left >>= _OCTAVES
        more += _STEPS * _OCTAVES
    kind = min(_DISTANCES[left & (_NEAR - 1)] + more, 126)
    return 128 + kind if distance > 0 else 128 - kind
