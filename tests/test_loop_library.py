"""Loops run as machine code where it was made, uncompiled with a warning where not, and give the same everywhere."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import baler_core
from baler_core.machine import compiled, loop_library
from baler_core.machine.compiled import Loop, describe

GOLDEN = [path for path in sorted((Path(__file__).parent / "golden").glob("*.bal")) if "autoencoder" not in path.name]
_DIGESTS = """
import hashlib, sys, baler_core
for path in sys.argv[1:]:
    opened = baler_core.open(path)
    print({name: hashlib.sha256(opened[name].values.tobytes()).hexdigest() for name in opened})
"""


@pytest.fixture(scope="module")
def restored() -> str:
    return digests("")


def digests(loops: str) -> str:
    """What files restore to, with the loops of a target; `test_same_bits` has small groups for uncompiled loops."""
    environment = {**os.environ, "BALER_LOOPS": loops}
    command = [sys.executable, "-W", "error", "-c", _DIGESTS, *map(str, GOLDEN)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("target", [*json.loads((loop_library.FOLDER / "loops.json").read_text())["targets"]])
def test_all_targets_restore_the_same_bits(target: str, restored: str) -> None:
    assert restored.count("{") == len(GOLDEN)
    assert digests(target) == restored


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for machine code that holds none."""
    monkeypatch.setattr(loop_library, "FOLDER", tmp_path / "baler_core" / "machine" / "loops")
    monkeypatch.delenv("BALER_LOOPS", raising=False)
    loop_library.FOLDER.mkdir(parents=True)
    monkeypatch.setattr(compiled, "open_library", loop_library.open_library.__wrapped__)
    return tmp_path


def double(values: np.ndarray, wide: int) -> int:
    for place in range(values.size):
        values[place] += values[place] * wide
    return int(values[-1])


def test_without_machine_code_loops_run_in_python_after_a_warning(installation: Path) -> None:
    values = np.array([1, 2**30], np.int32)
    with pytest.warns(RuntimeWarning, match="not compiled.*install a C compiler"):
        Loop(double)(values, 5)
    assert values.tolist() == [6, -(2**31)]  # wrapped around, as in machine code


def test_machine_code_of_changed_sources_is_not_run(installation: Path) -> None:
    (installation / "a.py").write_text("changed")
    listing = {"sources": {"a.py": loop_library.digest_of(b"as it was")}, "targets": {}}
    (loop_library.FOLDER / "loops.json").write_text(json.dumps(listing))
    with pytest.warns(RuntimeWarning, match=r"before a\.py was changed.*compile_loops"):
        assert loop_library.open_library.__wrapped__() is None


def test_types_without_machine_code_are_named() -> None:
    with pytest.warns(RuntimeWarning, match="test_loop_library.double is not compiled for i2:1C int"):
        assert Loop(double)(np.array([3], np.int16), 1) == 6


def test_code_is_chosen_by_order_and_leave_to_write() -> None:
    frozen = np.zeros((4, 4), np.float32)[:, ::2]
    frozen.setflags(write=False)
    assert describe(frozen) == "f4:2Ar"
    assert describe((np.zeros(2, "u1"), 3, True, None)) == "(u1:1C,int,bool,NoneType)"
    assert compiled._fit("f4:2C int", "f4:2Ar int") == "copied"
    assert compiled._fit("f4:2A int", "f4:2C int") == "as it is"
    assert compiled._fit("f4:2C int", "f4:2A int") is None
    assert compiled._fit("f8:2C int", "f4:2C int") is None


_IMPORT_LOOPS = """
import importlib, importlib.abc, sys

class OnlyThese(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if path is None and not name.startswith("_") and name not in sys.argv[1].split():
            raise ModuleNotFoundError(f"{name} is not among what builds")

sys.path.insert(0, sys.argv[2])
import compile_loops
sys.meta_path.insert(0, OnlyThese())
for area in compile_loops.AREAS:
    for loop in compile_loops.read_loops(area):
        importlib.import_module(loop.module)
"""


