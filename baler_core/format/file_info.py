"""Read what a .bal file says about itself, without decoding a value or loading a plugin."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from baler_core.errors import BalerError, FormatError
from baler_core.format.container import BalReader
from baler_core.format.header import Header
from baler_core.format.header_json import header_from_json


class Info(NamedTuple):
    """What a .bal file says about itself, without decoding a value.

    Attributes
    ----------
    file_bytes
        Length of the file.
    block_bytes, state_bytes
        Bytes of each block, and of all that models learned.
    """

    path: Path
    header: Header
    file_bytes: int
    block_bytes: tuple[int, ...]
    state_bytes: int

    @property
    def ratio(self) -> float:
        """Compression ratio against the native bytes of all values, everything in the file counted."""
        return self.header.input_bytes / self.file_bytes


def read_info(path: Path) -> Info:
    """What the file says about itself; needs none of the plugins it was made with."""
    with BalReader(path) as stored:
        header = header_of(stored)
        lengths = [section.length for section in stored.sections]
        blocks = tuple(lengths[header.first_block : header.first_block + len(header.blocks)])
        states = sum(lengths[section] for group in header.groups for section in group.state_sections)
        return Info(path, header, stored.file_bytes, blocks, states)


def header_of(stored: BalReader) -> Header:
    """The checked header of an open file."""
    try:
        return header_from_json(stored.header, len(stored.sections))
    except BalerError as error:
        raise FormatError(f"{stored.path}: {' '.join(str(error).split())}") from error
