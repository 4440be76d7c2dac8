"""What decodes to something else than was written is noticed, whatever went wrong on the way."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import numpy as np
import pytest

from baler_core.api.calls import compress
from baler_core.cli import main
from baler_core.data.variables import Schema
from baler_core.entropy import integers as entropy
from baler_core.errors import FormatError
from baler_core.format.container import BalReader, BalWriter
from baler_core.pipeline.decode import BalFile
from baler_core.pipeline.decompression import verify
from baler_core.plugin.reading import Reader
from baler_core.plugin.registry import load_plugins

BOUNDS = {"lossy": {"abs": 0.01}, "*": "lossless"}


@pytest.fixture
def bal(tmp_path: Path) -> Path:
    """Several blocks of the same shape: exact and lossy numbers, and text."""
    rng = np.random.default_rng(4)
    arrays = {
        "lossy": rng.normal(size=4000),
        "exact": rng.normal(size=4000),
        "text": rng.integers(0, 99, 4000).astype("U2"),
    }
    compress(arrays, tmp_path / "a.bal", model="scalar", bounds=BOUNDS, block_bytes=40_000)
    return tmp_path / "a.bal"


def test_a_whole_file_is_verified(bal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["verify", str(bal), "--json"])
    record = json.loads(capsys.readouterr().out)
    assert record["ok"] is True
    assert record["restored_bytes"] == verify(bal, load_plugins()) == 4000 * 8 * 3


def test_of_several_files_all_are_verified_whatever_is_wrong_with_one(
    bal: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged, copy = tmp_path / "damaged.bal", tmp_path / "copy.bal"
    data = bytearray(bal.read_bytes())
    data[len(data) // 2] ^= 0xFF
    damaged.write_bytes(data)
    copy.write_bytes(bal.read_bytes())
    with pytest.raises(SystemExit, match="1"):
        main(["verify", str(damaged), str(copy), str(bal), "--json"])
    said = capsys.readouterr()
    assert [record["ok"] for record in json.loads(said.out)] == [False, True, True]
    assert f"{damaged}: NOT intact" in said.err
    assert "1 of 3 files" in said.err
    with pytest.raises(SystemExit, match="0"):
        main(["verify", str(copy), str(bal), "--values-only"])
    assert capsys.readouterr().out.count("intact") == 2


def test_a_file_that_cannot_be_written_again_is_not_intact(
    bal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    tried = []

    def fail(_: Reader, path: Path, schema: Schema) -> NoReturn:
        path.write_bytes(b"begun")
        tried.append((path.parent.parent, schema.names))
        raise TypeError("unsupported operand")

    verify(bal, load_plugins())
    reader = load_plugins().reader(BalFile(bal, load_plugins()).header.reader.name)
    monkeypatch.setattr(reader, "create", fail)
    with pytest.raises(SystemExit, match="1"):
        main(["verify", str(bal)])
    assert "cannot be restored (TypeError: unsupported operand)" in capsys.readouterr().err
    assert tried == [(tmp_path / "temporary", ["lossy", "exact", "text"])]
    with pytest.raises(SystemExit, match="0"):
        main(["verify", str(bal), "--values-only"])
    assert "no file was written from them" in capsys.readouterr().out
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_full_disk_is_told_before_anything_is_written(bal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=100))
    with pytest.raises(FormatError, match=r"96000 bytes, but only 100 are free in .*--values-only"):
        verify(bal, load_plugins())
    assert verify(bal, load_plugins(), values_only=True) == 96_000


def test_blocks_in_each_others_place_are_noticed(bal: Path, tmp_path: Path) -> None:
    with BalReader(bal) as stored, (tmp_path / "swapped.bal").open("wb") as file:
        sections = [stored.section(number) for number in range(len(stored.sections) - 1)]
        sections[0], sections[1] = sections[1], sections[0]
        writer = BalWriter(file)
        for section in sections:
            writer.add(section)
        writer.finish(stored.header)
    with pytest.raises(FormatError, match="block 0 restores to something else than was written"):
        verify(tmp_path / "swapped.bal", load_plugins())


@pytest.mark.parametrize("bounds", ["lossless", {"abs": 0.01}], ids=str)
def test_a_library_that_unpacks_one_wrong_integer_is_noticed(
    tmp_path: Path, bounds: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.random.default_rng(4).normal(size=4000)
    compress({"x": values}, tmp_path / "x.bal", model="scalar", bounds=bounds)
    original = entropy.unpack_integers

    def faulty(data: bytes, count: int, **options: Any) -> np.ndarray:
        unpacked = original(data, count, **options)
        if count == 4000:
            unpacked = unpacked.copy()
            unpacked[1234] += 1
        return unpacked

    monkeypatch.setattr("baler_core.builtin.models.scalar_streams.unpack_integers", faulty)
    with pytest.raises(FormatError):
        verify(tmp_path / "x.bal", load_plugins())


def test_text_and_exact_numbers_that_changed_in_memory_are_noticed(bal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from baler_core.pipeline import group_decoder

    honest = group_decoder.restored_arrays
    for name in ("exact", "text"):

        def faulty(model: Any, block: Any, layout: Any, wrong: str = name) -> dict[str, np.ndarray]:
            arrays = honest(model, block, layout)
            if wrong in arrays:
                arrays[wrong] = arrays[wrong].copy()
                arrays[wrong][7] = arrays[wrong][8]
            return arrays

        monkeypatch.setattr(group_decoder, "restored_arrays", faulty)
        with pytest.raises(FormatError, match="restores to something else"), BalFile(bal, load_plugins()) as stored:
            list(stored.blocks())


def test_more_memory_than_allowed_is_refused(bal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="1"):
        main(["verify", str(bal), "--memory", "10 kB"])
    assert "--memory" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="0"):
        main(["verify", str(bal), "--memory", "1 MB"])


def test_a_block_that_cannot_be_unpacked_names_its_file(bal: Path, tmp_path: Path) -> None:
    with BalReader(bal) as stored, (tmp_path / "short.bal").open("wb") as file:
        writer = BalWriter(file)
        for number in range(len(stored.sections) - 1):
            data = stored.section(number)
            writer.add(data[:-20] if number == 0 else data)
        writer.finish(stored.header)
    with pytest.raises(FormatError, match=r"short\.bal: .*damaged"):
        verify(tmp_path / "short.bal", load_plugins())
