"""Autoencoders keep bounds through the bound layer, their promised ratio without one, and refuse hostile states."""

from __future__ import annotations

import tempfile

import numpy as np
import pytest

from baler_core import (
    Autoencoder,
    BoundRules,
    ErrorBound,
    FormatError,
    Hints,
    PluginError,
    Tolerance,
    Training,
    make_block,
    values_of,
)
from baler_core.builtin.models.autoencoder import samples
from baler_core.builtin.models.autoencoder.convolutional import ConvAutoencoder
from baler_core.builtin.models.autoencoder.dense import DenseAutoencoder
from baler_core.config import ComponentSpec, Config
from baler_core.data.variables import Layout, Variable
from baler_core.errors import DataError
from baler_core.format.arrays import decode_state, encode_state
from baler_core.pipeline.compression import compress, train
from baler_core.pipeline.decompression import decompress
from baler_core.plugin.registry import load_plugins

SMALL = DenseAutoencoder.Options(hidden=(24, 12))
QUICK = Training(epochs=6, batch_size=256, learning_rate=0.005, early_stopping=40, validation=0.1)


def table(rows: int = 1200):
    """Six float columns that three numbers explain, beside an integer, a flag, a constant and an empty column."""
    generator = np.random.default_rng(11)
    hidden = generator.normal(size=(rows, 3))
    explained = (np.tanh(hidden @ generator.normal(size=(3, 6))) * 50).astype("<f4")
    columns = {f"x{i}": explained[:, i] for i in range(6)}
    columns["n"] = generator.integers(0, 1000, rows).astype("<i4")
    columns["flag"] = generator.random(rows) < 0.5
    columns["constant"] = np.full(rows, 7.25, "<f8")
    columns["nothing"] = np.full(rows, np.nan, "<f4")
    columns["x0"] = np.where(np.arange(rows) % 50 == 0, np.float32(np.nan), columns["x0"])
    columns["x1"][5] = np.inf
    return columns


def fields(frames: int = 10, height: int = 21, width: int = 30):
    """Two smooth moving fields."""
    t, y, x = np.meshgrid(np.arange(frames), np.linspace(0, 3, height), np.linspace(0, 4, width), indexing="ij")
    u = np.sin(x + 0.1 * t) * np.cos(y)
    return {"u": u.astype("<f4"), "v": (np.cos(x + 0.1 * t) * np.sin(y) * 20).astype("<f8")}


def made(columns, kind="table"):
    """Block and layout of arrays of equal shape."""
    shape = next(iter(columns.values())).shape
    dims = tuple(f"d{i}" for i in range(len(shape)))
    variables = tuple(Variable(name, values.dtype.str, dims) for name, values in columns.items())
    layout = Layout(kind, variables, dict(zip(dims, shape, strict=True)))
    return make_block({name: (dims, values) for name, values in columns.items()}), layout


def tolerances_for(columns, tolerance):
    return {name: tolerance if values.dtype.kind == "f" else Tolerance("exact") for name, values in columns.items()}


def restored(model, block, layout, tolerances):
    """What another process restores, from streams and state alone."""
    streams = model.encode(block, layout, tolerances)
    state = encode_state(model.state())
    other = type(model)(model.options)
    other.load_state(decode_state(state, memory_limit=1 << 30))
    return other.decode(streams, layout, tolerances), sum(map(len, streams.values())), len(state)


def fitted(model, block, layout, tolerances, training=QUICK):
    model.fit([block], layout=layout, tolerances=tolerances, training=training)
    return model


@pytest.mark.parametrize("tolerance", [Tolerance("abs", 0.05), Tolerance("rel", 1e-3), Tolerance("bits", 10)])
def test_every_value_is_within_its_bound_and_exact_columns_are_exact(tolerance):
    columns = table()
    block, layout = made(columns)
    tolerances = tolerances_for(columns, tolerance)
    back, _, _ = restored(fitted(DenseAutoencoder(SMALL), block, layout, tolerances), block, layout, tolerances)
    for name, values in columns.items():
        found = values_of(back, name)
        assert found.dtype == values.dtype
        assert not tolerances[name].violations(values, found).any(), name


