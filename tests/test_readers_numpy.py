"""NumPy files come back as they were: dtype, byte order, memory order, names, order, compression."""

from __future__ import annotations

import dataclasses
import json
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

import baler_core
from baler_core.builtin.readers.numpy import sinks
from baler_core.builtin.readers.numpy.files import NpyReader, NpzReader
from baler_core.data.block import values_of
from baler_core.data.variables import group_variables
from baler_core.errors import DataError, FormatError
from baler_core.plugin.reading import Reader


def restored_by(reader: Reader, source_path: Path, *, max_bytes: int = 1 << 20, variables=None) -> Path:
    """Read a file and write it again from its blocks, its schema having gone through JSON."""
    target = source_path.with_name("restored" + source_path.suffix)
    with reader.open(source_path, variables) as source:
        skeleton = json.loads(json.dumps(source.schema.skeleton))
        sink = reader.create(target, dataclasses.replace(source.schema, skeleton=skeleton))
        for block in source.blocks(max_bytes):
            sink.write(block)
        sink.close()
    return target


def assert_same(found: np.ndarray, wanted: np.ndarray) -> None:
    assert found.dtype == wanted.dtype
    assert found.shape == wanted.shape
    assert found.flags.f_contiguous == wanted.flags.f_contiguous
    if wanted.dtype == np.longdouble or wanted.dtype.isalignedstruct:  # these have bytes without meaning
        assert np.array_equal(found, wanted)
    else:
        assert found.tobytes() == wanted.tobytes()


STRUCTURED = np.zeros(7, [("pt", "<f4"), ("hit", [("x", ">i2"), ("t", "<M8[ns]")]), ("cov", "<f8", (2, 3))])
STRUCTURED["pt"] = np.arange(7) / 3
STRUCTURED["hit"]["x"] = -np.arange(7)
STRUCTURED["hit"]["t"] = np.datetime64("2026-01-01T00:00:00.5", "ns")
STRUCTURED["cov"] = np.arange(42).reshape(7, 2, 3)

ARRAYS = {
    "float32": np.linspace(0, 1, 24, dtype="<f4").reshape(2, 3, 4),
    "big_endian": np.arange(12, dtype=">f8").reshape(4, 3),
    "fortran": np.asfortranarray(np.arange(35, dtype="<i4").reshape(5, 7)),
    "rank0": np.array(2.5),
    "empty": np.zeros((0, 3), "<i8"),
    "empty_last": np.zeros((3, 0), "<f4"),
    "one": np.array([[7]], np.uint8),
    "text": np.array(["", "abc", "Zürich"]),
    "bytes": np.array([b"a", b"bcd"]),
    "dates": np.array(["2026-11-21", "NaT"], "M8[D]"),
    "durations": np.array([1, 2], ">m8[us]"),
    "bool": np.array([True, False]),
    "complex": np.array([1 + 2j, np.nan]),
    "half": np.array([1, np.inf], "<f2"),
    "long": np.array([1.5, -0.0], np.longdouble),
    "void": np.zeros(2, "V5"),
    "structured": STRUCTURED,
    "structured_fields_apart": np.zeros(3, np.dtype([("a", "u1"), ("b", "<f8")], align=True)),
    "structured_rank0": np.array((1, 2.0), [("a", "i4"), ("b", "f8")]),
    "structured_unicode": np.zeros(2, [("λ", "f8"), ("b", "f8")]),
    "specials": np.array([np.nan, -0.0, np.inf, 5e-324]),
}


# NumPy warns when it writes field names beyond Latin-1.
newer_format = pytest.mark.filterwarnings("ignore:Stored array in format 3.0")


@newer_format
@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("max_bytes", [1, 1 << 20])
def test_an_array_file_comes_back_identical(name, max_bytes, tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, ARRAYS[name])
    assert_same(np.load(restored_by(NpyReader(), path, max_bytes=max_bytes)), ARRAYS[name])


