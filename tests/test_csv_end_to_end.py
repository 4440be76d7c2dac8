"""Text tables through the whole of compression: every cell back without a loss; few digits, and in bound, with one."""

from __future__ import annotations

import csv
import io
import logging
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

import baler_core
from baler_core.api import calls as api
from baler_core.builtin.readers.csv.files import CsvReader
from baler_core.builtin.readers.csv.rounding import NO_GRID, cut, decimals_of, shortened
from baler_core.builtin.readers.csv.split import split_cells
from baler_core.data.block import make_block, values_of
from baler_core.data.bounds import Tolerance
from baler_core.data.variables import Schema
from baler_core.errors import ConfigError, DataError, FormatError

QUICK = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def through(path: Path, bounds: object, name: str = "restored") -> str:
    """The text that comes back from a .bal file."""
    api.compress(path, path.with_suffix(".bal"), bounds=bounds, model="scalar")
    target = path.with_name(f"{name}{path.suffix}")
    baler_core.decompress(path.with_suffix(".bal"), target, overwrite=True)
    return target.read_bytes().decode()


def rows_of(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def table(tmp_path: Path, text: str, name: str = "t.csv") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode())
    return path


def test_lossless_brings_back_every_cell_and_line(tmp_path):
    text = "# made by hand\r\nid,v,f,m\r\n007,1.10,+2.50,NA\r\n\r\n12,1.9,1E5,-\n# note\r\n12,0,-0,2"
    assert through(table(tmp_path, text), "lossless") == text


def test_spelling_is_kept_beside_a_loss_only_where_values_stay(tmp_path):
    rng = np.random.default_rng(1)
    words = ["NA", "", "-", "nan"]
    lines = [f"{x:+.3f},{words[i % 4] if i % 3 else repr(x)},{i * 1.5:.2f}" for i, x in enumerate(rng.normal(size=400))]
    text = "a,b,c\n" + "\n".join(lines) + "\n"
    restored = rows_of(through(table(tmp_path, text), {"[ab]": {"abs": 0.01}, "c": "lossless"}))
    for before, after in zip(rows_of(text), restored, strict=True):
        assert before[2] == after[2]
        assert (before[1] in words) == (after[1] in words)
        assert before[1] not in words or before[1] == after[1]
    differ = [(float(x[0]), float(y[0])) for x, y in zip(rows_of(text)[1:], restored[1:], strict=True)]
    assert 0 < max(abs(x - y) for x, y in differ) <= 0.01


@pytest.mark.parametrize("bound", [{"abs": 0.01}, {"rel": 1e-3}, {"range": 1e-4}, {"abs": 25.0}, {"bits": 8}])
@pytest.mark.parametrize("number", ["{!r}", "{:.3f}", "{:.6e}"])
def test_lossy_text_is_short_and_its_cells_are_in_bound(bound, number, tmp_path):
    rng = np.random.default_rng(2)
    values = rng.normal(100, 40, 1500) * rng.choice([1, -1], 1500)
    text = "x,k\n" + "".join(f"{number.format(float(v))},{i}\n" for i, v in enumerate(values))
    path = table(tmp_path, text)
    back = through(path, {"x": bound})
    if bound != {"bits": 8}:
        assert len(back) <= len(text) * 1.1
    before = np.array([float(row[0]) for row in rows_of(text)[1:]])
    after = np.array([float(row[0]) for row in rows_of(back)[1:]])
    assert [row[1] for row in rows_of(text)] == [row[1] for row in rows_of(back)]
    kind, value = next(iter(bound.items()))
    allowed = {"abs": value, "rel": value * np.abs(before), "range": value * np.ptp(before)}
    allowed["bits"] = np.ldexp(0.5, np.frexp(before)[1] - 1 - int(value)) if kind == "bits" else 0
    assert (np.abs(after - before) <= allowed[kind]).all()


def test_room_for_rounding_costs_no_bytes(tmp_path):
    rng = np.random.default_rng(3)
    text = "x\n" + "".join(f"{v:.2f}\n" for v in rng.normal(0, 30, 5000))
    path = table(tmp_path, text)
    through(path, {"x": {"abs": 0.05}})
    values = np.array([float(row[0]) for row in rows_of(text)[1:]])
    api.compress({"x": values}, tmp_path / "n.bal", bounds={"x": {"abs": 0.05}}, model="scalar")
    assert path.with_suffix(".bal").stat().st_size < (tmp_path / "n.bal").stat().st_size * 1.005 + 300


