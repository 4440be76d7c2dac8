"""`baler_fits.open` gives astropy what the FITS file gives it: headers, images, sections, tables; only what is asked for."""

from __future__ import annotations

import importlib
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits, registry
from astropy.nddata import CCDData, Cutout2D
from astropy.table import Table
from astropy.wcs import WCS

import baler_core
import baler_fits
from baler_core import DataError

FAST = {"name": "auto", "effort": "fast"}
rng = np.random.default_rng(2)


def sky(path: Path, *, jagged: bool = False) -> None:
    """Images plain, packed and unsigned, a cube, a table of many types, and one tile-compressed image."""
    image = fits.ImageHDU(rng.normal(100, 5, (80, 60)).astype("f4"), name="SCI")
    image.header.update({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0, "CRVAL2": 20.0, "CRPIX1": 30.0})
    image.header.update({"CRPIX2": 40.0, "CDELT1": -1e-4, "CDELT2": 1e-4, "BUNIT": "count"})
    image.header["HISTORY"] = "made for a test"
    unsigned = fits.ImageHDU(rng.integers(0, 2**16, (20, 30)).astype("u2"), name="DQ")
    scaled = fits.ImageHDU(rng.integers(-99, 99, (20, 30)).astype("i2"), name="PACKED")
    scaled.header["BSCALE"], scaled.header["BZERO"] = 0.5, 10.0
    cube = fits.ImageHDU(rng.normal(size=(6, 10, 12)), name="CUBE")
    columns = [
        fits.Column("id", "J", array=np.arange(50)),
        fits.Column("flux", "D", unit="mJy", array=rng.normal(size=50)),
        fits.Column("name", "8A", array=np.array([f"star {n}" for n in range(50)])),
        fits.Column("good", "L", array=rng.random(50) < 0.5),
        fits.Column("pair", "2E", array=rng.normal(size=(50, 2))),
    ]
    if jagged:
        columns.append(fits.Column("list", "PE()", array=[np.arange(n % 4, dtype="f4") for n in range(50)]))
    table = fits.BinTableHDU.from_columns(columns, name="CAT")
    tiled = fits.CompImageHDU(rng.integers(0, 99, (40, 50)).astype("i4"), name="TILED", compression_type="RICE_1")
    fits.HDUList([fits.PrimaryHDU(), image, unsigned, scaled, cube, table, tiled]).writeto(path, checksum=True)


def same(one: Any, two: Any) -> None:
    assert (one.name, one.header.tostring()) == (two.name, two.header.tostring())
    if isinstance(one, fits.BinTableHDU):
        assert one.columns.names == two.columns.names
        for name in one.columns.names:
            first, second = one.data[name], two.data[name]
            if first.dtype == object:
                assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
            else:
                np.testing.assert_array_equal(first, second)
    elif one.data is not None:
        assert one.data.dtype == two.data.dtype
        np.testing.assert_array_equal(one.data, two.data)


@pytest.mark.parametrize("jagged", [False, True])
def test_a_file_is_that_of_astropy(tmp_path: Path, jagged: bool) -> None:
    sky(tmp_path / "a.fits", jagged=jagged)
    baler_core.compress(tmp_path / "a.fits", tmp_path / "a.bal", model="exact")
    with pytest.raises(baler_core.ConfigError, match=r"mode='update'"):
        baler_fits.open(tmp_path / "a.bal", mode="update")
    with fits.open(tmp_path / "a.fits") as original, baler_fits.open(tmp_path / "a.bal", memmap=True) as ours:
        assert [hdu.name for hdu in ours] == [hdu.name for hdu in original]
        for one, two in zip(original, ours, strict=True):
            if one.name == "TILED":
                np.testing.assert_array_equal(one.data, two.data)
            else:
                same(one, two)


@pytest.fixture
def image(tmp_path: Path) -> tuple[Path, Path]:
    sky(tmp_path / "a.fits")
    bounds = {"SCI": {"abs": 0.1}}
    baler_core.compress(tmp_path / "a.fits", tmp_path / "a.bal", bounds=bounds, model=FAST, block_bytes=4000)
    return tmp_path / "a.fits", tmp_path / "a.bal"


