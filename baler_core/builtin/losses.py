"""Define training losses: mean squared, mean absolute and Huber error, and the paper's loss with sparse weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from baler_core.plugin.interfaces import Loss, Options

if TYPE_CHECKING:
    import torch


class MeanSquared(Loss):
    """Mean of the squared differences."""

    name: ClassVar[str] = "mse"
    summary: ClassVar[str] = "mean squared error"

    def __call__(self, restored: torch.Tensor, target: torch.Tensor, model: torch.nn.Module) -> torch.Tensor:
        """Scalar, from tensors of equal shape."""
        return (restored - target).square().mean()


class MeanAbsolute(Loss):
    """Mean of the absolute differences."""

    name: ClassVar[str] = "mae"
    summary: ClassVar[str] = "mean absolute error"

    def __call__(self, restored: torch.Tensor, target: torch.Tensor, model: torch.nn.Module) -> torch.Tensor:
        """Scalar, from tensors of equal shape."""
        return (restored - target).abs().mean()


class HuberOptions(Options):
    """Options of `huber`."""

    delta: float = Field(default=0.1, gt=0, description="Quadratic below, linear above; in normalised units.")


class Huber(Loss):
    """Squared for small differences, absolute for large ones (Huber 1964), so that outliers count less."""

    name: ClassVar[str] = "huber"
    summary: ClassVar[str] = "squared error for small differences, absolute for large ones"
    Options: ClassVar[type[Options]] = HuberOptions

    def __call__(self, restored: torch.Tensor, target: torch.Tensor, model: torch.nn.Module) -> torch.Tensor:
        """Scalar, from tensors of equal shape."""
        from torch.nn.functional import huber_loss

        return huber_loss(restored, target, delta=self.options.delta)


class SparseOptions(Options):
    """Options of `mse_sparse`."""

    # The sum over some 60,000 weights is in the thousands, the error of a batch well below 1: at 1e-3 the weights alone would
    # decide what is learned.
    beta: float = Field(default=1.0e-7, ge=0, le=1, description="Weight of the sum of |w| against the error.")


class SparseMeanSquared(Loss):
    """The paper's loss (arXiv 2305.02283, eq. 2.1 and 2.2).

    L = (1 - beta) * sum of squared differences over the mini-batch / number of variables + beta * sum of |w|.
    """

    name: ClassVar[str] = "mse_sparse"
    summary: ClassVar[str] = "the Baler paper's loss: squared error and sparse weights"
    Options: ClassVar[type[Options]] = SparseOptions

    def __call__(self, restored: torch.Tensor, target: torch.Tensor, model: torch.nn.Module) -> torch.Tensor:
        """Scalar, from tensors of shape (rows, variables) and the weights of `model`."""
        from torch.nn.utils import parameters_to_vector

        beta = self.options.beta
        error = (restored - target).square().sum() / target[0].numel()
        weights = parameters_to_vector(model.parameters()).abs().sum()
        return (1 - beta) * error + beta * weights
