"""Blocks and a configuration to a .bal file: choose and fit models, encode, verify by decoding, write."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from baler_core.config import Config
from baler_core.data.block import values_of
from baler_core.data.mean_errors import MeanError
from baler_core.data.seeds import SeedSpread
from baler_core.data.variables import block_sizes
from baler_core.format.arrays import encode_state
from baler_core.format.blocks import pack_block
from baler_core.format.container import BalWriter
from baler_core.format.header import BlockRecord, DerivedRecord, ErrorRecord
from baler_core.format.header_json import header_to_json
from baler_core.machine.atomic_write import completed
from baler_core.machine.progress import counted
from baler_core.machine.threads import one_thread
from baler_core.pipeline.derived_held import DerivedKeeper
from baler_core.pipeline.file_header import CodedFile, StoredGroup, write_states
from baler_core.pipeline.group_coder import CodedBlock, GroupCoder, start_group
from baler_core.pipeline.group_models import choose_model, reuse, task_for
from baler_core.pipeline.guarantee import joined_errors
from baler_core.pipeline.input import Input, input_of
from baler_core.pipeline.job import GroupKey, Job, PreparedBlock, prepare
from baler_core.pipeline.known_columns import with_known_columns
from baler_core.pipeline.order_choice import in_free_order
from baler_core.pipeline.scaled_groups import restored_first
from baler_core.pipeline.targets import reach, told
from baler_core.plugin.registry import Registry
from baler_core.quantise.settle import SIGN_SHARE

logger = logging.getLogger(__name__)
_SMALL_FILE = 1 << 15
"""Smaller files that refer to trained models are compared with themselves without: what names these takes bytes, too."""


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
    seeds
        What training from several seeds gave, per group, of models that were.
    trained
        Name of the file of trained models that is needed to restore it; empty if none is.
    left_out
        What of the input is not in the file, one sentence each.
    kept_exact
        Variables that are exact in spite of a lossy bound under a pattern with wildcards, and why.
    flips
        How many values of a variable changed their sign, within the bound, where keeping it would have cost too much.
    zeros
        How many exact zeros of a variable that has many became something else, for the same reason.
    means
        The error on average of each variable that has a limit of it, in physical units or as a share of the values.
    target
        What was reached of a target, in a sentence.
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
    zeros: Mapping[str, int] = field(default_factory=dict)
    kept_exact: Mapping[str, str] = field(default_factory=dict)
    means: Mapping[str, float] = field(default_factory=dict)
    target: str = ""
    derived: Mapping[str, DerivedRecord] = field(default_factory=dict)
    seeds: Mapping[str, SeedSpread] = field(default_factory=dict)

    @property
    def ratio(self) -> float:
        """Compression ratio, everything in the file counted."""
        return self.input_bytes / self.file_bytes


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
    model = config.profile if model is None else model
    given = input_of(source, config, registry)
    with given.source, completed(output) as temporary:
        if config.order == "free":
            given = in_free_order(config, registry, given, _sample_writer(registry))
        if config.target is None:
            done = write_file(config, registry, given, temporary, model)
            if done.trained and done.file_bytes < _SMALL_FILE:
                done = _without_reference(config, registry, given, done)
            return replace(done, path=output)
        first = [True]  # of several tries, one warns

        def write(tried: Config, part: Input, place: Path) -> Compressed:
            quiet = not first.pop() if first and part is given else True
            return write_file(tried, registry, part, place, model, quiet=quiet)

        return replace(reach(config, given, temporary, write), path=output)


def _without_reference(config: Config, registry: Registry, given: Input, referring: Compressed) -> Compressed:
    """Write a small file once more without a reference to trained models, and keep it if it is not larger."""
    with TemporaryDirectory(dir=referring.path.parent) as folder:
        done = write_file(config, registry, given, Path(folder) / "alone.bal", quiet=True)
        if done.file_bytes > referring.file_bytes:
            return referring
        done.path.replace(referring.path)
    logger.warning("%s: needs no trained models, since a reference to them would not make it smaller", given.name)
    return done


def _sample_writer(registry: Registry) -> Callable[[Config, Input, Path], int]:
    """Return what writes a file of a sample, and tells its bytes."""

    def write(config: Config, sample: Input, place: Path) -> int:
        return write_file(config, registry, sample, place, quiet=True).file_bytes

    return write


def write_file(
    config: Config, registry: Registry, given: Input, output: Path, model: Path | None = None, *, quiet: bool = False
) -> Compressed:
    """Write an open input to a file.

    Parameters
    ----------
    quiet
        Whether warnings of the bounds have been told already.
    """
    with output.open("wb") as file:
        job = with_known_columns(prepare(config, registry, given.source, model, quiet=quiet))
        writer = BalWriter(file)
        coded = _write_blocks(job, writer, given.name)
        header = write_states(job, given, coded, writer)
        file_bytes = writer.finish(header_to_json(header))
    if not quiet:
        _warn_of_changed(
            coded.flips,
            "change their sign",
            "Write 'sign: keep' beside a bound if it matters, 'sign: free' if it does not",
        )
        _warn_of_changed(
            coded.zeros,
            "that were exactly 0 are not any more",
            "A 'rel' or 'lossless' bound keeps them; 'sign: free' leaves out this warning",
        )
    done = Compressed(
        output,
        header.input_bytes,
        file_bytes,
        coded.errors,
        _models_of(coded.groups),
        _histories(coded),
        header.trained.name if header.trained is not None else "",
        header.left_out,
        coded.flips,
        coded.zeros,
        job.kept_exact,
        coded.means,
        derived={record.name: record for record in coded.derived},
        seeds=_seeds(coded),
    )
    if not quiet and config.training.seeds > 1 and not done.seeds and model is None:
        _warn_of_one_seed(done)
    values = sum(math.prod(job.schema.sizes[dim] for dim in v.dims) for v in job.schema.variables)
    if config.target is None:
        return done
    limits = {v.name: bound.value for v, bound in zip(job.schema.variables, job.bounds, strict=True)}
    return replace(done, target=told(done, config.target, values, limits))


def _write_blocks(job: Job, writer: BalWriter, title: str) -> CodedFile:
    """Encode and write block after block."""
    coders: dict[GroupKey, GroupCoder] = {}
    records: list[BlockRecord] = []
    errors: Mapping[str, ErrorRecord] = {}
    flips: Counter[str] = Counter()
    zeros: Counter[str] = Counter()
    means: dict[str, MeanError] = {}
    native = 0
    total = sum(job.schema.nbytes(variable) for variable in job.schema.variables)
    with counted(f"compress {title}", total) as progress:
        keeper = DerivedKeeper(job) if job.held.quantities else None
        for place, block in enumerate(job.blocks):
            given = job.prepared(block)
            coded = _coded(job, coders, given)
            coded = coded if keeper is None else keeper.hold(block, given, coded)
            coded = [replace(one, restored={}) for one in coded]
            writer.add(pack_block(place, [one.streams for one in coded], [one.digest for one in coded]))
            numbers = {key: number for number, key in enumerate(coders)}
            groups, models = tuple(numbers[one.key] for one in given), tuple(one.model for one in coded)
            records.append(BlockRecord(groups, models, block_sizes(block)))
            for one in coded:
                errors = joined_errors(errors, one.errors)
                flips.update(one.flips)
                zeros.update(one.zeros)
                means.update({name: means.get(name, MeanError()).joined(mean) for name, mean in one.means.items()})
            native += sum(one.original.native_size for one in given)
            progress(sum(one.original.layout.nbytes for one in given))
    stored = _stored_groups(list(coders.values()), records)
    derived = () if keeper is None else keeper.records()
    return CodedFile(
        stored, records, native, errors, dict(flips), dict(zeros), means=_on_average(job, means), derived=derived
    )


def _on_average(job: Job, means: Mapping[str, MeanError]) -> dict[str, float]:
    """Return the errors on average over all blocks."""
    kinds = {name: job.tolerances[name].mean for name in means}
    return {name: means[name].value(kind[0]) for name, kind in kinds.items() if kind is not None}


def _coded(job: Job, coders: dict[GroupKey, GroupCoder], given: Sequence[PreparedBlock]) -> list[CodedBlock]:
    """Encode the groups of a block, each after those from which its tolerances follow."""
    needs = [one.needs for one in given]
    if not any(needs):
        return [_encode(job, coders, one.scaled({})) for one in given]
    restored: dict[str, np.ndarray] = {}
    coded: dict[int, CodedBlock] = {}
    for place in restored_first([one.original.layout for one in given], needs):
        coded[place] = _encode(job, coders, given[place].scaled(restored))
        restored |= coded[place].restored
    return [coded[place] for place in range(len(given))]


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
            originals = {need: values_of(block, need) for need in given.needs}
            task = task_for(job, given.scaled(originals))
            chosen, _ = choose_model(job, task)
            logger.info("group %s: model %s", task.layout.name, chosen.model.name)
            state = encode_state({**chosen.model.state(), **chosen.model.encoder_state()})
            share = reuse(job).share(chosen, task)
            found[given.key] = StoredGroup(given.original.layout, (chosen.model,), state), share
    return CodedFile([group for group, _ in found.values()], shares=tuple(share for _, share in found.values()))


def _warn_of_changed(counts: Mapping[str, int], what: str, remedy: str) -> None:
    """Warn of variables some of whose values lost what would have cost too much to keep."""
    if counts:
        logger.warning(
            "some values %s, within the bound, since keeping that would cost more than %g %% of the file: %s. %s",
            what,
            100 * SIGN_SHARE,
            ", ".join(f"{count:,} of {name!r}" for name, count in counts.items()),
            remedy,
        )


def _models_of(groups: Sequence[StoredGroup]) -> dict[str, str]:
    """Return the model of each group by its title; groups of the same dimensions are numbered."""
    found: dict[str, str] = {}
    for group in groups:
        same = sum(title == group.title or title.startswith(f"{group.title} #") for title in found)
        found[f"{group.title} #{same + 1}" if same else group.title] = group.models[0].name
    return found


def _histories(coded: CodedFile) -> dict[str, object]:
    """Collect the training histories of models that keep one."""
    found = {group.title: getattr(group.models[0], "history", None) for group in coded.groups}
    return {name: history for name, history in found.items() if history is not None}


def _seeds(coded: CodedFile) -> dict[str, SeedSpread]:
    """Collect what training from several seeds gave."""
    found = {group.title: getattr(group.models[0], "seed_spread", None) for group in coded.groups}
    return {name: spread for name, spread in found.items() if spread is not None}


def _warn_of_one_seed(done: Compressed) -> None:
    """Warn that no model took several seeds, though they were asked for."""
    logger.warning(
        "'training.seeds' had no effect: only autoencoders are trained from several seeds, and the models here are %s",
        ", ".join(sorted(set(done.models.values()))) or "none",
    )
