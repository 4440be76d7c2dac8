"""Blocks and a configuration to a .bal file: choose and fit models, encode, verify by decoding, write."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from baler_core.atomic import completed
from baler_core.bounds import ErrorBound, Tolerance
from baler_core.choose import Chosen, GroupBlocks, Task, choose, fitted
from baler_core.config import Config
from baler_core.container import BalWriter, pack_streams
from baler_core.dataset import GroupKind, Layout, Schema, block_sizes
from baler_core.guarantee import (
    EXACT_STREAM,
    encode_corrections,
    find_corrections,
    joined_errors,
    restored_arrays,
    verify,
    with_corrections,
)
from baler_core.header import (
    BlockRecord,
    ComponentRecord,
    ErrorRecord,
    GroupRecord,
    Header,
    PreprocessRecord,
    header_to_json,
)
from baler_core.interfaces import Component, Model, Source, Streams
from baler_core.plugins import Kind, Registry
from baler_core.preprocess import Pipeline, Step
from baler_core.state import decode_state, encode_state
from baler_core.trained import TrainedModels
from baler_core.walk import Blocks, bounds_of, layouts_of, open_input, tolerances_of

if TYPE_CHECKING:
    import xarray as xr

logger = logging.getLogger(__name__)
FLOOR = "scalar"
GroupKey = tuple[GroupKind, tuple[str, ...]]


@dataclass(frozen=True)
class Compressed:
    """What compressing a file gave.

    Attributes
    ----------
    input_bytes
        Bytes of all values in memory, in their native dtypes.
    file_bytes
        Bytes of the whole .bal file.
    errors
        Largest error per lossy variable.
    models
        Name of the chosen model per group.
    histories
        Training history per group, of models that keep one.
    """

    path: Path
    input_bytes: int
    file_bytes: int
    errors: Mapping[str, ErrorRecord]
    models: Mapping[str, str]
    histories: Mapping[str, object]

    @property
    def ratio(self) -> float:
        """Compression ratio, everything counted."""
        return self.input_bytes / self.file_bytes


@dataclass
class _Group:
    """A group on its way through the file."""

    layout: Layout
    encoder: Model
    decoder: Model
    state: bytes
    floor: Model | None
    first: Streams | None
    floor_used: bool = False


@dataclass
class _Work:
    """Everything that compressing or training one file needs."""

    config: Config
    registry: Registry
    source: Source
    bounds: tuple[ErrorBound, ...]
    tolerances: dict[str, Tolerance]
    pipeline: Pipeline
    trained: TrainedModels | None = None
    groups: dict[GroupKey, _Group] = field(default_factory=dict)
    errors: dict[str, ErrorRecord] = field(default_factory=dict)

    @property
    def schema(self) -> Schema:
        return self.source.schema


def compress(
    config: Config, registry: Registry, *, source: Path, output: Path, model: Path | None = None
) -> Compressed:
    """Compress one file.

    Parameters
    ----------
    source
        The input file.
    output
        The .bal file; appears when complete.
    model
        A file of trained models to use instead of training.

    Raises
    ------
    BalerError
        If input, configuration or model do not fit together.
    BoundBroken
        If a bound cannot be held, which is a bug.
    """
    reader, opened = open_input(source, config, registry)
    with opened, completed(output) as temporary, temporary.open("wb") as file:
        work = _prepare(config, registry, opened, model)
        writer = BalWriter(file)
        blocks = _write_blocks(work, writer, source.name)
        header = _header(work, registry.offer("reader", reader.name).package, reader, source, blocks, writer)
        file_bytes = writer.finish(header_to_json(header))
    return Compressed(
        output,
        header.input_bytes,
        file_bytes,
        work.errors,
        {_title(group.layout): group.encoder.name for group in work.groups.values()},
        _histories(work),
    )


def train(config: Config, registry: Registry, *, output: Path) -> Path:
    """Fit models to the configuration's first input and store them for use on other files.

    Raises
    ------
    BalerError
        If input and configuration do not fit together.
    """
    source = config.inputs[0]
    reader, opened = open_input(source, config, registry)
    with opened, completed(output) as temporary, temporary.open("wb") as file:
        work = _prepare(config, registry, opened, None)
        for block in Blocks(opened, config.block_bytes):
            for layout in layouts_of(block, work.schema):
                _group_for(work, block, layout)
        for group in work.groups.values():
            group.state = encode_state({**group.encoder.state(), **group.encoder.encoder_state()})
        writer = BalWriter(file)
        header = _header(work, registry.offer("reader", reader.name).package, reader, source, [], writer)
        writer.finish(header_to_json(header))
    return output


def _prepare(config: Config, registry: Registry, source: Source, model: Path | None) -> _Work:
    schema = source.schema
    for pattern in config.bounds.unmatched(schema.names):
        logger.warning("the bound for %r matches no variable", pattern)
    bounds = bounds_of(schema, config.bounds)
    tolerances = tolerances_of(source, bounds, config.block_bytes)
    named = dict(zip(schema.names, tolerances, strict=True))
    exact = [name for name, tolerance in named.items() if not tolerance.lossy]
    trained = TrainedModels(model, registry) if model is not None else None
    if trained is not None:
        pipeline = Pipeline(trained.pipeline.steps, exact)
    else:
        steps = [Step(registry.preprocessor(s.name)(s.options), s.variables) for s in config.preprocess]
        pipeline = Pipeline(steps, exact)
        _fit_preprocessors(pipeline, source, config.block_bytes)
    return _Work(config, registry, source, bounds, named, pipeline, trained)


def _fit_preprocessors(pipeline: Pipeline, source: Source, block_bytes: int) -> None:
    """Show each preprocessor the first block that holds a variable."""
    waiting = {v.name for v in source.schema.variables} if pipeline.steps else set()
    for block in Blocks(source, block_bytes) if waiting else ():
        present = waiting & {str(name) for name in block.variables}
        if present:
            pipeline.fit(block)
            waiting -= present
        if not waiting:
            break


def _write_blocks(work: _Work, writer: BalWriter, title: str) -> list[BlockRecord]:
    records = []
    total = sum(work.schema.nbytes(variable) for variable in work.schema.variables)
    with tqdm(total=total, desc=f"compress {title}", unit="B", unit_scale=True, disable=None) as progress:
        for block in Blocks(work.source, work.config.block_bytes):
            layouts = layouts_of(block, work.schema)
            coded = [_encode_group(work, block, layout) for layout in layouts]
            writer.add(pack_streams([streams for streams, _ in coded]))
            numbers = {key: number for number, key in enumerate(work.groups)}
            records.append(
                BlockRecord(
                    tuple(numbers[_key(layout)] for layout in layouts),
                    tuple(model for _, model in coded),
                    block_sizes(block),
                )
            )
            progress.update(sum(layout.nbytes for layout in layouts))
    return records


def _title(layout: Layout) -> str:
    """How a group is called in reports; variables that are no numbers form one of their own."""
    return f"{layout.name} (other)" if layout.kind == "other" else layout.name


def _key(layout: Layout) -> GroupKey:
    return layout.kind, layout.variables[0].dims


def _encode_group(work: _Work, block: xr.Dataset, layout: Layout) -> tuple[Streams, int]:
    """One group of one block: its streams, and which of the group's models made them (0 the chosen one, 1 the floor)."""
    group, is_new = _group_for(work, block, layout)
    prepared, model_layout, tolerances = _as_models_see(work, block, layout)
    if is_new and group.first is not None:
        streams, group.first = group.first, None
    else:
        streams = group.encoder.encode(prepared, model_layout, tolerances)
    streams, errors = _held_to_bounds(work, block, layout, group.decoder, streams)
    # On its first block the choice has already been measured against the floor.
    if group.floor is not None and not (is_new and EXACT_STREAM not in streams):
        floor = group.floor.encode(prepared, model_layout, tolerances)
        if len(pack_streams([floor])) < len(pack_streams([streams])):
            streams, errors = _held_to_bounds(work, block, layout, group.floor, floor)
            group.floor_used = True
            work.errors = joined_errors(work.errors, errors)
            return streams, 1
    work.errors = joined_errors(work.errors, errors)
    return streams, 0


