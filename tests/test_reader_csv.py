"""Text tables: types found, values exact, and the text itself back where the columns allow it."""

from __future__ import annotations

import dataclasses
import gzip
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baler_core.builtin.readers.csv.columns import ColumnForm
from baler_core.builtin.readers.csv.files import CsvReader
from baler_core.builtin.readers.csv.numbers import likeliest_format, number_writer
from baler_core.data.block import make_block, values_of
from baler_core.errors import DataError, FormatError


def csv_file(tmp_path: Path, content: str | bytes, name: str = "a.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def columns(path: Path, variables=None, **options) -> dict[str, np.ndarray]:
    """All values of a file, by column."""
    reader = CsvReader(CsvReader.Options(**options))
    with reader.open(path, variables) as source:
        blocks = list(source.blocks(200))
        assert [values_of(blocks[0], v.name).dtype for v in source.schema.variables] == [
            v.numpy_dtype for v in source.schema.variables
        ]
        return {name: np.concatenate([values_of(b, name) for b in blocks]) for name in source.schema.names}


def restored(path: Path, variables=None, **options) -> bytes:
    """The bytes of a file that went through blocks and a skeleton in JSON."""
    reader = CsvReader(CsvReader.Options(**options))
    target = path.with_name("restored")
    with reader.open(path, variables) as source:
        skeleton = json.loads(json.dumps(source.schema.skeleton))
        sink = CsvReader().create(target, dataclasses.replace(source.schema, skeleton=skeleton))
        for block in source.blocks(300):
            sink.write(block)
        sink.close()
    return target.read_bytes()


FILES = {
    "plain": "a,b,c\n1,1.5,x\n2,-0.25,y\n",
    "no header": "1,1.5,x\n2,-0.25,y\n",
    "tabs": "a\tb\n1\t2.5\n",
    "semicolons": "a;b\n1;2,5\n3;4,5\n",
    "spaces": "a b c\n1 2.5 word\n3 4.5 other\n",
    "bars": "a|b\n1|2\n",
    "comma and space": "a, b, c\n1, 2.5, x\n2, 3.5, y\n",
    "windows": "a,b\r\n1,2\r\n3,4\r\n",
    "old mac, no last line end": "a,b\r1,2\r3,4",
    "comments": "# made by hand\n#\n# COLUMN a: something, something\na,b\n1,2\n",
    "names in a comment": "# x y z\n1.5 2.5 3.5\n",
    "quoted text": 'name,value\n"a, b",1\n"say ""hi""",2\nplain,3\n',
    "all quoted": '"a","b"\n"x","1"\n"y","2"\n',
    "text quoted": '"a","b"\n"x",1\n"y",2\n',
    "line end in a cell": 'a,b\n"two\nlines",1\n"x",2\n'.replace('"x"', "x"),
    "empty cells": "i,f,t\n1,1.5,\n,,x\n3,nan,y\n".replace("nan", ""),
    "words for missing": "i,f\n1,1.5\nNA,NA\n3,2.5\n",
    "missing called nan": "f\n1.5\nnan\n",
    "only missing": "a,b\n,1\n,2\n",
    "one column with an empty cell": 'a\n1\n""\n3\n',
    "fixed decimals": "a,b\n1.50,100.000\n0.25,-3.125\n-0.00,1.000\n",
    "exponents": "a,b\n1.250e+00,1.25E+00\n-3.000e-12,-3.00E-12\n",
    "six digits": "a\n" + "".join(f"{x:g}\n" for x in (37.5667, 0, 1.5e-7, 1234567, 20, 3e22)),
    "java": "a\n1.0E-4\n-9.612706755363822E-4\n0.0\n1.0\n1.2345678E7\n",
    "numpy savetxt": "1.000000000000000000e+00 -2.500000000000000052e-03\n3.330000000000000182e-01 0.000000000000000000e+00\n",
    "names as numbers": "id,v\n007,1\n012,2\n",
    "large integers": "a,b\n9007199254740993,18446744073709551615\n-9223372036854775808,0\n",
    "beyond 64 bits": "a\n18446744073709551616\n1\n",
    "unicode": "naïve [µm],Zürich\n1,ä\n2,ö\n",
    "infinities": "a\n1.5\ninf\n-inf\n",
    "repeated and empty names": "a,a,\n1,2,3\n",
    "header only": "a,b\n",
    "booleans": "flag\nTrue\nFalse\n",
    "underscores": "a\n1_000\n2_000\n",
    "names that look like numbers": "w,c\n50060e8007123400,12345e6\n50060e8007123402,98765e4\n",
    "several spellings": "v,n,i,e\n1.10,+2,infinity,1E5\n1.9,-0,-inf,2e+05\n2.00,7,INF,1e-7\n0,0,1.5,.5\n",
    "more digits than floats keep": "a,b\n0.12345678901234567891,1\n0.98765432109876543219,2\n",
    "ids beside a fraction": "a\n9007199254740993\n0.5\n",
    "a fraction before ids": "a\n0.5\n9007199254740993\n",
    "mixed words for missing": "f,i\nNA,1\nnan,\n,NA\nnull,-\n-,2\n1.5,--\n",
    "blank lines": "a,b\n\n1,2\n\n   \n3,4\n\n\n",
    "mixed line ends": "a,b\r\n1,2\n3,4\r\n5,6\r7,8",
    "comments between rows": '# top\na,b\n1,2.5\n# later, "on\n2,3.5\n#end\n',
    "comments between rows alone": "a,b\n" + "1,2.5\n" * 20 + "# later, on\n3,4.5\n",
    "hashes in cells": "colour,n\n#ff0000,1\nred,2\n#00ff00,3\n",
    "some cells quoted": 'a,b\n"1",x\n2,"y"\n3,""\n4,\n"5",z\n',
    "text of R": '"","a"\n"1",NA\n"2","x y"\n"3",NA\n',
    "aligned right": "     a      b\n" + "".join(f"{i:6d} {i / 7:9.3f}\n" for i in range(0, 3000, 100)),
    "aligned left": "a        b\n" + "".join(f"{'x' * (i % 7 + 1):<8s} {i / 7:<9.3f}\n" for i in range(30)),
    "signs and widths": "".join(f"{(-1) ** i * i / 7: .5e}  {i / 3:+.2f}\n" for i in range(30)),
    "padded between commas": "a,b\n" + "".join(f"{i / 3:10.3f},{i:8d}\n" for i in range(30)),
    "blanks around bars": " id | name  |  v\n----+-------+-----\n"
    + "".join(f" {i:2d} | {'ab'[: i % 3]:<5s} | {i / 3:4.1f}\n" for i in range(30)),
    "decimal commas": "t;x\n1;0,5\n2;1,25\n3;-7,125\n",
    "thousands": "t;x\n1;1,500\n2;12,250\n",
    "units below the names": "time,flux\ns,Jy\n1,0.5\n2,0.25\n3,0.125\n",
    "a title": "Run 5\n\na,b\n1,2\n3,4\n5,6\n7,8\n9,0\n1,2\n3,4\n5,6\n7,8\n9,0\n1,2\n3,4\n5,6\n7,8\n9,0\n1,2\n3,4\n5,6\n",
    "blanks in cells of fixed width": "Name       Mag  Note\n"
    + "".join(
        f"{f'HD {i}':<9s} {'' if i % 3 else f'{i / 9:.2f}':>5s}  {'a b'[: i % 4]}".rstrip() + "\n" for i in range(40)
    ),
    "zeros before": "".join(f"{i / 7:010.6f};{i - 15:+06.1f}\n" for i in range(30)),
}


@pytest.mark.parametrize("name", FILES)
def test_the_text_comes_back(name, tmp_path):
    path = csv_file(tmp_path, FILES[name])
    assert restored(path).decode() == FILES[name]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_other_encodings_come_back(encoding, tmp_path):
    content = FILES["unicode"].encode(encoding)
    assert restored(csv_file(tmp_path, content)) == content


@pytest.mark.parametrize("order", ["le", "be"])
def test_both_orders_of_bytes_come_back(order, tmp_path):
    content = ("\ufeff" + FILES["unicode"]).encode(f"utf-16-{order}")
    path = csv_file(tmp_path, content)
    assert columns(path)["Zürich"].tolist() == ["ä", "ö"]
    assert restored(path) == content


def test_a_stray_byte_far_behind_is_no_obstacle(tmp_path):
    content = b"a,b\n" + b"1,x\n" * 30_000 + b"2,\xff\n"
    assert restored(csv_file(tmp_path, content)) == content


def test_a_compressed_table_is_read_and_comes_back_compressed(tmp_path):
    path = csv_file(tmp_path, gzip.compress(FILES["plain"].encode()), "a.csv.gz")
    assert columns(path)["b"].tolist() == [1.5, -0.25]
    assert gzip.decompress(restored(path)).decode() == FILES["plain"]
    cut = csv_file(tmp_path, path.read_bytes()[:-9], "b.csv.gz")
    with pytest.raises(DataError, match=r"b\.csv\.gz: cannot be read"):
        columns(cut)


VIZIER = (
    "#\n#Name: I/239\n#Column\tRAdeg\t(F10.6)\tRight ascension [ucd=pos.eq.ra]\n#Column\tHIP\t(I6)\tNumber [ucd=meta.id]\n"
    "#Column\tVmag\t(F5.2)\t? Magnitude [ucd=phot.mag;em.opt.V]\n#Column\te_V\t(F4.2)\tError [ucd=stat.error;phot.mag]\n"
    "RAdeg\tHIP\tVmag\te_V\ndeg\t \tmag\tmag\n----------\t------\t-----\t----\n"
    "000.000899\t     1\t 9.10\t0.01\n003.797343\t 37279\t     \t0.02\n359.999\t118322\t10.25\t    \n\n"
)


@pytest.mark.parametrize("separator", ["\t", ";", "|"])
def test_a_table_of_vizier_is_read_as_what_it_is(separator, tmp_path):
    lines = [line if line[:1] == "#" else line.replace("\t", separator) for line in VIZIER.split("\n")]
    text = "\n".join(lines)
    path = csv_file(tmp_path, text)
    with CsvReader().open(path) as source:
        told = {v.name: (v.dtype, v.units, v.role) for v in source.schema.variables}
    assert told == {
        "RAdeg": ("<f8", "deg", "position"),
        "HIP": ("<i8", "", "identifier"),
        "Vmag": ("<f8", "mag", "measured"),
        "e_V": ("<f8", "mag", "uncertainty"),
    }
    assert np.array_equal(columns(path)["Vmag"], [9.1, math.nan, 10.25], equal_nan=True)
    assert restored(path).decode() == text
    assert restored(path, ["HIP", "Vmag"]).decode().splitlines()[6:10] == [
        line.replace("|", separator) for line in ["HIP|Vmag", " |mag", "------|-----", "     1| 9.10"]
    ]


TABLES_WITH_HEADS = {
    "R": (
        "mpg\tp.value\n" + '"Car 1"\t2.5\t1e-9\n"Car 2"\t3.5\t2e-9\n' * 9,
        ["column0", "mpg", "p.value"],
        ["", "", ""],
    ),
    "a logger": (
        '"TOA5","st"\n"TIMESTAMP","T","RH"\n"TS","Deg C","%"\n"","Avg","Smp"\n' + '"2024-01-01",2.5,3\n' * 9,
        ["TIMESTAMP", "T", "RH"],
        ["TS", "Deg C", "%"],
    ),
    "units below names": (
        "#HJD mag err\n#(d) (mag) (mag)\n" + "24.5 3.5 0.1\n" * 9,
        ["HJD", "mag", "err"],
        ["", "", ""],
    ),
}


@pytest.mark.parametrize("first", ["101", "1012,10-3", "10", "1e3"])
def test_a_row_with_a_number_is_no_row_of_units(first: str, tmp_path: Path) -> None:
    names = "run" if "," not in first else "run,rate"
    rows = [first, *([first.replace("10-3", "0.001")] * 5)]
    path = csv_file(tmp_path, "\n".join([names, *rows]) + "\n")
    with CsvReader().open(path) as source:
        assert source.schema.sizes["row"] == 6
        assert not any(v.units for v in source.schema.variables)


@pytest.mark.parametrize("name", TABLES_WITH_HEADS)
def test_names_and_units_are_found_where_programs_write_them(name, tmp_path):
    text, names, units = TABLES_WITH_HEADS[name]
    path = csv_file(tmp_path, text)
    with CsvReader().open(path) as source:
        assert [v.name for v in source.schema.variables] == names
        assert [v.units for v in source.schema.variables] == units
        assert source.schema[names[1]].dtype == "<f8"
    assert restored(path).decode() == text


def test_decimal_commas_are_numbers_and_thousands_are_not(tmp_path):
    assert columns(csv_file(tmp_path, FILES["decimal commas"]))["x"].tolist() == [0.5, 1.25, -7.125]
    assert columns(csv_file(tmp_path, "1,5;2,7\n2,25;3,1\n"))["column1"].tolist() == [2.7, 3.1]
    path = csv_file(tmp_path, FILES["thousands"])
    assert columns(path)["x"].tolist() == ["1,500", "12,250"]
    with CsvReader().open(path) as source:
        assert source.obstacles == {
            "x": "line 2 holds '1,500', whose comma may be a decimal one, or stand between thousands"
        }
    path = csv_file(tmp_path, "t;x;y\n1;1,500;0,25\n2;12,250;1,5\n")
    assert columns(path)["x"].tolist() == [1.5, 12.25]
    assert restored(path) == path.read_bytes()


@pytest.mark.parametrize("cell", ["1,234.56", "1.234,5", "$12.5", "12 %", "−3.5", "1.5D+03", "3.25 km", "1\u00a0234.5"])
def test_what_people_read_as_numbers_is_told(tmp_path, cell):
    path = csv_file(tmp_path, "name;x\n" + f"a 1;{cell}\n" * 3)
    with CsvReader().open(path) as source:
        assert source.obstacles == {"x": f"line 2 holds {cell!r}, a number with other characters in it"}


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("x9", "not a number"),
        ("007", "starts with a zero"),
        ("1e400", "beyond the range"),
        ("1e-400", "beyond the range"),
        ("12345e6", "a name with an e"),
        ("9007199254740993", "more digits than a float"),
        ("2.5\u00a0", "not a number"),
        ("\u20032.5", "not a number"),
    ],
)
@pytest.mark.parametrize("rows", [30, 20_000])
def test_a_cell_that_makes_a_column_text_is_named_wherever_it_stands(cell, why, rows, tmp_path):
    for place in (0, 17, rows):
        cells = ["0.5"] * rows
        cells.insert(place, cell)
        path = csv_file(tmp_path, "k,v\n" + "".join(f"1,{text}\n" for text in cells))
        with CsvReader().open(path) as source:
            assert source.schema["v"].dtype == "str"
            assert f"line {place + 2} holds {cell!r}" in source.obstacles["v"]
            assert why in source.obstacles["v"]