@pytest.mark.parametrize("room", [True, False])
def test_samples_that_do_not_fit_in_memory_are_learned_from_all_the_same(room, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    if not room:
        monkeypatch.setattr(samples, "has_room", lambda values: False)
    columns = {name: values for name, values in table(4000).items() if name.startswith("x")}
    parts = [
        made({name: values[start : start + 500] for name, values in columns.items()}) for start in range(0, 4000, 500)
    ]
    tolerances = tolerances_for(columns, Tolerance("abs", 0.05))
    model, hints = DenseAutoencoder(SMALL), Hints(memory=16 * 1200)
    training = QUICK.model_copy(update={"precision": "bfloat16"})
    model.fit([block for block, _ in parts], layout=parts[0][1], tolerances=tolerances, training=training, hints=hints)
    assert model.history["train"][-1] < model.history["train"][0]
    back, _, _ = restored(model, *parts[3], tolerances)
    for name in columns:
        assert not tolerances[name].violations(values_of(parts[3][0], name), values_of(back, name)).any()
    assert ("one of 20 samples is used" in caplog.text) == (not room)
    # torch leaves a folder of its own where it is imported first
    assert not [path for path in tmp_path.iterdir() if not path.name.startswith("torchinductor")]


def test_learning_pays_where_columns_explain_each_other():
    columns = {name: values for name, values in table(8000).items() if name in ("x2", "x3", "x4", "x5")}
    generator = np.random.default_rng(1)
    angle = generator.random(8000) * 6
    for name, phase in zip(columns, range(4), strict=True):
        columns[name] = (np.sin(angle / 2 + phase) * 50).astype("<f4")
    block, layout = made(columns)
    tolerances = tolerances_for(columns, Tolerance("abs", 0.01))
    training = QUICK.model_copy(update={"epochs": 15})
    model = DenseAutoencoder(DenseAutoencoder.Options(latent_ratio=4, hidden=(24, 12)))
    fitted(model, block, layout, tolerances, training)
    _, coded, state = restored(model, block, layout, tolerances)
    untrained = DenseAutoencoder()
    plain = sum(map(len, untrained.encode(block, layout, tolerances).values()))
    assert coded + state < 0.95 * plain


def test_without_a_bound_the_promised_ratio_is_kept():
    columns = {name: values for name, values in table(20_000).items() if name.startswith("x")}
    block, layout = made(columns)
    tolerances = tolerances_for(columns, Tolerance("free"))
    model = DenseAutoencoder(DenseAutoencoder.Options(latent_ratio=2, hidden=(40, 20)))
    fitted(model, block, layout, tolerances, QUICK.model_copy(update={"epochs": 20}))
    back, coded, state = restored(model, block, layout, tolerances)
    assert layout.nbytes / (coded + state) > 2
    for name in ("x2", "x3", "x4", "x5"):
        difference = values_of(back, name) - columns[name]
        assert difference.std() < 0.25 * columns[name].std()
    assert np.isfinite(values_of(back, "x0")).all()


@pytest.mark.parametrize("kind", [ConvAutoencoder, DenseAutoencoder])
def test_fields_of_odd_sizes_are_within_their_bounds(kind):
    columns = fields()
    block, layout = made(columns, "grid")
    tolerances = {"u": Tolerance("abs", 0.01), "v": Tolerance("rel", 1e-2)}
    model = (
        kind(kind.Options(latent_ratio=60))
        if kind is ConvAutoencoder
        else kind(kind.Options(latent_ratio=200, hidden=(20,)))
    )
    fitted(model, block, layout, tolerances, QUICK.model_copy(update={"epochs": 3, "batch_size": 8}))
    back, _, _ = restored(model, block, layout, tolerances)
    for name, values in columns.items():
        assert not tolerances[name].violations(values, values_of(back, name)).any()


def test_images_of_other_sizes_are_coded_by_the_same_convolutions():
    block, layout = made({"u": fields(1)["u"][0]}, "grid")
    tolerances = {"u": Tolerance("abs", 0.01)}
    model = fitted(ConvAutoencoder(), block, layout, tolerances, QUICK.model_copy(update={"epochs": 2}))
    columns = {"u": fields(1, 13, 50)["u"][0]}
    block, layout = made(columns, "grid")
    back, _, _ = restored(model, block, layout, tolerances)
    assert not tolerances["u"].violations(columns["u"], values_of(back, "u")).any()


def test_a_seed_gives_the_same_bytes():
    columns = table(200)
    block, layout = made(columns)
    tolerances = tolerances_for(columns, Tolerance("abs", 0.1))
    training = QUICK.model_copy(update={"epochs": 1})

    def coded(seed):
        model = fitted(DenseAutoencoder(SMALL), block, layout, tolerances, training.model_copy(update={"seed": seed}))
        return model.encode(block, layout, tolerances), encode_state(model.state())

    assert coded(1) == coded(1)
    assert coded(1)[1] != coded(2)[1]


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_a_handful_of_rows_and_none_at_all(rows):
    columns = {name: values[:rows] for name, values in table().items()}
    block, layout = made(columns)
    tolerances = tolerances_for(columns, Tolerance("rel", 1e-3))
    model = fitted(DenseAutoencoder(), block, layout, tolerances, QUICK.model_copy(update={"epochs": 2}))
    back, _, _ = restored(model, block, layout, tolerances)
    for name, values in columns.items():
        assert not tolerances[name].violations(values, values_of(back, name)).any()


def test_exact_columns_alone_need_no_network():
    columns = {name: values for name, values in table(100).items() if name in ("n", "flag")}
    block, layout = made(columns)
    tolerances = tolerances_for(columns, Tolerance("exact"))
    model = fitted(DenseAutoencoder(), block, layout, tolerances)
    back, _, state = restored(model, block, layout, tolerances)
    assert state == 0
    assert all(np.array_equal(values_of(back, name), columns[name]) for name in columns)


def test_integers_are_rounded_without_a_bound():
    generator = np.random.default_rng(2)
    base = generator.integers(0, 200, 2000)
    columns = {"a": base.astype("|u1"), "b": (base * 2**54).astype("<u8"), "c": base.astype("<f2")}
    block, layout = made(columns)
    tolerances = dict.fromkeys(columns, Tolerance("free"))
    model = fitted(DenseAutoencoder(SMALL), block, layout, tolerances, QUICK.model_copy(update={"epochs": 10}))
    back, _, _ = restored(model, block, layout, tolerances)
    assert [values_of(back, name).dtype.str for name in columns] == ["|u1", "<u8", "<f2"]
    assert np.abs(values_of(back, "a").astype(int) - columns["a"].astype(int)).mean() < 30


def test_a_model_file_holds_the_encoder_a_compressed_one_does_not():
    columns = table(300)
    block, layout = made(columns)
    tolerances = tolerances_for(columns, Tolerance("abs", 0.1))
    model = fitted(DenseAutoencoder(SMALL), block, layout, tolerances, QUICK.model_copy(update={"epochs": 2}))
    again = DenseAutoencoder(SMALL)
    again.load_state({**model.state(), **model.encoder_state()})
    assert again.encode(block, layout, tolerances) == model.encode(block, layout, tolerances)
    assert "encoder" not in model.state()
    decoder_only = DenseAutoencoder(SMALL)
    decoder_only.load_state(model.state())
    with pytest.raises(DataError, match="baler train"):
        decoder_only.encode(block, layout, tolerances)


def decoded_with(state, streams, layout, tolerances):
    model = DenseAutoencoder()
    model.load_state(state)
    return model.decode(streams, layout, tolerances)


def test_a_model_trained_on_one_file_compresses_another(tmp_path):
    columns = {name: values for name, values in table(900).items() if name.startswith("x")}
    np.savez(tmp_path / "a.npz", **{name: values[:600] for name, values in columns.items()})
    np.savez(tmp_path / "b.npz", **{name: values[600:] for name, values in columns.items()})
    config = Config(
        path=None,
        inputs=(tmp_path / "a.npz",),
        reader=None,
        variables=None,
        preprocess=(),
        metrics=(),
        block_bytes=1 << 20,
        bounds=BoundRules((("*", ErrorBound("abs", 0.1)),)),
        model=ComponentSpec("dense_autoencoder", DenseAutoencoder.Options(latent_ratio=2, hidden=(16,))),
        training=QUICK,
        output=tmp_path,
    )
    registry = load_plugins()
    model = train(config, registry, output=tmp_path / "a.balm")
    compressed = compress(config, registry, source=tmp_path / "b.npz", output=tmp_path / "b.bal", model=model)
    assert compressed.models == {"dim0": "dense_autoencoder"}
    decompress(tmp_path / "b.bal", registry, output=tmp_path / "restored.npz")
    with np.load(tmp_path / "restored.npz") as found:
        for name, values in columns.items():
            assert not Tolerance("abs", 0.1).violations(values[600:], found[name]).any()


def test_damaged_states_and_streams_are_refused():
    columns = table(200)
    block, layout = made(columns)
    tolerances = tolerances_for(columns, Tolerance("abs", 0.1))
    model = fitted(DenseAutoencoder(SMALL), block, layout, tolerances, QUICK.model_copy(update={"epochs": 1}))
    state, streams = model.state(), model.encode(block, layout, tolerances)
    damages = [
        {"weights": state["weights"][:-1]},
        {"weights": state["weights"].astype(np.float32)},
        {"scales": np.full_like(state["scales"], np.nan)},
        {"scales": state["scales"][1:]},
        {"steps": state["steps"][:0]},
        {"steps": np.full_like(state["steps"], np.inf)},
        {"low": state["low"][:1], "width": state["width"][:1]},
        {"width": -state["width"]},
        {"low": state["low"].astype(np.int64)},
    ]
    for damage in damages:
        with pytest.raises(FormatError):
            decoded_with({**state, **damage}, streams, layout, tolerances)
    with pytest.raises(FormatError, match="lacks 'scales'"):
        DenseAutoencoder(SMALL).load_state({"weights": state["weights"]})
    for broken in ({}, {**streams, "latents": streams["latents"][:-3]}, {**streams, "residual": b"\x09"}):
        with pytest.raises(FormatError):
            model.decode(broken, layout, tolerances)


def test_a_layout_that_claims_much_builds_no_giant_network():
    columns = fields(4)
    block, layout = made(columns, "grid")
    tolerances = dict.fromkeys(columns, Tolerance("free"))
    model = fitted(
        DenseAutoencoder(DenseAutoencoder.Options(hidden=(8,))),
        block,
        layout,
        tolerances,
        QUICK.model_copy(update={"epochs": 1}),
    )
    streams = model.encode(block, layout, tolerances)
    huge = Layout("grid", layout.variables, {**layout.sizes, "d1": 10**6, "d2": 10**6})
    with pytest.raises(FormatError, match="do not fit samples"):
        model.decode(streams, huge, tolerances)


def test_an_author_needs_two_networks_and_a_name():
    class Tiny(Autoencoder):
        name = "tiny"

        def networks(self, shape):
            from torch import nn

            return nn.Linear(shape[0], 2), nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Linear(8, shape[0]))

    class Wrong(Tiny):
        name = "wrong"

        def networks(self, shape):
            encoder, _ = super().networks(shape)
            return encoder, encoder.__class__(2, 3)

    columns = {name: values for name, values in table(400).items() if name.startswith("x")}
    block, layout = made(columns)
    tolerances = tolerances_for(columns, Tolerance("rel", 1e-2))
    back, _, _ = restored(fitted(Tiny(), block, layout, tolerances), block, layout, tolerances)
    for name, values in columns.items():
        assert not tolerances[name].violations(values, values_of(back, name)).any()
    with pytest.raises(PluginError, match=r"latents \(2,\) and these into \(3,\), which should be \(6,\)"):
        fitted(Wrong(), block, layout, tolerances)


