"""Check that several threads may use a fitted model at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from baler_core.data.block import Block, make_block, values_of
from baler_core.data.bounds import Tolerance
from baler_core.data.variables import GroupKind, Layout, Variable
from baler_core.format.arrays import decode_state, encode_state
from baler_core.machine.threads import one_thread
from baler_core.plugin.interfaces import NO_HINTS, Model, Streams, Tolerances, Training
from baler_core.testing.blocks import MEMORY, fit

_BLOCKS = 3
_THREADS = 4
_ROUNDS = 2
_SHAPES = {"table": (150,), "grid": (10, 8, 12), "other": (30,)}


def alike_blocks(kind: GroupKind) -> Iterator[tuple[Block, Layout, dict[str, Tolerance]]]:
    """Make blocks of one layout that differ in their values and in what is easy to code of them."""
    shape, random = _SHAPES[kind], np.random.default_rng(5)
    dims = ("row", "y", "x")[: len(shape)]
    for number in range(_BLOCKS):
        if kind == "other":
            arrays = {"word": np.array([["a", "bc", ""][n] for n in random.integers(0, 3, shape)], object)}
        else:
            smooth = np.cumsum(random.normal(size=shape), axis=number % len(shape))
            counted = random.integers(0, 10 ** (number + 1), shape)
            arrays = {"smooth": smooth, "near": smooth + 0.1 * random.normal(size=shape), "counted": counted}
        variables = tuple(
            Variable(name, "str" if array.dtype == object else array.dtype.str, dims) for name, array in arrays.items()
        )
        bounds = {
            name: Tolerance("abs", 0.01) if a.dtype.kind == "f" else Tolerance("exact") for name, a in arrays.items()
        }
        layout = Layout(kind, variables, dict(zip(dims, shape, strict=True)))
        yield make_block({name: (dims, array) for name, array in arrays.items()}), layout, bounds


@one_thread
def check_threads(model: Model, *, training: Training | None = None) -> None:
    """Estimate, encode and decode several blocks by one fitted model, one by one and by several threads at once.

    Raises
    ------
    AssertionError
        If a thread expects, writes or restores anything else than was expected, written or restored without others.
    """
    for kind in sorted(model.kinds):
        blocks = list(alike_blocks(kind))
        fitted = type(model)(model.options)
        fit(fitted, [block for block, _, _ in blocks], *blocks[0][1:], training)
        state = encode_state(fitted.state())
        alone = [_results(fitted, _loaded(model, state), given) for given in blocks]
        # A model that was loaded may make itself ready at its first call, which here comes from all threads.
        with ThreadPoolExecutor(_THREADS) as pool:
            found = list(pool.map(partial(_results, fitted, _loaded(model, state)), blocks * _ROUNDS))
        for number, (result, expected) in enumerate(zip(found, alone * _ROUNDS, strict=True)):
            where = f"block {number % _BLOCKS} of a {kind}"
            assert result == expected, f"model {model.name!r}: {where} comes out different in threads"


def _loaded(model: Model, state: bytes) -> Model:
    fresh = type(model)(model.options)
    fresh.load_state(decode_state(state, memory_limit=MEMORY))
    return fresh


def _results(
    encoder: Model, decoder: Model, given: tuple[Block, Layout, Tolerances]
) -> tuple[object, Streams, Streams, dict[str, list[object]]]:
    """Collect what a model expects of a block, writes by its plan and without one, and restores."""
    block, layout, tolerances = given
    estimate = encoder.estimate(block, layout, tolerances, hints=NO_HINTS)
    plan = None if estimate is None else estimate.plan
    planned = encoder.encode(block, layout, tolerances, hints=NO_HINTS, plan=plan)
    anew = encoder.encode(block, layout, tolerances, hints=NO_HINTS, plan=None)
    restored = decoder.decode(dict(planned), layout, tolerances)
    values = {v.name: values_of(restored, v.name).tolist() for v in layout.variables}
    return None if estimate is None else dict(estimate.sizes), planned, anew, values
