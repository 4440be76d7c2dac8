"""Resolve the `input` of a configuration to data files: paths and patterns, each with a reader, none twice."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from baler_core.errors import BalerError, ConfigError, DataError, did_you_mean
from baler_core.machine.addresses import fetched, origin_of
from baler_core.machine.byte_source import is_address
from baler_core.plugin.published import published_suffix
from baler_core.plugin.reading import Reader
from baler_core.plugin.registry import Registry


def split_name(path: Path, registry: Registry) -> tuple[str, str]:
    """Return stem and suffix of a data file, where a suffix of two parts (`.fits.gz`) is one that some reader takes."""
    matching = [
        suffix for suffix in _suffixes(registry) if path.name.lower().endswith(suffix) and len(path.name) > len(suffix)
    ]
    if not matching:
        return path.stem, path.suffix
    length = len(max(matching, key=len))
    return path.name[:-length], path.name[-length:]


def find_inputs(
    stated: Sequence[str], folder: Path, registry: Registry
) -> tuple[tuple[Path, ...], list[tuple[int, str]]]:
    """Return the files that `stated` paths and patterns mean, relative to `folder`; those of a pattern sorted.

    Returns
    -------
    The files, and what is wrong as (index in `stated`, message).
    """
    found: dict[Path, int] = {}
    complaints: list[tuple[int, str]] = []
    for index, text in enumerate(stated):
        try:
            for path in _expanded(text, folder, registry):
                found.setdefault(path, index)
        except DataError as error:
            complaints.append((index, str(error)))
    complaints.extend(_same_stem(found, registry))
    return tuple(found), complaints


def plain(path: Path) -> Path:
    """Return the path without `..`, unless symbolic links make that another place."""
    shorter = Path(os.path.normpath(path))
    return shorter if os.path.realpath(shorter) == os.path.realpath(path) else path


def _expanded(text: str, folder: Path, registry: Registry) -> list[Path]:
    """The files of one path or pattern."""
    if is_address(text):
        try:
            return [fetched(text)]
        except BalerError as error:
            raise DataError(str(error)) from error
    path = plain(folder / os.path.expanduser(text))  # that of Path refuses ~draft.csv
    if registry.takes_folder(path):
        return [path]
    if path.is_dir():
        if published_suffix(path.name):
            registry.reader_for(path)
        raise DataError(f"{path} is a folder: name files, such as {Path(text) / '*.root'}")
    if path.exists():
        return [path]
    if glob.has_magic(text):
        matches = sorted(plain(folder / match) for match in glob.glob(text, root_dir=folder, recursive=True))
        files = [match for match in matches if match.is_file() or registry.takes_folder(match)]
        if not files:
            raise DataError(f"no file matches {path}")
        return files
    raise DataError(no_such_file(path))


def data_files_in(folder: Path, registry: Registry) -> list[Path]:
    """Return the files of a folder that readers take by their suffixes, sorted; those of folders in it are left out.

    Raises
    ------
    DataError
        If there is none.
    """
    suffixes = _suffixes(registry)
    found = sorted(
        path
        for path in folder.iterdir()
        if not path.name.startswith(".")
        and (registry.takes_folder(path) or (path.is_file() and split_name(path, registry)[1].lower() in suffixes))
    )
    if not found:
        raise DataError(f"{folder}: no file in this folder is of a format that a reader here takes")
    return found


def _suffixes(registry: Registry) -> set[str]:
    return {s for one in registry.offers["reader"].values() for s in cast(type[Reader], one[0].component).suffixes}


def refuse_data_suffix(output: Path, registry: Registry, wanted: str) -> None:
    """Refuse to write a file of baler's under a name that says it is a data file of some format.

    Parameters
    ----------
    wanted
        The suffix that it should have.

    Raises
    ------
    ConfigError
        If a reader takes the suffix of `output`.
    """
    stem, suffix = split_name(output, registry)
    if suffix.lower() in _suffixes(registry):
        raise ConfigError(f"{output} would be taken for a data file, as its suffix is {suffix}: wanted {stem}{wanted}")


def refuse_no_data(path: Path, registry: Registry) -> None:
    """Refuse a path that is not of a data file, or of a folder that stands for one.

    Raises
    ------
    DataError
        With the nearest names where there is none.
    """
    if registry.takes_folder(path):
        return
    if path.is_dir():
        raise DataError(f"{path} is a folder: name one data file in it")
    if not path.exists():
        raise DataError(no_such_file(path))
    if not path.is_file():
        raise DataError(f"{path}: is a pipe or a device, not a data file")


def no_such_file(path: Path) -> str:
    """Return the sentence on a missing file, with the nearest names in its folder."""
    if not path.parent.is_dir():
        return f"{path}: no such file; there is no folder {path.parent}"
    names = [p.name for p in path.parent.iterdir() if p.is_file() and not p.name.startswith(".")]
    if not names:
        return f"{path}: no such file; its folder holds none"
    return f"{path}: no such file. {did_you_mean(path.name, names)}"


def _same_stem(found: dict[Path, int], registry: Registry) -> list[tuple[int, str]]:
    """Inputs whose results would overwrite each other."""
    by_stem: dict[str, Path] = {}
    complaints = []
    for path, stem in output_stems(list(found), registry).items():
        first = by_stem.setdefault(stem, path)
        if first != path:
            message = f"{path} and {first} would both become {stem}.bal: rename one, or run them with different outputs"
            complaints.append((found[path], message))
    return complaints


def output_stems(inputs: Sequence[Path], registry: Registry) -> dict[Path, str]:
    """Return what the results of each input are named by: its stem.

    Of files of one stem in several folders, as of a partitioned table, the folders below the common one come before it:
    `year=2020_part-0` and `year=2021_part-0`.
    """
    alike: dict[str, list[Path]] = {}
    for path in inputs:
        alike.setdefault(split_name(path, registry)[0], []).append(path)
    found = {path: name for stem, paths in alike.items() for path, name in _told_apart(stem, paths).items()}
    return {path: found[path] for path in inputs}


def output_stem(source: Path, inputs: Sequence[Path], registry: Registry) -> str:
    """Return the same of one of many inputs."""
    stem = split_name(source, registry)[0]
    others = (path for path in inputs if path != source and path.name.startswith(stem))
    alike = [source, *(path for path in others if split_name(path, registry)[0] == stem)]
    return _told_apart(stem, alike)[source]


def _told_apart(stem: str, alike: Sequence[Path]) -> dict[Path, str]:
    """Return names for files of one stem; what comes from addresses lies in folders that mean nothing."""
    folders = [path.absolute().parent for path in alike]
    if len({*folders}) == 1 or any(origin_of(path) != str(path) for path in alike):
        return dict.fromkeys(alike, stem)
    common = os.path.commonpath(folders)
    parts = [folder.relative_to(common).parts for folder in folders]
    return {path: "_".join((*own, stem)) for path, own in zip(alike, parts, strict=True)}
