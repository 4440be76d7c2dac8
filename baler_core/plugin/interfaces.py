"""The classes that plugin authors subclass: Reader, Preprocessor, Model, Loss and Metric, each with its Options."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypeAlias

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from baler_core.data.bounds import Tolerance
from baler_core.data.formulas import Formula
from baler_core.data.variables import GroupKind, Layout, Schema, Variable

if TYPE_CHECKING:
    import torch
    import xarray as xr
    from matplotlib.axes import Axes

Streams: TypeAlias = dict[str, bytes]
State: TypeAlias = dict[str, np.ndarray]
Tolerances: TypeAlias = Mapping[str, Tolerance]
Estimate: TypeAlias = Mapping[tuple[str, ...], float]
"""Bytes by the names of variables that are coded together."""


class Options(BaseModel):
    """Base of every component's options: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


Effort = Literal["fast", "balanced", "max"]


class AutoOptions(Options):
    """Options of `model: auto`."""

    effort: Effort = Field(default="max", description="How much time to spend on a smaller file.")


class Training(BaseModel):
    """How learning models are trained (the `training` section of the configuration)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: int = Field(default=1000, ge=1, description="Largest number of passes over the training rows.")
    batch_size: int = Field(default=512, ge=1, description="Rows per training step.")
    learning_rate: float = Field(default=1.0e-3, gt=0, description="Initial step size of the optimiser.")
    seed: int = Field(default=1, ge=0, description="Seed of all random numbers; the same seed gives the same model.")
    loss: str = Field(default="mse", description="Name of a loss component.")
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="Where to train: `auto` uses a GPU if there is one."
    )
    early_stopping: int = Field(default=100, ge=1, description="Stop after this many epochs without improvement.")
    patience: int = Field(
        default=50, ge=1, description="Epochs without improvement before the learning rate is lowered."
    )
    validation: float = Field(default=0.1, ge=0, lt=1, description="Fraction of rows set aside to monitor the loss.")
    seconds: float | None = Field(default=None, gt=0, description="Stop training after this many seconds.")


class Component:
    """What all five kinds have in common: a name, options, and one line that says what it does."""

    name: ClassVar[str]
    summary: ClassVar[str] = ""
    Options: ClassVar[type[Options]] = Options

    def __init__(self, options: Any = None) -> None:
        self.options: Any = options if options is not None else self.Options()


@dataclass(frozen=True)
class Settled:
    """What a source makes of the tolerances of its variables.

    Attributes
    ----------
    schema
        The one to store: the same variables and sizes, with a skeleton and attachments that may depend on what is exact.
    tolerances
        None larger than those given: some may be smaller, to leave room for how the restored file writes numbers.
    """

    schema: Schema
    tolerances: Tolerances


class Source(ABC):
    """An open input file. Use as a context manager."""

    schema: Schema
    obstacles: Mapping[str, str] = {}
    """Why variables that one may take for numbers are none (`line 7 holds 'x', which is not a number`), by name."""
    warnings: Sequence[str] = ()
    """What of the file is not in `schema`, and why, one sentence each: shown to the user, and kept in the .bal file."""
    aliases: Mapping[str, str] = {}
    """What users may call variables whose names here are others (`PRIMARY`, for `hdu0`): for hints alone."""
    elsewhere: Sequence[str] = ()
    """What the file only points to, since it lies in other files: shown and kept alike, but nothing that is left out."""

    @abstractmethod
    def blocks(self, max_bytes: int) -> Iterator[xr.Dataset]:
        """The values, as blocks of about `max_bytes` following `leading_slices`; may be called again."""

    def settle(self, tolerances: Tolerances) -> Settled:
        """Take note of how wrong values may become, before `blocks` is asked for them; most formats do not care."""
        return Settled(self.schema, tolerances)

    def close(self) -> None:
        """Release the file."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Sink(ABC):
    """An output file being written. The core gives it a temporary path and renames it once `close` has returned."""

    warnings: Sequence[str] = ()
    """How the finished file differs from the original beyond its values, one sentence each, known once `close` has
    returned; shown to the user."""

    @abstractmethod
    def write(self, block: xr.Dataset) -> None:
        """Append a block; blocks come in the order, and cut the way, `Source.blocks` gave them."""

    @abstractmethod
    def close(self) -> None:
        """Complete the file."""

    def abort(self) -> None:
        """Release everything after a failure; the core removes the temporary file."""


class Reader(Component, ABC):
    """Reads and writes one file format."""

    suffixes: ClassVar[tuple[str, ...]]
    """Lower-case, with the dot (`.root`, `.fits.gz`)."""
    written: ClassVar[tuple[str, ...]] = ()
    """Suffixes of the files it writes, where these are not the ones it reads."""

    @classmethod
    def formulas(cls, names: Sequence[str]) -> Sequence[Formula]:
        """Guesses which of a table's variables, told by their names, follow from others in this field's data.

        They need not be true: a model tests each on the values. Asked of every installed reader, whatever the file.
        """
        return ()

    @abstractmethod
    def open(self, path: Path, variables: Sequence[str] | None = None) -> Source:
        """Open a file without reading values.

        Parameters
        ----------
        variables
            Shell-style patterns of the variables to take; None takes all. A pattern without wildcards that matches
            nothing is a DataError naming the nearest variables.

        Raises
        ------
        DataError
            If the file is missing, damaged or not of this format, or lacks what was asked for.
        """

    @abstractmethod
    def create(self, path: Path, schema: Schema) -> Sink:
        """Start a file at `path` that will be as `schema` (and its skeleton) says."""


