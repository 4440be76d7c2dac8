"""Hold what a trained autoencoder is made of, for those who take its networks elsewhere."""

from __future__ import annotations

import numpy as np

from baler_core.builtin.models.autoencoder.networks import NetworkPair
from baler_core.builtin.models.autoencoder.samples import Normalisation, SampleForm
from baler_core.machine.records import dataclass


@dataclass(frozen=True)
class StoredNetworks:
    """Networks with the weights of a file.

    Attributes
    ----------
    pair
        Encoder and decoder; the weights of an encoder mean nothing without `has_encoder`.
    shape
        Of one sample.
    names
        The variables that make it, in this order.
    scaling, steps
        The normalisation of these variables; float64, one step per channel of the latents.
    """

    pair: NetworkPair
    has_encoder: bool
    shape: tuple[int, ...]
    names: tuple[str, ...]
    scaling: Normalisation
    steps: np.ndarray
    form: SampleForm

    def per_number(self) -> tuple[np.ndarray, np.ndarray]:
        """Return minimum and width for each number of a sample: float64, shapes that broadcast against it."""
        if self.form != "row":
            axes = [1] * (len(self.shape) - 1)
            low, width = (each.reshape(-1, *axes) for each in (self.scaling.low, self.scaling.width))
            return low, width
        points = self.shape[0] // len(self.names)
        return self.scaling.low.repeat(points), self.scaling.width.repeat(points)
