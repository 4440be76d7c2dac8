"""Damaged, cut, foreign and hostile .bal files are refused with one clear message; nothing half-written stays."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baler_core.api.calls import compress, decompress
from baler_core.errors import BalerError, FormatError, PluginError
from baler_core.format.container import END, MAGIC, BalReader, BalWriter, pack_json
from baler_core.format.file_info import read_info
from baler_core.format.header_json import header_from_json, header_to_json
from baler_core.pipeline.decode import BalFile
from baler_core.pipeline.decompression import decompress as decompress_file
from baler_core.plugin.registry import load_plugins


@pytest.fixture(scope="module")
def bal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small file with a table, a field and text."""
    rng = np.random.default_rng(0)
    folder = tmp_path_factory.mktemp("bal")
    arrays = {
        "x": rng.normal(size=300),
        "n": rng.integers(0, 5, 300),
        "f": rng.normal(size=(9, 8, 7)),
        "t": np.array("abc"),
    }
    compress(arrays, folder / "file.bal", model="scalar")
    return folder / "file.bal"


def restore(path: Path) -> list[np.ndarray]:
    with BalFile(path, load_plugins()) as stored:
        return [block[name].values for block in stored.blocks() for name in block.variables]


def test_every_cut_is_recognised(bal: Path, tmp_path: Path) -> None:
    whole = bal.read_bytes()
    cut = tmp_path / "cut.bal"
    for length in {*range(0, len(whole), 37), len(whole) - 1, len(whole) - 5}:
        cut.write_bytes(whole[:length])
        with pytest.raises(FormatError, match=r"cut\.bal"):
            restore(cut)


def test_every_flipped_bit_of_the_first_bytes_is_recognised(bal: Path, tmp_path: Path) -> None:
    raw = bal.read_bytes()
    for place in range(8 * 8):
        damaged = bytearray(raw)
        damaged[place // 8] ^= 1 << place % 8
        (tmp_path / "flipped.bal").write_bytes(bytes(damaged))
        with pytest.raises(FormatError):
            restore(tmp_path / "flipped.bal")


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_every_flipped_bit_is_recognised(
    bal: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    raw = bytearray(bal.read_bytes())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    flipped = tmp_path_factory.getbasetemp() / "flipped.bal"
    flipped.write_bytes(bytes(raw))
    with pytest.raises(FormatError):
        restore(flipped)


def test_a_newer_format_says_how_to_update(bal: Path, tmp_path: Path) -> None:
    raw = bytearray(bal.read_bytes())
    raw[len(MAGIC)] += 1
    (tmp_path / "new.bal").write_bytes(bytes(raw))
    with pytest.raises(FormatError, match="pip install --upgrade"):
        restore(tmp_path / "new.bal")


def test_other_files_are_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "a.bal").write_bytes(b"PK\x03\x04 something else entirely, long enough")
    with pytest.raises(FormatError, match=r"not a \.bal file"):
        restore(tmp_path / "a.bal")
    with pytest.raises(FormatError, match="no such file"):
        restore(tmp_path / "none.bal")


def with_header(bal: Path, target: Path, change: object) -> Path:
    """The same file with a changed header and right checksums, as an attacker would write it."""
    with BalReader(bal) as reader:
        header = header_to_json(header_from_json(reader.header))
        sections = [reader.section(number) for number in range(len(reader.sections) - 1)]
    change(header)  # type: ignore[operator]
    with target.open("wb") as file:
        writer = BalWriter(file)
        for section in sections:
            writer.add(section)
        writer.finish(header)
    return target


def huge(header: dict) -> None:
    header["dims"][1] = [10**15 for _ in header["dims"][1]]
    for _, block in header["blocks"][1]:
        block[2] = dict.fromkeys(block[2], 10**15)


def strange_dtype(header: dict) -> None:
    header["variables"][0]["form"] = "|O"


def unknown_model(header: dict) -> None:
    header["groups"][0][2][0] = ["sorcery", {}, "baler-sorcery", "1.0"]


def escaping_name(header: dict) -> None:
    header["input"][0] = "../../escaped.npz"


def missing_section(header: dict) -> None:
    header["groups"][0][3] = [999]


def longer_block(header: dict) -> None:
    for _, block in header["blocks"][1]:
        block[2] = {dim: size + 1 for dim, size in block[2].items()}


@pytest.mark.parametrize("change", [huge, strange_dtype, missing_section, longer_block], ids=lambda c: c.__name__)
def test_hostile_headers_are_refused_before_memory_is_taken(bal: Path, tmp_path: Path, change: object) -> None:
    hostile = with_header(bal, tmp_path / "hostile.bal", change)
    with pytest.raises(FormatError):
        restore(hostile)
    with pytest.raises(BalerError):
        decompress_file(hostile, load_plugins(), output=tmp_path / "out.npz")
    assert [p.name for p in tmp_path.iterdir()] == ["hostile.bal"]


def test_a_missing_plugin_is_named_with_its_package(bal: Path, tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="pip install 'baler-sorcery'"):
        restore(with_header(bal, tmp_path / "x.bal", unknown_model))


def test_a_file_never_says_where_it_is_written(bal: Path, tmp_path: Path) -> None:
    hostile = with_header(bal, tmp_path / "x.bal", escaping_name)
    inside = tmp_path / "inside"
    inside.mkdir()
    decompress(hostile, inside / "out.npz")
    assert not (tmp_path / "escaped.npz").exists()
    assert [p.name for p in inside.iterdir()] == ["out.npz"]


@settings(max_examples=40, deadline=None)
@given(st.binary(min_size=1, max_size=400))
def test_any_header_text_is_refused(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "junk.bal"
    section = pack_json({"junk": junk.hex()})
    body = MAGIC + b"\x01" + section
    index = b"\x01" + bytes([len(section) & 0x7F | 0x80, len(section) >> 7]) + zlib.crc32(section).to_bytes(4, "little")
    path.write_bytes(body + index + len(index).to_bytes(4, "little") + zlib.crc32(index).to_bytes(4, "little") + END)
    with pytest.raises(FormatError):
        restore(path)


def test_info_needs_no_block(bal: Path) -> None:
    info = read_info(bal)
    assert info.header.schema.names == ["x", "n", "f", "t"]
    assert info.file_bytes == os.path.getsize(bal)
    assert info.ratio == pytest.approx(info.header.input_bytes / info.file_bytes)
