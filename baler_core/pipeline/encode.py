"""Codes the groups of a file's blocks: prepares, has models chosen and fitted, encodes, and holds every bound."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from baler_core.config import Config
from baler_core.data.bounds import BoundRules, ErrorBound, Tolerance
from baler_core.data.patterns import unmistakable
from baler_core.data.variables import GroupKind, Layout, Schema
from baler_core.errors import ConfigError
from baler_core.format.arrays import decode_state, encode_state
from baler_core.format.container import pack_streams
from baler_core.format.digests import group_digest
from baler_core.format.header import ErrorRecord
from baler_core.pipeline.choose import FLOOR, Chosen, Task, choose, comparable, fitted, fitted_or_floor, with_effort
from baler_core.pipeline.guarantee import (
    EXACT_STREAM,
    encode_corrections,
    find_corrections,
    joined_errors,
    restored_arrays,
    verify,
    with_corrections,
)
from baler_core.pipeline.input import Blocks, bounds_of, kept_exact, roles_in, sentinels_under, tolerances_of
from baler_core.pipeline.matching import told_of, told_of_sentinels
from baler_core.pipeline.preprocess import Pipeline, Step
from baler_core.pipeline.trained_file import TrainedModel, TrainedModels
from baler_core.pipeline.trained_suitability import Reuse
from baler_core.plugin.interfaces import AutoOptions, Effort, Model, Options, Source, Streams
from baler_core.plugin.registry import Registry
from baler_core.quantise.settle import settle

if TYPE_CHECKING:
    import xarray as xr

logger = logging.getLogger(__name__)
# A model that expects to take this many times the bytes is not tried.
_FAR_LARGER = 1.1
GroupKey = tuple[GroupKind, tuple[str, ...]]


@dataclass
class CodedGroup:
    """A group on its way through the file.

    Attributes
    ----------
    encoder, decoder
        The chosen model, and a fresh one that knows only the stored state, as the reader of the file will have it.
    state
        That state, as bytes.
    floor, floor_used
        The model that takes over blocks on which it is smaller, and whether it did.
    first
        Streams of the first block, where choosing has already made them.
    section
        Where the state lies in the file of trained models, if this file refers to that.
    task
        What the model was chosen for.
    """

    layout: Layout
    encoder: Model
    decoder: Model
    state: bytes
    floor: Model | None
    first: Streams | None
    task: Task
    section: int | None = None
    floor_used: bool = False


@dataclass
class Work:
    """Everything that compressing or training one file needs.

    Attributes
    ----------
    trained
        Models trained before.
    by_reference
        Whether the file refers to them instead of holding their states.
    for_other_files
        Whether what is learned will serve other files.
    kept_exact
        Variables that are exact in spite of a lossy pattern with wildcards, and why.
    flips
        How many values changed their sign, by variable.
    """

    config: Config
    registry: Registry
    blocks: Blocks
    bounds: tuple[ErrorBound, ...]
    tolerances: dict[str, Tolerance]
    pipeline: Pipeline
    trained: TrainedModels | None = None
    by_reference: bool = False
    for_other_files: bool = False
    kept_exact: Mapping[str, str] = field(default_factory=dict)
    groups: dict[GroupKey, CodedGroup] = field(default_factory=dict)
    errors: dict[str, ErrorRecord] = field(default_factory=dict)
    flips: dict[str, int] = field(default_factory=dict)

    @property
    def schema(self) -> Schema:
        return self.blocks.schema

    @property
    def left_out(self) -> Sequence[str]:
        """What of the input is not in the file, and why."""
        return self.blocks.left_out


def prepare(config: Config, registry: Registry, source: Source, model: Path | None = None) -> Work:
    """Bounds, tolerances, preprocessors and trained models for one source; reads it once if a bound needs a range."""
    if model is None:
        named_model(config, registry)
    schema = source.schema
    _tell_of_text(source, config.bounds)
    blocks = Blocks(source, config.block_bytes)
    roles = roles_in(schema, blocks.__iter__, config.bounds)
    bounds = bounds_of(schema, config.bounds, roles)
    exact_anyway = kept_exact(schema, config.bounds, roles)
    sentinels = sentinels_under(schema, blocks.__iter__, bounds)
    for sentence in (
        *told_of(schema, config.bounds, bounds, exact_anyway, source.aliases),
        *told_of_sentinels(sentinels),
    ):
        logger.warning("%s", sentence)
    tolerances = tolerances_of(blocks, bounds)
    settled = source.settle(dict(zip(schema.names, tolerances, strict=True)))
    blocks.schema, named = settled.schema, dict(settled.tolerances)
    exact = [name for name, tolerance in named.items() if not tolerance.lossy]
    trained = TrainedModels(model, registry) if model is not None else None
    if trained is not None:
        pipeline = Pipeline(trained.pipeline.steps, exact)
    else:
        steps = [
            Step(registry.preprocessor(s.name)(s.options), unmistakable(s.variables, schema.names))
            for s in config.preprocess
        ]
        pipeline = Pipeline(steps, exact)
        _fit_preprocessors(pipeline, blocks)
    by_reference = trained is not None and config.model_storage == "reference"
    return Work(config, registry, blocks, bounds, named, pipeline, trained, by_reference, kept_exact=exact_anyway)


def named_model(config: Config, registry: Registry) -> Model | None:
    """The model that a configuration names, without state; None for `auto`.

    Raises
    ------
    MissingPackage
        If it needs a package that is not installed: made before anything is read, it says so at once.
    """
    wanted = config.model
    return None if wanted.name == "auto" else registry.model(wanted.name)(wanted.options)


def _tell_of_text(source: Source, rules: BoundRules) -> None:
    """Say which lossy bounds reach nothing but text, and which columns are text for a single cell.

    Raises
    ------
    ConfigError
        If such a column is named.
    """
    text = {variable.name for variable in source.schema.variables if variable.is_text}
    reached = rules.reached(source.schema.names)
    for (pattern, bound), names in zip(rules.rules, reached, strict=True):
        lossy = bound.kind != "lossless"
        for name in (name for name in names if lossy and name in source.obstacles):
            message = f"{name!r} is text and stays exact: {source.obstacles[name]}"
            if name == pattern:
                raise ConfigError(f"the bound {bound} cannot be kept: {message}")
            logger.warning("%s", message)
        if lossy and names and text.issuperset(names):
            logger.warning("the bound %s for %r matches nothing but text, which stays exact", bound, pattern)


def _fit_preprocessors(pipeline: Pipeline, blocks: Blocks) -> None:
    """Show each preprocessor the first block that holds a variable."""
    waiting = {v.name for v in blocks.schema.variables} if pipeline.steps else set()
    for block in blocks if waiting else ():
        present = waiting & {str(name) for name in block.variables}
        if present:
            pipeline.fit(block)
            waiting -= present
        if not waiting:
            break


def group_title(layout: Layout) -> str:
    """How a group is called in reports; variables that are no numbers form one of their own."""
    return f"{layout.name} (other)" if layout.kind == "other" else layout.name


def group_key(layout: Layout) -> GroupKey:
    """What tells a group from the others of the file, the same in every block."""
    return layout.kind, layout.variables[0].dims


def encode_group(work: Work, block: xr.Dataset, layout: Layout) -> tuple[Held, int]:
    """One group of one block, and which of the group's models coded it (0 the chosen one, 1 the floor)."""
    group, is_new = group_for(work, block, layout)
    prepared, model_layout, tolerances = _as_models_see(work, block, layout)
    if is_new and group.first is not None:
        streams, group.first = group.first, None
    else:
        streams = group.encoder.encode(prepared, model_layout, tolerances)
    held = _held_to_bounds(work, block, layout, group.decoder, streams)
    # On its first block the choice has already been measured against the floor.
    measured = is_new and EXACT_STREAM not in held.streams
    if (
        group.floor is not None
        and not measured
        and _may_be_smaller(group.floor, held.streams, prepared, model_layout, tolerances)
    ):
        floor = group.floor.encode(prepared, model_layout, tolerances)
        if len(pack_streams([floor])) < len(pack_streams([held.streams])):
            held = _held_to_bounds(work, block, layout, group.floor, floor)
            group.floor_used = True
            return _noted(work, held), 1
    return _noted(work, held), 0


