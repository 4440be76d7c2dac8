"""Implement `baler decompress`: restore the data file of a .bal file, or a part of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from baler_core.cli.executors import chosen_executor, executor_options
from baler_core.cli.options import FilePath, RowRange, common_options, gathered, memory_option, model_file
from baler_core.cli.outputs import ChosenOutput, Destination, force_option
from baler_core.cli.text import bytes_text, print_json
from baler_core.machine.disk import size_of
from baler_core.machine.records import dataclass
from baler_core.pipeline.trained_lookup import Lookup, needed_to_restore

if TYPE_CHECKING:
    from baler_core.machine.executors import Submits
    from baler_core.machine.in_order import Team

_PATH = FilePath()


@dataclass(frozen=True)
class _ChosenPart:
    """The options --variable and --rows of `baler decompress`."""

    variables: tuple[str, ...]
    rows: tuple[int, int | None] | None


@dataclass(frozen=True)
class _ChosenWorkers:
    """The options --workers and --scheduler of `baler decompress`."""

    workers: int | None
    scheduler: str | None


@click.command()
@click.argument("file", type=_PATH)
@click.option(
    "-o", "--output", type=_PATH, help="The file to write, - for standard output [STEM.restored.SUFFIX beside FILE]."
)
@force_option
@model_file
@memory_option
@executor_options("Decode N blocks at a time, in processes.")
@click.option("--variable", "variables", multiple=True, metavar="PATTERN", help="Restore only these variables.")
@click.option("--rows", type=RowRange(), help="Restore only these rows or events, as in 1000:2000, counted from 0.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@common_options
@gathered(ChosenOutput, "chosen")
@gathered(_ChosenPart, "part")
@gathered(_ChosenWorkers, "by")
def decompress(
    file: Path, model: Path | None, memory: int | None, part: _ChosenPart, by: _ChosenWorkers, chosen: ChosenOutput
) -> None:
    """Restore the data file that FILE was made from, in its original format, or a part of it."""
    from baler_core.format.file_info import read_info
    from baler_core.pipeline.decode import plugins_for
    from baler_core.pipeline.decompression import decompress as decompress_file
    from baler_core.pipeline.decompression import folders_of, restored_suffix
    from baler_core.pipeline.part_file import WantedPart, decompress_part

    header = read_info(file).header
    registry, lookup = plugins_for(header), Lookup(model)
    kind = "part" if part.variables or part.rows else "restored"
    with chosen_executor(by.workers, by.scheduler) as executor:
        destination = chosen.destination(needed_to_restore(file, header.trained, lookup), folders_of(header, registry))
        with destination.path(file.with_name(f"{file.stem}.{kind}{restored_suffix(header, registry)}")) as target:
            if part.variables or part.rows is not None:
                wanted = WantedPart(part.variables or None, part.rows)
                restored = decompress_part(file, registry, wanted, output=target, lookup=lookup, memory=memory)
            else:
                team = team_of(executor)
                restored = decompress_file(file, registry, output=target, lookup=lookup, memory=memory, team=team)
            size = size_of(restored)
    if chosen.as_json:
        print_json({"restored": str(restored), "file_bytes": size})
    else:
        wrote(destination, restored, size)


def team_of(executor: Submits | None) -> Team | None:
    """Return the workers of an executor for the blocks of a file; None for this process alone."""
    if executor is None:
        return None
    from baler_core.machine.in_order import Team

    return Team(executor)


def wrote(destination: Destination, path: Path, size: int) -> None:
    """Say what was written, on stderr where standard output holds the file."""
    click.echo(f"wrote {destination.shown(path)} ({bytes_text(size)})", err=destination.streamed)