def test_the_best_of_several_seeds_is_stored_and_the_spread_of_the_best_is_measured():
    columns = {name: values for name, values in table(600).items() if name in ("x2", "x3", "x4")}
    block, layout = made(columns)
    tolerances = tolerances_for(columns, Tolerance("free"))
    options = DenseAutoencoder.Options(latent_ratio=1.5, hidden=(8,))
    alone = {}
    for seed in (4, 5, 6):
        # Seeds are judged on the same rows: those of the first.
        several = QUICK.model_copy(update={"seed": 4, "seeds": seed - 3, "keep": 1})
        model = fitted(DenseAutoencoder(options), block, layout, tolerances, several)
        alone[seed] = min(model.history["validation"])
    training = QUICK.model_copy(update={"seed": 4, "seeds": 3, "keep": 2})
    model = fitted(DenseAutoencoder(options), block, layout, tolerances, training)
    spread = model.seed_spread
    assert spread is not None
    assert set(spread.losses) == {4, 5, 6}
    assert len(set(spread.losses.values())) == 3
    best = sorted(spread.losses, key=spread.losses.__getitem__)
    assert spread.kept == tuple(best[:2])
    assert spread.losses[4] == alone[4]
    assert min(model.history["validation"]) == spread.losses[best[0]] == alone[6]
    first, second = (spread.losses[seed] for seed in best[:2])
    assert spread.loss.mean == pytest.approx((first + second) / 2)
    assert spread.loss.two_sd == pytest.approx(2 * abs(first - second) / 2**0.5)
    # What is measured of each seed is what its networks lose.
    single = fitted(
        DenseAutoencoder(options), block, layout, tolerances, training.model_copy(update={"keep": 1})
    ).seed_spread
    back, _, _ = restored(model, block, layout, tolerances)
    for name, values in columns.items():
        lost = values_of(back, name).astype(float) - values
        assert single.variables[name].residual_rms.mean == pytest.approx(np.sqrt((lost**2).mean()), rel=0.1)
        assert np.isnan(single.variables[name].residual_rms.two_sd)
        assert spread.variables[name].residual_rms.two_sd > 0
