"""Define the options of components, the effort of `auto`, and the training of models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from baler_core.plugin.effort import Effort


class Options(BaseModel):
    """Base of every component's options: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)
    renamed: ClassVar[Mapping[str, tuple[str, str]]] = {}
    """Former names of options: `{old: (new, why)}`. Files that state one are read; configurations are told `why`."""

    @model_validator(mode="before")
    @classmethod
    def _with_new_names(cls, stated: Any) -> Any:
        if not isinstance(stated, dict):
            return stated
        return {cls.renamed[key][0] if key in cls.renamed else key: value for key, value in stated.items()}


class AutoOptions(Options):
    """Options of `model: auto`."""

    effort: Effort = Field(default="max", description="How much time to spend on a smaller file.")


Precision = Literal["float32", "bfloat16"]


class Training(BaseModel):
    """How learning models are trained (the `training` section of the configuration)."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    epochs: int = Field(default=1000, ge=1, description="Largest number of passes over the training rows.")
    batch_size: int = Field(default=512, ge=1, description="Rows per training step.")
    learning_rate: float = Field(default=1.0e-3, gt=0, description="Initial step size of the optimiser.")
    seed: int = Field(default=1, ge=0, description="Seed of all random numbers; the same seed gives the same model.")
    seeds: int = Field(
        default=1,
        ge=1,
        description="Networks of torch are trained from so many seeds, `seed` and the next ones; the best is stored.",
    )
    keep: int = Field(
        default=1,
        ge=1,
        description="The errors of so many of the best seeds are reported, as mean ± two standard deviations.",
    )
    loss: str | dict[str, Any] = Field(
        default="mse",
        description="Name of a loss component, or a mapping with its options: `{name: huber, delta: 0.2}`.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="Where to train: `auto` uses a GPU if there is one."
    )
    precision: Precision = Field(
        default="float32",
        description="Of the numbers in networks of torch while they are trained: `bfloat16` is faster on GPUs that have it.",
    )
    early_stopping: int = Field(default=100, ge=1, description="Stop after this many epochs without improvement.")
    patience: int = Field(
        default=50, ge=1, description="Epochs without improvement before the learning rate is lowered."
    )
    validation: float = Field(default=0.1, ge=0, lt=1, description="Fraction of rows set aside to monitor the loss.")
    seconds: float | None = Field(default=None, gt=0, description="Stop training after this many seconds.")
    processes: int = Field(
        default=1,
        ge=1,
        description="Networks of torch are trained by so many processes, each on its part of every batch.",
    )
    checkpoints: str | None = Field(
        default=None,
        min_length=1,
        description="Folder from which a training of networks of torch goes on after a break.",
    )

    @field_validator("loss", mode="before")
    @classmethod
    def _is_named(cls, stated: Any) -> Any:
        if not isinstance(stated, str | dict):
            raise ValueError("wanted the name of a loss, or a mapping {name: ..., option: value}")
        return stated

    @model_validator(mode="after")
    def _keep_within_seeds(self) -> Training:
        if self.keep > self.seeds:
            raise ValueError(f"wanted 'keep' of at most 'seeds', which is {self.seeds}, found {self.keep}")
        return self
