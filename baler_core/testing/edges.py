"""Check models at the edges of every number type."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from baler_core.data.block import Block, make_block, values_of
from baler_core.data.bounds import Tolerance
from baler_core.data.variables import Layout, Variable
from baler_core.format.arrays import decode_state
from baler_core.pipeline.guarantee import find_corrections
from baler_core.plugin.interfaces import Model, Training
from baler_core.testing.blocks import MEMORY, coded, decoded

NUMBER_TYPES = (
    *("|i1", "|u1", "<i2", ">u2", "<i4", ">i4", "<u4", "<i8", ">i8", "<u8"),
    *("<f2", "<f4", ">f4", "<f8", ">f8"),
)
_EDGE_SHAPES = {
    "table": ((60,), (1,), (0,)),
    "grid": ((7, 9), (0, 4), (3, 4, 5), (2, 3, 2, 3), (2, 1, 3, 2, 3), (2, 1, 2, 1, 3, 2)),
}


def edge_values(dtype: np.dtype, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Return random bits: every exponent, denormals, NaN payloads; and in front the largest and smallest numbers."""
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    count = int(np.prod(shape))
    values = np.frombuffer(rng.bytes(count * dtype.itemsize), dtype).copy()
    if dtype.kind == "f":
        limits = np.finfo(dtype)
        edges = [limits.max, limits.min, limits.tiny, limits.smallest_subnormal, 0.0, -0.0, np.nan, np.inf, -np.inf]
    else:
        edges = [np.iinfo(dtype).min, np.iinfo(dtype).max, 0, 1]
    values[: len(edges)] = edges[:count]
    return values.reshape(shape)


def worst_share(before: np.ndarray, after: np.ndarray, kind: str, value: float) -> float:
    """Return the largest error as a share of what a bound of a kind (`exact`, `abs`, `rel`, `range`, `bits`) allows.

    Computed in longer arithmetic; infinite where NaN or an infinity changed, or anything under a bound that allows nothing.
    """
    if kind == "exact":
        native = before.dtype.newbyteorder("=")
        return 0.0 if before.astype(native).tobytes() == after.astype(native).tobytes() else float("inf")
    with np.errstate(invalid="ignore"):  # signalling NaNs
        one, other = before.astype(np.longdouble), after.astype(np.longdouble)
    ordinary = np.isfinite(one)
    if not np.array_equal(one[~ordinary], other[~ordinary], equal_nan=True):
        return float("inf")
    one, other = one[ordinary], other[ordinary]
    error = np.abs(one - other)
    wrong = ~(error == 0)  # what became NaN is wrong, too
    if not wrong.any():
        return 0.0
    allowed = _allowed(one, before.dtype, kind, value)[wrong]
    with np.errstate(divide="ignore"):
        shares = error[wrong] / allowed
    return float(np.where(np.isnan(shares), np.inf, shares).max())


def _allowed(values: np.ndarray, dtype: np.dtype, kind: str, value: float) -> np.ndarray:
    if kind == "abs":
        return np.full(values.shape, np.longdouble(value))
    if kind == "rel":
        return np.asarray(np.longdouble(value) * np.abs(values))
    if kind == "range":
        return np.full(values.shape, np.longdouble(value) * (values.max() - values.min()))
    if dtype.kind != "f":
        return np.zeros(values.shape)
    exponents = np.maximum(np.frexp(values)[1] - 1, np.finfo(dtype).minexp)
    return np.asarray(np.ldexp(np.longdouble(0.5), exponents - int(value)))


def edge_blocks(kind: str) -> Iterator[tuple[Block, Layout, dict[str, Tolerance]]]:
    """Blocks of every number type, byte order and rank, some empty, with the ends of the types and random bits in them."""
    rng = np.random.default_rng(0)
    for shape in _EDGE_SHAPES[kind]:
        dims = tuple(f"axis{number}" for number in range(len(shape)))
        names = ["? a", *(f"{name} {bound}" for name in NUMBER_TYPES for bound in "ab")]
        arrays = {name: edge_values(np.dtype(name[:-2]), shape, rng) for name in names}
        variables = tuple(Variable(name, array.dtype.str, dims) for name, array in arrays.items())
        tolerances = {name: _edge_tolerance(name, values.dtype) for name, values in arrays.items()}
        layout = Layout("table" if kind == "table" else "grid", variables, dict(zip(dims, shape, strict=True)))
        yield make_block({name: (dims, array) for name, array in arrays.items()}), layout, tolerances


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
            for name, tolerance in tolerances.items():
                share = worst_share(values_of(block, name), restored[name], tolerance.kind, tolerance.value)
                assert share <= 1, f"{name}: an error of {share} times what {tolerance} allows"
