"""A variational autoencoder on rows, whose latents are coded under the prior that it learns with them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field

from baler_core.builtin.models.autoencoder.model import Autoencoder, AutoencoderOptions
from baler_core.builtin.models.autoencoder.networks import NetworkPair
from baler_core.builtin.models.autoencoder.prior import Density, PriorTables
from baler_core.builtin.models.autoencoder.samples import Normalisation, SampleForm
from baler_core.data.variables import Variable
from baler_core.errors import FormatError
from baler_core.plugin.interfaces import Loss, Options, State, Tolerances

if TYPE_CHECKING:
    import torch

# Steps of latents are tried around what a draw from the posterior scatters by.
_POSTERIOR = 8.0
_LEAST_FLOOR = 1e-10


class VariationalOptions(AutoencoderOptions):
    """Options of `variational_autoencoder`."""

    latent_ratio: float = Field(
        default=3.0,
        ge=1,
        description="The paper's R: numbers in a row over its latents, of which it uses as many as pay.",
    )
    latents: int | None = Field(default=None, ge=1, description="How many latents, instead of `latent_ratio`.")
    beta: float = Field(
        default=1.0,
        gt=0,
        description="Weight of the latents' code length against that of the errors; 1 counts both alike.",
    )
    hidden: tuple[int, ...] = Field(
        default=(64, 64), description="Widths of the encoder's layers; the decoder has them in reverse."
    )
    events: bool = Field(
        default=False,
        description="Whether encoder and decoder are told the place of each row in its event, and how many rows that has.",
    )


class VariationalAutoencoder(Autoencoder):
    """A beta-VAE (Kingma and Welling 2013; Higgins et al. 2017) whose loss is the length of the file's code.

    The posterior tells how precisely each latent must be stored, and one that nothing needs costs nothing. Errors count by
    half the logarithm of their mean square (Rybkin et al. 2021). A latent is rounded, not drawn, so that there are no bits
    to get back.
    """

    name: ClassVar[str] = "variational_autoencoder"
    summary: ClassVar[str] = "beta-VAE on rows: latents coded under a learned prior, with bounds"
    Options: ClassVar[type[Options]] = VariationalOptions
    form: ClassVar[SampleForm] = "row"

    def __init__(self, options: object = None) -> None:
        super().__init__(options)
        self._density: Density | None = None
        self._tables: PriorTables | None = None

    def networks(self, shape: tuple[int, ...]) -> tuple[torch.nn.Module, torch.nn.Module]:
        """Encoder and decoder for rows of `shape` (numbers,)."""
        return self.told_networks(shape, 0)

    def tells_events(self) -> bool:
        """Return what the option `events` says."""
        return bool(self.options.events)

    def told_networks(self, shape: tuple[int, ...], told: int) -> tuple[torch.nn.Module, torch.nn.Module]:
        """The same for rows whose first `told` numbers both know."""
        from baler_core.builtin.models.autoencoder.variational_networks import VariationalEncoder, dense

        numbers, hidden = shape[0] - told, self.options.hidden
        latents = self.options.latents or math.ceil(numbers / self.options.latent_ratio)
        return VariationalEncoder([shape[0], *hidden, latents], told), dense([latents + told, *hidden[::-1], numbers])

    def training_loss(
        self, loss: Loss, variables: Sequence[Variable], scaling: Normalisation, tolerances: Tolerances
    ) -> Loss:
        """The length of the code, in which `loss` measures what the decoder misses."""
        from baler_core.builtin.models.autoencoder.variational_networks import CodeLength, CodeLengthOptions

        allowed = [t.value if t.kind == "abs" else 0.0 for t in (tolerances[v.name] for v in variables)]
        with np.errstate(all="ignore"):
            floors = np.square(np.array(allowed) / scaling.width) / 3
        floors = np.clip(np.nan_to_num(floors, nan=0.0), _LEAST_FLOOR, 1.0)
        return CodeLength(loss, CodeLengthOptions(beta=self.options.beta, floors=tuple(floors.tolist())))

    def latent_spread(self, pair: NetworkPair, samples: np.ndarray, latents: np.ndarray) -> np.ndarray:
        """How finely each latent matters: from the mean width of its posterior."""
        import torch

        from baler_core.builtin.models.autoencoder.variational_networks import variational_part

        encoder = variational_part(pair.encoder)
        self._density = encoder.density()
        with torch.no_grad():
            spread = encoder.posterior(torch.from_numpy(samples))[1].double().exp()
        return np.asarray(spread.mean(dim=0).numpy()) * _POSTERIOR

    def take_steps(self, steps: np.ndarray) -> None:
        """Take steps of the latents, and the tables of their prior in these."""
        super().take_steps(steps)
        assert self._density is not None
        self._tables = PriorTables.of(self._density, steps)

    def pack_latents(self, latents: np.ndarray) -> bytes:
        """Rounded latents to bytes, under the prior."""
        assert self._tables is not None
        return self._tables.encoded(latents)

    def unpack_latents(self, data: bytes, shape: tuple[int, ...]) -> np.ndarray:
        """Invert `pack_latents`."""
        if self._tables is None:
            raise FormatError("the prior of latents is missing")
        return self._tables.decoded(data, shape)

    def state(self) -> State:
        """As of any autoencoder, and the prior."""
        return super().state() | ({} if self._tables is None else self._tables.to_state())

    def load_state(self, state: State) -> None:
        """Take up what `state` gave."""
        super().load_state(state)
        if state:
            self._tables = PriorTables.from_state(state)
