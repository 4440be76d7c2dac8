"""The reference decoder restores golden files bit for bit, and refuses damaged ones with one type of exception."""

from __future__ import annotations

import ast
import hashlib
import itertools
import json
import re
import struct
import sys
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import reference
from reference import table_formulas as formulas
from reference.arithmetic import decode_classes
from reference.container import PAGE, header, sections, unrun
from reference.lattice import Lattice
from reference.reading import Bytes, unpack

import baler_core
from baler_core.builtin.models.table import trials
from baler_core.builtin.models.table.effort import EFFORTS
from baler_core.data.formulas import FORMULAS, evaluate_formula
from baler_core.entropy.varint import write_varint
from baler_core.errors import BalerError
from baler_core.testing.damage import damaged

HERE = Path(__file__).resolve().parent
GOLDEN = HERE / "golden"
DESCRIBED = ("scalar", "predictive", "table", "transform")
BRANCHES = sorted((GOLDEN / "branches").glob("*.bal"))
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


def joined(parts: list[bytes], number: int) -> bytes:
    """A file of sections, of a version of the format, with right checksums."""
    index = write_varint(len(parts))
    for part in parts:
        pages = [part[at : at + PAGE] for at in range(0, len(part), PAGE)] if number > 1 else [part]
        index += write_varint(len(part)) + b"".join(zlib.crc32(page).to_bytes(4, "little") for page in pages)
    end = struct.pack("<II", len(index), zlib.crc32(index)) + b"BAL\x1a"
    return b"\x89BAL" + bytes([number]) + b"".join(parts) + index + end


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
def test_golden_files_are_restored_bit_for_bit_and_within_their_bounds(path: Path) -> None:
    data = path.read_bytes()
    theirs, ours = reference.restore(data), as_the_product(path)
    assert ours is not None
    assert theirs.keys() == ours.keys()
    for name, values in theirs.items():
        assert (values.dtype, values.shape) == (ours[name].dtype, ours[name].shape)
        assert values.tobytes() == ours[name].tobytes(), name
    head = header(sections(data)[-1])
    tolerances = unrun(head["tolerances"], len(head["variables"]))
    with np.load(GOLDEN / "original.npz") as originals:
        for variable, (kind, value, _) in zip(head["variables"], tolerances, strict=True):
            original, restored = originals[variable["key"]], theirs[variable["key"]]
            if kind == "exact":
                assert restored.tobytes() == original.tobytes()
            else:
                assert within(original, restored, kind, value), variable["key"]
    assert sum(kind != "exact" for kind, *_ in tolerances) == 5


@pytest.mark.parametrize("path", BRANCHES, ids=lambda path: path.stem)
def test_files_of_single_branches_are_restored_to_the_bits_that_were_written_down(path: Path) -> None:
    stated = json.loads((GOLDEN / "branches" / "digests.json").read_text())[path.stem]
    theirs, ours = reference.restore(path.read_bytes()), as_the_product(path)
    assert ours is not None
    for found in (theirs, ours):
        assert {name: hashlib.sha256(values.tobytes()).hexdigest() for name, values in found.items()} == stated


def small_fields() -> dict[str, np.ndarray]:
    """Few values of every kind: stacks of slices, holes, lattices, logarithms, integers."""
    rng = np.random.default_rng(3)
    t, z, y, x = np.meshgrid(*(np.linspace(0, 3, n) for n in (3, 2, 7, 8)), indexing="ij")
    smooth = np.sin(x + t) + np.cos(2 * y) * z + 0.02 * rng.normal(size=x.shape)
    holed = smooth.astype("<f4")
    holed[:, :, 2:4, 1:4] = np.nan
    return {
        "smooth": smooth,
        "holed": holed,
        "log": np.exp(smooth),
        "decimal": np.round(smooth, 1),
        "whole": np.rint(100 * smooth).astype("<i2"),
        "zeros": np.where(smooth > 0.5, smooth, 0.0),
    }


