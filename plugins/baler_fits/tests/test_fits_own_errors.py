"""Bounds in units of own errors, checked by astropy on tables and on planes of images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table

import baler_core


def test_columns_of_a_table_keep_a_share_of_their_errors(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    sides = (np.exp(rng.normal(0, 1, (900, 2))) * [-1, 1]).astype("f4")
    sides[:30, 0] = np.nan
    flux, error = rng.lognormal(3, 2, 900).astype("f4"), np.exp(rng.normal(0, 1, 900)).astype("f4")
    table = Table(
        {"Name": [f"s{n}" for n in range(900)], "Flux": flux, "Unc_Flux": error, "Peak": flux * 2, "Unc": sides}
    )
    table.write(tmp_path / "t.fits")
    bounds = {
        "*/Flux": {"abs": "0.1 * Unc_Flux"},
        "*/Peak": {"abs": "0.25 * Unc", "else": {"rel": 1e-3}},
        "*/Unc*": {"rel": 0.05},
    }
    baler_core.compress(tmp_path / "t.fits", tmp_path / "t.bal", bounds=bounds)
    restored = Table.read(baler_core.decompress(tmp_path / "t.bal", tmp_path / "r.fits"))
    for side in (table, restored):
        off = np.abs(np.asarray(restored["Flux"], float) - flux)
        assert (off <= 0.1 * np.asarray(side["Unc_Flux"], float)).all()
        off = np.abs(np.asarray(restored["Peak"], float) - 2 * flux)
        least = 0.25 * np.abs(np.asarray(side["Unc"], float)).min(axis=1)
        assert (off <= np.where(np.isfinite(least), least, 1e-3 * 2 * flux)).all()
    assert (np.asarray(restored["Flux"]) != flux).mean() > 0.5
    assert list(restored["Name"]) == list(table["Name"])


def test_planes_keep_a_share_of_their_errors(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    error = np.exp(rng.normal(0, 1, (60, 50))).astype("f4")
    science = (rng.normal(10, 1, (60, 50)) * error).astype("f4")
    science[5, 5], error[9, :9] = np.nan, 0
    planes = [fits.PrimaryHDU(), fits.ImageHDU(science, name="SCI"), fits.ImageHDU(error**2, name="VAR")]
    fits.HDUList(planes).writeto(tmp_path / "i.fits")
    bounds = {"SCI": {"abs": "0.25 * sqrt(VAR)"}, "VAR": {"rel": 0.05}}
    baler_core.compress(tmp_path / "i.fits", tmp_path / "i.bal", bounds=bounds)
    baler_core.decompress(tmp_path / "i.bal", tmp_path / "r.fits")
    before = fits.getdata(tmp_path / "i.fits", "VAR").astype(float)
    after, image = fits.getdata(tmp_path / "r.fits", "VAR").astype(float), fits.getdata(tmp_path / "r.fits", "SCI")
    known = (error > 0) & np.isfinite(science)
    for variance in (before, after):
        assert (np.abs(image.astype(float) - science)[known] <= 0.25 * np.sqrt(variance[known])).all()
    np.testing.assert_array_equal(image[~known], science[~known])
    assert (image != science)[known].mean() > 0.5
