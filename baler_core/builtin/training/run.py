"""Train a network, by this process or by several, from a checkpoint if there is one."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from baler_core.builtin.training.checkpoints import Checkpoint
from baler_core.builtin.training.epochs import epochs_of
from baler_core.builtin.training.loop import Alone, History, Peers, TrainingRun
from baler_core.builtin.training.processes import train_together
from baler_core.builtin.training.scratch import RowsOnDisk
from baler_core.errors import ConfigError
from baler_core.machine.progress import shown
from baler_core.machine.records import dataclass
from baler_core.plugin.interfaces import Loss, Training
from baler_core.plugin.registry import load_plugins

if TYPE_CHECKING:
    import torch

# Multiplications per batch up to which a second thread costs more than it brings; and how many a value may take in a
# network that uses its weights more than once.
_WORK_OF_ONE_THREAD = 100_000_000
_WORK_PER_VALUE = 50


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """torch's random numbers from a seed, inside; afterwards they go on as if nothing had been."""
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


@contextmanager
def one_thread(*, unless: bool = False) -> Iterator[None]:
    """torch computes on one thread, inside: for small networks that is faster, and the same on every machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(before if unless else 1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def loss_of(stated: str | Mapping[str, Any]) -> Loss:
    """The loss that `training.loss` states, by its name, or by a mapping of `name` and options.

    Raises
    ------
    PluginError
        If there is none of that name.
    """
    options = {"name": stated} if isinstance(stated, str) else dict(stated)
    component = load_plugins().loss(options.pop("name"))
    return component(component.Options(**options))


def refuse_precision(training: Training, device: torch.device) -> None:
    """Refuse a precision that a GPU does not compute in.

    Raises
    ------
    ConfigError
        If it is one.
    """
    import torch

    if training.precision == "bfloat16" and device.type == "cuda" and not torch.cuda.is_bf16_supported():
        raise ConfigError(
            f"training.precision: this GPU ({torch.cuda.get_device_name(device)}) does not compute in bfloat16: write float32"
        )


def choose_device(wanted: str) -> torch.device:
    """The device to train on: `auto` takes a GPU where there is one."""
    import torch

    return torch.device(wanted if wanted != "auto" else "cuda" if torch.cuda.is_available() else "cpu")


def train_network(
    network: torch.nn.Module,
    rows: np.ndarray | RowsOnDisk,
    *,
    loss: Loss,
    training: Training,
    title: str,
    seed: int | None = None,
) -> History:
    """Train a network to give back its input; it ends on the CPU with the weights of its best epoch.

    The same rows, network, seed and number of processes give the same weights on the CPU; for large networks, the same
    number of threads too.

    Parameters
    ----------
    network
        Takes and returns tensors of the rows' shape.
    rows
        float32, (rows, ...), normalised and finite; in memory, or in a file of which each epoch takes what fits.
    title
        For the progress bar.
    seed
        Of the order of the rows; None takes `training.seed`, which always chooses the rows that are set aside.
    """
    train, device = _Training(loss, training, title, seed), choose_device(training.device)
    refuse_precision(training, device)
    if training.processes > 1:
        return train_together(network, rows, training, train)
    return train(network.to(device), rows, Alone())


@dataclass(frozen=True)
class _Training:
    """What is done with a network; travels to the processes that train it."""

    loss: Loss
    training: Training
    title: str
    seed: int | None

    def __call__(self, network: torch.nn.Module, rows: np.ndarray | RowsOnDisk, peers: Peers) -> History:
        """Train the network on the device where it is."""
        weights = sum(parameter.numel() for parameter in network.parameters())
        work = self.training.batch_size // peers.count * max(weights, _WORK_PER_VALUE * math.prod(rows.shape[1:]))
        with one_thread(unless=work > _WORK_OF_ONE_THREAD):
            epochs = epochs_of(rows, self.training, self.seed, next(network.parameters()).device)
            run = TrainingRun(network, epochs, self.loss, self.training, peers)
            self._go_on(run, Checkpoint.of(run, rows.shape, self.seed))
        run.best.restore(network)
        network.to("cpu").eval()
        run.history.best_epoch = run.best.epoch
        run.count_seconds()
        return run.history

    def _go_on(self, run: TrainingRun, checkpoint: Checkpoint | None) -> None:
        """Train until there is a reason to stop."""
        if checkpoint is not None:
            checkpoint.resume(run)
        with shown(self.title, "epoch", self.training.epochs - run.epochs) as step:
            while not run.is_over:
                run.train_epoch()
                step(f"loss={run.watched:.3g}")
                if checkpoint is not None:
                    checkpoint.save(run, now=run.is_over)
