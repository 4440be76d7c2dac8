"""Define the classes that plugin authors subclass beside readers: Preprocessor, Model, Loss and Metric."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, ClassVar, SupportsBytes, TypeAlias

import numpy as np

from baler_core.data.bounds import Tolerance
from baler_core.data.formulas import Formula
from baler_core.data.part import Part
from baler_core.data.variables import GroupKind, Layout, Variable
from baler_core.machine.cached import cached_property
from baler_core.machine.records import dataclass
from baler_core.plugin.effort import Effort, StatedEffort
from baler_core.plugin.late_options import options_at

if TYPE_CHECKING:
    import torch
    from matplotlib.axes import Axes

    from baler_core.data.block import Block
    from baler_core.plugin.options import AutoOptions, Options, Training

Streams: TypeAlias = dict[str, bytes]
State: TypeAlias = dict[str, np.ndarray]
Tolerances: TypeAlias = Mapping[str, Tolerance]


def __getattr__(name: str) -> Any:
    """What checks options, imported when asked for: it takes long to load, and restoring a file rarely needs it."""
    if name not in ("AutoOptions", "Options", "Training"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from baler_core.plugin import options

    return getattr(options, name)


class Component:
    """Base of all five kinds: a name, options, and a one-line summary."""

    name: ClassVar[str]
    summary: ClassVar[str] = ""
    Options: ClassVar[type[Options]] = options_at("baler_core.plugin.options:Options")

    def __init__(self, options: Any = None) -> None:
        self.stated: Any = options

    @cached_property
    def options(self) -> Any:
        """The options that were stated, or else the default ones."""
        if isinstance(self.stated, StatedEffort):
            return self.Options.model_validate(self.stated._asdict())
        return self.Options() if self.stated is None else self.stated


class Preprocessor(Component, ABC):
    """A reversible change of variables before the model.

    It need not be exactly invertible: the core checks the bound on the original values and stores what misses it.
    """

    def fit(self, block: Block) -> None:
        """Learn from a first block, if there is something to learn."""

    @abstractmethod
    def encode(self, block: Block) -> Block:
        """Return the block the model will see: same variables and shapes, any float dtype."""

    @abstractmethod
    def decode(self, block: Block) -> Block:
        """Return the inverse of `encode`."""

    def tolerance(self, name: str, tolerance: Tolerance) -> Tolerance:
        """Return the tolerance of the encoded variable that keeps the original within `tolerance`."""
        return tolerance

    def state(self) -> State:
        """Return what `fit` learned."""
        return {}

    def load_state(self, state: State) -> None:
        """Take up what `state` gave."""


@dataclass(frozen=True)
class Hints:
    """What the core knows beyond a block and its tolerances, and a model may use; every field may be left at its default.

    Attributes
    ----------
    formulas
        Guesses about relations between the group's variables, to be tested before use.
    for_other_files
        Whether what `fit` learns will serve other files too (`baler train`).
    by_reference
        Whether the decoder will have loaded `encoder_state` beside `state`, as the file refers to a model file.
    baseline
        About the bytes that `scalar` makes of each variable of this block; empty if nobody has asked it.
    rival
        About the bytes that the best model asked before makes of the group's first block; infinite if there is none.
    plain
        Returns what `scalar` makes of this block with an effort, made once for all that ask; None if it must be made anew.
    chunks
        Lengths by dimension of pieces that the user wants to restore by themselves; a model need not follow.
    memory
        About how many bytes `fit` may take beside the blocks that it is given: it may look at fewer values.
    """

    formulas: Sequence[Formula] = ()
    for_other_files: bool = False
    by_reference: bool = False
    baseline: Mapping[str, float] = field(default_factory=dict)
    rival: float = math.inf
    plain: Callable[[Effort], Streams] | None = None
    chunks: Mapping[str, int] = field(default_factory=dict)
    memory: float = math.inf

    def elsewhere(self) -> Hints:
        """Return what holds for other blocks of the group, too."""
        return replace(self, baseline={}, plain=None)


NO_HINTS = Hints()
"""Nothing but what the block itself shows."""


@dataclass(frozen=True)
class Estimate:
    """About how many bytes a model would make of a block.

    Attributes
    ----------
    sizes
        Bytes by the names of variables that are coded together. Variables that are left out, and sets that `scalar`
        expects to make smaller, count as it expects.
    plan
        Whatever the model found out meanwhile; given back with the same block to `fit` and `encode`.
    refined
        Of a rough estimate, what makes a closer one, given what other models expect; None where there is none closer. It is
        asked for where this model may be the smallest.
    leeway
        How many times smaller than the rough estimate the closer one may be.
    """

    sizes: Mapping[tuple[str, ...], float]
    plan: object = None
    refined: Callable[[float], Estimate] | None = None
    leeway: float = 1.0

    @property
    def total(self) -> float:
        """Bytes of all sets."""
        return sum(self.sizes.values())


class Model(Component, ABC):
    """Learns from blocks, then turns a group of variables into named byte streams and back.

    A model aims at the tolerances but is not trusted: the core decodes what it encodes, and stores exactly whatever
    breaks a bound. It must decode without seeing the original: from streams, layout, tolerances, options and state.

    Only `fit` and `load_state` change a model. Once one of them has returned, `estimate`, `encode` and `decode` may be
    called by several threads at once; what they need of each other they get as arguments.
    """

    kinds: ClassVar[frozenset[GroupKind]] = frozenset({"table", "grid"})
    automatic: ClassVar[bool] = False
    """Whether it may be tried and chosen where a configuration says `auto`."""
    takes_scales: ClassVar[bool] = False
    """Whether it restores first what tolerances of kind `each` follow from (`Tolerance.scale`), where that is in the
    same group. Others are given such variables in a group apart, divided by their tolerances."""

    cuts_chunks: ClassVar[bool] = False
    """Whether it follows `Hints.chunks`. Of others a warning says that they restore a group as a whole."""
    takes_fewer: ClassVar[bool] = False
    """Whether one that `load_state` gave a model file can code groups that lack some of the variables in that."""

    def fit(
        self,
        blocks: Iterable[Block],
        *,
        layout: Layout,
        tolerances: Tolerances,
        training: Training,
        hints: Hints = NO_HINTS,
        plan: object = None,
    ) -> None:
        """Learn from blocks (iterable again and again) that hold the group's variables, and the counts of a jagged group.

        Parameters
        ----------
        layout
            That of the first block.
        plan
            `Estimate.plan` of the first block, if that was estimated.
        """

    def estimate(
        self, block: Block, layout: Layout, tolerances: Tolerances, *, hints: Hints = NO_HINTS
    ) -> Estimate | None:
        """Estimate the bytes that `encode` would make of the block, if that is much faster than encoding it.

        Returns
        -------
        None, the default, to have `model: auto` encode the block or a part of it instead.
        """
        return None

    @abstractmethod
    def encode(
        self, block: Block, layout: Layout, tolerances: Tolerances, *, hints: Hints = NO_HINTS, plan: object = None
    ) -> Streams:
        """Encode the block as byte streams by short name, from which `decode` restores it.

        Parameters
        ----------
        plan
            `Estimate.plan` of this very block, if it was estimated under the same tolerances; None otherwise.
        """

    @abstractmethod
    def decode(self, streams: Streams, layout: Layout, tolerances: Tolerances) -> Block:
        """Restore the block: use `layout.build({name: array})`.

        Whether the file refers to a model file is known from what `load_state` was given.

        Raises
        ------
        FormatError
            If the streams are damaged; never runs code or allocates beyond what `layout` asks for.
        """

    def decode_part(
        self, streams: Mapping[str, SupportsBytes], layout: Layout, tolerances: Tolerances, part: Part
    ) -> Mapping[str, np.ndarray]:
        """Restore some variables, or a region of them, bit for bit as `decode` would.

        Models that can restore a part for less than the whole define this, and may return further variables.

        Parameters
        ----------
        streams
            As for `decode`; `bytes` reads one.

        Raises
        ------
        FormatError
            If what is needed of the streams is damaged.
        """
        decoded = self.decode({name: bytes(stream) for name, stream in streams.items()}, layout, tolerances)
        wanted = [variable for variable in layout.variables if variable.name in part.names]
        return {v.name: part.cut(np.asarray(decoded.variables[v.name].values), v) for v in wanted}

    def state(self) -> State:
        """Return what was learned, as few small arrays: stored once per file and counted in the compression ratio."""
        return {}

    def encoder_state(self) -> State:
        """Return what model files hold beyond `state`, and compressed ones do not.

        That is what encoding needs, and what both sides may lean on where `Hints.by_reference` is set.
        """
        return {}

    def gains_by_reference(self) -> bool:
        """Return whether files become smaller by referring to the model file; asked after `load_state`."""
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
    def update(self, original: Block, restored: Block, variables: Mapping[str, Variable]) -> None:
        """Take in one block of each; the two hold the same variables and shapes."""

    @abstractmethod
    def result(self) -> MetricResult:
        """Return what was found over all blocks so far."""

    def plots(self) -> Sequence[str]:
        """Return titles of the plots it can draw after `result`; none by default."""
        return ()

    def plot(self, title: str, axes: Axes) -> None:
        """Draw one of them."""


__all__ = [
    "NO_HINTS",
    "AutoOptions",
    "Component",
    "Effort",
    "Estimate",
    "Hints",
    "Loss",
    "Metric",
    "MetricResult",
    "Model",
    "Options",
    "Preprocessor",
    "State",
    "Streams",
    "Tolerances",
    "Training",
]
