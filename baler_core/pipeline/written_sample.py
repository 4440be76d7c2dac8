"""Write a sample of an input to a file that is gone afterwards: sizes, times, and what is restored from it."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

from baler_core.config import Config
from baler_core.data.block import Block
from baler_core.format.file_info import Info, read_info
from baler_core.machine.records import dataclass
from baler_core.pipeline.compression import write_file
from baler_core.pipeline.decode import BalFile
from baler_core.pipeline.input import Input
from baler_core.plugin.registry import Registry


@dataclass(frozen=True)
class WrittenSample:
    """What a file of a sample holds, and the seconds of the processor to encode and to restore it."""

    info: Info
    blocks: list[Block]
    seconds: tuple[float, float]

    @property
    def coded_bytes(self) -> int:
        """Bytes of values, and of what models learned."""
        return sum(self.info.block_bytes) + self.info.state_bytes


def written(config: Config, registry: Registry, sample: Input, *, restore: bool = True) -> WrittenSample:
    """Write a sample, and restore its blocks unless that is not wanted."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "sample.bal"
        started = time.process_time()
        write_file(config, registry, sample, path, quiet=True)
        encoded = time.process_time()
        with BalFile(path, registry) as stored:
            blocks = list(stored.blocks()) if restore else []
        return WrittenSample(read_info(path), blocks, (encoded - started, time.process_time() - encoded))
