"""Choose blocks so small that a process that encodes them keeps within a limit of memory."""

from __future__ import annotations

from dataclasses import replace

from baler_core.config.settings import Config
from baler_core.errors import ConfigError

# What a process takes with no block at all, plugins and their libraries included.
_BESIDE = 300 << 20
# A block, with its restored values, integers and streams, takes about so many times its bytes.
_TIMES = 16
_SMALLEST_BLOCK = 1 << 20


def within_memory(config: Config, memory: int) -> Config:
    """Return the configuration with blocks of which a process needs no more than about `memory` bytes.

    Raises
    ------
    ConfigError
        If that is less than the smallest blocks need.
    """
    least = _BESIDE + _TIMES * _SMALLEST_BLOCK
    if memory < least:
        raise ConfigError(f"--memory: {memory / 1e6:.0f} MB are too few, the smallest blocks need {least / 1e6:.0f} MB")
    return replace(config, block_bytes=min(config.block_bytes, (memory - _BESIDE) // _TIMES))
