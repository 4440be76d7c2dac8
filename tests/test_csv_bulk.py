"""Cells read in bulk are those, and only those, that Python spells the same; all others come back too."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

import baler_core
from baler_core.builtin.readers.csv import source as csv_source
from baler_core.builtin.readers.csv.bulk import BulkRows, plain_rows, spelling_of
from baler_core.builtin.readers.csv.files import CsvReader
from baler_core.builtin.readers.csv.numbers import number_writer
from baler_core.builtin.readers.csv.options import CsvOptions

FORMATS = ("d", "r", "j", ".0f", ".1f", ".3f", ".9f", ".0e", ".4e", ".6E", ".14e")
ODD = (
    *("", "-", "+1", "1.", ".5", "00", "01", "-0", "-0.0", "0.0", "1e5", "1e+5", "1.0e+05", "nan", "inf", "1_000"),
    *("0.0001", "0.00001", "1e-05", "0.1000", "999999999999999.9", "9007199254740993", "123456789012345678"),
    *(
        "1234567890123456789012",
        "0.30000000000000004",
        "1.5e+22",
        "1.5000e+22",
        "1.5000e+23",
        "9.9999e-99",
        "1.0000e-00",
    ),
    *("0.0000e+00", "-0.0000e+00", "0.0000e+01", "0.1000e+01", "10.0000e+01", "1.0000e+100", "1.0000e+007", " 1", "1 "),
)


def rows_of(cells: list[str]) -> BulkRows:
    found = plain_rows([f"{cell},x\n" for cell in cells], ",", '"', "#", 2)
    assert found is not None
    return found


def candidates(number: str, rng: random.Random) -> list[str]:
    """Cells in this format and in others, and strange ones."""
    values = [rng.uniform(-1, 1) * 10 ** rng.randint(-30, 30) for _ in range(400)]
    values += [round(rng.uniform(-1000, 1000), rng.randint(0, 6)) for _ in range(400)]
    values += [float(rng.randint(-(10**6), 10**6)) for _ in range(100)]
    written = [number_writer(each)(value) for each in (number, "r", ".3f", ".4e") for value in values]
    return [*written, *(str(rng.randint(-(10**19), 10**19)) for _ in range(100)), *ODD]


@pytest.mark.parametrize("number", FORMATS)
def test_what_is_read_in_bulk_has_the_value_and_the_spelling_that_python_gives(number: str) -> None:
    cells = candidates(number, random.Random(number))
    spelling = spelling_of(number)
    assert spelling is not None
    values, odd = rows_of(cells).numbers(0, spelling)
    good = np.setdiff1d(np.arange(len(cells)), odd).tolist()
    assert len(good) > 100
    for place in good:
        if number == "d":
            assert str(values[place]) == cells[place]
        else:
            assert repr(float(values[place])) == repr(float(cells[place]))
            assert number_writer(number)(float(values[place])) == cells[place]


@pytest.mark.parametrize("number", ["r", ".3f", ".4e"])
def test_few_short_numbers_in_the_format_are_odd(number: str) -> None:
    rng = random.Random(1)
    cells = [number_writer(number)(round(rng.uniform(-1000, 1000), 5)) for _ in range(1000)]
    spelling = spelling_of(number)
    assert spelling is not None
    assert len(rows_of(cells).numbers(0, spelling)[1]) <= 2


@pytest.mark.parametrize(
    "lines",
    [
        ["1,2\n", "3\n"],
        ["1,2\n", "3,4,5\n"],
        ["1,2\n", "\n"],
        ["1,2\r\n", "3,4\r\n"],
        ['1,"2"\n', "3,4\n"],
        ["1,2\n", "#3,4\n"],
        ["1,2\n", "3,ä\n"],
        ["1,2\n", "3,4"],
        [],
    ],
)
def test_rows_that_are_not_plain_are_left_to_the_careful_reader(lines: list[str]) -> None:
    assert plain_rows(lines, ",", '"', "#", 2) is None


def table(rows: int, rng: random.Random) -> str:
    """A table whose columns are mostly plain, with everything that happens to cells here and there."""
    lines = ["n,whole,short,fixed,power,word,late"]
    for row in range(rows):
        odd = rng.random() < 0.02
        lines.append(
            ",".join(
                [
                    str(row),
                    rng.choice(["", "NA", "+7"]) if odd and row > 9000 else str(rng.randint(-99, 99)),
                    rng.choice(["nan", "", "1e-07", "1.50"]) if odd else repr(round(rng.gauss(0, 30), 4)),
                    f"{rng.gauss(0, 9):.3f}" if rng.random() < 0.999 else f"{rng.gauss(0, 9):.5f}",
                    f"{rng.expovariate(1e-3):.5e}",
                    rng.choice(["jet", "muon", "electron"]),
                    str(row) if row < rows - 5 else f"{row}.25",
                ]
            )
        )
    return "\n".join(lines) + "\n"


def read(path: Path, block_bytes: int) -> tuple[object, dict[str, list[object]], int]:
    """What the reader makes of a table: its schema, its values, and how many blocks."""
    with CsvReader(CsvOptions()).open(path) as source:
        blocks = list(source.blocks(block_bytes))
        schema = source.schema
    values = {name: [v for block in blocks for v in block.variables[name].values.tolist()] for name in schema.names}
    return schema, values, len(blocks)


def test_a_table_with_odd_cells_comes_back_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(table(10_000, random.Random(5)))
    packed, restored = tmp_path / "t.bal", tmp_path / "back.csv"
    baler_core.compress(path, packed, model="exact")
    baler_core.decompress(packed, restored, overwrite=True)
    assert restored.read_bytes() == path.read_bytes()


def test_a_table_read_in_bulk_is_the_same_as_cell_by_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.csv"
    path.write_text(table(10_000, random.Random(6)))
    kept = read(path, 1 << 30)
    monkeypatch.setattr(csv_source, "_KEPT_BYTES", 0)
    *again, blocks = read(path, 200_000)  # values are not kept from the first pass, and read in bulk once more
    assert blocks > 1
    assert repr(again) == repr(list(kept[:2]))
    monkeypatch.setattr(csv_source.CsvSource, "_is_simple", False)
    assert repr(read(path, 1 << 30)) == repr(kept)
