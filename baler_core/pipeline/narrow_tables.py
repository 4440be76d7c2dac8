"""Tables with more columns than can be planned within the memory that is stated, cut into parts of neighbouring columns."""

from __future__ import annotations

import itertools
from dataclasses import replace

from baler_core.data.variables import leading_groups
from baler_core.pipeline.job import Job, PartKey, part_key
from baler_core.pipeline.scaled_groups import scaled_names

_PER_COLUMN = 900_000
"""Bytes that planning takes for a column of the fewest rows, at most (`benchmarks/scale.py planning`)."""
_FEWEST = 100
"""Columns of a part: narrower ones would save little memory, and miss more of what columns tell of each other."""
_PLANNED = {"auto", "table"}
"""Models that plan a table as a whole."""


def with_narrow_tables(job: Job) -> Job:
    """Return a job whose wide tables are cut into parts, if its memory is stated and too small for them.

    Tables stay whole where trained models serve or are wanted, and where tolerances follow from other columns.
    """
    config, schema = job.config, job.schema
    most = max(_FEWEST, int(config.learning_bytes / _PER_COLUMN))
    given = config.memory is not None and config.model.name in _PLANNED
    if not given or job.trained is not None or job.for_other_files:
        return job
    waiting = {
        name for group in leading_groups(schema).values() if len(group) > most for name in (v.name for v in group)
    }
    parts: dict[PartKey, list[tuple[str, ...]]] = {}
    for block in job.blocks if waiting else ():
        if waiting.intersection(block.variables):
            waiting.difference_update(block.variables)
            for layout in (one.original.layout for one in job.prepared(block)):
                if layout.kind == "table" and not scaled_names(layout, job.tolerances):
                    parts[part_key(layout)] = _cut(part_key(layout), most)
        if not waiting:
            break
    return replace(job, parts={**job.parts, **parts})


def _cut(names: PartKey, most: int) -> list[tuple[str, ...]]:
    """Cut columns into parts of at most so many, as many in each as in others or one more."""
    count = -(-len(names) // most)
    limits = [len(names) * part // count for part in range(count + 1)]
    return [names[first:stop] for first, stop in itertools.pairwise(limits)]