class Preprocessor(Component, ABC):
    """A reversible change of variables before the model.

    It need not be exactly invertible: the core checks the bound on the original values and stores what misses it.
    """

    def fit(self, block: xr.Dataset) -> None:
        """Learn from a first block, if there is something to learn."""

    @abstractmethod
    def encode(self, block: xr.Dataset) -> xr.Dataset:
        """The block the model will see: same variables and shapes, any float dtype."""

    @abstractmethod
    def decode(self, block: xr.Dataset) -> xr.Dataset:
        """The inverse of `encode`."""

    def tolerance(self, name: str, tolerance: Tolerance) -> Tolerance:
        """The tolerance of the encoded variable that keeps the original within `tolerance`."""
        return tolerance

    def state(self) -> State:
        """What `fit` learned."""
        return {}

    def load_state(self, state: State) -> None:
        """Take up what `state` gave."""


class Model(Component, ABC):
    """Learns from blocks, then turns a group of variables into named byte streams and back.

    A model aims at the tolerances but is not trusted: the core decodes what it encodes, and stores exactly whatever
    breaks a bound. It must decode without seeing the original: from streams, layout, tolerances, options and state.
    """

    kinds: ClassVar[frozenset[GroupKind]] = frozenset({"table", "grid"})
    automatic: ClassVar[bool] = False
    """Whether `model: auto` may try and choose it."""
    formulas: Sequence[Formula] = ()
    """Guesses about relations between the group's variables, set before `fit`; to be tested before use."""
    for_other_files: bool = False
    """Whether what is learned will serve other files too (`baler train`), set before `fit`."""
    by_reference: bool = False
    """Whether `decode` will have all of the model file, `encoder_state` too, set before `encode`."""
    alone: tuple[xr.Dataset, Mapping[str, float]] | None = None
    """A block, and about the bytes that `scalar` makes of each of its variables; set before `estimate` if known."""
    rival: float = math.inf
    """About the bytes of the block by the best model that was asked before; set before `estimate`."""

    def fit(self, blocks: Iterable[xr.Dataset], *, layout: Layout, tolerances: Tolerances, training: Training) -> None:
        """Learn from blocks (iterable again and again) that hold the group's variables, and the counts of a jagged group.

        `layout` is that of the first block.
        """

    def estimate(self, block: xr.Dataset, layout: Layout, tolerances: Tolerances) -> Estimate | None:
        """About how many bytes `encode` would make of the block, if that is told much faster than by encoding it.

        Told are the bytes of sets of variables that are coded together. Variables that are left out, and sets that
        `scalar` expects to make smaller, count as it expects. None, the default, has `model: auto` encode the block or
        a part of it.
        """
        return None

    @abstractmethod
    def encode(self, block: xr.Dataset, layout: Layout, tolerances: Tolerances) -> Streams:
        """Byte streams by short name, from which `decode` restores the block."""

    @abstractmethod
    def decode(self, streams: Streams, layout: Layout, tolerances: Tolerances) -> xr.Dataset:
        """The restored block: use `layout.build({name: array})`.

        Raises
        ------
        FormatError
            If the streams are damaged; never runs code or allocates beyond what `layout` asks for.
        """

    def state(self) -> State:
        """What was learned, as few small arrays: stored once per file and counted in the compression ratio."""
        return {}

    def encoder_state(self) -> State:
        """What model files hold beyond `state`, and compressed ones do not: what encoding needs, and what both sides may
        lean on where `by_reference` is set.
        """
        return {}

    def gains_by_reference(self) -> bool:
        """Whether files become smaller by referring to the model file; asked after `load_state`."""
        return bool(self.state() or self.encoder_state())

    def load_state(self, state: State) -> None:
        """Take up what `state` gave (and from a model file `encoder_state` too, in one mapping), on any machine."""


class Loss(Component, ABC):
    """What training minimises."""

    @abstractmethod
    def __call__(self, restored: torch.Tensor, target: torch.Tensor, model: torch.nn.Module) -> torch.Tensor:
        """A scalar tensor. `restored` and `target` are (rows, variables), normalised."""


@dataclass(frozen=True)
class MetricResult:
    """What a metric found.

    Attributes
    ----------
    values
        `{variable or quantity: {statistic: number}}`.
    units
        `{variable or quantity: units}` where known.
    """

    values: Mapping[str, Mapping[str, float]]
    units: Mapping[str, str] = field(default_factory=dict)


class Metric(Component, ABC):
    """Compares original and restored values; fed block by block so that files may exceed memory."""

    @abstractmethod
    def update(self, original: xr.Dataset, restored: xr.Dataset, variables: Mapping[str, Variable]) -> None:
        """Take in one block of each; the two hold the same variables and shapes."""

    @abstractmethod
    def result(self) -> MetricResult:
        """What was found over all blocks so far."""

    def plots(self) -> Sequence[str]:
        """Titles of the plots it can draw after `result`; none by default."""
        return ()

    def plot(self, title: str, axes: Axes) -> None:
        """Draw one of them."""


__all__ = [
    "Component",
    "Loss",
    "Metric",
    "MetricResult",
    "Model",
    "Options",
    "Preprocessor",
    "Reader",
    "Settled",
    "Sink",
    "Source",
    "State",
    "Streams",
    "Tolerances",
    "Training",
]
