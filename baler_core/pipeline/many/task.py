"""Compress one file of many, wherever a worker is: what it needs travels by value, what became of it comes back."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from baler_core.config.arguments import config_of_arguments
from baler_core.errors import USER, BalerError, ConfigError, DataError
from baler_core.format.file_info import read_info
from baler_core.machine.disk import size_of, stamp_of
from baler_core.machine.in_order import Team
from baler_core.machine.records import dataclass
from baler_core.pipeline.compressed import Compressed
from baler_core.pipeline.compression import compress
from baler_core.pipeline.many.digests import growing_dimensions, input_digest, schema_digest
from baler_core.pipeline.many.manifest import PartRecord
from baler_core.pipeline.trained_lookup import checksum
from baler_core.plugin.registry import load_plugins
from baler_core.plugin.version import __version__

State = Literal["done", "skipped", "failed"]


@dataclass(frozen=True)
class FileTask:
    """One file to compress.

    Attributes
    ----------
    stated
        The settings, as a configuration file states them.
    model, model_sha256
        A file of trained models, and what it must hold.
    settings
        Digest of all these.
    known
        What an earlier run recorded of the same output.
    collect
        Whether warnings are to come back with the outcome, from a process whose own are not seen.
    version
        Of the package that made the task.
    origin
        Where the input comes from, if that is an address.
    """

    source: Path
    output: Path
    stated: Mapping[str, Any]
    settings: str
    model: Path | None = None
    model_sha256: str = ""
    known: PartRecord | None = None
    collect: bool = False
    version: str = __version__
    origin: str = ""


@dataclass(frozen=True)
class FileOutcome:
    """What became of a file.

    Attributes
    ----------
    record
        Of a finished file.
    problem, exit_code
        Of a failed one.
    compressed
        Of one that was compressed now.
    messages
        Warnings that arose.
    """

    source: Path
    state: State
    record: PartRecord | None = None
    problem: str = ""
    exit_code: int = 0
    compressed: Compressed | None = None
    messages: tuple[str, ...] = ()


def run_task(task: FileTask, team: Team | None = None) -> FileOutcome:
    """Compress a file unless that was done before; a problem that the user can fix becomes part of the outcome.

    Parameters
    ----------
    team
        Workers that encode its blocks.
    """
    with _collected(task) as messages:
        try:
            outcome = _outcome(task, team)
        except BalerError as error:
            outcome = _failed(task, str(error))
        except MemoryError:
            outcome = _failed(task, "not enough memory: set a smaller 'block_size', or take fewer workers")
        except OSError as error:
            outcome = _failed(task, f"{error.filename or task.source}: {error.strerror or error}")
    return replace(outcome, messages=tuple(messages))


def _failed(task: FileTask, problem: str) -> FileOutcome:
    return FileOutcome(task.source, "failed", problem=" ".join(problem.split()), exit_code=USER)


def _outcome(task: FileTask, team: Team | None) -> FileOutcome:
    if task.version != __version__:
        raise ConfigError(f"a worker has baler {__version__}, and the run was started with {task.version}: install one")
    if task.model is not None and checksum(task.model) != task.model_sha256:
        raise DataError(f"{task.model}: is not the file of trained models that the run was started with")
    before = stamp_of(task.source)
    digest = input_digest(task.source)
    if _is_finished(task, digest):
        return FileOutcome(task.source, "skipped", task.known)
    registry = load_plugins()
    config = config_of_arguments("compress", task.stated, registry, source=task.source, output=task.output)
    config = replace(config, one_of_many=True)
    compressed = compress(config, registry, source=task.source, output=task.output, model=task.model, team=team)
    if stamp_of(task.source) != before:
        task.output.unlink()
        raise DataError(f"{task.source}: was changed while it was compressed: run again when it is finished")
    return FileOutcome(task.source, "done", _record(task, digest), compressed=_plain(compressed))


def _is_finished(task: FileTask, digest: str) -> bool:
    """Whether the output is the one that was made of the same input with the same settings."""
    known = task.known
    if known is None or (known.input_sha256, known.settings) != (digest, task.settings):
        return False
    return (
        task.output.is_file()
        and task.output.stat().st_size == known.file_bytes
        and checksum(task.output) == known.sha256
    )


def _record(task: FileTask, digest: str) -> PartRecord:
    schema = read_info(task.output).header.schema
    return PartRecord(
        file=task.output.name,
        sha256=checksum(task.output),
        file_bytes=task.output.stat().st_size,
        input=task.origin or str(task.source),
        input_sha256=digest,
        input_bytes=size_of(task.source),
        rows={dim: schema.sizes[dim] for dim in growing_dimensions(schema)},
        fields=schema_digest(schema),
        settings=task.settings,
    )


def _plain(compressed: Compressed) -> Compressed:
    """Without histories of training, which may hold what cannot travel."""
    return replace(compressed, histories={})


class _Collector(logging.Handler):
    """Keeps warnings."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@contextmanager
def _collected(task: FileTask) -> Iterator[list[str]]:
    """Collect the warnings of a task."""
    collector = _Collector()
    if not task.collect:
        yield collector.messages
        return
    root = logging.getLogger()
    root.addHandler(collector)
    try:
        yield collector.messages
    finally:
        root.removeHandler(collector)
