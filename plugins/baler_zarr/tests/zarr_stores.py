"""Stores with every type of array, and their comparison value by value, for the tests of this plugin."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from zarr.codecs import BloscCodec, BytesCodec, GzipCodec, TransposeCodec, ZstdCodec

import baler_core

RECORD = np.dtype([("a", "<i4"), ("b", "<f8")])


@contextmanager
def quiet() -> Iterator[None]:
    """Without what zarr says of types and metadata that version 3 does not fix yet."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def named(form: int, *names: str, **attributes: Any) -> dict[str, Any]:
    """How an array is told the names of its dimensions."""
    if form == 2:
        return {"attributes": {"_ARRAY_DIMENSIONS": list(names), **attributes}}
    return {"attributes": attributes, "dimension_names": names}


def make_store(path: Path, form: int) -> Path:
    """Write a store of either version."""
    with quiet():
        group = zarr.open_group(str(path), mode="w", zarr_format=form, attributes={"title": "t", "n": [1, 2.5]})
        special = {"shards": (6, 8)} if form == 3 else {"order": "F"}
        x = group.create_array(
            "x",
            shape=(10, 7),
            chunks=(3, 4),
            dtype="f4",
            fill_value=np.nan,
            **named(form, "y", "z", units="K"),
            **special,
        )
        x[:3] = np.arange(21).reshape(3, 7) / 7
        group.create_array("sub/text", shape=(3,), chunks=(2,), dtype=str)[:] = ["a", "bb", "ü\0"]
        group.create_array("sub/wide", shape=(3,), chunks=(2,), dtype="<U4")[:] = ["a", "bb", "ü"]
        group.create_array("sub/raw", shape=(3,), chunks=(2,), dtype="S4")[:] = [b"a", b"bb", b"x"]
        group.create_array("t", shape=(3,), chunks=(2,), dtype="M8[ns]")[:] = np.array([1, "NaT", 3], "M8[ns]")
        group.create_array("gap", shape=(3,), chunks=(2,), dtype="m8[s]")[:] = np.array([1, "NaT", 3], "m8[s]")
        records = group.create_array("records", shape=(3,), chunks=(2,), dtype=RECORD)
        values = np.zeros(3, records.dtype)
        values["a"], values["b"] = [1, -2, 3], [0.5, np.nan, 2.5]
        records[:] = values
        group.create_array("big", shape=(5,), chunks=(2,), dtype=">f8")[:] = np.arange(5) / 3
        group.create_array("truth", shape=(5,), chunks=(2,), dtype=bool)[:] = [1, 0, 1, 1, 0]
        group.create_array("wave", shape=(5,), chunks=(2,), dtype="c8")[:] = np.arange(5) * 1j
        group.create_array("half", shape=(5,), chunks=(2,), dtype="f2")[:] = np.arange(5) / 3
        group.create_array("large", shape=(3,), chunks=(2,), dtype="u8")[:] = [2**64 - 1, 0, 5]
        group.create_array("single", shape=(), chunks=(), dtype="i4")[...] = 7
        group.create_array("none", shape=(0, 3), chunks=(1, 3), dtype="i4")
        group.create_array("never", shape=(10, 3), chunks=(5, 3), dtype="i4", fill_value=3)
        hole = group.create_array("hole", shape=(10, 3), chunks=(2, 2), dtype="i4")
        hole[2:4], hole[9, 2] = 5, 8
        zarr.consolidate_metadata(str(path), zarr_format=form)
    (path / "README").write_text("what else lies there")
    return path


def make_small(path: Path, form: int) -> Path:
    """Write a store of few arrays: one with gaps, text, records."""
    with quiet():
        group = zarr.open_group(str(path), mode="w", zarr_format=form)
        hole = group.create_array("hole", shape=(10, 3), chunks=(5, 3), dtype="f4", **named(form, "y", "z", units="K"))
        hole[:5] = np.arange(15).reshape(5, 3) / 7
        group.create_array("sub/text", shape=(3,), chunks=(3,), dtype=str)[:] = ["a", "bb", "c"]
        records = group.create_array("records", shape=(3,), chunks=(3,), dtype=RECORD)
        records[:] = np.ones(3, RECORD)
        zarr.consolidate_metadata(str(path), zarr_format=form)
    (path / "README").write_text("what else lies there")
    return path


