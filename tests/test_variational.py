"""Latents are coded under their learned prior in whole numbers; decoders stay small; convolutions run along 1 to 3 dimensions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from baler_core import DataError, FormatError, Tolerance, Training, make_block, values_of
from baler_core.builtin.models.autoencoder.convolutional import ConvAutoencoder
from baler_core.builtin.models.autoencoder.dense import DenseAutoencoder
from baler_core.builtin.models.autoencoder.model import Autoencoder
from baler_core.builtin.models.autoencoder.prior import Density, PriorTables
from baler_core.builtin.models.autoencoder.variational import VariationalAutoencoder
from baler_core.data.variables import Layout, Variable
from baler_core.entropy.integers import pack_integers
from baler_core.format.arrays import decode_state, encode_state

QUICK = Training(epochs=8, batch_size=64, learning_rate=0.01, validation=0.1)


def prior() -> PriorTables:
    """Of two latents: a broad one around 3 and one that is nearly always 0."""
    density = Density(
        np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([[2.0, 4.0], [0.0, 0.0]]), np.array([[1.0, 1.0], [0.05, 1.0]])
    )
    return PriorTables.of(density, np.array([0.25, 1.0]))  # fmt: skip


def made(columns: dict[str, np.ndarray], kind: Any) -> tuple[Any, Layout]:
    """Block and layout of arrays of equal shape."""
    shape = next(iter(columns.values())).shape
    dims = tuple(f"d{i}" for i in range(len(shape)))
    variables = tuple(Variable(name, values.dtype.str, dims) for name, values in columns.items())
    layout = Layout(kind, variables, dict(zip(dims, shape, strict=True)))
    return make_block({name: (dims, values) for name, values in columns.items()}), layout


def coded(
    model: Autoencoder, columns: dict[str, np.ndarray], kind: str, tolerance: Tolerance, epochs: int = QUICK.epochs
) -> tuple[Any, Any]:
    """Check that a fresh model restores all values within a tolerance, twice alike; its streams and the learned state."""
    block, layout = made(columns, kind)
    tolerances = dict.fromkeys(columns, tolerance)
    training = QUICK.model_copy(update={"epochs": epochs})
    model.fit([block], layout=layout, tolerances=tolerances, training=training)
    streams, state = model.encode(block, layout, tolerances), model.state()
    found = []
    for _ in range(2):
        other = type(model)(model.options)
        other.load_state(decode_state(encode_state(state), memory_limit=1 << 28))
        found.append(other.decode(streams, layout, tolerances))
    for name, values in columns.items():
        first, again = (values_of(block, name) for block in found)
        assert not tolerance.violations(values, first).any()
        assert first.tobytes() == again.tobytes()
    return streams, state


def test_a_prior_codes_latents_in_about_their_entropy_and_values_beyond_it_too() -> None:
    tables, random = prior(), np.random.default_rng(1)
    drawn = np.stack([np.rint(random.logistic(3, 1, 20_000) / 0.25), np.zeros(20_000)], axis=1).astype(np.int64)
    data = tables.encoded(drawn)
    # a logistic distribution of width 1 in steps of 1/4: 2 nats and 2 bits; the mixture is hardly broader
    assert len(data) < 1.08 * 20_000 * (2 / np.log(2) + 2) / 8
    drawn[::1000] = [-(2**40), 77]
    again = PriorTables.from_state(decode_state(encode_state(tables.to_state()), memory_limit=1 << 20))
    assert np.array_equal(again.decoded(again.encoded(drawn), drawn.shape), drawn)


@pytest.mark.parametrize(
    ("name", "change"),
    [("sizes", lambda a: a + 1), ("sizes", lambda a: a * 0), ("levels", lambda a: a * 0), ("levels", lambda a: a[:-1]),
     ("lowest", lambda a: a + 2**62), ("lowest", lambda a: a[:1]), ("levels", lambda a: a.astype(np.int64))],
)  # fmt: skip
def test_a_forged_prior_is_refused(name: str, change: Any) -> None:
    state = prior().to_state()
    with pytest.raises(FormatError, match="prior"):
        PriorTables.from_state({**state, f"prior {name}": change(state[f"prior {name}"])})


def test_a_prior_of_another_number_of_latents_is_refused() -> None:
    with pytest.raises(FormatError, match="2 latents meets 3"):
        prior().decoded(b"", (5, 3))


def test_latents_that_nothing_needs_cost_next_to_nothing() -> None:
    angle = np.random.default_rng(2).random(1000) * 6
    columns = {f"x{k}": np.sin(angle / 2 + k).astype("<f4") for k in range(4)}
    options = VariationalAutoencoder.Options(latents=4, hidden=(16,))
    # After few epochs no latent tells anything, or one does, as rounding decides.
    streams, state = coded(VariationalAutoencoder(options), columns, "table", Tolerance("abs", 0.01), epochs=30)
    sizes = sorted(len(prior_bytes) for prior_bytes in _by_latent(streams["latents"], state))
    assert sizes[0] < 0.3 * sizes[-1]


def _by_latent(data: bytes, state: Any) -> list[bytes]:
    """What each latent takes."""
    latents = PriorTables.from_state(state).decoded(data, (1000, 4))
    return [pack_integers(latents[:, k]) for k in range(4)]


def test_a_decoder_beyond_its_limit_is_pruned() -> None:
    y, x = np.mgrid[:20, :24]
    frames = np.stack([np.sin(x / 5 + t / 9) * np.cos(y / 7) for t in range(16)]).astype("<f4")
    options = DenseAutoencoder.Options(latent_ratio=300, hidden=(24,), decoder_bytes=3_000)
    _, state = coded(DenseAutoencoder(options), {"u": frames}, "grid", Tolerance("abs", 0.05))
    assert state["weights"].size > 24 * 480
    assert len(encode_state({"weights": state["weights"]})) <= 3_000
    assert state["weights"].any()


@pytest.mark.parametrize(("dimensions", "shape"), [(1, (12, 27)), (3, (2, 11, 4, 6))])
def test_convolutions_run_along_one_dimension_or_three(dimensions: int, shape: tuple[int, ...]) -> None:
    places = np.indices(shape).sum(axis=0)
    columns = {"u": np.sin(places / 4).astype("<f4"), "v": np.cos(places / 5)}
    options = ConvAutoencoder.Options(dimensions=dimensions, channels=(3,), latent_ratio=4)
    coded(ConvAutoencoder(options), columns, "grid", Tolerance("abs", 0.02))


def test_fields_of_fewer_dimensions_are_refused_in_a_sentence() -> None:
    block, layout = made({"u": np.ones((4, 5))}, "grid")
    model = ConvAutoencoder(ConvAutoencoder.Options(dimensions=3))
    with pytest.raises(DataError, match="'dimensions: 3' needs fields of as many dimensions, and 'u' has 2"):
        model.fit([block], layout=layout, tolerances={"u": Tolerance("abs", 0.1)}, training=QUICK)


@pytest.mark.parametrize("kind", [DenseAutoencoder, VariationalAutoencoder])
def test_a_network_is_told_where_a_row_stands_in_its_event(kind: type[Autoencoder]) -> None:
    lengths = np.random.default_rng(5).integers(0, 7, 200)
    size = np.repeat(lengths, lengths)
    place = np.arange(size.size) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    columns = {"pt": (60.0 / (1 + place)).astype("<f4"), "n": (size * 1.5).astype("<f8")}
    losses = {}
    for events in (False, True):
        block, layout = made({**columns}, "table")
        block = make_block({**{name: (("d0",), v) for name, v in columns.items()}, "count": (("event",), lengths)})
        layout = replace(layout, counts="count", lengths=lengths)
        model: Any = kind(kind.Options(latent_ratio=2, hidden=(8,), events=events))
        tolerances = dict.fromkeys(columns, Tolerance("abs", 0.5))
        model.fit([block], layout=layout, tolerances=tolerances, training=QUICK.model_copy(update={"seeds": 2}))
        other = kind(model.options)
        other.load_state(decode_state(encode_state(model.state()), memory_limit=1 << 28))
        back = other.decode(model.encode(block, layout, tolerances), layout, tolerances)
        for name, values in columns.items():
            assert not tolerances[name].violations(values, values_of(back, name)).any()
        losses[events] = min(model.seed_spread.losses.values())
        if events:
            streams, other = model.encode(block, layout, tolerances), kind(model.options)
            other.load_state(model.state())
            with pytest.raises(FormatError, match="do not fit"):
                other.decode(streams, replace(layout, lengths=None), tolerances)
    # both columns follow from the place in the event alone
    assert losses[True] < losses[False]