def small_table() -> dict[str, np.ndarray]:
    """Few rows of columns that say something about each other: sums, series, classes, special values."""
    rng, rows = np.random.default_rng(4), 160
    first = rng.normal(size=rows)
    walk = np.cumsum(rng.normal(size=rows))
    log = np.exp(first)
    log[[5, 7]] = np.nan, 0.0
    return {
        "first": np.round(first, 2),
        "log": log,
        "walk": np.round(walk, 1),
        "sum": np.round(first, 2) + np.round(walk, 1),
        "time": 25 * np.arange(rows) + rng.integers(0, 3, rows),
        "odd": rng.choice([1.5, 7.25, 1e6], rows),
        "repeated": np.repeat(rng.integers(0, 300, rows // 4), 4),
    }


SMALL: dict[str, tuple[Callable[[], dict[str, np.ndarray]], tuple[str, ...]]] = {
    "scalar": (small_fields, ("max",)),
    "predictive": (small_fields, ("fast", "max")),
    "table": (small_table, ("fast", "balanced", "max")),
}
BOUNDS = {
    "log": {"rel": 1e-2},
    "whole": {"abs": 3},
    "decimal": "lossless",
    "time": "lossless",
    "odd": "lossless",
    "smooth": {"abs": 0.05},
    "holed": {"abs": 0.05},
    "zeros": {"abs": 0.05},
    "*": {"abs": 0.01},
}


@pytest.fixture(scope="module", params=[(model, effort) for model in SMALL for effort in SMALL[model][1]], ids="-".join)
def small(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small file of each model at its efforts."""
    model, effort = request.param
    path = tmp_path_factory.mktemp("small") / f"{model}-{effort}.bal"
    arrays = SMALL[model][0]()
    bounds = {name: bound for name, bound in BOUNDS.items() if name in arrays or name == "*"}
    baler_core.compress(arrays, path, bounds=bounds, model={"name": model, "effort": effort})
    return path


def test_small_files_are_restored_bit_for_bit(small: Path) -> None:
    theirs, ours = reference.restore(small.read_bytes()), as_the_product(small)
    assert ours is not None
    assert theirs.keys() == ours.keys()
    assert header(sections(small.read_bytes())[-1])["groups"][0][2][0][0] == small.stem.split("-")[0]
    for name, values in theirs.items():
        assert values.tobytes() == ours[name].tobytes(), name


def test_columns_with_fewer_contexts_than_those_of_the_effort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "SHORT", 100)
    monkeypatch.setattr(trials, "_NEARLY", 1000.0)
    columns, sizes = small_table(), set()
    for contexts in (1, 3):
        monkeypatch.setitem(EFFORTS, "max", replace(EFFORTS["max"], fewer_contexts=(contexts,)))
        path = tmp_path / f"{contexts}.bal"
        baler_core.compress(columns, path, bounds={"*": {"abs": 0.01}}, model={"name": "table", "effort": "max"})
        theirs, ours = reference.restore(path.read_bytes()), as_the_product(path)
        assert ours is not None
        assert all(values.tobytes() == ours[name].tobytes() for name, values in theirs.items())
        assert all(within(values, theirs[name], "abs", 0.01) for name, values in columns.items())
        sizes.add(path.stat().st_size)
    assert len(sizes) == 2


def test_damaged_files_are_refused_or_restored_as_the_product_does(small: Path, tmp_path: Path) -> None:
    assert refused_of(small, 40, tmp_path) > 0.8 * 40


@pytest.mark.parametrize("name", ["joint-fast", "volume-fast", "image-max"])
def test_damaged_files_of_transforms_are_refused_or_restored_as_the_product_does(name: str, tmp_path: Path) -> None:
    assert refused_of(GOLDEN / "branches" / f"transform-{name}.bal", 20, tmp_path) > 0.8 * 20


def refused_of(path: Path, cases: int, tmp_path: Path) -> int:
    """Damage a file in many ways; most have right checksums, so that the damage reaches models and header."""
    data, random, refused = path.read_bytes(), np.random.default_rng(14), 0
    parts, blocks = sections(data), len(unrun(header(sections(data)[-1])["blocks"][1], 99))
    for case in range(cases):
        if case % 4:
            changed = [*parts]
            number = int(random.integers(blocks)) if case % 4 < 3 else len(parts) - 1
            changed[number] = damaged(parts[number], random)
            broken = joined(changed, data[4])
        else:
            broken = damaged(data, random)
        try:
            theirs = reference.restore(broken, limit=1 << 22)
        except reference.Damaged:
            refused += 1
            continue
        (tmp_path / "broken.bal").write_bytes(broken)
        # the product may refuse more: headers that make no sense to the reader that they name
        for name, values in (as_the_product(tmp_path / "broken.bal") or {}).items():
            assert theirs[name].tobytes() == values.tobytes(), (case, name)
    return refused


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


def test_formulas_give_the_same_bits() -> None:
    rng, compared = np.random.default_rng(8), 0
    assert {name.decode() for name in formulas.FORMULAS} == set(FORMULAS)
    for name in FORMULAS:
        for count, constants in itertools.product((1, 2, 3, 4), ((), (1.7,))):
            parents = [rng.normal(size=40) for _ in range(count)]
            try:
                expected = evaluate_formula(name, parents, constants)
            except (BalerError, IndexError, ValueError):  # it takes another number of columns
                continue
            with np.errstate(all="ignore"):
                found, _ = formulas.evaluate(name.encode(), parents, constants)
            assert found.tobytes() == expected.tobytes(), name
            compared += 1
    assert compared > len(FORMULAS)
