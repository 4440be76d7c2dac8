"""What predictions miss of a block, variable by variable, and the part of a block that ways of storing are measured on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from baler_core.builtin.models.autoencoder.samples import SampleForm, sample_count
from baler_core.data.block import Block, make_block, values_of
from baler_core.data.bounds import usable
from baler_core.data.variables import Layout, Variable
from baler_core.plugin.interfaces import Tolerances
from baler_core.quantise.residual import encode_residual

# Ways of storing are measured on about this many values.
_PROBE_VALUES = 1 << 16


def probe_of(block: Block, layout: Layout, form: SampleForm) -> tuple[Block, Layout]:
    """The first samples of a block, enough to measure on."""
    dims = layout.variables[0].dims
    rows = max(1, _PROBE_VALUES // max(1, layout.nbytes // (8 * layout.sizes[dims[0]])))
    if rows >= layout.sizes[dims[0]] or sample_count(layout, layout.variables[0], form) < layout.sizes[dims[0]]:
        return block, layout
    part = {v.name: (v.dims, values_of(block, v.name)[:rows]) for v in layout.variables}
    return make_block(part), replace(layout, sizes={**layout.sizes, dims[0]: rows})


def bounded(layout: Layout, tolerances: Tolerances, predictions: Mapping[str, np.ndarray]) -> list[Variable]:
    """The variables that need more than a prediction: all but those under no bound at all."""
    return [v for v in layout.variables if tolerances[v.name].kind != "free" or v.name not in predictions]


def residuals_of(
    block: Block,
    layout: Layout,
    tolerances: Tolerances,
    predictions: Mapping[str, np.ndarray],
    plain: Mapping[str, bytes],
) -> list[bytes]:
    """Return what predictions miss; `plain` holds what is known of variables without a prediction."""
    return [
        encode_residual(
            values_of(block, v.name), prediction_of(v, layout, predictions), tolerances[v.name], plain.get(v.name)
        )
        for v in bounded(layout, tolerances, predictions)
    ]


def prediction_of(variable: Variable, layout: Layout, predictions: Mapping[str, np.ndarray]) -> np.ndarray:
    known = predictions.get(variable.name)
    return known if known is not None else np.zeros(layout.shape(variable))


def free_error(
    block: Block, predictions: Mapping[str, np.ndarray], widths: Mapping[str, float], tolerances: Tolerances
) -> float:
    """Return the mean squared errors of the usable values of unbounded variables, each in units of its width, added up."""
    errors = []
    for name, width in widths.items():
        values = values_of(block, name)
        good = usable(values, tolerances[name].fill)
        if tolerances[name].kind == "free" and good.any():
            with np.errstate(all="ignore"):
                difference = (predictions[name][good] - values[good].astype(np.float64)) / width
            errors.append(float(np.nan_to_num(np.square(difference)).mean()))
    return sum(errors)
