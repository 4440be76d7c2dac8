"""Code and decode difficult blocks with a model, as in a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from baler_core.data.block import Block, make_block
from baler_core.data.bounds import Tolerance
from baler_core.data.variables import Layout, Variable
from baler_core.format.arrays import encode_state
from baler_core.pipeline.guarantee import restored_arrays
from baler_core.plugin.interfaces import NO_HINTS, Model, State, Streams, Training

MEMORY = 1 << 28


def difficult_blocks(kind: str) -> Iterator[tuple[Block, Layout, dict[str, Tolerance]]]:
    """Blocks that models stumble over, with layouts and tolerances: specials, constants, integers, few and no rows."""
    rng = np.random.default_rng(0)
    if kind == "other":
        yield _texts()
        return
    for rows in (200, 1, 0):
        shape = (rows,) if kind == "table" else (rows, 6, 5)
        dims = ("row", "y", "x")[: len(shape)]
        special = rng.normal(size=shape).astype(np.float32)
        special.reshape(-1)[:4] = [np.nan, np.inf, -np.inf, -0.0][: special.size]
        arrays: dict[str, np.ndarray] = {
            "smooth": np.cumsum(rng.normal(size=shape), axis=0),
            "special": special,
            "constant": np.full(shape, 2.5),
            "integer": rng.integers(-3, 1000, shape).astype(np.int32),
            "flag": rng.random(shape) > 0.5,
        }
        tolerances = dict.fromkeys(arrays, Tolerance("exact"))
        tolerances |= {"smooth": Tolerance("abs", 0.01), "special": Tolerance("rel", 1e-3)}
        variables = tuple(Variable(name, array.dtype.str, dims) for name, array in arrays.items())
        layout = Layout("table" if kind == "table" else "grid", variables, dict(zip(dims, shape, strict=True)))
        yield make_block({name: (dims, array) for name, array in arrays.items()}), layout, tolerances


def _texts() -> tuple[Block, Layout, dict[str, Tolerance]]:
    """What is neither a table nor a grid of numbers."""
    arrays = {
        "text": np.array(["", "a", "longer text"] * 5, object),
        "complex": np.arange(15) * (1 + 2j),
        "bytes": np.array([b"ab", b"c", b""] * 5, "S3"),
    }
    types = {"text": "str"}
    variables = tuple(Variable(name, types.get(name, a.dtype.str), ("row",)) for name, a in arrays.items())
    block = make_block({name: (("row",), array) for name, array in arrays.items()})
    return block, Layout("other", variables, {"row": 15}), dict.fromkeys(arrays, Tolerance("exact"))


def coded(
    model: Model, block: Block, layout: Layout, tolerances: Mapping[str, Tolerance], training: Training | None
) -> tuple[Streams, bytes]:
    """Return what a fresh model makes of a block: its streams, and its state as a file holds it."""
    fitted = type(model)(model.options)
    fit(fitted, [block], layout, tolerances, training)
    return fitted.encode(block, layout, tolerances, hints=NO_HINTS, plan=None), encode_state(fitted.state())


def fit(
    model: Model,
    blocks: Sequence[Block],
    layout: Layout,
    tolerances: Mapping[str, Tolerance],
    training: Training | None,
) -> None:
    """Fit a model as the core does, with little training unless it is stated."""
    training = training or Training(epochs=2, seconds=2.0)
    model.fit(blocks, layout=layout, tolerances=tolerances, training=training, hints=NO_HINTS, plan=None)


def decoded(
    model: Model, streams: Streams, state: State, layout: Layout, tolerances: Mapping[str, Tolerance]
) -> dict[str, np.ndarray]:
    """Return the arrays that a fresh model restores, of the shapes and types of the layout."""
    fresh = type(model)(model.options)
    fresh.load_state(state)
    return restored_arrays(fresh, fresh.decode(dict(streams), layout, tolerances), layout)