def test_a_few_lines_of_other_widths_are_kept_as_text_and_told(tmp_path, caplog):
    text = "a,b\n" + "1,2\n" * 50 + "total,100,x\n" + "3,4\n"
    path = csv_file(tmp_path, text)
    assert columns(path)["a"].tolist() == [1] * 50 + [3]
    assert "a.csv:52: wanted 2 cells" in caplog.text
    assert restored(path).decode() == text


def test_types_are_found_and_values_exact(tmp_path):
    found = columns(csv_file(tmp_path, FILES["large integers"]))
    assert found["a"].dtype == np.int64
    assert found["a"].tolist() == [9007199254740993, -(2**63)]
    assert found["b"].dtype == np.uint64
    assert found["b"].tolist() == [2**64 - 1, 0]
    assert columns(csv_file(tmp_path, FILES["beyond 64 bits"]))["a"].tolist() == ["18446744073709551616", "1"]
    assert columns(csv_file(tmp_path, FILES["names as numbers"]))["id"].tolist() == ["007", "012"]
    assert columns(csv_file(tmp_path, FILES["booleans"]))["flag"].tolist() == ["True", "False"]
    assert columns(csv_file(tmp_path, FILES["repeated and empty names"])).keys() == {"a", "a.1", "column2"}
    assert columns(csv_file(tmp_path, FILES["no header"])).keys() == {"column0", "column1", "column2"}
    assert columns(csv_file(tmp_path, FILES["names in a comment"])).keys() == {"x", "y", "z"}


