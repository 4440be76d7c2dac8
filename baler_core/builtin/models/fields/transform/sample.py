"""Choose the parts of a block that stand for all of it: boxes to try recipes on, points to learn a basis from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from baler_core.builtin.models.fields.layout import Box
from baler_core.builtin.models.fields.transform.basis import Basis, gram, learn_basis
from baler_core.builtin.models.fields.transform.block import TiledFrames
from baler_core.plugin.interfaces import Effort

_SAMPLE: Mapping[Effort, int] = {"fast": 1 << 15, "balanced": 1 << 17, "max": 1 << 18}
# The basis of a sample is learned from about so many points per frame, and no fewer, spread over all of space.
_POINTS, _FEWEST_POINTS = 16, 4192
# A sample is a few boxes of at least so many points along each long axis.
_BOXES: Mapping[Effort, int] = {"fast": 2, "balanced": 4, "max": 4}
_SHORTEST = 16
# With little effort one box is enough if it is this part of all.
_LEAST_SHARE = 10


def sample_boxes(shape: tuple[int, ...], effort: Effort) -> list[Box]:
    """Return a few parts of space, no two in the same rows, of a block of `shape` (frames, variables, z, y, x)."""
    space, count = list(shape[2:]), _BOXES[effort]
    per_point = shape[0] * shape[1]
    if per_point * int(np.prod(space)) <= 2 * _SAMPLE[effort]:
        return [tuple(slice(0, n) for n in space)]
    while count * per_point * int(np.prod(space)) > 2 * _SAMPLE[effort] and max(space) > _SHORTEST:
        axis = space.index(max(space))
        space[axis] = max(_SHORTEST, space[axis] // 2)
    if effort == "fast" and _LEAST_SHARE * int(np.prod(space)) > int(np.prod(shape[2:])):
        count = 1
    boxes = []
    for number in range(count):
        places = (number, count - 1 - number, number)[-len(space) :]
        firsts = [
            (n - m) * (2 * place + 1) // (2 * count) for n, m, place in zip(shape[2:], space, places, strict=True)
        ]
        boxes.append(tuple(slice(first, first + m) for first, m in zip(firsts, space, strict=True)))
    return boxes


def spread_points(shape: tuple[int, ...]) -> Box:
    """Return points all over space, evenly, enough to learn a basis from."""
    steps = [1] * len(shape[2:])
    while True:
        counts = [-(-n // step) for n, step in zip(shape[2:], steps, strict=True)]
        if shape[1] * int(np.prod(counts)) <= max(_FEWEST_POINTS, _POINTS * shape[0]) or max(counts) == 1:
            return tuple(slice(None, None, step) for step in steps)
        steps[counts.index(max(counts))] += 1


def learn_basis_fast(block: TiledFrames) -> Basis:
    """Learn a basis from points spread over the block."""
    points = block.tile(spread_points(block.shape))
    frames = points.field.reshape(block.shape[0], -1)
    return learn_basis(gram(frames), [frames])
