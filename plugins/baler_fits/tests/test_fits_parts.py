"""Some columns and rows of a table are restored into a FITS file that holds these, as astropy reads it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

import baler_core

N = 300


@pytest.fixture
def bal(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    table = Table({"ra": rng.random(N), "name": [f"s{n}" for n in range(N)], "mag": rng.random((N, 2)).astype("f4")})
    units = [fits.PrimaryHDU(), fits.BinTableHDU(table, name="CAT"), fits.ImageHDU(rng.random((9, 8)), name="SCI")]
    units[0].header["OBSERVER"] = "nobody"
    fits.HDUList(units).writeto(tmp_path / "a.fits", checksum=True)
    baler_core.compress(tmp_path / "a.fits", tmp_path / "a.bal", model="scalar", block_bytes=2000)
    return tmp_path / "a.bal"


@pytest.mark.parametrize("columns", [["mag"], ["ra", "name"]])
def test_columns_and_rows(bal: Path, columns: list[str], tmp_path: Path) -> None:
    original = Table.read(tmp_path / "a.fits", hdu="CAT")
    names = [f"CAT/{name}" for name in columns]
    baler_core.decompress(bal, tmp_path / "p.fits", variables=names, rows=(50, 170))
    with fits.open(tmp_path / "p.fits", checksum=True) as file:
        file.verify("exception")
        assert [unit.name for unit in file] == ["PRIMARY", "CAT"]
        assert file[0].header["OBSERVER"] == "nobody"
        assert file["CAT"].columns.names == columns
        for name in columns:
            np.testing.assert_array_equal(file["CAT"].data[name], original[name][50:170])


def test_an_image_alone(bal: Path, tmp_path: Path) -> None:
    baler_core.decompress(bal, tmp_path / "p.fits", variables="SCI")
    with fits.open(tmp_path / "a.fits") as whole, fits.open(tmp_path / "p.fits") as part:
        assert [unit.name for unit in part] == ["PRIMARY", "SCI"]
        np.testing.assert_array_equal(part["SCI"].data, whole["SCI"].data)
    with pytest.raises(baler_core.DataError, match="is an image"):
        baler_core.decompress(bal, tmp_path / "q.fits", variables="SCI", rows=(0, 3))


def test_columns_that_are_not_chosen_are_named_once(tmp_path: Path) -> None:
    table = Table({"ra": np.arange(3.0), "dec": np.arange(3.0)})
    table.write(tmp_path / "a.fits")
    done = baler_core.compress(tmp_path / "a.fits", tmp_path / "a.bal", variables=["*/ra"])
    assert done.left_out == ("chosen: 1 of 2 variables; not in this file: hdu1/dec",)
    assert not baler_core.compress(tmp_path / "a.fits", tmp_path / "b.bal").left_out