def test_sections_and_cut_outs_lie_where_they_lay(image: tuple[Path, Path]) -> None:
    with fits.open(image[0]) as original, baler_fits.open(image[1]) as ours:
        for key in ((slice(10, 20), slice(30, 35)), (7, slice(None)), (slice(79, 80), slice(0, 60, 7))):
            error = np.abs(original["SCI"].data[key] - ours["SCI"].section[key])
            assert error.max() <= 0.1001
        np.testing.assert_array_equal(ours["CUBE"].section[2, 3:5], original["CUBE"].data[2, 3:5])
        np.testing.assert_array_equal(ours["PACKED"].section[3:5], original["PACKED"].data[3:5])
        cut = [Cutout2D(hdus["SCI"].data, (25, 30), 12, WCS(hdus["SCI"].header)) for hdus in (original, ours)]
        assert cut[0].wcs.to_header() == cut[1].wcs.to_header()
        assert 0 < np.abs(cut[0].data - cut[1].data).max() <= 0.1001


def test_a_section_restores_its_rows_alone(image: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, Any]] = []
    original = baler_core.StoredArray.__getitem__
    monkeypatch.setattr(
        baler_core.StoredArray, "__getitem__", lambda self, key: asked.append((self.name, key)) or original(self, key)
    )
    with baler_fits.open(image[1]) as ours:
        assert [hdu.name for hdu in ours][1] == "SCI"
        assert not asked
        ours["SCI"].section[10:14]
    assert asked == [("SCI", slice(10, 14))]


def test_tables_are_read_by_the_unified_interface(image: tuple[Path, Path], tmp_path: Path) -> None:
    if "baler" in registry.get_formats(Table)["Format"]:
        for forget in (registry.unregister_reader, registry.unregister_writer, registry.unregister_identifier):
            forget("baler", Table)
    importlib.reload(baler_fits)  # as a script imports it that has imported astropy's tables
    expected = Table.read(image[0], hdu="CAT")
    for options in ({"format": "baler", "hdu": "CAT"}, {"hdu": 5}, {}):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = Table.read(image[1], **options)
        assert found.colnames == expected.colnames
        assert found["flux"].unit == "mJy"
        assert all((found[name] == expected[name]).all() for name in expected.colnames)
    expected.write(tmp_path / "t.bal", format="baler", bounds={"flux": {"abs": 1e-3}}, model=FAST)
    again = Table.read(tmp_path / "t.bal", format="baler")
    assert 0 < np.abs(np.asarray(again["flux"]) - np.asarray(expected["flux"])).max() <= 1.001e-3
    with pytest.raises(OSError, match="is there already"):
        expected.write(tmp_path / "t.bal", format="baler")
    Table({"other": [1.5, 2]}).write(tmp_path / "t.bal", overwrite=True)
    assert Table.read(tmp_path / "t.bal")["other"].tolist() == [1.5, 2]


def test_mapped_tables_keep_what_others_mask(tmp_path: Path) -> None:
    """`Table.read(memmap=True)` masks neither NaN nor empty text, and strips none."""
    Table({"x": [1.0, np.nan], "name": ["", "b "]}).write(tmp_path / "t.fits")
    baler_core.compress(tmp_path / "t.fits", tmp_path / "t.bal", model=FAST)
    baler_fits.open(tmp_path / "t.bal").close()
    for mapped in (True, False):
        expected, found = (Table.read(tmp_path / f"t.{suffix}", memmap=mapped) for suffix in ("fits", "bal"))
        assert found.has_masked_values is expected.has_masked_values is not mapped
        assert found["name"].tolist() == expected["name"].tolist()


def test_what_is_no_fits_file_is_told(tmp_path: Path) -> None:
    baler_core.compress(np.arange(4.0), tmp_path / "b.bal")
    with pytest.raises(DataError, match="was made by the reader 'python', not of a FITS file"):
        baler_fits.open(tmp_path / "b.bal")
    (tmp_path / "c.bal").write_bytes(b"something else")
    with pytest.raises(OSError, match=r"c\.bal") as caught:  # as astropy raises
        baler_fits.open(tmp_path / "c.bal")
    assert isinstance(caught.value, baler_core.FormatError)