@given(
    st.sampled_from(["abs", "rel"]),
    st.floats(1e-12, 0.9),
    st.integers(0, 15),
    st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=1, max_size=30),
    st.lists(st.floats(-1, 1), min_size=30, max_size=30),
)
def test_what_is_inside_the_smaller_tolerance_is_cut_to_what_is_inside_the_stated_one(kind, value, decimals, xs, moves):
    originals = np.round(np.array(xs), decimals)
    least = decimals_of(originals, 0)
    stated = Tolerance(kind, value)
    how, smaller = shortened(stated, least)
    assert smaller.value <= stated.value
    assert smaller.value >= 0.49 * stated.value
    restored = originals + smaller.allowed(originals) * np.array(moves[: len(xs)])
    restored = np.where(smaller.violations(originals, restored), originals, restored)
    bad = np.abs(cut(restored, how) - originals) > np.where(kind == "abs", value, value * np.abs(originals))
    assert not bad.any()


def test_digits_without_a_bound_are_few():
    assert shortened(Tolerance("free"), NO_GRID) == ("~g7", Tolerance("free"))
    assert cut(np.array([1 / 3, np.nan, 2e300]), "~g7").tolist()[::2] == [0.3333333, 2e300]


def test_a_bound_that_reaches_nothing_but_text_is_told(tmp_path, caplog):
    path = table(tmp_path, "name,flux\n" + "".join(f"s{i},{i / 8}\n" for i in range(50)))
    with caplog.at_level(logging.WARNING):
        through(path, {"na*": {"abs": 0.1}, "*": "lossless"})
    assert "the bound abs 0.1 for 'na*' matches nothing but text" in caplog.text


def test_a_column_that_one_cell_makes_text_is_told_with_its_line(tmp_path, caplog):
    text = "k,flux\n" + "".join(f"{i},{i / 8 if i != 30 else '3.1*'}\n" for i in range(50))
    path = table(tmp_path, text)
    with caplog.at_level(logging.WARNING):
        assert through(path, {"f*": {"abs": 0.1}}) == text
    assert "'flux' is text and stays exact: line 32 holds '3.1*'" in caplog.text
    with pytest.raises(ConfigError, match=r"'flux' is text.*line 32 holds '3\.1\*'"):
        through(path, {"flux": {"abs": 0.1}})


def test_missing_integers_stay_missing_and_no_other_becomes_so(tmp_path):
    low = -(2**63) + 1
    text = "a\n" + "".join(f"{v}\n" for v in ["NA", low, low + 1, "", 5, "NA"] * 20)
    path = table(tmp_path, text)
    assert through(path, "lossless") == text
    back = through(path, {"a": {"abs": 3}})
    for before, after in zip(text.split("\n"), back.split("\n"), strict=True):
        if before in ("a", "NA", ""):
            assert before == after
        else:
            assert abs(int(before) - int(after)) <= 3


@pytest.mark.parametrize(("mark", "spelt"), [("-9999", "{:.6g}"), ("-999.90", "{:.3f}"), ("-1E20", "{:.2f}")])
def test_numbers_that_no_bound_moves_are_written_as_they_stood(mark, spelt, tmp_path):
    rng = np.random.default_rng(3)
    cells = [mark if x < 0.1 else spelt.format(y) for x, y in zip(rng.random(400), rng.normal(10, 2, 400), strict=True)]
    back = through(table(tmp_path, "\n".join(["a", *cells, ""])), {"a": {"rel": 1e-2}}).split("\n")[1:-1]
    assert [cell == mark for cell in back] == [cell == mark for cell in cells]
    assert back != cells


def test_a_table_of_fixed_width_keeps_its_columns_under_a_loss(tmp_path, caplog):
    rng = np.random.default_rng(4)
    lines = [
        f"{f'HD {i}':<9s} {x:7.2f} {'' if i % 3 else 'a b':>5s} {y:7.3f}"
        for i, (x, y) in enumerate(rng.normal(9, 2, (200, 2)))
    ]
    text = "Name          Mag Note     Err\n" + "\n".join(lines) + "\n"
    back = through(table(tmp_path, text), {"Mag": {"abs": 0.05}, "Err": {"rel": 0.01}})
    assert back != text
    assert "'Err' stays exact: a table of fixed width" in caplog.text
    for before, after in zip(text.splitlines()[1:], back.splitlines()[1:], strict=True):
        assert before[:9] + before[17:] == after[:9] + after[17:]
        assert abs(float(before[9:17]) - float(after[9:17])) <= 0.05


