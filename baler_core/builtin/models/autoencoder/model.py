"""The base of autoencoder models: an author gives two networks; small latents, small weights and bounds come with it."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from pydantic import Field

from baler_core.builtin.models.autoencoder.corrections import bounded, free_error, prediction_of, probe_of, residuals_of
from baler_core.builtin.models.autoencoder.latents import pack_latents, round_latents, spread_of, unpack_latents
from baler_core.builtin.models.autoencoder.networks import NetworkPair, built_pair, through
from baler_core.builtin.models.autoencoder.pruning import prune
from baler_core.builtin.models.autoencoder.samples import (
    Normalisation,
    SampleForm,
    as_dtype,
    block_layout,
    check_form,
    from_samples,
    learned_variables,
    places_in_events,
    sample_count,
    sample_shape,
    survey,
    to_samples,
    training_rows,
)
from baler_core.builtin.models.autoencoder.seeds import Judge, SeedTask, train_seeds
from baler_core.builtin.models.autoencoder.storage import Measured, choose_storage
from baler_core.builtin.models.autoencoder.stored import StoredNetworks
from baler_core.builtin.models.autoencoder.weights import SmallWeights, flat_weights, put_flat_weights
from baler_core.builtin.training.run import loss_of, seeded
from baler_core.data.block import Block, values_of
from baler_core.data.seeds import SeedSpread
from baler_core.data.variables import Layout, Variable
from baler_core.entropy.varint import ByteReader, write_sized
from baler_core.errors import DataError, FormatError
from baler_core.machine.optional import need
from baler_core.plugin.interfaces import NO_HINTS, Hints, Loss, Model, Options, State, Streams, Tolerances, Training
from baler_core.quantise.residual import decode_residual, encode_plainly

if TYPE_CHECKING:
    import torch


class AutoencoderOptions(Options):
    """Options of the core's autoencoders."""

    renamed: ClassVar[Mapping[str, tuple[str, str]]] = {
        "ratio": (
            "latent_ratio",
            "it counts latents, not bytes, and is called 'latent_ratio': write that instead; "
            "what the file is to reach in bytes is 'target: {ratio: ...}'",
        )
    }

    decoder_bytes: int = Field(
        default=50_000,
        ge=1_000,
        description="Bytes of the decoder in the file at most: of a larger one, the smallest weights become 0, and the "
        "others learn on for a quarter of the epochs.",
    )


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
    """What one sample is: a `row` of numbers; a `series`, an `image` or a `volume` of the variables along the last one, two
    or three dimensions."""

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

    # ---- what subclasses may change

    def tells_events(self) -> bool:
        """Return whether `told_networks` are used where rows belong to events."""
        return False

    def told_networks(self, shape: tuple[int, ...], told: int) -> tuple[torch.nn.Module, torch.nn.Module]:
        """Encoder and decoder for rows of `shape`, whose first `told` numbers the decoder knows: these stand before its latents.

        The decoder returns the others alone.
        """
        raise NotImplementedError(f"{self.name} has no networks that are told of events")

    def sample_form(self) -> SampleForm:
        """Return what one sample is; `form`, unless options change it."""
        return self.form

    def training_loss(
        self, loss: Loss, variables: Sequence[Variable], scaling: Normalisation, tolerances: Tolerances
    ) -> Loss:
        """Return what training minimises, from the loss that the user names."""
        return loss

    def latent_spread(self, pair: NetworkPair, samples: np.ndarray, latents: np.ndarray) -> np.ndarray:
        """Return what steps of latents are fractions of: float64, one per channel; their spread in a sample."""
        return spread_of(latents)

    def take_steps(self, steps: np.ndarray) -> None:
        """Take the steps in which latents are rounded: float64, one per channel."""
        self._steps = steps

    def pack_latents(self, latents: np.ndarray) -> bytes:
        """Return rounded latents, int64 (samples, channels, ...), as bytes."""
        return pack_latents(latents)

    def unpack_latents(self, data: bytes, shape: tuple[int, ...]) -> np.ndarray:
        """Invert `pack_latents` for latents of `shape`; FormatError if the bytes do not hold as many."""
        return unpack_latents(data, shape)

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
        check_form(layout, variables[0], self.sample_form(), self.name)
        self._scaling, total = survey(blocks, layout, variables, tolerances, self.sample_form())
        if not total:
            return

        def sampled(block: Block) -> np.ndarray:
            return self._samples(block, block_layout(layout, block, variables[0]), variables, tolerances)

        loss = self.training_loss(loss_of(training.loss), variables, self._scaling, tolerances)
        with training_rows(blocks, sampled, total, hints.memory, training.seed) as rows:
            shape = rows.shape[1:]
            task = SeedTask(lambda: self._new_pair(shape, self._told(layout).shape[1]), loss, self.name)
            trained = train_seeds(task, rows, training)
            prune(trained[0].pair, rows, task, training, self._decoder_limit)
        pair, self.history = trained[0].pair, trained[0].history.curves()
        if training.seeds > 1:
            judge = Judge(blocks, layout, variables, self._scaling, sampled, self.sample_form())
            self.seed_spread = judge.spread(trained, training.keep)
        self._encoder_weights = flat_weights(pair.encoder)
        self._choose_storage(next(iter(blocks)), layout, tolerances, pair, total)

    def _choose_storage(
        self, block: Block, layout: Layout, tolerances: Tolerances, pair: NetworkPair, total: int
    ) -> None:
        """Take the weights and steps of latents that make the file smallest, measured on the start of a block."""
        variables = learned_variables(layout, tolerances)
        assert self._scaling is not None
        block, layout = probe_of(block, replace(layout, variables=tuple(variables)), self.sample_form())
        samples = self._samples(block, layout, variables, tolerances)
        latents = through(pair.encoder, samples)[:, self._told(layout).shape[1] :]
        spread = self.latent_spread(pair, samples, latents)
        limited = (v for v in variables if tolerances[v.name].kind != "free")
        plain = {v.name: encode_plainly(values_of(block, v.name), tolerances[v.name]) for v in limited}

        widths = {v.name: float(width) for v, width in zip(variables, self._scaling.width, strict=True)}

        def measure(weights: SmallWeights, steps: np.ndarray) -> Measured:
            trial = copy(self)
            trial._built, trial._weights = {}, weights
            trial.take_steps(steps)
            rounded = round_latents(latents, steps)
            predictions = trial._predictions(rounded, layout, variables)
            parts = residuals_of(block, layout, tolerances, predictions, plain)
            coded = len(trial.pack_latents(rounded)) + sum(map(len, parts))
            error = free_error(block, predictions, widths, tolerances)
            return Measured(coded * total / len(samples), error)

        chosen = choose_storage(pair.decoder, spread, measure, self._decoder_limit)
        self._weights = chosen.weights
        self.take_steps(chosen.steps)

    @property
    def _decoder_limit(self) -> float:
        """Bytes that the decoder may take; infinite for models of others, whose options do not tell."""
        return self.options.decoder_bytes if isinstance(self.options, AutoencoderOptions) else math.inf

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
            streams["latents"] = self.pack_latents(latents)
            predictions = self._predictions(latents, layout, variables)
        parts = residuals_of(block, layout, tolerances, predictions, {})
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
            channels, *rest = self._networks_for(layout, variables).latents
            latent_shape = channels - self._told(layout).shape[1], *rest
            count = sample_count(layout, variables[0], self.sample_form())
            latents = self.unpack_latents(streams.get("latents", b""), (count, *latent_shape))
            predictions = self._predictions(latents, layout, variables)
        arrays = {v.name: as_dtype(predictions[v.name], v) for v in variables if v.name in predictions}
        reader = ByteReader(streams.get("residual", b""), "the residuals of an autoencoder")
        for v in bounded(layout, tolerances, predictions):
            prediction = prediction_of(v, layout, predictions)
            arrays[v.name] = decode_residual(reader.sized(), prediction, tolerances[v.name], v.numpy_dtype)
        return layout.build(arrays)

    def _latents(self, block: Block, layout: Layout, variables: list[Variable], tolerances: Tolerances) -> np.ndarray:
        """The block's rounded latents: int64, (samples, channels, ...)."""
        if self._encoder_weights is None:
            raise DataError(
                f"this {self.name} was stored for restoring only, without its encoder: compress with a model file "
                "that `baler train` wrote"
            )
        samples = self._samples(block, layout, variables, tolerances)
        latents = through(self._networks_for(layout, variables).encoder, samples)
        return round_latents(latents[:, self._told(layout).shape[1] :], self._steps)

    def _samples(
        self, block: Block, layout: Layout, variables: Sequence[Variable], tolerances: Tolerances
    ) -> np.ndarray:
        """The block's samples: float32, what is told of events first."""
        assert self._scaling is not None
        samples = to_samples(block, variables, self._scaling, tolerances, self.sample_form())
        told = self._told(layout)[: len(samples)]
        return np.concatenate([told, samples], axis=1) if told.shape[1] else samples

    def _told(self, layout: Layout) -> np.ndarray:
        """What the networks are told of the events of rows: float32 (rows, COUNTS), or (0, 0) for nothing."""
        if not self.tells_events() or layout.lengths is None:
            return np.zeros((0, 0), np.float32)
        return places_in_events(layout.lengths)

    def _predictions(self, latents: np.ndarray, layout: Layout, variables: list[Variable]) -> Mapping[str, np.ndarray]:
        """What the decoder makes of rounded latents: float64 by variable, alike when encoding and decoding."""
        assert self._scaling is not None
        if self._scaling.low.size != len(variables):
            raise FormatError(f"an autoencoder for {self._scaling.low.size} variables meets {len(variables)}")
        decoder, told = self._networks_for(layout, variables).decoder, self._told(layout)[: len(latents)]
        exact = latents * self._steps.reshape(-1, *[1] * (latents.ndim - 2))
        known = np.concatenate([told, exact], axis=1) if told.shape[1] else exact
        per_sample = math.prod(sample_shape(layout, variables, self.sample_form()))
        restored = through(decoder, known, per_sample=per_sample)[:, told.shape[1] :]
        return from_samples(restored, layout, variables, self._scaling, self.sample_form())

    # ---- networks

    def _networks_for(self, layout: Layout, variables: Sequence[Variable]) -> NetworkPair:
        """Return the networks for samples of these variables, with the stored weights."""
        first, *rest = sample_shape(layout, variables, self.sample_form())
        told = self._told(layout).shape[1]
        shape = (told, first + told, *rest)
        with self._building:
            if shape not in self._built:
                self._built[shape] = self._build(shape[1:], told)
            return self._built[shape]

    def _new_pair(self, shape: tuple[int, ...], told: int) -> NetworkPair:
        """Build networks for samples of a shape, whose first numbers are told to both."""
        if not told:
            return built_pair(self.networks, shape, self.name)
        from baler_core.builtin.models.autoencoder.told_networks import passing_on

        return built_pair(lambda shape: passing_on(self.told_networks(shape, told), told), shape, self.name)

    def _build(self, shape: tuple[int, ...], told: int) -> NetworkPair:
        import torch

        assert self._weights is not None
        # On the device meta nothing is allocated: a damaged file cannot ask for a giant.
        with torch.device("meta"):
            _, sketch = self.told_networks(shape, told) if told else self.networks(shape)
        if not self._weights.fits(sketch):
            raise FormatError(f"the stored weights of {self.name} do not fit samples of shape {shape}")
        with seeded(0):
            pair = self._new_pair(shape, told)
        if pair.latents[0] - told != self._steps.size:
            raise FormatError(
                f"{self.name} has steps for {self._steps.size} latents and needs {pair.latents[0] - told}"
            )
        self._weights.put_into(pair.decoder)
        if self._encoder_weights is not None:
            put_flat_weights(pair.encoder, self._encoder_weights)
        return pair

    def stored_networks(self, layout: Layout, tolerances: Tolerances) -> StoredNetworks | None:
        """Return the networks with the weights that are stored, and what stands around them; None if nothing was learned.

        Raises
        ------
        DataError
            If they take what is told of events beside values and latents.
        """
        variables = learned_variables(layout, tolerances)
        if self._weights is None or self._scaling is None or not variables:
            return None
        if self._told(layout).shape[1]:
            raise DataError(
                f"{self.name} was trained with 'events', and its networks take more than values and latents"
            )
        shape, has_encoder = sample_shape(layout, variables, self.sample_form()), self._encoder_weights is not None
        pair, names = self._networks_for(layout, variables), tuple(variable.name for variable in variables)
        return StoredNetworks(pair, has_encoder, shape, names, self._scaling, self._steps, self.sample_form())

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
