"""Implement `--allow-missing`: leave out unreadable parts of a file with a warning, instead of refusing the file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import click

from baler_core.errors import ConfigError
from baler_core.plugin.registry import Registry

if TYPE_CHECKING:
    from baler_core.config import Config

Command = TypeVar("Command", bound=Callable[..., Any])
OPTION = "allow_missing"


def missing_option(command: Command) -> Command:
    """Add --allow-missing to a command that reads data."""
    text = "Leave out what cannot be read (a filter that is not installed), instead of refusing the file."
    return click.option("--allow-missing", is_flag=True, help=text)(command)


def with_missing_allowed(config: Config, registry: Registry) -> Config:
    """Return the configuration with the reader's option `allow_missing`, where the reader has one.

    Raises
    ------
    ConfigError
        If the inputs need several readers.
    """
    if config.reader is not None:
        name, options = config.reader.name, config.reader.options
    else:
        names = {registry.reader_for(path) for path in config.inputs}
        if len(names) > 1:
            raise ConfigError(f"--allow-missing is for one reader, the inputs need {' and '.join(sorted(names))}")
        (name,) = names
        options = registry.reader(name).Options()
    if OPTION not in type(options).model_fields:
        return config
    from baler_core.config import ComponentSpec

    return replace(config, reader=ComponentSpec(name, options.model_copy(update={OPTION: True})))
