"""Load a configuration file: text, YAML nodes, schema, components, Config."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from baler_core.config.checker import Checker
from baler_core.config.settings import Config, InvalidConfig
from baler_core.config.yaml_nodes import read_yaml
from baler_core.plugin.registry import Registry


def load_config(path: Path, registry: Registry, *, inputs: Sequence[str] = ()) -> Config:
    """Read and check a configuration file; no data are read.

    Parameters
    ----------
    inputs
        Files or patterns that replace the file's own `input`, relative to the current directory.

    Raises
    ------
    ConfigError
        Listing every problem with file, line and key (`InvalidConfig`, once the file is readable as YAML).
    """
    document = read_yaml(path)
    checker = Checker(document, registry)
    config = checker.config(path, inputs)
    broken_lines = {problem.line for problem in document.problems}
    problems = document.problems + [p for p in checker.problems if p.line not in broken_lines]
    if problems:
        raise InvalidConfig(str(path), problems)
    return config
