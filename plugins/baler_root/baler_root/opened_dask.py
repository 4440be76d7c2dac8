"""A tree of an open .bal file as a collection of dask-awkward: partitions of entries, of which only used branches are restored.

dask-awkward finds the branches that a computation uses, and asks for no others. Where that is turned off, as later versions
of dask need it, partitions are virtual: a branch is restored when its values are first used.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from importlib.metadata import version
from typing import Any

import dask
from dask_awkward.lib.io.columnar import ColumnProjectionMixin
from dask_awkward.lib.io.io import from_map

from baler_core import ConfigError

_OPTIMISED = "awkward.optimization.enabled"
_OTHER_GRAPHS = (2025, 4)
"""The version of dask whose graphs dask-awkward 2026.2 cannot optimise, nor can later ones."""


class EntryReader(ColumnProjectionMixin):  # type: ignore[misc, unused-ignore]
    """Reads partitions of a tree; dask-awkward asks for fewer branches once it knows which are used.

    Attributes
    ----------
    form
        Of the records that it returns.
    behavior, attrs
        None: those of awkward.
    use_optimization
        Whether it may be asked for fewer branches.
    """

    behavior = None
    attrs = None
    use_optimization = True

    def __init__(self, arrays: Callable[..., Any], names: Sequence[str]) -> None:
        self.arrays, self.names = arrays, tuple(names)
        self.form = arrays(self.names, entry_start=0, entry_stop=0).layout.form

    def __call__(self, entries: tuple[int, int]) -> Any:
        """Return the entries from one to another."""
        start, stop = entries
        return self.arrays(self.names, entry_start=start, entry_stop=stop, virtual=True)

    def project_columns(self, columns: Collection[str]) -> EntryReader:
        """Return a reader of the branches that hold these columns."""
        used = [name for name in self.names if any(one == name or one.startswith(f"{name}.") for one in columns)]
        return EntryReader(self.arrays, used or self.names[:1])

    project_manually = project_columns


def refuse_failing_versions() -> None:
    """Say what to do where dask-awkward would fail later on, with an error that nobody understands.

    Raises
    ------
    ConfigError
        If dask is too new for dask-awkward to find out which branches are used.
    """
    found = version("dask")
    if tuple(map(int, found.split(".")[:2])) < _OTHER_GRAPHS or not dask.config.get(_OPTIMISED, True):
        return
    raise ConfigError(
        f"dask(): dask-awkward {version('dask-awkward')} cannot optimise graphs of dask {found}; turn that off with "
        f'dask.config.set({{"{_OPTIMISED}": False}}), and only used branches are restored all the same'
    )


def collection(arrays: Callable[..., Any], names: Sequence[str], length: int, step: int) -> Any:
    """Return branches of a tree of so many entries, which `OpenTree.arrays` restores, as a `dask_awkward.Array`."""
    starts = range(0, max(1, length), step)
    parts = [(start, min(start + step, length)) for start in starts]
    divisions = (*(start for start, _ in parts), length)
    return from_map(EntryReader(arrays, names), parts, label="from-baler", divisions=divisions)