def test_missing_cells_are_nan_in_floats_and_marked_in_integers(tmp_path):
    path = csv_file(tmp_path, FILES["empty cells"])
    found = columns(path)
    assert found["i"].tolist() == [1, -(2**63), 3]
    assert np.array_equal(found["f"], [1.5, math.nan, math.nan], equal_nan=True)
    assert found["t"].tolist() == ["", "x", "y"]
    with CsvReader().open(path) as source:
        assert [v.fill for v in source.schema.variables] == [(-(2.0**63),), (), ()]


def test_a_type_seen_late_wins_over_all_rows(tmp_path):
    rows = 20_000
    text = "i,j,k,m\n" + f"1,{2**60},3,\n" * rows + "1.5,2.5,x,4\n"
    path = csv_file(tmp_path, text)
    found = columns_once(path)
    assert found["i"].dtype == np.float64
    assert found["j"][0] == str(2**60)
    assert found["j"][-1] == "2.5"
    assert found["k"][-1] == "x"
    assert found["m"].tolist() == [-(2**63)] * rows + [4]
    assert restored_large(path).endswith(b"1.5,2.5,x,4\n")


def columns_once(path: Path) -> dict[str, np.ndarray]:
    with CsvReader().open(path) as source:
        (block,) = source.blocks(1 << 30)
        return {name: values_of(block, name) for name in source.schema.names}


