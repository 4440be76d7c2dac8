"""Headers with right checksums and a stranger's contents: refused in one sentence, quickly, and in little memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from baler_core.api.calls import compress, decompress
from baler_core.entropy.bytes import squeeze
from baler_core.entropy.varint import write_varint
from baler_core.errors import FormatError
from baler_core.format.container import BalReader, BalWriter
from baler_core.format.file_info import read_info


@pytest.fixture(scope="module")
def bal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small file of two groups."""
    folder = tmp_path_factory.mktemp("bal")
    np.savez(folder / "file.npz", x=np.arange(50.0), f=np.ones((4, 5)))
    compress(folder / "file.npz", folder / "file.bal", model="scalar", bounds={"abs": 0.1})
    return folder / "file.bal"


def forged(
    bal: Path, target: Path, *, header: bytes | None = None, change: Callable[[Any], None] | None = None
) -> Path:
    """The file with another header, every checksum right."""
    with BalReader(bal) as stored, target.open("wb") as file:
        writer = BalWriter(file)
        for number in range(len(stored.sections) - 1):
            writer.add(stored.section(number))
        if change is not None:
            change(stored.header)
        if header is None:
            writer.finish(stored.header)
        else:
            _finish(writer, header)
    return target


def _finish(writer: BalWriter, text: bytes) -> None:
    import baler_core.format.container as container

    original = container.pack_json
    container.pack_json = lambda record: write_varint(len(text)) + squeeze(text, thorough=False)
    try:
        writer.finish({})
    finally:
        container.pack_json = original


@pytest.mark.parametrize(
    "text",
    [
        b"[" + b"[]," * 5_000_000 + b"[]]",
        b'{"a":[' + b"0," * 8_000_000 + b"0]}",
        b'{"\\u0000columns":{"a":[' + b"{}," * 4_000_000 + b"{}]}}",
        b" " * 80_000_000 + b"{}",
        b"[" * 100_000 + b"]" * 100_000,
    ],
    ids=["brackets", "numbers", "columns", "blanks", "depth"],
)
def test_bombs_are_refused_in_little_memory(bal: Path, tmp_path: Path, text: bytes) -> None:
    path = forged(bal, tmp_path / "bomb.bal", header=text)
    assert path.stat().st_size < 100_000
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match=r"bomb\.bal"):
            read_info(path)
        assert tracemalloc.get_traced_memory()[1] < 100e6
    finally:
        tracemalloc.stop()


def _many_blocks(header: Any) -> None:
    header["blocks"][1][0][0] = 2**21


def _section_outside(header: Any) -> None:
    header["groups"][0][3][0] = 2**31


def _attachments_outside(header: Any) -> None:
    header["attachments"] = 99


def _one_variable_twice(header: Any) -> None:
    header["groups"][1][1] = header["groups"][0][1]


def _many_members(header: Any) -> None:
    header["groups"] = header["groups"] * 1000


def _no_text(header: Any) -> None:
    header["variables"][0]["form"] = "(2,3)f4,O"


def _list_as_type(header: Any) -> None:
    header["variables"][0]["form"] = []


@pytest.mark.parametrize(
    "change",
    [
        _many_blocks,
        _section_outside,
        _attachments_outside,
        _one_variable_twice,
        _many_members,
        _no_text,
        _list_as_type,
    ],
)
def test_headers_that_point_astray_are_refused(bal: Path, tmp_path: Path, change: Callable[[Any], None]) -> None:
    path = forged(bal, tmp_path / "astray.bal", change=change)
    with pytest.raises(FormatError, match=r"astray\.bal") as caught:
        read_info(path)
    assert "\n" not in str(caught.value)


def _no_skeleton(header: Any) -> None:
    header["skeleton"] = {}


def _odd_array(header: Any) -> None:
    header["skeleton"]["arrays"][0]["descr"] = "f4)("


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_no_skeleton, r"skeleton\.bal: is damaged or forged, or the reader 'npz'"),
        (_odd_array, r"skeleton\.bal: the description of an array is damaged"),
    ],
)
def test_skeletons_of_strangers_are_refused_in_one_sentence(
    bal: Path, tmp_path: Path, change: Callable[[Any], None], said: str
) -> None:
    path = forged(bal, tmp_path / "skeleton.bal", change=change)
    with pytest.raises(FormatError, match=said) as caught:
        decompress(path, tmp_path / "out.npz")
    assert "\n" not in str(caught.value)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["skeleton.bal"]
