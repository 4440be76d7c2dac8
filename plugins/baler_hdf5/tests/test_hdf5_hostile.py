"""Whatever the record of a file in a `.bal` claims: it is restored, or refused by one FormatError; no other file changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np
import pytest
import xarray as xr

from baler_core import FormatError, Reader
from baler_core.testing import check_hostile_reader
from baler_hdf5.reader import Hdf5Reader, NetcdfReader

ODD: list[Any] = [
    None, True, -1, 0, 1, 3, 2**31, 2**63, 2**70, 0.5, "", ".", "..", "/", "../out", "a\nb", "nul\0", "\udc80", "x" * 500,
    "<f8", "|S0", "|V8", "|O", "<M8[s]", "f4,f4", "(2,3)f8", "<U9", "|i1", "dataset", "group", "external", "soft", "hard",
    "chunked", "virtual", "region", [], {}, [[]], [1, 2], {"text": None}, {"text": 2**40, "utf8": True, "pad": 0},
    {"vlen": "<f4"}, {"array": [2**40], "of": "<f8"}, {"opaque": 2**31, "tag": ""}, {"reference": "region"},
    {"compound": [["a", 2**40, "<f8"]], "size": 8}, {"enum": "<f4", "members": [["a", 1]]}, {"named": "kind", "is": "<f8"},
]  # fmt: skip


def rich_hdf5(path: Path, victim: Path) -> None:
    with h5py.File(path, "w", userblock_size=512) as file:
        file["grid/u"] = np.arange(24.0).reshape(2, 3, 4)
        file["grid/u"].attrs["units"] = "m/s"
        file["kind"] = np.dtype([("a", "<i4"), ("b", "S3")])
        file.create_dataset(
            "rows", data=np.zeros(4, file["kind"].dtype), dtype=file["kind"], chunks=(2,), compression="gzip"
        )
        file["words"] = ["a", "bc"]
        file["refs"] = np.array([file["grid"].ref, h5py.Reference()], dtype=h5py.ref_dtype)
        file.create_dataset("regions", data=np.array([file["grid/u"].regionref[:, 1]]), dtype=h5py.regionref_dtype)
        file.create_dataset("ragged", (2,), dtype=h5py.vlen_dtype("<i2"))[0] = [1, 2]
        file.create_dataset("filled", data=[1, 2], fillvalue=-1, maxshape=(None,))
        layout = h5py.VirtualLayout((2, 3), "f8")
        layout[:] = h5py.VirtualSource("elsewhere.h5", "y", (2, 3))
        file.create_virtual_dataset("virtual", layout)
        file["out"] = h5py.ExternalLink(str(victim), "/g")
        file["soft"] = h5py.SoftLink("/out")
        file["again"] = file["grid"]


def rich_netcdf(path: Path) -> None:
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("time", None)
        file.createDimension("x", 3)
        file.createVariable("time", "f8", ("time",))[:2] = [1, 2]
        file.createVariable("flag", "i1", ("x",))[:] = 1
        file.createVariable("t", "f4", ("time", "x"), zlib=True, fill_value=-1.0)[:2] = np.ones((2, 3))


def with_other_bytes(header: str, random: np.random.Generator) -> str:
    """A header of the classic format with one or two bytes changed."""
    changed = bytearray(header.encode("latin-1", "replace"))
    for _ in range(int(random.integers(1, 3))):
        changed[int(random.integers(len(changed)))] = int(random.choice([0, 1, 10, 127, 255]))
    return changed.decode("latin-1")


@pytest.mark.parametrize("kind", ["hdf5", "netcdf", "classic"])
def test_forged_records_are_restored_or_refused(tmp_path: Path, kind: str) -> None:
    victim, path = tmp_path / "victim.h5", tmp_path / "data.nc"
    with h5py.File(victim, "w") as file:
        file.create_group("g")
    before = victim.read_bytes()
    reader: Reader = Hdf5Reader() if kind == "hdf5" else NetcdfReader()
    if kind == "hdf5":
        rich_hdf5(path, victim)
    elif kind == "netcdf":
        rich_netcdf(path)
    else:
        xr.Dataset({"t": (("time", "x"), np.ones((2, 3), "f4"))}).to_netcdf(
            path, format="NETCDF3_CLASSIC", unlimited_dims=["time"], engine="netcdf4"
        )
    (tmp_path / "out").mkdir()
    restored = check_hostile_reader(
        reader, path, tmp_path / "out", cases=150, odd=ODD, damage_text=with_other_bytes if kind == "classic" else None
    )
    assert 5 < restored < 145
    assert victim.read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["data.nc", "out", "victim.h5"]


def test_attributes_are_not_written_through_links(tmp_path: Path) -> None:
    victim, path = tmp_path / "victim.h5", tmp_path / "data.h5"
    with h5py.File(victim, "w") as file:
        file.create_group("g")
    before = victim.read_bytes()
    with h5py.File(path, "w") as file:
        file["x"] = [1.0]
        file["out"] = h5py.ExternalLink(str(victim), "/g")
        file["soft"] = h5py.SoftLink("/out")
    with Hdf5Reader().open(path) as source:
        schema = source.schema
    planted = [{"name": "planted", "type": "<i4", "value": [1]}]
    for name in ("out", "soft"):
        entries = [{**e, "attributes": planted} if e["path"] == name else e for e in schema.skeleton["entries"]]
        skeleton = {**schema.skeleton, "entries": entries}
        with pytest.raises(FormatError, match=f"gives attributes to the link '{name}'"):
            Hdf5Reader().create(tmp_path / f"{name}.out", replace(schema, skeleton=skeleton))
    assert victim.read_bytes() == before


@pytest.mark.parametrize("block", [b"x", bytes(513), bytes(768)])
def test_a_user_block_has_a_size_that_hdf5_knows(tmp_path: Path, block: bytes) -> None:
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file["x"] = [1.0]
    with Hdf5Reader().open(tmp_path / "data.h5") as source:
        schema = replace(source.schema, attachments={"user_block": block})
    with pytest.raises(FormatError, match=f"user block of {len(block)} bytes"):
        Hdf5Reader().create(tmp_path / "out.h5", schema)
