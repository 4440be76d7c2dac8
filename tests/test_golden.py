"""Files that earlier versions wrote still restore to values within the bounds that they were written with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from baler_core.data.block import values_of
from baler_core.data.noise import noise_of_tiles
from baler_core.pipeline.decode import BalFile
from baler_core.plugin.registry import load_plugins

GOLDEN = Path(__file__).resolve().parent / "golden"
FILES = [path for path in sorted(GOLDEN.glob("*.bal")) if not path.stem.startswith("noise_and_means")]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
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


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("noise_and_means-*.bal")), ids=lambda path: path.stem)
def test_old_files_decode_within_shares_of_noise_and_limits_of_means(path: Path) -> None:
    with np.load(GOLDEN / "noise_and_means.npz") as stored:
        originals = {name: stored[name] for name in stored.files}
    with BalFile(path, load_plugins()) as file:
        blocks = list(file.blocks())
    restored = {n: np.concatenate([values_of(b, n) for b in blocks if n in b.variables]) for n in originals}
    off = {name: restored[name].astype("f8") - originals[name] for name in originals}
    for name, share in (("image", 0.25), ("counts", 0.5)):
        rows = noise_of_tiles(originals[name].astype("f8"))[:, None]
        holes = np.isnan(originals[name].astype("f8"))
        assert (np.isnan(restored[name].astype("f8")) == holes).all()
        assert (np.abs(off[name])[~holes] <= np.broadcast_to(share * rows * 1.0001, holes.shape)[~holes]).all()
        assert (off[name][1:] != 0).mean() > 0.9
    assert not off["image"][0].any()
    known = np.isfinite(originals["relative"]) & (originals["relative"] != 0)
    relative = np.abs(off["relative"][known] / originals["relative"][known])
    assert 0.009 < relative.mean() <= 0.01
    assert relative.max() <= 0.03
    assert 0.015 < np.abs(off["absolute"]).mean() <= 0.02
    assert 0.045 < np.sqrt(np.mean(off["squares"] ** 2)) <= 0.05
    assert np.abs(off["squares"]).max() <= 0.2
    np.testing.assert_array_equal(restored["relative"][~known], originals["relative"][~known])


def test_there_are_golden_files() -> None:
    models = {path.stem.split("-")[0] for path in GOLDEN.glob("*.bal")}
    registry = load_plugins()
    offered = {name for name in registry.names("model") if registry.offer("model", name).package == "baler-core"}
    assert models >= {"own_errors", "noise_and_means", "auto", *offered} - {"exact"}


def test_the_golden_flow_is_one() -> None:
    path = next(GOLDEN.glob("normalizing_flow-*.bal"))
    with BalFile(path, load_plugins()) as file:
        groups = [(number, group) for number, group in enumerate(file.header.groups) if group.models]
        states = [file.model(number, 0).state() for number, _ in groups]
    assert sum("flow" in state for state in states) == 1