def _as_models_see(work: _Work, block: xr.Dataset, layout: Layout) -> tuple[xr.Dataset, Layout, dict[str, Tolerance]]:
    """Block, layout and tolerances after preprocessing."""
    names = [variable.name for variable in layout.variables]
    tolerances = {name: work.tolerances[name] for name in names}
    if not work.pipeline.touches(layout):
        return block, layout, tolerances
    encoded = work.pipeline.encode(block)
    return encoded, work.pipeline.encoded_layout(layout), work.pipeline.tolerances(tolerances)


def _held_to_bounds(
    work: _Work, block: xr.Dataset, layout: Layout, decoder: Model, streams: Streams
) -> tuple[Streams, dict[str, ErrorRecord]]:
    """The streams with corrections for whatever breaks a bound when they are decoded."""
    _, model_layout, model_tolerances = _as_models_see(work, block, layout)
    decoded = work.pipeline.decode(decoder.decode(streams, model_layout, model_tolerances), layout)
    arrays = restored_arrays(decoder, decoded, layout)
    tolerances = {variable.name: work.tolerances[variable.name] for variable in layout.variables}
    corrections = find_corrections(block, arrays, tolerances)
    if corrections.places:
        lost = sum(positions.size for positions, _ in corrections.places.values())
        logger.debug("group %s: %d values are stored exactly", layout.name, lost)
    stream = encode_corrections(corrections, layout)
    corrections.apply(arrays)
    return with_corrections(streams, stream), verify(block, arrays, layout, tolerances)