@newer_format
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("max_bytes", [1, 100, 1 << 20])
def test_an_archive_comes_back_identical(save, max_bytes, tmp_path):
    path = tmp_path / "a.npz"
    save(path, **ARRAYS)
    restored = restored_by(NpzReader(), path, max_bytes=max_bytes)
    with np.load(restored) as found:
        assert found.files == list(ARRAYS)
        for name, array in ARRAYS.items():
            assert_same(found[name], array)
    with zipfile.ZipFile(restored) as after, zipfile.ZipFile(path) as before:
        assert [m.compress_type for m in after.infolist()] == [m.compress_type for m in before.infolist()]


def test_equally_long_columns_form_one_table_and_equal_shapes_one_grid(tmp_path):
    path = tmp_path / "a.npz"
    fields = {name: np.zeros((4, 5, 6)) for name in "uvw"}
    np.savez(path, pt=np.zeros(9), eta=np.zeros(9, "f4"), other=np.zeros((4, 5, 7)), **fields)
    with NpzReader().open(path) as source:
        groups = group_variables(source.schema.variables, source.schema.sizes, source.schema)
    assert [(g.kind, [v.name for v in g.variables]) for g in groups] == [
        ("table", ["pt", "eta"]),
        ("grid", ["other"]),
        ("grid", ["u", "v", "w"]),
    ]


def test_blocks_are_cut_by_rows_and_hold_the_right_values(tmp_path):
    path = tmp_path / "a.npz"
    wanted = np.arange(1000.0).reshape(100, 10)
    np.savez_compressed(path, a=wanted, b=np.asfortranarray(-wanted))
    with NpzReader().open(path) as source:
        blocks = list(source.blocks(2 * wanted.nbytes // 4))
        again = list(source.blocks(1 << 20))
    assert [block.sizes["dim0"] for block in blocks] == [25] * 4
    assert np.array_equal(np.concatenate([values_of(b, "a") for b in blocks]), wanted)
    assert np.array_equal(np.concatenate([values_of(b, "b") for b in blocks]), -wanted)
    assert len(again) == 1


def test_only_the_wanted_arrays_and_fields_are_restored(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, s=STRUCTURED, x=np.arange(3), y=np.arange(4))
    with np.load(restored_by(NpzReader(), path, variables=["s/pt", "s/cov", "y"])) as found:
        assert found.files == ["s", "y"]
        assert found["s"].dtype == np.dtype([("pt", "<f4"), ("cov", "<f8", (2, 3))])
        assert np.array_equal(found["s"]["cov"], STRUCTURED["cov"])
    with np.load(restored_by(NpzReader(), path, variables=["s"])) as found:
        assert_same(found["s"], STRUCTURED)
    with NpzReader().open(path, ["x*"]) as source:
        assert source.schema.names == ["x"]
    with pytest.raises(DataError, match=r"there is no variable 's/ptt'.*'s/pt'"):
        NpzReader().open(path, ["s/ptt"])


def test_object_arrays_are_refused_without_unpickling(tmp_path):
    np.save(tmp_path / "a.npy", np.array([None, print], object), allow_pickle=True)
    np.savez(tmp_path / "a.npz", a=np.array([{}], object))
    with pytest.raises(DataError, match="Python objects"):
        NpyReader().open(tmp_path / "a.npy")
    with pytest.raises(DataError, match="Python objects"):
        NpzReader().open(tmp_path / "a.npz")


@pytest.mark.parametrize(
    "content", [b"", b"\x93NUMPY", b"hello, world\n" * 9, b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65535]
)
def test_what_is_no_array_file_is_said_so(content, tmp_path):
    path = tmp_path / "a.npy"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.npy: not an array in NumPy's format"):
        NpyReader().open(path)
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.npz: not a NumPy archive"):
        NpzReader().open(path)


def test_a_missing_file_is_named(tmp_path):
    for reader, suffix in ((NpyReader(), ".npy"), (NpzReader(), ".npz")):
        with pytest.raises(DataError, match=rf"no{suffix}.*No such file"):
            reader.open(tmp_path / f"no{suffix}")


def test_a_short_array_file_is_refused_and_a_long_one_warned_about(tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.arange(10))
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(DataError, match="cut short, wanted 80 bytes of values, found 79"):
        NpyReader().open(path)
    path.write_bytes(whole + b"more")
    with NpyReader().open(path) as source:
        assert source.warnings == ["a.npy: 4 bytes after the array are left out"]


def npy_bytes(shape: tuple[int, ...], values: bytes) -> bytes:
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}}}".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + values


