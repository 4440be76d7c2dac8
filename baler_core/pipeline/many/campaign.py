"""Compress a list of files: skip what is finished, run the rest on an executor, and keep the manifest up to date."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import field, replace
from functools import partial
from pathlib import Path
from typing import Any

from baler_core.config.schema import ConfigFile, parse_size
from baler_core.errors import BROKEN_BOUND, BalerError, BoundBroken, ConfigError, DataError
from baler_core.machine.addresses import origin_of
from baler_core.machine.disk import size_of
from baler_core.machine.executors import Submits
from baler_core.machine.in_order import Team
from baler_core.machine.records import dataclass
from baler_core.machine.workers import Here, Processes, width_of
from baler_core.pipeline.many.digests import settings_digest
from baler_core.pipeline.many.manifest import (
    SUFFIX,
    FailedRecord,
    Manifest,
    ModelRecord,
    PartRecord,
    known_parts,
)
from baler_core.pipeline.many.merging import SharedList
from baler_core.pipeline.many.schedule import TaskSchedule
from baler_core.pipeline.many.short_tasks import ShortTasks
from baler_core.pipeline.many.split import ListShare
from baler_core.pipeline.many.task import FileOutcome, FileTask, run_task
from baler_core.pipeline.trained_lookup import checksum
from baler_core.plugin.version import __version__

logger = logging.getLogger(__name__)
_SECONDS_BETWEEN_MANIFESTS = 1.0
# An executor of somebody else queues what its workers cannot take yet.
_AT_ONCE_ELSEWHERE = 1000
# Files of fewer blocks are not spread over workers.
_FEWEST_BLOCKS = 3


@dataclass(frozen=True)
class Campaign:
    """What is to be done with a list of files.

    Attributes
    ----------
    files
        Each input, and the `.bal` file to make of it; all in one folder.
    stated
        The settings, as a configuration file states them, without inputs and output.
    name
        Of the manifest, without suffix.
    share
        The share of the list that is to be done.
    model
        A file of trained models for all.
    """

    files: Mapping[Path, Path]
    stated: Mapping[str, Any]
    folder: Path
    name: str
    share: ListShare | None = None
    model: Path | None = None

    @property
    def manifest(self) -> Path:
        """Where the manifest goes."""
        return self.folder / f"{self.name}{self.share.suffix if self.share else ''}{SUFFIX}"


@dataclass
class Progress:
    """How far a run is.

    Attributes
    ----------
    files, total
        Done, and to do.
    read, total_bytes, written
        Bytes of the inputs that are done, of all inputs, and of the files made of them.
    skipped_bytes
        Bytes of inputs that were finished before, which tell nothing of the speed.
    """

    total: int
    total_bytes: int
    files: int = 0
    read: int = 0
    written: int = 0
    skipped_bytes: int = 0
    began: float = field(default_factory=time.monotonic)

    def add(self, outcome: FileOutcome, size: int) -> None:
        """Count one file."""
        self.files += 1
        self.read += size
        self.written += outcome.record.file_bytes if outcome.record is not None else 0
        self.skipped_bytes += size if outcome.state == "skipped" else 0

    @property
    def speed(self) -> float:
        """Bytes of input per second."""
        return (self.read - self.skipped_bytes) / max(time.monotonic() - self.began, 1e-9)

    @property
    def seconds_left(self) -> float:
        """Return the time that the rest will take at this speed."""
        return (self.total_bytes - self.read) / self.speed if self.speed > 0 else 0.0


@dataclass(frozen=True)
class CampaignResult:
    """What became of a run.

    Attributes
    ----------
    manifest
        As it was written; it may list files of other runs, too.
    outcomes
        In the order of the list.
    total
        How many files the run had.
    """

    manifest: Manifest
    outcomes: Sequence[FileOutcome]
    total: int

    @property
    def not_begun(self) -> int:
        """How many files were not looked at, since another had failed."""
        return self.total - len(self.outcomes)

    @property
    def of_others(self) -> int:
        """How many files the manifest lists, or was to list, that were none of this run."""
        return self.manifest.files - self.total


Told = Callable[[FileOutcome, Progress], None]


def log_messages(outcome: FileOutcome, progress: Progress) -> None:
    """Log the warnings that arose in a worker."""
    for message in outcome.messages:
        logger.warning("%s: %s", outcome.source.name, message)


def run_campaign(
    campaign: Campaign,
    *,
    workers: int = 1,
    executor: Submits | None = None,
    keep_going: bool = False,
    tell: Told = log_messages,
) -> CampaignResult:
    """Compress the files that are not finished.

    Parameters
    ----------
    workers
        How many processes; 1 works in this one.
    executor
        Whatever has `submit`, instead of processes of ours; its workers see the same paths.
    keep_going
        Whether files go on after one has failed.
    tell
        Called for each file as it finishes.

    Raises
    ------
    BalerError
        If a manifest of the same name is damaged, or no tasks are taken.
    """
    if workers < 1:
        raise ConfigError(f"{workers} workers: wanted 1 or more")
    tasks = _tasks(campaign)
    record = _ManifestInWork(campaign, tasks)
    try:
        with _pool(workers, executor) as pool:
            for outcome in _outcomes(_schedule(tasks, pool), keep_going):
                record.add(outcome)
                tell(outcome, record.progress)
    finally:
        # After the workers have ended, since whoever writes into a folder removes what the dead have left there.
        manifest = record.write()
    outcomes = [record.outcomes[task.source] for task in tasks if task.source in record.outcomes]
    return CampaignResult(manifest, outcomes, len(tasks))


def refuse_failed(result: CampaignResult) -> None:
    """Raise what went wrong, if something did.

    Raises
    ------
    DataError
        Naming the first file that failed, and how many did.
    BoundBroken
        If that was a bound that did not hold.
    """
    failed = [outcome for outcome in result.outcomes if outcome.state == "failed"]
    if failed:
        broken = [outcome for outcome in failed if outcome.exit_code == BROKEN_BOUND]
        if broken:
            raise BoundBroken(broken[0].problem)
        rest = "; run again to go on" if result.not_begun else ""
        raise DataError(f"{len(failed)} of {result.total} files failed{rest}. The first: {failed[0].problem}")


def _pool(workers: int, executor: Submits | None) -> AbstractContextManager[Submits | None]:
    """Return the executor that was given, or processes of ours; None where this process works alone."""
    return nullcontext(executor) if executor is not None or workers == 1 else Processes(workers)


def _outcomes(schedule: TaskSchedule, keep_going: bool) -> Iterator[FileOutcome]:
    """Yield what became of files; after one has failed, begin no others, unless they are to go on."""
    for outcome in schedule.outcomes():
        yield outcome
        if outcome.state == "failed" and not keep_going:
            schedule.stop()


def _schedule(tasks: Sequence[FileTask], pool: Submits | None) -> TaskSchedule:
    """Spread files over workers; where there are fewer large files than workers, their blocks, one file after the other."""
    if pool is None:
        return TaskSchedule(tasks, Here(), 1, partial(run_task, team=Team()))
    if len(tasks) < width_of(pool) and (len(tasks) == 1 or all(map(_is_large, tasks))):
        return TaskSchedule(tasks, Here(), 1, partial(run_task, team=Team(pool)))
    ours = isinstance(pool, Processes)
    at_once = width_of(pool) + 1 if ours else _AT_ONCE_ELSEWHERE
    executor = ShortTasks(pool, len(tasks)) if isinstance(pool, Processes) else pool
    return TaskSchedule([replace(task, collect=ours) for task in tasks], executor, at_once)


def _is_large(task: FileTask) -> bool:
    block = parse_size(task.stated.get("block_size", ConfigFile().block_size))
    return isinstance(block, int) and _size(task.source) >= _FEWEST_BLOCKS * block


def _tasks(campaign: Campaign) -> list[FileTask]:
    known = known_parts(campaign.folder, campaign.name)
    model = campaign.model.absolute() if campaign.model is not None else None
    sha256 = checksum(model) if model is not None else ""
    settings = settings_digest(campaign.stated, sha256 or None)
    files = list(campaign.files.items())
    return [
        FileTask(
            source.absolute(),
            output.absolute(),
            campaign.stated,
            settings,
            model,
            sha256,
            known.get(output.name),
            origin=origin_of(source.absolute()),
        )
        for source, output in (campaign.share.of(files) if campaign.share else files)
    ]


class _ManifestInWork:
    """The manifest in the making."""

    def __init__(self, campaign: Campaign, tasks: Sequence[FileTask]) -> None:
        self._campaign = campaign
        self._tasks = tasks
        self._sizes = {task.source: _size(task.source) for task in tasks}
        self._written = time.monotonic()
        self._list = SharedList(campaign.manifest)
        self.outcomes: dict[Path, FileOutcome] = {}
        self.progress = Progress(len(tasks), sum(self._sizes.values()))

    def add(self, outcome: FileOutcome) -> None:
        """Count a file, and write the manifest if that is due."""
        self.outcomes[outcome.source] = outcome
        self.progress.add(outcome, self._sizes[outcome.source])
        if time.monotonic() - self._written > _SECONDS_BETWEEN_MANIFESTS:
            self.write()

    def write(self) -> Manifest:
        """Write the manifest, with what earlier runs finished and this one has not looked at yet, or does not know."""
        first = self._tasks[0] if self._tasks else None
        parts = [self._part(task) for task in self._tasks]
        failed = [outcome for outcome in self.outcomes.values() if outcome.state == "failed"]
        model = self._campaign.model
        sha256 = first.model_sha256 if first is not None else ""
        manifest = Manifest(
            baler=__version__,
            files=len(self._tasks),
            share=str(self._campaign.share or ""),
            settings=first.settings if first is not None else settings_digest(self._campaign.stated, None),
            model=ModelRecord(name=model.name, sha256=sha256) if model is not None and sha256 else None,
            parts=tuple(part for part in parts if part is not None),
            failed=tuple(
                FailedRecord(input=origin_of(o.source), problem=o.problem, exit_code=o.exit_code) for o in failed
            ),
        )
        outputs = {task.output.name for task in self._tasks}
        manifest = self._list.write(manifest, outputs, alone=self._campaign.share is not None)
        self._written = time.monotonic()
        return manifest

    def _part(self, task: FileTask) -> PartRecord | None:
        outcome = self.outcomes.get(task.source)
        if outcome is not None:
            return outcome.record
        return task.known if task.known is not None and task.known.settings == task.settings else None


def _size(path: Path) -> int:
    """The bytes of an input; 0 where it is gone, which its own task tells."""
    try:
        return size_of(path)
    except (BalerError, OSError):
        return 0