@pytest.mark.parametrize("code", ["i2", "f4"])
def test_tile_compressed_images_show_as_images(tmp_path: Path, code: str) -> None:
    pixels = (rng.normal(size=(40, 50)) * 99).astype(code)
    plain = fits.PrimaryHDU(pixels)
    plain.header["OBJECT"] = "M 13"
    tiled = fits.CompImageHDU(
        pixels, plain.header, compression_type="RICE_1" if code == "i2" else "GZIP_1", quantize_level=0
    )
    fits.HDUList([fits.PrimaryHDU(), tiled]).writeto(tmp_path / "a.fits")
    # as fpack says of a primary image
    with fits.open(tmp_path / "a.fits", disable_image_compression=True, mode="update") as hdus:
        hdus[1].header["ZSIMPLE"] = True
        hdus[1].header.remove("EXTNAME")
    baler_core.compress(tmp_path / "a.fits", tmp_path / "a.bal", model=FAST)
    with baler_fits.open(tmp_path / "a.bal") as ours:
        assert isinstance(ours[1], fits.ImageHDU)
        assert ours[1].header["OBJECT"] == "M 13"
        np.testing.assert_array_equal(ours[1].data, pixels)
        np.testing.assert_array_equal(ours[1].section[7:9, 3:5], pixels[7:9, 3:5])
        with fits.open(tmp_path / "a.fits") as original:
            assert [hdu.name for hdu in ours] == [hdu.name for hdu in original] == ["PRIMARY", "COMPRESSED_IMAGE"]


def test_a_file_without_data_opens(tmp_path: Path) -> None:
    primary = fits.PrimaryHDU()
    primary.header["HISTORY"] = "nothing here"
    primary.writeto(tmp_path / "a.fits")
    baler_core.compress(tmp_path / "a.fits", tmp_path / "a.bal")
    with baler_fits.open(tmp_path / "a.bal") as ours, fits.open(tmp_path / "a.fits") as original:
        assert ours[0].header.tostring() == original[0].header.tostring()


def test_empty_text_is_missing_and_arrays_of_variable_length_open_as_from_the_original(tmp_path: Path) -> None:
    text = fits.Column("name", "10A", array=["a", "", "bb", "", "c"])
    lists = np.array([np.arange(n, dtype="f4") for n in range(5)], dtype=object)
    for name, columns in (("plain", [text]), ("lists", [text, fits.Column("list", "PE()", array=lists)])):
        table = fits.BinTableHDU.from_columns(columns, name="SRC")
        fits.HDUList([fits.PrimaryHDU(), table]).writeto(tmp_path / f"{name}.fits")
        baler_core.compress(tmp_path / f"{name}.fits", tmp_path / f"{name}.bal", bounds="lossless")
        expected, found = (Table.read(tmp_path / f"{name}.{suffix}", hdu="SRC") for suffix in ("fits", "bal"))
        assert found.dtype == expected.dtype
        assert found["name"].mask.tolist() == expected["name"].mask.tolist() == [False, True, False, True, False]
    assert [row.tolist() for row in found["list"]] == [row.tolist() for row in lists]


def test_images_are_read_as_ccd_data(tmp_path: Path) -> None:
    sky(tmp_path / "a.fits")
    baler_core.compress(tmp_path / "a.fits", tmp_path / "a.bal", bounds={"SCI": {"abs": 0.5}}, model=FAST)
    baler_fits.open(tmp_path / "a.bal").close()
    expected = CCDData.read(tmp_path / "a.fits", hdu="SCI", unit="adu")
    found = CCDData.read(tmp_path / "a.bal", hdu="SCI", unit="adu")
    assert np.abs(found.data - expected.data).max() <= 0.5
    assert found.wcs.wcs.compare(expected.wcs.wcs)
    assert found.header == expected.header
    Table({"x": [1, 2]}).write(tmp_path / "t.bal", bounds="lossless")
    with pytest.raises(DataError, match="not of a FITS file"):
        CCDData.read(tmp_path / "t.bal", unit="adu")
