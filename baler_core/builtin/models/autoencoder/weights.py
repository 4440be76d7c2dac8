"""A network's weights as small integers and back: one scale per tensor, the same numbers for encoder and decoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from baler_core.errors import FormatError
from baler_core.machine.records import dataclass

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class SmallWeights:
    """Weights of a network in the order of its `state_dict`.

    Attributes
    ----------
    integers
        int8 or int16, all tensors one after the other.
    scales
        float32, one per tensor: weight = scale * integer.
    """

    integers: np.ndarray
    scales: np.ndarray

    @classmethod
    def of(cls, network: torch.nn.Module, bits: int) -> SmallWeights:
        """The weights of a network, rounded to `bits` bits each (2 to 16), sign included."""
        tensors = [tensor.detach().cpu().numpy().ravel() for tensor in _float_tensors(network).values()]
        limit = 2 ** (bits - 1) - 1
        largest = [float(np.abs(tensor).max(initial=0.0)) for tensor in tensors]
        scales = np.array([size / limit if size > 0 else 1.0 for size in largest], np.float32)
        rounded = [np.rint(tensor / scale).clip(-limit, limit) for tensor, scale in zip(tensors, scales, strict=True)]
        integers = np.concatenate([*rounded, np.zeros(0)])
        return cls(integers.astype(np.int8 if bits <= 8 else np.int16), scales)

    def checked(self) -> SmallWeights:
        """Itself.

        Raises
        ------
        FormatError
            If the arrays, from a file, cannot be weights.
        """
        fits = self.integers.dtype in (np.int8, np.int16) and self.integers.ndim == 1
        if not (fits and self.scales.dtype == np.float32 and self.scales.ndim == 1 and np.isfinite(self.scales).all()):
            raise FormatError("the weights of a network are damaged")
        return self

    def fits(self, network: torch.nn.Module) -> bool:
        """Whether they are the weights of a network of this shape (which may be on the device `meta`)."""
        tensors = _float_tensors(network).values()
        return len(tensors) == self.scales.size and sum(t.numel() for t in tensors) == self.integers.size

    def put_into(self, network: torch.nn.Module) -> None:
        """Give a network these weights, as float64: its results then hardly depend on the machine."""
        import torch

        network.double()
        start = 0
        for tensor, scale in zip(_float_tensors(network).values(), self.scales, strict=True):
            integers = self.integers[start : start + tensor.numel()].astype(np.float64)
            with torch.no_grad():
                tensor.copy_(torch.from_numpy(integers * float(scale)).reshape(tensor.shape))
            start += tensor.numel()
        network.eval()


def flat_weights(network: torch.nn.Module) -> np.ndarray:
    """All weights of a network: float32, 1-D."""
    tensors = _float_tensors(network).values()
    return np.concatenate([*(tensor.detach().cpu().numpy().ravel() for tensor in tensors), np.zeros(0, np.float32)])


def put_flat_weights(network: torch.nn.Module, weights: np.ndarray) -> None:
    """Inverse of `flat_weights`.

    Raises
    ------
    FormatError
        If the number of weights differs.
    """
    import torch

    tensors = _float_tensors(network).values()
    if weights.shape != (sum(tensor.numel() for tensor in tensors),) or weights.dtype != np.float32:
        raise FormatError("the weights of an encoder do not fit its network")
    pieces = np.split(weights, np.cumsum([tensor.numel() for tensor in tensors])[:-1])
    with torch.no_grad():
        for tensor, piece in zip(tensors, pieces, strict=False):
            tensor.copy_(torch.from_numpy(piece.copy()).reshape(tensor.shape))
    network.eval()


def _float_tensors(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Weights, and what layers such as normalisations have counted; not their counters."""
    return {name: tensor for name, tensor in network.state_dict().items() if tensor.is_floating_point()}