def test_tables_of_ipac_and_machine_readable_ones_keep_names_nulls_and_places(tmp_path):
    table_of = pytest.importorskip("astropy.table").Table
    rng = np.random.default_rng(5)
    rows = table_of({"objid": np.arange(40), "ra": np.round(rng.uniform(0, 360, 40), 4)})
    rows["mag"] = np.round(np.where(np.arange(40) % 9, rng.uniform(9.5, 9.99, 40), 9.999), 3)
    rows["dm"], rows["name"] = np.round(rng.normal(0, 0.3, 40), 2), [f"star {n}" for n in range(40)]
    rows["ra"].unit, rows["mag"].unit = "deg", "mag"
    for kind, suffix in (("ascii.ipac", "tbl"), ("ascii.mrt", "mrt")):
        path, back = tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}"
        rows.write(path, format=kind)
        for bounds in ({"*": "lossless"}, {"*": {"abs": 0.1}}):
            baler_core.compress(path, tmp_path / "a.bal", bounds=bounds, model="scalar", overwrite=True)
            baler_core.decompress(tmp_path / "a.bal", back, overwrite=True)
            before, after = (table_of.read(each, format=kind) for each in (path, back))
            assert before.colnames == after.colnames
            assert {len(line) for line in path.read_text().splitlines()} == {
                len(line) for line in back.read_text().splitlines()
            }
            for name in ("objid", "ra", "name"):  # an id and a position stay exact by their names
                assert (before[name] == after[name]).all()
            for name in ("mag", "dm"):
                assert np.abs(before[name] - after[name]).max() <= (0.1 if "abs" in bounds["*"] else 0)
            assert "abs" not in bounds["*"] or (before["mag"] != after["mag"]).any()
        with CsvReader().open(path) as source:
            assert [source.schema[name].units for name in ("ra", "mag", "dm")] == ["deg", "mag", ""]


# ---- ECSV and other tables between blanks

WORDS = st.text(st.characters(codec="ascii", exclude_characters="\0\r\n\x1c\x1d\x1e\x1f\x0b\x0c"), max_size=6)


@st.composite
def ecsv_tables(draw):
    from astropy.table import MaskedColumn, Table

    rows = draw(st.integers(1, 12))
    mask = st.lists(st.booleans(), min_size=rows, max_size=rows)
    floats = st.floats(-1e9, 1e9, allow_subnormal=False)
    found = {
        "i": MaskedColumn(draw(st.lists(st.integers(-(2**40), 2**40), min_size=rows, max_size=rows)), mask=draw(mask)),
        "f": MaskedColumn(draw(st.lists(floats, min_size=rows, max_size=rows)), mask=draw(mask), unit="mag"),
        "s": MaskedColumn(draw(st.lists(WORDS, min_size=rows, max_size=rows)), mask=draw(mask), dtype=str),
        "b": MaskedColumn(draw(st.lists(st.booleans(), min_size=rows, max_size=rows)), mask=draw(mask)),
        "v": np.array(draw(st.lists(floats, min_size=2 * rows, max_size=2 * rows))).reshape(rows, 2),
    }
    names = draw(st.lists(st.sampled_from(sorted(found)), min_size=2, max_size=5, unique=True))
    return Table({name: found[name] for name in names}), draw(st.sampled_from([" ", ","]))


@QUICK
@given(ecsv_tables())
def test_tables_of_astropy_come_back_whole_or_in_bound(tmp_path_factory, made):
    from astropy.table import Table

    original, delimiter = made
    path = tmp_path_factory.mktemp("ecsv") / "t.ecsv"
    original.write(path, format="ascii.ecsv", delimiter=delimiter)
    before = Table.read(path, format="ascii.ecsv")
    with CsvReader().open(path) as source:
        blocks, exact = list(source.blocks(1 << 20)), source.schema
        assert written(exact, blocks, path) == path.read_bytes()
        tolerances = {v.name: Tolerance("abs" if v.dtype == "<f8" else "exact", 0.01) for v in exact.variables}
        settled = source.settle(tolerances)
    moved = [moved_block(block, exact, settled.tolerances) for block in blocks]
    path.write_bytes(written(settled.schema, moved, path))
    after = Table.read(path, format="ascii.ecsv")
    for name in original.colnames:
        assert np.array_equal(np.ma.getmaskarray(before[name]), np.ma.getmaskarray(after[name]))
        assert before[name].dtype == after[name].dtype
        if name == "f":
            there = ~np.ma.getmaskarray(before[name])
            assert (np.abs(np.array(before[name]) - np.array(after[name]))[there] <= 0.01).all()
        else:
            assert np.array_equal(np.ma.filled(before[name]), np.ma.filled(after[name]))


