"""Names, comments and links come back as they were, whatever they hold; or they are named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from h5py import h5a, h5s, h5t

from baler_core import DataError
from baler_core.cli import main
from baler_hdf5.reader import Hdf5Reader

Restore = Callable[..., Path]
Compare = Callable[[Path, Path], None]
STEPS = np.cumsum(np.random.default_rng(3).integers(0, 9, (64, 32)), 0).astype("<u2")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data.h5"


def test_names_with_brackets_are_names(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["pt [GeV]"] = [1.0]
        file["t [ns]"] = [1.0]
    for patterns in (["pt [GeV]"], ["/pt [GeV]"], ["pt*"]):
        with Hdf5Reader().open(path, patterns) as source:
            assert source.schema.names == ["pt [GeV]"]


def test_comments_and_clashing_names(path: Path, restore: Restore, same_hdf5: Compare) -> None:
    with h5py.File(path, "w") as file:
        file["_nc4_non_coord_x"], file["x"] = [1.0, 2.0], [3.0, 4.0]
        file.create_group("g")
        for name in ("x", "g", "/"):
            h5py.h5o.set_comment(file[name].id, b"remark on " + name.encode())
    with Hdf5Reader().open(path) as source:
        assert source.schema.names == ["_nc4_non_coord_x", "x"]
    restored = restore(path)
    same_hdf5(path, restored)
    with h5py.File(restored) as file:
        assert [file.id.get_comment(name) for name in (b"x", b"g", b".")] == [
            b"remark on x",
            b"remark on g",
            b"remark on /",
        ]


def test_links_to_other_files_are_told_and_nothing_is_called_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with h5py.File("a.h5", "w") as file:
        file["x"], file["out"] = STEPS, h5py.ExternalLink("other.h5", "/y")
    Path("a.yaml").write_text("input: a.h5\nbounds: lossless\nmodel: scalar\noutput: out/\n")
    sentence = "'out' is a link to '/y' in the file 'other.h5': it comes back as this link; keep that file too"
    for command in (["run", "a.yaml"], ["info", "out/a.bal"], ["evaluate", "a.h5", "out/a.bal"]):
        with pytest.raises(SystemExit) as end:
            main(command)
        said = capsys.readouterr()
        assert end.value.code == 0
        assert sentence in said.out + said.err
        assert "NOT " not in said.out + said.err
    page = Path("out/report.html").read_text()
    assert "keep that file too" in page
    assert "every value is exact" in page
    with h5py.File("out/a.restored.h5") as file:
        assert file.get("out", getlink=True).filename == "other.h5"


def test_names_of_fields_as_matlab_stores_them_come_back(path: Path, restore: Restore) -> None:
    """Lists of single characters that end with a null, of which h5py would write nothing but nulls."""
    names = np.array([np.array(list(name), "S1") for name in ("alpha", "b", "c_3")], object)
    with h5py.File(path, "w") as file:
        padded = h5t.vlen_create(h5t.py_create(np.dtype("S1")))
        attribute = h5py.h5a.create(file.create_group("s").id, b"MATLAB_fields", padded, h5s.create_simple((3,)))
        attribute.write(names)
        file["x"] = np.arange(20.0)
    # text of one character, padded by nulls, becomes such that ends with one
    path.write_bytes(path.read_bytes().replace(bytes([0x13, 1, 0, 0, 1, 0, 0, 0]), bytes([0x13, 0, 0, 0, 1, 0, 0, 0])))
    with h5py.File(path) as file:
        kind = h5py.h5a.open(file["s"].id, b"MATLAB_fields").get_type().get_super()
        assert kind.get_strpad() == h5t.STR_NULLTERM
    for place in (path, restore(path)):
        with h5py.File(place) as file:
            found = [b"".join(cell.tolist()).decode() for cell in file["s"].attrs["MATLAB_fields"]]
            assert found == ["alpha", "b", "c_3"]


def test_targets_of_links_and_names_of_attributes_may_be_any_bytes(path: Path, restore: Restore) -> None:
    with h5py.File(path, "w") as file:
        file["x"] = STEPS
        file.id.links.create_soft(b"soft", b"/x\xe9")
        file.id.links.create_external(b"out", b"f\xe9.h5", b"/y\xff")
        for number, name in enumerate((b"T\xe9", b"plain")):
            h5a.create(file["x"].id, name, h5t.NATIVE_INT32, h5s.create(h5s.SCALAR)).write(np.array(number, "i4"))
    with Hdf5Reader().open(path) as source:
        assert source.elsewhere == (
            "'out' is a link to '/y\\\\xff' in the file 'f\\\\xe9.h5': it comes back as this link; keep that file too",
        )
    with h5py.File(restore(path)) as file:
        assert file.id.links.get_val(b"soft") == b"/x\xe9"
        assert file.id.links.get_val(b"out") == (b"f\xe9.h5", b"/y\xff")
        assert {name: int(file["x"].attrs[name]) for name in file["x"].attrs} == {b"T\xe9": 0, "plain": 1}


def test_objects_whose_names_are_not_utf8_are_refused_or_left_out(path: Path, restore: Restore) -> None:
    with h5py.File(path, "w") as file:
        file["x"] = STEPS
        file[b"T\xe9"] = [1.0]
    with pytest.raises(DataError, match=r"b'T.xe9' in group '/' .*not UTF-8: rename it; .*--allow-missing"):
        Hdf5Reader().open(path)
    with h5py.File(restore(path, allow_missing=True)) as file:
        assert list(file) == ["x"]


def test_committed_types_that_cannot_be_read_are_left_out(path: Path, restore: Restore) -> None:
    with h5py.File(path, "w") as file:
        file["x"] = STEPS
        h5t.UNIX_D32LE.copy().commit(file.id, b"time")
        file["again"] = file["time"]
    with Hdf5Reader().open(path) as source:
        assert list(source.warnings) == ["the datatype 'again' is left out: the HDF5 type time"]
    with h5py.File(restore(path)) as file:
        assert list(file) == ["x"]
        np.testing.assert_array_equal(file["x"], STEPS)
