"""Choose what to sort a table by, where the order of its rows means nothing: by the bytes that a sample takes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from baler_core.builtin.models.table.contexts.symbols import smooth_bits
from baler_core.builtin.models.table.options import TableOptions
from baler_core.config import ComponentSpec, Config
from baler_core.data.block import values_of
from baler_core.data.rows import RowOrder
from baler_core.data.variables import leading_groups
from baler_core.pipeline.input import Input
from baler_core.pipeline.job import prepare
from baler_core.pipeline.row_order import SortedSource, free_dimension, keys_of
from baler_core.pipeline.sampling import sampled
from baler_core.plugin.registry import Registry
from baler_core.quantise.lattice_fit import fit_lattice

logger = logging.getLogger(__name__)
_SAMPLE_BYTES = 4 << 20
_SCREENED_ROWS = 1 << 13
"""Rows of the sample on which all columns are tried, and how many columns at most; of these the best are measured."""
_FIRSTS, _SECONDS = 2, 2
"""Of how many of these a second column is tried for rows in which the first is equal, and how many."""
_SCREENED, _MEASURED = 40, 3
_WORTH = 0.99
"""What part of the bytes in the file's own order another one must take at most."""
Write = Callable[[Config, Input, Path], int]
"""Writes a file of an input, and returns its bytes."""


def in_free_order(config: Config, registry: Registry, given: Input, write: Write) -> Input:
    """Return an input with its rows in the order that makes the file smallest, which may be its own.

    Parameters
    ----------
    write
        By which a sample is measured.

    Raises
    ------
    DataError
        If it is not a single table of a format whose rows can be moved.
    """
    order = free_order(config, registry, given, write)
    if order is None:
        return given
    source = SortedSource(given.source, order)
    logger.warning("%s: %s", given.name, order.told(source.schema.sizes[order.dim]))
    # No worker may open the file by itself: its rows would come in their own order.
    return replace(given, source=source, order=order, place=None)


def free_order(config: Config, registry: Registry, given: Input, write: Write) -> RowOrder | None:
    """Return the order of rows that makes the file of an input smallest; None for its own.

    Parameters
    ----------
    write
        By which a sample is measured.

    Raises
    ------
    DataError
        If it is not a single table of a format whose rows can be moved.
    """
    schema = given.source.schema
    dim = free_dimension(schema, given.name, registry.categories(given.reader, schema))
    if schema.sizes[dim] < 2:
        return None
    given.source.move_rows(np.arange(schema.sizes[dim]))  # refuses before anything is tried
    sample = sampled(given, frozenset(schema.names), _SAMPLE_BYTES)
    quick = replace(config, model=_measuring(config), target=None, order="kept")
    with TemporaryDirectory() as folder:
        place = Path(folder) / "sample.bal"

        def size(keys: tuple[str, ...]) -> int:
            title = f"{given.name} by {', '.join(keys)}" if keys else given.name
            source = SortedSource(sample.source, RowOrder(dim, keys)) if keys else sample.source
            return write(quick, replace(sample, source=source, name=title), place)

        keys = _best(size, _codes(quick, registry, sample, dim))
    if not keys:
        logger.info("%s: no other order of the rows makes the file smaller", given.name)
        return None
    return RowOrder(dim, keys, _together(given, config, dim))


def _measuring(config: Config) -> ComponentSpec:
    """Return the model that samples are written with: without networks, in the middle at most."""
    if config.model.name not in ("auto", "table"):
        return config.model
    effort = getattr(config.model.options, "effort", "max")
    return ComponentSpec("table", TableOptions(effort="fast" if effort == "fast" else "balanced", network="off"))


def _together(given: Input, config: Config, dim: str) -> int:
    """Return how many rows are sorted together: all that fit into a block."""
    schema = given.source.schema
    row = sum(map(schema.nbytes, leading_groups(schema)[dim])) / schema.sizes[dim]
    rows = max(1, int(config.block_bytes / max(1.0, row)))
    return 0 if rows >= schema.sizes[dim] else rows


def _codes(config: Config, registry: Registry, sample: Input, dim: str) -> dict[str, np.ndarray]:
    """Return the columns of a sample as integers under their tolerances; those that vary."""
    tolerances = prepare(config, registry, sample.source, quiet=True).tolerances
    names = keys_of(sample.source.schema, dim)
    found = {}
    for block in sample.source.blocks(1 << 40):
        for name in (name for name in names if name in block.variables):
            values = values_of(block, name)
            codes = fit_lattice(values, tolerances[name].where_none).codes(values)
            if codes.size and codes.min() != codes.max():
                found[name] = codes
    return found


def _best(size: Callable[[tuple[str, ...]], int], codes: Mapping[str, np.ndarray]) -> tuple[str, ...]:
    """Return the columns to sort by, none for the order as it is."""
    if not codes:
        return ()
    own = size(())
    candidates = _screened(codes, (), _MEASURED)
    sizes = {key: size(key) for key in candidates}
    for first in sorted(candidates, key=lambda key: sizes[key])[:_FIRSTS]:
        ties = len(codes[first[0]]) > 2 * len(np.unique(codes[first[0]]))
        for key in _screened(codes, first, _SECONDS) if ties else ():
            sizes[key] = size(key)
    best = min(sizes, key=lambda key: sizes[key])
    for key, found in sizes.items():
        logger.info("sorted by %s, the sample takes %d bytes, %d as it is", ", ".join(key), found, own)
    return best if sizes[best] < _WORTH * own else ()


def _screened(codes: Mapping[str, np.ndarray], first: tuple[str, ...], count: int) -> list[tuple[str, ...]]:
    """Return the most promising ways to sort, by the entropies of columns and of their differences."""
    rows = len(next(iter(codes.values())))
    some = np.sort(np.random.default_rng(0).permutation(rows)[:_SCREENED_ROWS])
    few = {name: codes[name][some] for name in list(codes)[:_SCREENED]}
    plain = {name: smooth_bits(column) for name, column in few.items()}

    def cost(keys: Sequence[str]) -> float:
        order = np.lexsort([few[key] for key in reversed(keys)])
        return sum(min(plain[name], smooth_bits(np.diff(column[order]))) for name, column in few.items())

    found = [(*first, name) for name in few if name not in first]
    return sorted(found, key=cost)[:count]
