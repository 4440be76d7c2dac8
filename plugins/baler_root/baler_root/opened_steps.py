"""How many entries a step takes: as stated, or as many as fit into a size such as `"100 MB"`."""

from __future__ import annotations

import re

from baler_core import ConfigError

_SIZE = re.compile(r"([0-9]*\.?[0-9]+(?:e[+-]?[0-9]+)?)\s*([kmgtpe])?(i)?b", re.IGNORECASE)


def entries_in(function: str, stated: int | str, each: float) -> int:
    """Return how many entries `step_size=stated` of a function means, if one takes `each` bytes.

    Raises
    ------
    ConfigError
        If it is no size, or no step.
    """
    if isinstance(stated, str):
        found = _SIZE.fullmatch(stated.strip())
        if found is None:
            raise ConfigError(f"{function}(step_size={stated!r}): entries, or a size such as '100 MB', are wanted")
        number, unit, binary = found.groups()
        wanted = float(number) * (1024 if binary else 1000) ** " kmgtpe".index((unit or " ").lower())
        return max(1, int(wanted / max(1.0, each)))
    if stated <= 0:
        raise ConfigError(f"{function}(step_size={stated!r}): a positive number of entries, or a size, is wanted")
    return stated
