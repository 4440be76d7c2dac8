"""Hold the settings of a checked configuration, from which training, compression and evaluation work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import Literal

from baler_core.config.yaml_nodes import Problem
from baler_core.data.bounds import BoundRules
from baler_core.data.derived import DerivedRule
from baler_core.data.sentinels import Sentinel
from baler_core.data.targets import Target
from baler_core.errors import ConfigError
from baler_core.machine.records import dataclass
from baler_core.plugin.interfaces import Options, Training

ModelStorage = Literal["inside", "reference"]
RowsOrder = Literal["kept", "free"]
# What a process takes with no block at all, plugins and their libraries included.
_BESIDE = 300 << 20
# A block, with its restored values, integers and streams, takes about so many times its bytes.
_TIMES = 16
_SMALLEST_BLOCK = 1 << 20
# What learning may take of what blocks may; of what those of 64 MB take, where nothing is said.
_SHARE_OF_LEARNING = 0.75
_USUAL_BLOCK = 64_000_000


@dataclass(frozen=True)
class ComponentSpec:
    """A component chosen by name, with its own options, checked."""

    name: str
    options: Options


@dataclass(frozen=True)
class PreprocessSpec:
    """A preprocessor, and the patterns of the variables it changes."""

    name: str
    options: Options
    variables: tuple[str, ...] = ("*",)


@dataclass(frozen=True)
class Config:
    """What a run is to do: every name exists, every option is valid, every input is there.

    Attributes
    ----------
    path
        The file it came from; None if it was made in memory.
    inputs
        The data files, in order, none twice.
    reader
        None where the suffix of each input chooses and no option is set.
    variables
        Patterns of the variables to take; None takes all.
    output
        The folder that results go to.
    block_bytes
        About how much is held in memory and coded at a time.
    plots
        Patterns of the variables to draw.
    model_storage
        Whether compressed files hold what trained models learned, or refer to the file of trained models.
    target
        What the file is to reach, by a factor on all bounds.
    derived
        Quantities computed from the variables that are kept.
    one_of_many
        Whether the input is one of many, which need not have the same variables.
    order
        Whether the order of the rows of tables is kept, or means nothing.
    profile
        The file of trained models that `.bal` files refer to where no other is named.
    chunks
        Lengths along dimensions of what is to be restored by itself.
    memory
        About the most that a process may take; None for what blocks of `block_bytes` need.
    late_marks
        What was found to mark missing values behind the first block, by variable.
    """

    path: Path | None
    inputs: tuple[Path, ...]
    reader: ComponentSpec | None
    variables: tuple[str, ...] | None
    bounds: BoundRules
    preprocess: tuple[PreprocessSpec, ...]
    model: ComponentSpec
    training: Training
    metrics: tuple[ComponentSpec, ...]
    output: Path
    block_bytes: int
    plots: tuple[str, ...] = ("*",)
    model_storage: ModelStorage = "inside"
    target: Target | None = None
    derived: tuple[DerivedRule, ...] = ()
    one_of_many: bool = False
    order: RowsOrder = "kept"
    profile: Path | None = None
    chunks: Mapping[str, int] = field(default_factory=dict)
    memory: int | None = None
    late_marks: Mapping[str, Sentinel] = field(default_factory=dict)

    @property
    def learning_bytes(self) -> float:
        """About how many bytes a process may take for the learning of a model."""
        for_blocks = _TIMES * _USUAL_BLOCK if self.memory is None else self.memory - _BESIDE
        return _SHARE_OF_LEARNING * for_blocks

    def blocks_within(self, memory: int, block: int) -> int:
        """Return how many blocks of so many bytes may be coded at once within what is stated, or else within `memory`."""
        return ((self.memory or memory) - _BESIDE) // (_TIMES * max(1, block))

    def within_memory(self, memory: int) -> Config:
        """Return the same for processes that need no more than about `memory` bytes.

        Raises
        ------
        ConfigError
            If that is less than the smallest blocks need.
        """
        least = _BESIDE + _TIMES * _SMALLEST_BLOCK
        if memory < least:
            raise ConfigError(
                f"{memory / 1e6:.0f} MB of memory are too few, the smallest blocks need {least / 1e6:.0f} MB"
            )
        return replace(self, block_bytes=min(self.block_bytes, (memory - _BESIDE) // _TIMES), memory=memory)


class InvalidConfig(ConfigError):
    """All that is wrong in one configuration file, in the order of its lines."""

    def __init__(self, file: str, problems: Sequence[Problem]) -> None:
        self.file = file
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line))
        lines = [problem.at(file) for problem in self.problems]
        if len(lines) > 1:
            lines = [f"{file}: {len(lines)} problems", *(f"  {line}" for line in lines)]
        super().__init__("\n".join(lines))
