"""The losses give the numbers their formulas say."""

from __future__ import annotations

import pytest
import torch

from baler_core import PluginError, Training
from baler_core.builtin.losses import Huber, MeanAbsolute, MeanSquared, SparseMeanSquared
from baler_core.builtin.training.run import loss_of
from baler_core.config import load_config
from baler_core.errors import ConfigError
from baler_core.plugin.registry import load_plugins

TARGET = torch.tensor([[1.0, 2.0], [3.0, 4.0], [0.0, 0.0]])
RESTORED = TARGET + torch.tensor([[0.1, -0.1], [0.0, 0.4], [0.0, 1.0]])


def network() -> torch.nn.Module:
    linear = torch.nn.Linear(2, 1)
    with torch.no_grad():
        linear.weight[:] = torch.tensor([[-3.0, 1.0]])
        linear.bias[:] = 0.5
    return linear


def test_values():
    assert MeanSquared()(RESTORED, TARGET, network()).item() == pytest.approx(1.18 / 6)
    assert MeanAbsolute()(RESTORED, TARGET, network()).item() == pytest.approx(1.6 / 6)
    huber = Huber(Huber.Options(delta=0.5))(RESTORED, TARGET, network()).item()
    assert huber == pytest.approx((0.5 * (0.01 + 0.01 + 0.16) + 0.5 * (1.0 - 0.25)) / 6)
    # Equations 2.1 and 2.2: 0.9 * 1.18 / 2 variables + 0.1 * (3 + 1 + 0.5)
    sparse = SparseMeanSquared(SparseMeanSquared.Options(beta=0.1))(RESTORED, TARGET, network()).item()
    assert sparse == pytest.approx(0.9 * 1.18 / 2 + 0.1 * 4.5)


@pytest.mark.parametrize("loss", [Huber, MeanAbsolute, MeanSquared, SparseMeanSquared])
def test_every_loss_leads_downhill(loss):
    restored = RESTORED.clone().requires_grad_()
    before = loss()(restored, TARGET, network())
    before.backward()
    with torch.no_grad():
        after = loss()(restored - 0.01 * restored.grad, TARGET, network())
    assert after < before


def test_a_sparse_loss_pulls_weights_to_zero():
    weights = network()
    SparseMeanSquared()(TARGET, TARGET, weights).backward()
    assert torch.equal(weights.weight.grad.sign(), weights.weight.sign())


def test_a_training_states_the_options_of_its_loss(tmp_path):
    path = tmp_path / "c.yaml"

    def written(loss: str) -> Training:
        path.write_text(f"input: c.yaml\nreader: csv\ntraining:\n  loss: {loss}\n")
        return load_config(path, load_plugins()).training

    chosen = loss_of(written("{name: huber, delta: 0.5}").loss)
    assert isinstance(chosen, Huber)
    assert chosen.options.delta == 0.5
    assert loss_of(written("huber").loss).options.delta == 0.1
    for stated, said in (
        ("{name: huber, dleta: 0.5}", r"c.yaml:4: training.loss.dleta: unknown key. Did you mean 'delta'"),
        ("{name: huber, delta: 0}", r"training.loss.delta: wanted greater than 0"),
        ("{name: hubr}", r"training.loss.name: .*Did you mean 'huber'"),
        ("{delta: 0.5}", r"training.loss.name: wanted the name of a loss \(huber, "),
        ("[mse]", r"training.loss: wanted the name of a loss, or a mapping"),
    ):
        with pytest.raises(ConfigError, match=said):
            written(stated)
    with pytest.raises(PluginError, match="no loss named 'hubr'"):
        loss_of({"name": "hubr"})
