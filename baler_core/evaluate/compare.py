"""Read the original twice, the second time beside the restored blocks, and collect the results."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING

import numpy as np

from baler_core.data.block import make_block, values_of
from baler_core.data.error_bound import ErrorBound
from baler_core.data.pairing import Piece, paired_blocks
from baler_core.data.variables import Schema
from baler_core.evaluate.derived import DerivedRecorders, needed_by
from baler_core.evaluate.derived_blocks import Cuts
from baler_core.evaluate.judgement import judged
from baler_core.evaluate.others import compress_with_others
from baler_core.evaluate.recorders import Recorders
from baler_core.evaluate.results import Results, Sizes
from baler_core.evaluate.survey import ByteSample, survey
from baler_core.machine.progress import counted
from baler_core.machine.records import dataclass
from baler_core.pipeline.derived.quantities import Derived
from baler_core.plugin.interfaces import Metric

if TYPE_CHECKING:
    from baler_core.data.block import Block


Walk = Callable[[], Iterable["Block"]]
"""Gives a file's blocks anew at every call."""

OTHERS_BYTES = 8 << 20


@dataclass(frozen=True)
class Wanted:
    """What to find out.

    Attributes
    ----------
    bounds
        By variable; errors of variables without a known bound are found but not judged.
    metrics
        Fresh ones, without values yet.
    drawn
        Patterns of the variables to draw.
    others_bytes
        At most about this many native bytes go through gzip, xz and zstd; 0 leaves them out.
    derived
        Quantities to compute from both files.
    ends
        By leading dimension: the rows where blocks end in which they were kept.
    masks
        Of variables whose values stand for nothing in places: the variables that are true there.
    """

    bounds: Mapping[str, ErrorBound] = field(default_factory=dict)
    metrics: Sequence[Metric] = ()
    drawn: Sequence[str] = ("*",)
    others_bytes: int = OTHERS_BYTES
    derived: Sequence[Derived] = ()
    ends: Mapping[str, Sequence[int]] = field(default_factory=dict)
    masks: Mapping[str, Sequence[str]] = field(default_factory=dict)


def compare(
    original: Walk, restored: Walk, schema: Schema, wanted: Wanted, *, names: tuple[str, str] = ("original", "restored")
) -> Results:
    """Compare two streams of blocks.

    Memory is bounded by a block of each, fixed samples and 2-D slices.

    Parameters
    ----------
    original, restored
        Walked twice and once.
    schema
        Of the variables to compare; the blocks may hold others. Jagged dimensions need their counts.
    names
        What to call the two in the results.

    Raises
    ------
    DataError
        If the two do not hold the same rows and shapes.
    """
    expected = sum(schema.nbytes(variable) for variable in schema.variables)
    sample = ByteSample(wanted.others_bytes, expected)
    found = survey(original(), schema, sample)
    recorders = Recorders(schema, found, bounds=wanted.bounds, metrics=wanted.metrics, drawn=wanted.drawn)
    cuts = Cuts(schema, frozenset(needed_by(wanted.derived, schema)), wanted.ends)
    derived = DerivedRecorders(wanted.derived, schema, original, cuts)
    with counted(f"compare {names[0]}", expected) as progress:
        for pair in paired_blocks(original(), restored(), schema):
            piece = without_stand_ins(pair, wanted.masks)
            recorders.update(piece)
            derived.update(piece)
            progress(piece.original.nbytes)
    results = _collected(names, recorders, derived)
    sizes = Sizes(sum(found.native_bytes.values()))
    return judged(replace(results, sizes=sizes, others=compress_with_others(sample.data)), recorders.evidence)


def _collected(names: tuple[str, str], recorders: Recorders, derived: DerivedRecorders) -> Results:
    """Return what the recorders found."""
    return Results(
        original=names[0],
        restored=names[1],
        sizes=Sizes(0),
        variables=recorders.variables(),
        metrics=recorders.outcomes(),
        notes=recorders.notes(),
        derived=derived.results(),
        drawings=replace(recorders.drawings(), derived=derived.distributions()),
    )


def without_stand_ins(piece: Piece, masks: Mapping[str, Sequence[str]]) -> Piece:
    """Return a piece whose restored values are the originals wherever both files say that there is none.

    Formats hold something behind a null, too, which readers replace by what is not the same in both files.
    """
    present = {str(name) for name in piece.restored.variables}
    found = {}
    for name in [str(name) for name in piece.restored.variables if str(name) in masks]:
        before, after = values_of(piece.original, name), values_of(piece.restored, name)
        absent = np.zeros(after.shape, bool)
        for mask in present.intersection(masks[name]):
            both = values_of(piece.original, mask) & values_of(piece.restored, mask)
            absent |= both.reshape(both.shape + (1,) * (after.ndim - both.ndim))
        if absent.any():
            found[name] = piece.restored[name].dims, np.where(absent, before, after)
    if not found:
        return piece
    kept = {
        str(name): (one.dims, values_of(piece.restored, str(name))) for name, one in piece.restored.variables.items()
    }
    return replace(piece, restored=make_block({**kept, **found}))
