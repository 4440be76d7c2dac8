"""Turn the arguments of `compress` and `train` into the same checked Config as a file; problems name the argument."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from baler_core.config.checker import Checker
from baler_core.config.settings import Config
from baler_core.config.yaml_nodes import Document, Problem
from baler_core.errors import ConfigError
from baler_core.plugin.registry import Registry

# How keys of a configuration file are called among the arguments, where that differs.
_ARGUMENTS = {"block_size": "block_bytes"}


class InvalidArguments(ConfigError):
    """All that is wrong in one call, in the order of its arguments."""

    def __init__(self, function: str, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(_sentence(function, problem) for problem in problems))


def config_of_arguments(
    function: str, arguments: Mapping[str, Any], registry: Registry, *, source: Path | None, output: Path
) -> Config:
    """Return settings from what a caller stated.

    Parameters
    ----------
    function
        How the caller knows it, for messages.
    arguments
        By the keys of a configuration file; None stands for its default.
    source
        The data file; None for objects in memory, which no reader reads.

    Raises
    ------
    ConfigError
        Naming every problem with its argument (`InvalidArguments`).
    """
    stated = {key: plain_values(value) for key, value in arguments.items() if value is not None}
    if source is None and stated.get("reader") is not None:
        raise InvalidArguments(function, [Problem(0, "reader", "only files have a reader; leave it out for objects")])
    if source is not None and "variables" in stated:
        stated["reader"] = _with_variables(stated.get("reader", {}), stated["variables"])
    variables = stated.pop("variables", None)
    checker = Checker(Document({**stated, "metrics": []}), registry)
    config = checker.settings_for(source, output, variables=variables if source is None else None)
    if checker.problems:
        raise InvalidArguments(function, checker.problems)
    return config


def _with_variables(reader: Any, variables: Any) -> Any:
    """The reader with the patterns of the variables to take, which a configuration file states in one place."""
    if isinstance(reader, str):
        reader = {"name": reader}
    return {**reader, "variables": variables} if isinstance(reader, dict) else reader


def plain_values(value: Any) -> Any:
    """What YAML would have given: dicts with text keys, lists, and Python's own numbers; what has units stays."""
    if isinstance(value, Mapping):
        return {str(key): plain_values(item) for key, item in value.items()}
    if isinstance(value, tuple | list | set | frozenset):
        return [plain_values(item) for item in value]
    if type(value) is np.ndarray:
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if getattr(value, "dims", None) == ():  # a single number of xarray, perhaps not computed yet
        return np.asarray(value).item()
    return str(value) if isinstance(value, Path) else value


def _sentence(function: str, problem: Problem) -> str:
    key, mark, rest = problem.key.partition(".")
    name, bracket, index = key.partition("[")
    rest = f"{bracket}{index}{mark}{rest}".lstrip(".")
    message = problem.message
    if rest and message.startswith("unknown key."):
        last = rest.rpartition(".")[2]
        rest, message = rest.rpartition(".")[0], message.replace("unknown key.", f"unknown key {last!r}.", 1)
    where = f"{function}({_ARGUMENTS.get(name, name)}=...)" if name else function
    return f"{where}: {rest}: {message}" if rest else f"{where}: {message}"
