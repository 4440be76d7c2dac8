"""HDF5 cells of variable length come back: lists of numbers, texts, compounds and lists, and references with their fills."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from h5py import h5d, h5o, h5s, h5t

from baler_core import DataError, values_of
from baler_hdf5.contents.build_datatypes import memory_type
from baler_hdf5.contents.creation import _filled_with_reference
from baler_hdf5.reader import Hdf5Reader, ReadingOptions

Restore = Callable[..., Path]
Compare = Callable[[Path, Path], None]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data.h5"


def test_ragged_rows_and_references(path: Path, restore: Restore, same_hdf5: Compare) -> None:
    with h5py.File(path, "w") as file:
        ragged = file.create_dataset("ragged", (3,), dtype=h5py.vlen_dtype("<i2"))
        ragged[0], ragged[2] = [1, 2, 3], [4]
        file["a/b"] = [1.0]
        references = np.array([file["a/b"].ref, file["a"].ref, h5py.Reference(), file.ref], dtype=h5py.ref_dtype)
        file.create_dataset("links", data=references, dtype=h5py.ref_dtype)
        file.attrs["link"] = file["a/b"].ref
        # those of MATLAB's cells have a fill value that leads to one of them, which may come later in the file
        for number, target in enumerate((file["a/b"].id, file["links"].id)):
            properties = _filled_with_reference(h5o.get_info(target).addr)
            properties.set_chunk((2,))
            h5d.create(file.id, f"cells{number}".encode(), h5t.STD_REF_OBJ, h5s.create_simple((5,)), properties)
    with Hdf5Reader().open(path) as source:
        (block,) = [block for block in source.blocks(10**6) if "links" in block]
        assert values_of(block, "links").tolist() == ["a/b", "a", "", "/"]
        assert not source.warnings
    same_hdf5(path, restore(path))
    with h5py.File(restore(path)) as file:
        assert [file[file[name].fillvalue].name for name in ("cells0", "cells1")] == ["/a/b", "/links"]


def test_lists_of_texts_references_and_compounds(path: Path, restore: Restore) -> None:
    pair = np.dtype([("q", "<f4"), ("s", "S3")])
    hits = np.array([(0.5, b"ab"), (-1.0, b"")], pair)
    with h5py.File(path, "w") as file:
        file["x"] = [1.0]
        lists = {"compounds": pair, "texts": h5py.string_dtype(), "links": h5py.ref_dtype, "fixed": np.dtype("S4")}
        lists |= {"deep": h5py.vlen_dtype("<f4"), "words": h5py.vlen_dtype(h5py.string_dtype())}
        for name, kind in lists.items():
            file.create_dataset(name, (2,), dtype=h5py.vlen_dtype(kind))
        for name in ("deep", "words"):
            file[name][1] = _lists_of(lists[name], [[1.5, np.nan], [], [0.0]] if name == "deep" else [[], ["ü", "b"]])
        for name, cell in {"compounds": hits, "texts": ["ü", ""], "links": [file["x"].ref], "fixed": [b"abc"]}.items():
            value = np.empty(1, file[name].dtype)
            value[0] = np.array(cell, lists[name])
            file[name].id.write(h5s.create_simple((1,)), _second_of_two(), value)
    with h5py.File(restore(path)) as file:
        assert all(len(file[name][0]) == 0 for name in lists)
        np.testing.assert_array_equal(file["compounds"][1], hits)
        assert file["compounds"][1].dtype == pair
        assert file["texts"][1].tolist() == ["ü".encode(), b""]
        assert file[file["links"][1][0]] == file["x"]
        assert file["fixed"][1].tolist() == [b"abc"]
        assert [inner.tolist() for inner in file["deep"][1]] == [[1.5, pytest.approx(np.nan, nan_ok=True)], [], [0.0]]
        assert [inner.tolist() for inner in file["words"][1]] == [[], ["ü".encode(), b"b"]]


def _lists_of(kind: np.dtype, cells: list[list]) -> np.ndarray:
    """Lists of lists as h5py writes them."""
    made = np.empty(len(cells), kind)
    for index, cell in enumerate(cells):
        made[index] = np.array(cell, h5py.check_vlen_dtype(kind))
    return made


def _second_of_two() -> h5s.SpaceID:
    space = h5s.create_simple((2,))
    space.select_hyperslab((1,), (1,))
    return space


def test_big_endian_ragged_rows_keep_their_values(path: Path, restore: Restore) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("ragged", (2,), dtype=h5py.vlen_dtype(">f8"))[1] = [1.5, 2.5]
        expected = file["ragged"][1]
    with h5py.File(restore(path)) as file:
        assert file["ragged"][0].size == 0
        np.testing.assert_array_equal(file["ragged"][1], expected)


def test_arrays_of_arrays_are_arrays(path: Path, restore: Restore, same_hdf5: Compare) -> None:
    values = np.random.default_rng(5).normal(size=(4, 3, 2, 5)).astype("<f4")
    inner = h5t.array_create(h5t.IEEE_F32LE, (5,))
    nested = h5t.array_create(h5t.array_create(inner, (2,)), (3,))
    pair = h5t.create(h5t.COMPOUND, 124)
    pair.insert(b"n", 0, h5t.STD_I32LE)
    pair.insert(b"cube", 4, nested)
    with h5py.File(path, "w") as file:
        whole = h5d.create(file.id, b"whole", nested, h5s.create_simple((4,)))
        whole.write(h5s.ALL, h5s.ALL, values.reshape(4, 30).view("V120").reshape(4), mtype=nested)
        member = h5d.create(file.id, b"member", pair, h5s.create_simple((4,)))
        rows = np.concatenate([np.arange(4, dtype="<f4").reshape(4, 1), values.reshape(4, 30)], 1)
        member.write(h5s.ALL, h5s.ALL, rows.view("V124").reshape(4), mtype=pair)
        attribute = h5py.h5a.create(file.id, b"cube", nested, h5s.create_simple((4,)))
        attribute.write(values.reshape(4, 30).view("V120").reshape(4), mtype=nested)
    restored = restore(path)
    same_hdf5(path, restored)
    with h5py.File(restored) as file:
        for cube in (file["whole"][()], file["member"]["cube"]):
            np.testing.assert_array_equal(cube.reshape(values.shape), values)


def test_text_that_ends_with_a_null_keeps_its_last_character(path: Path, restore: Restore) -> None:
    """Beside and within lists; h5py makes only such that is padded by nulls, libraries of C the other."""
    text = h5t.C_S1.copy()
    text.set_size(3)
    plain = np.dtype([("s", "S3"), ("n", "<i4")])
    row = h5t.create(h5t.COMPOUND, plain.itemsize)
    row.insert(b"s", 0, text)
    row.insert(b"n", 3, h5t.STD_I32LE)
    mixed = np.dtype([("s", "S3"), ("t", h5py.string_dtype()), ("a", "S3", (2,))])
    both = h5t.create(h5t.COMPOUND, 17)
    for name, place, kind in ((b"s", 0, text), (b"t", 3, h5t.py_create(mixed["t"], logical=True))):
        both.insert(name, place, kind)
    both.insert(b"a", 11, h5t.array_create(text, (2,)))
    rows = np.array([(b"abc", 1), (b"de", 2)], plain)
    cells = np.array([(b"abc", "x", (b"fgh", b"i"))], mixed)
    with h5py.File(path, "w") as file:
        lists = h5d.create(file.id, b"lists", h5t.vlen_create(row), h5s.create_simple((1,)))
        made = h5d.create(file.id, b"mixed", both, h5s.create_simple((1,)))
        made.write(h5s.ALL, h5s.ALL, cells, mtype=memory_type(both, mixed))
        attribute = h5py.h5a.create(file.id, b"mixed", both, h5s.create_simple((1,)))
        attribute.write(cells, mtype=memory_type(both, mixed))
        # h5py writes lists padded by nulls: what it has no room for is put into the file
        h5py.Dataset(lists)[0] = np.array([(b"ab#", 1), (b"de", 2)], plain)
    path.write_bytes(path.read_bytes().replace(b"ab\0\1\0\0\0", b"abc\1\0\0\0"))
    for name in (path, restore(path)):
        with h5py.File(name) as file:
            assert file["lists"][0].tolist() == rows.tolist()
            for found in (file["mixed"][()], file.attrs["mixed"]):
                assert found["s"].tolist() == [b"abc"]
                assert found["a"].tolist() == [[b"fgh", b"i"]]
    with h5py.File(restore(path)) as file:
        assert file["mixed"].id.get_type().equal(both)


def test_lists_of_references_to_regions_are_refused(path: Path, restore: Restore) -> None:
    """Reading or writing them through h5py corrupts memory; no list here holds any."""
    kind = h5t.vlen_create(h5t.STD_REF_DSETREG)
    with h5py.File(path, "w") as file:
        file["x"] = [1.0]
        h5d.create(file.id, b"lists", kind, h5s.create_simple((2,)))
        h5py.h5a.create(file.id, b"lists", kind, h5s.create_simple((2,)))
    with pytest.raises(DataError, match="'lists' cannot be read: lists of references to regions"):
        Hdf5Reader().open(path)
    with Hdf5Reader(ReadingOptions(allow_missing=True)).open(path) as source:
        assert source.schema.names == ["x"]
        assert any("attribute 'lists'" in line for line in source.warnings)