def restored_large(path: Path) -> bytes:
    target = path.with_name("large")
    with CsvReader().open(path) as source:
        sink = CsvReader().create(target, source.schema)
        for block in source.blocks(1 << 20):
            sink.write(block)
        sink.close()
    return target.read_bytes()


def test_lossy_values_are_written_in_full(tmp_path):
    path = csv_file(tmp_path, FILES["fixed decimals"])
    with CsvReader().open(path) as source:
        sink = CsvReader().create(tmp_path / "b.csv", source.schema)
        moved = {"a": np.array([1.4999, 0.25, math.nan]), "b": np.array([1 / 3, 1e300, -0.0])}
        sink.write(make_block({name: (("row",), values) for name, values in moved.items()}))
        sink.close()
    assert (tmp_path / "b.csv").read_text() == f"a,b\n1.4999,{1 / 3!r}\n0.25,{1e300:.3f}\n,-0.000\n"
    found = columns(tmp_path / "b.csv")
    for name in "ab":
        assert np.array_equal(found[name], moved[name], equal_nan=True)


def test_only_the_wanted_columns_are_restored(tmp_path):
    path = csv_file(tmp_path, "pt [GeV],eta,phi\n1,2.5,3\n")
    assert restored(path, variables=["p*"]) == b"pt [GeV],phi\n1,3\n"
    with CsvReader().open(path) as source:
        assert [v.units for v in source.schema.variables] == ["GeV", "", ""]
    with pytest.raises(DataError, match=r"there is no variable 'etta'\. Did you mean 'eta'\?"):
        CsvReader().open(path, ["etta"])


