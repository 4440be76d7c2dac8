"""Files restore to the same bits whatever the processor, the libraries of mathematics, and the code of the loops are."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy._core import _multiarray_umath as numpy_core

import baler_core
from baler_core.builtin.models.fields.transform.mode_sums import combined, orthonormal
from baler_core.machine.loop_library import FOLDER
from baler_core.quantise.exponential import exp

GOLDEN = Path(__file__).resolve().parent / "golden"
# But for networks, and one that is large.
FILES = [path for path in sorted(GOLDEN.rglob("*.bal")) if not path.match("*autoencoder*") and "tiles" not in path.stem]
# As on an old processor: no vector instructions in NumPy beyond what it must have, in OpenBLAS, in the C library.
NEWER = [name for name in numpy_core.__cpu_dispatch__ if numpy_core.__cpu_features__.get(name)]
OLD = {
    "NPY_DISABLE_CPU_FEATURES": " ".join(NEWER),
    "OPENBLAS_CORETYPE": "Nehalem",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX2,-FMA,-FMA4,-AVX2_Usable,-FMA_Usable",
}
SCRIPT = f"""
import json, sys
sys.path.insert(0, {str(Path(__file__).resolve().parent)!r})
from test_same_bits import digests
from pathlib import Path
print(json.dumps(digests([Path(name) for name in sys.argv[1:]])))
"""


def digests(paths: list[Path]) -> dict[str, dict[str, str]]:
    """The SHA-256 of the restored variables of each file."""
    found: dict[str, dict[str, str]] = {}
    for path in paths:
        block = baler_core.open(path)
        arrays = {str(name): np.asarray(block[name].values) for name in block.variables}
        found[path.stem] = {
            name: hashlib.sha256(repr(a.tolist()).encode() if a.dtype.kind == "O" else a.tobytes()).hexdigest()
            for name, a in arrays.items()
        }
    return found


def elsewhere(paths: list[Path], **changed: str) -> dict[str, dict[str, str]]:
    command = [sys.executable, "-c", SCRIPT, *map(str, paths)]
    done = subprocess.run(command, env={**os.environ, **changed}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, str]] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def here() -> dict[str, dict[str, str]]:
    return digests(FILES)


def test_an_old_processor_restores_the_same_bits(here: dict[str, dict[str, str]]) -> None:
    assert elsewhere(FILES, **OLD) == here


def test_other_code_of_the_loops_restores_the_same_bits(here: dict[str, dict[str, str]]) -> None:
    listed = json.loads((FOLDER / "loops.json").read_text())["targets"] if (FOLDER / "loops.json").exists() else {}
    for target in [target for target in listed if target != "checked"][1:]:
        assert elsewhere(FILES, BALER_LOOPS=target) == here


def test_uncompiled_loops_decode_a_small_group_of_each_model() -> None:
    folder = str(Path(__file__).resolve().parent)
    script = f"import sys; sys.path.insert(0, {folder!r}); import test_format_vectors as t; print(t.decode_all())"
    environment = {**os.environ, "BALER_LOOPS": "python"}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("10\n", "")


def test_exponentials_are_right_to_the_last_bits() -> None:
    x = np.concatenate([np.linspace(-708, 709, 4001), np.linspace(-1, 1, 4001), [0.0, 1e-300, 709.78]])
    true = np.exp(x.astype(np.longdouble))
    assert (np.abs(exp(x) - true) <= 1.2 * np.spacing(true.astype(np.float64))).all()
    assert exp(np.zeros(1)).item() == 1
    ends = exp(np.array([np.nan, np.inf, -np.inf, 1e9, -1e9, -745.1]))
    np.testing.assert_array_equal(ends, [np.nan, np.inf, 0, np.inf, 0, 5e-324])
    assert exp(np.zeros((2, 0, 3))).shape == (2, 0, 3)


def test_modes_are_orthonormal_and_those_that_depend_on_others_do_no_harm() -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(9, 40))
    found = orthonormal(rows)
    np.testing.assert_allclose(found @ found.T, np.eye(9), atol=1e-13)
    # the same directions as any orthonormalisation in this order
    np.testing.assert_allclose(np.abs(np.linalg.qr(rows.T)[0].T), np.abs(found), atol=1e-12)
    dependent = orthonormal(np.stack([rows[0], np.zeros(40), 2 * rows[0], rows[1]]))
    assert np.isfinite(dependent).all()
    assert not dependent[1].any()
    assert orthonormal(np.zeros((0, 5))).shape == (0, 5)


def test_sums_are_taken_in_the_order_of_the_rows() -> None:
    factors = np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]])
    rows = np.repeat([[1e16], [1.0], [-1e16]], 700, axis=1)
    assert (combined(factors, rows) == (1e16 + 1.0) - 1e16).all()
    assert (combined(factors, rows[::-1]) == (-1e16 + 1.0) + 1e16).all()
    assert not combined(np.zeros((3, 0)), np.zeros((0, 4))).any()
