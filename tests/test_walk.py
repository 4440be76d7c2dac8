"""A source is read again only where it is larger than one block."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from baler_core.data.block import values_of
from baler_core.pipeline.input import Blocks
from baler_core.plugin.reading import Source
from baler_core.plugin.registry import load_plugins


@pytest.mark.parametrize(("block_bytes", "reads"), [(8000, 1), (7999, 3)])
def test_a_source_no_larger_than_a_block_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block_bytes: int, reads: int
) -> None:
    values = np.arange(1000.0)
    np.savez(tmp_path / "a.npz", values=values)
    with load_plugins().reader("npz")().open(tmp_path / "a.npz", None) as source:
        kind: type[Source] = type(source)
        counted = []
        original = kind.blocks
        monkeypatch.setattr(kind, "blocks", lambda self, size: counted.append(size) or original(self, size))
        blocks = Blocks(source, block_bytes)
        for _ in range(3):
            found = np.concatenate([values_of(block, "values") for block in blocks])
            np.testing.assert_array_equal(found, values)
    assert len(counted) == reads
