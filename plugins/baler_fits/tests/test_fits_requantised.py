"""Tile-compressed images come back with their own compression and cards where that keeps every pixel; else it is said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from baler_core import Sink, make_block, values_of
from baler_fits.contents.fields import table_unit
from baler_fits.contents.hdus import scan
from baler_fits.contents.headers import Keywords, header_bytes
from baler_fits.reader import FitsReader
from baler_fits.schema.header_edits import without_columns

from .fits_compare import differences
from .test_fits_roundtrip import Change


def write_floats(path: Path, dtype: str, kind: str = "RICE_1", method: int = 1, *, nan: bool = True) -> None:
    """An image of noise, quantised, with zeros, NaN, a row of one value and a row of nothing."""
    data = np.random.default_rng(2).normal(10, 1, (60, 70)).astype(dtype)
    data[5, 3:9] = 0
    if nan:
        data[3, 4], data[10], data[22] = np.nan, np.nan, 7
    options = {"quantize_level": 8, "quantize_method": method, "dither_seed": 9990}
    hdu = fits.CompImageHDU(data, name="SCI", compression_type=kind, **options)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path, checksum=True)


def through(path: Path, out: Path, change: Change | None = None) -> Sequence[str]:
    """Read and write a file; returns what the sink says."""
    with FitsReader().open(path) as source:
        sink: Sink = FitsReader().create(out, source.schema)
        for block in source.blocks(10_000):
            if change is not None:
                block = make_block({name: (block[name].dims, change(name, values_of(block, name))) for name in block})
            sink.write(block)
        sink.close()
    return sink.warnings


def nudge(name: str, values: np.ndarray) -> np.ndarray:
    return (values * values.dtype.type(1.0001)).astype(values.dtype)


@pytest.mark.parametrize("kind", ["RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("method", [-1, 1, 2])
def test_quantised_floats(kind: str, dtype: str, method: int, tmp_path: Path) -> None:
    path, out = tmp_path / "image.fits.fz", tmp_path / "out.fits"
    write_floats(path, dtype, kind, method, nan=kind != "HCOMPRESS_1")
    assert not through(path, out)
    assert not list(differences(path, out))
    assert out.stat().st_size == path.stat().st_size
    said = through(path, out, nudge)
    assert not list(differences(path, out, rel=1.1e-4))
    np.testing.assert_array_equal(fits.getdata(out, 1), nudge("", fits.getdata(path, 1)))
    if method > 0:
        assert "tiles are compressed with gzip" in said[0]


def test_quantised_floats_without_a_column_for_others_get_one(tmp_path: Path) -> None:
    path, out = tmp_path / "image.fits.fz", tmp_path / "out.fits"
    write_floats(path, "f4", nan=False)
    with path.open("rb") as file:
        hdu = scan(file, "image")[1]
        file.seek(hdu.start)
        data = file.read(hdu.size)
    rows, heap = np.frombuffer(data[: 60 * 32], "u1").reshape(60, 32), data[60 * 32 :]
    header = without_columns(hdu.header, table_unit(Keywords(hdu.header)), [2])
    table = np.delete(rows, slice(8, 16), axis=1).tobytes() + heap
    path.write_bytes(path.read_bytes()[:2880] + header_bytes(header) + table + bytes(-len(table) % 2880))
    assert not through(path, out)
    assert out.read_bytes()[2880:] == path.read_bytes()[2880:]
    said = through(path, out, nudge)
    np.testing.assert_array_equal(fits.getdata(out, 1), nudge("", fits.getdata(path, 1)))
    assert "60 tiles are compressed with gzip" in said[0]
    assert "TTYPE4 is new" in said[1]
    with fits.open(out, disable_image_compression=True) as hdus:
        assert hdus[1].header["ZQUANTIZ"] == "SUBTRACTIVE_DITHER_1"
        assert hdus[1].header["ZDITHER0"] == 9990


@pytest.mark.parametrize("kind", ["RICE_1", "GZIP_1", "GZIP_2", "PLIO_1", "HCOMPRESS_1"])
def test_integers_keep_their_compression(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, out = tmp_path / "image.fits.fz", tmp_path / "out.fits"
    data = np.random.default_rng(1).integers(0, 1000, (30, 40)).astype("i2")
    hdu = fits.CompImageHDU(data, name="SCI", compression_type=kind)
    with monkeypatch.context() as patched:  # CFITSIO notes no time in gzipped tiles, astropy that of writing
        patched.setattr("time.time", lambda: 0.0)
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path, checksum=True)
    assert not through(path, out)
    assert out.read_bytes() == path.read_bytes()
    assert not through(path, out, lambda name, values: values + values.dtype.type(1))
    np.testing.assert_array_equal(fits.getdata(out, 1), data + 1)
    with fits.open(out, disable_image_compression=True) as hdus:
        assert hdus[1].header["ZCMPTYPE"] == kind


def test_a_compression_that_would_lose_again_gives_way_and_is_named(tmp_path: Path) -> None:
    path, out = tmp_path / "image.fits.fz", tmp_path / "out.fits"
    data = np.random.default_rng(1).integers(0, 1000, (30, 40)).astype("i4")
    hdu = fits.CompImageHDU(data, name="SCI", compression_type="HCOMPRESS_1", hcomp_scale=40)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)
    said = through(path, out, lambda name, values: values + np.arange(40, dtype="i4"))
    np.testing.assert_array_equal(fits.getdata(out, 1), fits.getdata(path, 1) + np.arange(40))
    assert said[0] == (
        "HDU 1 (SCI): the tiles are compressed with GZIP_2 in place of HCOMPRESS_1, which would not keep the restored pixels"
    )
    # negative pixels do not fit into PLIO
    path.unlink()
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(data, name="SCI", compression_type="PLIO_1")]).writeto(path)
    said = through(path, out, lambda name, values: values - values.dtype.type(9999))
    np.testing.assert_array_equal(fits.getdata(out, 1), data - 9999)
    assert "GZIP_2 in place of PLIO_1" in said[0]


def test_arrays_that_lay_about_in_a_heap_are_named(tmp_path: Path) -> None:
    from .test_fits_tables import shuffled_heap

    path, out = tmp_path / "heap.fits", tmp_path / "out.fits"
    shuffled_heap(path, np.random.default_rng(1).permutation(50), 8)
    said = through(path, out)
    assert len(said) == 1
    assert "same values, but another order" in said[0]


@pytest.mark.shared
def test_shared_files_differ_in_nothing_but_what_a_loss_changes(shared_data: Path, tmp_path: Path) -> None:
    for path in sorted((shared_data / "astro").glob("*.fits")):
        out = tmp_path / path.name
        assert not through(path, out), path.name
        assert not list(differences(path, out)), path.name
        said = through(path, out, lambda name, values: nudge(name, values) if values.dtype.kind == "f" else values)
        assert not [sentence for sentence in said if "tiles" not in sentence and "TTYPE4" not in sentence], path.name
        assert not list(differences(path, out, rel=2e-4)) or said, path.name
