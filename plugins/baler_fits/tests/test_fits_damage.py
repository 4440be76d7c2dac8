"""Damaged files and records: a clear error or everything kept, never anything else."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baler_core import DataError, FormatError
from baler_fits.reader import FitsReader

from .test_fits_roundtrip import identical, restore
from .test_fits_tables import fixed_columns, jagged_columns, write_table
from .test_fits_tiles import write_tiles

KEYWORDS = ("BITPIX", "NAXIS", "NAXIS1", "NAXIS2", "PCOUNT", "TFIELDS", "THEAP", "TFORM3", "TDIM13", "TNULL4", "ZTILE1")
VALUES = ("0", "-1", "7", "2880", str(2**31), str(2**62), "1E999", "'PE(3)'", "'99999999D'", "T", "")


def damaged(raw: bytes, rng: random.Random) -> bytes:
    """The file with some header values and some bytes changed, at times cut short."""
    changed = bytearray(raw)
    for _ in range(rng.choice([1, 2, 5])):
        at = raw.find(f"{rng.choice(KEYWORDS):<8}=".encode())
        if at >= 0 and rng.random() < 0.6:
            changed[at + 10 : at + 30] = f"{rng.choice(VALUES):>20}".encode()
        else:
            changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed[: rng.randrange(len(changed))] if rng.random() < 0.1 else changed)


def test_damaged_files_give_clear_errors_or_are_restored(tmp_path: Path) -> None:
    rng = random.Random(1)
    table, tiles, broken, out = (tmp_path / name for name in ("a.fits", "b.fits", "c.fits", "d.fits"))
    write_table(table, fixed_columns() + jagged_columns()[1:])
    write_tiles(tiles, np.arange(1200, dtype="i2").reshape(30, 40), "RICE_1")
    outcomes = set()
    for n in range(150):
        broken.write_bytes(damaged((table if n % 2 else tiles).read_bytes(), rng))
        try:
            restore(broken, out, max_bytes=10_000)
            outcomes.add("restored")
        except DataError:
            outcomes.add("refused")
    assert outcomes == {"restored", "refused"}


def test_tiles_that_point_outside_their_table_are_kept_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "tiles.fits"
    write_tiles(path, np.arange(1200, dtype="i2").reshape(30, 40), "RICE_1")
    raw = bytearray(path.read_bytes())
    start = len(raw) - 2880  # the table and its heap are one block
    assert raw[start : start + 4] == np.array(raw[start + 3], ">i4").tobytes()
    raw[start] = 0xDA
    path.write_bytes(raw)
    with FitsReader().open(path) as source:
        assert not source.warnings
        assert "outside its data" in source.schema["SCI"].label
    identical(path, tmp_path)


def test_bytes_lost_inside_a_tile_are_reported(tmp_path: Path) -> None:
    path = tmp_path / "tiles.fits"
    write_tiles(path, np.random.default_rng(1).integers(0, 9999, (30, 40)).astype("i2"), "GZIP_1")
    raw = path.read_bytes()
    at = raw.index(b"\x1f\x8b", 5760 + 1000)
    path.write_bytes(raw[:at] + b"\0" * 40 + raw[at + 40 :])
    with pytest.raises(DataError, match="damaged in rows"):
        restore(path, tmp_path / "out.fits")


def _drop_variables(record: dict[str, Any]) -> None:
    record["variables"] = []


def _rename(record: dict[str, Any]) -> None:
    record["variables"] = ["x", *record["variables"][1:]]


def _huge(record: dict[str, Any]) -> None:
    record["header"] = record["header"].replace(f"NAXIS2  = {50:>20}", f"NAXIS2  = {10**12:>20}")


def _huge_heap(record: dict[str, Any]) -> None:
    at = record["header"].index("PCOUNT")
    record["header"] = f"{record['header'][: at + 10]}{10**15:>20}{record['header'][at + 30 :]}"


def _negative_lengths(record: dict[str, Any]) -> None:
    record["heap"]["lengths"][0] = -(10**6)


def _no_cards(record: dict[str, Any]) -> None:
    record["header"] = "END"


def _no_header(record: dict[str, Any]) -> None:
    del record["header"]


@pytest.mark.parametrize(
    "spoil", [_drop_variables, _rename, _huge, _huge_heap, _negative_lengths, _no_cards, _no_header]
)
def test_records_that_do_not_fit_are_refused(spoil: Callable[[dict[str, Any]], None], tmp_path: Path) -> None:
    path = tmp_path / "table.fits"
    write_table(path, jagged_columns())
    with FitsReader().open(path) as source:
        schema = source.schema
    spoil(schema.skeleton["hdus"][1])
    with pytest.raises(FormatError, match="record of a FITS"):
        FitsReader().create(tmp_path / "out.fits", replace(schema))
