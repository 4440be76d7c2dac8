"""The torch training loop: Adam, a learning rate that falls when the loss stalls, early stopping, the best weights kept."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from baler_core.machine.progress import shown
from baler_core.plugin.interfaces import Loss, Training
from baler_core.plugin.registry import load_plugins

if TYPE_CHECKING:
    import torch

LOWEST_LEARNING_RATE = 1.0e-6
# Multiplications per batch up to which a second thread costs more than it brings; and how many a value may take in a
# network that uses its weights more than once.
_WORK_OF_ONE_THREAD = 100_000_000
_WORK_PER_VALUE = 50


@dataclass
class History:
    """How training went, epoch by epoch.

    Attributes
    ----------
    train, validation
        Mean loss over the rows of each kind; `validation` is empty if no rows were kept aside.
    learning_rate
        What each epoch was trained with.
    best_epoch
        Index of the epoch whose weights were kept; -1 if none improved on the untrained network.
    seconds
        Wall-clock time of the training.
    """

    train: list[float] = field(default_factory=list)
    validation: list[float] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    best_epoch: int = -1
    seconds: float = 0.0

    def curves(self) -> dict[str, list[float]]:
        """The losses by kind of rows, for reports."""
        return {name: losses for name, losses in (("train", self.train), ("validation", self.validation)) if losses}


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


def loss_named(name: str) -> Loss:
    """The loss component `name`, with its default options.

    Raises
    ------
    PluginError
        If there is none.
    """
    return load_plugins().loss(name)()


def choose_device(wanted: str) -> torch.device:
    """The device to train on: `auto` takes a GPU where there is one."""
    import torch

    return torch.device(wanted if wanted != "auto" else "cuda" if torch.cuda.is_available() else "cpu")


def train_network(
    network: torch.nn.Module,
    rows: np.ndarray,
    *,
    loss: Loss,
    training: Training,
    title: str,
    seed: int | None = None,
) -> History:
    """Train a network to give back its input; it ends on the CPU with the weights of its best epoch.

    The same rows, network and seed give the same weights on the CPU; for large networks, the same number of threads too.

    Parameters
    ----------
    network
        Takes and returns tensors of the rows' shape.
    rows
        float32, (rows, ...), normalised and finite.
    title
        For the progress bar.
    seed
        Of the order of the rows; None takes `training.seed`, which always chooses the rows that are set aside.
    """
    import torch

    started = time.monotonic()
    network.to(choose_device(training.device))
    weights = sum(parameter.numel() for parameter in network.parameters())
    work = training.batch_size * max(weights, _WORK_PER_VALUE * rows[0].size)
    with one_thread(unless=work > _WORK_OF_ONE_THREAD):
        history, best = _train(network, torch.from_numpy(rows), loss, training, title, seed)
    best.restore(network)
    network.to("cpu").eval()
    history.best_epoch, history.seconds = best.epoch, time.monotonic() - started
    return history


def _train(
    network: torch.nn.Module,
    rows: torch.Tensor,
    loss: Loss,
    training: Training,
    title: str,
    seed: int | None,
) -> tuple[History, _Best]:
    """Epochs until one of the reasons to stop holds."""
    import torch

    started = time.monotonic()
    device = next(network.parameters()).device
    shuffle = torch.Generator().manual_seed(training.seed)
    train_rows, validation_rows = (part.to(device) for part in _split(rows, training, shuffle))
    if seed is not None and seed != training.seed:
        shuffle.manual_seed(seed)
    optimiser = torch.optim.Adam(network.parameters(), lr=training.learning_rate)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimiser, factor=0.5, patience=training.patience, min_lr=LOWEST_LEARNING_RATE
    )
    history, best = History(), _Best(network)
    with shown(title, "epoch", training.epochs) as step:
        for epoch in range(training.epochs):
            history.learning_rate.append(optimiser.param_groups[0]["lr"])
            history.train.append(_train_epoch(network, train_rows, loss, optimiser, training.batch_size, shuffle))
            watched = history.train[-1]
            if len(validation_rows):
                watched = _mean_loss(network, validation_rows, loss, training.batch_size)
                history.validation.append(watched)
            scheduler.step(watched)
            best.consider(network, watched, epoch)
            step(f"loss={watched:.3g}")
            out_of_time = training.seconds is not None and time.monotonic() - started > training.seconds
            if out_of_time or not math.isfinite(watched) or epoch - best.epoch >= training.early_stopping:
                break
    return history, best


def _split(rows: torch.Tensor, training: Training, shuffle: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows to train on, and rows kept aside."""
    import torch

    aside = int(len(rows) * training.validation)
    order = torch.randperm(len(rows), generator=shuffle)
    return rows[order[aside:]], rows[order[:aside]]


def _train_epoch(
    network: torch.nn.Module,
    rows: torch.Tensor,
    loss: Loss,
    optimiser: torch.optim.Optimizer,
    batch_size: int,
    shuffle: torch.Generator,
) -> float:
    """One pass over the rows in a new order; the mean loss on the way."""
    import torch

    network.train()
    order = torch.randperm(len(rows), generator=shuffle).to(rows.device)
    total = 0.0
    for indices in torch.split(order, batch_size):
        batch = rows[indices]
        optimiser.zero_grad(set_to_none=True)
        value = loss(network(batch), batch, network)
        value.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        total += value.item() * len(batch)
    return total / len(rows)


def _mean_loss(network: torch.nn.Module, rows: torch.Tensor, loss: Loss, batch_size: int) -> float:
    """Mean loss over rows, without learning from them."""
    import torch

    network.eval()
    with torch.no_grad():
        parts = [loss(network(batch), batch, network).item() * len(batch) for batch in torch.split(rows, batch_size)]
    return sum(parts) / len(rows)


class _Best:
    """The weights of the epoch with the lowest loss."""

    def __init__(self, network: torch.nn.Module) -> None:
        self.epoch, self._loss = -1, math.inf
        self._weights = _copied(network)

    def consider(self, network: torch.nn.Module, loss: float, epoch: int) -> None:
        """Keep the weights if the loss is the lowest so far."""
        if loss < self._loss:
            self._loss, self.epoch = loss, epoch
            self._weights = _copied(network)

    def restore(self, network: torch.nn.Module) -> None:
        """Put the best weights back: the first ones, if no epoch gave a finite loss."""
        network.load_state_dict(self._weights)


def _copied(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
