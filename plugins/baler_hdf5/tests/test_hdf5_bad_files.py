"""What a user gets from files that are missing, damaged, hostile, or lack what was asked for."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np
import pytest
from h5py import h5d, h5p, h5s, h5t

from baler_core import DataError, FormatError, Schema, values_of
from baler_hdf5.reader import Hdf5Reader, NetcdfReader, ReadingOptions

Restore = Callable[..., Path]


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    path = tmp_path / "flow.h5"
    with h5py.File(path, "w") as file:
        file["flow/velocity_x"] = np.arange(5000.0).reshape(50, 100)
        file["flow/velocity_y"] = np.zeros((50, 100))
        file["pressure"] = np.ones(50)
    return path


@pytest.fixture
def classic(tmp_path: Path) -> Path:
    path = tmp_path / "classic.nc"
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as file:
        file.createDimension("time", None)
        file.createDimension("x", 4)
        file.createVariable("wind", "f4", ("time", "x"))[:3] = np.arange(12).reshape(3, 4)
        file.createVariable("height", "f8", ("x",))[:] = np.arange(4)
    return path


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    for reader in (Hdf5Reader(), NetcdfReader()):
        with pytest.raises(DataError, match=r"nowhere\.h5.*No such file"):
            reader.open(tmp_path / "nowhere.h5")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"hello, world" * 10, "neither HDF5 nor NetCDF"),
        (b"\x0e\x03\x13\x01" + bytes(50), "HDF4.* h4toh5, .*whole_file"),
        (b"CDF\x01" + bytes(50), "choose the reader 'netcdf'"),
    ],
)
def test_other_formats_are_recognised(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "wrong.h5"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        Hdf5Reader().open(path)


def test_a_truncated_file_is_refused(flow: Path) -> None:
    flow.write_bytes(flow.read_bytes()[:-20_000])
    with pytest.raises(DataError, match=r"flow\.h5.*cut short or damaged"):
        Hdf5Reader().open(flow)


def test_a_damaged_chunk_is_named(tmp_path: Path) -> None:
    path = tmp_path / "damaged.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("u", data=np.random.default_rng(1).normal(size=1000), chunks=(500,), compression="gzip")
        offset = file["u"].id.get_chunk_info(1).byte_offset
    content = bytearray(path.read_bytes())
    content[offset : offset + 100] = bytes(100)
    path.write_bytes(content)
    with Hdf5Reader().open(path) as source, pytest.raises(DataError, match="dataset 'u' cannot be read"):
        list(source.blocks(10**6))


@pytest.mark.parametrize("length", [3, 8, 30, 60, 100, 150])
def test_a_truncated_classic_file_is_refused(classic: Path, length: int) -> None:
    classic.write_bytes(classic.read_bytes()[:length])
    with pytest.raises(DataError):
        NetcdfReader().open(classic)


def test_bit_flips_in_a_classic_header_never_do_worse_than_an_error(classic: Path) -> None:
    content = classic.read_bytes()
    for position in range(4, len(content)):
        for bit in (0, 7):
            flipped = bytearray(content)
            flipped[position] ^= 1 << bit
            classic.write_bytes(flipped)
            try:
                with NetcdfReader().open(classic) as source:
                    assert sum(block.nbytes for block in source.blocks(1000)) <= len(content)
            except DataError:
                pass


def test_unknown_names_show_the_nearest(flow: Path, classic: Path) -> None:
    with pytest.raises(DataError, match=r"no variable 'flow/velocity_z'.*'flow/velocity_[xy]'"):
        Hdf5Reader().open(flow, ["flow/velocity_z"])
    with pytest.raises(DataError, match=r"no variable 'winds'.*'wind'"):
        NetcdfReader().open(classic, ["winds"])
    with pytest.raises(DataError, match="no variable matches temperature"):
        Hdf5Reader().open(flow, ["temperature*"])


def test_patterns_choose_variables(flow: Path) -> None:
    with Hdf5Reader().open(flow, ["flow/*"]) as source:
        assert source.schema.names == ["flow/velocity_x", "flow/velocity_y"]
    with Hdf5Reader().open(flow, ["/pressure", "*_y"]) as source:
        assert source.schema.names == ["flow/velocity_y", "pressure"]


def test_what_cannot_be_restored_is_left_out_or_refused(tmp_path: Path, restore: Restore) -> None:
    path = tmp_path / "odd.h5"
    (tmp_path / "raw.bin").write_bytes(b"secret" * 100)
    with h5py.File(path, "w") as file:
        file["x"] = [1.0]
        file.create_dataset("outside", (10,), "u1", external=[(str(tmp_path / "raw.bin"), 0, 10)])
        h5d.create(file.id, b"time", h5t.UNIX_D32LE, h5s.create_simple((1,)))
        filtered = h5p.create(h5p.DATASET_CREATE)
        filtered.set_chunk((2,))
        filtered.set_filter(32999, h5py.h5z.FLAG_OPTIONAL, ())
        h5d.create(file.id, b"filtered", h5t.STD_I32LE, h5s.create_simple((4,)), filtered)
    with pytest.raises(DataError, match=r"'outside' cannot be read: its values lie in other files.*--allow-missing"):
        Hdf5Reader().open(path)
    lenient = Hdf5Reader(ReadingOptions(allow_missing=True))
    with lenient.open(path) as source:
        assert source.schema.names == ["filtered", "x"]
        told = "\n".join(source.warnings)
    for name in ("outside", "time"):
        assert f"'{name}'" in told
    with pytest.raises(DataError, match="'outside' cannot be read: its values lie in other files"):
        Hdf5Reader().open(path, ["outside"])
    with h5py.File(restore(path, allow_missing=True)) as file:
        assert list(file) == ["filtered", "x"]


def test_damaged_chunks_are_refused_or_left_out(tmp_path: Path, restore: Restore) -> None:
    path = tmp_path / "damaged.h5"
    with h5py.File(path, "w") as file:
        file["good"] = [1.0, 2.0]
        stored = file.create_dataset("torn", data=np.arange(60.0).reshape(20, 3), chunks=(5, 3), fletcher32=True)
        place = stored.id.get_chunk_info(3).byte_offset
    with path.open("r+b") as raw:
        raw.seek(place)
        raw.write(b"\xff" * 8)
    with Hdf5Reader().open(path) as source:
        torn = [variable for variable in source.schema.variables if variable.name == "torn"]
        with pytest.raises(DataError, match=r"'torn' cannot be read: .*; to compress the rest .* --allow-missing"):
            source.read(torn, slice(0, 20))
    with h5py.File(restore(path, allow_missing=True)) as file:
        assert list(file) == ["good"]


def test_claims_beyond_the_file_are_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "bomb.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("bomb", (2**40,), "f8", chunks=(1000,))
        file.create_dataset("chunky", (10, 2**29), "f8", chunks=(1, 2**28))
        file["x"] = [1.0]
    with pytest.raises(DataError, match=r"'bomb' cannot be read: it claims 8796093022208 bytes.*1 more dataset"):
        Hdf5Reader().open(path)
    with Hdf5Reader(ReadingOptions(allow_missing=True)).open(path) as source:
        assert source.schema.names == ["x"]
        assert any("claims 8796093022208 bytes" in warning for warning in source.warnings)


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "deep.h5"
    with h5py.File(path, "w") as file:
        group = file
        for _ in range(300):
            group = group.create_group("g")
    with pytest.raises(DataError, match="nested more than"):
        Hdf5Reader().open(path)


def test_many_datasets_open_at_once(tmp_path: Path, restore: Restore) -> None:
    path = tmp_path / "many.h5"
    with h5py.File(path, "w", libver="latest") as file:
        for number in range(1100):
            file[f"run/{number:05d}"] = np.full(3, number)
    with Hdf5Reader().open(path) as source:
        (block,) = source.blocks(10**6)
        assert values_of(block, "run/01099").tolist() == [1099] * 3
    with h5py.File(restore(path)) as file:
        assert len(file["run"]) == 1100


def damaged_skeletons(entries: list[Any]) -> list[list[Any]]:
    """Variants of a file's record as a hostile `.bal` could hold them."""
    dataset = next(index for index, entry in enumerate(entries) if "kind" not in entry)
    changes: list[dict[str, Any]] = [
        {"type": {"opaque": -1, "tag": ""}},
        {"type": "<f16"},
        {"type": {"vlen": {"vlen": "<f4"}}},
        {"shape": [2**50]},
        {"layout": "chunked", "chunks": [2**20, 2**20], "filters": []},
        {"path": "elsewhere/u"},
        {"variables": {}},
        {"kind": "nonsense"},
        {"attributes": [{"name": "a", "type": "<f4", "shape": [5], "value": "AAAA"}]},
        {"attributes": 3},
    ]
    return [[*entries[:dataset], {**entries[dataset], **change}, *entries[dataset + 1 :]] for change in changes]


