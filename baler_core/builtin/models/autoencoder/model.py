"""The base of autoencoder models: an author gives two networks; small latents, small weights and bounds come with it."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from baler_core.builtin.models.autoencoder.latents import pack_latents, round_latents, unpack_latents
from baler_core.builtin.models.autoencoder.networks import NetworkPair, built_pair, through
from baler_core.builtin.models.autoencoder.samples import (
    Normalisation,
    SampleForm,
    as_dtype,
    from_samples,
    learned_variables,
    sample_shape,
    scaling_of,
    to_samples,
    training_samples,
)
from baler_core.builtin.models.autoencoder.seeds import Judge, train_seeds
from baler_core.builtin.models.autoencoder.storage import Measured, choose_storage
from baler_core.builtin.models.autoencoder.stored import StoredNetworks
from baler_core.builtin.models.autoencoder.training import seeded
from baler_core.builtin.models.autoencoder.weights import SmallWeights, flat_weights, put_flat_weights
from baler_core.data.block import Block, make_block, values_of
from baler_core.data.bounds import usable
from baler_core.data.seeds import SeedSpread
from baler_core.data.variables import Layout, Variable
from baler_core.entropy.varint import ByteReader, write_sized
from baler_core.errors import DataError, FormatError
from baler_core.machine.optional import need
from baler_core.plugin.interfaces import NO_HINTS, Hints, Model, State, Streams, Tolerances, Training
from baler_core.quantise.residual import decode_residual, encode_residual

if TYPE_CHECKING:
    import torch


# The former name of an option of autoencoders.
LATENT_RATIO: Mapping[str, tuple[str, str]] = {
    "ratio": (
        "latent_ratio",
        "it counts latents, not bytes, and is called 'latent_ratio': write that instead; "
        "what the file is to reach in bytes is 'target: {ratio: ...}'",
    )
}
# Ways of storing are measured on about this many values.
_PROBE_VALUES = 1 << 16


class Autoencoder(Model):
    """A model made of an encoder and a decoder network.

    Subclass it, give it a `name` and a method `networks`, and it codes tables or fields: latents are rounded to
    integers as coarsely as pays, the decoder's weights are rounded to 8-14 bits each, and what the decoder predicts is
    corrected within the tolerances. Variables that must stay exact, missing values and constants do not reach the
    networks. Without bounds, latents and weights are all that is stored.

    Raises
    ------
    MissingPackage
        If torch is not installed, which the extra `networks` brings.
    """

    form: ClassVar[SampleForm] = "row"
    """What one sample is: a `row` of numbers, or an `image` of (variables, height, width)."""

    def __init__(self, options: object = None) -> None:
        super().__init__(options)
        need(f"the model {self.name!r}", "torch")
        self.history: Mapping[str, Sequence[float]] = {}
        self.seed_spread: SeedSpread | None = None
        self._scaling: Normalisation | None = None
        self._weights: SmallWeights | None = None
        self._steps = np.zeros(0)
        self._encoder_weights: np.ndarray | None = None
        self._built: dict[tuple[int, ...], NetworkPair] = {}
        self._building = Lock()

    @abstractmethod
    def networks(self, shape: tuple[int, ...]) -> tuple[torch.nn.Module, torch.nn.Module]:
        """Encoder and decoder for samples of this shape.

        The encoder turns `(samples, *shape)` into `(samples, channels)` or `(samples, channels, ...)`, the decoder turns
        that into `(samples, *shape)` again; values are about 0 .. 1.
        """

    # ---- learning

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
        """Train the networks, then choose how coarsely to store latents and weights by measured bytes."""
        variables = learned_variables(layout, tolerances)
        if not variables or not layout.nbytes:
            return
        shape = sample_shape(layout, variables, self.form)
        scaling = scaling_of(blocks, variables, tolerances)
        samples, total = training_samples(blocks, variables, scaling, tolerances, self.form)
        if not samples.size:
            return
        trained = train_seeds(lambda: built_pair(self.networks, shape, self.name), samples, training, self.name)
        pair, self.history = trained[0].pair, trained[0].history.curves()
        if training.seeds > 1:
            self.seed_spread = Judge(blocks, layout, variables, scaling, tolerances, self.form).spread(
                trained, training.keep
            )
        self._scaling, self._encoder_weights = scaling, flat_weights(pair.encoder)
        self._choose_storage(next(iter(blocks)), layout, tolerances, pair, total)

    def _choose_storage(
        self, block: Block, layout: Layout, tolerances: Tolerances, pair: NetworkPair, total: int
    ) -> None:
        """Take the weights and steps of latents that make the file smallest, measured on the start of a block."""
        variables = learned_variables(layout, tolerances)
        assert self._scaling is not None
        block, layout = probe_of(block, replace(layout, variables=tuple(variables)), self.form)
        samples = to_samples(block, variables, self._scaling, tolerances, self.form)
        latents = through(pair.encoder, samples)

        def measure(weights: SmallWeights, steps: np.ndarray) -> Measured:
            trial = type(self)(self.options)
            trial._scaling, trial._encoder_weights = self._scaling, self._encoder_weights
            trial._weights, trial._steps = weights, steps
            coded = sum(map(len, trial.encode(block, layout, tolerances).values()))
            predictions = trial._predictions(round_latents(latents, steps), layout, variables)
            error = self._free_error(block, predictions, variables, tolerances)
            return Measured(coded * total / len(samples), error)

        chosen = choose_storage(pair.decoder, latents, measure)
        self._weights, self._steps = chosen.weights, chosen.steps

    def _free_error(
        self,
        block: Block,
        predictions: Mapping[str, np.ndarray],
        variables: Sequence[Variable],
        tolerances: Tolerances,
    ) -> float:
        """Mean squared error of the unbounded variables' usable values, in normalised units."""
        assert self._scaling is not None
        errors = []
        for variable, width in zip(variables, self._scaling.width, strict=True):
            values = values_of(block, variable.name)
            good = usable(values, tolerances[variable.name].fill)
            if tolerances[variable.name].kind == "free" and good.any():
                with np.errstate(all="ignore"):
                    difference = (predictions[variable.name][good] - values[good].astype(np.float64)) / width
                errors.append(float(np.nan_to_num(np.square(difference)).mean()))
        return sum(errors)

    # ---- coding

    def encode(
        self, block: Block, layout: Layout, tolerances: Tolerances, *, hints: Hints = NO_HINTS, plan: object = None
    ) -> Streams:
        """Encode as streams `latents` and, where there are bounds, `residual`."""
        variables = learned_variables(layout, tolerances) if self._weights is not None else []
        streams: Streams = {}
        predictions: Mapping[str, np.ndarray] = {}
        if variables and layout.nbytes:
            latents = self._latents(block, layout, variables, tolerances)
            streams["latents"] = pack_latents(latents)
            predictions = self._predictions(latents, layout, variables)
        parts = [
            encode_residual(values_of(block, v.name), _prediction(v, layout, predictions), tolerances[v.name])
            for v in _bounded(layout, tolerances, predictions)
        ]
        if parts:
            streams["residual"] = b"".join(map(write_sized, parts))
        return streams

    def decode(self, streams: Streams, layout: Layout, tolerances: Tolerances) -> Block:
        """The restored block.

        Raises
        ------
        FormatError
            If streams or weights do not fit the layout.
        """
        variables = learned_variables(layout, tolerances) if self._weights is not None else []
        predictions: Mapping[str, np.ndarray] = {}
        if variables and layout.nbytes:
            latent_shape = self._networks_for(sample_shape(layout, variables, self.form)).latents
            count = _sample_count(layout, variables[0], self.form)
            latents = unpack_latents(streams.get("latents", b""), (count, *latent_shape))
            predictions = self._predictions(latents, layout, variables)
        arrays = {v.name: as_dtype(predictions[v.name], v) for v in variables if v.name in predictions}
        reader = ByteReader(streams.get("residual", b""), "the residuals of an autoencoder")
        for v in _bounded(layout, tolerances, predictions):
            prediction = _prediction(v, layout, predictions)
            arrays[v.name] = decode_residual(reader.sized(), prediction, tolerances[v.name], v.numpy_dtype)
        return layout.build(arrays)

    def _latents(self, block: Block, layout: Layout, variables: list[Variable], tolerances: Tolerances) -> np.ndarray:
        """The block's rounded latents: int64, (samples, channels, ...)."""
        if self._encoder_weights is None:
            raise DataError(
                f"this {self.name} was stored for restoring only, without its encoder: compress with a model file "
                "that `baler train` wrote"
            )
        assert self._scaling is not None
        encoder = self._networks_for(sample_shape(layout, variables, self.form)).encoder
        samples = to_samples(block, variables, self._scaling, tolerances, self.form)
        return round_latents(through(encoder, samples), self._steps)

    def _predictions(self, latents: np.ndarray, layout: Layout, variables: list[Variable]) -> Mapping[str, np.ndarray]:
        """What the decoder makes of rounded latents: float64 by variable, alike when encoding and decoding."""
        assert self._scaling is not None
        if self._scaling.low.size != len(variables):
            raise FormatError(f"an autoencoder for {self._scaling.low.size} variables meets {len(variables)}")
        shape = sample_shape(layout, variables, self.form)
        decoder = self._networks_for(shape).decoder
        steps = self._steps.reshape(-1, *[1] * (latents.ndim - 2))
        restored = through(decoder, latents * steps, per_sample=math.prod(shape))
        return from_samples(restored, layout, variables, self._scaling, self.form)

    # ---- networks

    def _networks_for(self, shape: tuple[int, ...]) -> NetworkPair:
        """Return the networks for samples of a shape, with the stored weights."""
        with self._building:
            if shape not in self._built:
                self._built[shape] = self._build(shape)
            return self._built[shape]

    def _build(self, shape: tuple[int, ...]) -> NetworkPair:
        import torch

        assert self._weights is not None
        # On the device meta nothing is allocated: a damaged file cannot ask for a giant.
        with torch.device("meta"):
            _, sketch = self.networks(shape)
        if not self._weights.fits(sketch):
            raise FormatError(f"the stored weights of {self.name} do not fit samples of shape {shape}")
        with seeded(0):
            pair = built_pair(self.networks, shape, self.name)
        if pair.latents[0] != self._steps.size:
            raise FormatError(f"{self.name} has steps for {self._steps.size} latents and needs {pair.latents[0]}")
        self._weights.put_into(pair.decoder)
        if self._encoder_weights is not None:
            put_flat_weights(pair.encoder, self._encoder_weights)
        return pair

    def stored_networks(self, layout: Layout, tolerances: Tolerances) -> StoredNetworks | None:
        """Return the networks with the weights that are stored, and what stands around them; None if nothing was learned."""
        variables = learned_variables(layout, tolerances)
        if self._weights is None or self._scaling is None or not variables:
            return None
        shape = sample_shape(layout, variables, self.form)
        has_encoder, pair = self._encoder_weights is not None, self._networks_for(shape)
        names = tuple(variable.name for variable in variables)
        return StoredNetworks(pair, has_encoder, shape, names, self._scaling, self._steps, self.form)

    # ---- state

    def state(self) -> State:
        """Decoder weights (int8 or int16), their scales, steps of the latents, normalisation."""
        if self._weights is None or self._scaling is None:
            return {}
        return {
            "weights": self._weights.integers,
            "scales": self._weights.scales,
            "steps": self._steps,
            "low": self._scaling.low,
            "width": self._scaling.width,
        }

    def encoder_state(self) -> State:
        """Encoder weights: float32."""
        return {} if self._encoder_weights is None else {"encoder": self._encoder_weights}

    def load_state(self, state: State) -> None:
        """Take up what `state`, and for compressing `encoder_state`, gave.

        Raises
        ------
        FormatError
            If something is missing or impossible.
        """
        if not state:
            return
        try:
            self._weights = SmallWeights(state["weights"], state["scales"]).checked()
            self._scaling = Normalisation(state["low"], state["width"]).checked()
            self._steps = state["steps"]
        except KeyError as error:
            raise FormatError(f"the state of {self.name} lacks {error}") from error
        if self._steps.dtype != np.float64 or self._steps.ndim != 1 or not np.isfinite(self._steps).all():
            raise FormatError(f"the steps of the latents of {self.name} are damaged")
        self._encoder_weights = state.get("encoder")


