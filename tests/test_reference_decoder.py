"""The reference decoder restores golden files bit for bit, and refuses damaged ones with one type of exception."""

from __future__ import annotations

import ast
import json
import re
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import reference
from reference.arithmetic import decode_classes
from reference.container import header, sections, unrun
from reference.lattice import Lattice
from reference.reading import Bytes, unpack

import baler_core
from baler_core.entropy.varint import write_varint
from baler_core.errors import BalerError
from baler_core.testing.damage import damaged

HERE = Path(__file__).resolve().parent
GOLDEN = HERE / "golden"
DESCRIBED = ("scalar",)
FILES = [path for path in sorted(GOLDEN.glob("*.bal")) if path.stem.split("-")[0] in DESCRIBED]
# Numbers of the standard library, and of the libraries that the pages name.
ALLOWED = {"numpy", "zstandard", "pcodec", "xxhash", "reference", *sys.stdlib_module_names}


def within(original: np.ndarray, restored: np.ndarray, kind: str, value: float) -> bool:
    finite = np.isfinite(original)
    if not np.array_equal(original[~finite], restored[~finite], equal_nan=True):
        return False
    x, y = original[finite].astype("f8"), restored[finite].astype("f8")
    allowed = {"abs": value, "rel": value * abs(x), "bits": abs(x) * 2.0**-value}[kind]
    return bool((abs(x - y) <= allowed).all())


def joined(parts: list[bytes]) -> bytes:
    """A file of sections, with right checksums."""
    index = write_varint(len(parts)) + b"".join(
        write_varint(len(part)) + zlib.crc32(part).to_bytes(4, "little") for part in parts
    )
    return b"\x89BAL\x01" + b"".join(parts) + index + struct.pack("<II", len(index), zlib.crc32(index)) + b"BAL\x1a"


def as_the_product(path: Path) -> dict[str, np.ndarray] | None:
    """What baler restores, or None where it refuses."""
    try:
        block = baler_core.open(path)
        return {str(name): np.asarray(block[name].values) for name in block.variables}
    except BalerError:
        return None


def test_it_imports_nothing_of_the_product() -> None:
    for path in sorted((HERE / "reference").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            assert {name.split(".")[0] for name in names} <= ALLOWED, path.name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_golden_files_are_restored_bit_for_bit(path: Path) -> None:
    data = path.read_bytes()
    theirs, ours = reference.restore(data), as_the_product(path)
    assert ours is not None
    assert theirs.keys() == ours.keys()
    for name, values in theirs.items():
        assert (values.dtype, values.shape) == (ours[name].dtype, ours[name].shape)
        assert values.tobytes() == ours[name].tobytes(), name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_golden_files_are_restored_within_their_bounds(path: Path) -> None:
    data = path.read_bytes()
    theirs, head = reference.restore(data), header(sections(data)[-1])
    tolerances = unrun(head["tolerances"], len(head["variables"]))
    lossy = 0
    with np.load(GOLDEN / "original.npz") as originals:
        for variable, (kind, value, _) in zip(head["variables"], tolerances, strict=True):
            original, restored = originals[variable["key"]], theirs[variable["key"]]
            if kind == "exact":
                assert restored.tobytes() == original.tobytes()
            else:
                lossy += 1
                assert within(original, restored, kind, value), variable["key"]
    assert lossy == 5


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_damaged_files_are_refused_or_restored_as_the_product_does(path: Path, tmp_path: Path) -> None:
    """Half of them have right checksums, so that the damage reaches the models."""
    data, random, refused = path.read_bytes(), np.random.default_rng(14), 0
    parts, cases = sections(data), 240 // len(FILES)
    for case in range(cases):
        if case % 2:
            changed = [*parts]
            number = int(random.integers(len(parts))) if case % 4 == 1 else 3
            changed[number] = damaged(parts[number], random)
            broken = joined(changed)
        else:
            broken = damaged(data, random)
        try:
            theirs = reference.restore(broken)
        except reference.Damaged:
            refused += 1
            continue
        (tmp_path / "broken.bal").write_bytes(broken)
        ours = as_the_product(tmp_path / "broken.bal")
        # what the product demands beyond this decoder is that the header makes sense for its reader
        for name, values in (ours or {}).items():
            assert theirs[name].tobytes() == values.tobytes(), (case, name)
    assert refused > 0.8 * cases


def test_a_header_cannot_make_it_take_memory() -> None:
    data = (GOLDEN / "scalar-0.1.0.bal").read_bytes()
    with pytest.raises(reference.Damaged, match="more memory"):
        reference.restore(data, limit=1000)


def test_examples_on_the_pages_are_true() -> None:
    """Rows of bytes and integers, and what is said of single streams."""
    page = (HERE.parent / "docs" / "file_format.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([0-9a-f ]+)` \| `(\[.*\])` \|$", page, re.MULTILINE)
    assert len(rows) == 5
    for data, values in rows:
        expected = json.loads(values)
        assert unpack(bytes.fromhex(data), len(expected)).tolist() == expected
    assert decode_classes(bytes.fromhex("9d 64"), (1, 2, 3), 2).tolist() == [[[0, 0, 1], [0, 2, 1]]]
    tenths = Lattice(Bytes(bytes.fromhex("01 01 9a 99 99 99 99 99 b9 3f")), np.dtype("<f8"))
    assert tenths.points(np.array([3])) == 3 * 0.1
    merged = Lattice(Bytes(bytes.fromhex("09 10 01 01 00 00 00 00 00 00 f8 7f")), np.dtype("<f8"))
    assert np.array_equal(merged.restore(*merged.split(np.array([-2, -3]))), [np.nan, -2.0], equal_nan=True)
