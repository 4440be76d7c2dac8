"""Find the components of directions and rotations: unit vectors and quaternions, in columns of their own or in lists."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import numpy as np

from baler_core.data.variables import Schema

# `n_x`, `quat_w`, `q0`: what a component is called, and of which vector.
_COMPONENT = re.compile(r"(?P<head>.*?)_?(?P<part>[xyzw0-4])", re.IGNORECASE)
_SETS = ("xyz", "012", "123", "xyzw", "0123", "1234")
# Columns of text may have two digits.
_ROUNDED = 0.02
_ALL_BUT = 0.99
_FEW = 17


def unit_components(schema: Schema, physical: Mapping[str, np.ndarray]) -> frozenset[str]:
    """Return the variables that are components of unit vectors, or lists of them.

    Parameters
    ----------
    physical
        The first values, float64, NaN where there are none.
    """
    found = {name for names in _together(schema, physical) if _are_unit([physical[n] for n in names]) for name in names}
    for variable in schema.variables:
        values = physical.get(variable.name)
        if values is not None and values.ndim > 1 and values.shape[-1] in (3, 4):
            found |= {variable.name} if _are_unit([*np.moveaxis(values, -1, 0)]) else set()
    return frozenset(found)


def _together(schema: Schema, physical: Mapping[str, np.ndarray]) -> Iterator[list[str]]:
    """Columns that may be the components of one vector."""
    named: dict[tuple[str, tuple[str, ...]], dict[str, str]] = {}
    for variable in schema.variables:
        match = _COMPONENT.fullmatch(variable.name)
        if match is not None and variable.name in physical:
            named.setdefault((match["head"], variable.dims), {})[match["part"].lower()] = variable.name
    for parts in named.values():
        for wanted in _SETS:
            names = [parts[part] for part in wanted if part in parts]
            if len(names) == len(wanted) and len({physical[name].shape for name in names}) == 1:
                yield names


def _are_unit(components: list[np.ndarray]) -> bool:
    """Whether nearly all vectors have the length 1."""
    vectors = np.stack([part.ravel() for part in components])
    vectors = vectors[:, np.isfinite(vectors).all(axis=0)]
    if vectors.shape[1] < _FEW:
        return False
    off = np.abs(np.square(vectors).sum(axis=0) - 1)
    return bool(np.mean(off < _ROUNDED) >= _ALL_BUT)
