"""The exponential function in a stated order of operations (file_format.md: the beginning)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

LN2_HIGH, LN2_LOW = float.fromhex("0x1.62e42feep-1"), float.fromhex("0x1.a39ef35793c76p-33")
PER_LN2 = float.fromhex("0x1.71547652b82fep+0")
TERMS, REACH = 14, 750.0


def exp(numbers: np.ndarray) -> Any:
    """e to the power of each number: float64."""
    x = np.minimum(np.maximum(numbers, -REACH), REACH)
    k = np.rint(x * PER_LN2)
    rest, found = (x - k * LN2_HIGH) - k * LN2_LOW, np.zeros(x.shape)
    for n in range(TERMS - 1, -1, -1):
        found = found * rest + 1 / math.factorial(n)
    return np.ldexp(found, np.nan_to_num(k).astype("<i4"))