def _sample_count(layout: Layout, variable: Variable, form: SampleForm) -> int:
    shape = layout.shape(variable)
    return math.prod(shape[:-2]) if form == "image" else shape[0]


def probe_of(block: Block, layout: Layout, form: SampleForm) -> tuple[Block, Layout]:
    """The first samples of a block, enough to measure on."""
    dims = layout.variables[0].dims
    rows = max(1, _PROBE_VALUES // max(1, layout.nbytes // (8 * layout.sizes[dims[0]])))
    if rows >= layout.sizes[dims[0]] or (form == "image" and len(dims) == 2):
        return block, layout
    part = {v.name: (v.dims, values_of(block, v.name)[:rows]) for v in layout.variables}
    return make_block(part), replace(layout, sizes={**layout.sizes, dims[0]: rows})


def _bounded(layout: Layout, tolerances: Tolerances, predictions: Mapping[str, np.ndarray]) -> list[Variable]:
    """The variables that need more than a prediction: all but those under no bound at all."""
    return [v for v in layout.variables if tolerances[v.name].kind != "free" or v.name not in predictions]


def _prediction(variable: Variable, layout: Layout, predictions: Mapping[str, np.ndarray]) -> np.ndarray:
    known = predictions.get(variable.name)
    return known if known is not None else np.zeros(layout.shape(variable))
