"""Fluxes of sources, colours and distances, kept, as computed from the restored file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from astropy.io import fits
from astropy.table import Table
from click.testing import CliRunner

import baler_core
from baler_core import ConfigError
from baler_core.cli import cli
from baler_core.cli.options import Session
from baler_fits.metrics.source_finding import aperture_fluxes, find_sources, ring_reach, sky

FAST: dict[str, Any] = {"name": "auto", "effort": "fast"}


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Stars of very different brightness on noise, with a hole."""
    rng = np.random.default_rng(4)
    values = rng.normal(100, 5, (220, 200))
    y, x = np.mgrid[-9:10, -9:10]
    for _ in range(40):
        row, column = rng.integers(12, 188, 2)
        values[row - 9 : row + 10, column - 9 : column + 10] += np.exp(-(y**2 + x**2) / 5) * 10 ** rng.uniform(1.5, 4)
    values[60:64, 70:80] = np.nan
    fits.writeto(tmp_path / "image.fits", values.astype("f4"))
    return tmp_path / "image.fits"


def test_fluxes_hold_for_every_source(image: Path, tmp_path: Path) -> None:
    done = baler_core.compress(
        image,
        tmp_path / "x.bal",
        bounds={"abs": 2.5},
        derived={"f": {"of": "aperture_flux(hdu0, 3)", "rel": 1e-3, "units": "adu"}},
        model=FAST,
    )
    before, after = (
        fits.getdata(path).astype(np.float64)
        for path in (image, baler_core.decompress(tmp_path / "x.bal", tmp_path / "x.fits"))
    )
    found = find_sources(before, *sky(before), threshold=5, margin=ring_reach(3.0))
    one, two = (aperture_fluxes(pixels, found.y, found.x, 3.0) for pixels in (before, after))
    known = np.isfinite(one)
    assert known.sum() > 20
    assert (np.abs(two - one)[known] <= 1e-3 * np.abs(one)[known]).all()
    assert np.nanmax(np.abs(after - before)) <= 2.5
    assert np.nanmedian(np.abs(after - before)) > 0.1
    assert done.derived["f"].units == "adu"
    assert done.derived["f"].cells == len(found.y)


def test_colours_distances_and_separations_of_a_catalogue_hold(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    rows = 3000
    g = 10 ** rng.normal(3, 1, rows)
    columns = {
        "parallax": rng.normal(1, 1, rows),
        "g": g.astype("f4"),
        "r": (g * 10 ** rng.normal(0, 0.3, rows)).astype("f4"),
        "ra1": rng.uniform(0, 360, rows),
        "dec1": rng.uniform(-89, 89, rows),
    }
    columns["ra2"] = columns["ra1"] + rng.normal(0, 1e-3, rows)
    columns["dec2"] = columns["dec1"] + rng.normal(0, 1e-3, rows)
    table = Table(columns)
    table["parallax"].unit = "mas"
    table.write(tmp_path / "cat.fits")
    derived = {
        "d": {"of": "distance(parallax)", "rel": 1e-2},
        "c": {"of": "colour(g, r)", "abs": 1e-3},
        "m": {"of": "magnitude(g)", "abs": 2e-3},
        "s": {"of": "separation(ra1, dec1, ra2, dec2)", "abs": 1e-6},
    }
    done = baler_core.compress(tmp_path / "cat.fits", tmp_path / "x.bal", derived=derived, model=FAST)
    restored = baler_core.decompress(tmp_path / "x.bal", tmp_path / "x.fits")
    v, w = (Table.read(path) for path in (tmp_path / "cat.fits", restored))
    far = np.array(v["parallax"]) > 0
    np.testing.assert_allclose(np.array(w["parallax"])[far] ** -1, np.array(v["parallax"])[far] ** -1, rtol=1e-2)
    assert (np.array(w["parallax"])[~far] <= 0).all()

    def colour(t: Table) -> np.ndarray:
        return -2.5 * np.log10(np.array(t["g"], float) / np.array(t["r"], float))

    assert np.abs(colour(w) - colour(v)).max() <= 1e-3

    def separation(t: Table) -> np.ndarray:
        from astropy.coordinates import angular_separation

        return np.degrees(angular_separation(*(np.radians(t[n]) for n in ("ra1", "dec1", "ra2", "dec2"))))

    assert np.abs(separation(w) - separation(v)).max() <= 1e-6 * 1.001
    assert {name: one.units for name, one in done.derived.items()} == {"d": "pc", "c": "mag", "m": "mag", "s": "deg"}
    assert done.ratio > 1.5


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        ("aperture_flux(hdu0, 300)", "a radius of at most 50 pixels"),
        ("aperture_flux(SCI)", "there is no variable 'SCI'"),
        ("aperture_flux(hdu0, hdu0)", "numbers for radius and threshold"),
    ],
)
def test_what_does_not_fit_is_refused(image: Path, tmp_path: Path, formula: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        baler_core.compress(image, tmp_path / "x.bal", derived={"q": {"of": formula, "rel": 1e-3}})


def test_a_kept_aperture_flux_may_lose_a_part_of_its_noise(tmp_path: Path) -> None:
    image = np.random.default_rng(6).normal(20, 2, (120, 130)).astype("f4")
    fits.PrimaryHDU(image).writeto(tmp_path / "i.fits")
    found = CliRunner().invoke(
        cli, ["suggest", str(tmp_path / "i.fits"), "--keep", "aperture_flux(hdu0, 3)"], obj=Session()
    )
    assert found.exit_code == 0
    kept = yaml.safe_load(found.output)["derived"]["aperture_flux_hdu0_3"]
    assert kept["abs"] == pytest.approx(0.25 * 2 * np.sqrt(np.pi) * 3, rel=0.1)
