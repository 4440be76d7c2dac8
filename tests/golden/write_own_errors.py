"""Writes the golden file of bounds in units of own errors: `python tests/golden/write_own_errors.py`."""

from __future__ import annotations

from pathlib import Path

import baler_core

HERE = Path(__file__).resolve().parent
BOUNDS = {
    "energy": {"abs": "0.1 * mantissa", "else": {"rel": 1e-3}},
    "mantissa": {"rel": 0.05},
    "decimal": {"abs": "0.2 * hypot(mantissa, sum)"},
    "hollow": {"abs": "0.1 * field"},
    "field": {"rel": 0.02},
    "*": "lossless",
}

if __name__ == "__main__":
    target = HERE / f"own_errors-{baler_core.__version__}.bal"
    done = baler_core.compress(HERE / "original.npz", target, bounds=BOUNDS, model="table", block_bytes=60_000)
    print(f"{target.name}: {done.file_bytes} bytes, {dict(done.models)}")
