"""Builds a profile: models trained on what several files have in common, for others of their kind to refer to."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from baler_core.config import Config
from baler_core.pipeline.compression import train
from baler_core.pipeline.input import Input, open_input
from baler_core.pipeline.joined_source import joined_source
from baler_core.plugin.registry import Registry


def build_profile(
    paths: Sequence[Path], config: Config, registry: Registry, *, output: Path, rows: int | None = None
) -> Path:
    """Train models on the columns that files have in common, rows behind rows, and write them.

    Parameters
    ----------
    config
        For reader, variables, bounds, model and preprocessing; its inputs do not matter.
    rows
        How many rows or events of each file to take at most.

    Raises
    ------
    DataError
        If a file cannot be read, or they have nothing in common.
    """
    with ExitStack() as stack:
        opened = [open_input(path, config, registry) for path in paths]
        for _, source in opened:
            stack.enter_context(source)
        joined = joined_source([source for _, source in opened], rows)
        given = Input(opened[0][0], joined, paths[0].name, 0)
        return train(replace(config, variables=None), registry, output=output, source=given)
