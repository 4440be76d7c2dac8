"""Groups of a file brought into the order of trained models, apart from columns that these do not know."""

from __future__ import annotations

import logging
from dataclasses import replace

from baler_core.data.variables import Layout
from baler_core.format.streams import pack_streams
from baler_core.pipeline.group_coder import start_group
from baler_core.pipeline.job import Job, PartKey, PreparedBlock, part_key
from baler_core.pipeline.scaled_groups import scaled_names
from baler_core.pipeline.task import SAMPLE_BYTES

logger = logging.getLogger(__name__)
Parts = tuple[tuple[str, ...], ...]
_MOST_NAMED = 5
_ENOUGH = 0.5
"""What share of the columns of a group too large to be coded twice must be known."""


def with_known_columns(job: Job) -> Job:
    """Return a job whose groups are cut into columns that trained models know, in their order, and others.

    Where some are unknown or lacking, the parts are taken if they need fewer bytes of the first block than the whole
    group learned anew.
    """
    if job.trained is None:
        return job
    parts: dict[PartKey, Parts] = {}
    met: set[PartKey] = set()
    waiting = set(job.schema.names)
    for block in job.blocks:
        if not waiting.intersection(block.variables):
            continue
        waiting.difference_update(block.variables)
        for given in job.prepared(block):
            layout = given.original.layout
            key = part_key(layout)
            if key in met:
                continue
            met.add(key)
            found = None if scaled_names(layout, job.tolerances) else job.trained.parts(layout, fewer=job.by_reference)
            if found is not None and (found.is_whole or _pays(job, given, found.parts)):
                parts[key] = found.parts
                _tell(layout, found.parts)
    return replace(job, parts=parts)


def _tell(layout: Layout, parts: Parts) -> None:
    """Say which columns are coded apart."""
    if len(parts) > 1:
        more = f" and {len(parts[1]) - _MOST_NAMED} more" if len(parts[1]) > _MOST_NAMED else ""
        named = ", ".join(parts[1][:_MOST_NAMED]) + more
        logger.warning("group %s: the trained models do not know %s: coded apart, learned anew", layout.name, named)


def _pays(job: Job, given: PreparedBlock, parts: Parts) -> bool:
    """Whether the first block of a group takes fewer bytes in parts, of which trained models know the first."""
    layout = given.original.layout
    if layout.nbytes > SAMPLE_BYTES:
        return len(parts[0]) >= _ENOUGH * len(layout.variables)
    in_parts = replace(job, parts={part_key(layout): parts})
    apart = sum(_size(in_parts, part) for part in in_parts.prepared(given.original.block) if _inside(part, layout))
    whole = _size(replace(job, trained=None), given)
    logger.info("group %s: %d bytes in parts, %d as a whole", layout.name, apart, whole)
    return apart < whole


def _inside(part: PreparedBlock, layout: Layout) -> bool:
    names = {variable.name for variable in layout.variables}
    return part.original.layout.variables[0].name in names


def _size(job: Job, given: PreparedBlock) -> int:
    """Return the bytes of a block, and of what was learned for it where that will be in the file."""
    coder, coded = start_group(job, given)
    return len(pack_streams([coded.streams])) + (len(coder.state) if coder.section is None else 0)
