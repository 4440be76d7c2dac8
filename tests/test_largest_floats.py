"""Files with values near the largest float go through every command: nothing overflows into an error."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from baler_core.cli import main

# Overflows on the way are expected; none may change a result, or end in an error.
pytestmark = pytest.mark.filterwarnings("ignore:(overflow|invalid value):RuntimeWarning")
RANDOM = np.random.default_rng(8)
LARGEST = float(np.finfo(np.float64).max)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    marked, negative, wide, field = RANDOM.normal(size=900), RANDOM.exponential(size=900), *RANDOM.normal(size=(2, 900))
    marked[::9], negative[::11] = LARGEST, -LARGEST
    wide = np.exp(5 * wide)
    wide[5], field[::7] = LARGEST, LARGEST
    columns = {"marked": marked, "negative": negative, "wide": wide, "same": np.full(900, LARGEST)}
    np.savez(tmp_path / "t.npz", **columns, field=field.reshape(30, 30))
    return tmp_path


def run(*arguments: object) -> object:
    with pytest.raises(SystemExit) as caught:
        main([*map(str, arguments)])
    return caught.value.code


def test_they_are_compressed_restored_and_reported(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    metrics = "residual, response, psnr, ks, emd, r2, correlation, mean_bias"
    config = data / "config.yaml"
    config.write_text(
        f'input: t.npz\noutput: out\nbounds: {{"*": {{rel: 1.0e-3}}}}\nmodel: {{effort: fast}}\nmetrics: [{metrics}]\n'
    )
    assert run("run", config) == 0
    assert "failed" not in capsys.readouterr().err
    with np.load(data / "t.npz") as file:
        before = dict(file)
    with np.load(data / "out" / "t.restored.npz") as file:
        after = dict(file)
    for name, x in before.items():
        y = after[name]
        assert (np.abs(y / 4 - x / 4) <= 1e-3 * np.abs(x / 4) * (1 + 1e-12)).all(), name
        if name != "wide":  # of which a single value is that large: no mark
            np.testing.assert_array_equal(np.abs(x) == LARGEST, np.abs(y) == LARGEST)
    assert json.loads((data / "out" / "report.json").read_text())


@pytest.mark.parametrize("command", ["predict", "suggest"])
def test_other_commands_take_them(command: str, data: Path) -> None:
    assert run(command, data / "t.npz") == 0
