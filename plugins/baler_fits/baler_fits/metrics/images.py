"""Extract the images of a block: planes in physical units, blanks as NaN."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from baler_core import Block, Variable, values_of


def is_image(variable: Variable) -> bool:
    """Return whether the file defines its axes y and x."""
    return variable.is_numeric and variable.dtype != "|b1" and {"y", "x"} <= set(variable.axes.values())


def planes(block: Block, variable: Variable) -> Iterator[np.ndarray]:
    """Yield the images of a variable in a block: float64, shape (y, x), one after the other for a cube.

    Values are physical ones; fill values and infinities are NaN. A block may hold only some rows of a large image.
    """
    axes = {role: variable.dims.index(dim) for dim, role in variable.axes.items() if dim in variable.dims}
    values = np.moveaxis(values_of(block, variable.name), (axes["y"], axes["x"]), (-2, -1))
    for index in np.ndindex(values.shape[:-2]):
        stored = values[index]
        plane = stored.astype(np.float64) * variable.scale + variable.offset
        plane[np.isin(stored, np.asarray(variable.fill, np.float64))] = np.nan
        plane[~np.isfinite(plane)] = np.nan
        yield plane


def pairs(
    original: Block, restored: Block, variables: Mapping[str, Variable]
) -> Iterator[tuple[Variable, np.ndarray, np.ndarray]]:
    """Yield all images of two equal blocks side by side: (variable, original plane, restored plane)."""
    for name, variable in variables.items():
        if is_image(variable) and name in original.variables:
            for before, after in zip(planes(original, variable), planes(restored, variable), strict=True):
                yield variable, before, after
