"""Arrays that are restored lie in memory as files are read, in C order: sums in another order have other last digits."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import baler_core

FAST = {"name": "transform", "effort": "fast"}


def moving() -> np.ndarray:
    """Whole numbers along a long time, which models restore frames last."""
    rng = np.random.default_rng(0)
    waves = 10 + np.sin(np.arange(120) / 9)[:, None, None] + 0.01 * rng.normal(size=(120, 20, 30))
    return np.rint(100 * waves).astype("i2")


@pytest.mark.parametrize("block_bytes", [1 << 26, 60_000])
def test_arrays_of_parts_and_of_all_are_in_c_order(tmp_path: Path, block_bytes: int) -> None:
    values, path = moving(), tmp_path / "u.bal"
    baler_core.compress({"u": values}, path, model=FAST, block_bytes=block_bytes)
    with baler_core.open_file(path) as file:
        found = {
            "all": (file["u"][:], values),
            "frames": (file["u"][5:9], values[5:9]),
            "area": (file["u"][:, :4, 3:9], values[:, :4, 3:9]),
            "rows": (file.rows(3, 80)["u"], values[3:80]),
        }
    found["numpy"] = baler_core.open(path, as_="numpy")["u"], values
    found["set"] = baler_core.open(path)["u"].values, values
    for what, (restored, original) in found.items():
        assert restored.flags.c_contiguous, what
        np.testing.assert_array_equal(restored, original, err_msg=what)


def test_decoded_arrays_are_in_c_order() -> None:
    values = moving()
    restored = baler_core.decode(baler_core.encode(values, effort="fast", model=FAST["name"]))
    assert restored.flags.c_contiguous
    np.testing.assert_array_equal(restored, values)
