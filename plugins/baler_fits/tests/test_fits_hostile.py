"""Records of a `.bal` file that a stranger changed: a FormatError or a file, nothing else, and nothing beside it."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from baler_core.testing import check_hostile_reader
from baler_fits.reader import FitsReader

from .test_fits_tables import fixed_columns, jagged_columns, write_table
from .test_fits_tiles import write_tiles

CARDS = ("0", "-1", "7", "2880", str(2**31), str(2**62), "1E999", "'PE(3)'", "'1QD(9)'", "'99999999D'", "T", "F", "", "'RICE_1'")  # fmt: skip


def with_another_card(header: str, random: np.random.Generator) -> str:
    """A header of which a card is gone, there twice, or of another value."""
    place, what = int(random.integers(len(header) // 80)) * 80, random.random()
    if what < 0.1:
        return header[:place] + header[place + 80 :]
    if what < 0.2:
        return header[: place + 80] + header[place:]
    return f"{header[: place + 10]}{random.choice(CARDS):>20}{header[place + 30 :]}"


def write_padded(path: Path) -> None:
    image = fits.PrimaryHDU(np.arange(100, dtype="i2").reshape(10, 10))
    fits.HDUList([image]).writeto(path, checksum=True)
    raw = bytearray(path.read_bytes())
    raw[2879] = raw[-1] = 65
    path.write_bytes(bytes(raw) + b"something else")


WRITERS: dict[str, Callable[[Path], None]] = {
    "table": lambda path: write_table(path, fixed_columns()),
    "jagged": lambda path: write_table(path, jagged_columns()),
    "tiles": lambda path: write_tiles(path, np.arange(400, dtype="i2").reshape(20, 20), "RICE_1"),
    "floats": lambda path: write_tiles(
        path, np.random.default_rng(1).normal(size=(20, 20)).astype("f4"), "RICE_1", quantize_level=8
    ),
    "padded": write_padded,
}


@pytest.mark.parametrize("name", ["original.fits", "original.fits.gz"])
@pytest.mark.parametrize("kind", WRITERS)
def test_changed_records_give_one_sentence_or_a_file(kind: str, name: str, tmp_path: Path) -> None:
    WRITERS[kind](tmp_path / "original.fits")
    if name.endswith(".gz"):
        (tmp_path / name).write_bytes(gzip.compress((tmp_path / "original.fits").read_bytes()))
    (tmp_path / "out").mkdir()
    cases = 40 if name.endswith(".gz") or kind in ("tiles", "floats") else 150
    restored = check_hostile_reader(
        FitsReader(),
        tmp_path / name,
        tmp_path / "out",
        cases=cases,
        odd=("rows", "Z99", [3]),
        damage_text=with_another_card,
    )
    assert 0 < restored < cases
