"""Load the dictionary of likely header text with which headers of .bal files are compressed."""

from __future__ import annotations

from pathlib import Path

# Files cannot be read with another text than they were written with: another text is another file, and a new version of
# the format. What is most likely stands last, where references to it are shortest.
_NAME = "header_dictionary_1.txt"


def header_dictionary() -> bytes:
    """Read the text of version 1: header cards of FITS, attributes of NetCDF, titles of ROOT, the frame of a header."""
    return Path(__file__).with_name(_NAME).read_bytes()
