"""Check that a component keeps the contract of its interface."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from baler_core.data.block import Block, make_block, values_of
from baler_core.data.bounds import Tolerance
from baler_core.data.part import Part
from baler_core.data.variables import Layout, Variable, leading_slices
from baler_core.format.arrays import decode_state, encode_state
from baler_core.pipeline.guarantee import find_corrections
from baler_core.plugin.interfaces import Metric, Model, Preprocessor, State, Streams, Tolerances, Training
from baler_core.plugin.reading import Reader, Source
from baler_core.testing.blocks import MEMORY, coded, decoded, difficult_blocks

_BLOCK = 1 << 20
# Blocks by themselves are read from a file cut into about so many.
_PIECES = 5


def check_reader(reader: Reader, path: Path, folder: Path) -> Path:
    """Read `path`, write it again into `folder`, and compare schema and every value; returns the written file.

    Raises
    ------
    AssertionError
        If anything differs, or blocks do not add up to what the schema announced, or are others when read by themselves.
    """
    target = folder / f"restored-{path.name}"
    with reader.open(path) as source:
        schema = source.schema
        lengths: dict[str, int] = {}
        sink = reader.create(target, schema)
        for block in source.blocks(_BLOCK):
            for variable in (schema[str(name)] for name in block.variables):
                values = values_of(block, variable.name)
                assert values.dtype == variable.numpy_dtype, f"{variable.name}: {values.dtype}, not {variable.dtype}"
                dims = tuple(map(str, block.variables[variable.name].dims))
                assert dims == variable.dims, (
                    f"{variable.name}: dimensions {dims} in a block, {variable.dims} in the schema"
                )
                if variable.dims:
                    lengths[variable.name] = lengths.get(variable.name, 0) + values.shape[0]
            sink.write(block)
        sink.close()
        _check_any_order(source)
        for name, length in lengths.items():
            assert length == schema.sizes[schema[name].dims[0]], f"{name}: blocks hold {length} rows"
        with reader.open(target) as again:
            names = again.schema.names
            assert names == schema.names, f"the written file has the variables {names}, the original {schema.names}"
            for first, second in zip(source.blocks(_BLOCK), again.blocks(_BLOCK), strict=True):
                _assert_same(first, second)
    return target


def _check_any_order(source: Source) -> None:
    """Read small blocks from the last to the first, and some with gaps, where the source can do so."""
    if not source.reads_any_rows:
        return
    size = max(1, sum(map(source.schema.nbytes, source.schema.variables)) // _PIECES)
    wanted = list(zip(leading_slices(source.schema, size), source.blocks(size), strict=True))
    for (_, variables, rows), block in [*reversed(wanted), *wanted[::3]]:
        _assert_same(block, source.read(variables, rows))


def _assert_same(first: Block, second: Block) -> None:
    differing = set(first.variables) ^ set(second.variables)
    assert not differing, f"the variables {sorted(map(str, differing))} are in one of two blocks alone"
    for name in map(str, first.variables):
        before, after = values_of(first, name), values_of(second, name)
        assert before.dtype == after.dtype, f"{name}: dtype {after.dtype}, not {before.dtype}"
        np.testing.assert_array_equal(before, after, err_msg=name)


def check_model(model: Model, *, training: Training | None = None) -> None:
    """Fit, encode, and decode with a fresh model that knows only the state; values may be wrong, nothing else.

    Raises
    ------
    AssertionError
        If shapes, names or states are lost, or the restored values differ from one decoding to the next.
    """
    for kind in sorted(model.kinds & {"table", "grid"}):
        for block, layout, tolerances in difficult_blocks(kind):
            streams, stored = coded(model, block, layout, tolerances, training)
            for name, data in streams.items():
                assert isinstance(name, str), f"{name!r} as the name of a stream is no text"
                assert isinstance(data, bytes), f"the stream {name!r} is of type {type(data).__name__}, not bytes"
            state = decode_state(stored, memory_limit=MEMORY)
            first = decoded(model, streams, state, layout, tolerances)
            second = decoded(model, streams, state, layout, tolerances)
            for name in first:
                np.testing.assert_array_equal(first[name], second[name])
            _check_parts(model, streams, state, layout, tolerances, first)
            corrections = find_corrections(block, first, tolerances)
            corrections.apply(first)
            wrong = find_corrections(block, first, tolerances).places
            assert not wrong, f"values of {sorted(wrong)} are outside their tolerance even after they were corrected"


def _check_parts(
    model: Model, streams: Streams, state: State, layout: Layout, tolerances: Tolerances, whole: dict[str, np.ndarray]
) -> None:
    """Compare parts of a group with the same parts of all of it."""
    fresh = type(model)(model.options)
    fresh.load_state(state)
    plain = [variable for variable in layout.variables if tolerances[variable.name].kind != "each"]
    middle = {dim: slice(length // 3, max(length // 3, length // 2)) for dim, length in layout.sizes.items()}
    for variable in plain[:: max(1, len(plain) - 1)]:
        for region in ({}, middle):
            part = Part(frozenset([variable.name]), region)
            found = fresh.decode_part(dict(streams), layout, tolerances, part)[variable.name]
            wanted = whole[variable.name][part.box(variable)]
            with np.errstate(all="ignore"):
                np.testing.assert_array_equal(found.astype(wanted.dtype), wanted, err_msg=f"a part of {variable.name}")


def check_preprocessor(preprocessor: Preprocessor, values: np.ndarray, tolerance: Tolerance) -> None:
    """Encode and decode values, shifted by the tolerance that the preprocessor claims for encoded values.

    Raises
    ------
    AssertionError
        If the original tolerance is broken for more than one value in a thousand.
    """
    block = make_block({"x": (("row",), values)})
    preprocessor.fit(block)
    fresh = type(preprocessor)(preprocessor.options)
    fresh.load_state(decode_state(encode_state(preprocessor.state()), memory_limit=1 << 30))
    encoded = values_of(preprocessor.encode(block), "x").astype(np.float64)
    assert encoded.shape == values.shape, f"encoded values have the shape {encoded.shape}, not {values.shape}"
    allowed = preprocessor.tolerance("x", tolerance).allowed(encoded)
    shifted = make_block({"x": (("row",), encoded + 0.99 * allowed)})
    with np.errstate(all="ignore"):
        restored = values_of(fresh.decode(shifted), "x").astype(values.dtype)
    share = float(tolerance.violations(values, restored).mean())
    assert share <= 1e-3, (
        f"{share:.2%} of the values are outside {tolerance.kind} {tolerance.value:g} if encoded ones are as wrong as the "
        f"preprocessor's own tolerance() allows: it must be smaller"
    )


def check_metric(metric: Metric, block: Block, variables: dict[str, Variable]) -> None:
    """Feed a block twice, against itself and against a changed copy; every number must be a float.

    Raises
    ------
    AssertionError
        If a result is no number.
    """
    changed = make_block(
        {
            str(name): (tuple(map(str, v.dims)), v.values * 1.01 if v.values.dtype.kind == "f" else v.values)
            for name, v in block.variables.items()
        }
    )
    metric.update(block, block, variables)
    metric.update(block, changed, variables)
    for name, statistics in metric.result().values.items():
        for statistic, number in statistics.items():
            assert isinstance(number, int | float), f"{name}/{statistic} is {number!r}"
