"""FITS files come back as they were: values, dtypes, header cards, byte for byte where nothing changed."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from baler_core import ConfigError, DataError, Schema, compress, make_block, values_of
from baler_fits.reader import FitsOptions, FitsReader

Change = Callable[[str, np.ndarray], np.ndarray]


def restore(
    path: Path,
    out: Path,
    *,
    variables: Sequence[str] | None = None,
    max_bytes: int = 4096,
    change: Change | None = None,
    **options: object,
) -> tuple[Schema, dict[str, np.ndarray]]:
    """Read a file in small blocks and write it again, with values changed on the way; returns what was read."""
    reader = FitsReader(FitsOptions(**options))
    read: dict[str, list[np.ndarray]] = {}
    with reader.open(path, variables) as source:
        sink = reader.create(out, source.schema)
        try:
            for block in source.blocks(max_bytes):
                for name in map(str, block.variables):
                    values = values_of(block, name)
                    assert values.dtype == source.schema[name].numpy_dtype
                    assert block.variables[name].dims == source.schema[name].dims
                    read.setdefault(name, []).append(values)
                if change is not None:
                    block = make_block({name: (block[name].dims, change(name, block[name].values)) for name in block})
                sink.write(block)
            sink.close()
        except BaseException:
            sink.abort()
            raise
        schema = source.schema
    assert set(read) == set(schema.names)
    whole = {name: np.concatenate(parts) for name, parts in read.items()}
    for variable in schema.variables:
        assert whole[variable.name].shape == tuple(schema.sizes[dim] for dim in variable.dims)
    return schema, whole


def identical(path: Path, tmp_path: Path, **options: object) -> tuple[Schema, dict[str, np.ndarray]]:
    """Restore unchanged values and assert that the file comes back byte for byte."""
    out = tmp_path / "restored.fits"
    found = restore(path, out, **options)
    assert out.read_bytes() == path.read_bytes()
    return found


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "i8", "f4", "f8", "i1", "u2", "u4", "u8"])
def test_images_of_every_bitpix(dtype: str, tmp_path: Path) -> None:
    kind = np.dtype(dtype)
    if kind.kind == "f":
        data = np.random.default_rng(1).normal(size=(7, 5)).astype(kind)
        data[0, :4] = [np.nan, np.inf, -np.inf, -0.0]
    else:
        info = np.iinfo(kind)
        data = np.linspace(0, 1, 35).reshape(7, 5).astype(kind) + kind.type(3)
        data[0, :2] = [info.min, info.max]
    path = tmp_path / "image.fits"
    fits.PrimaryHDU(data).writeto(path)
    schema, values = identical(path, tmp_path, max_bytes=16)
    assert np.dtype(schema["hdu0"].dtype) == kind
    assert (schema["hdu0"].scale, schema["hdu0"].offset) == (1.0, 0.0)
    np.testing.assert_array_equal(values["hdu0"], data)
    assert np.array_equal(np.signbit(values["hdu0"]), np.signbit(data))


def test_real_scaling_stays_in_the_variable_and_blank_is_fill(tmp_path: Path) -> None:
    hdu = fits.PrimaryHDU(np.arange(-20, 20, dtype="i2").reshape(5, 8))
    hdu.header["BUNIT"] = "Jy/beam"
    path = tmp_path / "scaled.fits"
    hdu.writeto(path)
    with fits.open(path, "update", do_not_scale_image_data=True) as hdus:
        hdus[0].header["BSCALE"] = 0.5
        hdus[0].header["BZERO"] = 100.0
        hdus[0].header["BLANK"] = -7
    schema, values = identical(path, tmp_path)
    variable = schema["hdu0"]
    assert (variable.dtype, variable.scale, variable.offset, variable.fill) == ("<i2", 0.5, 100.0, (-7.0,))
    assert variable.units == "Jy/beam"
    physical = values["hdu0"] * variable.scale + variable.offset
    opened = fits.getdata(tmp_path / "restored.fits")
    np.testing.assert_array_equal(np.where(values["hdu0"] == -7, np.nan, physical), opened)


def test_unsigned_blank_is_shifted_like_the_values(tmp_path: Path) -> None:
    hdu = fits.ImageHDU(np.array([[1, 2], [3, 65535]], "u2"), name="DQ")
    hdu.header["BLANK"] = 32767
    path = tmp_path / "blank.fits"
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    schema, _ = identical(path, tmp_path)
    assert schema["DQ"].fill == (65535.0,)


def test_several_hdus_keep_every_card_and_share_grids(tmp_path: Path) -> None:
    header = fits.Header()
    header["LONG"] = ("x" * 150, "a long string, continued")
    header["HIERARCH ESO DET OUT1 GAIN"] = (2.5, "hierarchical")
    for n in range(3):
        header.add_history(f"step {n}")
        header.add_comment(f"remark {n}")
    header.append(("", "a blank keyword"), end=True)
    hdus = [fits.PrimaryHDU(header=header)]
    for version in (1, 2):
        hdus.append(fits.ImageHDU(np.full((4, 6), version, "f4"), name="SCI", ver=version))
        hdus.append(fits.ImageHDU(np.full((4, 6), -version, "f4"), name="ERR", ver=version))
        hdus.append(fits.ImageHDU(name="DQ", ver=version))
    path = tmp_path / "multi.fits"
    fits.HDUList(hdus).writeto(path, checksum=True)
    schema, values = identical(path, tmp_path)
    assert schema.names == ["SCI,1", "ERR,1", "SCI,2", "ERR,2"]
    assert schema["SCI,1"].dims == schema["ERR,1"].dims == ("y", "x")
    assert schema["SCI,2"].dims == schema["ERR,2"].dims == ("y2", "x2")
    assert values["ERR,2"].min() == -2


def test_changed_values_leave_headers_alone_save_true_checksums(tmp_path: Path) -> None:
    image = fits.ImageHDU(np.arange(3000, dtype="f4").reshape(50, 60), name="SCI")
    image.header["OBJECT"] = ("M13", "what was looked at")
    table = fits.BinTableHDU.from_columns([fits.Column("flux", "E", array=np.arange(100.0))], name="CAT")
    path, out = tmp_path / "sums.fits", tmp_path / "out.fits"
    fits.HDUList([fits.PrimaryHDU(), image, table]).writeto(path, checksum=True)
    restore(path, out, change=lambda name, values: values + np.float32(0.5))
    with fits.open(path) as before, fits.open(out, checksum=True) as after:  # a wrong checksum would warn
        np.testing.assert_array_equal(after["SCI"].data, before["SCI"].data + 0.5)
        np.testing.assert_array_equal(after["CAT"].data["flux"], before["CAT"].data["flux"] + 0.5)
        for n in range(3):
            old = [card.image for card in before[n].header.cards if "SUM" not in card.keyword]
            assert old == [card.image for card in after[n].header.cards if "SUM" not in card.keyword]
            assert list(before[n].header) == list(after[n].header)
        assert before[1].header["DATASUM"] != after[1].header["DATASUM"]
        assert before[0].header["CHECKSUM"] == after[0].header["CHECKSUM"]


def test_gzip_is_read_and_restored(tmp_path: Path) -> None:
    path, out = tmp_path / "image.fits.gz", tmp_path / "out.tmp"
    fits.PrimaryHDU(np.arange(100, dtype="i4").reshape(10, 10)).writeto(path)
    restore(path, out)
    assert out.read_bytes()[:2] == b"\x1f\x8b"
    assert gzip.decompress(out.read_bytes()) == gzip.decompress(path.read_bytes())
    restore(path, tmp_path / "again.tmp")
    assert out.read_bytes() == (tmp_path / "again.tmp").read_bytes()


def test_random_groups(tmp_path: Path) -> None:
    data = np.random.default_rng(1).normal(size=(12, 1, 4, 3)).astype("f4")
    groups = fits.GroupData(data, bitpix=-32, parnames=["UU", "VV"], pardata=[np.arange(12.0), -np.arange(12.0)])
    path = tmp_path / "groups.fits"
    fits.HDUList([fits.GroupsHDU(groups)]).writeto(path)
    schema, values = identical(path, tmp_path, max_bytes=200)
    np.testing.assert_array_equal(values["hdu0"], data)
    np.testing.assert_array_equal(values["hdu0/parameters"][:, 1], -np.arange(12.0))
    assert schema["hdu0"].dims[0] == schema["hdu0/parameters"].dims[0]


def test_ascii_tables_and_unknown_extensions_are_kept_byte_for_byte(tmp_path: Path) -> None:
    ascii_table = fits.TableHDU.from_columns(
        [fits.Column("a", "I6", array=np.arange(9)), fits.Column("b", "F8.3", array=np.arange(9) / 7)], name="OLD"
    )
    path = tmp_path / "ascii.fits"
    fits.HDUList([fits.PrimaryHDU(), ascii_table]).writeto(path)
    raw = path.read_bytes() + b"special records after the last HDU".ljust(2880)
    path.write_bytes(raw)
    with FitsReader().open(path) as source:
        assert source.schema["OLD"].dtype == "|S1"
        assert source.schema["OLD"].label == "ASCII table, kept byte for byte"
        assert list(source.schema.attachments.values()) == [raw[-2880:]]
        assert not source.warnings
    identical(path, tmp_path)


def test_wcs_says_what_the_axes_are(tmp_path: Path) -> None:
    hdu = fits.PrimaryHDU(np.zeros((2, 3, 4, 5), "f4"))
    for n, ctype in enumerate(["RA---SIN", "DEC--SIN", "FREQ", "STOKES"], start=1):
        hdu.header[f"CTYPE{n}"] = ctype
    path = tmp_path / "cube.fits"
    hdu.writeto(path)
    with FitsReader().open(path) as source:
        variable = source.schema["hdu0"]
    assert variable.dims == ("stokes", "spectral", "y", "x")
    assert variable.axes == {"stokes": "member", "spectral": "spectral", "y": "y", "x": "x"}


def test_zero_length_axes_and_empty_tables(tmp_path: Path) -> None:
    table = fits.BinTableHDU.from_columns([fits.Column("a", "E"), fits.Column("b", "3J")], name="NONE")
    path = tmp_path / "empty.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.zeros((0, 4), "f4")), table]).writeto(path)
    schema, values = identical(path, tmp_path)
    assert schema.names == ["NONE/a", "NONE/b"]
    assert values["NONE/b"].shape == (0, 3)


@pytest.mark.shared
def test_shared_files_come_back_byte_for_byte(shared_data: Path, tmp_path: Path) -> None:
    files = sorted((shared_data / "astro").glob("*.fit*"))
    assert files
    for path in files:
        out = tmp_path / path.name
        with FitsReader().open(path) as source:
            compressed = any("ZIMAGE" in hdu["header"] for hdu in source.schema.skeleton["hdus"])
        restore(path, out, max_bytes=400_000)
        if path.suffix == ".gz":
            assert gzip.decompress(out.read_bytes()) == gzip.decompress(path.read_bytes())
        elif compressed:
            assert fits.FITSDiff(str(path), str(out), ignore_keywords=["CHECKSUM", "DATASUM"]).identical, path.name
        else:
            assert out.read_bytes() == path.read_bytes(), path.name


def test_files_that_are_not_right_say_so(tmp_path: Path) -> None:
    reader = FitsReader()
    with pytest.raises(DataError, match="cannot open"):
        reader.open(tmp_path / "missing.fits")
    text = tmp_path / "text.fits"
    text.write_text("no FITS at all")
    with pytest.raises(DataError, match="is not a FITS file"):
        reader.open(text)
    path = tmp_path / "whole.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.zeros((90, 90), "f4"), name="SCI")]).writeto(path)
    raw = path.read_bytes()
    for length in (100, 2880 + 400, 2880 * 2 + 500):
        text.write_bytes(raw[:length])
        with pytest.raises(DataError, match="cut short"):
            reader.open(text)
    packed = tmp_path / "cut.fits.gz"
    packed.write_bytes(gzip.compress(raw)[:-20])
    with pytest.raises(DataError, match="gzip stream is damaged"):
        reader.open(packed)
    text.write_bytes(raw.replace(b"BITPIX  =                  -32", b"BITPIX  =                  -31"))
    with pytest.raises(DataError, match="BITPIX must be"):
        reader.open(text)


def test_unknown_hdus_and_columns_name_the_nearest(tmp_path: Path) -> None:
    table = fits.BinTableHDU.from_columns([fits.Column("SAP_FLUX", "E", array=np.arange(3.0))], name="LIGHTCURVE")
    path = tmp_path / "lc.fits"
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)
    with pytest.raises(DataError, match="'LIGHTCURVE/SAP_FLUX'"):
        FitsReader().open(path, ["LIGHTCURVE/SAPFLUX"])
    with pytest.raises(DataError, match="no variable matches"):
        FitsReader().open(path, ["x*"])
    with pytest.raises(DataError, match="Did you mean 'LIGHTCURVE'"):
        FitsReader(FitsOptions(hdu="LIGHTCURV")).open(path)
    with pytest.raises(DataError, match="has no HDU 7"):
        FitsReader(FitsOptions(hdu=7)).open(path)


@pytest.mark.parametrize("asked", ["PRIMARY", "primary"])
def test_the_primary_hdu_is_hinted_at_by_its_usual_name(tmp_path: Path, asked: str) -> None:
    path = tmp_path / "a.fits"
    fits.HDUList([fits.PrimaryHDU(np.ones((9, 12), "f4")), fits.ImageHDU(np.ones((9, 12)), name="ERR")]).writeto(path)
    with pytest.raises(DataError, match=f"no variable '{asked}'. It is called 'hdu0' here"):
        FitsReader().open(path, [asked])
    with FitsReader(FitsOptions(hdu=asked)).open(path) as source:
        assert source.schema.names == ["hdu0"]
    with pytest.raises(ConfigError, match=f"'{asked}'. It is called 'hdu0' here."):
        compress(path, tmp_path / "a.bal", bounds={asked: {"abs": 0.1}}, model="scalar")
