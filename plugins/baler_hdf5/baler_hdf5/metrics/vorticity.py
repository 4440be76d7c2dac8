"""The metrics `vorticity` and `divergence` of a velocity field."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from baler_hdf5.metrics.velocity import VelocityMetric, derivative


class Vorticity(VelocityMetric):
    """The curl of the velocity: dv/dx - du/dy, and all three components with w."""

    name = "vorticity"
    summary = "difference in the curl of a velocity field (options u, v, w; x, y, z: spacing or coordinates)"

    def quantity(self, components: Sequence[np.ndarray], steps: Sequence[float | np.ndarray]) -> list[np.ndarray]:
        """Return the components of the curl; that along z last."""
        u, v = components[:2]
        along_z = derivative(v, steps[0], 0) - derivative(u, steps[1], 1)
        if len(components) == 2:
            return [along_z]
        w = components[2]
        along_x = derivative(w, steps[1], 1) - derivative(v, steps[2], 2)
        along_y = derivative(u, steps[2], 2) - derivative(w, steps[0], 0)
        return [along_x, along_y, along_z]


class Divergence(VelocityMetric):
    """The divergence of the velocity: du/dx + dv/dy (+ dw/dz); how far an incompressible flow stays one."""

    name = "divergence"
    summary = "difference in the divergence of a velocity field (options u, v, w; x, y, z: spacing or coordinates)"

    def quantity(self, components: Sequence[np.ndarray], steps: Sequence[float | np.ndarray]) -> list[np.ndarray]:
        """Return the divergence alone."""
        parts = [derivative(part, step, axis) for axis, (part, step) in enumerate(zip(components, steps, strict=True))]
        return [np.sum(parts, axis=0)]
