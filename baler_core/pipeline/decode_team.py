"""The blocks of a .bal file, decoded by workers that open it themselves; in order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from baler_core.data.block import Block
from baler_core.errors import ConfigError, SourceError
from baler_core.machine.handles import Handles
from baler_core.machine.in_order import Call, Team
from baler_core.machine.records import dataclass
from baler_core.pipeline.decode import BalFile
from baler_core.pipeline.trained_lookup import Lookup
from baler_core.plugin.version import __version__


@dataclass(frozen=True)
class BalOpener:
    """Opens a .bal file in a worker, where it must be the same.

    Attributes
    ----------
    memory
        At most so many bytes may a block take.
    fingerprint
        What tells the file from others.
    """

    path: Path
    lookup: Lookup
    memory: int | None
    fingerprint: tuple[int, ...]
    version: str = __version__

    def __call__(self) -> BalFile:
        if self.version != __version__:
            raise ConfigError(
                f"a worker has baler {__version__}, and the run was started with {self.version}: install one"
            )
        opened = BalFile(self.path, None, self.lookup, memory=self.memory)
        if opened.fingerprint != self.fingerprint:
            opened.close()
            raise SourceError(f"{self.path}: a worker sees another file of this name: it was changed, or differs there")
        return opened


def decode_by_number(handles: Handles[BalFile], number: int) -> Block:
    """Decode a block in a worker."""
    with handles.lent() as opened:
        return opened.block(number)


def decoded_by_team(stored: BalFile, opener: BalOpener, team: Team) -> Iterator[Block]:
    """Yield the restored blocks in order.

    Raises
    ------
    SourceError
        If a worker is lost at the same block again and again.
    """
    handles = Handles(opener)
    calls = (
        Call(f"{opener.path}: block {number + 1}", decode_by_number, (handles, number))
        for number in range(len(stored.header.blocks))
    )
    try:
        for call in team.window.taken(calls):
            yield call.result
    finally:
        handles.close()
