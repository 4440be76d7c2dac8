"""Gather the columns of a sample that may lose something, by the tables that they belong to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from baler_core.data.error_bound import ErrorBound
from baler_core.data.tolerance import make_tolerance
from baler_core.data.variables import Schema, Variable
from baler_core.machine.records import dataclass
from baler_core.pipeline.noise_bounds import shown_values
from baler_core.suggest.autoencoders import LARGE, ExpectedAutoencoder, expected_autoencoder

_ROWS = 4096


@dataclass(frozen=True)
class LossyTable:
    """Columns along one dimension.

    Attributes
    ----------
    name
        Of the dimension.
    columns, allowed
        A sample of physical values, and what each of them may lose: float64 (rows, columns); values are finite, and no
        column is constant. Columns whose squares would overflow are in units of their largest value.
    rows
        Of the whole file.
    """

    name: str
    names: tuple[str, ...]
    columns: np.ndarray
    allowed: np.ndarray
    rows: int

    def autoencoder(self, ratio: float) -> ExpectedAutoencoder:
        """Return what an autoencoder with so many columns per latent would give."""
        return expected_autoencoder(self.columns, self.allowed, self.rows, ratio)


def is_number(variable: Variable, arrays: Mapping[str, np.ndarray]) -> bool:
    """Return whether a variable holds floats, and there are values of it."""
    return variable.name in arrays and variable.is_numeric and variable.numpy_dtype.kind == "f"


def allowed_by(
    schema: Schema, bounds: Mapping[str, ErrorBound], arrays: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return what each value of the lossy variables may lose, in physical units; of bounds that are numbers."""
    found = {}
    for v in schema.variables:
        if not is_number(v, arrays) or bounds[v.name].kind == "lossless" or bounds[v.name].formula:
            continue
        tolerance = make_tolerance(bounds[v.name], v)
        if tolerance.kind in ("abs", "rel", "bits"):
            allowed = tolerance.allowed(arrays[v.name]) * abs(v.scale)
            if (allowed > 0).any():
                found[v.name] = allowed
    return found


def lossy_tables(
    schema: Schema, arrays: Mapping[str, np.ndarray], allowed: Mapping[str, np.ndarray]
) -> Iterator[LossyTable]:
    """Yield the tables of at least two lossy columns, of which the sample says enough."""
    dims = dict.fromkeys(v.dims[0] for v in schema.variables if len(v.dims) == 1)
    for dim in dims:
        names = [v.name for v in schema.variables if v.dims == (dim,) and v.name in allowed]
        if len(names) < 2:
            continue
        columns = np.stack([shown_values(schema[name], arrays[name][:_ROWS]) for name in names], axis=1)
        errors = np.stack([allowed[name][:_ROWS] for name in names], axis=1)
        finite = np.isfinite(columns).all(axis=1)
        largest = np.abs(columns[finite]).max(axis=0, initial=0.0)
        scale = np.where(largest > LARGE, largest, 1.0)
        columns, errors = columns / scale, errors / scale
        moving = columns[finite].std(axis=0) > 0 if finite.any() else np.zeros(len(names), bool)
        moving &= (errors[finite] > 0).any(axis=0) if finite.any() else False
        if moving.sum() < 2 or finite.sum() < 4 * len(names):
            continue
        kept = tuple(name for name, moves in zip(names, moving, strict=True) if moves)
        yield LossyTable(dim, kept, columns[finite][:, moving], errors[finite][:, moving], schema.sizes[dim])
