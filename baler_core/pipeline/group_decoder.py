"""Decode a group of a block: model, preprocessors, settled values, zeros and corrections, whole or in part."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeVar

import numpy as np

from baler_core.data.block import Block
from baler_core.data.bounds import Tolerance
from baler_core.data.part import Part
from baler_core.data.variables import Layout, Variable, with_events
from baler_core.errors import FormatError, PluginError
from baler_core.format.digests import group_digest
from baler_core.format.ranged import Stream
from baler_core.machine.allocator import memory_kept
from baler_core.pipeline.guarantee import EXACT_STREAM, decode_corrections, restored_arrays
from baler_core.pipeline.preprocess import Pipeline
from baler_core.pipeline.scaled_groups import SCALED_STREAM, is_apart, needs_of, seen_by_models, unscaled
from baler_core.pipeline.step_stream import STEP_STREAM, decode_steps
from baler_core.plugin.interfaces import Model, Streams
from baler_core.quantise.exact_zeros import OLD_ZERO_STREAM, ZERO_STREAM, keep_zeros_again
from baler_core.quantise.settle import OLD_SETTLE_STREAM, SETTLE_STREAM, flagged, settle_again, with_plain_zero

_BESIDE = (
    *(STEP_STREAM, SCALED_STREAM, EXACT_STREAM),
    *(SETTLE_STREAM, OLD_SETTLE_STREAM, ZERO_STREAM, OLD_ZERO_STREAM),
)
AnyStream = TypeVar("AnyStream", bytes, Stream)


class GroupDecoder(NamedTuple):
    """Decodes the groups of one file.

    Attributes
    ----------
    tolerance_of
        Returns the tolerances of a layout's variables, as the header states them.
    pipeline
        The preprocessors.
    """

    tolerance_of: Callable[[Layout], Mapping[str, Tolerance]]
    pipeline: Pipeline

    def whole(
        self, model: Model, streams: Streams, layout: Layout, before: Mapping[str, np.ndarray]
    ) -> tuple[dict[str, np.ndarray], bytes]:
        """Restore all variables of a group.

        Parameters
        ----------
        before
            Variables of the block that are restored already, among them all that the group follows from.

        Returns
        -------
        The values by variable, and their digest.
        """
        if layout.counts and layout.counts in before:
            layout = with_events(layout, before[layout.counts])
        seen, beside = _apart(streams)
        tolerances = decode_steps(beside[STEP_STREAM], layout, self.tolerance_of(layout))
        corrections = decode_corrections(beside[EXACT_STREAM], layout)
        if needs := needs_of(layout, tolerances):
            tolerances = {name: t.knowing(_checked(needs, layout, before)) for name, t in tolerances.items()}
        if is_apart(layout, tolerances):
            tolerances = {name: tolerance.among({}) for name, tolerance in tolerances.items()}
        with memory_kept(layout.nbytes):
            decoded = self._decoded(model, seen, layout, tolerances, beside[SCALED_STREAM])
            arrays = restored_arrays(model, decoded, layout)
            _settle(beside, arrays, layout, tolerances)
            corrections.apply(arrays)
            return arrays, group_digest(arrays, layout, tolerances, beside[EXACT_STREAM])

    def _decoded(
        self, model: Model, streams: Streams, layout: Layout, tolerances: Mapping[str, Tolerance], scaled: bytes
    ) -> Block:
        """Return what a model restores, put back from what models see to what the variables are."""
        if is_apart(layout, tolerances):
            return unscaled(model.decode(streams, *seen_by_models(layout, tolerances)), layout, tolerances, scaled)
        known = {name: tolerance.for_models for name, tolerance in tolerances.items()}
        if not self.pipeline.touches(layout):
            return model.decode(streams, layout, known)
        decoded = model.decode(streams, self.pipeline.encoded_layout(layout), self.pipeline.tolerances(known))
        return self.pipeline.decode(decoded, layout)

    def part(
        self,
        model: Model,
        streams: Mapping[str, Stream],
        layout: Layout,
        before: Mapping[str, np.ndarray],
        part: Part,
    ) -> dict[str, np.ndarray] | None:
        """Restore a part of a group, bit for bit as `whole` would.

        Returns
        -------
        The part's values by variable, of whole variables maybe further ones; None where only the whole group can be restored.
        """
        wanted = tuple(variable for variable in layout.variables if variable.name in part.names)
        chosen = replace(layout, variables=wanted)
        own = self.tolerance_of(chosen)
        if SCALED_STREAM in streams or self.pipeline.touches(layout) or any(t.kind == "each" for t in own.values()):
            return None
        if layout.counts and layout.counts in before:
            layout = with_events(layout, before[layout.counts])
        seen, beside = _apart(streams)
        # Without steps of a block, tolerances of other variables matter to models alone that restore all of them.
        told = layout if beside[STEP_STREAM] or type(model).decode_part is Model.decode_part else chosen
        tolerances = decode_steps(beside[STEP_STREAM], told, self.tolerance_of(told))
        known = {name: tolerance.for_models for name, tolerance in tolerances.items()}
        wanted_whole = part.names & flagged(beside[OLD_SETTLE_STREAM] or beside[SETTLE_STREAM], layout)
        # Where only all values of a variable tell which of them are settled, it is restored whole and cut then.
        decoded_part = Part(part.names) if wanted_whole else part
        decoded = model.decode_part(seen, layout, known, decoded_part)
        if not decoded_part.region:  # variables that the model restored besides
            wanted, tolerances = self._further(decoded, layout, tolerances, part)
            decoded_part = Part(frozenset(v.name for v in wanted))
        arrays = _checked_part(model, decoded, wanted, layout, decoded_part)
        _settle(beside, arrays, layout, tolerances, decoded_part)
        decode_corrections(beside[EXACT_STREAM], layout, arrays, decoded_part).apply(arrays)
        if part.region and not decoded_part.region:
            arrays = {v.name: part.cut(arrays[v.name], v) for v in wanted if v.name in part.names}
        return arrays

    def _further(
        self, decoded: Mapping[str, np.ndarray], layout: Layout, tolerances: Mapping[str, Tolerance], part: Part
    ) -> tuple[tuple[Variable, ...], dict[str, Tolerance]]:
        """Return which whole variables to keep of those that a model restored, wanted or not, and all their tolerances."""
        further = tuple(v for v in layout.variables if v.name in decoded)
        known = {**self.tolerance_of(replace(layout, variables=further)), **tolerances}
        return tuple(v for v in further if v.name in part.names or _is_plain(known[v.name])), known


def _settle(
    beside: Mapping[str, bytes],
    arrays: dict[str, np.ndarray],
    layout: Layout,
    tolerances: Mapping[str, Tolerance],
    part: Part | None = None,
) -> None:
    """Put decoded values, in `arrays`, on their sides, and make zero what was, as files of this and older versions say."""
    plain = with_plain_zero(tolerances)
    old, zeros = beside[OLD_SETTLE_STREAM], beside[OLD_ZERO_STREAM]
    settle_again(old or beside[SETTLE_STREAM], arrays, layout, tolerances if old else plain, part)
    keep_zeros_again(zeros or beside[ZERO_STREAM], arrays, layout, tolerances if zeros else plain, part)


def _apart(streams: Mapping[str, AnyStream]) -> tuple[dict[str, AnyStream], dict[str, bytes]]:
    """Separate the streams of a model from those beside it, which are empty where there are none."""
    beside = {name: bytes(streams.get(name, b"")) for name in _BESIDE}
    return {name: stream for name, stream in streams.items() if name not in _BESIDE}, beside


def _is_plain(tolerance: Tolerance) -> bool:
    """Return whether a tolerance needs no steps of the block and no other variables."""
    return tolerance.kind != "each" and tolerance.mean is None


def _checked_part(
    model: Model, decoded: Mapping[str, np.ndarray], wanted: Sequence[Variable], layout: Layout, part: Part
) -> dict[str, np.ndarray]:
    """Return what was decoded of the wanted variables, in their dtypes, the shapes of the part and C order.

    Raises
    ------
    PluginError
        If the model left a variable out or changed a shape.
    """
    arrays = {}
    shapes: dict[tuple[str, ...], tuple[int, ...]] = {}
    with np.errstate(all="ignore"):
        for variable in wanted:
            shape = shapes.get(variable.dims) or shapes.setdefault(variable.dims, part.shape(variable, layout))
            if variable.name not in decoded or decoded[variable.name].shape != shape:
                raise PluginError(
                    f"model {model.name!r} did not restore the part of {variable.name!r} that it was asked for"
                )
            arrays[variable.name] = decoded[variable.name].astype(variable.numpy_dtype, order="C", copy=False)
    return arrays


def _checked(needs: Collection[str], layout: Layout, restored: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
    """Return restored variables, which hold all that a group needs, in its shape.

    Raises
    ------
    FormatError
        If they do not.
    """
    for need in needs:
        shape = layout.shape(layout.variables[0])
        if need not in restored or restored[need].shape[: len(shape)] != shape:
            raise FormatError(f"it follows from {need!r}, which is not beside it")
    return restored
