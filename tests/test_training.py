"""The training loop learns, stops, lowers its rate, keeps the best, and repeats itself for a seed."""

from __future__ import annotations

import pickle
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool

import numpy as np
import pytest
import torch

from baler_core.builtin.training.epochs import epochs_of
from baler_core.builtin.training.loop import LOWEST_LEARNING_RATE
from baler_core.builtin.training.processes import _first_result, _Rank
from baler_core.builtin.training.run import _Training, loss_of, seeded, train_network
from baler_core.builtin.training.scratch import rows_on_disk
from baler_core.errors import ConfigError, DataError, PluginError, SourceError
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
    history = train_network(one, rows, loss=loss or loss_of("mse"), training=training, title="test")
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
        loss_of("mze")


# ---- checkpoints


def test_a_training_goes_on_after_a_break_as_if_there_had_been_none(tmp_path):
    rows = linear_rows(300)
    whole, history = trained(rows, epochs=12, patience=2)
    trained(rows, epochs=5, patience=2, checkpoints=str(tmp_path))
    resumed, continued = trained(rows, epochs=12, patience=2, checkpoints=str(tmp_path))
    assert np.array_equal(weights(whole), weights(resumed))
    assert (history.train, history.validation, history.learning_rate, history.best_epoch) == (
        continued.train,
        continued.validation,
        continued.learning_rate,
        continued.best_epoch,
    )
    finished, _ = trained(rows, epochs=12, patience=2, checkpoints=str(tmp_path), seconds=1e-9)
    assert np.array_equal(weights(whole), weights(finished))  # not trained once more
    assert len(list(tmp_path.iterdir())) == 1
    for other in ({"seed": 2}, {"learning_rate": 0.01}):
        assert len(trained(rows, epochs=2, checkpoints=str(tmp_path), **other)[1].train) == 2
    assert len(trained(rows * 2, epochs=2, patience=2, checkpoints=str(tmp_path))[1].train) == 2
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 nonsense", None])
def test_a_damaged_checkpoint_is_named(tmp_path, damage):
    trained(linear_rows(50), epochs=2, checkpoints=str(tmp_path))
    (file,) = tmp_path.iterdir()
    if damage is None:
        with np.load(file) as stored:
            arrays = {name: stored[name] for name in stored.files}
        arrays["network.0.weight"] = arrays["network.0.weight"][:1]
        np.savez(file, **arrays)
    else:
        file.write_bytes(damage)
    with pytest.raises(DataError, match=r"\.npz: is a damaged checkpoint .*remove it"):
        trained(linear_rows(50), epochs=4, checkpoints=str(tmp_path))


# ---- rows beyond memory


@pytest.fixture
def on_disk():
    """2003 rows in parts of 101, of which an epoch takes about 800; the first number of each is its place."""
    rows = linear_rows(2003)
    rows[:, 0] = np.arange(2003) / 2003
    parts = (rows[start : start + 101] for start in range(0, 2003, 101))
    with rows_on_disk(parts, 2003, (4,), most=3200, seed=1) as stored:
        yield rows, stored
    assert not stored.path.parent.exists()


def test_epochs_of_rows_on_disk_go_over_all_in_parts_that_are_drawn_from_everywhere(on_disk):
    rows, stored = on_disk
    everything = stored.read(range(stored.pieces))
    assert np.array_equal(everything[np.argsort(everything[:, 0])], rows)
    epochs = epochs_of(stored, Training(validation=0.125), None, torch.device("cpu"))
    seen = []
    for _ in range(5):
        epoch = np.concatenate([batch.numpy() for batch in epochs.batches(64)])
        assert 780 <= len(epoch) <= 830  # 16 pieces
        assert np.histogram(epoch[:, 0], 10, (0, 1))[0].min() > 40
        assert abs(epoch[: len(epoch) // 2, 0].mean() - 0.5) < 0.05
        seen += epoch[:, 0].tolist()
    counts = np.unique(np.round(np.array(seen) * 2003).astype(int), return_counts=True)[1]
    assert len(epochs.aside) + len(counts) == 2003
    assert counts.max() - counts.min() <= 1


def test_rows_on_disk_train_alike_alone_and_with_others_and_go_on_after_a_break(on_disk, tmp_path):
    _, stored = on_disk
    whole, history = trained(stored, epochs=6)
    trained(stored, epochs=3, checkpoints=str(tmp_path))
    resumed, continued = trained(stored, epochs=6, checkpoints=str(tmp_path))
    assert np.array_equal(weights(whole), weights(resumed))
    assert history.validation == continued.validation
    assert history.validation[-1] < 0.1 * history.validation[0]
    train = _Training(loss_of("mse"), Training(epochs=6, batch_size=64, learning_rate=0.02), "test", 1)
    same, _ = _Rank(0, 1, tmp_path, False, stored).train(network(), train)
    assert same.train == pytest.approx(history.train, rel=1e-5)


def test_bfloat16_learns_too():
    rows = linear_rows(600)
    _, exactly = trained(rows, epochs=15)
    one, history = trained(rows, epochs=15, precision="bfloat16")
    assert history.train != exactly.train
    assert history.validation[-1] < 0.01 * history.validation[0]
    assert all(p.dtype == torch.float32 for p in one.parameters())


# ---- several processes


def test_two_processes_train_the_network_of_one():
    rows = linear_rows(301)  # the last batch is one of a single row, which only one of the processes has
    settings = {"epochs": 8, "batch_size": 90, "validation": 0.1}
    alone, history = trained(rows, loss=loss_of("mse_sparse"), **settings)
    together, same = trained(rows, loss=loss_of("mse_sparse"), processes=2, **settings)
    np.testing.assert_allclose(weights(together), weights(alone), atol=2e-6)
    np.testing.assert_allclose(same.train, history.train, rtol=1e-5)
    np.testing.assert_allclose(same.validation, history.validation, rtol=1e-5)
    assert same.best_epoch == history.best_epoch


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (BrokenProcessPool("x"), SourceError, "1 processes that train was killed.*run again to go on"),
        (pickle.PicklingError("a local class"), PluginError, "cannot be sent to other processes.*'training.processes'"),
    ],
)
def test_what_ends_a_training_of_several_processes_is_one_sentence(error, kind, said):
    call: Future = Future()
    call.set_exception(error)
    with pytest.raises(kind, match=said):
        _first_result([call], Training(processes=2, checkpoints="somewhere"))


def test_processes_that_are_to_have_a_gpu_each_need_as_many():
    if torch.cuda.device_count() < 100:
        with pytest.raises(ConfigError, match="100 need as many GPUs"):
            trained(linear_rows(9), epochs=1, processes=100, device="cuda")
