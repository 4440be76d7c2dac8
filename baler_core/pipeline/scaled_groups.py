"""Have any model code values with tolerances of their own: divided by these, once the variables they follow from are known."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from baler_core.data.block import Block, make_block, values_of
from baler_core.data.bounds import Tolerance, usable
from baler_core.data.noise_steps import NoiseSteps
from baler_core.data.variables import Layout, Variable, holders_of, needed_first
from baler_core.entropy.integers import pack_integers, unpack_integers
from baler_core.entropy.varint import ByteReader, write_sized
from baler_core.errors import FormatError
from baler_core.quantise.lattice import Lattice

SCALED_STREAM = "%"
# Quotients beyond this, or steps of fewer units in the last place, are left to be stored as `where_none` says.
_LARGEST, _FINEST = 2.0**40, 8.0
# What models are told: half a step, on either side.
_HALF, _EXACT = Tolerance("abs", 0.5), Tolerance("exact")


def scaled_names(layout: Layout, tolerances: Mapping[str, Tolerance]) -> list[str]:
    """Return the variables of a layout whose tolerances follow from others."""
    return [v.name for v in layout.variables if tolerances[v.name].kind == "each"]


def needs_of(layout: Layout, tolerances: Mapping[str, Tolerance]) -> set[str]:
    """Return the variables outside a layout that must be restored before it."""
    needed = {need for name in scaled_names(layout, tolerances) for need in _ancestors(tolerances[name])}
    return needed - {variable.name for variable in layout.variables}


def _ancestors(tolerance: Tolerance) -> tuple[str, ...]:
    return () if tolerance.scale is None else tolerance.scale.ancestors


def set_apart(layout: Layout, tolerances: Mapping[str, Tolerance], *, direct: bool) -> list[Layout]:
    """Split a group into itself and further ones of variables whose tolerances follow from what others restore.

    Parameters
    ----------
    direct
        Whether the group's model knows how to restore first what such variables need, where that is in the same group.
    """
    waiting = scaled_names(layout, tolerances)
    stages: dict[str, int] = {}
    if direct and len(waiting) < len(layout.variables):
        stages = {name: 0 for name in waiting if tolerances[name].noise is None}
    while len(stages) < len(waiting):
        for name in [n for n in waiting if n not in stages]:
            needs = [need for need in _ancestors(tolerances[name]) if need in waiting]
            if all(need in stages for need in needs):
                stages[name] = 1 + max((stages[need] for need in needs), default=0)
    found = []
    for stage in sorted({0, *stages.values()}):
        part = tuple(v for v in layout.variables if stages.get(v.name, 0) == stage)
        if part:
            found.append(replace(layout, variables=part, stage=stage))
    return found


def is_apart(layout: Layout, tolerances: Mapping[str, Tolerance]) -> bool:
    """Return whether a group holds nothing but variables that were set apart, for which any model will do."""
    apart = scaled_names(layout, tolerances)
    members = {variable.name for variable in layout.variables}
    inside = any(need in members for name in apart for need in _ancestors(tolerances[name]))
    return len(apart) == len(members) and not inside


class ScaledGroup(NamedTuple):
    """A group as models see it: quotients, NaN where a value is stored beside them.

    Attributes
    ----------
    beside
        The stream of these values.
    """

    block: Block
    layout: Layout
    tolerances: Mapping[str, Tolerance]
    beside: bytes


def scaled_group(block: Block, layout: Layout, tolerances: Mapping[str, Tolerance]) -> ScaledGroup:
    """Divide the values of a group by their tolerances, which are known for this block (`Tolerance.among`)."""
    from baler_core.quantise.lattice_fit import fit_lattice

    columns, beside = {}, b""
    for variable in layout.variables:
        values, tolerance = values_of(block, variable.name), tolerances[variable.name]
        step = _steps(tolerance, values.dtype).reshape(values.shape)
        with np.errstate(all="ignore"):
            quotients = _quotients(values, step, tolerance.tiles)
            spacing = np.spacing(np.abs(values)) if values.dtype.kind == "f" else 0.125
            good = usable(values, tolerance.fill) & (np.abs(quotients) < _LARGEST) & (step >= _FINEST * spacing)
            if tolerance.noise is not None and tolerance.noise.dither:
                good &= values != 0
        columns[variable.name] = (variable.dims, np.where(good, quotients, np.nan))
        others = values[~good]
        lattice = fit_lattice(others, tolerance.where_none)
        beside += write_sized(lattice.to_bytes()) + write_sized(pack_integers(lattice.codes(others)))
    seen = _seen(layout)
    return ScaledGroup(make_block(columns), seen, {n: _told(tolerances[n]) for n in columns}, beside)


def unscaled(decoded: Block, layout: Layout, tolerances: Mapping[str, Tolerance], beside: bytes) -> Block:
    """Invert `scaled_group`.

    Raises
    ------
    FormatError
        If the stream beside is damaged.
    """
    reader = ByteReader(beside, "values that are stored beside quotients")
    columns = {}
    for variable in layout.variables:
        dtype = variable.numpy_dtype
        quotients = values_of(decoded, variable.name)
        lattice = Lattice.from_bytes(reader.sized(), variable.dtype)
        other = np.isnan(quotients)
        codes = unpack_integers(reader.sized(), int(np.count_nonzero(other)))
        with np.errstate(all="ignore"):
            tolerance = tolerances[variable.name]
            values = _values(quotients, _steps(tolerance, dtype).reshape(quotients.shape), tolerance.tiles)
            restored = _cast(np.where(other, 0.0, values), dtype)
        restored[other] = lattice.restore(codes)
        columns[variable.name] = (variable.dims, restored)
    if reader.rest():
        raise FormatError(f"{reader.what} are more than there are places for")
    return make_block(columns)


def _quotients(values: np.ndarray, step: np.ndarray, tiles: NoiseSteps | None) -> np.ndarray:
    """Return values in steps: of tiles from their centre on, and rounded already where they are dithered."""
    if tiles is None:
        return np.asarray(values.astype(np.float64) / step)
    quotients = (values.astype(np.float64) - tiles.centre) / step
    return np.rint(quotients + tiles.dither(values.shape)) if tiles.seed else quotients


def _values(quotients: np.ndarray, step: np.ndarray, tiles: NoiseSteps | None) -> np.ndarray:
    """Invert `_quotients`."""
    if tiles is None:
        return np.asarray(quotients * step)
    return np.asarray((quotients - tiles.dither(quotients.shape) if tiles.seed else quotients) * step + tiles.centre)


def _told(tolerance: Tolerance) -> Tolerance:
    """Return what models must hold: half a step; dithered numbers of steps exactly."""
    return _EXACT if tolerance.noise is not None and tolerance.noise.dither else _HALF


def _steps(tolerance: Tolerance, dtype: np.dtype) -> np.ndarray:
    """Return twice what is allowed to each value; of integers so that rounding stays within; 0 where nothing is."""
    if tolerance.each is None:
        raise FormatError("a group that follows from other variables holds one that does not")
    if dtype.kind == "f":
        return 2 * tolerance.each
    whole = np.floor(tolerance.each * (1 + 1e-12))
    return np.where(whole > 0, 2 * whole + 1, 0.0 if tolerance.noise is None else 1.0)


def _cast(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if dtype.kind == "f":
        return values.astype(dtype)
    limits = np.iinfo(dtype)
    low, high = float(limits.min), np.nextafter(float(limits.max), 0) if dtype.itemsize == 8 else float(limits.max)
    return np.clip(np.rint(values), low, high).astype(dtype)


def _seen(layout: Layout) -> Layout:
    return replace(layout, variables=tuple(scaled_variable(v) for v in layout.variables))


def scaled_variable(variable: Variable) -> Variable:
    """Return what models see of a variable that was set apart."""
    plain = {"dtype": "<f8", "scale": 1.0, "offset": 0.0, "fill": (), "flags": ()}
    return replace(variable, **plain)  # type: ignore[arg-type]


def seen_by_models(layout: Layout, tolerances: Mapping[str, Tolerance]) -> tuple[Layout, dict[str, Tolerance]]:
    """Return the layout and the tolerances that models see of a group that was set apart."""
    return _seen(layout), {variable.name: _told(tolerances[variable.name]) for variable in layout.variables}


def restored_first(layouts: Sequence[Layout], needs: Sequence[Collection[str]]) -> list[int]:
    """Return places of groups in an order in which each comes after those that hold what it needs.

    Raises
    ------
    FormatError
        If that cannot be.
    """
    holders = holders_of(layouts)
    needed = [{holders[need] for need in wanted if need in holders} - {p} for p, wanted in enumerate(needs)]
    order, stuck = needed_first(needed)
    if stuck is not None:
        raise FormatError(f"what the group {layouts[stuck].name!r} follows from depends on it")
    return order
