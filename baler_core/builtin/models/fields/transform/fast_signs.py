"""The context of a sign that is coded quickly: the signs to the left, above and in the slice before."""

from __future__ import annotations

import numpy as np

from baler_core.machine.compiled import Array, Integer, inlined


def _patterns() -> np.ndarray:
    """Of three signs (0, 1 or 2 for none, positive, negative): twice their context, plus whether they are turned round.

    Those that are all the other way round share a context.
    """
    found = np.zeros(27, np.int8)
    contexts = 1
    for pattern in range(1, 27):
        signs = pattern // 9, pattern // 3 % 3, pattern % 3
        turned = [(3 - sign) % 3 for sign in signs]
        other = turned[0] * 9 + turned[1] * 3 + turned[2]
        if other > pattern:
            found[pattern], found[other] = 2 * contexts, 2 * contexts + 1
            contexts += 1
    return found


SIGN_CONTEXTS = 14
_PATTERNS = _patterns()


@inlined
def signs_about(values: Array, here: Integer, row: Integer, ahead: Integer, left: Integer) -> Integer:
    """Twice the context of a sign, plus whether it is turned round.

    Three signs of three kinds each make one of the 27 patterns. `row` is how far the row above is, or 0; `ahead` where the same place of the slice before is, or -1; `left` the sign
    to the left: 0, 1 or 2 for none, positive or negative.
    """
    above = np.int64(values[here - row]) if row else np.int64(0)
    before = np.int64(values[ahead]) if ahead >= 0 else np.int64(0)
    up = np.int64(above > 0) + 2 * np.int64(above < 0)
    return np.int64(_PATTERNS[(left * 3 + up) * 3 + np.int64(before > 0) + 2 * np.int64(before < 0)])
