"""Shorten how a file is compressed to what a sample is coded by: little effort, short trainings."""

from __future__ import annotations

from dataclasses import replace

from baler_core.builtin.models.autoencoder.model import Autoencoder
from baler_core.config import ComponentSpec, Config
from baler_core.config.checker import AUTO
from baler_core.machine.records import dataclass
from baler_core.plugin.interfaces import AutoOptions
from baler_core.plugin.registry import Registry

_EPOCHS = 30


@dataclass(frozen=True)
class Brief:
    """How samples are coded.

    Attributes
    ----------
    config
        As the file will be, but for trainings, which are short.
    quick
        The same with little effort; the same object where there is no effort to save.
    seconds
        How many times as long the trainings of the file may take.
    told
        What this leaves open, one sentence each.
    """

    config: Config
    quick: Config
    seconds: float = 1.0
    told: tuple[str, ...] = ()

    @classmethod
    def of(cls, config: Config, registry: Registry) -> Brief:
        """Shorten a configuration."""
        name, options, training = config.model.name, config.model.options, config.training
        if name != AUTO and issubclass(registry.model(name), Autoencoder):
            short = training.model_copy(
                update={"epochs": min(_EPOCHS, training.epochs), "seeds": 1, "keep": 1, "checkpoints": None}
            )
            config = replace(config, training=short)
            longer = training.epochs * training.seeds / short.epochs
            if longer <= 1:
                return cls(config, config)
            told = (
                f"{name} was trained for {short.epochs} epochs of {training.epochs:,}, once: a full training may halve "
                "the file, or make it larger where no bound asks for residuals"
            )
            return cls(config, config, longer, (told,))
        if name == AUTO and not isinstance(options, AutoOptions):
            options = AutoOptions()
        if getattr(options, "effort", "fast") == "fast":
            return cls(config, config)
        return cls(config, replace(config, model=ComponentSpec(name, options.model_copy(update={"effort": "fast"}))))
