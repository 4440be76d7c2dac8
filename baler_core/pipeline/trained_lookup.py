"""Finds the file of trained models that a .bal file refers to, and makes sure that it is that very file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from baler_core.errors import FormatError
from baler_core.format.header import TrainedRecord


class Lookup(NamedTuple):
    """Where to look for files of trained models, beside the .bal file itself.

    Attributes
    ----------
    path
        The file that the user named; then it is looked for nowhere else.
    folders
        Further folders, such as that of the configuration.
    """

    path: Path | None = None
    folders: tuple[Path, ...] = ()


def checksum(path: Path) -> str:
    """SHA-256 of a file, as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def find_trained(wanted: TrainedRecord, bal: Path | str, lookup: Lookup) -> Path:
    """The file that the .bal file `bal` refers to.

    Raises
    ------
    FormatError
        If it is not there, or another file has its name; the message says where it was looked for.
    """
    tried = []
    for path in _candidates(wanted, bal, lookup):
        if not path.is_file():
            tried.append(f"{path} (not there)")
            continue
        found = checksum(path)
        if found == wanted.sha256:
            return path
        tried.append(f"{path} (another file, SHA-256 {found})")
    from baler_core.plugin.profiles import profile_files

    for path in () if lookup.path is not None else profile_files():
        if checksum(path) == wanted.sha256:
            return path
        if path.name == wanted.name:
            tried.append(f"{path} (another version of this profile)")
    raise FormatError(
        f"{bal}: needs the trained models of {wanted.name!r} (SHA-256 {wanted.sha256}), which it was compressed with. "
        f"Looked for at {' and '.join(tried)}. "
        f"Put that file beside {Path(bal).name}, or say where it is with --model FILE (from Python: trained=FILE)"
    )


def needed_to_restore(bal: Path, wanted: TrainedRecord | None, lookup: Lookup) -> list[Path]:
    """Return the files without which a .bal file cannot be restored: itself, and the trained models that it refers to.

    Raises
    ------
    FormatError
        If these are not found.
    """
    named = [lookup.path] if lookup.path is not None else []
    return [bal, *named, *([] if wanted is None else [find_trained(wanted, bal, lookup)])]


def _candidates(wanted: TrainedRecord, bal: Path | str, lookup: Lookup) -> Iterable[Path]:
    if lookup.path is not None:
        return (lookup.path,)
    return dict.fromkeys(folder / wanted.name for folder in (Path(bal).parent, *lookup.folders))
