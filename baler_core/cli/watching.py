"""Implement `baler compress --watch`: lines on what appears, how it differs from the training data, and what is learned."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from baler_core.cli.text import bytes_text, printable
from baler_core.config import Config
from baler_core.errors import ConfigError
from baler_core.pipeline.input import make_reader
from baler_core.plugin.registry import Registry

if TYPE_CHECKING:
    from baler_core.machine.executors import Submits
    from baler_core.pipeline.many.campaign import Campaign
    from baler_core.pipeline.many.watch import WatchedFile

_SECONDS_BETWEEN_LOOKS = 1.0
_SECONDS_TO_SETTLE = 3.0


def refuse_folder(folder: Path, checked: Config) -> None:
    """Refuse a folder that cannot be watched, before anything is trained.

    Raises
    ------
    ConfigError
        If it is not there, or is that of the output.
    """
    if not folder.is_dir():
        raise ConfigError(f"--watch {folder}: there is no such folder")
    if folder.resolve() == checked.output.resolve():
        raise ConfigError(f"--watch {folder}: is the folder of the output: choose another 'output:'")


def watch_folder(folder: Path, base: Campaign, checked: Config, registry: Registry, executor: Submits | None) -> None:
    """Compress what appears in a folder until the command is stopped."""
    from baler_core.pipeline.many.arrivals import Arrivals
    from baler_core.pipeline.many.watch import Watcher, watched

    trained_on = checked.inputs[0]
    suffixes = make_reader(trained_on, checked.reader, registry).suffixes
    watcher = Watcher(base, checked, registry, trained_on, executor)
    click.echo(printable(f"watching {folder} with the model {watcher.model}; the record is {watcher.record}"), err=True)
    arrivals = Arrivals(folder, lambda path: path.name.lower().endswith(suffixes), _SECONDS_TO_SETTLE)
    files, before, after, failed = 0, 0, 0, 0
    try:
        for one in watched(watcher, arrivals.complete, arrivals.take, lambda: time.sleep(_SECONDS_BETWEEN_LOOKS)):
            for line, is_problem in _lines(one):
                click.echo(printable(line), err=is_problem)
            record = one.outcome.record
            files, failed = files + (record is not None), failed + (record is None)
            before += record.input_bytes if record is not None else 0
            after += record.file_bytes if record is not None else 0
    finally:
        said = f", {failed} failed" if failed else ""
        click.echo(f"{base.manifest}: {files} files from {folder}{said}; {bytes_text(before)} -> {bytes_text(after)}")


def _lines(one: WatchedFile) -> list[tuple[str, bool]]:
    """What is said of a file: each line, and whether it is about a problem."""
    outcome, record = one.outcome, one.outcome.record
    if record is None or one.drift is None:
        return [(f"FAILED {outcome.problem}", True)]
    if outcome.state == "skipped":
        found = [(f"{record.file}: finished before, unchanged", False)]
    else:
        sizes = f"{bytes_text(record.input_bytes)} -> {bytes_text(record.file_bytes)}"
        found = [
            (f"wrote {record.file} ({sizes}, {one.drift.bytes_ratio:.2f} times the bytes per value in training)", False)
        ]
    if one.drift.said:
        found.append(
            (f"baler: warning: {outcome.source.name} differs from the training data: {'; '.join(one.drift.said)}", True)
        )
    if one.learned is not None:
        found.append((f"learned anew from {outcome.source.name}: {one.learned.name} is used from now on", True))
    return found
