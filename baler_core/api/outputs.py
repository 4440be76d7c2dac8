"""Refuse outputs of a call from Python that would replace what is read, or what nobody said may be replaced."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from baler_core.data.variables import Schema
from baler_core.errors import ConfigError
from baler_core.format.file_info import read_info
from baler_core.machine.addresses import address_of
from baler_core.pipeline.decode import plugins_for
from baler_core.pipeline.decompression import folders_of
from baler_core.pipeline.matching import listed
from baler_core.pipeline.replacing import is_bal, refuse_existing, refuse_needed, refuse_other, refuse_other_name
from baler_core.pipeline.trained_lookup import Lookup, find_trained

ANOTHER_NAME = "choose another name"
OR_OVERWRITE = f"{ANOTHER_NAME}, or replace it with overwrite=True"

logger = logging.getLogger(__name__)


def refuse_output(
    output: str | Path, needed: Iterable[Any], *, overwrite: bool, refuse: Callable[[Path, str], None]
) -> None:
    """Refuse an output on this machine that is one of the files needed, or that `refuse` does not let replace.

    Parameters
    ----------
    needed
        What the call was given to read; objects, addresses and None are none of its files.
    refuse
        Called with the path and what to do instead, unless `overwrite` is set.

    Raises
    ------
    BalerError
        If it would be replaced.
    """
    if address_of(output) is not None:
        return
    target = Path(output)
    refuse_needed(target, local_paths(needed), ANOTHER_NAME)
    if not overwrite:
        refuse(target, OR_OVERWRITE)


def refuse_compressed(target: Path, data: Any, advice: str) -> None:
    """Refuse to replace what is no .bal file, or that of other data than `data`, a path or an object.

    Raises
    ------
    ConfigError
        If it would be replaced.
    """
    _refuse_foreign(target, advice)
    paths = local_paths([data])
    if paths or not isinstance(data, str | Path):
        refuse_other(target, paths[0] if paths else None, advice)


def refuse_other_object(target: Path, schema: Schema) -> None:
    """Refuse to replace the .bal file of an object by that of one with other variables; tell that another is replaced.

    Raises
    ------
    ConfigError
        If the names of the variables differ.
    """
    if address_of(target) is not None or not is_bal(target):
        return
    there = read_info(target).header.schema.names
    if set(there) != set(schema.names):
        raise ConfigError(
            f"{target} already exists, made from an object with other variables ({listed(there)}): {OR_OVERWRITE}"
        )
    logger.warning("%s is replaced, which was made from an object with variables of the same names", target)


def refuse_other_file(source: Path, target: Path, advice: str) -> None:
    """Refuse to replace what is no .bal file, or that of an input with another name than `source`.

    Raises
    ------
    ConfigError
        If it would be replaced.
    """
    _refuse_foreign(target, advice)
    refuse_other_name(target, source, advice)


def _refuse_foreign(target: Path, advice: str) -> None:
    if target.is_file() and not is_bal(target):
        raise ConfigError(f"{target} already exists and is no .bal file: {advice}")


def refuse_restored(path: Path, target: Path, advice: str) -> None:
    """Refuse to restore a .bal file where there is a file, or a folder of its format.

    Raises
    ------
    BalerError
        If it would be replaced.
    """
    folders: tuple[str, ...] = ()
    if target.is_dir():
        header = read_info(path).header
        folders = folders_of(header, plugins_for(header))
    refuse_existing(target, advice, folders)


def refuse_trained(path: Path, output: str | Path, trained: str | Path | None) -> None:
    """Refuse to restore over the file of trained models that a .bal file refers to.

    Raises
    ------
    BalerError
        If it would be replaced, or cannot be found.
    """
    if address_of(output) is not None or not Path(output).exists():
        return
    record = read_info(path).header.trained
    if record is not None:
        lookup = Lookup(Path(trained) if trained is not None else None)
        refuse_needed(Path(output), [find_trained(record, path, lookup)], ANOTHER_NAME)


def local_paths(given: Iterable[Any]) -> list[Path]:
    """Return those of the arguments that name files of this machine."""
    return [Path(one) for one in given if isinstance(one, str | Path) and address_of(one) is None]
