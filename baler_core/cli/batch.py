"""Implement `baler compress` for many files at once: options, one line for each file with progress, and JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from baler_core.cli.compressed import compressed_record
from baler_core.cli.executors import executor_options
from baler_core.cli.options import compress_memory_option, gathered
from baler_core.cli.outputs import ChosenOutput
from baler_core.cli.text import bytes_text, print_box, print_json, printable
from baler_core.config.inputs import output_stems, split_name
from baler_core.errors import ConfigError, DataError
from baler_core.machine.records import dataclass
from baler_core.plugin.registry import Registry

if TYPE_CHECKING:
    from baler_core.config import Config
    from baler_core.machine.executors import Submits
    from baler_core.pipeline.many.campaign import Campaign, CampaignResult, Progress
    from baler_core.pipeline.many.task import FileOutcome

Command = TypeVar("Command", bound=Callable[..., Any])
# What the files do not depend on.
_ELSEWHERE = ("input", "output", "metrics", "plots")


@dataclass(frozen=True)
class Batch:
    """What the options ask for; without any of them each input is compressed anew, one after the other.

    Attributes
    ----------
    executor
        What `workers` or `scheduler` ask for, once it has begun.
    """

    workers: int | None
    scheduler: str | None
    keep_going: bool
    part: str | None
    train_once: bool
    watch: Path | None
    memory: int | None
    executor: Submits | None = None

    @property
    def spread(self) -> bool:
        """Whether others than this process are to work."""
        return self.workers is not None or self.scheduler is not None

    @property
    def of_many(self) -> bool:
        """Whether there is an option that only many inputs need."""
        return self.keep_going or self.part is not None or self.train_once or self.watch is not None


def batch_options(command: Command) -> Command:
    """Add the options for many files to `baler compress`, which gets them together as `batch`."""

    found = gathered(Batch, "batch")(command)
    options = [
        executor_options(
            "Work on N inputs, or N blocks of one, at a time, in processes; skip finished inputs, and write a manifest."
        ),
        click.option("--keep-going", is_flag=True, help="Go on with the other inputs when one fails."),
        click.option("--part", metavar="K/N", help="Take the K-th of N shares of the inputs, as in 3/100."),
        click.option(
            "--watch",
            type=click.Path(path_type=Path),
            metavar="FOLDER",
            help="Compress what appears in this folder, by the model of the first input, until stopped.",
        ),
        click.option("--train-once", is_flag=True, help="Train on the first input, and use that model for all."),
    ]
    for option in reversed(options):
        found = option(found)
    return compress_memory_option(found)


def compress_batch(
    config: Path, checked: Config, registry: Registry, model: Path | None, batch: Batch, chosen: ChosenOutput
) -> None:
    """Compress the inputs of a configuration as a set."""
    from baler_core.pipeline.many.campaign import refuse_failed, run_campaign
    from baler_core.pipeline.replacing import refuse_other_name

    if batch.watch is not None:
        _watch(config, checked, registry, model, batch, chosen)
        return
    campaign = _campaign(config, checked, registry, model, batch)
    for source, target in () if chosen.force else campaign.files.items():
        refuse_other_name(target, source, "choose another 'output:', or replace it with --force")

    def tell(outcome: FileOutcome, progress: Progress) -> None:
        if not chosen.as_json:
            click.echo(printable(_line(outcome, progress)), err=outcome.state == "failed")
        for message in outcome.messages:
            click.echo(printable(f"baler: warning: {outcome.source.name}: {message}"), err=True)
        if outcome.compressed is not None and outcome.compressed.left_out:
            print_box(f"NOT IN {outcome.compressed.path.name}", outcome.compressed.left_out, err=True)

    result = run_campaign(campaign, executor=batch.executor, keep_going=batch.keep_going, tell=tell)
    if chosen.as_json:
        files = [_record(outcome) for outcome in result.outcomes]
        others = {"of_other_runs": result.of_others} if result.of_others else {}
        print_json({"manifest": str(campaign.manifest), "files": files, "not_begun": result.not_begun, **others})
    else:
        click.echo(_summary(campaign, result))
    refuse_failed(result)


def _watch(
    config: Path, checked: Config, registry: Registry, model: Path | None, batch: Batch, chosen: ChosenOutput
) -> None:
    """Compress what appears in a folder."""
    from baler_core.cli.watching import refuse_folder, watch_folder

    assert batch.watch is not None
    if batch.part is not None or chosen.as_json:
        raise ConfigError(
            f"--watch and {'--json' if chosen.as_json else '--part'} exclude each other; the record is in JSON"
        )
    refuse_folder(batch.watch, checked)
    once = replace(batch, train_once=model is None)
    base = _campaign(config, checked, registry, model, once)
    watch_folder(batch.watch, base, checked, registry, batch.executor)


def _campaign(config: Path, checked: Config, registry: Registry, model: Path | None, batch: Batch) -> Campaign:
    from baler_core.config.yaml_nodes import read_yaml
    from baler_core.pipeline.many.campaign import Campaign
    from baler_core.pipeline.many.split import ListShare

    stated = {key: value for key, value in read_yaml(config).value.items() if key not in _ELSEWHERE}
    stated["model_storage"] = checked.model_storage
    if batch.memory is not None:
        stated["memory"] = batch.memory
    if checked.profile is not None:  # a relative path means another file where a worker runs
        stated["model"] = {key: value for key, value in stated["model"].items() if key != "profile"} or "auto"
    if checked.training.checkpoints is not None:
        stated["training"] = {**stated["training"], "checkpoints": checked.training.checkpoints}
    allowed = checked.reader is not None and getattr(checked.reader.options, "allow_missing", False)
    if checked.reader is not None and allowed:
        entry = stated.get("reader") or {}
        entry = {"name": entry} if isinstance(entry, str) else entry
        stated["reader"] = {**entry, "name": checked.reader.name, "allow_missing": True}
    share = None if batch.part is None else ListShare.parse(batch.part)
    if batch.train_once:
        if model is not None or share is not None:
            other = "--model" if model is not None else "--part"
            raise ConfigError(f"--train-once and {other} exclude each other: 'baler train' writes a file for --model")
        model = _trained_once(checked, registry, stated, config.stem)
    stems = output_stems(checked.inputs, registry)
    files = {path: checked.output / f"{stem}.bal" for path, stem in stems.items()}
    needed = [config, *checked.inputs, *([model] if model is not None else [])]
    _refuse_to_overwrite(files.values(), needed)
    return Campaign(files, stated, checked.output, config.stem, share, model)


def _refuse_to_overwrite(outputs: Any, needed: list[Path]) -> None:
    names = {path.resolve() for path in needed}
    for output in outputs:
        if output.resolve() in names:
            raise DataError(f"{output} would overwrite a file that this command needs: choose another 'output:'")


def _trained_once(checked: Config, registry: Registry, stated: dict[str, Any], name: str) -> Path:
    """Return the model file, which an earlier run of the same settings may have written."""
    from baler_core.pipeline.compression import train
    from baler_core.pipeline.many.digests import settings_digest
    from baler_core.pipeline.many.manifest import SUFFIX, read_manifest
    from baler_core.pipeline.trained_lookup import checksum

    path = checked.output / f"{split_name(checked.inputs[0], registry)[0]}.balm"
    manifest = checked.output / f"{name}{SUFFIX}"
    if manifest.exists() and path.exists():
        sha256 = checksum(path)
        found = read_manifest(manifest)
        if (
            found.model is not None
            and found.model.sha256 == sha256
            and found.settings == settings_digest(stated, sha256)
        ):
            return path
    if checked.target is not None:
        raise ConfigError("a target is reached with one file, and a model trained for others knows none: remove it")
    click.echo(f"training on {checked.inputs[0]}", err=True)
    return train(checked, registry, output=path)


def _line(outcome: FileOutcome, progress: Progress) -> str:
    """What became of a file, and how far the run is."""
    far = f"[{progress.files}/{progress.total}]"
    record = outcome.record
    if outcome.state == "failed" or record is None:
        return f"{far} FAILED {outcome.problem}"
    if outcome.state == "skipped":
        return f"{far} {record.file}: finished before, unchanged"
    sizes = f"{bytes_text(record.input_bytes)} -> {bytes_text(record.file_bytes)}"
    told = f"; {outcome.compressed.target}" if outcome.compressed is not None and outcome.compressed.target else ""
    left = _time(progress.seconds_left)
    so_far = f"{bytes_text(progress.read)} -> {bytes_text(progress.written)} so far"
    return f"{far} wrote {record.file} ({sizes}{told}); {so_far}, {bytes_text(int(progress.speed))}/s, {left} left"


def _time(seconds: float) -> str:
    hours, minutes = divmod(round(seconds) // 60, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min" if minutes else f"{round(seconds)} s"


def _summary(campaign: Campaign, result: CampaignResult) -> str:
    counts = {s: sum(outcome.state == s for outcome in result.outcomes) for s in ("done", "skipped", "failed")}
    parts = result.manifest.parts
    before, after = sum(part.input_bytes for part in parts), sum(part.file_bytes for part in parts)
    ratio = f", ratio {before / after:.2f}" if after else ""
    said = f"{counts['done']} written, {counts['skipped']} finished before, {counts['failed']} failed"
    said += f", {result.not_begun} not begun" if result.not_begun else ""
    said += f", {result.of_others} of other runs" if result.of_others else ""
    return f"{campaign.manifest}: {said}; {bytes_text(before)} -> {bytes_text(after)}{ratio}"


def _record(outcome: FileOutcome) -> dict[str, Any]:
    made = compressed_record(outcome.compressed) if outcome.compressed is not None else {}
    part = outcome.record.model_dump(mode="json") if outcome.record is not None else {}
    return {
        **made,
        **part,
        "input": str(outcome.source),
        "state": outcome.state,
        "exit_code": outcome.exit_code,
        "problem": outcome.problem or None,
        "warnings": list(outcome.messages),
    }


def show_set(path: Path, *, as_json: bool) -> None:
    """Show what a manifest lists, for `baler info`."""
    from baler_core.cli.text import print_table
    from baler_core.pipeline.many.manifest import read_manifest

    found = read_manifest(path)
    if as_json:
        print_json({"manifest": str(path), **found.model_dump(mode="json"), "missing": found.missing})
        return
    before, after = sum(part.input_bytes for part in found.parts), sum(part.file_bytes for part in found.parts)
    share = f" (share {found.share} of a list)" if found.share else ""
    model = f", all with the model {found.model.name}" if found.model is not None else ""
    click.echo(
        printable(
            f"{path}: {len(found.parts)} of {found.files} files{share}, "
            f"{bytes_text(before)} -> {bytes_text(after)}{model}; made by baler {found.baler}"
        )
    )
    rows = [
        (
            p.file,
            ", ".join(f"{dim} {n:,}" for dim, n in p.rows.items()),
            bytes_text(p.input_bytes),
            bytes_text(p.file_bytes),
        )
        for p in found.parts
    ]
    print_table(rows, header=("file", "rows", "input", "bytes"), indent="  ")
    if found.failed:
        print_box("FAILED", [failure.problem for failure in found.failed])
