"""The fuzzing target `files`: whole .bal files of every reader, damaged by chance or forged with right checksums.

What is damaged must be refused with a FormatError or restore to what it was; what is forged may restore to anything. Both
must raise nothing but the project's own errors, of one line, write nothing but the file that was asked for, and change no
other file.
"""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from fuzz import Case
from fuzz_file_subjects import MEMORY, Subject, restored_values, subjects_of

import baler_core
from baler_core import BalerError
from baler_core.format.container import BalReader, BalWriter
from baler_core.format.digests import GROUP_DIGEST_BYTES
from baler_core.format.file_info import read_info
from baler_core.format.streams import pack_streams, unpack_streams
from baler_core.pipeline.decompression import decompress
from baler_core.plugin.registry import Registry, load_plugins
from baler_core.testing.damage import damaged, forge


def files(only: str, seed: int) -> Case:
    """Cases that open, restore or describe what has been damaged or forged."""
    registry = load_plugins()
    folder = tempfile.TemporaryDirectory()
    subjects = list(subjects_of(Path(folder.name), only, registry))
    kinds: list[Callable[[Subject, np.random.Generator, list[Subject]], bytes]] = [_cut, _flipped]
    forgeries = [_other_header, _other_section, _other_streams, _moved]

    def case(random: np.random.Generator) -> str:
        subject = subjects[int(random.integers(len(subjects)))]
        honest = random.random() < 0.3
        chosen = kinds if honest else forgeries
        data = chosen[int(random.integers(len(chosen)))](subject, random, subjects)
        with tempfile.TemporaryDirectory(dir=folder.name) as place:
            return _used(subject, data, Path(place), random, registry, honest=honest and data != subject.data)

    case.folder = folder  # type: ignore[attr-defined]
    return case


def _used(
    subject: Subject, data: bytes, place: Path, random: np.random.Generator, registry: Registry, *, honest: bool
) -> str:
    """Do what a user might do with the file; how it ended."""
    path, target, victim = place / "x.bal", place / f"restored{subject.suffix}", place / "victim.h5"
    path.write_bytes(data)
    victim.write_bytes(b"somebody else's")
    what = int(random.integers(4))
    try:
        if what == 0:
            read_info(path)
        elif what == 3:
            _parts_of(path, random)
        elif what == 1:
            found = restored_values(path, registry)
            assert not honest or found == subject.values, "damaged, and restored to something else"
        else:
            decompress(path, registry, output=target, memory=MEMORY)
    except BalerError as error:
        if "\n" in str(error) or target.exists():
            raise AssertionError(f"half a file, or a message of several lines: {error}") from error
        return "refused"
    finally:
        assert victim.read_bytes() == b"somebody else's", "another file was changed"
        strange = {p.name for p in place.iterdir()} - {path.name, target.name, victim.name}
        assert not strange, f"strange files: {strange}"
    return "restored"


def _parts_of(path: Path, random: np.random.Generator) -> None:
    """Read parts of some variables."""
    with baler_core.open_one(path, cache="1 MB", memory=MEMORY) as file:
        for name in random.permutation(list(file))[:3]:
            array = file[str(name)]
            low = [int(random.integers(length + 1)) for length in array.shape]
            part = array[tuple(slice(start, start + 7) for start in low)]
            assert part.ndim == array.ndim
            if array.leading_dim is not None:
                array.rows(0, min(3, file.sizes[array.leading_dim]))


# ---- damage by chance


def _cut(subject: Subject, random: np.random.Generator, others: list[Subject]) -> bytes:
    return subject.data[: int(random.integers(len(subject.data)))]


def _flipped(subject: Subject, random: np.random.Generator, others: list[Subject]) -> bytes:
    data = bytearray(subject.data)
    for _ in range(int(random.integers(1, 4))):
        data[int(random.integers(len(data)))] ^= 1 << int(random.integers(8))
    return bytes(data)


# ---- forgeries: every checksum of the container is right


def _other_header(subject: Subject, random: np.random.Generator, others: list[Subject]) -> bytes:
    sections, header = _parts(subject.data)
    for _ in range(int(random.integers(1, 4))):
        forge(header, random)
    return _written(sections, header)


def _other_section(subject: Subject, random: np.random.Generator, others: list[Subject]) -> bytes:
    sections, header = _parts(subject.data)
    if not sections:
        return subject.data
    number = int(random.integers(len(sections)))
    sections[number] = damaged(sections[number], random)
    return _written(sections, header)


def _other_streams(subject: Subject, random: np.random.Generator, others: list[Subject]) -> bytes:
    sections, header = _parts(subject.data)
    if not header["blocks"][1]:
        return subject.data
    number = header["blocks"][0]
    before = GROUP_DIGEST_BYTES * len(header["blocks"][1][0][1][0])
    groups = unpack_streams(sections[number][before:], memory_limit=MEMORY)
    group = groups[int(random.integers(len(groups)))]
    if not group:
        return subject.data
    name = sorted(group)[int(random.integers(len(group)))]
    if random.random() < 0.1:
        del group[name]
    else:
        group[name] = damaged(group[name], random)
    sections[number] = sections[number][:before] + pack_streams(groups)
    return _written(sections, header)


def _moved(subject: Subject, random: np.random.Generator, others: list[Subject]) -> bytes:
    """Sections in each other's place, left out, twice, or of another file."""
    sections, header = _parts(subject.data)
    foreign = _parts(others[int(random.integers(len(others)))].data)[0]
    pool = [*sections, *foreign]
    if not pool:
        return subject.data
    order = [int(random.integers(len(pool))) if random.random() < 0.5 else n for n in range(len(sections))]
    kept = [pool[n] for n in order]
    return _written(kept[: int(random.integers(len(kept) + 1))] if random.random() < 0.2 else kept, header)


def _parts(data: bytes) -> tuple[list[bytes], Any]:
    with tempfile.NamedTemporaryFile(suffix=".bal") as file:
        file.write(data)
        file.flush()
        with BalReader(Path(file.name)) as stored:
            return [stored.section(n) for n in range(len(stored.sections) - 1)], copy.deepcopy(stored.header)


def _written(sections: list[bytes], header: Any) -> bytes:
    with tempfile.NamedTemporaryFile(suffix=".bal") as file:
        writer = BalWriter(file)  # type: ignore[arg-type]
        for section in sections:
            writer.add(section)
        try:
            writer.finish(header)
        except UnicodeEncodeError:  # a lone surrogate: JSON with escapes instead
            return _written(sections, json.loads(json.dumps(header).replace("\\ud800", "?")))
        file.flush()
        return Path(file.name).read_bytes()
