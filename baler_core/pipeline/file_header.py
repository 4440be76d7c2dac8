"""Stores what preprocessors and models learned, and makes the header that says where that lies and what the file holds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import field, replace

from baler_core.data.bounds import Tolerance
from baler_core.data.sentinels import Sentinel
from baler_core.data.variables import Json, Layout
from baler_core.errors import FormatError, PluginError
from baler_core.format.arrays import encode_state
from baler_core.format.container import BalWriter
from baler_core.format.header import (
    BlockRecord,
    ComponentRecord,
    DerivedRecord,
    ErrorRecord,
    GroupRecord,
    Header,
    PreprocessRecord,
    TrainedRecord,
)
from baler_core.format.header_json import check_header, header_from_json, header_to_json
from baler_core.format.streams import pack_streams
from baler_core.machine.records import dataclass
from baler_core.pipeline.input import Input
from baler_core.pipeline.job import Job
from baler_core.plugin.hooks import Kind
from baler_core.plugin.interfaces import Component, Model
from baler_core.plugin.registry import Registry

# What values are restored by.
_DECISIVE = ("dims", "counts", "variables", "bounds", "tolerances", "preprocess", "groups", "blocks", "skeleton")


@dataclass(frozen=True)
class StoredGroup:
    """A group as the header describes it.

    Attributes
    ----------
    models
        The chosen one, and the baseline if that coded a block.
    state
        What the chosen one learned, as bytes.
    section
        Where that lies in the file of trained models instead, if the file refers to that.
    """

    layout: Layout
    models: tuple[Model, ...]
    state: bytes
    section: int | None = None

    @property
    def title(self) -> str:
        """How the group is called in reports; variables that are no numbers form one of their own."""
        return f"{self.layout.name} (other)" if self.layout.kind == "other" else self.layout.name


@dataclass(frozen=True)
class CodedFile:
    """Everything that was found out while the blocks were coded.

    Attributes
    ----------
    native_bytes
        What the values take as their dtypes hold them.
    errors
        The largest error of each lossy variable.
    flips
        How many values changed their sign, by variable.
    zeros
        How many exact zeros became something else, by variable.
    exact
        How many values are stored beside what the models made, by variable.
    spans
        The smallest and the largest value of each variable that has one absolute bound.
    marks
        What seems to mark missing values, was not known, and so is not kept.
    means
        The errors on average of variables that have a limit of them.
    shares
        What part of the baseline's bytes each model takes, in files of trained models.
    derived
        Derived quantities that were kept.
    """

    groups: Sequence[StoredGroup]
    blocks: Sequence[BlockRecord] = ()
    native_bytes: int = 0
    errors: Mapping[str, ErrorRecord] = field(default_factory=dict)
    flips: Mapping[str, int] = field(default_factory=dict)
    zeros: Mapping[str, int] = field(default_factory=dict)
    exact: Mapping[str, int] = field(default_factory=dict)
    spans: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    marks: Mapping[str, Sentinel] = field(default_factory=dict)
    shares: tuple[float, ...] = ()
    means: Mapping[str, float] = field(default_factory=dict)
    derived: tuple[DerivedRecord, ...] = ()


def write_states(job: Job, given: Input, coded: CodedFile, writer: BalWriter) -> tuple[Header, Json]:
    """Store the states after the blocks, and return the header, and its record.

    Raises
    ------
    PluginError
        If no file with this header could be restored.
    """
    preprocess = _preprocessors(job, writer, first=len(coded.blocks))
    groups = _groups(job, coded.groups, writer, first=len(coded.blocks) + len(preprocess))
    after = len(coded.blocks) + len(preprocess) + sum(len(group.models) for group in coded.groups)
    attachments = job.schema.attachments
    if attachments:
        writer.add(pack_streams([attachments]))
    header = _header(job, given, coded, preprocess, groups)
    return _checked(replace(header, attachments_section=after if attachments else None), given)


def _header(
    job: Job, given: Input, coded: CodedFile, preprocess: tuple[PreprocessRecord, ...], groups: tuple[GroupRecord, ...]
) -> Header:
    """Return the header of a file without attachments."""
    from baler_core.plugin.version import __version__

    return Header(
        version=__version__,
        # Bytes of a name that are no UTF-8 stand as question marks in the file.
        input_name=given.name.encode("utf-8", "replace").decode("utf-8"),
        reader=component_record("reader", given.reader, job.registry),
        schema=job.schema,
        bounds=job.bounds,
        tolerances=tuple(job.tolerances[name] for name in job.schema.names),
        preprocess=preprocess,
        groups=groups,
        blocks=tuple(coded.blocks),
        errors=coded.errors,
        input_bytes=coded.native_bytes,
        input_file_bytes=given.file_bytes,
        trained=_trained_record(job, coded.groups),
        left_out=tuple(job.left_out),
        elsewhere=job.blocks.elsewhere,
        flips=coded.flips,
        zeros=coded.zeros,
        kept_exact=job.kept_exact,
        shares=coded.shares,
        means=coded.means,
        target=job.config.target,
        derived=coded.derived,
        order=given.order,
        chunks={dim: length for dim, length in job.config.chunks.items() if dim in job.schema.sizes},
    )


def _checked(header: Header, given: Input) -> tuple[Header, Json]:
    """Return a header that a file can be restored by, and its record.

    Raises
    ------
    PluginError
        If it is none.
    """
    refused = f"{given.name}: nothing is written, since it could not be restored"
    try:
        check_header(header)
        record = header_to_json(header)
        text = json.dumps(record)
        read = header_from_json(json.loads(text))
    except (ValueError, TypeError, FormatError) as error:
        raise PluginError(f"{refused}: {error}") from error
    ours, theirs = (json.loads(one, parse_constant=str) for one in (text, json.dumps(header_to_json(read))))
    changed = [part for part in _DECISIVE if ours[part] != theirs[part]]
    if changed:
        raise PluginError(f"{refused}: its {' and '.join(changed)} would be read as others")
    _refuse_untold_limits(header, read, given)
    return header, record


def _refuse_untold_limits(header: Header, read: Header, given: Input) -> None:
    """Refuse tolerances with limits or special values that a decoder, to which variables and bounds tell these, would not know.

    Raises
    ------
    PluginError
        If there are such.
    """
    for variable, ours, decoders in zip(header.schema.variables, header.tolerances, read.tolerances, strict=False):
        if ours.lossy and _sides(ours) != _sides(decoders):
            raise PluginError(
                f"{given.name}: nothing is written, since {variable.name!r} could not be restored within its bound: the reader "
                "put limits or special values into its tolerance ('settle') that neither the variable nor the bound states. "
                "State them in the variable: 'stated_limits', 'fill' or 'flags'"
            )


def _sides(tolerance: Tolerance) -> list[object]:
    """Return limits and special values, which compare by value: NaN as what stands for it."""
    return ["NaN" if number != number else number for number in (tolerance.lower, tolerance.upper, *tolerance.fill)]


def _preprocessors(job: Job, writer: BalWriter, *, first: int) -> tuple[PreprocessRecord, ...]:
    """Store the state of each preprocessor, from the section `first` on."""
    records = []
    for section, step in enumerate(job.pipeline.steps, start=first):
        writer.add(encode_state(step.preprocessor.state()))
        record = component_record("preprocessor", step.preprocessor, job.registry)
        records.append(PreprocessRecord(record, step.patterns, section))
    return tuple(records)


def _groups(job: Job, groups: Sequence[StoredGroup], writer: BalWriter, *, first: int) -> tuple[GroupRecord, ...]:
    """Store the state of each model, from the section `first` on; a baseline learns nothing."""
    number = {variable.name: position for position, variable in enumerate(job.schema.variables)}
    records = []
    for group in groups:
        writer.add(group.state if group.section is None else b"")
        for _ in group.models[1:]:
            writer.add(b"")
        sections = tuple(range(first, first + len(group.models)))
        first += len(group.models)
        members = tuple(number[variable.name] for variable in group.layout.variables)
        models = tuple(component_record("model", model, job.registry) for model in group.models)
        records.append(GroupRecord(group.layout.kind, members, models, sections))
    return tuple(records)


def _trained_record(job: Job, groups: Sequence[StoredGroup]) -> TrainedRecord | None:
    """Name the file of trained models that groups refer to, if any does."""
    sections = {number: group.section for number, group in enumerate(groups) if group.section is not None}
    return job.trained.record(sections) if job.trained is not None and sections else None


def component_record(kind: Kind, component: Component, registry: Registry) -> ComponentRecord:
    """Record what a file remembers of a component; options at their defaults are left out."""
    offer = registry.offer(kind, component.name)
    options = component.options.model_dump(mode="json", exclude_defaults=True)
    return ComponentRecord(component.name, options, offer.package, offer.version)
