"""Train epoch by epoch: Adam, a learning rate that falls when the loss stalls, early stopping, the best weights kept."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import field
from typing import TYPE_CHECKING, Protocol

from baler_core.builtin.training.epochs import Epochs
from baler_core.machine.records import dataclass
from baler_core.plugin.interfaces import Loss, Training
from baler_core.plugin.options import Precision

if TYPE_CHECKING:
    import torch

LOWEST_LEARNING_RATE = 1.0e-6
Called = Callable[["torch.Tensor"], "torch.Tensor"]


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


class Peers(Protocol):
    """The processes that train one network, each on its part of every batch."""

    rank: int
    count: int

    def wrapped(self, network: torch.nn.Module) -> torch.nn.Module:
        """Return the network as it is to be called, so that all have the gradients of all."""

    def learn(self, called: Called, network: torch.nn.Module, batch: torch.Tensor, loss: Loss) -> float:
        """Find the gradients of the loss of a batch, of which each process takes a part; return the loss.

        Parameters
        ----------
        called
            What `wrapped` made of the network, in the precision of training.
        """

    def summed(self, value: float) -> float:
        """Return the sum over all processes."""


class Alone:
    """The only process that trains a network."""

    rank, count = 0, 1

    def wrapped(self, network: torch.nn.Module) -> torch.nn.Module:
        """Return the network."""
        return network

    def learn(self, called: Called, network: torch.nn.Module, batch: torch.Tensor, loss: Loss) -> float:
        """Find the gradients of the loss of a batch."""
        value = loss(called(batch), batch, network)
        value.backward()  # type: ignore[no-untyped-call]
        return value.item()

    def summed(self, value: float) -> float:
        """Return the value."""
        return value


class TrainingRun:
    """A network in training, and all that the next epoch depends on.

    Parameters
    ----------
    network
        On the device that trains it.
    epochs
        What it learns from.
    """

    def __init__(self, network: torch.nn.Module, rows: Epochs, loss: Loss, training: Training, peers: Peers) -> None:
        import torch

        self.network, self.rows, self.loss, self.training, self.peers = network, rows, loss, training, peers
        self._called = in_precision(training.precision, peers.wrapped(network))
        self.optimiser = _adam(network, training.learning_rate)
        self.scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
            self.optimiser, factor=0.5, patience=training.patience, min_lr=LOWEST_LEARNING_RATE
        )
        self.history, self.best = History(), Best(network)
        self._began, self._out_of_time = time.monotonic(), False

    @property
    def epochs(self) -> int:
        """How many are done."""
        return len(self.history.train)

    @property
    def watched(self) -> float:
        """The loss by which the last epoch is judged."""
        return (self.history.validation or self.history.train)[-1]

    @property
    def is_over(self) -> bool:
        """Whether one of the reasons to stop holds."""
        if not self.epochs:
            return False
        without = self.epochs - 1 - self.best.epoch
        stalled = not math.isfinite(self.watched) or without >= self.training.early_stopping
        return stalled or self._out_of_time or self.epochs >= self.training.epochs

    def count_seconds(self) -> None:
        """Add the time since this was called last to that of the training."""
        now = time.monotonic()
        self.history.seconds += now - self._began
        self._began = now

    def train_epoch(self) -> None:
        """Pass over the rows once, and judge what that brought."""
        history, training = self.history, self.training
        history.learning_rate.append(self.optimiser.param_groups[0]["lr"])
        history.train.append(self._pass())
        if len(self.rows.aside):
            history.validation.append(self._mean_loss())
        self.scheduler.step(self.watched)
        self.best.consider(self.network, self.watched, self.epochs - 1)
        self.count_seconds()
        late = training.seconds is not None and history.seconds > training.seconds
        self._out_of_time = bool(self.peers.summed(float(late)))

    def _pass(self) -> float:
        """Learn from the rows of an epoch; return the mean loss on the way."""
        self.network.train()
        total, rows = 0.0, 0
        for batch in self.rows.batches(self.training.batch_size):
            self.optimiser.zero_grad(set_to_none=True)
            value = self.peers.learn(self._called, self.network, batch, self.loss)
            self.optimiser.step()
            total, rows = total + value * len(batch), rows + len(batch)
        return total / rows

    def _mean_loss(self) -> float:
        """Mean loss over the rows that are set aside, in the precision in which networks are used."""
        import torch

        self.network.eval()
        mine = torch.split(self.rows.aside, self.training.batch_size)[self.peers.rank :: self.peers.count]
        with torch.no_grad():
            parts = [self.loss(self.network(batch), batch, self.network).item() * len(batch) for batch in mine]
        return self.peers.summed(sum(parts)) / len(self.rows.aside)


def in_precision(precision: Precision, network: torch.nn.Module) -> Called:
    """Return what passes a batch through a network in a precision: weights, losses and gradients of weights stay float32."""
    import torch

    if precision == "float32":
        return network

    def called(batch: torch.Tensor) -> torch.Tensor:
        with torch.autocast(batch.device.type, dtype=torch.bfloat16):
            restored: torch.Tensor = network(batch)
        return restored.float()

    return called


def _adam(network: torch.nn.Module, learning_rate: float) -> torch.optim.Adam:
    """Return Adam in one call per step, which takes a tenth less time of small networks."""
    import torch

    try:
        return torch.optim.Adam(network.parameters(), lr=learning_rate, fused=True)
    except RuntimeError:  # before torch 2.4, on the CPU
        return torch.optim.Adam(network.parameters(), lr=learning_rate)


class Best:
    """The weights of the epoch with the lowest loss."""

    def __init__(self, network: torch.nn.Module) -> None:
        self.epoch, self.loss = -1, math.inf
        self.weights = _copied(network)

    def consider(self, network: torch.nn.Module, loss: float, epoch: int) -> None:
        """Keep the weights if the loss is the lowest so far."""
        if loss < self.loss:
            self.loss, self.epoch = loss, epoch
            self.weights = _copied(network)

    def restore(self, network: torch.nn.Module) -> None:
        """Put the best weights back: the first ones, if no epoch gave a finite loss."""
        network.load_state_dict(self.weights)


def _copied(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
