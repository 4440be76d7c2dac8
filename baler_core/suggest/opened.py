"""Open a data file as proposals need it: its schema, its first values, and how it was opened."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from baler_core.data.variables import Schema
from baler_core.machine.records import dataclass
from baler_core.pipeline.input import first_values, refuse_empty
from baler_core.plugin.options import Options
from baler_core.plugin.registry import Registry

_log = logging.getLogger(__name__)
_BLOCK_BYTES = 64_000_000


@dataclass(frozen=True)
class Opened:
    """A data file as proposals need it."""

    schema: Schema
    values: dict[str, np.ndarray]
    reader: str
    options: dict[str, Any]
    as_stored: Sequence[str]
    needs_reader: bool = False


@contextmanager
def opened(
    path: Path, registry: Registry, name: str, options: Options, *, needs_reader: bool = False
) -> Iterator[Opened]:
    """Open a data file by the reader of a name, and read its first values.

    Parameters
    ----------
    needs_reader
        Whether the reader was named, since the file's name may not choose it.
    """
    refuse_empty(path, name)
    with registry.reader(name)(options).open(path) as source:
        for warning in (*source.warnings, *source.elsewhere):
            _log.warning("%s", warning)
        numeric = [variable.name for variable in source.schema.variables if variable.is_numeric]
        values = first_values(lambda: source.blocks(_BLOCK_BYTES), numeric)
        stated = options.model_dump(mode="json", exclude_unset=True)
        yield Opened(source.schema, values, name, stated, source.as_stored, needs_reader)
