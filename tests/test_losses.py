"""The losses give the numbers their formulas say."""

from __future__ import annotations

import pytest
import torch

from baler_core.builtin.losses import Huber, MeanAbsolute, MeanSquared, SparseMeanSquared

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
