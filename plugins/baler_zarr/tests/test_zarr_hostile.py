"""Forged records, damaged and hostile stores: one sentence or a store, and nothing read or written elsewhere."""

from __future__ import annotations

import errno
import json
import pickle
import resource
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from zarr.storage import ZipStore

import baler_core
from baler_core.testing import check_hostile_reader, check_reader
from baler_core.testing.damage import damaged
from baler_zarr.contents.store import safe_key
from baler_zarr.reader import ZarrReader

from .zarr_stores import make_small, make_store, quiet, restored


def zipped(path: Path, form: int) -> Path:
    source = make_small(path.with_name("source.zarr"), form)
    with zipfile.ZipFile(path, "w") as made:
        for place in sorted(source.rglob("*")):
            if place.is_file():
                made.write(place, place.relative_to(source).as_posix())
    return path


@pytest.mark.parametrize("form", [2, 3])
def test_changed_records_give_one_sentence_or_a_store(form: int, tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zarr.zip", form)
    (tmp_path / "out").mkdir()
    odd = ("../evil/zarr.json", "/etc/zarr.json", "x/zarr.json", {"": "{}"}, [["../evil", 1]])

    def another_text(text: str, random: np.random.Generator) -> str:
        place = int(random.integers(len(text)))
        return text[:place] + random.choice(["0", "-", "9", '"', "pickle", "9999999999", "[]"]) + text[place + 1 :]

    given = check_hostile_reader(ZarrReader(), path, tmp_path / "out", cases=60, odd=odd, damage_text=another_text)
    assert 0 < given < 60


@pytest.mark.parametrize("name", ["b.zarr", "b.zarr.zip"])
def test_a_full_disk_is_no_damage(name: str, tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(size=20_000)
    zarr.create_array(str(tmp_path / "a.zarr"), shape=(20_000,), chunks=(5_000,), dtype="f8")[:] = values
    baler_core.compress(tmp_path / "a.zarr", tmp_path / "a.bal", bounds="lossless", model="scalar")
    with largest_file(20_000 if name.endswith("r") else 100_000), pytest.raises(OSError, match="too large") as caught:
        baler_core.decompress(tmp_path / "a.bal", tmp_path / name)
    assert caught.value.errno == errno.EFBIG
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.bal", "a.zarr"]


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let no file grow beyond a size, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("form", [2, 3])
def test_the_reader_passes_the_checks_of_the_kit(form: int, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    check_reader(ZarrReader(), make_store(tmp_path / "a.zarr", form), tmp_path / "out")


@pytest.mark.parametrize(
    "key", ["../x", "/x", "a/../x", "a//x", "", ".", "a/.", "a\\..\\x", "a\0", 5, None, "a/" * 3000]
)
def test_keys_stay_inside_a_store(key: Any) -> None:
    with pytest.raises(ValueError, match="is not the key"):
        safe_key(key)


def test_links_are_refused(tmp_path: Path) -> None:
    path = make_store(tmp_path / "a.zarr", 3)
    (tmp_path / "secret").write_bytes(b"secret")
    chunk = path / "truth" / "c" / "0"
    chunk.unlink()
    chunk.symlink_to(tmp_path / "secret")
    with pytest.raises(baler_core.DataError, match="is a link"):
        restored(path)
    chunk.unlink()
    (path / "elsewhere").symlink_to(tmp_path)
    with pytest.raises(baler_core.DataError, match="is a link"):
        restored(path)


class Bomb:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("exploded"),))


def test_pickled_elements_are_never_unpickled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    meta = {
        "zarr_format": 2, "shape": [1], "chunks": [1], "dtype": "|O", "fill_value": None, "order": "C",
        "filters": [{"id": "pickle", "protocol": 5}], "compressor": None,
    }  # fmt: skip
    path = tmp_path / "a.zarr"
    with quiet():
        zarr.open_group(str(path), mode="w", zarr_format=2).create_array("x", shape=(3,), dtype="f4")[:] = 1
    (path / "bomb").mkdir()
    (path / "bomb" / ".zarray").write_text(json.dumps(meta))
    (path / "bomb" / "0").write_bytes(pickle.dumps(np.array([Bomb()], object)))
    done = restored(path)
    assert "codec 'pickle' is not known to be exact and safe" in caplog.text
    assert (done / "bomb" / "0").read_bytes() == (path / "bomb" / "0").read_bytes()
    assert not Path("exploded").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"shape": [10**12, 3]}, "claims"),
        ({"shape": [10, -3]}, "of the shape"),
        ({"shape": "many"}, "of the shape"),
    ],
)
def test_claims_of_documents_are_not_believed(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    zarr.create_array(str(path), shape=(10, 3), chunks=(5, 3), dtype="f8")[:] = 1
    document = path / "zarr.json"
    document.write_text(json.dumps(json.loads(document.read_text()) | change))
    with pytest.raises(baler_core.DataError, match=said):
        restored(path)


def test_huge_chunks_and_grids_are_carried_not_decoded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.zarr"
    with quiet():
        group = zarr.open_group(str(path), mode="w", zarr_format=3)
        for name in ("chunk", "plain"):
            group.create_array(name, shape=(10,), chunks=(5,), dtype="f8")[:] = 1.5
    document = path / "chunk" / "zarr.json"
    meta = json.loads(document.read_text())
    meta["chunk_grid"]["configuration"]["chunk_shape"] = [10**11]
    document.write_text(json.dumps(meta))
    done = restored(path)
    assert "'chunk' is kept byte for byte, since its chunks have the shape" in caplog.text
    assert (done / "chunk" / "zarr.json").read_bytes() == document.read_bytes()


@pytest.mark.parametrize("form", [2, 3])
def test_damaged_stores_are_refused_in_one_sentence_or_read(form: int, tmp_path: Path) -> None:
    path, random = make_store(tmp_path / "a.zarr", form), np.random.default_rng(4)
    files = [p for p in sorted(path.rglob("*")) if p.is_file() and p.name != "README"]
    said = []
    for _ in range(30):
        victim = files[int(random.integers(len(files)))]
        raw = victim.read_bytes()
        victim.write_bytes(damaged(raw, random))
        try:
            with ZarrReader().open(path) as source:
                assert all(block.variables for block in source.blocks(1 << 20))
        except baler_core.DataError as error:
            said.append(str(error))
        victim.write_bytes(raw)
    assert said
    assert all("a.zarr" in one and "\n" not in one for one in said)


def test_zip_bombs_and_other_zip_files_are_no_stores(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.zarr.zip", "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("zarr.json", b" " * (80 << 20))
    with pytest.raises(baler_core.DataError, match="claims"):
        restored(tmp_path / "bomb.zarr.zip")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as made:
        made.writestr("letter.txt", b"no store")
    done = restored(tmp_path / "other.zip")
    assert "kept byte for byte" in caplog.text
    assert done.read_bytes() == (tmp_path / "other.zip").read_bytes()


def test_an_unfinished_zip_file_is_refused(tmp_path: Path) -> None:
    with quiet(), ZipStore(tmp_path / "a.zarr.zip", mode="w") as store:
        zarr.create_array(store, shape=(3,), dtype="f4")[:] = 1
    raw = (tmp_path / "a.zarr.zip").read_bytes()
    (tmp_path / "a.zarr.zip").write_bytes(raw[: len(raw) // 2])
    with pytest.raises(baler_core.DataError, match="cannot be opened as a ZIP file"):
        restored(tmp_path / "a.zarr.zip")
