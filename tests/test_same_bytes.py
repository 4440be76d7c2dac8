"""The golden inputs take the very bytes that they took before: moving or renaming code changes no byte of a file.

`python tests/test_same_bytes.py` writes the digests anew, which only a change of the format may do.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path

import pytest

import baler_core

GOLDEN = Path(__file__).resolve().parent / "golden"
DIGESTS = GOLDEN / "digests.json"
EFFORTS = ("fast", "balanced", "max")
BOUNDS = {
    "field": {"abs": 0.01},
    "hollow": {"range": 1e-3},
    "energy": {"rel": 1e-3},
    "mantissa": {"bits": 7},
    "charge": {"abs": 1},
    "*": "lossless",
}
# The models without an effort, and `auto`, whose choice is part of the bytes.
CASES = [("exact", ""), ("scalar", "")] + [
    (model, effort) for model in ("predictive", "table", "transform", "auto") for effort in EFFORTS
]


def digest(model: str, effort: str, folder: Path) -> str:
    """Compress the golden input and digest the file."""
    target = folder / "x.bal"
    options = {"name": model, "effort": effort} if effort else {"name": model}
    baler_core.compress(GOLDEN / "original.npz", target, bounds=BOUNDS, model=options, block_bytes=20_000)
    return hashlib.sha256(target.read_bytes()).hexdigest()


@pytest.mark.parametrize(("model", "effort"), CASES)
def test_the_golden_input_takes_the_same_bytes(model: str, effort: str, tmp_path: Path) -> None:
    assert digest(model, effort, tmp_path) == json.loads(DIGESTS.read_text())[f"{model} {effort}".strip()]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        written = {f"{model} {effort}".strip(): digest(model, effort, Path(name)) for model, effort in CASES}
    DIGESTS.write_text(json.dumps(written, indent=1) + "\n")
