"""`xr.open_dataset` shows a .bal file of a Zarr store as it shows the store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
import zarr

import baler_core
from baler_core import FormatError
from baler_core.doors.xarray_store import BalerStore

from .zarr_stores import ENCODING, dataset, make_store, quiet


def compressed(path: Path) -> Path:
    """Return a lossless .bal file of a store, beside it."""
    baler_core.compress(path, path.with_suffix(".bal"), bounds="lossless", model="scalar")
    return path.with_suffix(".bal")


@pytest.mark.parametrize("form", [2, 3])
@pytest.mark.parametrize("options", [{}, {"decode_cf": False}, {"mask_and_scale": False}])
def test_a_dataset_looks_like_the_original(form: Any, options: Any, tmp_path: Path) -> None:
    data = dataset().assign(lasting=("time", np.arange(12).astype("m8[h]")), count=((), 5))
    data = data.assign_coords(place=("lat", [f"p{n}" for n in range(15)]))
    with quiet():
        data.to_zarr(tmp_path / "a.zarr", zarr_format=form, encoding=ENCODING)
        ours = xr.open_dataset(compressed(tmp_path / "a.zarr"), **options).load()
        original = xr.open_dataset(tmp_path / "a.zarr", engine="zarr", **options).load()
    xr.testing.assert_identical(original, ours)
    for name, variable in original.variables.items():
        assert variable.dtype == ours[name].dtype
        encodings = [dict(each.encoding) for each in (variable, ours[name].variable)]
        for encoding in encodings:
            for key in ("source", "preferred_chunks"):
                encoding.pop(key, None)
            encoding["dtype"] = str(encoding.get("dtype"))
        assert repr(encodings[0]) == repr(encodings[1])
    with quiet():
        decoded = xr.decode_cf(baler_core.open(tmp_path / "a.bal")).load()
        xr.testing.assert_identical(decoded, xr.open_dataset(tmp_path / "a.zarr", engine="zarr").load())


@pytest.mark.parametrize("form", [2, 3])
def test_groups_records_and_texts_are_those_of_the_store(form: int, tmp_path: Path) -> None:
    store = zarr.open_group(make_store(tmp_path / "a.zarr", form), mode="r")
    with quiet(), xr.open_datatree(compressed(tmp_path / "a.zarr"), decode_cf=False) as ours:
        assert ours.attrs == {"title": "t", "n": [1, 2.5]}
        arrays = {path: one for path, one in store.members(max_depth=None) if isinstance(one, zarr.Array)}
        assert len(arrays) == 16
        for path, array in arrays.items():
            found, wanted = ours[path].values, np.asarray(array[...])
            assert found.dtype == (wanted.dtype if wanted.dtype.kind in "OT" else wanted.dtype.newbyteorder("="))
            assert repr(found.tolist()) == repr(wanted.tolist())
        assert ours["x"].dims == ("y", "z")


def test_forged_records_are_refused(tmp_path: Path) -> None:
    zarr.create_array(tmp_path / "a.zarr", shape=(4,), chunks=(2,), dtype="f4")[:] = 1
    with baler_core.open_file(compressed(tmp_path / "a.zarr")) as file:
        stored = file._stored.header
        skeleton = stored.schema.skeleton
        document = skeleton["documents"]["zarr.json"]
        forged = [
            {"arrays": {"": [["other", "", "<f4"]]}},
            {"arrays": {"": [["data", "", "<f8"]]}},
            {"documents": {"../zarr.json": document}},
            {"documents": {"zarr.json": document.replace('"bytes"', '"evil"')}},
            {"documents": {"zarr.json": "[]"}},
        ]
        for change in forged:
            schema = replace(stored.schema, skeleton={**skeleton, **change})
            file._stored.header = replace(stored, schema=schema)
            with pytest.raises(FormatError, match="damaged"):
                BalerStore(file, "")
