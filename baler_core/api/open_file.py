"""Open a .bal file, or the manifest of many, from wherever it lies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from baler_core.api.how_opened import CACHE, Opening
from baler_core.errors import ConfigError, DamagedFile, FormatError
from baler_core.machine.addresses import name_of
from baler_core.machine.byte_source import ByteSource, Place

if TYPE_CHECKING:
    from baler_core.api.file import File
    from baler_core.api.file_set import FileSet

_MANIFEST = ".balset"


def open_file(
    place: Place | ByteSource,
    *,
    trained: str | Path | None = None,
    cache: str | int = CACHE,
    memory: str | int | None = None,
) -> File | FileSet:
    """Open a .bal file, reading its header alone; values are restored when they are asked for.

    A path or an address that ends in `.balset` is the manifest of many files: they are opened as one, joined along their leading dimensions.

    Parameters
    ----------
    place
        A path, an address that fsspec opens (`https://...`), the bytes of a file, or a binary file object.
    trained
        The file of trained models that it refers to; without it, that is looked for beside the .bal file.
    cache
        How many bytes of restored values are kept for the next question: `"256 MB"`.
    memory
        At most so many bytes may a group of a block take; None allows half of what there is for this process.

    Raises
    ------
    BalerError
        If the file is damaged, or a plugin that it needs is missing.
    """
    limit = None if memory is None else _bytes("memory", memory)
    opening = Opening(None if trained is None else Path(trained), _bytes("cache", cache), limit)
    if _is_manifest(place):
        from baler_core.api.file_set import FileSet

        return FileSet(str(place), opening)
    from baler_core.api.file import File

    return File(place, opening)


def _is_manifest(place: Place | ByteSource) -> bool:
    return isinstance(place, str | Path) and name_of(place).lower().endswith(_MANIFEST)


def refuse_manifest(place: Place | ByteSource) -> None:
    """Refuse a manifest where one file is wanted.

    Raises
    ------
    ConfigError
        If it is one.
    """
    if _is_manifest(place):
        raise ConfigError(f"{place!s}: lists many files, and one is wanted here: open_file opens all of them as one")


def open_one(
    place: Place | ByteSource,
    *,
    trained: str | Path | None = None,
    cache: str | int = CACHE,
    memory: str | int | None = None,
) -> File:
    """Open a single .bal file; as `open_file`, for libraries that expect an OSError where a file is damaged.

    Raises
    ------
    BalerError
        As `open_file`; or it is a manifest.
    """
    from baler_core.api.file import File

    refuse_manifest(place)
    with as_os_errors():
        found = open_file(place, trained=trained, cache=cache, memory=memory)
    assert isinstance(found, File)  # no manifest
    return found


def open_set(path: str | Path, *, trained: str | Path | None = None, cache: str | int = CACHE) -> FileSet:
    """Open the files of a manifest `NAME.balset` as one lazy data set, joined along their leading dimensions.

    Parameters
    ----------
    path
        Of the manifest, or its address (`https://...`): the files are looked for beside it.
    trained
        The file of trained models that the files refer to; without it, that is looked for beside them.
    cache
        How many bytes of restored values of each file are kept for the next question.

    Raises
    ------
    BalerError
        If the manifest or its first file is damaged, or the files have different variables.
    """
    from baler_core.api.file_set import FileSet

    return FileSet(path, Opening(None if trained is None else Path(trained), _bytes("cache", cache), None))


def _bytes(argument: str, stated: str | int) -> int:
    if type(stated) is int and stated >= 0:
        return stated
    from baler_core.config.schema import parse_size

    try:
        size = parse_size(stated)
    except ValueError as error:
        raise ConfigError(f"open_file({argument}={stated!r}): {error}") from error
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise ConfigError(f"open_file({argument}={stated!r}): wanted a size such as 256 MB")
    return size


@contextmanager
def as_os_errors() -> Iterator[None]:
    """Give damage as libraries expect it of files.

    Raises
    ------
    DamagedFile
        In place of a FormatError, of which it is one, as it is an OSError.
    """
    try:
        yield
    except FormatError as error:
        if isinstance(error, OSError):
            raise
        raise DamagedFile(str(error)) from error
