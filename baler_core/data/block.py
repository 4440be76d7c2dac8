"""Hold the variables of a block: arrays with named dimensions, as few as what passes from step to step needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from baler_core.machine.records import dataclass

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class Values:
    """The values of one variable of a block.

    Attributes
    ----------
    dims
        Names of its dimensions.
    values
        Of any dtype, as many dimensions.
    """

    dims: tuple[str, ...]
    values: np.ndarray[Any, Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the lengths of the dimensions."""
        return self.values.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Return the dtype of the values."""
        return self.values.dtype


class Block:
    """The variables of one slice of the leading dimension; not to be changed.

    An `xarray.Dataset` without indexes has what is here, too, and may stand for a block; `to_xarray` makes one.
    """

    def __init__(self, variables: Mapping[str, Values]) -> None:
        """Take variables whose lengths agree along the dimensions that they share.

        Raises
        ------
        ValueError
            If they do not, or a variable has another number of dimensions than names for them.
        """
        self.variables = dict(variables)
        self.sizes: dict[str, int] = {}
        for name, variable in self.variables.items():
            if len(variable.dims) != variable.values.ndim:
                raise ValueError(f"{name!r} has {variable.values.ndim} dimensions, not {len(variable.dims)}")
            for dim, length in zip(variable.dims, variable.shape, strict=True):
                if self.sizes.setdefault(dim, length) != length:
                    raise ValueError(f"{name!r} has length {length} along {dim!r}, other variables {self.sizes[dim]}")

    @property
    def nbytes(self) -> int:
        """Return the bytes of all arrays."""
        return sum(variable.values.nbytes for variable in self.variables.values())

    @overload
    def __getitem__(self, name: str) -> Values: ...
    @overload
    def __getitem__(self, name: list[str]) -> Block: ...
    def __getitem__(self, name: str | list[str]) -> Values | Block:
        """Return a variable, or a block of several."""
        if isinstance(name, str):
            return self.variables[name]
        return Block({one: self.variables[one] for one in name})

    def __contains__(self, name: object) -> bool:
        return name in self.variables

    def __iter__(self) -> Iterator[str]:
        return iter(self.variables)

    def isel(self, cuts: Mapping[str, slice]) -> Block:
        """Return the part of a block inside slices of its dimensions, as views."""
        return Block(
            {
                name: Values(one.dims, one.values[tuple(cuts.get(dim, slice(None)) for dim in one.dims)])
                for name, one in self.variables.items()
            }
        )

    def to_xarray(self) -> xr.Dataset:
        """Return a dataset of the same arrays, without indexes."""
        import xarray as xr

        variables = {name: xr.Variable(one.dims, one.values) for name, one in self.variables.items()}
        inner = {name: variable for name, variable in variables.items() if name in variable.dims}
        rest = {name: variable for name, variable in variables.items() if name not in inner}
        return xr.Dataset(rest, coords=xr.Coordinates(inner, indexes={}) if inner else None)


def make_block(variables: Mapping[str, tuple[Sequence[str], np.ndarray]]) -> Block:
    """Return a block of arrays, each with the names of its dimensions."""
    return Block({name: Values(tuple(dims), np.asarray(values)) for name, (dims, values) in variables.items()})


def values_of(block: Block, name: str) -> np.ndarray:
    """Return the plain numpy array of a block's variable."""
    return np.asarray(block.variables[name].values)
