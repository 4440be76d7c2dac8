"""How `auto` chooses for fields: estimates near what is coded, with little effort first, and models that give up early."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from baler_core import Layout, Variable, make_block
from baler_core.builtin.models.fields.codec import JointFields, Prepared
from baler_core.builtin.models.fields.predictive.model import PredictiveModel
from baler_core.builtin.models.fields.transform import plan as planning
from baler_core.builtin.models.fields.transform.model import TransformModel
from baler_core.builtin.models.scalar import ScalarModel, estimated_size
from baler_core.data.bounds import Tolerance
from baler_core.format.streams import pack_streams
from baler_core.pipeline.candidates import BASELINE
from baler_core.pipeline.choose import choose
from baler_core.pipeline.task import Task
from baler_core.plugin.interfaces import Effort, Model, Training

FIELD_MODELS: Sequence[type[Model]] = (PredictiveModel, ScalarModel, TransformModel)


def waves(frames: int = 40) -> np.ndarray:
    t, y, x = np.meshgrid(np.arange(frames), np.arange(48), np.arange(64), indexing="ij")
    noise = np.random.default_rng(0).normal(size=t.shape)
    return (np.sin(x / 7 - t / 9) * np.cos(y / 5 + t / 30) + 3e-3 * noise).astype("f4")


def mirrored() -> np.ndarray:
    """Noise whose planes are symmetric: the second half of their rows repeats the first one backwards."""
    half = np.random.default_rng(1).normal(size=(64, 64, 64)).astype("f4")
    return np.concatenate([half, half[:, ::-1]], axis=1)


def task(values: np.ndarray, tolerance: float) -> Task:
    dims = ("time", "y", "x")
    layout = Layout("grid", (Variable("f", "<f4", dims),), dict(zip(dims, values.shape, strict=True)))
    block = make_block({"f": (dims, values)})
    return Task([block], block, layout, {"f": Tolerance("abs", tolerance)}, Training())


@pytest.mark.parametrize("kind", [PredictiveModel, TransformModel])
@pytest.mark.parametrize(("effort", "near"), [("fast", 0.1), ("balanced", 0.2)])
def test_models_expect_about_the_bytes_that_they_take(kind: type[Model], effort: Effort, near: float) -> None:
    given = task(waves(), 2e-3)
    model = kind(kind.Options(effort=effort))  # type: ignore[call-arg]
    expected = model.estimate(given.first, given.layout, given.tolerances)
    assert expected is not None
    if expected.refined is not None:
        expected = expected.refined(math.inf)
    streams = model.encode(given.first, given.layout, given.tolerances, plan=expected.plan)
    assert expected.total == pytest.approx(len(pack_streams([streams])), rel=near)
    restored = model.decode(streams, given.layout, given.tolerances)["f"].values
    assert np.abs(restored.astype("f8") - given.first["f"].values).max() <= 2e-3


def test_rows_that_come_again_are_seen_by_estimates_and_coded_by_scalar() -> None:
    values = mirrored()
    tolerance = Tolerance("abs", 0.01)
    once = estimated_size(values[:, :64], tolerance)
    assert estimated_size(values, tolerance) < 1.3 * once
    assert choose(FIELD_MODELS, task(values, 0.01), "fast").model.name == BASELINE


@pytest.mark.parametrize("effort", ["fast", "balanced", "max"])
def test_scalar_keeps_bounds_at_every_effort_and_more_of_it_takes_fewer_bytes(effort: Effort) -> None:
    given = task(waves(8), 1e-3)
    model = ScalarModel(ScalarModel.Options(effort=effort))
    streams = model.encode(given.first, given.layout, given.tolerances)
    restored = ScalarModel().decode(streams, given.layout, given.tolerances)["f"].values
    assert np.abs(restored.astype("f8") - given.first["f"].values).max() <= 1e-3
    thorough = ScalarModel().encode(given.first, given.layout, given.tolerances)
    assert len(pack_streams([thorough])) <= len(pack_streams([streams]))


def test_transforms_far_behind_another_model_are_not_planned_further(monkeypatch: pytest.MonkeyPatch) -> None:
    given = task(waves(), 2e-3)
    refined: list[str] = []
    plain = planning._Plan.refined

    def refine(plan: planning._Plan, members: Sequence[Prepared], effort: Effort) -> JointFields:
        refined.append(effort)
        return plain(plan, members, effort)

    monkeypatch.setattr(planning._Plan, "refined", refine)
    for rival in (1.0, 1e12):
        model = TransformModel(TransformModel.Options(effort="balanced"))
        expected = model.estimate(given.first, given.layout, given.tolerances)
        assert expected is not None
        assert expected.refined is not None
        assert expected.leeway == math.inf  # a sample of so few values tells too little to leave them out
        assert expected.refined(rival).total > 1.0
        assert refined == ([] if rival == 1.0 else ["balanced"])


def test_with_most_effort_models_far_behind_after_a_glance_are_not_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []
    for kind in (PredictiveModel, TransformModel):
        plain = kind.estimate

        def estimate(self, *args, plain=plain, **hints):  # type: ignore[no-untyped-def]
            asked.append((self.name, self.options.effort))
            return plain(self, *args, **hints)

        monkeypatch.setattr(kind, "estimate", estimate)
    clean = np.sin(np.add.outer(np.arange(60) / 9, np.add.outer(np.arange(32) / 5, np.arange(40) / 7))).astype("f4")
    assert choose(FIELD_MODELS, task(clean, 1e-4), "max").model.name == "transform"
    assert asked == [("predictive", "fast"), ("transform", "fast"), ("transform", "max")]
