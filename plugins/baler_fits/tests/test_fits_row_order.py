"""Tables whose order of rows means nothing come sorted, each row with its texts, vectors and arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

import baler_core
from baler_core.format.file_info import read_info

ROWS = 400


def test_rows_of_a_catalogue_move_as_a_whole(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    number = rng.permutation(ROWS).astype("i4")
    arrays = np.empty(ROWS, object)
    arrays[:] = [np.full(n % 3, n, "f4") for n in number]
    columns = [
        fits.Column("NUMBER", "J", array=number),
        fits.Column("FIELD", "I", array=rng.integers(0, 30, ROWS).astype("i2")),
        fits.Column("NAME", "9A", array=np.array([f"NGC {n}" for n in number])),
        fits.Column("SHAPE", "2E", array=np.stack([number, -number], axis=1).astype("f4")),
        fits.Column("CURVE", "PE()", array=arrays),
    ]
    fits.BinTableHDU.from_columns(columns, name="CAT").writeto(tmp_path / "a.fits", checksum=True)
    baler_core.compress(tmp_path / "a.fits", tmp_path / "a.bal", model={"name": "auto", "effort": "fast"}, order="free")
    assert read_info(tmp_path / "a.bal").header.order is not None
    baler_core.decompress(tmp_path / "a.bal", tmp_path / "b.fits")
    with fits.open(tmp_path / "b.fits", checksum=True) as file, fits.open(tmp_path / "a.fits") as original:
        found, before = file[1].data, original[1].data
        places = np.argsort(before["NUMBER"])[found["NUMBER"]]
        assert not np.array_equal(places, np.arange(ROWS))
        for name in ("FIELD", "NAME", "SHAPE"):
            assert np.array_equal(found[name], before[name][places])
        assert all(np.array_equal(x, before["CURVE"][p]) for x, p in zip(found["CURVE"], places, strict=True))
        assert file[1].header == original[1].header or set(file[1].header) == set(original[1].header)


def test_images_are_refused(tmp_path: Path) -> None:
    fits.PrimaryHDU(np.zeros((20, 30), "f4")).writeto(tmp_path / "a.fits")
    with pytest.raises(baler_core.DataError, match="grid"):
        baler_core.compress(tmp_path / "a.fits", tmp_path / "a.bal", order="free")
