"""Tile-compressed images: read as images, restored as tile-compressed images with the same header, without loss."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from baler_fits.reader import FitsReader

from .test_fits_roundtrip import identical, restore


def write_tiles(path: Path, data: np.ndarray, kind: str, **options: object) -> None:
    """A file with one tile-compressed image."""
    header = fits.Header()
    header["OBJECT"] = ("M31", "what was looked at")
    header["BUNIT"] = "adu"
    header.add_history("observed")
    hdu = fits.CompImageHDU(data, header, name="SCI", compression_type=kind, **options)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path, checksum=True)


def assert_same_header(path: Path, out: Path) -> None:
    """Cards as astropy shows them, without sums over the compressed bytes."""
    with fits.open(path) as before, fits.open(out, checksum=True) as after:
        for old, new in zip(before, after, strict=True):
            cards = [[str(card) for card in hdu.header.cards if "SUM" not in card.keyword] for hdu in (old, new)]
            assert cards[0] == cards[1]


@pytest.mark.parametrize("kind", ["RICE_1", "GZIP_1", "GZIP_2", "PLIO_1", "HCOMPRESS_1"])
@pytest.mark.parametrize("dtype", ["u1", "i2", "i4"])
def test_integers(kind: str, dtype: str, tmp_path: Path) -> None:
    data = np.random.default_rng(1).integers(0, 100, (30, 40)).astype(dtype)
    path, out = tmp_path / "tiles.fits.fz", tmp_path / "out.fits"
    write_tiles(path, data, kind)
    schema, values = restore(path, out, change=lambda name, values: values + values.dtype.type(1))
    np.testing.assert_array_equal(values["SCI"], data)
    assert schema["SCI"].units == "adu"
    assert_same_header(path, out)
    np.testing.assert_array_equal(fits.getdata(out, 1), data + 1)


def test_unsigned_cube_in_tiles_of_its_own(tmp_path: Path) -> None:
    data = np.random.default_rng(1).integers(0, 65536, (3, 30, 40)).astype("u2")
    path, out = tmp_path / "cube.fits", tmp_path / "out.fits"
    write_tiles(path, data, "RICE_1", tile_shape=(1, 10, 20))
    schema, values = restore(path, out)
    assert schema["SCI"].dtype == "<u2"
    np.testing.assert_array_equal(values["SCI"], data)
    np.testing.assert_array_equal(fits.getdata(out, 1), data)
    assert_same_header(path, out)
    with fits.open(out) as hdus:
        assert hdus[1].tile_shape == (1, 10, 20)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_quantised_floats_come_back_as_decoded(dtype: str, tmp_path: Path) -> None:
    data = np.random.default_rng(1).normal(size=(30, 40)).astype(dtype)
    data[3, 4] = np.nan
    path, out = tmp_path / "floats.fits", tmp_path / "out.fits"
    write_tiles(path, data, "RICE_1", quantize_level=16)
    decoded = fits.getdata(path, 1)
    _, values = restore(path, out)
    np.testing.assert_array_equal(values["SCI"], decoded)
    np.testing.assert_array_equal(fits.getdata(out, 1), decoded)
    assert_same_header(path, out)


def test_real_scaling(tmp_path: Path) -> None:
    path, out = tmp_path / "scaled.fits", tmp_path / "out.fits"
    write_tiles(path, np.arange(1200, dtype="i2").reshape(30, 40), "RICE_1")
    with fits.open(path, "update", disable_image_compression=True) as hdus:
        hdus[1].header["BSCALE"] = 0.25
        hdus[1].header["BZERO"] = 7.0
        hdus[1].header["BLANK"] = 5
    schema, _ = restore(path, out)
    assert (schema["SCI"].scale, schema["SCI"].offset, schema["SCI"].fill) == (0.25, 7.0, (5.0,))
    np.testing.assert_array_equal(fits.getdata(out, 1), fits.getdata(path, 1))


def test_kept_byte_for_byte_on_request(tmp_path: Path) -> None:
    path = tmp_path / "tiles.fits"
    write_tiles(path, np.arange(1200, dtype="i2").reshape(30, 40), "RICE_1")
    identical(path, tmp_path, tiles="keep")


def test_unknown_compression_is_kept_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "tiles.fits"
    write_tiles(path, np.arange(1200, dtype="i2").reshape(30, 40), "RICE_1")
    path.write_bytes(path.read_bytes().replace(b"'RICE_1  '", b"'FUTURE_9'"))
    with FitsReader().open(path) as source:
        assert "does not decode" in source.schema["SCI"].label
    identical(path, tmp_path)
