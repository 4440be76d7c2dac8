"""Convert values of one column to symbols and back: by its own lattice, or as residuals of a prediction."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from baler_core.builtin.models.table.contexts.symbols import Symbols
from baler_core.builtin.models.table.plan import ColumnPlan
from baler_core.builtin.models.table.relations.residuals import FAR, Prediction, predict, residuals, restore
from baler_core.builtin.models.table.relations.scales import OwnSteps
from baler_core.data.bounds import Tolerance
from baler_core.errors import FormatError
from baler_core.quantise.own_steps import from_codes, to_codes


def coded(
    values: np.ndarray, plan: ColumnPlan, restored: Mapping[int, np.ndarray], tolerance: Tolerance
) -> tuple[Symbols, np.ndarray]:
    """Return symbols of a column's values (1-D), and the values that these restore to.

    Parameters
    ----------
    restored
        Restored values of its parents, by column number.
    tolerance
        Known for each value, where the plan has steps of their own.
    """
    if plan.own_steps is not None:
        symbols = _own_symbols(values, plan, plan.own_steps, restored, tolerance)
        return symbols, to_values(symbols, plan, restored, tolerance)
    if plan.relation is not None:
        prediction = predicted(plan, restored)
        symbols = _residual_symbols(values, plan, prediction, tolerance)
        return symbols, _values_by_residual(symbols, plan, prediction)
    codes = plan.lattice.codes(values)
    symbols = plan.symbols.forward(codes)
    # maps of symbols lose nothing: what a decoder makes of them are these codes
    return symbols, plan.lattice.restore(codes)


def _own_symbols(
    values: np.ndarray, plan: ColumnPlan, steps: OwnSteps, restored: Mapping[int, np.ndarray], tolerance: Tolerance
) -> Symbols:
    """Return codes in steps of their own, below them the special values, below these the escape."""
    codes, good = to_codes(values, steps.rounded(tolerance), steps.points, steps.centre(restored))
    specials, low = len(plan.lattice.specials), plan.symbols.low
    special = plan.lattice.quantise(values)[1].astype(np.int64)
    inside = good & (codes >= low + specials) & (codes <= plan.symbols.high)
    outside = ~inside & ((special == 0) | good)
    symbols = np.where(inside, codes, low - 1 + special)
    symbols[outside] = low - 1
    return Symbols(symbols, plan.lattice.codes(values[outside]))


def own_codes(
    values: np.ndarray, steps: OwnSteps, restored: Mapping[int, np.ndarray], tolerance: Tolerance
) -> np.ndarray:
    """Return the codes of values that have one: int64, any length."""
    codes, good = to_codes(values, steps.rounded(tolerance), steps.points, steps.centre(restored))
    return codes[good]


def _values_by_own(
    symbols: Symbols, plan: ColumnPlan, steps: OwnSteps, restored: Mapping[int, np.ndarray], tolerance: Tolerance | None
) -> np.ndarray:
    each = None if tolerance is None else steps.rounded(tolerance).each
    if each is None or len(each) != len(symbols.values):
        raise FormatError("a column of a table counts in steps that follow from nothing")
    special = _specials(symbols, plan)
    codes, dtype = np.where(special > 0, 0, symbols.values), np.dtype(plan.lattice.dtype)
    return _with_specials(from_codes(codes, each, steps.points, dtype, steps.centre(restored)), special, symbols, plan)


def _specials(symbols: Symbols, plan: ColumnPlan) -> np.ndarray:
    """Return which special value each symbol stands for, counted from 1; 0 for numbers."""
    low = plan.symbols.low
    return np.where(symbols.values < low + len(plan.lattice.specials), symbols.values - low + 1, 0)


def _with_specials(values: np.ndarray, special: np.ndarray, symbols: Symbols, plan: ColumnPlan) -> np.ndarray:
    """Put special values and escaped ones where they belong, in `values`, which are returned."""
    escaped = symbols.values == plan.symbols.low - 1
    if int(escaped.sum()) != len(symbols.escapes):
        raise FormatError(f"a column of a table has {len(symbols.escapes)} escapes for {int(escaped.sum())} places")
    for index, value in enumerate(plan.lattice.specials):
        values[special == index + 1] = value
    values[escaped] = plan.lattice.restore(symbols.escapes)
    return values


def to_values(
    symbols: Symbols,
    plan: ColumnPlan,
    restored: Mapping[int, np.ndarray],
    tolerance: Tolerance | None = None,
    rows: slice = slice(None),
) -> np.ndarray:
    """Return restored values from symbols.

    Parameters
    ----------
    tolerance
        Needed where the plan has steps of their own.
    rows
        Which to restore of a column that follows from no others.
    """
    if plan.own_steps is not None:
        return _values_by_own(symbols, plan, plan.own_steps, restored, tolerance)
    if plan.relation is None:
        return plan.lattice.restore(plan.symbols.backward(symbols)[rows])
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
    foreseen = (symbols.values == 0) & (prediction.special > 0)
    special = np.where(foreseen, prediction.special, _specials(symbols, plan))
    values = restore(np.where(special > 0, 0, symbols.values), prediction, plan.lattice, plan.steps)
    return _with_specials(values, special, symbols, plan)
