"""The abuse files of safetensors, as .bal files: lengths that lie, sections that overlap, holes, names twice."""

from __future__ import annotations

import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baler_core.api.calls import compress, decompress
from baler_core.entropy.varint import write_varint
from baler_core.errors import FormatError
from baler_core.format.container import END, MAGIC, BalReader, BalWriter, pack_json
from baler_core.format.file_info import read_info
from baler_core.format.header_json import header_from_json, header_to_json
from baler_core.pipeline.decompression import verify
from baler_core.plugin.registry import load_plugins

START = len(MAGIC) + 1


@pytest.fixture(scope="module")
def bal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("bal") / "file.bal"
    compress(
        {"x": rng.normal(size=300), "n": rng.integers(0, 5, 300), "f": rng.normal(size=(9, 8))}, path, model="scalar"
    )
    return path


def refused(path: Path, match: str) -> None:
    """Whoever opens it says so in one sentence, in little memory, and writes nothing."""
    before = sorted(path.parent.iterdir())
    tracemalloc.start()
    try:
        for use in (read_info, lambda p: verify(p, load_plugins()), lambda p: decompress(p, p.parent / "out.npz")):
            with pytest.raises(FormatError, match=match) as caught:
                use(path)
            assert "\n" not in str(caught.value)
            assert path.name in str(caught.value)
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()
    assert sorted(path.parent.iterdir()) == before


def indexed(bal: Path, change: Callable[[list[tuple[int, tuple[int, ...]]], int], bytes]) -> bytes:
    """The file with another index, whose own checksum is right."""
    with BalReader(bal) as stored:
        sections = [(s.length, s.checksums) for s in stored.sections]
    whole = bal.read_bytes()
    body = whole[: START + sum(length for length, _ in sections)]
    index = change(sections, len(body))
    return body + index + len(index).to_bytes(4, "little") + zlib.crc32(index).to_bytes(4, "little") + END


def written(sections: list[tuple[int, tuple[int, ...]]], count: int | None = None) -> bytes:
    index = write_varint(len(sections) if count is None else count)
    for length, checksums in sections:
        index += write_varint(length) + b"".join(checksum.to_bytes(4, "little") for checksum in checksums)
    return index


@pytest.mark.parametrize(
    "change",
    [
        lambda sections, body: written([(2**62, sections[0][1]), *sections[1:]]),
        lambda sections, body: written(sections, 2**40),
        lambda sections, body: written([*sections, sections[0]]),
        lambda sections, body: written(sections[1:]),
        lambda sections, body: written([(sections[0][0] - 1, sections[0][1]), *sections[1:]]),
        lambda sections, body: written([(sections[0][0] + 9, sections[0][1]), *sections[1:]]),
        lambda sections, body: written([]),
        lambda sections, body: b"\xff" * 40,
    ],
    ids=["huge", "many", "overlap", "hole before", "hole", "beyond", "none", "no numbers"],
)
def test_sections_neither_overlap_nor_leave_holes(
    bal: Path, tmp_path: Path, change: Callable[[list[tuple[int, tuple[int, ...]]], int], bytes]
) -> None:
    (tmp_path / "bad.bal").write_bytes(indexed(bal, change))
    refused(tmp_path / "bad.bal", "damaged|index")


@pytest.mark.parametrize("size", [2**32 - 1, 2**31, 10**6])
def test_an_index_longer_than_the_file_is_refused(bal: Path, tmp_path: Path, size: int) -> None:
    whole = bal.read_bytes()
    (tmp_path / "bad.bal").write_bytes(whole[:-12] + size.to_bytes(4, "little") + whole[-8:])
    refused(tmp_path / "bad.bal", "its index cannot be")


@pytest.mark.parametrize("place", [START, -12])
def test_bytes_between_and_behind_sections_are_refused(bal: Path, tmp_path: Path, place: int) -> None:
    whole = bal.read_bytes()
    (tmp_path / "bad.bal").write_bytes(whole[:place] + b"hidden" + whole[place:])
    refused(tmp_path / "bad.bal", "damaged|index")


def test_a_header_that_claims_more_than_any_header_is_refused(bal: Path, tmp_path: Path) -> None:
    with BalReader(bal) as stored:
        sections = [stored.section(number) for number in range(len(stored.sections) - 1)]
        header = pack_json(stored.header)
    for length in (2**62, 2**27):
        with (tmp_path / "bad.bal").open("wb") as file:
            writer = BalWriter(file)
            for section in (*sections, write_varint(length) + header[2:]):
                writer.add(section)
            index = written([(s.length, s.checksums) for s in writer._sections])
            file.write(index + len(index).to_bytes(4, "little") + zlib.crc32(index).to_bytes(4, "little") + END)
        refused(tmp_path / "bad.bal", "the header")


def _two_of_a_name(header: Any) -> None:
    header["variables"][1]["key"] = header["variables"][0]["key"]


def _two_groups_of_a_variable(header: Any) -> None:
    header["groups"][1][1] = header["groups"][0][1]


def _blocks_are_the_states(header: Any) -> None:
    for group in header["groups"]:
        group[3] = [header["blocks"][0]]


def _blocks_twice(header: Any) -> None:
    header["blocks"][1] = [[2 * times, block] for times, block in header["blocks"][1]]


@pytest.mark.parametrize("change", [_two_of_a_name, _two_groups_of_a_variable, _blocks_are_the_states, _blocks_twice])
def test_names_and_sections_are_used_once(bal: Path, tmp_path: Path, change: Callable[[Any], None]) -> None:
    with BalReader(bal) as stored:
        header = header_to_json(header_from_json(stored.header))
        sections = [stored.section(number) for number in range(len(stored.sections) - 1)]
    change(header)
    with (tmp_path / "bad.bal").open("wb") as file:
        writer = BalWriter(file)
        for section in sections:
            writer.add(section)
        writer.finish(header)
    with pytest.raises(FormatError, match=r"bad\.bal") as caught:
        verify(tmp_path / "bad.bal", load_plugins())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("more", [b"\0", b"<html>not found</html>", bytes(3000), b"BAL\x1a" + bytes(7)])
def test_bytes_behind_the_end_are_no_cut(bal: Path, tmp_path: Path, more: bytes) -> None:
    (tmp_path / "more.bal").write_bytes(bal.read_bytes() + more)
    said = (
        f"{len(more):,} bytes that do not belong to it follow its end: .* keep its first {bal.stat().st_size:,} bytes"
    )
    with pytest.raises(FormatError, match=said):
        BalReader(tmp_path / "more.bal")
    (tmp_path / "cut.bal").write_bytes(bal.read_bytes()[:-1])
    with pytest.raises(FormatError, match="cut short or damaged: its end mark is missing"):
        BalReader(tmp_path / "cut.bal")


def test_an_empty_file_is_called_empty(tmp_path: Path) -> None:
    (tmp_path / "empty.bal").touch()
    with pytest.raises(FormatError, match=r"is empty, not a \.bal file"):
        BalReader(tmp_path / "empty.bal")
