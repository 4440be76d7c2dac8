"""Binary tables: every column format, packing, arrays of variable length, and tables of which only some columns are taken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from baler_core import leading_slices
from baler_fits.reader import FitsReader

from .test_fits_roundtrip import identical, restore

N = 50


def write_table(path: Path, columns: list[fits.Column], name: str = "CAT", **cards: object) -> None:
    """A file with one table."""
    hdu = fits.BinTableHDU.from_columns(columns, name=name)
    hdu.header.update(cards)
    for n in [n for n, column in enumerate(columns, start=1) if column.name == "packed"]:
        hdu.header[f"TSCAL{n}"], hdu.header[f"TZERO{n}"] = 0.01, 20.0
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)


def fixed_columns() -> list[fits.Column]:
    rng = np.random.default_rng(3)
    f8 = rng.normal(size=N)
    f8[:3] = [np.nan, np.inf, -0.0]
    return [
        fits.Column("flag", "L", array=rng.random(N) > 0.5),
        fits.Column("bits", "11X", array=rng.random((N, 11)) > 0.5),
        fits.Column("byte", "B", array=rng.integers(0, 256, N).astype("u1")),
        fits.Column("short", "I", array=rng.integers(-9, 9, N).astype("i2"), null=-9),
        fits.Column("int", "J", array=rng.integers(-(2**31), 2**31, N).astype("i4")),
        fits.Column("long", "K", array=rng.integers(-(2**63), 2**63 - 1, N)),
        fits.Column("name", "12A", array=np.array([f"NGC {n}" for n in range(N)])),
        fits.Column("mag", "E", unit="mag", array=f8.astype("f4")),
        fits.Column("ra", "D", unit="deg", array=f8),
        fits.Column("vis", "C", array=(f8 + 1j).astype("c8")),
        fits.Column("wide", "M", array=np.arange(N) * 1j),
        fits.Column("history", "5E", array=rng.normal(size=(N, 5)).astype("f4")),
        fits.Column("image", "6I", dim="(3,2)", array=rng.integers(0, 99, (N, 2, 3)).astype("i2")),
        fits.Column("names", "12A", dim="(4,3)", array=np.array([["a", "bc", "def"]] * N)),
        fits.Column("u2", "I", bzero=2**15, array=rng.integers(0, 2**16, N).astype("u2")),
        fits.Column("u4", "J", bzero=2**31, array=rng.integers(0, 2**32, N).astype("u4")),
        fits.Column("u8", "K", bzero=2**63, array=rng.integers(0, 2**64, N, dtype="u8")),
        fits.Column("packed", "I", array=np.arange(-500, 500, 20, dtype="i2")),
        fits.Column("nothing", "0E", array=np.zeros((N, 0), "f4")),
    ]


def test_every_column_format(tmp_path: Path) -> None:
    path = tmp_path / "table.fits"
    write_table(path, fixed_columns())
    schema, values = identical(path, tmp_path, max_bytes=1500)
    dtypes = {v.name.removeprefix("CAT/"): v.dtype for v in schema.variables}
    assert dtypes == {
        "flag": "|b1", "bits": "|S2", "byte": "|u1", "short": "<i2", "int": "<i4", "long": "<i8", "name": "|S12",
        "mag": "<f4", "ra": "<f8", "vis": "<c8", "wide": "<c16", "history": "<f4", "image": "<i2", "names": "|S4",
        "u2": "<u2", "u4": "<u4", "u8": "<u8", "packed": "<i2",
    }  # fmt: skip
    assert schema["CAT/mag"].units == "mag"
    assert schema["CAT/short"].fill == (-9.0,)
    assert values["CAT/image"].shape == (N, 2, 3)
    assert values["CAT/names"].shape == (N, 3)
    with fits.open(path) as hdus:
        for name in ("flag", "byte", "int", "long", "mag", "ra", "vis", "history", "image", "u2", "u4", "u8"):
            np.testing.assert_array_equal(values[f"CAT/{name}"], hdus[1].data[name], err_msg=name)
        packed = schema["CAT/packed"]
        physical = values["CAT/packed"] * packed.scale + packed.offset
        np.testing.assert_allclose(physical, hdus[1].data["packed"], rtol=1e-12)


def test_undefined_logicals_are_not_turned_into_false(tmp_path: Path) -> None:
    path = tmp_path / "logical.fits"
    write_table(path, [fits.Column("good", "L", array=np.ones(4, bool))])
    path.write_bytes(path.read_bytes().replace(b"TTTT", b"Tx\0F"))  # x is no logical value, but files have such
    schema, values = identical(path, tmp_path)
    assert schema["CAT/good"].dtype == "|S1"
    assert values["CAT/good"].tolist() == [b"T", b"x", b"", b"F"]


def jagged_columns(form: str = "P") -> list[fits.Column]:
    rng = np.random.default_rng(5)
    lengths = rng.integers(0, 6, N)
    flux = np.empty(N, object)
    chans = np.empty(N, object)
    texts = np.empty(N, object)
    for n, length in enumerate(lengths):
        flux[n] = rng.normal(size=length).astype("f4")
        chans[n] = rng.integers(0, 99, length).astype("i2")
        texts[n] = "x" * int(rng.integers(0, 9))
    return [
        fits.Column("id", "J", array=np.arange(N)),
        fits.Column("flux", f"{form}E()", array=flux),
        fits.Column("chan", f"{form}I()", array=chans),
        fits.Column("text", f"{form}A()", array=texts),
    ]


@pytest.mark.parametrize("form", ["P", "Q"])
def test_arrays_of_variable_length(form: str, tmp_path: Path) -> None:
    path = tmp_path / "jagged.fits"
    write_table(path, jagged_columns(form))
    schema, values = identical(path, tmp_path, max_bytes=700)
    assert schema.names == ["CAT/id", "CAT/flux.count", "CAT/flux", "CAT/chan", "CAT/text"]
    assert schema["CAT/flux"].dims == schema["CAT/chan"].dims
    assert schema.counts == {schema["CAT/flux"].dims[0]: "CAT/flux.count"}
    assert len(leading_slices(schema, 700)) > 1
    with fits.open(path) as hdus:
        np.testing.assert_array_equal(values["CAT/flux"], np.concatenate(list(hdus[1].data["flux"])))
        assert [t.decode() for t in values["CAT/text"]] == ["".join(t) for t in hdus[1].data["text"]]


def shuffled_heap(path: Path, order: np.ndarray, gap: int) -> list[np.ndarray]:
    """A file whose only column's arrays lie in the heap in the given order, `gap` bytes apart."""
    arrays = [(np.arange(n % 4 + 1) + n).astype(">f4") for n in range(N)]
    heap, places = b"", np.zeros(N, int)
    for n in order:
        places[n] = len(heap)
        heap += arrays[n].tobytes() + b"\xff" * gap
    rows = np.array([(len(a), place) for a, place in zip(arrays, places, strict=True)], ">i4")
    write_table(path, [fits.Column("v", "PE(4)", array=np.array(arrays, object))])
    header, data = path.read_bytes()[:5760], rows.tobytes() + heap
    old = fits.getheader(path, 1)["PCOUNT"]
    header = header.replace(b"PCOUNT  = %20d" % old, b"PCOUNT  = %20d" % len(heap))
    path.write_bytes(header + data.ljust(-(-len(data) // 2880) * 2880, b"\0"))
    return arrays


@pytest.mark.parametrize("gap", [0, 3])
def test_gaps_and_disorder_in_the_heap_are_compacted(gap: int, tmp_path: Path) -> None:
    path, out = tmp_path / "shuffled.fits", tmp_path / "out.fits"
    arrays = shuffled_heap(path, np.random.default_rng(1).permutation(N), gap)
    restore(path, out, max_bytes=100)
    with fits.open(out, ignore_missing_end=False) as hdus:
        for mine, theirs in zip(arrays, hdus[1].data["v"], strict=True):
            np.testing.assert_array_equal(mine, theirs)
        assert hdus[1].header["PCOUNT"] == sum(a.nbytes for a in arrays)


def test_arrays_row_after_row_stay_where_they_are(tmp_path: Path) -> None:
    path = tmp_path / "rows.fits"
    a = np.arange(6, dtype=">f4")
    write_table(path, [fits.Column("a", "PE(3)", array=np.array([a[:2], a[2:5]], object)),
                       fits.Column("b", "PI(2)", array=np.array([[1], [2, 3]], object))])  # fmt: skip
    raw = path.read_bytes()
    rows = np.array([[2, 0, 1, 8], [3, 10, 2, 22]], ">i4").tobytes()
    heap = a[:2].tobytes() + np.array([1], ">i2").tobytes() + a[2:5].tobytes() + np.array([2, 3], ">i2").tobytes()
    path.write_bytes(raw[:5760] + (rows + heap).ljust(2880, b"\0"))
    for max_bytes in (1, 1000):
        identical(path, tmp_path, max_bytes=max_bytes)


def test_arrays_that_share_bytes_or_point_nowhere_are_kept_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "shared.fits"
    shuffled_heap(path, np.arange(N), 0)
    raw = bytearray(path.read_bytes())
    for count, place, reason in [
        (500, 0, "outside"),
        (1, 10**6, "outside"),
        (-1, 0, "outside"),
        (60, 0, "share bytes"),
    ]:
        raw[5760:5768] = np.array([count, place], ">i4").tobytes()
        path.write_bytes(raw)
        with FitsReader().open(path) as source:
            assert reason in source.schema["CAT"].label, (count, place)
        identical(path, tmp_path)


def test_some_columns_only(tmp_path: Path) -> None:
    path, out = tmp_path / "table.fits", tmp_path / "out.fits"
    columns = fixed_columns() + jagged_columns()[1:]
    write_table(path, columns, TDESC7="a name", TELESCOP="none", TIMESYS="TDB")
    _, values = restore(path, out, variables=["CAT/name", "CAT/mag", "CAT/hist*", "CAT/chan", "CAT/u2"], max_bytes=999)
    with FitsReader().open(path, ["CAT/name"]) as source:
        assert any("flag" in warning and "left out" in warning for warning in source.warnings)
    with fits.open(path) as before, fits.open(out) as after:
        table = after["CAT"]
        assert table.columns.names == ["name", "mag", "history", "nothing", "u2", "chan"] or table.columns.names == [
            "name", "mag", "history", "u2", "nothing", "chan",
        ]  # fmt: skip
        for name in ("name", "mag", "history", "u2"):
            np.testing.assert_array_equal(table.data[name], before["CAT"].data[name])
        for mine, theirs in zip(table.data["chan"], before["CAT"].data["chan"], strict=True):
            np.testing.assert_array_equal(mine, theirs)
        assert table.header["TDESC1"] == "a name"
        assert table.columns["mag"].unit == "mag"
        assert table.header["TIMESYS"] == "TDB"
    assert "CAT/chan.count" in values


def test_one_hdu_has_plain_names(tmp_path: Path) -> None:
    path, out = tmp_path / "two.fits", tmp_path / "out.fits"
    tables = [
        fits.BinTableHDU.from_columns([fits.Column("x", "E", array=np.arange(4.0) + n)], name=name)
        for n, name in enumerate(["EVENTS", "GTI"])
    ]
    image = fits.PrimaryHDU(np.ones((3, 3), "f4"))
    image.header["OBJECT"] = "Crab"
    fits.HDUList([image, *tables]).writeto(path)
    for wanted in (2, "gti"):
        schema, values = restore(path, out, hdu=wanted)
        assert schema.names == ["x"]
        np.testing.assert_array_equal(values["x"], [1, 2, 3, 4])
        with fits.open(out) as after:
            assert [hdu.name for hdu in after] == ["PRIMARY", "GTI"]
            assert after[0].data is None
            assert after[0].header["OBJECT"] == "Crab"
    schema, _ = restore(path, out, hdu=0)
    assert schema.names == ["hdu0"]


def test_columns_of_equal_name_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "twice.fits"
    write_table(path, [fits.Column("a", "E", array=np.arange(3.0)), fits.Column("b", "E", array=np.arange(3.0))])
    path.write_bytes(path.read_bytes().replace(b"TTYPE2  = 'b", b"TTYPE2  = 'a"))
    schema, _ = identical(path, tmp_path)
    assert schema.names == ["CAT/a,1", "CAT/a,2"]


def test_tables_of_arrays_without_rows(tmp_path: Path) -> None:
    path = tmp_path / "none.fits"
    write_table(
        path,
        [
            fits.Column("flux", "PE()", array=np.empty(0, object)),
            fits.Column("text", "PA()", array=np.empty(0, object)),
        ],
    )
    schema, values = identical(path, tmp_path)
    assert schema.names == ["CAT/flux.count", "CAT/flux", "CAT/text"]
    assert values["CAT/flux"].size == 0
