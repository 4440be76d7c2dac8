"""Blocks and a configuration to a .bal file: choose and fit models, encode, verify by decoding, write."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tqdm import tqdm

from baler_core.config import Config
from baler_core.data.variables import block_sizes, native_size, values_of
from baler_core.format.arrays import encode_state
from baler_core.format.container import BalWriter, pack_streams
from baler_core.format.digests import block_digest
from baler_core.format.header import (
    BlockRecord,
    ComponentRecord,
    ErrorRecord,
    GroupRecord,
    Header,
    PreprocessRecord,
    TrainedRecord,
)
from baler_core.format.header_json import header_to_json
from baler_core.machine.atomic_write import completed
from baler_core.machine.progress import compiling_shown
from baler_core.machine.threads import one_thread
from baler_core.pipeline.encode import Work, encode_group, group_for, group_key, group_title, prepare, reuse
from baler_core.pipeline.input import Input, input_of, layouts_of
from baler_core.plugin.interfaces import Component
from baler_core.plugin.registry import Kind, Registry
from baler_core.quantise.settle import SIGN_SHARE

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Compressed:
    """What compressing a file gave.

    Attributes
    ----------
    input_bytes
        Bytes of all values in their native dtypes, of text in UTF-8 and one more per cell.
    file_bytes
        Bytes of the whole .bal file.
    errors
        Largest error per lossy variable.
    models
        Name of the chosen model per group.
    histories
        Training history per group, of models that keep one.
    trained
        Name of the file of trained models that is needed to restore it; empty if none is.
    left_out
        What of the input is not in the file, one sentence each.
    kept_exact
        Variables that are exact in spite of a lossy bound under a pattern with wildcards, and why.
    flips
        How many values of a variable changed their sign, within the bound, where keeping it would have cost too much.
    """

    path: Path
    input_bytes: int
    file_bytes: int
    errors: Mapping[str, ErrorRecord]
    models: Mapping[str, str]
    histories: Mapping[str, object]
    trained: str = ""
    left_out: Sequence[str] = ()
    flips: Mapping[str, int] = field(default_factory=dict)
    kept_exact: Mapping[str, str] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """Compression ratio, everything in the file counted."""
        return self.input_bytes / self.file_bytes


@compiling_shown()
@one_thread
def compress(
    config: Config, registry: Registry, *, source: Path | Input, output: Path, model: Path | None = None
) -> Compressed:
    """Compress one file or object.

    Parameters
    ----------
    source
        The input file, or an object in memory made ready.
    output
        The .bal file; appears when complete.
    model
        A file of trained models to use instead of training, where they suit; held inside or referred to, as
        `model_storage` of the configuration says.

    Raises
    ------
    BalerError
        If input, configuration or model do not fit together.
    BoundBroken
        If a bound cannot be held, which is a bug.
    """
    given = input_of(source, config, registry)
    with given.source, completed(output) as temporary, temporary.open("wb") as file:
        work = prepare(config, registry, given.source, model)
        writer = BalWriter(file)
        blocks, native = _write_blocks(work, writer, given.name)
        header = _header(work, given, blocks, writer, native)
        file_bytes = writer.finish(header_to_json(header))
    _tell_flips(work)
    return Compressed(
        output,
        header.input_bytes,
        file_bytes,
        work.errors,
        {group_title(group.layout): group.encoder.name for group in work.groups.values()},
        _histories(work),
        header.trained.name if header.trained is not None else "",
        header.left_out,
        work.flips,
        work.kept_exact,
    )


@compiling_shown()
@one_thread
def train(config: Config, registry: Registry, *, output: Path, source: Input | None = None) -> Path:
    """Fit models to the configuration's first input, or to an object in memory, and store them for use on other files.

    Raises
    ------
    BalerError
        If input and configuration do not fit together.
    """
    given = input_of(source or config.inputs[0], config, registry)
    with given.source, completed(output) as temporary, temporary.open("wb") as file:
        work = prepare(config, registry, given.source)
        work.for_other_files = True
        for block in work.blocks:
            for layout in layouts_of(block, work.schema):
                group_for(work, block, layout)
        for group in work.groups.values():
            group.state = encode_state({**group.encoder.state(), **group.encoder.encoder_state()})
        shares = tuple(reuse(work).share(group.encoder, group.task) for group in work.groups.values())
        writer = BalWriter(file)
        header = _header(work, given, [], writer, 0)
        writer.finish(header_to_json(replace(header, shares=shares)))
    return output


def _tell_flips(work: Work) -> None:
    """Say which variables hold values that changed their sign."""
    if work.flips:
        logger.warning(
            "some values change their sign, within the bound, since keeping it would cost more than %g %% of the file: %s. "
            "Write 'sign: keep' beside a bound if it matters, 'sign: free' if it does not",
            100 * SIGN_SHARE,
            ", ".join(f"{count:,} of {name!r}" for name, count in work.flips.items()),
        )


def _write_blocks(work: Work, writer: BalWriter, title: str) -> tuple[list[BlockRecord], int]:
    """Code and write all blocks; returns also how many bytes their values take as their dtypes hold them."""
    records = []
    native = 0
    total = sum(work.schema.nbytes(variable) for variable in work.schema.variables)
    with tqdm(total=total, desc=f"compress {title}", unit="B", unit_scale=True, disable=None) as progress:
        for place, block in enumerate(work.blocks):
            layouts = layouts_of(block, work.schema)
            coded = [encode_group(work, block, layout) for layout in layouts]
            packed = pack_streams([held.streams for held, _ in coded])
            writer.add(packed + block_digest(place, [held.digest for held, _ in coded]))
            numbers = {key: number for number, key in enumerate(work.groups)}
            records.append(
                BlockRecord(
                    tuple(numbers[group_key(layout)] for layout in layouts),
                    tuple(model for _, model in coded),
                    block_sizes(block),
                )
            )
            native += sum(native_size(values_of(block, v.name)) for layout in layouts for v in layout.variables)
            progress.update(sum(layout.nbytes for layout in layouts))
    return records, native


def _histories(work: Work) -> dict[str, object]:
    found = {group_title(group.layout): getattr(group.encoder, "history", None) for group in work.groups.values()}
    return {name: history for name, history in found.items() if history is not None}


def _header(work: Work, given: Input, blocks: list[BlockRecord], writer: BalWriter, native: int) -> Header:
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
            writer.add(group.state if model is group.encoder and group.section is None else b"")
            sections.append(next_section)
            next_section += 1
        members = tuple(number[variable.name] for variable in group.layout.variables)
        records = tuple(component_record("model", model, work.registry) for model in models)
        groups.append(GroupRecord(group.layout.kind, members, records, tuple(sections)))
    if schema.attachments:
        writer.add(pack_streams([schema.attachments]))
    return Header(
        version=__version__,
        # Bytes of a name that are no UTF-8 stand as question marks in the file.
        input_name=given.name.encode("utf-8", "replace").decode("utf-8"),
        reader=component_record("reader", given.reader, work.registry),
        schema=schema,
        bounds=work.bounds,
        tolerances=tuple(work.tolerances[name] for name in schema.names),
        preprocess=tuple(preprocess),
        groups=tuple(groups),
        blocks=tuple(blocks),
        errors=work.errors,
        input_bytes=native,
        input_file_bytes=given.file_bytes,
        trained=_trained_record(work),
        attachments_section=next_section if schema.attachments else None,
        left_out=tuple(work.left_out),
        elsewhere=work.blocks.elsewhere,
        flips=work.flips,
        kept_exact=work.kept_exact,
    )


def _trained_record(work: Work) -> TrainedRecord | None:
    """The file of trained models that groups refer to, if any does."""
    numbered = enumerate(work.groups.values())
    sections = {number: group.section for number, group in numbered if group.section is not None}
    return work.trained.record(sections) if work.trained is not None and sections else None


def component_record(kind: Kind, component: Component, registry: Registry) -> ComponentRecord:
    """What a file remembers of a component; options at their defaults are left out."""
    offer = registry.offer(kind, component.name)
    options = component.options.model_dump(mode="json", exclude_defaults=True)
    return ComponentRecord(component.name, options, offer.package, offer.version)
