"""A file of trained models, and which of them fits a group of another file."""

from __future__ import annotations

from pathlib import Path

from baler_core.dataset import Layout
from baler_core.decode import BalFile
from baler_core.interfaces import Model
from baler_core.plugins import Registry
from baler_core.preprocess import Pipeline


class TrainedModels:
    """Models and preprocessors that `train` stored.

    Raises
    ------
    FormatError
        If the file is damaged or holds no models.
    """

    def __init__(self, path: Path, registry: Registry) -> None:
        with BalFile(path, registry) as stored:
            self.pipeline: Pipeline = stored.pipeline
            self._models: dict[tuple[str, tuple[tuple[str, str], ...]], Model] = {}
            for number, group in enumerate(stored.header.groups):
                variables = [stored.header.schema.variables[place] for place in group.variables]
                signature = tuple((v.name, v.dtype) for v in variables)
                self._models[group.kind, signature] = stored.model(number, 0)

    def model_for(self, layout: Layout) -> Model | None:
        """The model trained on a group of the same variables and dtypes; None if there is none."""
        return self._models.get((layout.kind, tuple((v.name, v.dtype) for v in layout.variables)))
