"""Files that earlier versions wrote still restore to values within the bounds that they were written with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from baler_core.data.block import values_of
from baler_core.pipeline.decode import BalFile
from baler_core.plugin.registry import load_plugins

GOLDEN = Path(__file__).resolve().parent / "golden"


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.bal")), ids=lambda path: path.stem)
def test_old_files_decode_within_their_bounds(path: Path) -> None:
    with np.load(GOLDEN / "original.npz") as stored:
        originals = {name: stored[name] for name in stored.files}
    with BalFile(path, load_plugins()) as file:
        tolerances = dict(zip(file.header.schema.names, file.header.tolerances, strict=True))
        blocks = list(file.blocks())
    assert tolerances.keys() == originals.keys()
    assert sum(tolerance.lossy for tolerance in tolerances.values()) == 5
    everything = {
        name: np.concatenate([values_of(block, name) for block in blocks if name in block.variables])
        for name in originals
    }
    for name, original in originals.items():
        restored = everything[name]
        scale = tolerances[name].scale
        if scale is not None:  # by the errors of the original and by the restored ones
            before, after = scale.stated(originals), scale.stated(everything)
            each = np.where((before > 0) & (after > 0), np.minimum(before, after), np.maximum(before, after))
            tolerances[name] = replace(tolerances[name], each=each.reshape(original.shape))
        assert (restored.dtype, restored.shape) == (original.dtype, original.shape)
        if original.dtype.kind in "biuf":
            assert not tolerances[name].violations(original, restored).any()
        else:
            assert restored.tobytes() == original.tobytes()


def test_there_are_golden_files() -> None:
    assert {path.stem.split("-")[0] for path in GOLDEN.glob("*.bal")} >= {"scalar", "own_errors"}