def _noted(work: Work, held: Held) -> Held:
    """The same, once what it loses is noted."""
    work.errors = joined_errors(work.errors, held.errors)
    for name, count in held.flips.items():
        work.flips[name] = work.flips.get(name, 0) + count
    return held


def _may_be_smaller(
    floor: Model, streams: Streams, block: xr.Dataset, layout: Layout, tolerances: dict[str, Tolerance]
) -> bool:
    """Whether it is worth coding a block by the floor too."""
    expected = floor.estimate(block, layout, tolerances)
    return expected is None or sum(expected.values()) < _FAR_LARGER * len(pack_streams([streams]))


def _as_models_see(work: Work, block: xr.Dataset, layout: Layout) -> tuple[xr.Dataset, Layout, dict[str, Tolerance]]:
    """Block, layout and tolerances after preprocessing."""
    names = [variable.name for variable in layout.variables]
    tolerances = {name: work.tolerances[name].for_models for name in names}
    if not work.pipeline.touches(layout):
        return block, layout, tolerances
    encoded = work.pipeline.encode(block)
    return encoded, work.pipeline.encoded_layout(layout), work.pipeline.tolerances(tolerances)


@dataclass(frozen=True)
class Held:
    """Streams of a group that hold every bound, the largest errors that are left, and how many signs changed.

    `digest` is that of what the streams restore to.
    """

    streams: Streams
    digest: bytes
    errors: dict[str, ErrorRecord]
    flips: dict[str, int]


