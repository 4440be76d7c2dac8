"""Choose the destination of a command's output: refuse to replace needed files, send `-o -` to standard output."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from baler_core.errors import ConfigError
from baler_core.machine.addresses import address_of, sent
from baler_core.machine.records import dataclass
from baler_core.plugin.reading import is_marked

STANDARD_OUTPUT = Path("-")
Command = TypeVar("Command", bound=Callable[..., Any])


def force_option(command: Command) -> Command:
    """Add --force to a command that writes a file."""
    return click.option("--force", is_flag=True, help="Replace the file that -o names, if it exists.")(command)


@dataclass(frozen=True)
class ChosenOutput:
    """The options -o, --force and --json of a command, those of them that it has."""

    output: Path | None
    as_json: bool
    force: bool = False

    @property
    def replaces(self) -> bool:
        """Whether a file in its place may be replaced: one of the default name may."""
        return self.output is None or self.force

    def destination(self, needed: Sequence[Path], folders: Sequence[str] = ()) -> Destination:
        """Return where a file goes.

        Raises
        ------
        ConfigError
            If both the file and the JSON are to go to standard output.
        """
        found = Destination(self.output, self.force, tuple(needed), tuple(folders), self.as_json)
        if found.streamed and self.as_json:
            raise ConfigError("-o - and --json both want standard output: leave one of them out")
        return found


@dataclass(frozen=True)
class Destination:
    """The output that the user chose.

    Attributes
    ----------
    named
        The path after -o; None where the default name is taken, whose file may be replaced.
    force
        Whether a named file may be replaced.
    needed
        What the command reads, or what reading its result needs: never replaced.
    folders
        Names of files one of which is in folders that the command may write, and so replace.
    as_json
        Whether the command prints JSON, and no sentences.
    """

    named: Path | None
    force: bool = False
    needed: Sequence[Path] = ()
    folders: Sequence[str] = ()
    as_json: bool = False

    @property
    def streamed(self) -> bool:
        """Whether the output goes to standard output."""
        return self.named == STANDARD_OUTPUT

    def shown(self, path: Path) -> str:
        """Name the place of a written file in messages."""
        if self.named is not None and (address := address_of(self.named)) is not None:
            return address
        return "standard output" if self.streamed else str(path)

    @contextmanager
    def path(self, default: Path) -> Iterator[Path]:
        """Give the path to write to, `default` where none was named; copied to standard output if that was asked for.

        Raises
        ------
        ConfigError, DataError
            If something is there that must not be replaced, or standard output is a terminal.
        """
        if self.named is not None and address_of(self.named) is not None:
            with sent(self.named) as temporary:
                yield temporary
            return
        if not self.streamed:
            replace = self.named is None or self.force
            target = ready(self.named or default, self.needed, replace=replace, folders=self.folders)
            if self.named is not None:
                say_new_folder(target)
            yield target
            return
        if sys.stdout.isatty():
            raise ConfigError("-o - writes bytes to standard output, which is a terminal: send it to a file or a pipe")
        with tempfile.TemporaryDirectory() as folder:
            temporary = Path(folder) / default.name
            yield temporary
            if temporary.is_dir():
                raise ConfigError("the restored data are a folder, which standard output cannot take: name one with -o")
            with temporary.open("rb") as made:
                shutil.copyfileobj(made, sys.stdout.buffer)
            sys.stdout.buffer.flush()


def say_new_folder(target: Path) -> None:
    """Say that the folder of an output that -o names is made, as cp and tar would not: it may be misspelt."""
    if not target.parent.exists():
        click.echo(f"the folder {target.parent} is new", err=True)


def refuse_stream(output: Path | None, what: str) -> None:
    """Refuse `-o -` where standard output cannot take what is written.

    Raises
    ------
    ConfigError
        With what it is.
    """
    if output == STANDARD_OUTPUT:
        raise ConfigError(
            f"-o - means standard output, which cannot take {what}: name it, as ./- if it is to be called so"
        )


def ready(target: Path, needed: Sequence[Path] = (), *, replace: bool = True, folders: Sequence[str] = ()) -> Path:
    """Check an output path.

    Parameters
    ----------
    needed
        Files that the command reads or needs.
    replace
        Whether a file of that name may be replaced.
    folders
        Names of files one of which is in folders that stand for a file.

    Raises
    ------
    ConfigError
        If it is another folder, or a file that may not be replaced.
    DataError
        If it is a file that is needed.
    """
    if "\0" in str(target):
        raise ConfigError(f"{str(target)!r} is not the name of a file: give another with -o or 'output:'")
    stands_for_file = target.is_dir() and is_marked(target, folders)
    if target.is_dir() and not stands_for_file:
        raise ConfigError(f"{target} is a folder: name a file with -o")
    from baler_core.pipeline.replacing import refuse_needed

    refuse_needed(target, needed, "choose another name with -o")
    if (target.is_file() or stands_for_file) and not replace:
        raise ConfigError(f"{target} already exists: choose another name with -o, or replace it with --force")
    for folder in target.parents:
        if (folder.exists() or folder.is_symlink()) and not folder.is_dir():
            what = "a file" if folder.exists() else "a link that leads nowhere"
            raise ConfigError(
                f"{target} cannot be created, since {folder} is {what}: name another with -o or 'output:'"
            )
    refuse_unwritable(target)
    return target


def refuse_unwritable(target: Path) -> None:
    """Refuse an output before anything is computed, where the user may not write: a file is made anew, beside an old one.

    Raises
    ------
    ConfigError
        With the folder in which it would be made.
    """
    if target.exists() and not target.is_file() and not target.is_dir():
        return  # a pipe or a device is written to as it is
    folder = next((folder for folder in target.absolute().parents if folder.is_dir()), None)
    if folder is not None and not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"{target} cannot be written: no permission to write in {folder}. Name another place with -o")


def ready_for(source: Path, target: Path, needed: Sequence[Path] = (), *, force: bool = False) -> Path:
    """Check where the compressed form of an input goes by default: in place of an earlier one of the same input.

    Raises
    ------
    BalerError
        As `ready` does; or it was made from another input, and `force` is not set.
    """
    ready(target, needed)
    if not force:
        from baler_core.pipeline.replacing import refuse_other

        refuse_other(target, source, "choose another 'output:' or name, or replace it with --force")
    return target