def test_options_override_what_would_be_found(tmp_path):
    path = csv_file(tmp_path, "2020;2021\n1,5;2\n% later\n3;4\n")
    found = columns(path, header=True, separator=";", comment="%")
    assert list(found) == ["2020", "2021"]
    assert found["2020"].tolist() == [1.5, 3.0]
    assert restored(path, header=True, separator=";", comment="%") == path.read_bytes()
    assert columns(csv_file(tmp_path, "'a','b'\n'1,x',3\n"), quote="'")["a"].tolist() == ["1,x"]
    assert columns(csv_file(tmp_path, "a\tb\nx\t1\n"), separator="tab")["b"].tolist() == [1]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "empty"),
        ("# only a comment\n", "empty"),
        ("a,b\n1,2\n1,2,3\n", r"a\.csv:3: wanted 2 cells separated by ',', found 3"),
        ('a,b\n0,0\n1,"2\n3,4\n', r"a\.csv:3: not a row.*quote: ''"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "not a text table"),
    ],
)
def test_what_is_no_table_is_said_so(content, message, tmp_path):
    path = csv_file(tmp_path, content)
    with pytest.raises(DataError, match=message):
        columns(path)
    with pytest.raises(DataError, match=r"no\.csv: cannot be read"):
        columns(tmp_path / "no.csv")


