"""Datasets of one length whose order means nothing come sorted; fields on grids are refused."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

import baler_core
from baler_core.format.file_info import read_info

ROWS = 400


def test_rows_move_as_a_whole(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    columns = {
        "cat/id": rng.permutation(ROWS),
        "cat/z": np.round(rng.gamma(2, 0.3, ROWS), 2),
        "cat/shape": rng.normal(size=(ROWS, 2)),
    }
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, values in columns.items():
            file[name] = values
    baler_core.compress(tmp_path / "a.h5", tmp_path / "a.bal", model={"name": "auto", "effort": "fast"}, order="free")
    assert read_info(tmp_path / "a.bal").header.order is not None
    baler_core.decompress(tmp_path / "a.bal", tmp_path / "b.h5")
    with h5py.File(tmp_path / "b.h5") as file:
        places = np.argsort(columns["cat/id"])[file["cat/id"][:]]
        assert not np.array_equal(places, np.arange(ROWS))
        assert all(np.array_equal(file[name][:], values[places]) for name, values in columns.items())


def test_fields_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["time"] = np.arange(5.0)
        file["time"].make_scale()
        file["u"] = np.zeros((5, 6, 7))
        file["u"].dims[0].attach_scale(file["time"])
    with pytest.raises(baler_core.DataError, match="lies on a grid"):
        baler_core.compress(tmp_path / "a.h5", tmp_path / "a.bal", order="free")
