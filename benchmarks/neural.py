"""Prints what networks make of tables and fields at the same bound as the models that `auto` chooses from.

Every byte of the file counts; what the file holds of decoder, prior or flow is stated beside. The bound is checked on the values of
the file, opened again. Tables and fields are drawn from a seed; with a folder of research data (`hep/NanoAODv5_sample.root`,
`hep/jets_pythia24.root`, `cfd/CFD_animation.npz`, where present) its jets and its flow follow.

    python benchmarks/neural.py [--epochs 40] [--rows 20000] [--data FOLDER]
        [--effort max] [--only WORD] [--model NAME]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import baler_core
from baler_core.format.file_info import read_info

BOUNDS = (1e-3, 1e-2)
OF_TABLES: dict[str, Any] = {
    "table": {"name": "table"},
    "normalizing_flow": {"name": "normalizing_flow"},
    "dense_autoencoder": {"name": "dense_autoencoder", "latent_ratio": 3.0},
    "variational_autoencoder": {"name": "variational_autoencoder"},
}
OF_FIELDS: dict[str, Any] = {
    "transform": {"name": "transform"},
    "predictive": {"name": "predictive"},
    "conv_autoencoder": {"name": "conv_autoencoder"},
    "conv_autoencoder, 3-D": {"name": "conv_autoencoder", "dimensions": 3},
    "dense_autoencoder": {"name": "dense_autoencoder", "latent_ratio": 100.0},
    "variational_autoencoder": {"name": "variational_autoencoder", "latent_ratio": 100.0},
}


@dataclass(frozen=True)
class Subject:
    """Arrays of one file, and the models that are tried."""

    title: str
    arrays: dict[str, np.ndarray]
    models: dict[str, Any]
    batch: int

    @property
    def values(self) -> int:
        """How many bytes they have."""
        return sum(values.nbytes for values in self.arrays.values())


@dataclass(frozen=True)
class Task:
    """One measurement."""

    name: str
    bound: float
    epochs: int
    effort: str

    def model(self, subject: Subject) -> dict[str, Any]:
        """The model and its options."""
        stated = subject.models[self.name]
        return stated if "autoencoder" in stated["name"] else stated | {"effort": self.effort}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=40, help="of every training; of flows four times as many")
    parser.add_argument("--rows", type=int, default=20_000, help="rows of tables at most")
    parser.add_argument("--data", type=Path, help="folder of research data")
    parser.add_argument("--effort", default="max", choices=["balanced", "max"], help="of the models that have one")
    parser.add_argument("--only", default="", help="subjects with this word in their titles")
    parser.add_argument("--model", default="", help="models with this word in their names")
    given = parser.parse_args()
    print("| data | bound, of the range | model | bytes | learned, in them | largest error / bound | seconds |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for subject in subjects(given.rows, given.data):
            for bound in BOUNDS if given.only in subject.title else ():
                for name in (name for name in subject.models if given.model in name):
                    task = Task(name, bound, given.epochs, given.effort)
                    print(measured(subject, task, Path(folder)), flush=True)


def subjects(rows: int, data: Path | None) -> Iterator[Subject]:
    """Tables and fields, drawn first."""
    yield Subject("table, drawn", drawn_table(rows), OF_TABLES, 512)
    yield Subject("field, drawn", {"u": drawn_field()}, OF_FIELDS, 8)
    jets = {"NanoAOD jets": ("NanoAODv5_sample.root", "Jet_"), "Pythia jets": ("jets_pythia24.root", "Jet_")}
    for title, (name, prefix) in jets.items():
        if data is not None and (data / "hep" / name).exists():
            yield Subject(title, jets_of(data / "hep" / name, prefix, rows), OF_TABLES, 512)
    flow = None if data is None else data / "cfd" / "CFD_animation.npz"
    if flow is not None and flow.exists():
        yield Subject("CFD flow", {"data": np.load(flow)["data"].astype("<f4")}, OF_FIELDS, 8)


def drawn_table(rows: int) -> dict[str, np.ndarray]:
    """Eight measurements, each with noise of its own, of two numbers that are not in the table."""
    random = np.random.default_rng(20)
    a, b = random.normal(size=(2, rows))
    clean = [a, b, np.tanh(a + b), a * b, np.exp((a - b) / 3), np.sin(2 * a), np.hypot(a, b), np.abs(b)]
    return {f"x{k}": (x + 0.05 * random.normal(size=rows)).astype("<f4") for k, x in enumerate(clean)}


def drawn_field() -> np.ndarray:
    """Waves that drift and meet, 64 frames of 48 x 64, and a little noise."""
    random = np.random.default_rng(21)
    t, y, x = np.indices((64, 48, 64))
    waves = sum(
        np.sin(0.02 * k * x * random.normal() + 0.03 * k * y * random.normal() + 0.1 * t + 6 * random.random()) / k
        for k in range(1, 9)
    )
    return np.asarray(waves + 0.001 * random.normal(size=t.shape)).astype("<f4")


def jets_of(path: Path, prefix: str, rows: int) -> dict[str, np.ndarray]:
    """Variables of jets as a flat table."""
    import awkward as ak
    import uproot

    tree = uproot.open(path)["Events"]
    arrays = {name: tree[name].array() for name in tree.keys() if name.startswith(prefix)}  # noqa: SIM118
    flat = {name: ak.to_numpy(ak.flatten(array)) for name, array in arrays.items() if array.ndim == 2}
    return {name: values[:rows] for name, values in flat.items() if values.dtype.kind == "f"}


def measured(subject: Subject, task: Task, folder: Path) -> str:
    """One row of the table."""
    source, output, model = folder / f"{subject.title}.npz", folder / "out.bal", task.model(subject)
    np.savez(source, **subject.arrays)
    # each variable is named, so that the bound holds for all, counts too
    bounds = {variable: {"range": task.bound} for variable in subject.arrays}
    # a flow learns in many small steps
    epochs, batch = (4 * task.epochs, 256) if "flow" in task.name else (task.epochs, subject.batch)
    training = {"epochs": epochs, "batch_size": batch, "learning_rate": 3e-3, "patience": epochs // 8}
    began = time.perf_counter()
    done = baler_core.compress(source, output, bounds=bounds, model=model, training=training, overwrite=True)
    seconds = time.perf_counter() - began
    restored = baler_core.open(output)
    worst = max(worst_error(values, np.asarray(restored[v].values), task.bound) for v, values in subject.arrays.items())
    kind = task.name if set(done.models.values()) == {model["name"]} else f"{task.name} (gave way)"
    learned = read_info(output).state_bytes
    return f"| {subject.title} | {task.bound:g} | {kind} | {done.file_bytes:,} | {learned:,} | {worst:.3f} | {seconds:.0f} |"


def worst_error(before: np.ndarray, after: np.ndarray, bound: float) -> float:
    """Largest error of a variable, over what the bound allows."""
    width = float(np.nanmax(before)) - float(np.nanmin(before))
    largest = float(np.nanmax(np.abs(after.astype(np.float64) - before)))
    return largest / (bound * width) if width else largest


if __name__ == "__main__":
    main()
