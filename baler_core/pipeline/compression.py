"""Blocks and a configuration to a .bal file: choose and fit models, encode, verify by decoding, write."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from baler_core.config import Config
from baler_core.data.variables import block_sizes
from baler_core.format.arrays import encode_state
from baler_core.format.container import BalWriter, pack_streams
from baler_core.format.digests import block_digest
from baler_core.format.header import BlockRecord, DerivedRecord, ErrorRecord
from baler_core.format.header_json import header_to_json
from baler_core.machine.atomic_write import completed
from baler_core.machine.progress import compiling_shown
from baler_core.machine.threads import one_thread
from baler_core.pipeline.derived_held import DerivedKeeper
from baler_core.pipeline.file_header import CodedFile, StoredGroup, write_states
from baler_core.pipeline.group_coder import CodedBlock, GroupCoder, start_group
from baler_core.pipeline.group_models import choose_model, reuse, task_for
from baler_core.pipeline.guarantee import joined_errors
from baler_core.pipeline.input import Input, input_of
from baler_core.pipeline.job import GroupKey, Job, PreparedBlock, prepare
from baler_core.plugin.registry import Registry
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
    derived
        Derived quantities that were kept, each with its largest error.
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
    derived: Mapping[str, DerivedRecord] = field(default_factory=dict)

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
        job = prepare(config, registry, given.source, model)
        writer = BalWriter(file)
        coded = _write_blocks(job, writer, given.name)
        header = write_states(job, given, coded, writer)
        file_bytes = writer.finish(header_to_json(header))
    _warn_of_flips(coded.flips)
    return Compressed(
        output,
        header.input_bytes,
        file_bytes,
        coded.errors,
        {group.title: group.models[0].name for group in coded.groups},
        _histories(coded),
        header.trained.name if header.trained is not None else "",
        header.left_out,
        coded.flips,
        job.kept_exact,
        {record.name: record for record in coded.derived},
    )


def _write_blocks(job: Job, writer: BalWriter, title: str) -> CodedFile:
    """Encode and write block after block."""
    coders: dict[GroupKey, GroupCoder] = {}
    records: list[BlockRecord] = []
    errors: Mapping[str, ErrorRecord] = {}
    flips: Counter[str] = Counter()
    native = 0
    total = sum(job.schema.nbytes(variable) for variable in job.schema.variables)
    with tqdm(total=total, desc=f"compress {title}", unit="B", unit_scale=True, disable=None) as progress:
        keeper = DerivedKeeper(job) if job.held.quantities else None
        for place, block in enumerate(job.blocks):
            given = job.prepared(block)
            coded = [_encode(job, coders, one) for one in given]
            coded = coded if keeper is None else keeper.hold(block, given, coded)
            packed = pack_streams([one.streams for one in coded])
            writer.add(packed + block_digest(place, [one.digest for one in coded]))
            numbers = {key: number for number, key in enumerate(coders)}
            groups, models = tuple(numbers[one.key] for one in given), tuple(one.model for one in coded)
            records.append(BlockRecord(groups, models, block_sizes(block)))
            for one in coded:
                errors = joined_errors(errors, one.errors)
                flips.update(one.flips)
            native += sum(one.original.native_size for one in given)
            progress.update(sum(one.original.layout.nbytes for one in given))
    stored = _stored_groups(list(coders.values()), records)
    derived = () if keeper is None else keeper.records()
    return CodedFile(stored, records, native, errors, dict(flips), derived=derived)


def _encode(job: Job, coders: dict[GroupKey, GroupCoder], given: PreparedBlock) -> CodedBlock:
    """Encode a group of a block; one that is met first gets its coder now."""
    if given.key in coders:
        return coders[given.key].encode(given)
    coders[given.key], coded = start_group(job, given)
    return coded


def _stored_groups(coders: Sequence[GroupCoder], records: Sequence[BlockRecord]) -> list[StoredGroup]:
    """Describe the groups, with the baseline of those of which it coded a block."""
    by_baseline = {
        group for record in records for group, model in zip(record.groups, record.models, strict=True) if model
    }
    return [
        StoredGroup(
            coder.layout,
            (coder.encoder, coder.baseline)
            if coder.baseline is not None and number in by_baseline
            else (coder.encoder,),
            coder.state,
            coder.section,
        )
        for number, coder in enumerate(coders)
    ]


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
        job = prepare(config, registry, given.source, for_other_files=True)
        writer = BalWriter(file)
        header = write_states(job, given, _learned(job), writer)
        writer.finish(header_to_json(header))
    return output


def _learned(job: Job) -> CodedFile:
    """Learn a model for each group, of which the whole state is stored."""
    found: dict[GroupKey, tuple[StoredGroup, float]] = {}
    for block in job.blocks:
        for given in job.prepared(block):
            if given.key in found:
                continue
            task = task_for(job, given)
            chosen, _ = choose_model(job, task)
            logger.info("group %s: model %s", task.layout.name, chosen.model.name)
            state = encode_state({**chosen.model.state(), **chosen.model.encoder_state()})
            share = reuse(job).share(chosen, task)
            found[given.key] = StoredGroup(given.original.layout, (chosen.model,), state), share
    return CodedFile([group for group, _ in found.values()], shares=tuple(share for _, share in found.values()))


def _warn_of_flips(flips: Mapping[str, int]) -> None:
    """Warn of variables that hold values that changed their sign."""
    if flips:
        logger.warning(
            "some values change their sign, within the bound, since keeping it would cost more than %g %% of the file: %s. "
            "Write 'sign: keep' beside a bound if it matters, 'sign: free' if it does not",
            100 * SIGN_SHARE,
            ", ".join(f"{count:,} of {name!r}" for name, count in flips.items()),
        )


def _histories(coded: CodedFile) -> dict[str, object]:
    """Collect the training histories of models that keep one."""
    found = {group.title: getattr(group.models[0], "history", None) for group in coded.groups}
    return {name: history for name, history in found.items() if history is not None}
