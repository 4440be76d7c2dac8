"""Checks models at the edges of every number type."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from baler_core.data.bounds import Tolerance
from baler_core.data.variables import Layout, Variable, make_block, values_of
from baler_core.format.arrays import decode_state
from baler_core.pipeline.guarantee import find_corrections
from baler_core.plugin.interfaces import Model, Training

if TYPE_CHECKING:
    import xarray as xr

from baler_core.testing.blocks import MEMORY, coded, decoded

_EDGE_TYPES = (
    "?",
    "i1",
    "u1",
    "<i2",
    ">u2",
    "<i4",
    ">i4",
    "<u4",
    "<i8",
    ">i8",
    "<u8",
    "<f2",
    "<f4",
    ">f4",
    "<f8",
    ">f8",
)
_EDGE_SHAPES = {
    "table": ((60,), (1,), (0,)),
    "grid": ((7, 9), (0, 4), (3, 4, 5), (2, 3, 2, 3), (2, 1, 3, 2, 3), (2, 1, 2, 1, 3, 2)),
}


def edge_blocks(kind: str) -> Iterator[tuple[xr.Dataset, Layout, dict[str, Tolerance]]]:
    """Blocks of every number type, byte order and rank, some empty, with the ends of the types and random bits in them."""
    rng = np.random.default_rng(0)
    for shape in _EDGE_SHAPES[kind]:
        dims = tuple(f"axis{number}" for number in range(len(shape)))
        arrays = {f"{name} {bound}": _edges(np.dtype(name), shape, rng) for name in _EDGE_TYPES for bound in "ab"}
        arrays = {name: values for name, values in arrays.items() if values.dtype.kind != "b" or name.endswith("a")}
        variables = tuple(Variable(name, array.dtype.str, dims) for name, array in arrays.items())
        tolerances = {name: _edge_tolerance(name, values.dtype) for name, values in arrays.items()}
        layout = Layout("table" if kind == "table" else "grid", variables, dict(zip(dims, shape, strict=True)))
        yield make_block({name: (dims, array) for name, array in arrays.items()}), layout, tolerances


def _edges(dtype: np.dtype, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Random bits: every exponent, denormals, NaN payloads; and in front the largest and smallest numbers."""
    count = int(np.prod(shape))
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    values = np.frombuffer(rng.bytes(count * dtype.itemsize), dtype).copy()
    if dtype.kind == "f":
        limits = np.finfo(dtype)
        edges = [limits.max, limits.min, limits.tiny, limits.smallest_subnormal, 0.0, -0.0, np.nan, np.inf, -np.inf]
    else:
        edges = [np.iinfo(dtype).min, np.iinfo(dtype).max, 0, 1]
    values[: len(edges)] = edges[:count]
    return values.reshape(shape)


def _edge_tolerance(name: str, dtype: np.dtype) -> Tolerance:
    if name.endswith("a"):
        return Tolerance("exact")
    return Tolerance("rel", 1e-3) if dtype.kind == "f" and dtype.itemsize != 8 else Tolerance("abs", 2.5)


def check_edges(model: Model, *, training: Training | None = None) -> None:
    """Code blocks at the edges of every number type, and hold every value to its tolerance in longer arithmetic.

    Raises
    ------
    AssertionError
        If the model fails, or a value is beyond its tolerance once the core has corrected what it can.
    """
    for kind in sorted(model.kinds & {"table", "grid"}):
        for block, layout, tolerances in edge_blocks(kind):
            streams, state = coded(model, block, layout, tolerances, training)
            restored = decoded(model, streams, decode_state(state, memory_limit=MEMORY), layout, tolerances)
            find_corrections(block, restored, tolerances).apply(restored)
            for variable in layout.variables:
                before = values_of(block, variable.name)
                _assert_within(variable.name, before, restored[variable.name], tolerances[variable.name])


def _assert_within(name: str, before: np.ndarray, after: np.ndarray, tolerance: Tolerance) -> None:
    if tolerance.kind == "exact":
        assert (
            before.astype(before.dtype.newbyteorder("=")).tobytes()
            == after.astype(before.dtype.newbyteorder("=")).tobytes()
        ), f"{name}: changed under a lossless bound"
        return
    with np.errstate(invalid="ignore"):  # signalling NaNs
        one, other = before.astype(np.longdouble), after.astype(np.longdouble)
    ordinary = np.isfinite(one)
    np.testing.assert_array_equal(one[~ordinary], other[~ordinary], err_msg=name)
    one, other = one[ordinary], other[ordinary]
    allowed = np.longdouble(tolerance.value) * (np.abs(one) if tolerance.kind == "rel" else 1)
    wrong = ~(np.abs(one - other) <= allowed)
    assert not wrong.any(), f"{name}: {one[wrong][0]} became {other[wrong][0]}, beyond {tolerance}"
