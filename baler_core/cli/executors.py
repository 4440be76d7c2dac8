"""Add --workers and --scheduler to commands, and give the executor that they ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from baler_core.errors import ConfigError

if TYPE_CHECKING:
    from baler_core.machine.executors import Submits

Command = TypeVar("Command", bound=Callable[..., Any])


def executor_options(help_of_workers: str) -> Callable[[Command], Command]:
    """Add both options to a command."""

    def add(command: Command) -> Command:
        scheduler = click.option(
            "--scheduler",
            metavar="ADDRESS",
            help="Work on the workers of this dask.distributed scheduler, such as tcp://10.0.0.1:8786.",
        )
        workers = click.option("--workers", type=click.IntRange(1), metavar="N", help=help_of_workers)
        return workers(scheduler(command))

    return add


@contextmanager
def chosen_executor(workers: int | None, scheduler: str | None) -> Iterator[Submits | None]:
    """Give the executor that the options ask for; None for this process alone.

    To be called as soon as what workers need is imported, and before anything is opened or computed: they begin as copies
    of this process.

    Raises
    ------
    ConfigError
        If both are there.
    """
    if scheduler is not None and workers is not None:
        raise ConfigError("--workers and --scheduler exclude each other: the scheduler knows its workers")
    if scheduler is not None:
        from baler_core.machine.scheduler import scheduler_executor

        with scheduler_executor(scheduler) as executor:
            yield executor
    elif workers is not None and workers > 1:
        from baler_core.machine.workers import Processes

        with Processes(workers, copies=True) as pool:
            yield pool
    else:
        yield None