def with_requirements(names: Sequence[str]) -> set[str]:
    """Names of distributions and of all that they require, extras apart."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = re.match(r"[\w.-]+", waiting.pop()).group().lower().replace("_", "-")  # type: ignore[union-attr]
        if name in found:
            continue
        found.add(name)
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            waiting += [each for each in importlib.metadata.requires(name) or [] if "extra ==" not in each]
    return found


def test_what_builds_is_all_that_modules_with_loops_import() -> None:
    # Where one is missing, pip installs the package uncompiled, and shows it only where it is asked to be verbose.
    root = Path(__file__).resolve().parents[1]
    requires = tomllib.loads((root / "pyproject.toml").read_text())["build-system"]["requires"]
    distributions = with_requirements(requires)
    tops = [
        top
        for top, names in importlib.metadata.packages_distributions().items()
        if {name.lower().replace("_", "-") for name in names} & distributions
    ]
    allowed = " ".join([*tops, *sys.stdlib_module_names, "baler_core"])
    command = [sys.executable, "-c", _IMPORT_LOOPS, allowed, str(root)]
    environment = {**os.environ, "BALER_LOOPS": "python"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert not done.returncode, done.stderr.splitlines()[-1]


_COUNTED = """
define i32 @borrows(ptr noalias %retptr, ptr noalias %excinfo, ptr %arg.values.0, i64 %size) {
entry:
  call void @NRT_incref(ptr %arg.values.0)
  %found = call i32 @other(ptr %retptr, ptr %arg.values.0)
  tail call void @NRT_decref(ptr nonnull %arg.values.0)
  %own = call ptr @NRT_MemInfo_alloc_aligned(i64 64, i32 32)
  call void @NRT_decref(ptr %own)
  ret i32 0
}
define i32 @returns(ptr noalias %retptr, ptr %arg.values.0, ptr %"arg.other.0") {
entry:
  call void @NRT_incref(ptr %arg.values.0)
  call void @NRT_incref(ptr %"arg.other.0")
  store ptr %arg.values.0, ptr %retptr, align 8
  call void @NRT_decref(ptr %"arg.other.0")
  ret i32 0
}
"""


def test_machine_code_counts_no_references_to_arrays_that_it_borrows() -> None:
    sys.path.insert(0, str(Path(__file__).parents[1]))
    without_counting = importlib.import_module("compile_references").without_counting
    sys.path.pop(0)
    counts = re.findall(r"@NRT_\w+\(ptr [^)]*", without_counting(_COUNTED))
    assert counts == ["@NRT_decref(ptr %own", "@NRT_incref(ptr %arg.values.0"]


def arrays_in(value: object) -> list[np.ndarray]:
    """All arrays among nested arguments."""
    if isinstance(value, tuple):
        return [array for item in value for array in arrays_in(item)]
    return [value] if isinstance(value, np.ndarray) else []


@pytest.mark.parametrize("effort", ["fast", "max"])
def test_loops_hold_no_array_after_they_have_ended(effort: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run, seen = Loop.__call__, set()

    def called(loop: Loop, *arguments: object) -> object:
        arrays = arrays_in(arguments)
        before = [sys.getrefcount(array) for array in arrays]
        result = run(loop, *arguments)
        returned = [id(array) for array in arrays_in(result)]
        after = [sys.getrefcount(array) - returned.count(id(array)) for array in arrays]
        assert after == before, loop.function
        seen.add(loop.function.__module__)
        return result

    monkeypatch.setattr(Loop, "__call__", called)
    rng = np.random.default_rng(1)
    wave = np.sin(np.arange(40)[:, None, None] / 9 + np.arange(30)[:, None] / 7) * np.cos(np.arange(50) / 5)
    table = {"x": rng.normal(size=3000), "n": rng.poisson(3, 3000)}
    for data in (wave + 1e-3 * rng.normal(size=wave.shape), table | {"y": 2 * table["x"] + rng.normal(size=3000)}):
        bounds = {"*": {"abs": 1e-3}} if isinstance(data, dict) else {"abs": 1e-3}
        stored = baler_core.encode(data, bounds=bounds, effort=effort)
        baler_core.decode(stored)
    assert {name.split(".")[-2] for name in seen} >= {"predictive", "contexts", "entropy"}
