"""Save a training now and then, and go on from there: the network in the end is that of a training without a break."""

from __future__ import annotations

import hashlib
import json
import math
import time
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from baler_core.builtin.training.loop import History, TrainingRun
from baler_core.errors import DataError
from baler_core.machine.atomic_write import completed
from baler_core.machine.records import dataclass

if TYPE_CHECKING:
    import torch

_SECONDS_BETWEEN = 60.0
# Settings that say when to stop: a training may go on with others.
_ENDS = {"epochs", "seconds", "checkpoints"}
_NUMBERS = "numbers"


@dataclass
class Checkpoint:
    """The file of one training.

    Attributes
    ----------
    path
        Named by a digest of all that the training follows from: rows, settings, first weights, number of processes.
    """

    path: Path
    _saved: float = field(default_factory=time.monotonic)

    @classmethod
    def of(cls, run: TrainingRun, shape: tuple[int, ...], seed: int | None) -> Checkpoint | None:
        """Return that of a training that has not begun; None if none is wanted."""
        import torch

        training = run.training
        if training.checkpoints is None:
            return None
        settings = training.model_dump(mode="json", exclude=_ENDS)
        digest = hashlib.sha256(
            json.dumps(
                [settings, run.loss.name, run.loss.options.model_dump(mode="json"), seed, shape, torch.__version__]
            ).encode()
        )
        digest.update(run.rows.digest())
        for name, tensor in run.network.state_dict().items():
            digest.update(name.encode() + tensor.cpu().numpy().tobytes())
        return cls(Path(training.checkpoints) / f"{digest.hexdigest()[:32]}.npz")

    def resume(self, run: TrainingRun) -> None:
        """Bring a training to where the file has it, if there is one.

        Raises
        ------
        DataError
            If the file is damaged.
        """
        if not self.path.exists():
            return
        try:
            with self.path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                _restore(run, {name: stored[name] for name in stored.files})
        except (
            OSError,
            ValueError,
            KeyError,
            TypeError,
            IndexError,
            RuntimeError,
            EOFError,
            zipfile.BadZipFile,
        ) as error:
            reason = " ".join(str(error).split())[:200]
            raise DataError(f"{self.path}: is a damaged checkpoint ({reason}): remove it to train anew") from error

    def save(self, run: TrainingRun, *, now: bool = False) -> None:
        """Write the file if that is due, in one of the processes that train."""
        if run.peers.rank or not (now or time.monotonic() - self._saved > _SECONDS_BETWEEN):
            return
        with completed(self.path) as temporary:
            np.savez(temporary, **_state(run))  # type: ignore[arg-type]
        self._saved = time.monotonic()


def _state(run: TrainingRun) -> dict[str, np.ndarray]:
    """Return all that the next epoch depends on."""
    plateau = {name: value for name, value in run.scheduler.state_dict().items() if isinstance(value, int | float)}
    numbers = {
        "history": asdict(run.history),
        "best": [run.best.epoch, run.best.loss],
        "plateau": plateau,
        "learning_rate": run.optimiser.param_groups[0]["lr"],
    }
    arrays = {
        _NUMBERS: np.frombuffer(json.dumps(numbers).encode(), np.uint8),
        "shuffle": run.rows.shuffle.get_state().numpy(),
        "ahead": np.array(run.rows.ahead, np.int64),
    }
    arrays |= {f"network.{name}": _plain(tensor) for name, tensor in run.network.state_dict().items()}
    arrays |= {f"best.{name}": _plain(tensor) for name, tensor in run.best.weights.items()}
    for place, of_one in run.optimiser.state_dict()["state"].items():
        arrays |= {f"adam.{place}.{name}": _plain(tensor) for name, tensor in of_one.items()}
    return arrays


def _plain(tensor: torch.Tensor) -> np.ndarray:
    found: np.ndarray = tensor.detach().cpu().numpy()
    return found


def _restore(run: TrainingRun, arrays: Mapping[str, np.ndarray]) -> None:
    import torch

    numbers: dict[str, Any] = json.loads(arrays[_NUMBERS].tobytes())
    network = {name: torch.from_numpy(arrays[f"network.{name}"]) for name in run.network.state_dict()}
    run.network.load_state_dict(network)
    run.best.weights = {name: torch.from_numpy(arrays[f"best.{name}"]) for name in network}
    run.best.epoch, run.best.loss = int(numbers["best"][0]), float(numbers["best"][1])
    adam: dict[int, dict[str, torch.Tensor]] = {}
    for name, values in arrays.items():
        if name.startswith("adam."):
            _, place, what = name.split(".")
            adam.setdefault(int(place), {})[what] = torch.from_numpy(values)
    run.optimiser.load_state_dict({**run.optimiser.state_dict(), "state": adam})
    run.optimiser.param_groups[0]["lr"] = float(numbers["learning_rate"])
    run.scheduler.load_state_dict({name: float(v) if name == "best" else v for name, v in numbers["plateau"].items()})
    run.rows.shuffle.set_state(torch.from_numpy(arrays["shuffle"]))
    run.rows.ahead = arrays["ahead"].tolist()
    run.history = History(**numbers["history"])
    if not all(map(math.isfinite, run.history.learning_rate)):
        raise ValueError("its learning rates are no numbers")
