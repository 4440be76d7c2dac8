"""Turn an exception into one message on stderr and an exit code."""

from __future__ import annotations

import errno
import os
import re
import sys
import traceback
from collections.abc import Callable

import click

from baler_core.cli.options import Session, messages_on_stderr
from baler_core.cli.stopping import INTERRUPTED, TERMINATED, Signals, Terminated
from baler_core.cli.text import printable
from baler_core.errors import BROKEN_BOUND, BUG, USER, BalerError, BoundBroken, NotTheOriginal

_FULL = {errno.ENOSPC, errno.EDQUOT}
_REPORT = "Please report it with this message and, if possible, the data."


def guarded(session: Session, command: Callable[[], object]) -> int:
    """Run a command; the exit code."""
    signals = Signals()
    try:
        with signals:
            return _run(session, command, signals)
    except (KeyboardInterrupt, Terminated) as error:  # of a signal while the handlers are set or taken back
        signals.end()
        return _exit_code(error, shown=True)


def _run(session: Session, command: Callable[[], object], signals: Signals) -> int:
    try:
        with messages_on_stderr():
            command()
    except BaseException as error:
        signals.end()
        if session.traceback and not isinstance(error, click.ClickException | click.exceptions.Exit):
            traceback.print_exc()
        # What cleans up may itself fail where the signal's exception met it, such as a folder that is half removed:
        # that error, which hides the exception, has no other cause.
        if signals.received:
            return _say("stopped" if signals.exit_code == INTERRUPTED else "terminated", signals.exit_code)
        return _exit_code(error, shown=session.traceback)
    return signals.exit_code


def _exit_code(error: BaseException, *, shown: bool) -> int:
    """Say what went wrong; `shown` if the traceback was printed already."""
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, click.ClickException):
        error.show()
        return error.exit_code
    if isinstance(error, click.Abort | KeyboardInterrupt):
        return _say("stopped", INTERRUPTED)
    if isinstance(error, Terminated):
        return _say("terminated", TERMINATED)
    if isinstance(error, BalerError):
        return _say(f"error: {error}", USER)
    if isinstance(error, NotTheOriginal):
        return _say(f"error: {error}", BROKEN_BOUND)
    if isinstance(error, BoundBroken):
        return _say(f"error: {error}\nAn error bound was broken: this is a bug in baler. {_REPORT}", BROKEN_BOUND)
    if isinstance(error, BrokenPipeError):
        return _closed_pipe()
    if isinstance(error, MemoryError):
        return _say("error: not enough memory. Set a smaller 'block_size', or take fewer variables", USER)
    if isinstance(error, OSError) and error.errno is not None:
        return _say(f"error: {_system_message(error)}", USER)
    if not isinstance(error, Exception):
        raise error
    if not shown:
        traceback.print_exception(error)
    from baler_core.plugin.registry import plugin_at_fault

    culprit = plugin_at_fault(error)
    if culprit is not None:
        return _say(
            f"error: {type(error).__name__}: {error}\nThis is a fault of {culprit}. Please report it to its author "
            f"with this message and, if possible, the data; BALER_DISABLE_PLUGINS leaves a plugin out.",
            BUG,
        )
    return _say(f"error: {type(error).__name__}: {error}\nThis is a bug in baler. {_REPORT}", BUG)


def _say(message: str, code: int) -> int:
    print(printable(f"baler: {message}", lines=True), file=sys.stderr)
    return code


def _system_message(error: OSError) -> str:
    """What the operating system refused, and what to do."""
    named = os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else ""
    # The name of the file to be, not the temporary one it is written under.
    place = f"{re.sub(r'/[.]partial-[^/]+', '', named)}: " if named else ""
    if error.errno in _FULL:
        return f"{place}the disk is full. Free some space, or choose another folder with 'output:' or -o"
    if error.errno == errno.EFBIG:
        return f"{place}a file exceeds the size limit of this process. Raise the limit ('ulimit -f'), or choose another folder"
    if isinstance(error, PermissionError):
        return f"{place}no permission. Choose another folder with 'output:' or -o, or change the permissions"
    return f"{place}{error.strerror}"


def _closed_pipe() -> int:
    """The reader of our output went away (`baler info x.bal | head`): no message, and none from Python at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return USER
