"""Codes one group block after block: by its model or by the baseline, with every bound held."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import field, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from baler_core.data.block import values_of
from baler_core.data.bounds import Tolerance
from baler_core.data.mean_errors import MeanError
from baler_core.data.variables import Layout
from baler_core.format.arrays import decode_state, encode_state
from baler_core.format.digests import group_digest
from baler_core.format.header import ErrorRecord
from baler_core.format.streams import pack_streams
from baler_core.machine.records import dataclass
from baler_core.machine.threads import both
from baler_core.pipeline.candidates import BASELINE, FittedModel, PlainCoding, fitted, with_effort
from baler_core.pipeline.group_models import choose_model, effort_of, task_for
from baler_core.pipeline.guarantee import (
    EXACT_STREAM,
    Corrections,
    correct,
    decode_corrections,
    encode_corrections,
    mean_errors,
    restored_arrays,
    verify,
    with_streams,
)
from baler_core.pipeline.job import Job, PreparedBlock
from baler_core.pipeline.preprocess import Pipeline
from baler_core.pipeline.scaled_groups import SCALED_STREAM, unscaled
from baler_core.pipeline.step_stream import STEP_STREAM, encode_steps
from baler_core.pipeline.tuning import tuned
from baler_core.plugin.interfaces import NO_HINTS, Estimate, Hints, Model, Streams
from baler_core.quantise.exact_zeros import ZERO_STREAM, keep_zeros
from baler_core.quantise.settle import SETTLE_STREAM, settle, with_plain_zero

if TYPE_CHECKING:
    from baler_core.pipeline.trained_file import TrainedModel

logger = logging.getLogger(__name__)
# A baseline that expects to take this many times the bytes is not tried; and where the first block told how right it is.
_FAR_LARGER, _LARGER = 1.1, 1.04
# That is asked for where it expects less than so many times what the chosen model expects, which errs, too.
_NEAR = 1.15


@dataclass(frozen=True)
class CodedBlock:
    """Streams of a group of one block that hold every bound.

    Attributes
    ----------
    model
        Which of the group's models coded it: 0 the chosen one, 1 the baseline.
    errors
        The largest errors that are left, by variable.
    flips
        How many values changed their sign, by variable.
    zeros
        How many exact zeros became something else, by variable, of those that have many.
    digest
        That of what the streams restore to.
    means
        The errors on average of the variables that have a limit of them.
    tolerances
        What each value may lose in this block, by variable.
    restored
        What the streams restore to, by variable, until the block is complete.
    exact
        How many values are stored beside what the model made, by variable.
    """

    streams: Streams
    model: int
    errors: Mapping[str, ErrorRecord]
    flips: Mapping[str, int]
    zeros: Mapping[str, int]
    digest: bytes
    means: Mapping[str, MeanError] = field(default_factory=dict)
    tolerances: Mapping[str, Tolerance] = field(default_factory=dict, compare=False, repr=False)
    restored: Mapping[str, np.ndarray] = field(default_factory=dict, compare=False, repr=False)
    exact: Mapping[str, int] = field(default_factory=dict)

    def with_exact(self, given: PreparedBlock, places: Mapping[str, np.ndarray]) -> CodedBlock:
        """Return the same with more values stored exactly.

        Parameters
        ----------
        places
            By variable, which of its values: boolean, of its shape.
        """
        block, layout = given.original.block, given.original.layout
        before = decode_corrections(self.streams.get(EXACT_STREAM, b""), layout).places
        together = dict(before)
        for name, mask in places.items():
            known = before[name][0] if name in before else np.zeros(0, np.int64)
            positions = np.union1d(known, np.flatnonzero(mask))
            together[name] = positions, values_of(block, name).ravel()[positions]
        corrections, arrays = Corrections(together), dict(self.restored)
        stream = encode_corrections(corrections, layout)
        corrections.apply(arrays)
        return replace(
            self,
            streams={**self.streams, EXACT_STREAM: stream},
            errors=verify(block, arrays, layout, self.tolerances, together),
            digest=group_digest(arrays, layout, self.tolerances, stream),
            means=mean_errors(block, arrays, layout, self.tolerances),
            restored=arrays,
            exact={name: positions.size for name, (positions, _) in together.items()},
        )


@dataclass(frozen=True)
class GroupCoder:
    """Codes the blocks of a group; any of them, in any order, as nothing is kept from one to the next.

    Attributes
    ----------
    layout
        That of the first block.
    encoder, decoder
        The chosen model, and a fresh one that knows only the stored state, as the reader of the file will have it.
    hints
        What the encoder is told of every block.
    state
        What the decoder knows, as bytes.
    baseline
        The model that takes over blocks on which it is smaller; None if there is no other.
    section
        Where the state lies in the file of trained models, if this file refers to that.
    steps
        Where the search begins for steps of variables whose errors are limited on average.
    measured
        How many bytes the baseline expects of the first block, and how many it takes; None where that was not tried.
    """

    layout: Layout
    encoder: Model
    decoder: Model
    hints: Hints
    state: bytes
    pipeline: Pipeline
    baseline: Model | None = None
    section: int | None = None
    steps: Mapping[str, float] = field(default_factory=dict)
    measured: tuple[float, int] | None = None

    def model_of(self, coded: CodedBlock) -> Model:
        """Return the model that encoded a block."""
        return self.baseline if coded.model and self.baseline is not None else self.encoder

    def encode(self, given: PreparedBlock) -> CodedBlock:
        """Encode a block by the chosen model, or by the baseline if that is smaller, with steps that meet all limits."""
        if not given.steps:
            return self.encode_once(given)

        def encode(steps: Mapping[str, float]) -> CodedBlock:
            return self.encode_once(given.with_steps(steps, self.pipeline))

        return tuned(given.stated, _whole(given), self.steps or given.steps, encode)[0]

    def encode_once(self, given: PreparedBlock) -> CodedBlock:
        """Encode a block with the steps that it has."""
        plain = self._plain_of(given)
        streams, expected = both(lambda: self._encode(given, plain), lambda: self._expected(given))
        if plain is None or not self._may_be_smaller(expected, streams):
            return self._or_baseline(given, self._held(given, 0, streams), expected, plain)
        held, made = both(lambda: self._held(given, 0, streams), plain)
        return self._smaller(given, held, made)

    def _encode(self, given: PreparedBlock, plain: Callable[[], Streams] | None) -> Streams:
        """Have the model encode a block, which may compare itself with the baseline."""
        seen = given.encoded
        hints = self.hints if plain is None else replace(self.hints, plain=lambda _: plain())
        return self.encoder.encode(seen.block, seen.layout, seen.tolerances, hints=hints, plan=None)

    def encode_first(self, given: PreparedBlock, streams: Streams, plain: Streams | None = None) -> CodedBlock:
        """Complete the first block, whose streams choosing has made and measured; `plain` are those of the baseline, if known."""
        held = self._held(given, 0, streams)
        if plain is not None:
            return self._smaller(given, held, plain)
        if EXACT_STREAM not in held.streams:
            return held
        return self._or_baseline(given, held, self._expected(given), self._plain_of(given))

    def _expected(self, given: PreparedBlock) -> Estimate | None:
        """Return what the baseline expects of a block."""
        if self.baseline is None:
            return None
        seen = given.encoded
        return self.baseline.estimate(seen.block, seen.layout, seen.tolerances, hints=NO_HINTS)

    def _plain_of(self, given: PreparedBlock) -> Callable[[], Streams] | None:
        """Return what encodes a block by the baseline, once."""
        if self.baseline is None:
            return None
        seen, effort = given.encoded, self.baseline.options.effort
        return partial(PlainCoding(type(self.baseline), seen.block, seen.layout, seen.tolerances), effort)

    def _may_be_smaller(self, expected: Estimate | None, streams: Streams) -> bool:
        """Whether the baseline may well take fewer bytes than these streams."""
        return expected is None or self._likely(expected.total) < len(pack_streams([streams]))

    def _or_baseline(
        self, given: PreparedBlock, held: CodedBlock, expected: Estimate | None, plain: Callable[[], Streams] | None
    ) -> CodedBlock:
        """Take the baseline instead where it is smaller."""
        if plain is None or not self._may_be_smaller(expected, held.streams):
            return held
        return self._smaller(given, held, plain())

    def _smaller(self, given: PreparedBlock, held: CodedBlock, plain: Streams) -> CodedBlock:
        smaller = len(pack_streams([plain])) < len(pack_streams([held.streams]))
        return self._held(given, 1, plain) if smaller else held

    def _likely(self, expected: float) -> float:
        """Return how few bytes the baseline may well take where it expects so many: it errs alike in all blocks."""
        if self.measured is None or not self.measured[0]:
            return expected / _FAR_LARGER
        return expected * self.measured[1] / self.measured[0] / _LARGER

    def _held(self, given: PreparedBlock, model: int, streams: Streams) -> CodedBlock:
        """Add to the streams what settles values on their sides, and corrections for whatever still breaks a bound."""
        decoder = self.baseline if model and self.baseline is not None else self.decoder
        block, layout, tolerances = given.original.block, given.original.layout, given.original.tolerances
        decoded = decoder.decode(streams, given.encoded.layout, given.encoded.tolerances)
        if given.beside is not None:
            decoded = unscaled(decoded, layout, tolerances, given.beside)
        else:
            decoded = self.pipeline.decode(decoded, layout)
        arrays = restored_arrays(decoder, decoded, layout)
        plain = with_plain_zero(tolerances)
        settled, flips = settle(block, arrays, layout, plain, lambda: len(pack_streams([streams])))
        kept, zeros = keep_zeros(block, arrays, layout, plain, lambda: len(pack_streams([streams])))
        corrections, tolerances = correct(block, arrays, tolerances)
        if corrections.places:
            lost = sum(positions.size for positions, _ in corrections.places.values())
            logger.debug("group %s: %d values are stored exactly", layout.name, lost)
        stream = encode_corrections(corrections, layout)
        errors = verify(block, arrays, layout, tolerances, corrections.places)
        digest = group_digest(arrays, layout, tolerances, stream)
        means = mean_errors(block, arrays, layout, tolerances)
        beside = {STEP_STREAM: encode_steps(given.steps, tolerances), SCALED_STREAM: given.beside or b""}
        beside |= {SETTLE_STREAM: settled, ZERO_STREAM: kept, EXACT_STREAM: stream}
        complete = with_streams(streams, beside)
        exact = {name: positions.size for name, (positions, _) in corrections.places.items()}
        return CodedBlock(complete, model, errors, flips, zeros, digest, means, tolerances, arrays, exact)


def begin_group(job: Job, given: PreparedBlock) -> tuple[GroupCoder, Callable[[], CodedBlock]]:
    """Choose and fit the models of a group that is met first; and return what encodes this block of it."""
    if given.steps:  # what is learned may depend on what becomes of the block
        coder, coded = start_group(job, given)
        return coder, lambda: coded
    chosen, referred = choose_model(job, task_for(job, given))
    coder, plain = _measured(job, given, coder_of(job, given, chosen, referred), chosen)
    return coder, lambda: coder.encode_first(given, chosen.streams, plain)


def _measured(
    job: Job, given: PreparedBlock, coder: GroupCoder, chosen: FittedModel
) -> tuple[GroupCoder, Streams | None]:
    """Have the baseline encode the first of several blocks, if it may be near: once, in place of trying it on most others."""
    baseline, seen, sizes = coder.baseline, given.encoded, given.original.layout.sizes
    size, known = chosen.expected, chosen.hints.plain
    if baseline is None or size is None or all(job.schema.sizes[dim] == length for dim, length in sizes.items()):
        return coder, None
    expected = baseline.estimate(seen.block, seen.layout, seen.tolerances, hints=NO_HINTS)
    if expected is None or expected.total >= _NEAR * size:
        return coder, None
    if known is not None:
        streams = known(baseline.options.effort)
    else:
        streams = baseline.encode(seen.block, seen.layout, seen.tolerances, hints=NO_HINTS, plan=expected.plan)
    return replace(coder, measured=(expected.total, len(pack_streams([streams])))), streams


def start_group(job: Job, given: PreparedBlock) -> tuple[GroupCoder, CodedBlock]:
    """Choose and fit the models of a group that is met first, and encode this block of it."""
    if not given.steps:
        coder, encode_first = begin_group(job, given)
        return coder, encode_first()
    chosen, referred = choose_model(job, task_for(job, given))
    coder = coder_of(job, given, chosen, referred)
    coders: dict[tuple[float, ...], GroupCoder] = {}

    def encode(steps: Mapping[str, float]) -> CodedBlock:
        tried, made = given.with_steps(steps, job.pipeline), coder
        if steps == given.steps:
            coded = coder.encode_first(tried, chosen.streams)
        elif job.trained is not None:
            coded = coder.encode_once(tried)
        else:  # what is learned may depend on the steps
            again = fitted(type(chosen.model)(chosen.model.options), task_for(job, tried))
            made = coder_of(job, tried, again, referred)
            coded = made.encode_first(tried, again.streams)
        coders[tuple(steps.values())] = replace(made, steps=steps)
        return coded

    coded, steps = tuned(given.stated, _whole(given), given.steps, encode)
    return coders[tuple(steps.values())], coded


def _whole(given: PreparedBlock) -> dict[str, bool]:
    """Whether the steps of variables are whole numbers."""
    tolerances = given.original.tolerances
    return {
        v.name: v.numpy_dtype.kind in "iu" and tolerances[v.name].kind == "abs" for v in given.original.layout.variables
    }


def coder_of(job: Job, given: PreparedBlock, chosen: FittedModel, referred: TrainedModel | None) -> GroupCoder:
    """Make the coder of a group from the chosen model."""
    layout, model = given.original.layout, chosen.model
    baseline: Model | None = None
    if (
        job.config.model.name == "auto"
        and model.name != BASELINE
        and layout.kind != "other"
        and not chosen.hints.chunks
    ):
        baseline = with_effort(job.registry.model(BASELINE), effort_of(job))
    logger.info("group %s: model %s", layout.name, model.name)
    if not model.cuts_chunks and any(length < layout.sizes[dim] for dim, length in chosen.hints.chunks.items()):
        logger.warning(
            "group %s: the model %s does not cut it into 'chunks': it is restored as a whole", layout.name, model.name
        )
    state = encode_state(model.state())
    return GroupCoder(
        layout,
        model,
        _as_restored(model, state, referred),
        chosen.hints.elsewhere(),
        state,
        job.pipeline,
        baseline,
        None if referred is None else referred.section,
    )


def _as_restored(model: Model, state: bytes, referred: TrainedModel | None) -> Model:
    """Make a fresh model that knows what the reader of the file will know: the stored state, or the trained one."""
    known = referred.state if referred is not None else decode_state(state, memory_limit=len(state) * 10_000 + 2**30)
    decoder = type(model)(model.options)
    decoder.load_state(known)
    return decoder
