"""The slices of a chunk, their margins, sources and neighbours (format/predictive.md: slices)."""

from __future__ import annotations

import numpy as np

MARGIN, FRACTION_BITS, WEIGHT_BITS, FINE_BITS = 3, 10, 12, 22
OWN, BEFORE, EARLIER, BESIDE = range(4)


def _disc(squared: int) -> list[tuple[int, int]]:
    steps = [(y, x) for y in range(-3, 4) for x in range(-3, 4) if y * y + x * x <= squared]
    return sorted(steps, key=lambda step: (step[0] ** 2 + step[1] ** 2, step[0] ** 2, step))


GROUPS = ([step for step in _disc(13) if step < (0, 0)], _disc(9), _disc(4), _disc(8))
NEIGHBOURS = [(source, y, x) for source, group in enumerate(GROUPS) for y, x in group]
FEATURES = len(NEIGHBOURS)


def used_features(temporal: bool, beside: bool) -> list[int]:
    known = (True, temporal, temporal, beside)
    return [feature for feature, (source, _, _) in enumerate(NEIGHBOURS) if known[source]]


class Series:
    """Planes (value in 1/1024 of a step, margin 3) and errors (margin 2) of all slices and variables, flat."""

    def __init__(
        self, slices: int, variables: int, ny: int, nx: int,
        stencils: list[list[list[list[int]]]], edges: list[list[list[int]]], low: int, high: int,
    ) -> None:  # fmt: skip
        self.slices, self.variables, self.ny, self.nx = slices, variables, ny, nx
        self.stencils, self.edges, self.low, self.high = stencils, edges, low, high
        self.width, self.pitch = nx + 2 * MARGIN, nx + 4
        self.size, self.area = (ny + 2 * MARGIN) * self.width, (ny + 4) * self.pitch
        self.planes = [0] * (slices * variables * self.size)
        self.errors = [0] * (slices * variables * self.area)
        self.closed, self.stack, self.holes, self.weight_bits = False, 1, [False], WEIGHT_BITS

    def sources(self, number: int, variable: int) -> list[int]:
        """The planes that a slice is predicted from; -1 for none."""
        before = number - self.stack
        earlier = number - 2 if number > 1 else before
        if self.stack > 1:
            earlier = number - 1 if number % self.stack else before
            if before < 0:
                before = earlier = number - 1
        own = number * self.variables + variable
        found = [slice_ * self.variables + variable if before >= 0 else -1 for slice_ in (before, earlier)]
        return [own, *found, own - 1 if variable else -1]

    def place(self, plane: int, y: int, x: int) -> int:
        return plane * self.size + (y + MARGIN) * self.width + MARGIN + x

    def error_place(self, plane: int, y: int, x: int) -> int:
        return plane * self.area + (y + 2) * self.pitch + 2 + x

    def open_slice(self, own: int, before: int) -> None:
        for y in range(-MARGIN, 0):
            for x in range(-MARGIN, self.nx + MARGIN):
                value = self.planes[self.place(before, 0, x)] if before >= 0 else 0
                self.planes[self.place(own, y, x)] = value

    def open_row(self, own: int, y: int) -> None:
        for x in range(-MARGIN, 0):
            self.planes[self.place(own, y, x)] = self.planes[self.place(own, y - 1, 0)]

    def close_row(self, own: int, y: int) -> None:
        for x in range(self.nx, self.nx + MARGIN):
            self.planes[self.place(own, y, x)] = self.planes[self.place(own, y, self.nx - 1)]

    def close_plane(self, own: int) -> None:
        """All margins take the nearest value of the slice."""
        for y in range(-MARGIN, self.ny + MARGIN):
            for x in range(-MARGIN, self.nx + MARGIN):
                inside = self.place(own, min(max(y, 0), self.ny - 1), min(max(x, 0), self.nx - 1))
                self.planes[self.place(own, y, x)] = self.planes[inside]

    def restored(self) -> np.ndarray:
        """int64 (slices, variables, y, x)."""
        padded = np.array(self.planes, "<i8").reshape(self.slices, self.variables, -1, self.width)
        return np.ascontiguousarray(padded[..., MARGIN:-MARGIN, MARGIN:-MARGIN])
