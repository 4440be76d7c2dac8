"""Connect to a scheduler of dask.distributed, whose workers then take calls as those of any executor do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

from baler_core.errors import ConfigError, SourceError
from baler_core.machine.optional import need

if TYPE_CHECKING:
    from baler_core.machine.executors import Submits

_SECONDS_TO_ANSWER = 20


@contextmanager
def scheduler_executor(address: str) -> Iterator[Submits]:
    """Give an executor whose calls run on the workers of a scheduler, such as `tcp://10.0.0.1:8786`.

    Raises
    ------
    MissingPackage
        If dask.distributed is not installed.
    ConfigError
        If this is no address.
    SourceError
        If no scheduler answers there, or it has no workers.
    """
    need("a scheduler", "distributed")
    connect: Any = import_module("distributed").Client
    if "://" not in address:
        raise ConfigError(f"{address!r} is no address of a scheduler: write it as tcp://HOST:PORT")
    try:
        client = connect(address, timeout=_SECONDS_TO_ANSWER, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise SourceError(f"{address}: no scheduler of dask.distributed answers there: {reason}") from error
    with client:
        if not client.nthreads():
            raise SourceError(f"{address}: the scheduler has no workers: start some with 'dask worker {address}'")
        yield client.get_executor()
