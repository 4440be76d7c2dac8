"""Decide what an output may replace: never what is read, a .bal file of the same input, anything else when forced."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from baler_core.errors import BalerError, ConfigError, DataError
from baler_core.format.container import MAGIC
from baler_core.format.file_info import read_info
from baler_core.format.header import Header
from baler_core.machine.disk import size_of
from baler_core.pipeline.same_input import holds_other_values
from baler_core.plugin.reading import is_marked

_OBJECT = "python"


def refuse_needed(target: Path, needed: Sequence[Path], advice: str) -> None:
    """Refuse an output that is a file which is read, under whatever name, or lies in a folder which is read.

    Raises
    ------
    DataError
        If it is one of `needed`, a link to it, what it links to, or in it.
    """
    for path in needed:
        if path.is_dir() and path.resolve() in target.resolve().parents:
            raise DataError(f"{target} would lie in the folder {path}, which is an input: {advice}")
        if target.exists() and path.exists() and target.samefile(path):
            raise DataError(f"{target} would overwrite a file that this command needs: {advice}")


def refuse_existing(target: Path, advice: str, folders: Sequence[str] = ()) -> None:
    """Refuse an output that exists; pipes and devices are written to, folders of others never.

    Parameters
    ----------
    folders
        Names of files one of which is in folders that stand for a file.

    Raises
    ------
    ConfigError
        If there is a file, or a folder that stands for one.
    """
    if target.is_file() or (target.is_dir() and is_marked(target, folders)):
        raise ConfigError(f"{target} already exists: {advice}")


def refuse_other(target: Path, source: Path | None, advice: str) -> None:
    """Refuse to replace a .bal file by that of another input.

    Inputs are told apart by what a .bal file holds of them: name, size, and values, for which it is restored. What is no
    .bal file, or a damaged one, is nothing that this function protects.

    Parameters
    ----------
    source
        The input; None for an object in memory, which may replace those of other objects.

    Raises
    ------
    ConfigError
        If `target` was made from another input, or holds trained models.
    """
    header = _header(target)
    if header is None:
        return
    if not header.blocks:
        raise ConfigError(f"{target} already exists and holds trained models: {advice}")
    was_object = header.reader.name == _OBJECT
    if source is None:
        if not was_object:
            raise ConfigError(f"{target} already exists, made from the file {header.input_name}: {advice}")
        return
    size = size_of(source)
    refuse_other_name(target, source, advice)
    if header.input_file_bytes and header.input_file_bytes != size:
        raise ConfigError(
            f"{target} already exists, made from another {header.input_name} (of {header.input_file_bytes:,} bytes; "
            f"{source} has {size:,}): {advice}"
        )
    if holds_other_values(target, source):
        raise ConfigError(
            f"{target} already exists, made from another {header.input_name}, with other values than {source}: {advice}"
        )


def refuse_other_name(target: Path, source: Path, advice: str) -> None:
    """Refuse the same where the name tells; runs of many files know by digests whether the input has changed.

    Raises
    ------
    ConfigError
        If `target` was made from an input of another name.
    """
    header = _header(target)
    if header is None:
        return
    if header.reader.name == _OBJECT:
        raise ConfigError(f"{target} already exists, made from an object in memory: {advice}")
    if header.input_name != source.name.encode("utf-8", "replace").decode("utf-8"):
        raise ConfigError(f"{target} already exists, made from {header.input_name} and not from {source}: {advice}")


def refuse_other_report(folder: Path, source: Path, advice: str) -> None:
    """Refuse to replace the report of another input, told by its name; what is no report is nothing that this protects.

    Raises
    ------
    ConfigError
        If the report in `folder` was made from an input of another name.
    """
    path = folder / "report.json"
    try:
        record = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return
    original = record.get("original") if isinstance(record, dict) else None
    if isinstance(original, str) and Path(original).name != source.name.encode("utf-8", "replace").decode("utf-8"):
        raise ConfigError(f"{path} already exists, made from {Path(original).name} and not from {source}: {advice}")


def refuse_data(target: Path, advice: str) -> None:
    """Refuse to replace a file by one of trained models, unless it is one.

    Raises
    ------
    ConfigError
        If `target` is another file.
    """
    header = _header(target)
    if target.is_file() and (header is None or header.blocks):
        raise ConfigError(f"{target} already exists and holds no trained models: {advice}")


def is_bal(path: Path) -> bool:
    """Return whether a file begins like those of baler."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def _header(path: Path) -> Header | None:
    """Return what an existing .bal file says about itself; None where there is none that can be read."""
    if not is_bal(path):
        return None
    try:
        return read_info(path).header
    except BalerError:
        return None