def test_a_damaged_record_is_refused(flow: Path, tmp_path: Path) -> None:
    with Hdf5Reader().open(flow) as source:
        schema = source.schema
    for number, entries in enumerate(damaged_skeletons(schema.skeleton["entries"])):
        skeleton = {"format": "hdf5", "entries": entries}
        with pytest.raises(FormatError):
            Hdf5Reader().create(tmp_path / f"{number}.h5", replace(schema, skeleton=skeleton))
    others: list[dict[str, Any]] = [{}, {"format": "hdf5"}, {"format": "fits"}, {"format": "netcdf3", "header": "AAAA"}]
    for other in others:
        with pytest.raises(FormatError):
            Hdf5Reader().create(tmp_path / "none.h5", replace(schema, skeleton=other))


def test_restoring_never_writes_through_links(tmp_path: Path) -> None:
    victim = tmp_path / "victim.h5"
    with h5py.File(victim, "w") as file:
        file.create_group("g")
    before = victim.read_bytes()
    entries = [
        {"path": "", "kind": "group", "order": [0, 0], "attributes": []},
        {"path": "out", "kind": "external", "target": "/g", "file": str(victim)},
        {"path": "out/planted", "kind": "group", "order": [0, 0], "attributes": []},
    ]
    schema = Schema((), {}, {}, {"format": "hdf5", "entries": entries})
    with pytest.raises(FormatError, match="a group it does not have"):
        Hdf5Reader().create(tmp_path / "new.h5", schema)
    entries[2] = {"path": "planted", "kind": "hard", "target": "out", "file": ""}
    with pytest.raises(FormatError, match="which is not there"):
        Hdf5Reader().create(tmp_path / "new2.h5", schema)
    assert victim.read_bytes() == before


def test_a_hostile_classic_header_cannot_reserve_space(classic: Path, tmp_path: Path) -> None:
    with NetcdfReader().open(classic) as source:
        schema = source.schema
    header = bytearray(schema.skeleton["header"].encode("latin-1"))
    header[-4:] = struct.pack(">i", 2**31 - 1)
    skeleton = {"format": "netcdf3", "header": header.decode("latin-1")}
    with pytest.raises(FormatError, match="at byte 2147483647"):
        NetcdfReader().create(tmp_path / "big.nc", replace(schema, skeleton=skeleton))
    assert not (tmp_path / "big.nc").exists()
