"""Restoring a file through its reader, and comparing two files object by object with the field's own libraries."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np
import pytest
import xarray as xr

from baler_core import Reader
from baler_hdf5.reader import Hdf5Reader, NetcdfReader, ReadingOptions

Restore = Callable[..., Path]
Compare = Callable[[Path, Path], None]


@pytest.fixture
def restore(tmp_path: Path) -> Restore:
    """Read a file block by block, write it again, and give the new file's path; `told` takes how that differs."""

    def restored(
        path: Path,
        *,
        max_bytes: int = 1000,
        patterns: Sequence[str] | None = None,
        allow_missing: bool = False,
        told: list[str] | None = None,
    ) -> Path:
        kind: type[Reader] = NetcdfReader if path.suffix in NetcdfReader.suffixes else Hdf5Reader
        reader = kind(ReadingOptions(allow_missing=allow_missing))
        output = tmp_path / f"restored_{path.name}"
        with reader.open(path, patterns) as source:
            # the skeleton travels as UTF-8 JSON
            skeleton = json.loads(json.dumps(source.schema.skeleton, ensure_ascii=False, allow_nan=False).encode())
            sink = reader.create(output, replace(source.schema, skeleton=skeleton))
            for block in source.blocks(max_bytes):
                sink.write(block)
            sink.close()
        if told is None:
            assert not sink.warnings
        else:
            told.extend(sink.warnings)
        return output

    return restored


@pytest.fixture
def same_hdf5() -> Compare:
    """Assert that two HDF5 files hold the same objects, types, attributes, properties and values."""

    def compare(first: Path, second: Path) -> None:
        with h5py.File(first) as a, h5py.File(second) as b:
            same_group(a["/"], b["/"], set())

    return compare


@pytest.fixture
def same_netcdf() -> Compare:
    """Assert that netCDF4 and xarray see no difference between two files."""

    def compare(first: Path, second: Path) -> None:
        with netCDF4.Dataset(first) as a, netCDF4.Dataset(second) as b:
            assert (a.data_model, a.disk_format) == (b.data_model, b.disk_format)
            same_netcdf_group(a, b)
        for decode in (False, True):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with xr.open_dataset(first, decode_cf=decode) as a, xr.open_dataset(second, decode_cf=decode) as b:
                    xr.testing.assert_identical(a.load(), b.load())
                    for name in a.variables:
                        ours, theirs = dict(a[name].encoding), dict(b[name].encoding)
                        assert ours.pop("source", "") != theirs.pop("source", None)
                        np.testing.assert_equal(theirs, ours)

    return compare


def same_group(a: h5py.Group, b: h5py.Group, seen: set[int]) -> None:
    """Names, their order, links and members."""
    assert list(a) == list(b)
    same_attributes(a, b)
    seen.add(h5py.h5o.get_info(a.id).addr)
    for name in a:
        link, other = a.get(name, getlink=True), b.get(name, getlink=True)
        assert type(link) is type(other)
        if not isinstance(link, h5py.HardLink):
            assert vars(link) == vars(other)
            continue
        assert type(a[name]) is type(b[name])
        assert a[name].name == b[name].name
        if isinstance(a[name], h5py.Group):
            if h5py.h5o.get_info(a[name].id).addr not in seen:
                same_group(a[name], b[name], seen)
        elif isinstance(a[name], h5py.Dataset):
            same_dataset(a[name], b[name])
        elif isinstance(a[name], h5py.Datatype):
            assert a[name].id.equal(b[name].id)
            same_attributes(a[name], b[name])


def same_dataset(a: h5py.Dataset, b: h5py.Dataset) -> None:
    """Type, shape, storage and values."""
    kind = a.id.get_type()
    assert kind.equal(b.id.get_type()), a.name
    assert kind.committed() == b.id.get_type().committed()
    for name in ("shape", "maxshape", "chunks", "compression", "compression_opts", "shuffle", "fletcher32", "dtype"):
        assert getattr(a, name) == getattr(b, name), (a.name, name)
    assert a.id.get_create_plist().get_layout() == b.id.get_create_plist().get_layout()
    defined = [dataset.id.get_create_plist().fill_value_defined() for dataset in (a, b)]
    assert defined[0] == defined[1] or a.dtype == object
    same_attributes(a, b)
    if a.shape is not None:
        if isinstance(a.fillvalue, h5py.Reference):
            same_cells(a.fillvalue, b.fillvalue, a.file, b.file)
        else:
            np.testing.assert_equal(a.fillvalue, b.fillvalue)
        same_cells(a[()], b[()], a.file, b.file)


def same_attributes(a: h5py.HLObject, b: h5py.HLObject) -> None:
    """Names, their order, types, shapes and values."""
    assert list(a.attrs) == list(b.attrs), a.name
    for name in a.attrs:
        one, other = a.attrs.get_id(name), b.attrs.get_id(name)
        assert one.get_type().equal(other.get_type()), (a.name, name)
        assert one.get_space().get_simple_extent_type() == other.get_space().get_simple_extent_type()
        assert one.shape == other.shape
        same_cells(a.attrs[name], b.attrs[name], a.file, b.file)


def same_cells(a: Any, b: Any, file_a: Any, file_b: Any) -> None:
    """Values bit by bit; references by the path they lead to."""
    if isinstance(a, h5py.Empty):
        assert a == b
    elif isinstance(a, h5py.Reference):
        assert bool(a) == bool(b)
        assert not a or file_a[a].name == file_b[b].name
    elif isinstance(a, np.ndarray | np.void) and a.dtype.names:
        for name in a.dtype.names:
            same_cells(a[name], b[name], file_a, file_b)
    elif isinstance(a, np.ndarray) and a.dtype == object:
        assert a.shape == b.shape
        for one, other in zip(a.reshape(-1), b.reshape(-1), strict=True):
            same_cells(one, other, file_a, file_b)
    elif isinstance(a, np.ndarray | np.generic):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()
        assert np.asarray(a).dtype == np.asarray(b).dtype
    else:
        assert a == b


def same_netcdf_group(a: Any, b: Any) -> None:
    """Dimensions, variables, attributes and groups as netCDF4 sees them."""
    assert [(n, len(d), d.isunlimited()) for n, d in a.dimensions.items()] == [
        (n, len(d), d.isunlimited()) for n, d in b.dimensions.items()
    ]
    assert (str(a.cmptypes), str(a.enumtypes), list(a.vltypes)) == (str(b.cmptypes), str(b.enumtypes), list(b.vltypes))
    same_netcdf_attributes(a, b)
    assert list(a.variables) == list(b.variables)
    for name, one in a.variables.items():
        other = b.variables[name]
        assert str(one) == str(other)
        assert (one.chunking(), one.filters(), one.endian()) == (other.chunking(), other.filters(), other.endian())
        same_netcdf_attributes(one, other)
        for variable in (one, other):
            variable.set_auto_maskandscale(False)
        same_cells(np.asarray(one[...]), np.asarray(other[...]), None, None)
    assert list(a.groups) == list(b.groups)
    for name in a.groups:
        same_netcdf_group(a.groups[name], b.groups[name])


def same_netcdf_attributes(a: Any, b: Any) -> None:
    """Attribute names, types and values."""
    assert a.ncattrs() == b.ncattrs()
    for name in a.ncattrs():
        one, other = a.getncattr(name), b.getncattr(name)
        assert type(one) is type(other)
        assert getattr(one, "dtype", None) == getattr(other, "dtype", None)
        np.testing.assert_equal(other, one)
