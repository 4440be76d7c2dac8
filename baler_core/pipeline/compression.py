"""Write the blocks of an input to a .bal file: choose and fit models, encode, verify by decoding."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from baler_core.config import Config
from baler_core.data.block import values_of
from baler_core.data.seeds import SeedSpread
from baler_core.data.sentinels import Sentinel
from baler_core.format.arrays import encode_state
from baler_core.format.container import BalWriter
from baler_core.machine.allocator import memory_kept
from baler_core.machine.atomic_write import completed
from baler_core.machine.in_order import Team
from baler_core.machine.progress import counted
from baler_core.machine.records import dataclass
from baler_core.machine.threads import one_thread
from baler_core.pipeline.block_coding import FileRecord
from baler_core.pipeline.block_team import coded_by_team, coded_here
from baler_core.pipeline.compressed import Compressed
from baler_core.pipeline.file_header import CodedFile, StoredGroup, write_states
from baler_core.pipeline.group_coder import GroupCoder
from baler_core.pipeline.group_models import choose_model, reuse, task_for
from baler_core.pipeline.input import Input, input_of
from baler_core.pipeline.job import GroupKey, Job, prepare
from baler_core.pipeline.known_columns import with_known_columns
from baler_core.pipeline.matching import told_of_sentinels
from baler_core.pipeline.narrow_tables import with_narrow_tables
from baler_core.pipeline.order_choice import in_free_order
from baler_core.pipeline.targets import reach, told
from baler_core.pipeline.wide_bounds import warn_of_unused, warn_of_wide
from baler_core.plugin.registry import Registry
from baler_core.quantise.settle import SIGN_SHARE

logger = logging.getLogger(__name__)
_SMALL_FILE = 1 << 15
"""Smaller files that refer to trained models are compared with themselves without: what names these takes bytes, too."""


@one_thread
def compress(
    config: Config,
    registry: Registry,
    *,
    source: Path | Input,
    output: Path,
    model: Path | None = None,
    team: Team | None = None,
) -> Compressed:
    """Compress one file or object.

    Parameters
    ----------
    source
        The input file, or an object in memory made ready.
    output
        The .bal file; appears when complete.
    model
        A file of trained models to use instead of training, where they suit.
    team
        Workers that encode blocks beside this process; the bytes of the file do not depend on them.

    Raises
    ------
    BalerError
        If input, configuration or model do not fit together, or the input is changed meanwhile.
    BoundBroken
        If a bound cannot be held, which is a bug.
    """
    model = config.profile if model is None else model
    opened = given = input_of(source, config, registry)
    schema = given.source.schema
    total = 0 if config.memory else sum(map(schema.nbytes, schema.variables))  # what is kept is memory, too
    with given.source, completed(output) as temporary, memory_kept(total):
        if config.order == "free":
            given = in_free_order(config, registry, opened, _sample_writer(registry))
        write = _FileWriter(registry, given, model, team)
        done = write(config, given, temporary) if config.target is None else reach(config, given, temporary, write)
        if config.target is None and done.trained and done.file_bytes < _SMALL_FILE:
            done = _without_reference(config, registry, given, done)
        opened.refuse_changed()
        return replace(done, path=output)


@dataclass
class _FileWriter:
    """Writes a file, or several tries of it for a target: the first warns, and workers encode all that are whole.

    Attributes
    ----------
    whole
        The input; others are samples of it.
    warned
        Whether a file of the whole input was written.
    """

    registry: Registry
    whole: Input
    model: Path | None
    team: Team | None
    warned: bool = False

    def __call__(self, config: Config, part: Input, place: Path) -> Compressed:
        """Write the input, or a part of it."""
        quiet, team = (self.warned, self.team) if part is self.whole else (True, None)
        self.warned |= part is self.whole

        def known(config: Config, *, quiet: bool) -> Job:
            job = with_known_columns(prepare(config, self.registry, part.source, self.model, quiet=quiet))
            return with_narrow_tables(job)

        return _written_with_marks(known, config, part, place, quiet=quiet, team=team)


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


def write_file(config: Config, registry: Registry, given: Input, output: Path, *, quiet: bool = False) -> Compressed:
    """Write an open input to a file.

    Parameters
    ----------
    quiet
        Whether warnings of the bounds have been told already.
    """

    def known(config: Config, *, quiet: bool) -> Job:
        return prepare(config, registry, given.source, quiet=quiet)

    return _written_with_marks(known, config, given, output, quiet=quiet)


class _LateMarks(Exception):
    """Later blocks hold what seems to mark missing values, which was not known when they were encoded."""

    def __init__(self, marks: Mapping[str, Sentinel]) -> None:
        super().__init__()
        self.marks = marks


def _written_with_marks(
    known: Callable[..., Job], config: Config, given: Input, output: Path, *, quiet: bool, team: Team | None = None
) -> Compressed:
    """Write a file, and once more where later blocks hold marks of missing values, which stay exact then."""
    try:
        return _written(known(config, quiet=quiet), given, output, quiet=quiet, team=team)
    except _LateMarks as late:
        for sentence in () if quiet else told_of_sentinels(late.marks):
            logger.warning("compressed twice, as first blocks have no such values: %s", sentence)
        job = known(replace(config, late_marks=late.marks), quiet=True)
        return _written(job, given, output, quiet=quiet, team=team)


def _written(job: Job, given: Input, output: Path, *, quiet: bool, team: Team | None = None) -> Compressed:
    config = job.config
    with output.open("wb") as file:
        writer = BalWriter(file)
        coded = _write_blocks(job, writer, given, team)
        if coded.marks and not config.late_marks:
            raise _LateMarks(coded.marks)
        header, record = write_states(job, given, coded, writer)
        file_bytes = writer.finish(record)
    if not quiet:
        _warn_of_losses(job, coded)
    values = sum(math.prod(job.schema.sizes[dim] for dim in v.dims) for v in job.schema.variables)
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
        corrections=coded.exact,
        values=values,
        learned_anew=_learned_anew(job, coded),
    )
    if not quiet and config.training.seeds > 1 and not done.seeds and job.trained is None:
        _warn_of_one_seed(done)
    if config.target is None:
        return done
    limits = {v.name: bound.value for v, bound in zip(job.schema.variables, job.bounds, strict=True)}
    return replace(done, target=told(done, config.target, values, limits))


def _write_blocks(job: Job, writer: BalWriter, given: Input, team: Team | None) -> CodedFile:
    """Write block after block, whoever encodes them."""
    coders: dict[GroupKey, GroupCoder] = {}
    record = FileRecord(job)
    total = sum(job.schema.nbytes(variable) for variable in job.schema.variables)
    with counted(f"compress {given.name}", total) as progress:
        for coded in coded_here(job, coders) if team is None else coded_by_team(job, coders, given, team):
            writer.add(coded.section)
            record.add(coded)
            progress(coded.nbytes)
    return record.coded_file(coders)


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
        writer.finish(write_states(job, given, _learned(job), writer)[1])
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


def _warn_of_losses(job: Job, coded: CodedFile) -> None:
    """Warn of what bounds allow and users may not expect."""
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
    about = {v.name: (v, bound) for v, bound in zip(job.schema.variables, job.bounds, strict=True)}
    warn_of_wide(coded.spans, job.tolerances, about)
    warn_of_unused(coded.spans, {name: error.largest for name, error in coded.errors.items()}, about)


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


def _learned_anew(job: Job, coded: CodedFile) -> tuple[str, ...]:
    """Name the groups whose model is none of the trained ones."""
    if job.trained is None:
        return ()
    known = [job.trained.model_for(group.layout) for group in coded.groups]
    return tuple(
        group.title
        for group, trained in zip(coded.groups, known, strict=True)
        if group.layout.kind != "other" and (trained is None or trained.model is not group.models[0])
    )


def _seeds(coded: CodedFile) -> dict[str, SeedSpread]:
    """Collect what training from several seeds gave."""
    found = {group.title: getattr(group.models[0], "seed_spread", None) for group in coded.groups}
    return {name: spread for name, spread in found.items() if spread is not None}


def _warn_of_one_seed(done: Compressed) -> None:
    """Warn that no model took several seeds, though they were asked for."""
    logger.warning(
        "'training.seeds' had no effect: only autoencoders and flows are trained from several seeds, and the models here are %s",
        ", ".join(sorted(set(done.models.values()))) or "none",
    )
