"""Records of a `.bal` file that a stranger changed: a FormatError or a file, nothing else, and nothing beside it."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from baler_core import FormatError, Schema
from baler_core.testing import check_hostile_reader
from baler_fits.reader import FitsReader

from .test_fits_tables import fixed_columns, jagged_columns, write_table
from .test_fits_tiles import write_tiles

STRANGE = (
    None,
    True,
    -1,
    0,
    7,
    2**31,
    2**63,
    1e999,
    "",
    "x",
    "../../x",
    "/etc/x",
    "\u2603",
    [],
    [3],
    {},
    {"a": 1},
    "rows",
    "Z99",
)
CARDS = ("0", "-1", "7", "2880", str(2**31), str(2**62), "1E999", "'PE(3)'", "'1QD(9)'", "'99999999D'", "T", "F", "", "'RICE_1'")  # fmt: skip


def changed(record: Any, numbers: random.Random) -> Any:
    """A JSON value with one thing in it deleted, replaced, repeated or, in a header, one value of a card changed."""
    if isinstance(record, dict) and record and numbers.random() < 0.9:
        key = numbers.choice(list(record))
        rest = {other: value for other, value in record.items() if other != key}
        return rest if numbers.random() < 0.1 else rest | {key: changed(record[key], numbers)}
    if isinstance(record, list) and record and numbers.random() < 0.9:
        place = numbers.randrange(len(record))
        what = numbers.random()
        if what < 0.1:
            return record[:place] + record[place + 1 :]
        if what < 0.2:
            return [*record, record[place]]
        return [*record[:place], changed(record[place], numbers), *record[place + 1 :]]
    if isinstance(record, str) and len(record) >= 80 and numbers.random() < 0.95:
        place = numbers.randrange(len(record) // 80) * 80
        what = numbers.random()
        if what < 0.1:
            return record[:place] + record[place + 80 :]
        if what < 0.2:
            return record[:place] + record[place : place + 80] + record[place:]
        return f"{record[: place + 10]}{numbers.choice(CARDS):>20}{record[place + 30 :]}"
    return numbers.choice(STRANGE)


def broken_attachments(schema: Schema, numbers: random.Random) -> dict[str, bytes]:
    """The attachments with one of them cut, filled with noise, made long, renamed or taken away."""
    found = dict(schema.attachments)
    if not found or numbers.random() < 0.6:
        return found
    name = numbers.choice(list(found))
    raw = found.pop(name)
    what = numbers.choice(["cut", "noise", "long", "renamed", "gone"])
    if what == "cut":
        found[name] = raw[: len(raw) // 2]
    elif what == "noise":
        found[name] = numbers.randbytes(len(raw))
    elif what == "long":
        found[name] = raw + bytes(3000)
    elif what == "renamed":
        found["../" + name] = raw
    return found


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


@pytest.mark.parametrize("kind", WRITERS)
def test_changed_records_give_a_format_error_or_a_file(kind: str, tmp_path: Path) -> None:
    path, folder = tmp_path / "original.fits", tmp_path / "out"
    folder.mkdir()
    WRITERS[kind](path)
    with FitsReader().open(path) as source:
        schema, blocks = source.schema, list(source.blocks(10_000))
    numbers = random.Random(7)
    outcomes = set()
    for _ in range(TRIALS.get(kind, 150)):
        skeleton = copy.deepcopy(dict(schema.skeleton))
        for _ in range(numbers.choice([1, 1, 2])):
            skeleton = changed(skeleton, numbers)
            if not isinstance(skeleton, dict):
                skeleton = {"hdus": skeleton}
        try:
            sink = FitsReader().create(
                folder / "restored.fits",
                replace(schema, skeleton=skeleton, attachments=broken_attachments(schema, numbers)),
            )
            try:
                for block in blocks:
                    sink.write(block)
                sink.close()
            except BaseException:
                sink.abort()
                raise
            outcomes.add("restored")
        except FormatError:
            outcomes.add("refused")
        assert {entry.name for entry in folder.iterdir()} <= {"restored.fits"}
    assert {entry.name for entry in tmp_path.iterdir()} == {"original.fits", "out"}
    assert outcomes == {"restored", "refused"}


TRIALS = {"tiles": 60, "floats": 60}


@pytest.mark.parametrize("name", ["a.fits", "a.fits.gz"])
def test_the_reader_stands_the_checks_of_the_core(tmp_path: Path, name: str) -> None:
    image = np.random.default_rng(1).normal(size=(8, 9)).astype("f4")
    fits.HDUList([fits.PrimaryHDU(image), fits.BinTableHDU.from_columns(fixed_columns())]).writeto(tmp_path / name)
    (tmp_path / "out").mkdir()
    check_hostile_reader(FitsReader(), tmp_path / name, tmp_path / "out", cases=60)