def test_a_claimed_size_is_checked_before_memory_is_taken(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", npy_bytes((10**15,), b"\0" * 80))
    with pytest.raises(DataError, match="wanted 8000000000000000 bytes of values, found 80"):
        NpzReader().open(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", npy_bytes((10**9,), b"\0" * 80))
    raw = bytearray(path.read_bytes())
    claimed = 8 * 10**9 // 16
    directory = raw.index(b"PK\x01\x02")
    raw[directory + 24 : directory + 28] = struct.pack("<I", claimed)
    path.write_bytes(raw)
    with pytest.raises(DataError, match=f"claims {claimed} bytes"):
        NpzReader().open(path)


def test_damaged_members_are_found_when_read(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, a=np.arange(1000))
    raw = bytearray(path.read_bytes())
    raw[4000] ^= 1
    path.write_bytes(raw)
    with NpzReader().open(path) as source, pytest.raises(DataError, match="damaged"):
        list(source.blocks(1 << 20))
    np.savez_compressed(path, a=np.random.default_rng(1).random(1000))
    raw = bytearray(path.read_bytes())
    raw[1000:1100] = zlib.compress(b"")[:1] * 100
    path.write_bytes(raw)
    with NpzReader().open(path) as source, pytest.raises(DataError, match="damaged"):
        list(source.blocks(1 << 20))


def test_other_members_are_left_out_with_a_warning(tmp_path):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
        archive.writestr("a.npy", npy_bytes((2,), b"\0" * 16))
    with NpzReader().open(path) as source:
        assert source.schema.names == ["a"]
        assert source.warnings == ["a.npz: 'readme.txt' is not a NumPy array and is left out"]


@pytest.mark.parametrize("damage", [{"descr": "|O"}, {"descr": 3}, {"shape": [-1]}, {"shape": ["a"]}, {"descr": "<q9"}])
def test_a_damaged_skeleton_is_refused(damage, tmp_path):
    path = tmp_path / "a.npy"
    np.save(path, np.arange(3))
    with NpyReader().open(path) as source:
        skeleton = {"array": {**source.schema.skeleton["array"], **damage}}
        with pytest.raises(FormatError):
            NpyReader().create(tmp_path / "b.npy", dataclasses.replace(source.schema, skeleton=skeleton))


@pytest.mark.shared
def test_the_published_example_comes_back_identical(shared_data, tmp_path):
    path = tmp_path / "CFD_animation.npz"
    path.write_bytes((shared_data / "cfd" / "CFD_animation.npz").read_bytes())
    with np.load(restored_by(NpzReader(), path)) as found, np.load(path) as wanted:
        assert found.files == wanted.files
        for name in wanted.files:
            assert_same(found[name], wanted[name])


def test_an_archive_has_the_bytes_that_zipfile_gives_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sinks, "_LONG_MEMBER", 3000)  # larger ones have 64-bit sizes
    arrays = {
        "größe": np.arange(700.0),
        "f": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        "none": np.zeros((0, 3), "i2"),
        "one": np.array(5),
    }
    np.savez(tmp_path / "a.npz", **arrays)  # type: ignore[arg-type]
    baler_core.compress(tmp_path / "a.npz", tmp_path / "a.bal", block_bytes=1000)
    baler_core.decompress(tmp_path / "a.bal", tmp_path / "b.npz")
    with zipfile.ZipFile(tmp_path / "b.npz") as found, zipfile.ZipFile(tmp_path / "c.npz", "w") as wanted:
        assert found.testzip() is None
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            with wanted.open(member, "w", force_zip64=array.nbytes > 3000) as target:
                target.write(found.read(f"{name}.npy"))
    assert (tmp_path / "b.npz").read_bytes() == (tmp_path / "c.npz").read_bytes()
    with np.load(tmp_path / "b.npz") as restored:
        for name, array in arrays.items():
            np.testing.assert_array_equal(restored[name], array, strict=True)
            assert restored[name].flags.f_contiguous == array.flags.f_contiguous
