"""Train one network by several processes (torch.distributed), each on its part of every batch, by the loss of the whole."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, BrokenExecutor, Future, wait
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from baler_core.builtin.training.loop import History
from baler_core.builtin.training.scratch import RowsOnDisk
from baler_core.errors import ConfigError, PluginError, SourceError
from baler_core.machine.in_order import does_not_travel
from baler_core.machine.records import dataclass
from baler_core.machine.workers import Processes
from baler_core.plugin.interfaces import Loss, Training

if TYPE_CHECKING:
    import torch

    from baler_core.builtin.training.loop import Called, Peers

logger = logging.getLogger(__name__)
# What a process does: trains the network, with the others, on rows on a device.
Trains = Callable[["torch.nn.Module", np.ndarray | RowsOnDisk, "Peers"], History]


class Together:
    """The processes of a group that `torch.distributed` has brought together."""

    def __init__(self, rank: int, count: int, device: torch.device) -> None:
        self.rank, self.count, self._device = rank, count, device

    def wrapped(self, network: torch.nn.Module) -> torch.nn.Module:
        """Return the network so that each step averages the gradients of all."""
        from torch.nn.parallel import DistributedDataParallel

        return DistributedDataParallel(network)

    def learn(self, called: Called, network: torch.nn.Module, batch: torch.Tensor, loss: Loss) -> float:
        """Pass a part of a batch through the network, and find what the loss of the whole batch says of that part."""
        import torch
        from torch import distributed

        mine = batch[self.rank :: self.count]
        # A process without a row takes part all the same, for which the others wait.
        restored = called(mine if len(mine) else batch[:1])
        whole = torch.zeros((len(batch), *restored.shape[1:]), dtype=restored.dtype, device=restored.device)
        whole[self.rank :: self.count] = restored.detach()[: len(mine)]
        distributed.all_reduce(whole)
        value = loss(whole.requires_grad_(), batch, network)
        (slope,) = torch.autograd.grad(value, whole, retain_graph=True)
        weight = torch.zeros_like(restored)
        # What follows from the rows adds up over the processes, of which the mean is taken; what follows from the weights
        # alone, as a penalty on them does, is the same in all.
        weight[: len(mine)] = slope[self.rank :: self.count] * self.count
        (value + (restored * weight).sum()).backward()  # type: ignore[no-untyped-call]
        return float(value.item())

    def summed(self, value: float) -> float:
        """Return the sum over all processes, the same in each."""
        import torch
        from torch import distributed

        tensor = torch.tensor([value], dtype=torch.float64, device=self._device)
        distributed.all_reduce(tensor)
        return float(tensor.item())


@dataclass(frozen=True)
class _Rank:
    """One of the processes, and where it meets the others."""

    number: int
    count: int
    folder: Path
    on_gpus: bool
    rows: RowsOnDisk | None

    def train(self, network: torch.nn.Module, train: Trains) -> tuple[History, dict[str, np.ndarray]]:
        """Train the network with the others; return how that went, and its weights."""
        import torch
        from torch import distributed

        device = torch.device("cuda", self.number) if self.on_gpus else torch.device("cpu")
        distributed.init_process_group(
            "nccl" if self.on_gpus else "gloo",
            init_method=f"file://{self.folder}/meeting",
            rank=self.number,
            world_size=self.count,
        )
        try:
            rows = self.rows or np.load(self.folder / "rows.npy", mmap_mode="c", allow_pickle=False)
            history = train(network.to(device), rows, Together(self.number, self.count, device))
        finally:
            distributed.destroy_process_group()
        return history, {name: tensor.cpu().numpy() for name, tensor in network.state_dict().items()}


def train_together(
    network: torch.nn.Module, rows: np.ndarray | RowsOnDisk, training: Training, train: Trains
) -> History:
    """Train a network by `training.processes` processes; it ends with the weights that they came to.

    Raises
    ------
    ConfigError
        If there are fewer GPUs than processes that are to have one each.
    PluginError
        If the network or the loss cannot be sent to another process.
    SourceError
        If a process is killed.
    """
    import torch

    count, on_gpus = training.processes, _on_gpus(training)
    with TemporaryDirectory() as name, Processes(count) as pool:
        on_disk = rows if isinstance(rows, RowsOnDisk) else None
        if not isinstance(rows, RowsOnDisk):
            np.save(Path(name) / "rows.npy", rows)
        ranks = [_Rank(number, count, Path(name), on_gpus, on_disk) for number in range(count)]
        # What torch sends to another process stays in memory that both share: each has a copy of its own.
        calls = [pool.submit(_Rank.train, rank, deepcopy(network), train) for rank in ranks]
        history, weights = _first_result(calls, training)
    network.load_state_dict({name: torch.from_numpy(values) for name, values in weights.items()})
    return history


def _first_result(calls: list[Future[Any]], training: Training) -> tuple[History, dict[str, np.ndarray]]:
    """Wait until all have trained, or one has failed, for which the others would wait."""
    try:
        for call in wait(calls, return_when=FIRST_EXCEPTION).done:
            call.result()
        found: tuple[History, dict[str, np.ndarray]] = calls[0].result()
    except BrokenExecutor as error:
        rest = "" if training.checkpoints is None else "; run again to go on from the last checkpoint"
        raise SourceError(
            f"one of the {len(calls)} processes that train was killed, ran out of memory or crashed{rest}"
        ) from error
    except Exception as error:
        if does_not_travel(error):
            raise PluginError(
                f"the network or the loss cannot be sent to other processes ({error}): define its classes at the top of a "
                "module, or leave out 'training.processes'"
            ) from error
        raise
    return found


def _on_gpus(training: Training) -> bool:
    """Whether each process has a GPU."""
    import torch

    found = torch.cuda.device_count() if training.device != "cpu" and torch.cuda.is_available() else 0
    if found >= training.processes:
        return True
    if training.device == "cuda":
        raise ConfigError(f"training.processes: {training.processes} need as many GPUs, and there are {found} here")
    if found:
        logger.warning("training in %d processes uses no GPU, since there are only %d", training.processes, found)
    return False
