"""The training loop learns, stops, lowers its rate, keeps the best, and repeats itself for a seed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from baler_core.builtin.models.autoencoder.training import LOWEST_LEARNING_RATE, loss_named, seeded, train_network
from baler_core.errors import PluginError
from baler_core.plugin.interfaces import Loss, Training


def linear_rows(rows: int = 2000) -> np.ndarray:
    """Four columns that two numbers explain."""
    generator = np.random.default_rng(3)
    return (generator.normal(size=(rows, 2)) @ generator.normal(size=(2, 4))).astype(np.float32)


def network(seed: int = 1) -> torch.nn.Module:
    with seeded(seed):
        return torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.Linear(2, 4))


def trained(rows: np.ndarray, *, loss: Loss | None = None, seed: int = 1, **settings):
    one = network(seed)
    training = Training(**{"epochs": 30, "batch_size": 64, "learning_rate": 0.02, "seed": seed, **settings})
    history = train_network(one, rows, loss=loss or loss_named("mse"), training=training, title="test")
    return one, history


def weights(one: torch.nn.Module) -> np.ndarray:
    return torch.cat([p.detach().flatten() for p in one.parameters()]).numpy()


def test_it_learns_what_can_be_learned():
    rows = linear_rows()
    one, history = trained(rows)
    with torch.no_grad():
        error = one(torch.from_numpy(rows)).numpy() - rows
    assert (error**2).mean() < 1e-4 * (rows**2).mean()
    assert len(history.train) == len(history.validation) == len(history.learning_rate) == 30
    assert history.validation[-1] < 1e-3 * history.validation[0]


def test_a_seed_gives_the_same_weights_and_another_seed_others():
    rows = linear_rows(300)
    first, history = trained(rows, epochs=5)
    torch.rand(7)
    again, same = trained(rows, epochs=5)
    other, _ = trained(rows, epochs=5, seed=2)
    assert np.array_equal(weights(first), weights(again))
    assert history.train == same.train
    assert not np.array_equal(weights(first), weights(other))


def test_seeding_leaves_other_random_numbers_alone():
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    with seeded(1):
        torch.rand(10)
    assert torch.equal(torch.rand(3), wanted)


class Rising(Loss):
    """Is worse at every call with weights that are kept aside; the true loss is returned in training."""

    name = "rising"

    def __init__(self, rises_from: int) -> None:
        super().__init__()
        self.calls, self.rises_from = 0, rises_from

    def __call__(self, restored, target, model):
        error = (restored - target).square().mean()
        if model.training:
            return error
        self.calls += 1
        return error * 0 + max(self.calls, 2 * self.rises_from - self.calls)


def test_it_stops_early_and_keeps_the_best_epoch():
    rows = linear_rows(100)
    one, history = trained(rows, loss=Rising(4), epochs=100, early_stopping=6)
    assert history.best_epoch == 3
    assert len(history.train) == 3 + 6 + 1
    best, _ = trained(rows, loss=Rising(4), epochs=4)
    assert np.array_equal(weights(one), weights(best))


def test_the_learning_rate_is_halved_when_the_loss_stalls_and_has_a_floor():
    _, history = trained(linear_rows(50), loss=Rising(2), epochs=60, patience=1, early_stopping=100, learning_rate=0.01)
    assert history.learning_rate[0] == 0.01
    for before, after in zip(history.learning_rate, history.learning_rate[1:], strict=False):
        assert after in (before, max(before / 2, LOWEST_LEARNING_RATE))
    assert history.learning_rate[-1] == LOWEST_LEARNING_RATE


def test_time_ends_training():
    _, history = trained(linear_rows(), epochs=100_000, early_stopping=100_000, seconds=0.3)
    assert len(history.train) < 100_000


def test_a_diverging_network_keeps_its_best_weights():
    rows = linear_rows(200)
    one, history = trained(rows, learning_rate=1e30, epochs=20)
    assert np.isfinite(weights(one)).all()
    assert len(history.train) < 20


@pytest.mark.parametrize("rows", [1, 2, 9])
def test_a_handful_of_rows_is_enough(rows):
    one, history = trained(linear_rows(rows), epochs=3)
    assert history.validation == []
    assert np.isfinite(weights(one)).all()


def test_an_unknown_loss_is_named():
    with pytest.raises(PluginError, match=r"no loss named 'mze'.*'mse'"):
        loss_named("mze")