def test_a_skeleton_repeats_nothing_of_the_schema(tmp_path):
    path = csv_file(tmp_path, "a,b,c,d\n1.5,2.5,x,1\n0.5,,y,2\n")
    with CsvReader().open(path) as source:
        assert source.schema.skeleton == {"dialect": {"header": True}, "columns": [[3, "r"], [1, "d"]]}
    path = csv_file(tmp_path, "a,a\n1.5,NA\n0.5,2.5\n")
    with CsvReader().open(path) as source:
        assert source.schema.skeleton == {"dialect": {"header": ["a", "a"]}, "columns": [[1, "r"], [1, "r NA"]]}


@pytest.mark.parametrize(
    "damage",
    [
        {"columns": [[1, ".999999999f"]]},
        {"columns": [[2, "r"]]},
        {"columns": [["r"]]},
        {"columns": [[10**9, "r"], [1 - 10**9, "r"]]},
        {"columns": [[1, 7]]},
        {"dialect": {"newline": 3}},
        {"dialect": {"encoding": "no-such"}},
        {"dialect": {"encoding": "zlib_codec"}},
        {"dialect": {"unknown": "x"}},
    ],
)
def test_a_damaged_skeleton_is_refused(damage, tmp_path):
    path = csv_file(tmp_path, "a\n1.5\n")
    with CsvReader().open(path) as source, pytest.raises(FormatError):
        CsvReader().create(tmp_path / "b", dataclasses.replace(source.schema, skeleton=source.schema.skeleton | damage))


@given(st.lists(st.floats(), min_size=1), st.sampled_from(["r", "j", "J", ".3f", ".6g", ".17G", ".2e"]))
def test_floats_in_any_format_read_back_exactly(values, number):
    form = ColumnForm("float64", number)
    found = form.values(form.cells(np.array(values)))
    assert np.array_equal(found, values, equal_nan=True)
    assert np.array_equal(np.signbit(found) | np.isnan(found), np.signbit(values) | np.isnan(values))


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=2, max_size=5))
def test_any_text_comes_back(tmp_path_factory, cells):
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    text = ",".join('"' + cell.replace('"', '""') + '"' for cell in ["x", *cells[1:]])
    header = ",".join(f"name{index}" for index in range(len(cells)))
    path.write_text(f"{header}\n{text}\n", newline="")
    once = columns(path)
    target = path.with_name("b.csv")
    target.write_bytes(restored(path))
    again = columns(target)
    assert {n: repr(v.tolist()) for n, v in once.items()} == {n: repr(v.tolist()) for n, v in again.items()}


def test_formats_are_recognised():
    assert likeliest_format(["1.50", "2.25"]) == ".2f"
    assert likeliest_format(["0", "37.5667", "1e-07"]) == "j"
    assert likeliest_format(["1e+06", "0.5"]) == ".6g"
    assert likeliest_format(["1.5e-05", "2.5e+03"]) == ".1e"
    assert number_writer("J")(-12345678.0) == "-1.2345678E7"


@pytest.mark.shared
@pytest.mark.parametrize(
    "name",
    [
        "hep/cms_zee_run2011a.csv",
        "astro/gaia_hrd.csv",
        "astro/hyg_stars.csv",
        "astro/kepler_koi_cumulative.csv",
        "astro/magic04.csv",
        "astro/htru2_pulsars.csv",
    ],
)
def test_research_tables_come_back_to_the_letter(shared_data, tmp_path, name):
    path = csv_file(tmp_path, (shared_data / name).read_bytes())
    assert restored_large(path) == path.read_bytes()
