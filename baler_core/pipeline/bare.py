"""Code arrays one by one, outside any file: a model chosen once, then chunk after chunk by the same plan."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import xxhash

from baler_core.builtin.models.exact import ExactModel
from baler_core.builtin.models.fields.model import FieldModel
from baler_core.builtin.models.fields.predictive.model import PredictiveModel
from baler_core.builtin.models.fields.transform.model import TransformModel
from baler_core.builtin.models.scalar import ScalarModel
from baler_core.builtin.models.table.model import TableModel
from baler_core.config import Config
from baler_core.data.block import make_block, values_of
from baler_core.data.bounds import Tolerance, value_range
from baler_core.data.error_bound import ErrorBound
from baler_core.data.part import Part
from baler_core.data.sentinels import Sentinel, sentinels_in
from baler_core.data.tolerance import make_tolerance
from baler_core.data.variables import Layout, Schema, Variable
from baler_core.errors import DataError, FormatError
from baler_core.format.arrays import decode_state
from baler_core.format.bare import NAME, BareStream, layout_of, pack_bare, unpack_bare, variable_of
from baler_core.machine.allocator import memory_kept
from baler_core.machine.records import dataclass
from baler_core.machine.threads import one_thread
from baler_core.pipeline.candidates import FittedModel
from baler_core.pipeline.group_coder import CodedBlock, GroupCoder, coder_of, start_group
from baler_core.pipeline.group_decoder import GroupDecoder
from baler_core.pipeline.group_models import choose_model, task_for
from baler_core.pipeline.input import Input
from baler_core.pipeline.job import GroupBlock, Job, PreparedBlock, prepare
from baler_core.pipeline.known_bounds import with_exact_sentinels
from baler_core.pipeline.preprocess import Pipeline
from baler_core.pipeline.trained_file import TrainedModels
from baler_core.pipeline.tuning import first_steps
from baler_core.plugin.effort import StatedEffort
from baler_core.plugin.interfaces import Hints, Model
from baler_core.plugin.registry import Registry

MODELS: Mapping[str, type[Model]] = {
    kind.name: kind for kind in (ExactModel, ScalarModel, PredictiveModel, TransformModel, TableModel)
}
DIGEST_BYTES = 4


def state_digest(state: bytes) -> bytes:
    """Return what tells a state from others."""
    return xxhash.xxh3_64(state).digest()


@dataclass(frozen=True)
class ArrayCoder:
    """Encodes arrays of one dtype and rank by one model, each under the same bound; by several threads at once.

    Attributes
    ----------
    coder
        The model, and what decodes as a reader will.
    variable
        The dtype, and as many dimensions as the arrays have.
    bound
        Of every array: one relative to the range counts from the array's own.
    """

    coder: GroupCoder
    variable: Variable
    bound: ErrorBound

    @one_thread
    def encode(self, values: np.ndarray, *, self_contained: bool = True) -> bytes:
        """Encode an array; without its state if that is known elsewhere.

        Raises
        ------
        DataError
            If it is of another dtype or rank than the coder was made for.
        """
        if values.dtype != self.variable.numpy_dtype or values.ndim != len(self.variable.dims):
            raise DataError(
                f"this encoder was made for {self.variable.dtype} of {len(self.variable.dims)} dimensions, and was given "
                f"{values.dtype.str} of {values.ndim}: make one for these"
            )
        with memory_kept(values.nbytes):
            bound = _with_marks(values, self.variable, self.bound)
            given = _prepared(values, self.variable, bound, self.coder.pipeline)
            return _packed(self.coder, self.coder.encode(given), given, bound, self_contained=self_contained)


def _packed(
    coder: GroupCoder, coded: CodedBlock, given: PreparedBlock, bound: ErrorBound, *, self_contained: bool
) -> bytes:
    """Return an encoded array as a bare stream, with its state unless that is known elsewhere."""
    model = coder.model_of(coded)
    state = b"" if coded.model else coder.state
    tolerance = given.stated[NAME]
    effort = str(model.options.effort) if isinstance(model, TableModel) else ""
    inside = self_contained or not state
    bare = BareStream(
        model.name,
        effort,
        given.original.layout.variables[0].dtype,
        values_of(given.original.block, NAME).shape,
        bound,
        tolerance,
        coded.streams,
        b"" if tolerance.lossy else coded.digest[:DIGEST_BYTES],
        state if inside else None,
        b"" if inside else state_digest(state),
    )
    return pack_bare(bare)


def _prepared(values: np.ndarray, variable: Variable, bound: ErrorBound, pipeline: Pipeline) -> PreparedBlock:
    """Return an array as models see it."""
    layout = layout_of(variable, values.shape)
    extent = value_range(values, _stored_marks(values, variable)) if bound.needs_range else None
    stated = {NAME: make_tolerance(bound, variable, extent=extent)}
    block = GroupBlock(make_block({NAME: (variable.dims, values)}), layout, stated)
    return (
        PreparedBlock(block, block, stated, {}).with_steps(first_steps(stated, layout.variables), pipeline).scaled({})
    )


def _marks(values: np.ndarray, variable: Variable) -> dict[str, Sentinel]:
    """Return what looks like marks of missing values, which belong to no range."""
    return sentinels_in(Schema((variable,), dict(layout_of(variable, values.shape).sizes)), {NAME: values})


def _stored_marks(values: np.ndarray, variable: Variable) -> tuple[float, ...]:
    found = _marks(values, variable)
    return found[NAME].stored(variable) if NAME in found else ()


def _with_marks(values: np.ndarray, variable: Variable, bound: ErrorBound) -> ErrorBound:
    """Return the bound under which marks of missing values stay that the sample of an encoder did not have yet."""
    if bound.kind in ("lossless", "none"):
        return bound
    (found,) = with_exact_sentinels(Schema((variable,), {}), (bound,), _marks(values, variable))
    return found


def _job(config: Config, registry: Registry, source: Input) -> tuple[Job, PreparedBlock]:
    """Return what an array is coded by, and the array.

    Raises
    ------
    DataError
        If it is not a single array of numbers.
    """
    job = prepare(config, registry, source.source)
    variable = job.schema.variables[0]
    (block,) = list(job.blocks)
    given = job.prepared(block)
    plain = variable_of(variable.dtype, len(variable.dims))
    simple = len(given) == 1 and (variable.fill, variable.flags, variable.scale, variable.offset) == ((), (), 1.0, 0.0)
    if not simple:
        raise DataError("only a plain array of numbers can be encoded by itself")
    values = np.asarray(block.variables[variable.name].values)
    return job, _prepared(values, plain, job.bounds[0], job.pipeline)


@one_thread
def encode_bare(config: Config, registry: Registry, source: Input) -> bytes | None:
    """Encode one array; None if its model has no place in such a stream."""
    schema = source.source.schema
    with memory_kept(sum(map(schema.nbytes, schema.variables))):
        job, given = _job(config, registry, source)
        coder, coded = start_group(job, given)
    if coder.model_of(coded).name not in MODELS:
        return None
    return _packed(coder, coded, given, job.bounds[0], self_contained=True)


@one_thread
def array_coder(config: Config, registry: Registry, sample: Input, trained: Path | None = None) -> ArrayCoder:
    """Choose and fit a model on a sample, for arrays like it; or take one that was trained on such.

    Raises
    ------
    DataError
        If the model that the configuration names has no place in such a stream, or `trained` knows no such arrays.
    """
    job, given = _job(config, registry, sample)
    job = replace(job, for_other_files=False)
    chosen = _learned(job, given) if trained is None else _known(trained, registry, given)
    if chosen.model.name not in MODELS:
        raise DataError(
            f"the model {chosen.model.name!r} cannot encode arrays outside a file: take {', '.join(MODELS)} or auto"
        )
    coder = coder_of(job, given, chosen, None)
    return ArrayCoder(replace(coder, steps=given.steps), given.encoded.layout.variables[0], job.bounds[0])


def _learned(job: Job, given: PreparedBlock) -> FittedModel:
    """Return a model that has learned what serves other arrays, too."""
    chosen, _ = choose_model(job, task_for(job, given))
    model = chosen.model
    if not isinstance(model, FieldModel | TableModel):
        return chosen
    layout, tolerances = given.encoded.layout, given.encoded.tolerances
    hints = replace(chosen.hints.elsewhere(), for_other_files=True)
    again = type(model)(model.options)
    training = job.config.training
    again.fit([given.encoded.block], layout=layout, tolerances=tolerances, training=training, hints=hints)
    return FittedModel(again, dict, replace(hints, for_other_files=False))


def _known(path: Path, registry: Registry, given: PreparedBlock) -> FittedModel:
    """Return the model of a file of trained ones."""
    trained = TrainedModels(path, registry)
    found = trained.model_for(given.encoded.layout)
    if found is None:
        raise DataError(
            f"{path}: its models do not know arrays like the sample: {trained.difference(given.encoded.layout)}"
        )
    return FittedModel(found.model, dict, Hints())


def decode_bare(data: bytes, *, memory_limit: int, known: Mapping[bytes, bytes] | None = None) -> np.ndarray:
    """Restore what `ArrayCoder` and `encode_bare` encoded.

    Parameters
    ----------
    known
        States that are elsewhere, by `state_digest`.

    Raises
    ------
    FormatError
        If the bytes are damaged, or need a state that is not known.
    """
    bare = unpack_bare(data, memory_limit=memory_limit)
    state = bare.state if bare.state is not None else (known or {}).get(bare.state_digest)
    if state is None:
        raise FormatError("an encoded array needs what its encoder learned: decode it by Decoder(encoder.state)")
    return restored(bare, model_of(bare, state, memory_limit))


def decode_bare_region(data: bytes, box: Sequence[slice], shape: tuple[int, ...], *, memory_limit: int) -> np.ndarray:
    """Restore a region of what `encode_bare` encoded of an array of this shape.

    Raises
    ------
    FormatError
        If the bytes are damaged, or need a state that is elsewhere, or hold an array of another shape.
    """
    bare = unpack_bare(data, memory_limit=memory_limit)
    if bare.state is None or bare.shape != shape:
        raise FormatError(f"an encoded array holds {bare.dtype} {bare.shape}, and {shape} was expected")
    return restored_region(bare, model_of(bare, bare.state, memory_limit), box)


def model_of(bare: BareStream, state: bytes, memory_limit: int) -> Model:
    """Return the model of a stream, with its state."""
    kind = MODELS[bare.model]
    model = kind(StatedEffort.of({"effort": bare.effort}) if bare.effort else None)
    model.load_state(decode_state(state, memory_limit=memory_limit // 8))
    return model


@one_thread
def restored_region(bare: BareStream, model: Model, box: Sequence[slice]) -> np.ndarray:
    """Return a region of the values of a stream: only the tiles and row blocks that hold it are decoded, where that is possible.

    Parameters
    ----------
    box
        Along each dimension from where to where.

    Raises
    ------
    FormatError
        If it is damaged.
    """
    layout, tolerances = bare.layout, {NAME: bare.tolerance}
    part = Part(frozenset([NAME]), dict(zip(bare.variable.dims, box, strict=True)))
    decoder = GroupDecoder(lambda _: tolerances, Pipeline())
    found = decoder.part(model, dict(bare.streams), layout, {}, part)
    return restored(bare, model)[tuple(box)] if found is None else np.asarray(found[NAME], order="C")


@one_thread
def restored(bare: BareStream, model: Model) -> np.ndarray:
    """Return the values of a stream.

    Raises
    ------
    FormatError
        If it is damaged.
    """
    layout, tolerances = bare.layout, {NAME: bare.tolerance}

    def tolerance_of(_: Layout) -> Mapping[str, Tolerance]:
        return tolerances

    arrays, digest = GroupDecoder(tolerance_of, Pipeline()).whole(model, dict(bare.streams), layout, {})
    if not bare.tolerance.lossy and digest[:DIGEST_BYTES] != bare.digest:
        raise FormatError("an encoded array restores to something else than was encoded: it is damaged or forged")
    return arrays[NAME]
