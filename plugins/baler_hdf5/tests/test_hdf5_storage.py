"""What surrounds values comes back: user blocks, trailing bytes, filters, regions, virtual datasets; or it is named."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np
import pytest
from h5py import h5d, h5p, h5s, h5t

from baler_core import DataError, make_block, values_of
from baler_hdf5.reader import Hdf5Reader, NetcdfReader, ReadingOptions

hdf5plugin = pytest.importorskip("hdf5plugin", reason="the extra 'filters' is not installed")
Restore = Callable[..., Path]
Compare = Callable[[Path, Path], None]
rng = np.random.default_rng(3)
STEPS = np.cumsum(rng.integers(0, 9, (64, 32)), 0).astype("<u2")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data.h5"


@pytest.mark.parametrize("libver", ["earliest", "latest"])
@pytest.mark.parametrize("block", [0, 512, 2048])
def test_bytes_around_the_file_come_back(
    path: Path, restore: Restore, same_hdf5: Compare, libver: str, block: int
) -> None:
    with h5py.File(path, "w", userblock_size=block, libver=libver) as file:
        file["x"] = np.arange(100.0)
    content = bytearray(path.read_bytes())
    content[:block] = (b"MATLAB 7.3 MAT-file" + bytes(block))[:block]
    path.write_bytes(content + b"behind the end")
    restored = restore(path)
    same_hdf5(path, restored)
    assert restored.read_bytes()[:block] == content[:block]
    assert restored.read_bytes().endswith(b"behind the end")
    with h5py.File(restored) as file:
        assert file.userblock_size == block
    with Hdf5Reader().open(path) as source:
        assert set(source.schema.attachments) == {"trailing", *(["user_block"] if block else [])}


@pytest.mark.parametrize("unlimited", [None, 3])
def test_bytes_behind_a_classic_file_come_back(tmp_path: Path, restore: Restore, unlimited: int | None) -> None:
    path = tmp_path / "data.nc"
    with netCDF4.Dataset(path, "w", format="NETCDF3_CLASSIC") as file:
        file.createDimension("t", unlimited)
        file.createVariable("a", "i4", ("t",))[:3] = [1, 2, 3]
        file.createVariable("b", "f8", ("t",))[:3] = [1, 2, 3]
    assert restore(path).read_bytes() == path.read_bytes()
    path.write_bytes(path.read_bytes() + b"more")
    assert restore(path).read_bytes() == path.read_bytes()


def test_matlab_files(tmp_path: Path, restore: Restore, same_hdf5: Compare) -> None:
    path = tmp_path / "data.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["speed"] = rng.normal(size=(1, 30))
        file["speed"].attrs["MATLAB_class"] = np.bytes_(b"double")
        file["#refs#/a"] = np.array([[104], [105]], "u2")
        file["#refs#/a"].attrs["MATLAB_class"] = np.bytes_(b"char")
        file.create_dataset("cells", data=np.array([[file["#refs#/a"].ref]]), dtype=h5py.ref_dtype)
        file["cells"].attrs["MATLAB_class"] = np.bytes_(b"cell")
        file["cells"].attrs["H5PATH"] = np.bytes_(b"/")
    path.write_bytes(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\0\2IM" + path.read_bytes()[128:])
    restored = restore(path)
    same_hdf5(path, restored)
    assert restored.read_bytes()[:512] == path.read_bytes()[:512]
    path.write_bytes(b"MATLAB 5.0 MAT-file, Platform: GLNXA64".ljust(124) + b"\0\1IM" + bytes(100))
    with pytest.raises(DataError, match=r"data\.mat: a MATLAB file older than version 7\.3.*scipy\.io\.loadmat"):
        Hdf5Reader().open(path)


FILTERS: dict[str, Any] = {
    "blosc": {"cname": "zstd", "clevel": 7, "shuffle": 2},
    "blosc2": {"cname": "lz4hc", "clevel": 3, "filters": 1},
    "bitshuffle": {"nelems": 64, "cname": "zstd", "clevel": 5},
    "lz4": {"nbytes": 2048},
    "zstd": {"clevel": 9},
    "bzip2": {"blocksize": 5},
    "fcidecomp": {},
}
CLASSES = {
    "blosc": "Blosc",
    "blosc2": "Blosc2",
    "bitshuffle": "Bitshuffle",
    "lz4": "LZ4",
    "zstd": "Zstd",
    "bzip2": "BZip2",
    "fcidecomp": "FciDecomp",
}


def filters(path: Path, name: str) -> list[Any]:
    with h5py.File(path) as file:
        properties = file[name].id.get_create_plist()
        return [properties.get_filter(index)[:3] for index in range(properties.get_nfilters())]


@pytest.mark.parametrize("name", FILTERS)
def test_filters_of_hdf5plugin_are_set_again(path: Path, restore: Restore, same_hdf5: Compare, name: str) -> None:
    if name == "blosc":  # netCDF4, which other tests have imported, brings another
        hdf5plugin.register(name, force=True)
    with h5py.File(path, "w") as file:
        packed = getattr(hdf5plugin, CLASSES[name])(**FILTERS[name])
        file.create_dataset("x", data=STEPS, chunks=(32, 32), **packed)
        file.create_dataset("y", data=STEPS, chunks=(16, 32), shuffle=True, fletcher32=True, compression="szip")
    restored = restore(path)
    same_hdf5(path, restored)
    assert filters(restored, "x") == filters(path, "x")
    assert filters(restored, "y") == filters(path, "y")


def test_filters_are_set_again_where_netcdf4_has_brought_others(path: Path, tmp_path: Path) -> None:
    """Importing netCDF4 makes HDF5 find filters of which some cannot write."""
    hdf5plugin.register("blosc", force=True)
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=STEPS, chunks=(32, 32), **hdf5plugin.Blosc(**FILTERS["blosc"]))
    out = tmp_path / "again.h5"
    code = (
        "import netCDF4, baler_core, sys\n"
        "baler_core.compress(sys.argv[1], sys.argv[2])\n"
        "baler_core.decompress(sys.argv[2], sys.argv[3])\n"
    )
    subprocess.run([sys.executable, "-c", code, path, tmp_path / "x.bal", out], check=True)
    assert filters(out, "x") == filters(path, "x")


@pytest.mark.parametrize("name", ["zfp", "sz3", "scaleoffset"])
def test_lossy_filters_never_change_values_again(path: Path, restore: Restore, name: str) -> None:
    values = np.cumsum(rng.normal(size=(64, 32)), 0)
    packed: dict[str, Any] = {"scaleoffset": 2}
    if name != "scaleoffset":
        packed = hdf5plugin.Zfp(rate=6) if name == "zfp" else hdf5plugin.SZ3(absolute=0.1)
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=values, chunks=(32, 32), **packed)
    with Hdf5Reader().open(path) as source:
        assert [f"'{name}'" in warning and "left off" in warning for warning in source.warnings] == [True]
    with h5py.File(path) as a, h5py.File(restore(path)) as b:
        assert not np.array_equal(values, a["x"][()])
        np.testing.assert_array_equal(a["x"][()], b["x"][()])


def test_a_missing_filter_is_an_error(path: Path, monkeypatch: pytest.MonkeyPatch, restore: Restore) -> None:
    with h5py.File(path, "w") as file:
        file["x"] = [1.0]
        for number, name in ((32999, b"needed"), (32998, b"skipped")):
            properties = h5p.create(h5p.DATASET_CREATE)
            properties.set_chunk((2,))
            properties.set_filter(number, h5py.h5z.FLAG_OPTIONAL, ())
            stored = h5d.create(file.id, name, h5t.STD_I32LE, h5s.create_simple((2,)), properties)
            stored.write_direct_chunk((0,), bytes(8), filter_mask=int(name == b"skipped"))
    monkeypatch.setitem(sys.modules, "hdf5plugin", None)
    with pytest.raises(
        DataError, match=r"dataset 'needed' cannot be read: it needs the HDF5 filter .*32999.*not installed"
    ):
        Hdf5Reader().open(path)
    with Hdf5Reader(ReadingOptions(allow_missing=True)).open(path) as source:
        assert source.schema.names == ["skipped", "x"]
        assert "dataset 'needed' is left out" in source.warnings[0]
    with h5py.File(restore(path, patterns=["skipped"])) as file:
        assert file["skipped"][:].tolist() == [0, 0]


def test_what_the_restoring_machine_cannot_write_is_told(
    path: Path, monkeypatch: pytest.MonkeyPatch, restore: Restore
) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=STEPS, chunks=(32, 32), **hdf5plugin.Zstd())
    monkeypatch.setattr("baler_hdf5.contents.filters.is_available", lambda number: number < 300)
    monkeypatch.setattr("baler_hdf5.contents.filters._is_applied", lambda dataset, index: False)
    told: list[str] = []
    with h5py.File(restore(path, told=told)) as file:
        np.testing.assert_array_equal(file["x"][()], STEPS)
    assert told == ["dataset 'x' of the restored file differs from the original in its filters"]


def test_regions_and_virtual_datasets(path: Path, restore: Restore, same_hdf5: Compare) -> None:
    mask = np.zeros((4, 5), bool)
    mask[0, 0] = mask[1, 2] = mask[3, 4] = True
    with h5py.File(path, "w") as file:
        x = file["deep/x"] = np.arange(20.0).reshape(4, 5)
        x = file["deep/x"]
        regions = [x.regionref[1:3, ::2], x.regionref[[0, 2], 1], x.regionref[...], x.regionref[mask], x.regionref[1:1]]
        stored = file.create_dataset("regions", (6,), dtype=h5py.regionref_dtype)
        for number, region in enumerate(regions):
            stored[number] = region
        x.attrs["part"] = x.regionref[1:2]
        layout = h5py.VirtualLayout((4, 5), "f8")
        layout[:2] = h5py.VirtualSource("elsewhere.h5", "y", (2, 5))
        layout[2:, ::2] = h5py.VirtualSource(".", "deep/x", (4, 5))[:2, :3]
        file.create_virtual_dataset("virtual", layout, fillvalue=-1)
    with Hdf5Reader().open(path) as source:
        assert source.schema.names == ["deep/x", "regions"]
        assert source.warnings == []
        assert source.elsewhere == (
            "dataset 'virtual' is virtual, with values in 'elsewhere.h5': it comes back as a virtual dataset; keep those files too",
        )
    restored = restore(path)
    same_hdf5(path, restored)
    with h5py.File(path) as a, h5py.File(restored) as b:
        for before, after in zip(a["regions"][:5], b["regions"][:5], strict=True):
            assert a[before].name == b[after].name
            np.testing.assert_array_equal(a[before][before], b[after][after])
        assert not b["regions"][5]
        assert [source[1:3] for source in a["virtual"].virtual_sources()] == [
            source[1:3] for source in b["virtual"].virtual_sources()
        ]
        np.testing.assert_array_equal(a["virtual"][()], b["virtual"][()])
    with h5py.File(restore(path, patterns=["regions"])) as file:
        assert not any(file["regions"][:])


def test_bytes_and_big_compounds_of_netcdf(tmp_path: Path, restore: Restore, same_hdf5: Compare) -> None:
    path = tmp_path / "data.nc"
    big = np.dtype([("day", "i1"), ("height", ">i2"), ("name", "S2")])
    with h5py.File(path, "w") as file:
        kind = h5t.create(h5t.COMPOUND, 8)
        for name, offset, part in (
            (b"day", 0, h5t.STD_I8BE),
            (b"height", 2, h5t.STD_I16BE),
            (b"time", 4, h5t.IEEE_F32BE),
        ):
            kind.insert(name, offset, part)
        properties = h5p.create(h5p.DATASET_CREATE)
        properties.set_fill_value(np.array((1, 2, 3), [("day", "i1"), ("height", ">i2"), ("time", ">f4")]))
        h5d.create(file.id, b"obs", kind, h5s.create_simple((3,)), properties)
        file.create_dataset("rows", data=np.ones(3, big), fillvalue=np.array((1, 2, b"x"), big)[()])
        file.create_dataset("words", (3,), h5py.string_dtype(), fillvalue="N/A")
    with NetcdfReader().open(path) as source:
        assert source.schema["obs/day"].dtype == "|i1"
        assert not source.warnings
    restored = restore(path)
    same_hdf5(path, restored)
    with h5py.File(restored) as file:
        assert file["words"].fillvalue == b"N/A"
        assert file["obs"].fillvalue.tolist() == (1, 2, 3.0)


def write_sparsely(file: h5py.File) -> None:
    """Datasets of which little was ever written, of each kind of element, some with fill values."""
    values = rng.normal(size=(9, 20))
    file.create_dataset("zero", (60, 70), "f8", chunks=(7, 9))[13:22, 30:50] = values
    file.create_dataset("nan", (60, 70), ">f4", chunks=(8, 70), fillvalue=np.nan, compression="gzip")[50:] = -0.0
    file.create_dataset("minus", (60, 7), "f8", chunks=(8, 7))[3] = -0.0
    file.create_dataset("grows", (30, 5, 4), "u2", chunks=(4, 2, 4), maxshape=(None, 5, 4), fillvalue=7)[9] = 1
    file.create_dataset("never", (50, 40), "i4", chunks=(10, 10), fillvalue=-1)
    file.create_dataset("piece", (300, 10), "f8", fillvalue=3.5)
    file.create_dataset("text", (40,), h5py.string_dtype(), chunks=(5,))[17] = "some"
    file.create_dataset("letters", (40,), "S7", chunks=(5,), fillvalue=b"none")[17] = b"some"
    file.create_dataset("lists", (40,), h5py.vlen_dtype("f4"), chunks=(5,))[17] = np.ones(3, "f4")
    row = np.dtype([("x", "f4"), ("y", "i8", (2,))])
    file.create_dataset("rows", (40,), row, chunks=(5,))[17] = (1.5, [2, 3])
    file.create_dataset("whole", data=np.zeros((20, 20)), chunks=(10, 10))


def test_chunks_that_were_never_written_take_no_room_again(path: Path, restore: Restore, same_hdf5: Compare) -> None:
    with h5py.File(path, "w") as file:
        write_sparsely(file)
    for max_bytes in (1000, 10**6):
        restored = restore(path, max_bytes=max_bytes)
        same_hdf5(path, restored)
        with h5py.File(path) as before, h5py.File(restored) as after:
            for name in before:
                assert before[name][()].tobytes() == after[name][()].tobytes() or before[name].dtype.hasobject
                assert before[name].id.get_storage_size() == after[name].id.get_storage_size(), name


def test_a_piece_that_was_never_written_takes_a_loss(path: Path, tmp_path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("piece", (300, 10), "f8", fillvalue=3.5)
    reader = Hdf5Reader()
    with reader.open(path) as source:
        sink = reader.create(tmp_path / "restored.h5", source.schema)
        for number, block in enumerate(source.blocks(4000)):
            changed = values_of(block, "piece") + (number == 3)
            sink.write(make_block({"piece": (source.schema["piece"].dims, changed)}))
        sink.close()
    with h5py.File(tmp_path / "restored.h5") as file:
        np.testing.assert_array_equal(np.unique(file["piece"][:150]), 3.5)
        np.testing.assert_array_equal(np.unique(file["piece"][150:200]), 4.5)
        np.testing.assert_array_equal(np.unique(file["piece"][200:]), 3.5)


@pytest.mark.parametrize("pad", [h5t.STR_NULLTERM, h5t.STR_NULLPAD, h5t.STR_SPACEPAD])
@pytest.mark.parametrize(("encoding", "fill"), [("ascii", b"no"), ("ascii", b"\xff\xfe"), ("utf-8", "né".encode())])
@pytest.mark.parametrize("named", [False, True])
def test_fill_values_of_text_of_fixed_length(
    path: Path, restore: Restore, same_hdf5: Compare, pad: int, encoding: str, fill: bytes, named: bool
) -> None:
    with h5py.File(path, "w") as file:
        text = h5t.C_S1.copy()
        text.set_size(7)
        text.set_strpad(pad)
        text.set_cset(h5t.CSET_UTF8 if encoding == "utf-8" else h5t.CSET_ASCII)
        if named:
            text.commit(file.id, b"kind")
        properties = h5p.create(h5p.DATASET_CREATE)
        properties.set_chunk((2,))
        properties.set_fill_value(np.array([fill], h5py.string_dtype(encoding)))
        h5py.Dataset(h5d.create(file.id, b"words", text, h5s.create_simple((6,)), properties))[1] = b"x"
    restored = restore(path)
    same_hdf5(path, restored)
    with h5py.File(restored) as file:
        assert file["words"].fillvalue.rstrip() == fill
        assert file["words"][5].rstrip() == fill


def test_attributes_keep_their_order(path: Path, restore: Restore) -> None:
    names = ["zebra", "alpha", "middle"]
    with h5py.File(path, "w") as file:
        file["x"] = [1.0]
        for name in names:
            file["x"].attrs[name] = name

    def stored(each: Path) -> list[str]:
        found: list[str] = []
        with h5py.File(each) as file:
            h5py.h5a.iterate(
                file["x"].id,
                lambda name, *rest: found.append(name.decode()),
                index_type=h5py.h5.INDEX_NAME,
                order=h5py.h5.ITER_NATIVE,
            )
        return found

    assert stored(restore(path)) == stored(path)


def test_datasets_without_any_fill_value_come_back_so(path: Path, restore: Restore) -> None:
    """As in files of HDF5 1.4; h5py writes none, so that the message of one that says 0 is changed."""
    with h5py.File(path, "w", libver="earliest") as file:
        file.create_dataset("x", data=np.arange(9, dtype="u1"), fillvalue=0, chunks=(4,))
        file["y"] = np.arange(5.0)
    message = bytes((5, 0, 16, 0, 1, 0, 0, 0, 2, 3, 2, 1))
    path.write_bytes(path.read_bytes().replace(message, message[:-1] + b"\0"))
    for place in (path, restore(path)):
        with h5py.File(place) as file:
            defined = {name: file[name].id.get_create_plist().fill_value_defined() for name in file}
            assert defined == {"x": h5d.FILL_VALUE_UNDEFINED, "y": h5d.FILL_VALUE_DEFAULT}
            assert file["x"][:].tolist() == list(range(9))
