"""Warn of bounds that allow more than all values of a variable differ, as by a mistake in units."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np

from baler_core.data.block import values_of
from baler_core.data.bounds import Tolerance, usable
from baler_core.data.error_bound import ErrorBound
from baler_core.data.variables import Variable
from baler_core.pipeline.job import GroupBlock

logger = logging.getLogger(__name__)
Span = tuple[float, float]
"""Smallest and largest value."""


def spans_of(given: GroupBlock) -> dict[str, Span]:
    """Return the spans of the variables of a block that have one absolute bound, in stored units."""
    found: dict[str, Span] = {}
    for variable in given.layout.variables:
        tolerance = given.tolerances[variable.name]
        if tolerance.kind != "abs" or not variable.is_numeric:
            continue
        values = values_of(given.block, variable.name)
        known = values[usable(values, tolerance.fill)]
        if known.size:
            found[variable.name] = float(known.min()), float(known.max())
    return found


def joined_spans(one: Span, other: Span) -> Span:
    """Return the span of both."""
    return min(one[0], other[0]), max(one[1], other[1])


def warn_of_wide(
    spans: Mapping[str, Span], tolerances: Mapping[str, Tolerance], about: Mapping[str, tuple[Variable, ErrorBound]]
) -> None:
    """Warn of variables that may come back as a single value."""
    for name, (low, high) in spans.items():
        if not 0 < high - low <= tolerances[name].value:
            continue
        variable, bound = about[name]
        ends = np.sort([end * variable.scale + variable.offset for end in (low, high)])
        logger.warning(
            "%r: the bound (%s) is wider than all its values differ, which are from %.6g to %.6g%s: they may all come back as "
            "one. Is it in other units?",
            name,
            bound,
            *ends,
            f" {variable.units}".rstrip(),
        )
