"""Convert values of one column to symbols and back: by its own lattice, or as residuals of a prediction."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from baler_core.builtin.models.table.contexts.symbols import Symbols
from baler_core.builtin.models.table.plan import ColumnPlan
from baler_core.builtin.models.table.relations.residuals import FAR, Prediction, predict, residuals, restore
from baler_core.data.bounds import Tolerance
from baler_core.errors import FormatError


def to_symbols(
    values: np.ndarray, plan: ColumnPlan, restored: Mapping[int, np.ndarray], tolerance: Tolerance
) -> Symbols:
    """Return symbols of a column's values (1-D).

    Parameters
    ----------
    restored
        Restored values of its parents, by column number.
    """
    if plan.relation is not None:
        return _residual_symbols(values, plan, predicted(plan, restored), tolerance)
    return plan.symbols.forward(plan.lattice.codes(values))


def to_values(symbols: Symbols, plan: ColumnPlan, restored: Mapping[int, np.ndarray]) -> np.ndarray:
    """Return restored values from symbols."""
    if plan.relation is None:
        return plan.lattice.restore(plan.symbols.backward(symbols))
    return _values_by_residual(symbols, plan, predicted(plan, restored))


def predicted(plan: ColumnPlan, restored: Mapping[int, np.ndarray]) -> Prediction:
    """Predict the column by its relation."""
    if plan.relation is None or plan.steps is None:
        raise FormatError("a column of a table has no relation to be restored by")
    return predict(*plan.relation.evaluate(restored), plan.lattice, plan.steps)


def _residual_symbols(values: np.ndarray, plan: ColumnPlan, prediction: Prediction, tolerance: Tolerance) -> Symbols:
    """Return residuals, below them the special values that were not predicted, below these the escape."""
    assert plan.steps is not None
    specials, low = len(plan.lattice.specials), plan.symbols.low
    special = plan.lattice.quantise(values)[1].astype(np.int64)
    ordinary = special == 0
    found = _nudged(
        values, residuals(values, prediction, plan.lattice, plan.steps), plan, prediction, tolerance, ordinary
    )
    outside = ordinary & ((found < low + specials) | (found > plan.symbols.high))
    symbols = np.where(ordinary, found, low - 1 + special)
    symbols[(special > 0) & (special == prediction.special)] = 0
    symbols[outside] = low - 1
    return Symbols(symbols, plan.lattice.codes(values[outside]))


def _nudged(
    values: np.ndarray,
    found: np.ndarray,
    plan: ColumnPlan,
    prediction: Prediction,
    tolerance: Tolerance,
    ordinary: np.ndarray,
) -> np.ndarray:
    """Residuals moved by one where rounding to the output dtype would break the tolerance; FAR where that is no help."""
    assert plan.steps is not None
    places = np.flatnonzero(ordinary & (found != FAR))
    for move in (0, 1, -1):
        part = Prediction(prediction.values[places], prediction.special[places], prediction.known[places])
        after = restore(found[places] + move, part, plan.lattice, plan.steps)
        wrong = tolerance.violations(values[places], after)
        found[places[~wrong]] += move
        places = places[wrong]
    found[places] = FAR
    return found


def _values_by_residual(symbols: Symbols, plan: ColumnPlan, prediction: Prediction) -> np.ndarray:
    assert plan.steps is not None
    specials, low = len(plan.lattice.specials), plan.symbols.low
    stated = np.where(symbols.values < low + specials, symbols.values - low + 1, 0)
    escaped = symbols.values == low - 1
    if int(escaped.sum()) != len(symbols.escapes):
        raise FormatError(f"a column of a table has {len(symbols.escapes)} escapes for {int(escaped.sum())} places")
    foreseen = (symbols.values == 0) & (prediction.special > 0)
    special = np.where(foreseen, prediction.special, stated)
    values = restore(np.where(special > 0, 0, symbols.values), prediction, plan.lattice, plan.steps)
    for index, value in enumerate(plan.lattice.specials):
        values[special == index + 1] = value
    values[escaped] = plan.lattice.restore(symbols.escapes)
    return values