def _group_for(work: _Work, block: xr.Dataset, layout: Layout) -> tuple[_Group, bool]:
    """The group's models, chosen and fitted when it is met first; and whether that was now."""
    if _key(layout) in work.groups:
        return work.groups[_key(layout)], False
    prepared, model_layout, tolerances = _as_models_see(work, block, layout)
    names = [variable.name for variable in layout.variables]
    blocks = GroupBlocks(_PreparedBlocks(work, layout), names)
    formulas = work.registry.formulas(names)
    task = Task(blocks, prepared, model_layout, tolerances, work.config.training, formulas)
    chosen = _choose(work, task)
    state = encode_state(chosen.model.state())
    decoder = type(chosen.model)(chosen.model.options)
    decoder.load_state(decode_state(state, memory_limit=len(state) * 10_000 + 2**30))
    floor: Model | None = None
    if work.config.model.name == "auto" and chosen.model.name != FLOOR and layout.kind != "other":
        floor = work.registry.model(FLOOR)()
    logger.info("group %s: model %s", layout.name, chosen.model.name)
    work.groups[_key(layout)] = _Group(layout, chosen.model, decoder, state, floor, chosen.streams)
    return work.groups[_key(layout)], True


def _choose(work: _Work, task: Task) -> Chosen:
    if work.trained is not None:
        known = work.trained.model_for(task.layout)
        if known is not None:
            return Chosen(known, known.encode(task.first, task.layout, task.tolerances))
        logger.warning("the trained models know no group %r like this one; it is coded anew", task.layout.name)
    wanted = work.config.model
    if wanted.name != "auto":
        model = work.registry.model(wanted.name)
        if task.layout.kind in model.kinds:
            return fitted(model(wanted.options), task)
        logger.info(
            "model %s does not code %s groups: auto chooses for %s", wanted.name, task.layout.kind, task.layout.name
        )
    return choose(work.registry.automatic_models(), task)


class _PreparedBlocks:
    """The source's blocks as models see them."""

    def __init__(self, work: _Work, layout: Layout) -> None:
        self._work = work
        self._layout = layout

    def __iter__(self):  # type: ignore[no-untyped-def]
        for block in Blocks(self._work.source, self._work.config.block_bytes):
            if self._layout.variables[0].name in block.variables:
                yield _as_models_see(self._work, block, self._layout)[0]


def _histories(work: _Work) -> dict[str, object]:
    found = {_title(group.layout): getattr(group.encoder, "history", None) for group in work.groups.values()}
    return {name: history for name, history in found.items() if history is not None}


def _header(
    work: _Work, package: str, reader: Component, source: Path, blocks: list[BlockRecord], writer: BalWriter
) -> Header:
    """Store the states, and say in the header where they are."""
    from baler_core import __version__

    schema = work.schema
    number = {variable.name: position for position, variable in enumerate(schema.variables)}
    next_section = len(blocks)
    preprocess = []
    for step in work.pipeline.steps:
        writer.add(encode_state(step.preprocessor.state()))
        record = component_record("preprocessor", step.preprocessor, work.registry)
        preprocess.append(PreprocessRecord(record, step.patterns, next_section))
        next_section += 1
    groups = []
    for group in work.groups.values():
        models = [group.encoder] + ([group.floor] if group.floor is not None and group.floor_used else [])
        sections = []
        for model in models:
            writer.add(group.state if model is group.encoder else b"")
            sections.append(next_section)
            next_section += 1
        members = tuple(number[variable.name] for variable in group.layout.variables)
        records = tuple(component_record("model", model, work.registry) for model in models)
        groups.append(GroupRecord(group.layout.kind, members, records, tuple(sections)))
    return Header(
        version=__version__,
        input_name=source.name,
        reader=component_record("reader", reader, work.registry),
        schema=schema,
        bounds=work.bounds,
        tolerances=tuple(work.tolerances[name] for name in schema.names),
        preprocess=tuple(preprocess),
        groups=tuple(groups),
        blocks=tuple(blocks),
        errors=work.errors,
        input_bytes=sum(schema.nbytes(variable) for variable in schema.variables),
        input_file_bytes=source.stat().st_size,
    )


def component_record(kind: Kind, component: Component, registry: Registry) -> ComponentRecord:
    """What a file remembers of a component; options at their defaults are left out."""
    offer = registry.offer(kind, component.name)
    options = component.options.model_dump(mode="json", exclude_defaults=True)
    return ComponentRecord(component.name, options, offer.package, offer.version)
