"""Implement `baler export`: a .bal file to a small file of the original's format for those who have no baler."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from baler_core.cli.options import FilePath, common_options, gathered, memory_option, model_file
from baler_core.cli.outputs import ChosenOutput, force_option
from baler_core.cli.text import bytes_text, print_box, print_json
from baler_core.errors import ConfigError
from baler_core.pipeline.trained_lookup import Lookup, needed_to_restore

if TYPE_CHECKING:
    from baler_core.pipeline.export import ExportedFile

_NAMED = 4


@click.command()
@click.argument("file", type=FilePath())
@click.option(
    "-o",
    "--output",
    type=FilePath(),
    help="The file to write, - for standard output [STEM.exported.SUFFIX beside FILE].",
)
@click.option(
    "--extra",
    type=float,
    default=0.0,
    metavar="SHARE",
    help="Round by so much more than the bounds allow, as a share of them: with 0.5, errors are up to 1.5 times the bounds.",
)
@force_option
@model_file
@memory_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@common_options
@gathered(ChosenOutput, "chosen")
def export(file: Path, extra: float, model: Path | None, memory: int | None, chosen: ChosenOutput) -> None:
    """Restore FILE in its original format, rounded within its bounds and stored small, for those who have no baler."""
    from baler_core.format.file_info import read_info
    from baler_core.pipeline.decode import plugins_for
    from baler_core.pipeline.decompression import folders_of, restored_suffix
    from baler_core.pipeline.export import export as export_file

    if not 0 <= extra < 1e6:
        raise ConfigError(f"--extra {extra:g}: wanted a share of the bounds of at least 0, such as 0.5")
    header = read_info(file).header
    registry = plugins_for(header)
    destination = chosen.destination(
        needed_to_restore(file, header.trained, Lookup(model)), folders_of(header, registry)
    )
    with destination.path(file.with_name(f"{file.stem}.exported{restored_suffix(header, registry)}")) as target:
        done = export_file(file, output=target, extra=extra, lookup=Lookup(model), memory=memory)
    if chosen.as_json:
        print_json(_record(done, destination.shown(target)))
    else:
        _tell(done, destination.shown(target), header.reader.name, err=destination.streamed)


def _tell(done: ExportedFile, place: str, reader: str, *, err: bool) -> None:
    click.echo(
        f"wrote {place} ({bytes_text(done.file_bytes)}; decompress would write {bytes_text(done.plain_bytes)}, the .bal "
        f"file has {bytes_text(done.bal_bytes)})",
        err=err,
    )
    if done.storage:
        click.echo(f"stored with {done.storage}", err=err)
    else:
        click.echo(f"stored as decompress stores it: the reader {reader!r} has no other storage for exports", err=err)
    for name, how in list(done.rounded.items())[:_NAMED]:
        click.echo(f"{name}: rounded to {how}; errors are at most {done.allowed[name]}", err=err)
    if len(done.rounded) > _NAMED:
        click.echo(f"... and {len(done.rounded) - _NAMED} more variables", err=err)
    for why, names in done.kept.items():
        click.echo(f"as restored, {why}: {_listed(names)}", err=err)
    if "nothing is left of their bounds" in done.kept:
        click.echo("--extra 0.5 would round these, too, and allow errors of 1.5 times the bounds", err=err)
    for sentence in done.warnings:
        click.echo(f"{sentence}", err=True)
    if done.extra and done.rounded:
        said = [f"{name}: errors are up to {allowed}" for name, allowed in list(done.allowed.items())[:20]]
        print_box(
            f"THE ERRORS OF {place} MAY BE {1 + done.extra:g} TIMES THE BOUNDS, AS --extra {done.extra:g} ALLOWS",
            said,
            err=True,
        )


def _listed(names: Collection[str]) -> str:
    shown = list(names)[:_NAMED]
    return ", ".join(shown) + (f" and {len(names) - len(shown)} more" if len(names) > len(shown) else "")


def _record(done: ExportedFile, place: str) -> dict[str, Any]:
    return {
        "exported": place,
        "file_bytes": done.file_bytes,
        "decompressed_bytes": done.plain_bytes,
        "bal_bytes": done.bal_bytes,
        "storage": done.storage or None,
        "extra": done.extra,
        "rounded": {
            name: {"step": how.step or None, "bits": how.bits or None, "errors_at_most": done.allowed[name]}
            for name, how in done.rounded.items()
        },
        "as_restored": {why: list(names) for why, names in done.kept.items()},
        "warnings": list(done.warnings),
    }
