"""A flow is evaluated in whole numbers as torch trained it, pays or is left out, and is restored without torch."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from baler_core import FormatError, Tolerance, Training, make_block, values_of
from baler_core.builtin.models.table.flow.model import NormalizingFlow
from baler_core.builtin.models.table.network.flow import COUNTS, FEATURES, Flow, FlowRows, units_known
from baler_core.builtin.models.table.network.mixtures import SCORE
from baler_core.data.part import Part
from baler_core.data.variables import Layout, Variable
from baler_core.errors import MissingPackage
from baler_core.format.arrays import decode_state, encode_state
from baler_core.plugin.interfaces import State

QUICK = Training(epochs=20, batch_size=64, learning_rate=0.02)
BOUND = Tolerance("abs", 0.004)


class Known:
    """Features of columns drawn at random."""

    rows = 50

    def features(self, number: int) -> np.ndarray:
        return np.random.default_rng(number).integers(-400, 400, (FEATURES, self.rows)).astype(np.int16)

    def counts(self) -> np.ndarray:
        return np.arange(COUNTS * self.rows).reshape(COUNTS, self.rows).astype(np.int16)


def hidden(rows: int = 900) -> dict[str, np.ndarray]:
    """Five measurements, each with noise of its own, of one number that is not there."""
    random = np.random.default_rng(4)
    true = random.normal(size=rows)
    clean = {"r": np.tanh(true), "x": true, "y": np.exp(true / 2), "z": np.sin(true), "w": true**3 / 9}
    return {name: values + 0.1 * random.normal(size=rows) for name, values in clean.items()}


def made(columns: dict[str, np.ndarray]) -> tuple[Any, Layout]:
    rows = len(columns["r"])
    layout = Layout("table", tuple(Variable(name, "<f8", ("row",)) for name in columns), {"row": rows})
    return make_block({name: (("row",), values) for name, values in columns.items()}), layout


@pytest.fixture(scope="module")
def fitted() -> tuple[NormalizingFlow, dict[str, bytes], State, dict[str, np.ndarray]]:
    """A flow that is kept, the streams of a block and the stored state."""
    columns = hidden()
    block, layout = made(columns)
    tolerances = dict.fromkeys(columns, BOUND)
    model = NormalizingFlow(NormalizingFlow.Options(hidden=(8, 8), effort="balanced", keep=True))
    model.fit([block], layout=layout, tolerances=tolerances, training=QUICK)
    streams = {name: bytes(data) for name, data in model.encode(block, layout, tolerances).items()}
    return model, streams, decode_state(encode_state(model.state()), memory_limit=1 << 24), columns


def loaded(fitted: Any, state: State) -> NormalizingFlow:
    model = NormalizingFlow(fitted[0].options)
    model.load_state(state)
    return model


def test_values_come_back_within_the_bound_without_torch(fitted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _, streams, state, columns = fitted
    monkeypatch.setitem(sys.modules, "torch", None)
    block, layout = made(columns)
    model = loaded(fitted, state)
    back = model.decode(streams, layout, dict.fromkeys(columns, BOUND))
    for name, values in columns.items():
        assert not BOUND.violations(values, values_of(back, name)).any()
    part = model.decode_part(
        streams, layout, dict.fromkeys(columns, BOUND), Part(frozenset({"y"}), {"row": slice(5, 9)})
    )
    assert np.array_equal(part["y"], values_of(back, "y")[5:9])
    assert model.encode(block, layout, dict.fromkeys(columns, BOUND)) == streams
    with pytest.raises(MissingPackage, match="training the model 'normalizing_flow' needs torch"):
        model.fit([block], layout=layout, tolerances=dict.fromkeys(columns, BOUND), training=QUICK)


def test_a_flow_says_what_the_network_says_that_torch_trained() -> None:
    import torch

    from baler_core.builtin.models.table.flow.networks import MaskedFlow

    torch.manual_seed(3)
    network, known = MaskedFlow(3, (10, 7), jagged=True), Known()
    torch.nn.init.normal_(network.skip, std=0.3)
    columns = (4, 0, 2)
    flow = Flow.from_bytes(network.stored(columns, jagged=True).to_bytes(), 5)
    rows = FlowRows(flow, known)
    mixtures = [rows.mixture_of(number) for number in columns]
    inputs = np.concatenate([known.counts(), *(known.features(number) for number in columns)]).T / 64
    # chance of a narrow cell around a point, by both
    point, width = 0.3, 1e-3
    ends = np.repeat([[point, width, 1e-12]], 3, axis=1).repeat(known.rows, axis=0)
    nats = network(torch.from_numpy(np.concatenate([inputs, ends], axis=1)).float()).detach().numpy()
    for place, mixture in enumerate(mixtures):
        narrow = mixture.scales / 256
        far = (point - mixture.centres / SCORE) * narrow
        shares = mixture.weights / mixture.weights.sum(axis=1, keepdims=True)
        chance = (shares * narrow * width / (2 + 2 * np.cosh(far))).sum(axis=1)
        # widths are rounded to sixteenths of a nat, as are logarithms of weights
        likely = chance > 1e-7
        assert likely.sum() > 20
        assert np.abs(np.log(chance) + nats[:, place])[likely].mean() < 0.1


def test_no_column_looks_at_itself_or_at_later_ones() -> None:
    import torch

    from baler_core.builtin.models.table.flow.networks import MaskedFlow

    torch.manual_seed(1)
    network = MaskedFlow(4, (9, 6), jagged=False)
    torch.nn.init.normal_(network.skip, std=0.3)
    rows = torch.randn(1, 4 * FEATURES + 12).abs().requires_grad_()
    for place in range(4):
        (slope,) = torch.autograd.grad(network(rows)[0, place], rows, retain_graph=True)
        told = slope[0, : 4 * FEATURES].reshape(4, FEATURES).abs().sum(dim=1) > 0
        assert not told[place:].any()
        assert told[:place].all()
    assert [units_known(9, 4, place) for place in (-1, 0, 3)] == [0, 3, 9]


def test_a_flow_that_does_not_pay_is_left_out() -> None:
    columns = {"r": np.random.default_rng(1).normal(size=300), "x": np.random.default_rng(2).normal(size=300)}
    block, layout = made(columns)
    model = NormalizingFlow(NormalizingFlow.Options(hidden=(4, 4)))
    tolerances = dict.fromkeys(columns, BOUND)
    model.fit([block], layout=layout, tolerances=tolerances, training=QUICK.model_copy(update={"epochs": 1}))
    assert set(model.state()) == {"plan"}


def test_a_flow_makes_fewer_bytes_of_what_follows_from_several_columns(fitted: Any) -> None:
    _, streams, state, columns = fitted
    block, layout = made(columns)
    plain = loaded(fitted, {"plan": state["plan"]}).encode(block, layout, dict.fromkeys(columns, BOUND))
    assert len(streams["columns"]) < 0.98 * len(bytes(plain["columns"]))


@pytest.mark.parametrize("change", ["order", "twice", "none", "short", "large", "far"])
def test_a_forged_flow_is_refused(fitted: Any, change: str) -> None:
    _, streams, state, columns = fitted
    flow = Flow.from_bytes(state["flow"].tobytes(), 5)
    a, b, *_ = flow.columns
    forged = {
        "order": lambda: replace(flow, columns=(*reversed(flow.columns),)),
        "twice": lambda: replace(flow, columns=(a, *flow.columns[:-1])),
        "none": lambda: replace(flow, columns=(), told=()),
        "large": lambda: replace(flow, into=flow.into + np.int16(32767)),
        "far": lambda: replace(flow, columns=(a, b, 9)),
    }
    data = flow.to_bytes()[:4] if change == "short" else forged[change]().to_bytes()
    _, layout = made(columns)
    with pytest.raises(FormatError):
        loaded(fitted, {**state, "flow": np.frombuffer(data, np.uint8)}).decode(
            streams, layout, dict.fromkeys(columns, BOUND)
        )


def test_seeds_are_judged_and_the_best_is_stored() -> None:
    columns = hidden(400)
    block, layout = made(columns)
    model = NormalizingFlow(NormalizingFlow.Options(hidden=(4, 4), keep=True, effort="balanced"))
    training = QUICK.model_copy(update={"epochs": 2, "seeds": 2})
    model.fit([block], layout=layout, tolerances=dict.fromkeys(columns, BOUND), training=training)
    assert model.seed_spread is not None
    assert model.seed_spread.kept == (min(model.seed_spread.losses, key=model.seed_spread.losses.__getitem__),)
    assert len(model.seed_spread.losses) == 2
