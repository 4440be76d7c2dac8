"""Take some columns of a table of very many short ones: what models make of these tells which are worth planning all of it."""

from __future__ import annotations

from dataclasses import replace

from baler_core.pipeline.scaled_groups import scaled_names
from baler_core.pipeline.task import Task

_RUN, _RUNS = 48, 3
"""Neighbouring columns, which tell most of each other, and of how many places."""
_WIDE = 4 * _RUN * _RUNS
"""Tables of so many columns are worth a sample: planning it must take far less than planning all."""


def few_columns(task: Task) -> Task | None:
    """Return the same task with some columns of the table, from places spread evenly; None if it has no more than a few."""
    variables = task.layout.variables
    if task.layout.kind != "table" or len(variables) < _WIDE or scaled_names(task.layout, task.tolerances):
        return None
    starts = [(len(variables) - _RUN) * place // (_RUNS - 1) for place in range(_RUNS)]
    chosen = tuple(variables[number] for start in starts for number in range(start, start + _RUN))
    names = [variable.name for variable in chosen]
    first = task.first[names]
    tolerances = {name: task.tolerances[name] for name in names}
    layout = replace(task.layout, variables=chosen)
    return replace(
        task, blocks=[first], first=first, layout=layout, tolerances=tolerances, hints=task.hints.elsewhere()
    )
