"""Provide the base of metrics that compute one quantity per event from each collection of four-momenta."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from baler_core import Block, Metric, MetricResult, Options, Variable, matching_names
from baler_root.metrics.events import ObjectCollection, find_objects
from baler_root.metrics.spectrum import QuantitySpectrum

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class CollectionOptions(Options):
    """Options of the metrics on collections."""

    collections: tuple[str, ...] = Field(
        default=("*",), description="Patterns of the collections to take, by name (`Jet`, `Muon`)."
    )
    plots: int = Field(default=4, ge=0, description="At most this many collections are drawn, the fullest first.")


class CollectionMetric(Metric):
    """One quantity, event by event, before and after, for every collection whose components have usual names.

    Components are pt, eta, phi and mass or energy, or px, py, pz and energy or mass.
    """

    Options = CollectionOptions
    quantity: str
    """What the quantity of the collection `Jet` is called, with `{}` for the name."""

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self._spectra: dict[str, QuantitySpectrum] = {}

    @abstractmethod
    def compute(
        self, objects: ObjectCollection, original: Block, restored: Block
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """The quantity before and after, float64, one value per event that has it; None if components are missing."""

    def update(self, original: Block, restored: Block, variables: Mapping[str, Variable]) -> None:
        """Take in one block of each."""
        everything = find_objects(original, variables)
        chosen = set(matching_names(self.options.collections, [objects.momentum.name for objects in everything]))
        for objects in everything:
            name = objects.momentum.name
            if name not in chosen:
                continue
            with np.errstate(all="ignore"):
                found = self.compute(objects, original, restored)
            if found is None:
                continue
            units = [variables[variable].units for variable in objects.momentum.variables.values()]
            label = self.quantity.replace("{}", name)
            self._spectra.setdefault(label, QuantitySpectrum(label, next((u for u in units if u), ""))).add(*found)

    def result(self) -> MetricResult:
        """Return statistics by quantity: means, widths, and the differences between restored and original."""
        found = {label: s for label, s in self._spectra.items() if s.original.count or s.skipped}
        return MetricResult(
            {label: spectrum.statistics() for label, spectrum in found.items()},
            {label: spectrum.units for label, spectrum in found.items() if spectrum.units},
        )

    def plots(self) -> Sequence[str]:
        """Return the quantities with most entries."""
        filled = [spectrum for spectrum in self._spectra.values() if spectrum.original.count]
        fullest = sorted(filled, key=lambda spectrum: -spectrum.original.count)
        return [spectrum.label for spectrum in fullest[: self.options.plots]]

    def plot(self, title: str, axes: Axes) -> None:
        """Draw one of them."""
        self._spectra[title].plot(axes)