def make_codecs(path: Path) -> Path:
    """Write a store whose arrays are encoded in different ways."""
    values = np.random.default_rng(2).normal(size=(12, 10)).astype("f4")
    serial = BytesCodec(endian="big")
    with quiet():
        group = zarr.open_group(str(path), mode="w", zarr_format=3)
        for name, codecs in {
            "gzip": [GzipCodec(level=3)],
            "zstd": [ZstdCodec(level=7, checksum=True)],
            "blosc": [BloscCodec(cname="lz4hc", clevel=4)],
            "plain": [],
        }.items():
            made = group.create_array(
                name, shape=values.shape, chunks=(5, 4), dtype="f4", compressors=codecs, serializer=serial,
                filters=[TransposeCodec(order=(1, 0))], chunk_key_encoding={"name": "v2", "separator": "/"},
            )  # fmt: skip
            made[...] = values
    return path


def files_of(path: Path) -> dict[str, bytes]:
    """The bytes of every file in a store."""
    return {str(p.relative_to(path)): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}


def assert_same(one: Any, other: Any) -> None:
    """Assert that two groups have the same members, metadata and values."""
    with quiet():
        before, after = (dict(g.members(max_depth=None)) for g in (one, other))
        assert before.keys() == after.keys()
        assert dict(one.attrs) == dict(other.attrs)
        for name, x in before.items():
            y = after[name]
            if not isinstance(x, zarr.Array):
                assert dict(x.attrs) == dict(y.attrs)
                continue
            assert str(x.metadata.to_dict()) == str(y.metadata.to_dict()), name
            u, v = np.asarray(x[...]), np.asarray(y[...])
            assert u.dtype == v.dtype
            assert u.tolist() == v.tolist() if u.dtype.kind in "OT" else u.tobytes() == v.tobytes(), name


def restored(path: Path, target: Path | None = None, **options: Any) -> Path:
    """Compress and restore a store beside itself; lossless and without learning unless told otherwise."""
    target = target or path.with_name(f"restored-{path.name}")
    if target.is_dir():
        shutil.rmtree(target)
    compressed = path.with_name("store.bal")
    baler_core.compress(path, compressed, **({"bounds": "lossless", "model": "scalar", "overwrite": True} | options))
    baler_core.decompress(compressed, target, overwrite=True)
    return target


def dataset() -> xr.Dataset:
    """A dataset with CF conventions."""
    draw = np.random.default_rng(1)
    tas = np.cumsum(draw.normal(size=(12, 15, 20)), axis=0).astype("f4") + 280
    tas[:, :3, :3] = np.nan
    about = {"units": "K", "long_name": "temperature", "standard_name": "air_temperature"}
    flags = {"flag_values": [0, 1, 2], "flag_meanings": "a b c"}
    return xr.Dataset(
        {
            "tas": (("time", "lat", "lon"), tas, about),
            "pr": (("time", "lat", "lon"), draw.gamma(1, 2, size=(12, 15, 20)), {"units": "mm"}),
            "flag": (("lat", "lon"), draw.integers(0, 3, (15, 20)).astype("i1"), flags),
            "station": (("lat",), np.array([f"s{n}" for n in range(15)], object)),
        },
        coords={
            "time": np.arange("2000-01-01", "2000-01-13", dtype="M8[D]").astype("M8[ns]"),
            "lat": ("lat", np.linspace(-10, 10, 15), {"units": "degrees_north"}),
            "lon": ("lon", np.linspace(0, 40, 20), {"units": "degrees_east"}),
        },
        attrs={"title": "x", "Conventions": "CF-1.11"},
    )


ENCODING = {
    "pr": {"scale_factor": 0.01, "add_offset": 5.0, "dtype": "i2", "_FillValue": -999},
    "tas": {"chunks": (5, 15, 20)},
}
