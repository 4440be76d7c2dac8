"""What headers tell of images and columns: roles with their reasons, limits, and names that stay apart."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

import baler_core
from baler_core import DataError, Schema
from baler_fits.reader import FitsReader

from .test_fits_roundtrip import identical

N = 20


def schema_of(path: Path, *hdus: object) -> Schema:
    fits.HDUList([fits.PrimaryHDU(), *hdus]).writeto(path, overwrite=True)
    with FitsReader().open(path) as source:
        return source.schema


def test_columns_by_ucds_units_and_names(tmp_path: Path) -> None:
    columns = {
        "Source": ("K", "", "meta.id;meta.main", "identifier"), "al": ("D", "deg", "pos.eq.ra", "position"),
        "size": ("E", "arcsec", "pos;stat.error", "uncertainty"), "plx": ("E", "mas", "pos.parallax", "measured"),
        "f": ("E", "mag", "phot.mag;em.opt.V", "measured"), "old": ("E", "mag", "PHOT_MAG_V", "measured"),
        "RAJ2000": ("D", "deg", "", "position"), "ra_error": ("E", "deg", "", "uncertainty"),
        "TIME": ("D", "BJD - 2457000, days", "", "time"), "MJD": ("D", "d", "", "time"),
        "SOURCE_ID": ("K", "", "", "identifier"), "QUALITY": ("J", "", "", "flag"), "mag": ("E", "mag", "", ""),
        "e_mag": ("E", "mag", "", "uncertainty"), "E_BV": ("E", "mag", "", ""), "IVAR": ("E", "", "", "weight"),
        "E_MIN": ("E", "keV", "", "cell_bounds"), "flux": ("E", "Jy", "", ""), "START": ("D", "s", "", "time"),
        "plx_over_error": ("E", "", "", ""),
    }  # fmt: skip
    table = fits.BinTableHDU.from_columns(
        [fits.Column(name, form, unit=unit or None, array=np.arange(N)) for name, (form, unit, *_) in columns.items()],
        name="CAT",
    )
    for n, (_, _, ucd, _) in enumerate(columns.values(), start=1):
        if ucd:
            table.header[f"TUCD{n}"] = ucd
    schema = schema_of(tmp_path / "roles.fits", table)
    assert {v.name.removeprefix("CAT/"): v.role for v in schema.variables} == {k: v[3] for k, v in columns.items()}
    assert schema["CAT/al"].reason == "UCD 'pos.eq.ra'"
    assert schema["CAT/TIME"].reason == "TUNIT9 'BJD - 2457000, days'"
    assert all(bool(v.role) == bool(v.reason) for v in schema.variables)


def test_good_time_intervals_events_and_looked_up_coordinates(tmp_path: Path) -> None:
    gti = fits.BinTableHDU.from_columns([fits.Column(n, "D", unit="s", array=np.arange(N)) for n in ("START", "STOP")])
    gti.name = "STDGTI"
    events = fits.BinTableHDU.from_columns([fits.Column("X", "E", array=np.arange(N))], name="EVENTS")
    events.header["TCTYP1"] = "RA---TAN"
    cube = fits.ImageHDU(np.zeros((3, 4), "f4"), name="CUBE")
    cube.header.update({"CTYPE1": "WAVE-TAB", "PS1_0": "LOOKUP", "PS1_1": "wavelengths"})
    lookup = fits.BinTableHDU.from_columns([fits.Column("wavelengths", "D", array=np.arange(N))], name="LOOKUP")
    schema = schema_of(tmp_path / "odd.fits", gti, events, cube, lookup)
    assert [v.role for v in schema.variables] == ["time", "time", "position", "", "axis"]


@pytest.mark.parametrize(
    ("name", "unit", "dtype", "role"),
    [
        ("ERR", "Jy", "f4", "uncertainty"), ("DQ", "", "i2", "flag"), ("WHT", "", "f4", "weight"), ("BPM", "", "u1", "mask"),
        ("SCI", "Jy", "f4", "measured"), ("IMAGE", "count", "i4", "count"), ("RAW", "adu", "u2", ""),
        ("D2IMARR", "", "f4", "position"), ("VARIANCE", "", "f8", "uncertainty"), ("EXPOSURE", "s", "f4", "weight"),
    ],
)  # fmt: skip
def test_images_by_name_and_unit(name: str, unit: str, dtype: str, role: str, tmp_path: Path) -> None:
    hdu = fits.ImageHDU(np.zeros((3, 4), dtype), name=name)
    if unit:
        hdu.header["BUNIT"] = unit
    schema = schema_of(tmp_path / "image.fits", hdu)
    assert schema[name].role == role
    assert bool(schema[name].reason) == bool(role)


def test_legal_values_of_columns_are_limits_in_stored_units(tmp_path: Path) -> None:
    columns = [
        fits.Column("x", "E", array=np.arange(N)),
        fits.Column("packed", "I", array=np.arange(N, dtype="i2")),
        fits.Column("u2", "I", bzero=2**15, array=np.arange(N, dtype="u2")),
        fits.Column("wrong", "E", array=np.arange(N)),
    ]
    table = fits.BinTableHDU.from_columns(columns, name="CAT")
    table.header.update({"TSCAL2": -0.5, "TZERO2": 100.0, "TLMIN1": 0.0, "TLMIN2": 0.0, "TLMAX2": 200.0})
    table.header.update({"TLMIN3": 3, "TLMAX3": 40000, "TLMIN4": 0, "TLMAX4": 0})
    schema = schema_of(tmp_path / "limits.fits", table)
    assert [v.limits for v in schema.variables] == [
        (0.0, math.inf), (-200.0, 200.0), (3.0, 40000.0), (-math.inf, math.inf),
    ]  # fmt: skip


def test_stated_extremes_are_limits_only_where_they_hold(tmp_path: Path) -> None:
    data = np.linspace(-1.1, 5.3, 12, dtype="f4").reshape(3, 4)
    data[1, 1] = np.nan
    found = {}
    for name, low, high in (("HOLD", -1.1, 5.3), ("STALE", -1.0, 5.0), ("HALF", -2.0, 5.0)):
        hdu = fits.ImageHDU(data, name=name)
        hdu.header.update({"DATAMIN": low, "DATAMAX": high})
        found[name] = schema_of(tmp_path / "image.fits", hdu)[name].limits
        tiles = fits.CompImageHDU(data, hdu.header, name=name, compression_type="GZIP_2", quantize_level=0.0)
        assert schema_of(tmp_path / "tiles.fits", tiles)[name].limits == found[name]
    assert found["HOLD"] == (float(np.float32(-1.1)), 5.3 if np.float32(5.3) < 5.3 else float(np.float32(5.3)))
    assert found["STALE"] == (-math.inf, math.inf)
    assert found["HALF"] == (-2.0, math.inf)


def test_columns_with_brackets_are_named_and_matched(tmp_path: Path) -> None:
    path = tmp_path / "brackets.fits"
    table = fits.BinTableHDU.from_columns([fits.Column(n, "E", array=np.arange(N)) for n in ("flux[ADU]", "flux")])
    table.name = "CAT"
    schema_of(path, table)
    for patterns in (["CAT/flux[ADU]"], ["*/flux?ADU]"]):
        with FitsReader().open(path, patterns) as source:
            assert source.schema.names == ["CAT/flux[ADU]"]
    with pytest.raises(DataError, match="CAT/flux"):
        FitsReader().open(path, ["CAT/flx"])


def test_names_that_would_be_equal_are_kept_apart(tmp_path: Path) -> None:
    path = tmp_path / "names.fits"
    ragged = np.array([[1.0], [2.0, 3.0], []], object)
    columns = [
        fits.Column("B", "E", array=np.arange(3.0)),
        fits.Column("flux", "PE()", array=ragged),
        fits.Column("flux.count", "J", array=np.arange(3)),
    ]
    table = fits.BinTableHDU.from_columns(columns, name="A")
    schema = schema_of(path, fits.ImageHDU(np.zeros((3, 4), "f4"), name="A/B"), table)
    assert len(set(schema.names)) == len(schema.names) == 5
    assert schema.names[0] == "A/B"
    identical(path, tmp_path)


@pytest.mark.parametrize(("zero", "null"), [(0, 2**63 - 1), (2**63, 2**63 - 1), (0, -(2**63) + 1)])
def test_a_null_that_is_no_float_is_kept_and_no_other_value_becomes_it(zero: int, null: int, tmp_path: Path) -> None:
    step = -1 if null > 0 else 1
    stored = np.array([1, null, 3] + [null + step * n for n in range(1, 9)], np.int64)
    table = fits.BinTableHDU.from_columns([fits.Column("n", "K", null=null, array=stored)], name="CAT")
    if zero:
        table.header["TZERO1"] = zero
    schema = schema_of(tmp_path / "null.fits", table)
    assert schema["CAT/n"].fill == (null + zero,)
    baler_core.compress(tmp_path / "null.fits", tmp_path / "null.bal", bounds={"CAT/n": {"abs": 5}})
    baler_core.decompress(tmp_path / "null.bal", tmp_path / "restored.fits")
    with fits.open(tmp_path / "restored.fits", uint=False) as file:
        restored = [int(value) for value in file["CAT"].data.base["n"]]
    assert [value == null for value in restored] == [value == null for value in stored.tolist()]
    assert all(abs(one - other) <= 5 for one, other in zip(restored, stored.tolist(), strict=True))
