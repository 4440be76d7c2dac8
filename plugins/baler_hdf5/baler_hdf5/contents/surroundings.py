"""Keep bytes before and after the HDF5 part of a file: user blocks (MATLAB, LIGO) and trailing bytes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from baler_core import DataError, FormatError

USER_BLOCK, TRAILING = "user_block", "trailing"
# Where the first version numbers of superblocks say where the file ends (HDF5 File Format Specification, II.A).
END_AT = {0: 40, 1: 44, 2: 28, 3: 28}
# A file that grew and was cut off has this much behind its end at most; it is held in memory.
LARGEST_TRAILING = 2**28


def read_surroundings(path: Path, user_block: int) -> dict[str, bytes]:
    """Return the bytes before and behind the HDF5 part of a file, by name; nothing for what is not there.

    Parameters
    ----------
    user_block
        Bytes before it.

    Raises
    ------
    DataError
        If more stands behind it than memory is meant for.
    """
    found = {}
    with path.open("rb") as file:
        before = file.read(user_block)
        end = _end_of_hdf5(file.read(64))
    if user_block:
        found[USER_BLOCK] = before
    behind = read_behind(path, end) if end is not None else b""
    if behind:
        found[TRAILING] = behind
    return found


def read_behind(path: Path, end: int) -> bytes:
    """Return the bytes of a file from `end` on.

    Raises
    ------
    DataError
        If there are more of them than memory is meant for.
    """
    size = path.stat().st_size
    if size - end > LARGEST_TRAILING:
        raise DataError(f"{path}: {size - end} bytes follow the end of its contents: remove them first")
    with path.open("rb") as file:
        file.seek(end)
        return file.read()


def _end_of_hdf5(superblock: bytes) -> int | None:
    """Where the HDF5 part ends, from the beginning of the file; None where the superblock does not tell."""
    version = superblock[8] if len(superblock) > 8 else None
    if version not in END_AT:
        return None
    offset_bytes = superblock[13] if version < 2 else superblock[9]
    if offset_bytes != 8:
        return None
    start = END_AT[version]
    return int.from_bytes(superblock[start : start + 8], "little")


def user_block_size(attachments: Mapping[str, bytes]) -> int:
    """Return how large the user block of the restored file must be.

    Raises
    ------
    FormatError
        If HDF5 has no blocks of that size.
    """
    size = len(attachments.get(USER_BLOCK, b""))
    if size and (size < 512 or size & (size - 1)):
        raise FormatError(
            f"the record of the original file has a user block of {size} bytes, no power of 2 from 512 on"
        )
    return size


def write_surroundings(path: Path, attachments: Mapping[str, bytes]) -> None:
    """Put the bytes back into a finished file."""
    if not attachments.get(USER_BLOCK) and not attachments.get(TRAILING):
        return
    with path.open("r+b") as file:
        file.write(attachments.get(USER_BLOCK, b""))
        file.seek(0, 2)
        file.write(attachments.get(TRAILING, b""))
