"""Define the options of every command, --verbose and --traceback, and the destination of messages."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from baler_core.cli.text import printable
from baler_core.errors import ConfigError
from baler_core.machine.records import dataclass

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass
class Session:
    """What the options shared by all commands ask for."""

    verbose: int = 0
    traceback: bool = False


def common_options(command: Command) -> Command:
    """Add --verbose and --traceback to a command."""
    verbose = click.option(
        "-v",
        "--verbose",
        count=True,
        expose_value=False,
        callback=_verbose,
        help="Show more messages; twice: all messages.",
    )
    trace = click.option(
        "--traceback", is_flag=True, expose_value=False, callback=_traceback, help="Show where an error arose."
    )
    return verbose(trace(command))


def gathered(kind: type[Any], name: str) -> Callable[[Command], Command]:
    """Give a command as `name` those of its options together that are called like the fields of a dataclass."""

    def gather(command: Command) -> Command:
        @wraps(command)
        def called(**given: Any) -> Any:
            mine = {field.name: given.pop(field.name) for field in fields(kind) if field.name in given}
            return command(**{name: kind(**mine)}, **given)

        found: Any = called
        return found

    return gather


class FilePath(click.Path):
    """The name of a file or folder, which need not exist."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        """Return a `Path`.

        Raises
        ------
        ConfigError
            If the name is empty, which `Path` takes for the current folder: a variable of the shell may be unset.
        """
        if value == "":
            what = parameter.get_error_hint(context) if parameter is not None and context is not None else "a name"
            raise ConfigError(f"{what} is empty: name a file")
        return super().convert(value, parameter, context)


def model_file(command: Command) -> Command:
    """Add --model to a command that restores values."""
    place = FilePath()
    text = "The model file that the .bal file refers to [looked for beside the .bal file]."
    return click.option("--model", type=place, help=text)(command)


class RowRange(click.ParamType[tuple[int, int | None]]):
    """Rows from one number to another, which is left out: `1000:2000`, `:50`, `900:`."""

    name = "from:to"

    def convert(
        self, value: Any, parameter: click.Parameter | None, context: click.Context | None
    ) -> tuple[int, int | None]:
        """Return both numbers, the second None where it is the end."""
        first, colon, last = str(value).partition(":")
        if not colon or not all(part.strip().isdecimal() or not part.strip() for part in (first, last)):
            self.fail(f"{value!r} are no rows: write them as 1000:2000, :50 or 900:", parameter, context)
        return int(first or 0), int(last) if last.strip() else None


class Bytes(click.ParamType[int]):
    """A number of bytes, as the configuration writes it: `64 MB`."""

    name = "size"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> int:
        """Return bytes as a whole number."""
        from baler_core.config.schema import parse_size

        try:
            size = parse_size(value)
        except ValueError as error:
            self.fail(str(error), parameter, context)
        if not isinstance(size, int) or size <= 0:
            self.fail("wanted a size such as 4 GB", parameter, context)
        return size


def memory_option(command: Command) -> Command:
    """Add --memory to a command that restores values."""
    text = "Refuse blocks that claim more than this, such as '4 GB' [half of the machine's]."
    return click.option("--memory", type=Bytes(), help=text)(command)


def compress_memory_option(command: Command) -> Command:
    """Add --memory to a command that compresses."""
    text = "Take smaller blocks and samples, so that no process needs much more than this, such as '2 GB' ['memory']."
    return click.option("--memory", type=Bytes(), help=text)(command)


def _verbose(context: click.Context, parameter: click.Parameter, value: int) -> None:
    session = context.ensure_object(Session)
    session.verbose = max(session.verbose, value)
    logging.getLogger().setLevel(logging.INFO if session.verbose else logging.WARNING)
    logging.getLogger("baler_core").setLevel(logging.DEBUG if session.verbose > 1 else logging.NOTSET)


def _traceback(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    context.ensure_object(Session).traceback |= value


class _Messages(logging.Handler):
    """Writes `baler: warning: ...` to stderr, above any progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        level = "" if record.levelno == logging.INFO else f"{record.levelname.lower()}: "
        package = record.name.partition(".")[0]
        if record.levelno >= logging.WARNING and package != "root" and not package.startswith("baler"):
            level = f"warning: {package}: "  # whether it is an error, the command says
        text = printable(f"baler: {level}{record.getMessage()}", lines=True)
        if "tqdm" in sys.modules:
            sys.modules["tqdm"].tqdm.write(text, file=sys.stderr)
        else:
            print(text, file=sys.stderr)


@contextmanager
def messages_on_stderr() -> Iterator[None]:
    """Send log records and Python warnings to stderr, one line each, while a command runs."""
    handler, root = _Messages(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            yield
        finally:
            root.removeHandler(handler)
            root.setLevel(level)


def _show_warning(message: Warning | str, category: type[Warning], *place: object, **more: object) -> None:
    # NumPy's on single operations, as with NaN that are meant to signal, tell a user nothing.
    is_arithmetic = issubclass(category, RuntimeWarning) and " encountered in " in str(message)
    level = logging.DEBUG if is_arithmetic else logging.WARNING
    logging.getLogger("baler_core").log(level, "%s", " ".join(str(message).split()))
