"""The kit for plugin authors passes good components and catches bad ones; our own pass it."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from baler_core.builtin.models.scalar import ScalarModel
from baler_core.builtin.readers.numpy.files import NpzReader
from baler_core.data.block import Block, make_block
from baler_core.data.bounds import Tolerance
from baler_core.data.variables import Layout, Variable
from baler_core.errors import PluginError
from baler_core.plugin.interfaces import Metric, MetricResult, Model, Preprocessor
from baler_core.plugin.registry import load_plugins
from baler_core.testing import check_metric, check_model, check_preprocessor, check_reader, check_threads


def test_our_models_pass() -> None:
    check_model(ScalarModel())


def test_a_model_that_loses_a_variable_is_caught() -> None:
    class Forgetful(ScalarModel):
        name = "forgetful"

        def decode(self, streams, layout, tolerances):  # type: ignore[no-untyped-def]
            block = super().decode(streams, layout, tolerances)
            return block[[name for name in block if name != "smooth"]]

    with pytest.raises(PluginError, match="smooth"):
        check_model(Forgetful())


def test_a_model_that_keeps_state_to_itself_is_caught() -> None:
    class Secretive(Model):
        name = "secretive"

        def encode(self, block, layout, tolerances, *, hints, plan):  # type: ignore[no-untyped-def]
            self.block = block
            return {"": b""}

        def decode(self, streams, layout: Layout, tolerances):  # type: ignore[no-untyped-def]
            return self.block

    with pytest.raises(AttributeError):
        check_model(Secretive())


def test_a_model_that_keeps_a_plan_to_itself_is_caught() -> None:
    class Absentminded(ScalarModel):
        """Writes down what it saw last, instead of what it is given."""

        name = "absentminded"
        seen = b""

        def estimate(self, block, layout, tolerances, *, hints):  # type: ignore[no-untyped-def]
            self.seen = block["smooth"].values.tobytes()
            time.sleep(0.01)
            return super().estimate(block, layout, tolerances, hints=hints)

        def encode(self, block, layout, tolerances, *, hints, plan):  # type: ignore[no-untyped-def]
            return {**super().encode(block, layout, tolerances), "seen": self.seen}

    with pytest.raises(AssertionError, match="absentminded"):
        check_threads(Absentminded())


def test_readers_are_compared_value_by_value(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, x=np.arange(10.0), y=np.ones((3, 4), np.float32))
    check_reader(NpzReader(), path, tmp_path)


def _scaled(block: Block, factor: float) -> Block:
    return make_block({name: (block[name].dims, block[name].values * factor) for name in block})


def test_preprocessors_are_held_to_their_tolerance() -> None:
    values = np.exp(np.random.default_rng(0).normal(size=500))
    log = load_plugins().preprocessor("log")
    check_preprocessor(log(), values, Tolerance("rel", 1e-3))

    class Careless(Preprocessor):
        name = "careless"

        def encode(self, block):  # type: ignore[no-untyped-def]
            return _scaled(block, 1 / 1000)

        def decode(self, block):  # type: ignore[no-untyped-def]
            return _scaled(block, 1000)

    with pytest.raises(AssertionError):
        check_preprocessor(Careless(), values, Tolerance("abs", 1e-3))


def test_metrics_must_give_numbers() -> None:
    class Wordy(Metric):
        name = "wordy"

        def update(self, original, restored, variables):  # type: ignore[no-untyped-def]
            pass

        def result(self) -> MetricResult:
            return MetricResult({"x": {"how": "well"}})  # type: ignore[dict-item]

    block = make_block({"x": (("row",), np.arange(5.0))})
    variables = {"x": Variable("x", "<f8", ("row",))}
    check_metric(load_plugins().metric("residual")(), block, variables)
    with pytest.raises(AssertionError, match="well"):
        check_metric(Wordy(), block, variables)
