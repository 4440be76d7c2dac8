"""The columns of the longest table of a data file: floats along the dimension that has most bytes of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from baler_core.config.arguments import config_of_arguments
from baler_core.data.block import values_of
from baler_core.pipeline.input import input_of
from baler_core.plugin.registry import load_plugins


def longest_table(path: Path) -> dict[str, np.ndarray]:
    """Columns without the prefix that all their names share (`Jet_`); those with missing values are left out."""
    registry = load_plugins()
    config = config_of_arguments("predict", {}, registry, source=path, output=Path())
    given = input_of(path, config, registry)
    with given.source:
        schema = given.source.schema
        floats = [v for v in schema.variables if len(v.dims) == 1 and v.is_numeric and v.numpy_dtype.kind == "f"]
        dim = max({v.dims[0] for v in floats}, key=lambda d: sum(schema.nbytes(v) for v in floats if v.dims[0] == d))
        names = [v.name for v in floats if v.dims[0] == dim]
        blocks = [block for block in given.source.blocks(1 << 30) if names[0] in block.variables]
        columns = {name: np.concatenate([values_of(block, name) for block in blocks]) for name in names}
    first, last = min(names), max(names)
    same = [one == other for one, other in zip(first, last, strict=False)]
    common = first[: [*same, False].index(False)]
    shared = max(common.rfind("_"), common.rfind("/")) + 1
    return {name[shared:].strip("_"): column for name, column in columns.items() if np.isfinite(column).all()}