def _held_to_bounds(work: Work, block: xr.Dataset, layout: Layout, decoder: Model, streams: Streams) -> Held:
    """The streams with what settles values on their sides, and corrections for whatever still breaks a bound."""
    _, model_layout, model_tolerances = _as_models_see(work, block, layout)
    decoded = work.pipeline.decode(decoder.decode(streams, model_layout, model_tolerances), layout)
    arrays = restored_arrays(decoder, decoded, layout)
    tolerances = {variable.name: work.tolerances[variable.name] for variable in layout.variables}
    settled, flips = settle(block, arrays, layout, tolerances, lambda: len(pack_streams([streams])))
    corrections = find_corrections(block, arrays, tolerances)
    if corrections.places:
        lost = sum(positions.size for positions, _ in corrections.places.values())
        logger.debug("group %s: %d values are stored exactly", layout.name, lost)
    stream = encode_corrections(corrections, layout)
    corrections.apply(arrays)
    errors = verify(block, arrays, layout, tolerances, corrections.places)
    digest = group_digest(arrays, layout, tolerances, stream)
    return Held(with_corrections(streams, settled, stream), digest, errors, flips)


def group_for(work: Work, block: xr.Dataset, layout: Layout) -> tuple[CodedGroup, bool]:
    """The group's models, chosen and fitted when it is met first; and whether that was now."""
    if group_key(layout) in work.groups:
        return work.groups[group_key(layout)], False
    prepared, model_layout, tolerances = _as_models_see(work, block, layout)
    names = [variable.name for variable in layout.variables]
    blocks = _PreparedBlocks(work, layout)
    formulas = work.registry.formulas(names)
    task = Task(blocks, prepared, model_layout, tolerances, work.config.training, formulas, work.for_other_files)
    chosen, referred = _choose(work, task)
    state = encode_state(chosen.model.state())
    decoder = type(chosen.model)(chosen.model.options)
    known = decode_state(state, memory_limit=len(state) * 10_000 + 2**30) if referred is None else referred.state
    decoder.load_state(known)
    floor: Model | None = None
    if work.config.model.name == "auto" and chosen.model.name != FLOOR and layout.kind != "other":
        floor = with_effort(work.registry.model(FLOOR), _effort(work.config.model.options))
    logger.info("group %s: model %s", layout.name, chosen.model.name)
    section = None if referred is None else referred.section
    group = CodedGroup(layout, chosen.model, decoder, state, floor, chosen.streams, task, section)
    work.groups[group_key(layout)] = group
    return group, True


def _choose(work: Work, task: Task) -> tuple[Chosen, TrainedModel | None]:
    """The model; and the trained one that the file refers to for it, if it does."""
    if work.trained is None:
        return _anew(work, task), None
    known = work.trained.model_for(task.layout)
    if known is None:
        why = work.trained.difference(task.layout)
        logger.warning("group %s: the trained models do not know it (%s): it is learned anew", task.layout.name, why)
        return _anew(work, task), None
    chosen, is_trained = reuse(work).chosen(known, task)
    return chosen, known if is_trained and chosen.model.by_reference else None


def reuse(work: Work) -> Reuse:
    """How trained models are used for this file."""
    return Reuse(work.by_reference, work.registry.model(FLOOR), lambda task: _anew(work, task))


def _anew(work: Work, task: Task) -> Chosen:
    """The configured model, or the one that `auto` chooses, learned for the task."""
    wanted, model = work.config.model, named_model(work.config, work.registry)
    if model is not None:
        if task.layout.kind in model.kinds:
            floor = work.registry.model(FLOOR)()
            by_bytes = comparable(model, floor, task) and not task.for_other_files
            return fitted_or_floor(model, floor, task) if by_bytes else fitted(model, task)
        logger.info(
            "model %s does not code %s groups: auto chooses for %s", wanted.name, task.layout.kind, task.layout.name
        )
    return choose(work.registry.automatic_models(), task, _effort(wanted.options))


def _effort(options: Options) -> Effort:
    """The effort that `auto` was asked for; that of its default where another model was named."""
    return options.effort if isinstance(options, AutoOptions) else AutoOptions().effort


class _PreparedBlocks:
    """The blocks of one group as models see them; iterable again and again."""

    def __init__(self, work: Work, layout: Layout) -> None:
        self._work = work
        self._layout = layout

    def __iter__(self) -> Iterator[xr.Dataset]:
        for block in self._work.blocks:
            if self._layout.variables[0].name in block.variables:
                yield _as_models_see(self._work, block, self._layout)[0]
