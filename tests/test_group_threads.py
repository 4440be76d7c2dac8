"""The groups of a block, and the fields of a group, are coded in several threads, and become the same bytes."""

from __future__ import annotations

from pathlib import Path
from threading import Barrier, Lock
from time import sleep
from typing import Any

import numpy as np
import pytest

import baler_core
from baler_core import Layout, Tolerance, Variable, make_block, values_of
from baler_core.builtin.models.fields.predictive.model import PredictiveModel
from baler_core.machine import threads
from baler_core.pipeline import block_team


@pytest.fixture
def groups() -> dict[str, np.ndarray]:
    """Return fields and columns along several dimensions."""
    y, x = np.indices((96, 128)) / 9
    noise = np.random.default_rng(0).normal(size=(2, 9000))
    found = {"u": np.sin(x) * np.cos(y), "v": np.cos(y * x).T, "a": noise[0], "b": noise[0] + 0.1 * noise[1]}
    found |= {"c": noise[1, :8000], "d": noise[1, :8000] ** 2}
    return {name: values.astype("f4") for name, values in found.items()}


def test_groups_of_a_small_file_have_the_same_bytes_in_threads(
    groups: dict[str, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, found = tmp_path / "a.bal", set()
    for count in (1, 2, 4):
        monkeypatch.setattr(threads, "cores", lambda count=count: count)
        model = {"name": "auto", "effort": "fast"}
        baler_core.compress(groups, path, bounds={"abs": 0.01}, model=model, overwrite=True)
        found.add(path.read_bytes())
        restored = baler_core.open(path, as_="numpy")
        for name, values in groups.items():
            assert np.abs(restored[name] - values.astype("f8")).max() <= 0.01
    assert len(found) == 1


@pytest.mark.parametrize(("model", "most"), [("auto", 2), ("scalar", 1)])
def test_groups_are_learned_at_once_by_models_that_auto_chooses(
    model: str, most: int, groups: dict[str, np.ndarray], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Networks, which users name, take random numbers from one row for all threads."""
    monkeypatch.setattr(threads, "cores", lambda: 2)
    monkeypatch.setattr(block_team, "code_block", counting := Together(block_team.code_block))
    stated = {"name": model, "effort": "fast"}
    baler_core.compress(groups, tmp_path / "a.bal", bounds={"abs": 0.01}, model=stated)
    assert counting.most == most


class Together:
    """Counts how many calls of a function run at once."""

    def __init__(self, function: Any) -> None:
        self._function, self._lock, self._now, self.most = function, Lock(), 0, 0

    def __call__(self, *arguments: Any) -> Any:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        sleep(0.05)
        try:
            return self._function(*arguments)
        finally:
            with self._lock:
                self._now -= 1


def test_fields_of_one_grid_are_restored_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "cores", lambda: 2)
    layout = Layout("grid", tuple(Variable(name, "<f4", ("y", "x")) for name in "uv"), {"y": 64, "x": 64})
    y, x = np.indices((64, 64)) / 9
    arrays = {"u": 99 * np.sin(x) * np.cos(y), "v": np.exp(-((x - 3) ** 2 + (y - 3) ** 2) / 9)}
    block = make_block({name: (("y", "x"), array.astype("f4")) for name, array in arrays.items()})
    tolerances = {name: Tolerance("abs", 0.001) for name in arrays}
    model = PredictiveModel(PredictiveModel.Options(effort="fast"))
    streams = model.encode(block, layout, tolerances)
    met, plain = Barrier(2, timeout=10), PredictiveModel.decoder()

    def decoder() -> Any:
        def decode(*arguments: Any) -> Any:
            met.wait()
            return plain(*arguments)

        return decode

    monkeypatch.setattr(PredictiveModel, "decoder", staticmethod(decoder))
    restored = model.decode(streams, layout, tolerances)
    for name in arrays:
        assert np.abs(values_of(restored, name) - values_of(block, name)).max() <= 0.001
