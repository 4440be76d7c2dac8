"""Parts of damaged and forged files are refused in one sentence, in little memory, or are what was written."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import baler_core
from baler_core import FormatError
from baler_core.entropy.bytes import squeeze
from baler_core.entropy.varint import write_sized, write_varint, write_varints
from baler_core.format.container import PAGE, BalReader, BalWriter
from baler_core.format.digests import GROUP_DIGEST_BYTES
from baler_core.format.streams import pack_streams, unpack_streams
from baler_core.testing.damage import damaged, forge

N = 12_000


@pytest.fixture(scope="module")
def bal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table, fields and text, in several blocks of several pages."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:60, :50]
    data = {
        "a": rng.normal(size=N),
        "b": rng.normal(size=N),
        "n": rng.integers(0, 9, N),
        "s": rng.choice(["one", "two", "three"], N),
        "u": (np.sin(x / 9 + np.arange(30)[:, None, None]) * np.cos(y / 7)).astype("<f4"),
    }
    path = tmp_path_factory.mktemp("parts") / "x.bal"
    bounds = {"u": {"abs": 0.01}, "*": "lossless"}
    baler_core.compress(data, path, bounds=bounds, model={"name": "auto", "effort": "fast"}, block_bytes=150_000)
    return path


def rewritten(bal: Path, target: Path, change: Callable[[Any, list[bytes]], None]) -> Path:
    """The file with other sections or another header, every checksum right."""
    with BalReader(bal) as stored:
        sections = [stored.section(number) for number in range(len(stored.sections) - 1)]
        header = stored.header
    change(header, sections)
    with target.open("wb") as file:
        writer = BalWriter(file)
        for section in sections:
            writer.add(section)
        writer.finish(header)
    return target


def parts_of(path: Path) -> None:
    """Read parts of every variable."""
    with baler_core.open_file(path, cache="1 MB", memory="64 MB") as file:
        for array in file.values():
            array[tuple(slice(length // 3, length // 3 + 5) for length in array.shape)]
            array[:1]
            array[-1:]


def refused(path: Path) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(FormatError) as caught:
            parts_of(path)
        assert tracemalloc.get_traced_memory()[1] < 60e6
    finally:
        tracemalloc.stop()
    assert "\n" not in str(caught.value)
    assert path.name in str(caught.value)


def test_damage_matters_to_what_needs_the_page_and_to_nothing_else(bal: Path, tmp_path: Path) -> None:
    whole, data = baler_core.open(bal, as_="original"), bal.read_bytes()
    with BalReader(bal) as stored:
        header = stored.header
        section = max(range(header["blocks"][0], len(stored.sections) - 1), key=lambda n: stored.length(n))
        place, pages = stored.sections[section].offset, len(stored.sections[section].checksums)
    assert pages > 1
    wrong = 0
    for page in range(pages):
        position = place + page * PAGE + 17
        (tmp_path / "x.bal").write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
        with baler_core.open_file(tmp_path / "x.bal", cache=0) as file:
            for name, array in file.items():
                for part in (slice(0, 5), slice(None, None, 7)):
                    try:
                        found = array[part]
                    except FormatError:
                        wrong += 1
                    else:
                        np.testing.assert_array_equal(found, whole[name][part])
    assert 0 < wrong < pages * 10


def _index(lengths: list[int], *, together: bool, parts: list[bytes]) -> bytes:
    index = write_varint(1) + write_varint(len(lengths))
    for number, length in enumerate(lengths):
        index += write_sized(f"s{number}".encode()) + write_varint(2 * length + together)
    return write_varint(len(index)) + write_sized(squeeze(index)) + write_varints(map(len, parts)) + b"".join(parts)


@pytest.mark.parametrize(
    "packed",
    [
        _index([2**40], together=True, parts=[squeeze(bytes(9))]),
        _index([2**40], together=False, parts=[]),
        _index([1 << 25], together=True, parts=[squeeze(bytes(1 << 20))]),
        _index([9, 9], together=True, parts=[squeeze(bytes(17))]),
        _index([9], together=False, parts=[b"1234567"]),
        _index([9], together=True, parts=[]),
        write_varint(2**30) + write_sized(squeeze(bytes(100))),
        b"",
    ],
    ids=["bomb", "beyond", "short bomb", "short", "cut", "no part", "long index", "nothing"],
)
def test_streams_that_are_not_there_are_refused(packed: bytes) -> None:
    with pytest.raises(FormatError):
        unpack_streams(packed, memory_limit=1 << 30)


def _longer(header: Any, _: list[bytes]) -> None:
    header["dims"][1] = [10**15 for _ in header["dims"][1]]
    for _, block in header["blocks"][1]:
        block[2] = dict.fromkeys(block[2], 10**15)


def _fewer_blocks(header: Any, _: list[bytes]) -> None:
    header["blocks"][1] = header["blocks"][1][:1]


def _other_rows(header: Any, _: list[bytes]) -> None:
    header["dims"][1] = [length + 1 for length in header["dims"][1]]


def _other_streams(header: Any, sections: list[bytes]) -> None:
    first = header["blocks"][0]
    groups = len(header["blocks"][1][0][1][0])
    sections[first] = bytes(GROUP_DIGEST_BYTES * groups) + pack_streams([{"index": b"1"}] * groups)


def _empty_blocks(header: Any, sections: list[bytes]) -> None:
    for number in range(header["blocks"][0], header["blocks"][0] + sum(n for n, _ in header["blocks"][1])):
        sections[number] = b""


@pytest.mark.parametrize("change", [_longer, _fewer_blocks, _other_rows, _other_streams, _empty_blocks])
def test_headers_and_blocks_that_do_not_fit(bal: Path, tmp_path: Path, change: Callable[..., None]) -> None:
    refused(rewritten(bal, tmp_path / "bad.bal", change))


def test_digests_of_groups_that_are_restored_whole_are_compared(bal: Path, tmp_path: Path) -> None:
    def change(header: Any, sections: list[bytes]) -> None:
        for number in range(header["blocks"][0], header["blocks"][0] + sum(n for n, _ in header["blocks"][1])):
            sections[number] = bytes([sections[number][0] ^ 1]) + sections[number][1:]

    path = rewritten(bal, tmp_path / "bad.bal", change)
    with pytest.raises(FormatError, match="restores to something else"), baler_core.open_file(path) as file:
        file.rows(0, file["a"].shape[0], names=["a", "b", "n"])


def test_random_forgeries_are_refused_or_restore_something(bal: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)

    def change(header: Any, sections: list[bytes]) -> None:
        if rng.random() < 0.5:
            forge(header, rng)
        else:
            number = int(rng.integers(len(sections)))
            sections[number] = damaged(sections[number], rng)

    found = 0
    for _ in range(60):
        try:
            path = rewritten(bal, tmp_path / "bad.bal", change)
        except (UnicodeEncodeError, ValueError):  # no JSON any more
            continue
        try:
            parts_of(path)
        except baler_core.BalerError as error:
            found += 1
            if "\n" in str(error):
                raise
    assert found > 10
