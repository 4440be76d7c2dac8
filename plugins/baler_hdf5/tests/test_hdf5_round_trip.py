"""HDF5 files come back object by object: values, types, shapes, attributes, links and how they are stored."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from h5py import h5, h5a, h5d, h5p, h5s, h5t

from baler_core import values_of
from baler_hdf5.reader import Hdf5Reader

Restore = Callable[..., Path]
Compare = Callable[[Path, Path], None]
rng = np.random.default_rng(7)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data.h5"


@pytest.mark.parametrize(
    "dtype",
    ["<f4", ">f4", "<f8", ">f8", "<f2", "|i1", "<i2", ">i4", "<i8", "|u1", ">u2", "<u8", "<c8", ">c16", "|b1", "<f16"],
)
@pytest.mark.parametrize("shape", [(), (0,), (1,), (7,), (5, 0, 2), (4, 3), (3, 2, 2, 2, 2)])
def test_every_number_type_and_rank(
    path: Path, restore: Restore, same_hdf5: Compare, dtype: str, shape: tuple[int, ...]
) -> None:
    with h5py.File(path, "w") as file:
        file["x"] = (rng.normal(size=shape) * 50).astype(np.int8).astype(dtype)
    same_hdf5(path, restore(path, max_bytes=40))


def test_special_floats_keep_every_bit(path: Path, restore: Restore) -> None:
    bits = np.array([0x7FC00001, 0xFFC12345, 0x7F800000, 0xFF800000, 0x80000000, 1, 0x007FFFFF], np.uint32)
    with h5py.File(path, "w") as file:
        file["x"] = bits.view("<f4")
        file["big"] = bits.view("<f4").astype(">f4")
    with h5py.File(restore(path)) as file:
        assert file["x"][:].view(np.uint32).tolist() == bits.tolist()
        assert file["big"][:].tobytes() == bits.astype(">u4").tobytes()


def test_blocks_hold_little_endian_values_in_file_order(path: Path) -> None:
    values = rng.normal(size=(30, 4, 2))
    with h5py.File(path, "w") as file:
        file["big"] = values.astype(">f8")
    with Hdf5Reader().open(path) as source:
        assert source.schema["big"].dtype == "<f8"
        blocks = [values_of(block, "big") for block in source.blocks(256)]
    assert len(blocks) == 8
    assert all(block.dtype.str == "<f8" for block in blocks)
    np.testing.assert_array_equal(np.concatenate(blocks), values)


def test_strings_of_all_kinds(path: Path, restore: Restore, same_hdf5: Compare) -> None:
    with h5py.File(path, "w") as file:
        file["text"] = ["Ångström", "", "a\nb", "日本"] * 5
        file["scalar"] = "one"
        file.create_dataset("ascii", data=[b"x", b"yy"], dtype=h5py.string_dtype("ascii"))
        file["fixed"] = np.array([b"abc", b"", b"abcdefgh"])
        file["utf8_fixed"] = np.array(["é".encode(), b"z"], dtype=h5py.string_dtype("utf-8", 5))
        file["grid"] = np.array([["a", "b"], ["c", "d"]], dtype=object)
        padded = h5t.C_S1.copy()
        padded.set_size(6)
        padded.set_strpad(h5t.STR_SPACEPAD)
        spaces = h5d.create(file.id, b"spaces", padded, h5s.create_simple((2,)))
        spaces.write(h5s.ALL, h5s.ALL, np.array([b"ab    ", b"  cd  "], "V6"), mtype=padded)
    with Hdf5Reader().open(path) as source:
        assert source.schema["text"].dtype == "str"
        assert source.schema["fixed"].dtype == "|S8"
    same_hdf5(path, restore(path, max_bytes=20))


def test_text_that_is_not_utf8_comes_back(path: Path, restore: Restore) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=[b"caf\xe9"], dtype=h5py.string_dtype("ascii"))
        file.attrs.create("note", b"\xff\xfe", dtype=h5py.string_dtype("ascii"))
    with h5py.File(restore(path)) as file:
        assert file["x"][0] == b"caf\xe9"
        assert file.attrs.get_id("note").get_type().is_variable_str()


def test_enumerations_opaque_and_named_types(path: Path, restore: Restore, same_hdf5: Compare) -> None:
    with h5py.File(path, "w", track_order=True) as file:
        file.create_dataset("colour", data=[0, 2, 1], dtype=h5py.enum_dtype({"RED": 0, "BLUE": 2}, ">i2"))
        file["zz_type"] = np.dtype(">i4")
        file["zz_type"].attrs["about"] = "a named type"
        file.create_dataset("named", data=[1, 2, 3], dtype=file["zz_type"])
        file.attrs.create("named", 3, dtype=file["zz_type"])
        file["date"] = np.array(["2020-01-01"], "M8[s]").astype(h5py.opaque_dtype("M8[s]"))
        file["opaque"] = np.array([b"12345678"], "V8")
        bits = h5d.create(file.id, b"bits", h5t.STD_B16BE, h5s.create_simple((2,)))
        bits.write(h5s.ALL, h5s.ALL, np.array([1, 515], ">u2").view("V2"), mtype=h5t.STD_B16BE)
    same_hdf5(path, restore(path))


def test_numbers_unknown_to_numpy_stay_opaque(path: Path, restore: Restore, same_hdf5: Compare) -> None:
    brain = h5t.IEEE_F32LE.copy()
    brain.set_fields(15, 7, 8, 0, 7)
    brain.set_precision(16)
    brain.set_size(2)
    brain.set_ebias(127)
    twelve = h5t.STD_I16LE.copy()
    twelve.set_precision(12)
    nbit = h5t.IEEE_F32LE.copy()  # of the manual of the n-bit filter: 20 bits that begin at bit 7
    nbit.set_fields(26, 20, 6, 7, 13)
    nbit.set_offset(7)
    nbit.set_precision(20)
    nbit.set_ebias(31)
    with h5py.File(path, "w") as file:
        for name, kind in {b"brain": brain, b"twelve": twelve}.items():
            dataset = h5d.create(file.id, name, kind, h5s.create_simple((2,)))
            dataset.write(h5s.ALL, h5s.ALL, np.array([0x3F80, 0x0123], "<u2").view("V2"), mtype=kind)
        h5d.create(file.id, b"nbit", nbit, h5s.create_simple((2,)))
        file["nbit"][:] = [1.25, -3]
    with Hdf5Reader().open(path) as source:
        assert source.schema["brain"].dtype == "|V2"
    with h5py.File(restore(path)) as file:
        assert file["brain"].id.get_type().equal(brain)
        assert file["twelve"].id.get_type().equal(twelve)
        assert file["nbit"].id.get_type().equal(nbit)
        assert file["nbit"][:].tolist() == [1.25, -3]
        raw = np.zeros(2, "V2")
        file["twelve"].id.read(h5s.ALL, h5s.ALL, raw, mtype=twelve)
        assert raw.view("<u2").tolist() == [0x3F80, 0x0123]


@pytest.fixture
def table(path: Path) -> Path:
    """A compound dataset with nested, array and text members, and padding bytes."""
    kind = np.dtype(
        {
            "names": ["energy", "inner", "image", "flag"],
            "formats": [">f4", [("id", "<i8"), ("tag", "S3")], ("<f4", (2, 2)), "|b1"],
            "offsets": [0, 8, 24, 40],
            "itemsize": 48,
        }
    )
    rows = np.zeros(50, kind)
    rows["energy"] = rng.normal(size=50)
    rows["inner"]["id"] = np.arange(50) + 2**60
    rows["inner"]["tag"] = b"ab"
    rows["image"] = rng.normal(size=(50, 2, 2))
    rows["flag"] = rng.integers(0, 2, 50)
    with h5py.File(path, "w") as file:
        file.create_dataset("run/events", data=rows, chunks=(7,), compression="gzip", maxshape=(None,))
        file["run/events"].attrs["units"] = "mixed"
        file["one"] = rows[0]
        words = np.dtype([("word", h5py.string_dtype()), ("n", "i4")])
        file["run/words"] = np.array([("a", 1), ("bé", 2)], words)
    return path


def test_compound_members_become_variables(table: Path) -> None:
    with Hdf5Reader().open(table) as source:
        schema = source.schema
        assert schema["run/events/energy"].dims == ("run/dim0_50",)
        assert schema["run/events/inner/id"].dtype == "<i8"
        assert schema["run/events/image"].dims == ("run/dim0_50", "run/dim1_2", "run/dim2_2")
        assert schema["one/energy"].dims == ()
        blocks = [block for block in source.blocks(200) if "run/events/inner/id" in block]
    ids = np.concatenate([values_of(block, "run/events/inner/id") for block in blocks])
    assert ids.tolist() == [2**60 + row for row in range(50)]


def test_compound_restored(table: Path, restore: Restore, same_hdf5: Compare) -> None:
    same_hdf5(table, restore(table, max_bytes=300))


def test_members_with_slashes_in_their_names(path: Path, restore: Restore, same_hdf5: Compare) -> None:
    rows = np.zeros(3, [("in/q", "f4"), ("in", [("q", "f4")]), ("in/q_", "i4")])
    rows["in/q"], rows["in"]["q"], rows["in/q_"] = 1.5, 2.5, 3
    with h5py.File(path, "w") as file:
        file["t"] = rows
    with Hdf5Reader().open(path) as source:
        assert source.schema.names == ["t/in/q", "t/in/q_", "t/in/q__"]
    same_hdf5(path, restore(path))


def test_some_members_of_a_compound(table: Path, restore: Restore) -> None:
    restored = restore(table, patterns=["run/events/inner/id", "run/events/energy"])
    with h5py.File(table) as a, h5py.File(restored) as b:
        assert list(b["run"]) == ["events"]
        assert b["run/events"].dtype.names == ("energy", "inner")
        assert b["run/events"].dtype["inner"].names == ("id",)
        np.testing.assert_array_equal(b["run/events"]["energy"], a["run/events"]["energy"])
        np.testing.assert_array_equal(b["run/events"]["inner"]["id"], a["run/events"]["inner"]["id"])
        assert b["run/events"].attrs["units"] == "mixed"


def test_many_attributes_keep_their_order_and_early_datasets_their_committed_types(
    path: Path, restore: Restore
) -> None:
    """As in files of HDF5 1.6, whose attributes lie in the order in which they were made, tracked or not."""
    names = [f"{7 * number % 20:02}" for number in range(20)]
    with h5py.File(path, "w", libver="earliest") as file:
        file["types/name"] = np.dtype("S10")
        file.create_dataset("at", data=[b"a", b"b"], dtype=file["types/name"])
        for item in (file, file["types"], file["at"]):
            item.attrs.update(dict.fromkeys(names, 1))
    for place in (path, restore(path)):
        with h5py.File(place) as file:
            assert file["at"].id.get_type().committed()
            for item in (file, file["types"], file["at"]):
                found: list[str] = []
                h5a.iterate(
                    item.id,
                    lambda name, *rest, found=found: found.append(name.decode()),
                    index_type=h5.INDEX_NAME,
                    order=h5.ITER_NATIVE,
                )
                assert found == names


def test_groups_links_empties_and_order(path: Path, restore: Restore, same_hdf5: Compare) -> None:
    with h5py.File(path, "w", track_order=True) as file:
        file["zebra"] = [1, 2]
        file.create_group("empty/inside")
        group = file.create_group("plain", track_order=False)
        group["b"], group["a"] = 1.0, 2.0
        file["again"] = file["zebra"]
        file["plain_again"] = file["plain"]
        file["plain/up"] = file["/"]
        file["soft"] = h5py.SoftLink("/plain/a")
        file["dangling"] = h5py.SoftLink("/nowhere")
        file["nothing"] = h5py.Empty(">f8")
        file["nothing"].attrs["void"] = h5py.Empty("S3")
        file["näme"] = 1
    same_hdf5(path, restore(path))


def test_external_links_are_kept_and_never_followed(path: Path, tmp_path: Path, restore: Restore) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as other:
        other["secret"] = [1, 2, 3]
    with h5py.File(path, "w") as file:
        file["x"] = [1.0]
        file["outside"] = h5py.ExternalLink("other.h5", "/secret")
    with Hdf5Reader().open(path) as source:
        assert source.schema.names == ["x"]
        assert any("outside" in sentence for sentence in source.elsewhere)
    with h5py.File(restore(path)) as file:
        assert file.get("outside", getlink=True).filename == "other.h5"


def test_attributes_of_integers_of_16_bytes(path: Path, restore: Restore) -> None:
    kind = h5py.h5t.STD_U64BE.copy()
    kind.set_size(16)
    kind.set_precision(128)
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(4.0)
        made = h5py.h5a.create(file.id, b"time", kind, h5py.h5s.create(h5py.h5s.SCALAR))
        made.write(np.array(b"0123456789abcdef", "V16"), mtype=kind)
    with h5py.File(restore(path)) as file:
        found = h5py.h5a.open(file.id, b"time")
        value = np.zeros((), "V16")
        found.read(value, mtype=kind)
        assert found.get_type().equal(kind)
        assert value.tobytes() == b"0123456789abcdef"


def test_attributes_of_all_kinds(path: Path, restore: Restore, same_hdf5: Compare) -> None:
    with h5py.File(path, "w", track_order=True) as file:
        attributes = file.create_group("g", track_order=True).attrs
        attributes["z_int"] = np.int16(3)
        attributes["a_list"] = np.arange(6, dtype=">f4").reshape(2, 3)
        attributes["text"] = "Grüße"
        attributes["bytes"] = np.bytes_(b"fixed")
        attributes["words"] = ["one", "two", ""]
        attributes["bool"] = True
        attributes["bools"] = np.array([True, False])
        attributes["complex"] = 1 + 2j
        attributes["nan"] = np.array([np.nan, -0.0, np.inf])
        attributes["nothing"] = np.array([], "f8")
        attributes["record"] = np.array((1, 2.5, b"x"), [("a", "i4"), ("b", "f8"), ("c", "S1")])
        attributes["mixed"] = np.array([("a", 1)], [("word", h5py.string_dtype()), ("n", "i4")])
        attributes.create("ragged", np.array([np.arange(2), np.arange(3)], object), dtype=h5py.vlen_dtype("i4"))
        attributes.create("colour", 1, dtype=h5py.enum_dtype({"RED": 0, "BLUE": 1}))
        attributes.create("array", np.arange(3, dtype="i4"), dtype=np.dtype(("i4", (3,))))
        attributes["large"] = np.arange(20_000)
    same_hdf5(path, restore(path))


def test_storage_is_restored(path: Path, restore: Restore, same_hdf5: Compare) -> None:
    values = np.cumsum(rng.normal(size=(40, 6, 5)), axis=0).astype("<f4")
    with h5py.File(path, "w") as file:
        file.create_dataset("gzip", data=values, chunks=(9, 6, 2), compression="gzip", compression_opts=7, shuffle=True)
        file.create_dataset("lzf", data=values, compression="lzf", fletcher32=True)
        file.create_dataset("unlimited", data=values, maxshape=(None, 6, 10), chunks=(64, 2, 3), fillvalue=-9.5)
        file.create_dataset("fill", data=[1, 2], fillvalue=-1)
        file.create_dataset("scaled", data=np.arange(30, dtype="i4"), scaleoffset=0)
        compact = h5p.create(h5p.DATASET_CREATE)
        compact.set_layout(h5d.COMPACT)
        h5d.create(file.id, b"compact", h5t.STD_I32LE, h5s.create_simple((4,)), compact)
        file.create_dataset("rounded", data=np.arange(30) / 7, scaleoffset=2)
    with Hdf5Reader().open(path) as source:
        # h5py shows it as a number like others
        assert source.schema["unlimited"].fill == ()
        (told,) = source.warnings
        assert "'rounded'" in told
        assert "'scaleoffset' (number 6) is left off" in told
    restored = restore(path, max_bytes=700)
    with h5py.File(path, "a") as file, h5py.File(restored, "a") as after:
        assert after["rounded"][:].tolist() == file["rounded"][:].tolist()
        assert after["scaled"].scaleoffset == 0
        del file["rounded"], after["rounded"]
    same_hdf5(path, restored)


def test_dimension_scales_name_the_dimensions(path: Path, restore: Restore, same_hdf5: Compare) -> None:
    with h5py.File(path, "w") as file:
        file["flow/u"] = rng.normal(size=(4, 3, 3))
        file["flow/t"], file["y"] = np.arange(4.0), np.arange(3.0)
        file["flow/t"].make_scale("time")
        file["y"].make_scale()
        file["flow/u"].dims[0].attach_scale(file["flow/t"])
        file["flow/u"].dims[1].attach_scale(file["y"])
        file["flow/u"].dims[2].attach_scale(file["y"])
        file["flow/u"].dims[0].label = "the time"
    with Hdf5Reader().open(path) as source:
        assert source.schema["flow/u"].dims == ("flow/t", "y", "y_3")
        assert source.schema["flow/u"].axes == {"flow/t": "time", "y": "y", "y_3": "y"}
        assert source.schema["y"].dims == ("y",)
    restored = restore(path)
    same_hdf5(path, restored)
    with h5py.File(restored) as file:
        assert file["flow/u"].dims[0][0].name == "/flow/t"
        assert file["flow/u"].dims[2][0].name == "/y"


def test_scales_come_along_with_what_is_chosen(path: Path, restore: Restore) -> None:
    with h5py.File(path, "w") as file:
        for name in ("u", "v"):
            file[name] = rng.normal(size=(4, 3))
        file["t"], file["s"] = np.arange(4.0), np.arange(3.0)
        for scale in ("t", "s"):
            file[scale].make_scale()
        for name in ("u", "v"):
            file[name].dims[0].attach_scale(file["t"])
        file["v"].dims[1].attach_scale(file["s"])
    with h5py.File(restore(path, patterns=["u"])) as file:
        assert sorted(file) == ["t", "u"]
        assert file["u"].dims[0][0].name == "/t"
        assert [file[reference].name for reference, _ in file["t"].attrs["REFERENCE_LIST"]] == ["/u"]


def test_shapes_without_scales_share_dimensions(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["u"], file["v"] = np.zeros((5, 4)), np.ones((5, 4))
        file["g/w"] = np.ones((5, 4))
    with Hdf5Reader().open(path) as source:
        dims = {variable.name: variable.dims for variable in source.schema.variables}
    assert dims["u"] == dims["v"] == ("dim0_5", "dim1_4")
    assert dims["g/w"] == ("g/dim0_5", "g/dim1_4")