def written(schema: Schema, blocks, path: Path) -> bytes:
    target = path.with_name("back.ecsv")
    sink = CsvReader().create(target, schema)
    for block in blocks:
        sink.write(block)
    sink.close()
    return target.read_bytes()


def moved_block(block, schema, tolerances):
    """The block with all floats as far off as they may be."""
    values = {v.name: values_of(block, v.name) for v in schema.variables}
    for v in schema.variables:
        if v.dtype == "<f8":
            values[v.name] = values[v.name] + tolerances[v.name].allowed(values[v.name])
    return make_block({name: (("row",), array) for name, array in values.items()})


CELLS = st.one_of(
    st.floats().map(repr),
    st.integers(-(2**70), 2**70).map(str),
    st.sampled_from(
        ["", "NA", "nan", "-", "007", "+2", "-0", "1.10", "1E5", ".5", "5.", "infinity", "1e400", "1_0", " 1"]
    ),
    st.sampled_from(['"', '""', "'", "#", "a b", "x,y", "a;b", "\t", "|", "é", "½", "-----", "==="]),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=4),
)


@QUICK
@given(
    st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=15),
    st.sampled_from([",", ";", "\t", "|", " "]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_any_table_of_the_csv_module_comes_back_to_the_letter(tmp_path_factory, rows, separator, quoting, newline):
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=separator, quoting=quoting, lineterminator=newline)
    writer.writerows([["one", "two", "three"], *rows])
    path = tmp_path_factory.mktemp("any") / "t.csv"
    path.write_bytes(buffer.getvalue().encode())
    # Python leaves out empty cells between blanks, and quotes no tabs, which separate cells as blanks do.
    odd = (
        separator == " "
        and quoting == csv.QUOTE_MINIMAL
        and any("\t" in cell or not cell for row in rows for cell in row)
    )
    # Python does not quote a line end that is not the table's own, so that nobody can tell what it ends.
    odd |= quoting == csv.QUOTE_MINIMAL and any("\r" in cell or "\n" in cell for row in rows for cell in row)
    assume(not odd)
    with CsvReader().open(path) as source:
        assert written(source.schema, source.blocks(200), path) == path.read_bytes()


