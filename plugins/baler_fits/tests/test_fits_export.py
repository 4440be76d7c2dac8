"""Exported FITS files are read by astropy; their images lie in tiles that give back each pixel."""

from pathlib import Path

import numpy as np
from astropy.io import fits

import baler_core

FAST = {"name": "auto", "effort": "fast"}


def test_images_lie_in_tiles(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    first = rng.normal(100, 5, (120, 150)).astype("f4")
    first[3, 4] = np.nan
    science = fits.ImageHDU((first * 2).astype("f8"), name="SCI")
    science.header["CRVAL1"] = 12.5
    stars = fits.BinTableHDU.from_columns([fits.Column("flux", "E", array=first[0])], name="T")
    fits.HDUList([fits.PrimaryHDU(first), science, stars]).writeto(tmp_path / "a.fits.gz", checksum=True)
    bounds = {"hdu0": {"abs": 0.5}, "SCI": {"rel": 1e-3}, "T/flux": {"abs": 0.1}}
    baler_core.compress(tmp_path / "a.fits.gz", tmp_path / "a.bal", bounds=bounds, model=FAST)
    done = baler_core.export(tmp_path / "a.bal", tmp_path / "b.fits.fz", extra=0.5)
    assert done.file_bytes < done.plain_bytes
    assert "the image of the first HDU is in an extension" in done.warnings[0]
    with fits.open(tmp_path / "b.fits.fz") as found:
        assert np.nanmax(np.abs(found[1].data - first)) <= 0.75
        assert np.isnan(found[1].data[3, 4])
        assert np.nanmax(np.abs(found["SCI"].data / (first * 2.0) - 1)) <= 1.5e-3
        assert found["SCI"].header["CRVAL1"] == 12.5
        assert found["SCI"].data.dtype.itemsize == 8
        assert np.abs(found["T"].data["flux"] - first[0])[5:].max() <= 0.15
    with fits.open(tmp_path / "b.fits.fz", disable_image_compression=True) as raw:
        assert raw[1].header["ZCMPTYPE"] == "RICE_1"
        assert set(raw[1].data["ZSCALE"]) == {0.25}
        assert raw[2].header["ZCMPTYPE"] == "GZIP_2"
    zipped = baler_core.export(tmp_path / "a.bal", tmp_path / "b.fits.gz", extra=0.5)
    with fits.open(zipped.path) as found:
        assert np.nanmax(np.abs(found[1].data - first)) <= 0.75
    assert zipped.path.read_bytes()[:2] == b"\x1f\x8b"