@QUICK
@given(st.text(st.sampled_from(list('01.5-+eE,; \t|"#=xNA\n\r')), max_size=80))
def test_any_text_comes_back_or_is_refused_in_a_sentence(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("text") / "t.csv"
    path.write_bytes(text.encode())
    try:
        source = CsvReader().open(path)
    except DataError:
        return
    with source:
        assert written(source.schema, source.blocks(200), path) == path.read_bytes()


# ---- hostile files


@pytest.fixture(scope="module")
def rich(tmp_path_factory) -> tuple[Schema, list]:
    text = '# c\na,b,c\r\n1.10,NA,x\n\n2.5,-,"y"\n# n\n3.25,+7,z\n'
    path = table(tmp_path_factory.mktemp("rich"), text)
    with CsvReader().open(path) as source:
        return source.schema, list(source.blocks(1 << 20))


@QUICK
@given(st.data())
def test_damaged_attachments_are_refused_or_give_some_text(tmp_path_factory, rich, data):
    schema, blocks = rich
    name = data.draw(st.sampled_from(sorted(schema.attachments)))
    raw = bytearray(schema.attachments[name])
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    raw = raw[: data.draw(st.integers(0, len(raw)))]
    import dataclasses

    hostile = dataclasses.replace(schema, attachments={**schema.attachments, name: bytes(raw)})
    try:
        assert written(hostile, blocks, tmp_path_factory.mktemp("h") / "x") is not None
    except FormatError:
        pass


@pytest.mark.parametrize(
    "damage",
    [
        {"dialect": None},
        {"dialect": {"header": [1, 2, 3]}},
        {"dialect": {"header": ["a"]}},
        {"dialect": {"fields": ["<5"]}},
        {"dialect": {"fields": ["<99999", "", ""]}},
        {"dialect": {"separator": ""}},
        {"dialect": {"newline": "x"}},
        {"dialect": {"quoting": "never"}},
        {"columns": [[3, "r~99"], [0, "r"]]},
        {"columns": None},
    ],
)
def test_a_hostile_skeleton_is_refused(rich, damage, tmp_path):
    import dataclasses

    schema, _ = rich
    for skeleton in (dict(schema.skeleton) | damage, {}):
        with pytest.raises(FormatError):
            CsvReader().create(tmp_path / "x", dataclasses.replace(schema, skeleton=skeleton))


def test_infinities_of_a_lossy_column_stay(tmp_path):
    text = "x\n" + "inf\n-inf\nNA\n0.5\n" * 30
    back = rows_of(through(table(tmp_path, text), {"x": {"rel": 0.01}}))
    assert [row[0] for row in back[1:4]] == ["inf", "-inf", "NA"]
    assert math.isclose(float(back[4][0]), 0.5, rel_tol=0.01)


LONG = "x" * 140_000


@pytest.mark.parametrize("cell", [LONG, f'"{LONG},""\r\n{LONG}"', '"' + "line\n" * 40_000 + '"'])
def test_cells_longer_than_pythons_limit_come_back(tmp_path: Path, cell: str) -> None:
    limit = csv.field_size_limit()
    rows = [f"{i},{i / 7:.6f},{cell if i == 40 else 'short'}\n" for i in range(60)]
    data = ("n,flux,note\n" + "".join(rows)).encode()
    (tmp_path / "a.csv").write_bytes(data)
    api.compress(tmp_path / "a.csv", tmp_path / "a.bal", bounds={"flux": {"abs": 1e-3}}, model="scalar")
    restored = baler_core.decompress(tmp_path / "a.bal", tmp_path / "b.csv", overwrite=True).read_bytes()
    assert csv.field_size_limit() == limit
    found = baler_core.open(tmp_path / "a.bal")
    assert found["note"].values[40] == next(iter(csv_rows(cell)))
    assert np.abs(found["flux"].values - np.round(np.arange(60) / 7, 6)).max() <= 1e-3
    api.compress(tmp_path / "a.csv", tmp_path / "a.bal", model="scalar")
    assert baler_core.decompress(tmp_path / "a.bal", tmp_path / "b.csv", overwrite=True).read_bytes() == data
    assert len(restored) <= len(data)  # no cell has become longer


def csv_rows(cell: str) -> list[str]:
    """The cell without its quotes."""
    return [cell[1:-1].replace('""', '"') if cell.startswith('"') else cell]


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet='a ",\n\r;', max_size=30), st.sampled_from(['"', ""]), st.booleans())
def test_long_cells_are_cut_by_the_rules_of_the_csv_module(text: str, quote: str, padded: bool) -> None:
    found = []
    for long in (False, True):
        lines = iter(io.StringIO(text, newline=""))
        try:
            found.append(list(split_cells(lines, separator=",", quote=quote, padded=padded, long=long)))
        except csv.Error:
            found.append([["refused"]])
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"a,b\n1,2\n3,\0\n", "zero bytes"),
        (b"a,b\n" + b"1,2\n1,2,3\n" * 50, "a.csv:3: wanted 2 cells"),
        (b'a,b\n1,"2\n3,4\n', "a.csv:2: not a row of a table"),
        (b"", "empty"),
        (b"# only\n# comments\n", "empty"),
        (b"\x93" + bytes(range(256)) * 20, "zero bytes"),
    ],
)
def test_what_is_no_table_is_kept_byte_for_byte(
    tmp_path: Path, data: bytes, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.csv").write_bytes(data)
    api.compress(tmp_path / "a.csv", tmp_path / "a.bal", bounds={"*": {"rel": 1e-3}}, model="scalar")
    assert why in caplog.text
    assert "kept byte for byte" in caplog.text
    assert baler_core.decompress(tmp_path / "a.bal", tmp_path / "b.csv", overwrite=True).read_bytes() == data
    for chosen in ({"reader": "csv"}, {"variables": ["a"]}):
        with pytest.raises(DataError, match=why.replace(".", r"\.")):
            api.compress(tmp_path / "a.csv", tmp_path / "c.bal", **chosen)  # type: ignore[arg-type]
