"""The small networks of the table model: exact, worth their bytes, reproducible, and told to a decoder unchanged."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from baler_core.builtin.models.table.model import TableModel
from baler_core.builtin.models.table.network import mixtures
from baler_core.builtin.models.table.network.inference import OUTPUTS, Network, mixture_of
from baler_core.builtin.models.table.network.mixtures import (
    COMPONENTS,
    SCORE,
    Mixture,
    negative_log_likelihood,
    score,
    upper_chance,
    weight_below,
)
from baler_core.builtin.models.table.network.training import Schedule, TrainingData, train_network
from baler_core.builtin.models.table.network.weights import NetworkReader, networks_to_bytes
from baler_core.builtin.models.table.options import TableOptions
from baler_core.builtin.models.table.plan import plan_to_bytes
from baler_core.builtin.models.table.stored_plan import open_plan, plan_from_bytes
from baler_core.data.block import make_block, values_of
from baler_core.data.bounds import Tolerance
from baler_core.data.variables import Layout, Variable
from baler_core.errors import FormatError
from baler_core.plugin.interfaces import Streams, Training


@pytest.mark.parametrize(
    ("table", "digest"),
    [
        (mixtures.sigmoid_table(), "693f4c28d3b51fe0"),
        (mixtures.log_table(), "97f062c82de705f0"),
        (mixtures.exp_table(), "1729bfdadbd47a73"),
        (mixtures.scale_table(), "637935415ef3a018"),
    ],
    ids=["sigmoid", "log", "exp", "scale"],
)
def test_tables_are_the_same_on_every_machine(table: np.ndarray, digest: str) -> None:
    assert hashlib.sha256(table.astype("<i8").tobytes()).hexdigest()[:16] == digest


def some_network(columns: int = 3, width: int = 5, seed: int = 0) -> Network:
    rng = np.random.default_rng(seed)

    def weights(*shape: int) -> np.ndarray:
        return (rng.integers(-127, 128, shape) * (rng.random(shape) < 0.3)).astype(np.int16)

    inputs = 4 * columns
    return Network(
        tuple(range(columns)),
        weights(inputs, width),
        weights(width),
        weights(width, OUTPUTS),
        weights(OUTPUTS),
        weights(inputs, COMPONENTS),
    )


def test_weights_come_back() -> None:
    networks = [some_network(3, 5), some_network(1, 2, seed=1), some_network(7, 16, seed=2)]
    reader = NetworkReader(networks_to_bytes(networks), 4)
    for network in networks:
        found = reader.network(network.columns, len(network.bias))
        for before, after in zip(network.matrices, found.matrices, strict=True):
            np.testing.assert_array_equal(after, before)


def test_sparse_weights_are_cheap_and_damaged_ones_refused() -> None:
    empty = Network((0,), np.zeros((4, 5), np.int16), **_zeros(1, 5))
    assert len(networks_to_bytes([empty])) < 16
    with pytest.raises(FormatError, match="too large"):
        NetworkReader(b"", 4).network((0, 1), 16)


def _zeros(columns: int, width: int) -> dict[str, np.ndarray]:
    shapes = {"bias": (width,), "out": (width, OUTPUTS), "out_bias": (OUTPUTS,), "skip": (4 * columns, COMPONENTS)}
    return {name: np.zeros(shape, np.int16) for name, shape in shapes.items()}


def test_inference_is_exact_in_any_order() -> None:
    network = some_network(8, 12)
    inputs = np.random.default_rng(3).integers(-512, 513, (500, 32)).astype(np.int16)
    found = mixture_of(network, inputs.T)
    turned = np.random.default_rng(4).permutation(32)
    again = mixture_of(
        Network(
            network.columns,
            network.into[turned],
            network.bias,
            network.out,
            network.out_bias,
            network.skip[turned],
        ),
        inputs[:, turned].T,
    )
    for one, other in zip(found, again, strict=True):
        np.testing.assert_array_equal(one, other)
    x = inputs.astype(object)
    reached = x.dot(network.into.astype(object)) + network.bias.astype(object) * 64
    hidden = np.clip((reached + 32) // 64, 0, 255)
    outputs = hidden.dot(network.out.astype(object)) + network.out_bias.astype(object) * 32
    centres = 2 * outputs[:, COMPONENTS : 2 * COMPONENTS] + x.dot(network.skip.astype(object))
    np.testing.assert_array_equal(found.centres, centres.astype(np.int64))


def test_weights_too_large_for_narrow_sums_are_summed_in_wide_ones() -> None:
    small = some_network(8, 12)
    large = replace(small, out=(small.out * 250).astype(np.int16), skip=(small.skip * 250).astype(np.int16))
    inputs = np.random.default_rng(3).integers(-512, 513, (32, 300)).astype(np.int16)
    found = mixture_of(large, inputs)
    x = inputs.T.astype(object)
    hidden = np.clip((x.dot(large.into.astype(object)) + large.bias.astype(object) * 64 + 32) // 64, 0, 255)
    outputs = hidden.dot(large.out.astype(object)) + large.out_bias.astype(object) * 32
    centres = 2 * outputs[:, COMPONENTS : 2 * COMPONENTS] + x.dot(large.skip.astype(object))
    np.testing.assert_array_equal(found.centres, centres.astype(np.int64))


def test_a_mixture_gives_the_chances_of_its_formula() -> None:
    mixture = Mixture(*(np.array([row], np.int64) for row in ([40000, 20000, 5536], [-4096, 0, 8192], [256, 512, 64])))
    sigmoids, logs = mixtures.sigmoid_table(), mixtures.log_table()

    def exact(share: float) -> float:
        point = np.log(share / (1 - share))
        parts = np.array([40000, 20000, 5536]) / 65536
        z = (point - np.array([-1, 0, 2])) * np.array([1, 2, 0.25])
        return float((parts / (1 + np.exp(-z))).sum())

    before = -1
    for share in np.linspace(0.01, 0.99, 37):
        below = weight_below(score(int(share * 2**32), 2**32, logs), 0, mixture, sigmoids)
        assert below >= before
        assert below / 2**44 == pytest.approx(exact(float(share)), abs=2e-3)
        before = below
    assert upper_chance(0, 2**43, 2**44) == 32768
    assert upper_chance(5, 6, 7) == 0
    assert score(2**31, 2**32, logs) == 0
    assert score(3 * 2**30, 2**32, logs) == pytest.approx(SCORE * np.log(3), abs=4)


def test_training_follows_the_slope_of_what_it_minimises() -> None:
    rng = np.random.default_rng(8)
    room = [np.zeros(COMPONENTS), np.zeros(COMPONENTS)]
    for _ in range(20):
        out, low = rng.normal(size=OUTPUTS), float(rng.normal())
        slope = np.zeros(OUTPUTS)
        value = negative_log_likelihood(out, low, low + 0.3, 0.01, slope, *room)
        assert value > 0
        for place in range(OUTPUTS):
            moved = out.copy()
            moved[place] += 1e-6
            change = (negative_log_likelihood(moved, low, low + 0.3, 0.01, np.zeros(OUTPUTS), *room) - value) / 1e-6
            assert slope[place] == pytest.approx(change, abs=1e-4)


def test_a_network_learns_where_a_value_lies() -> None:
    rng = np.random.default_rng(9)
    inputs = rng.normal(size=(6000, 4)).astype(np.float32)
    centre = np.abs(2 * inputs[:, 0]) - 1.5
    low = centre + 0.1 * rng.logistic(size=6000)
    data = TrainingData(inputs, low, low + 0.01, np.full(6000, 0.01))
    network = train_network(data, (0,), Schedule(6, 20, 1e-4, 0))
    assert network is not None
    told = mixture_of(network, np.rint(inputs * 64).astype(np.int16).T)
    mean = (told.weights * told.centres).sum(axis=1) / told.weights.sum(axis=1) / SCORE
    assert np.corrcoef(mean, centre)[0, 1] > 0.95


def test_training_that_does_not_pay_is_given_up() -> None:
    rng = np.random.default_rng(10)
    low = rng.logistic(size=1000)
    data = TrainingData(rng.normal(size=(1000, 4)).astype(np.float32), low, low + 0.01, np.full(1000, 0.01))
    passes: list[float] = []

    def goes_on(bits: float) -> bool:
        passes.append(bits)
        return len(passes) < 3

    assert train_network(data, (0,), Schedule(4, 20, 1e-2, 0), goes_on) is None
    assert len(passes) == 3
    assert all(5 < bits < 12 for bits in passes)


def curved(rows: int) -> dict[str, np.ndarray]:
    """Columns that follow from others in a way that no linear predictor and no table of few classes knows."""
    rng = np.random.default_rng(1)
    parts = rng.normal(size=(4, rows))
    total = np.abs(parts).sum(axis=0) + 0.05 * rng.normal(size=rows)
    return {name: values.astype("<f4") for name, values in zip("abcdt", [*parts, total], strict=True)}


def stored(options: dict[str, object], training: Training, rows: int = 6000) -> tuple[Streams, bytes, int]:
    """Streams, state and size; the values restored by another model have been checked."""
    columns = curved(rows)
    block, layout, tolerances = bounded_block(columns)
    model, other = (TableModel(TableOptions.model_validate(options)) for _ in range(2))
    model.fit([block], layout=layout, tolerances=tolerances, training=training)
    streams = model.encode(block, layout, tolerances)
    other.load_state(model.state())
    restored = other.decode(streams, layout, tolerances)
    for name, values in columns.items():
        assert np.abs(values_of(restored, name).astype(float) - values.astype(float)).max() <= 1e-3
    state = model.state()["plan"].tobytes()
    return streams, state, len(state) + sum(map(len, streams.values()))


def test_networks_pay_where_columns_follow_from_others_in_curves() -> None:
    without = stored({"network": "off"}, Training(), 12_000)[2]
    with_network = stored({}, Training(), 12_000)[2]
    assert with_network < 0.98 * without


@pytest.mark.parametrize("effort", ["fast", "balanced", "max"])
def test_networks_can_be_had_at_every_effort(effort: str) -> None:
    plain, forced = (stored({"effort": effort, "network": network}, Training(), 2500) for network in ("off", "on"))
    assert len(forced[1]) > len(plain[1])


def test_the_same_seed_gives_the_same_bytes() -> None:
    first, again, other = (stored({}, Training(seed=seed))[:2] for seed in (1, 1, 2))
    assert first == again
    assert first != other


_ENCODE = """
import hashlib, sys
import numpy as np
from test_table_network import curved, bounded_block
from baler_core.builtin.models.table.model import TableModel
model = TableModel()
model.load_state({"plan": np.load(sys.argv[1])})
block, layout, tolerances = bounded_block({name: values[:25] for name, values in curved(2500).items()})
print(hashlib.sha256(model.encode(block, layout, tolerances)["columns"]).hexdigest())
"""


def bounded_block(columns: dict[str, np.ndarray]) -> tuple[xr.Dataset, Layout, dict[str, Tolerance]]:
    """Columns as a model is given them, with a bound."""
    variables = tuple(Variable(name, values.dtype.str, ("row",)) for name, values in columns.items())
    layout = Layout("table", variables, {"row": len(next(iter(columns.values())))})
    block = make_block({name: (("row",), values) for name, values in columns.items()})
    return block, layout, dict.fromkeys(columns, Tolerance("abs", 1e-3))


def test_networks_give_the_same_bytes_without_compiled_code(tmp_path: Path) -> None:
    model = TableModel(TableOptions(network="on"))
    block, layout, tolerances = bounded_block(curved(2500))
    model.fit([block], layout=layout, tolerances=tolerances, training=Training())
    plan = plan_from_bytes(model.state()["plan"].tobytes(), [v.dtype for v in layout.variables])
    assert any(column.network is not None for column in plan.columns)
    later_first = open_plan(model.state()["plan"].tobytes(), [v.dtype for v in layout.variables])
    assert [later_first.columns[number].network is None for number in (-1, 0)] == [
        plan.columns[number].network is None for number in (-1, 0)
    ]
    assert plan_to_bytes(later_first) == plan_to_bytes(plan) == model.state()["plan"].tobytes()
    np.save(tmp_path / "plan.npy", model.state()["plan"])
    found = []
    for loops in ("", "python"):
        environment = {**os.environ, "BALER_LOOPS": loops, "PYTHONPATH": str(Path(__file__).parent)}
        command = [sys.executable, "-c", _ENCODE, str(tmp_path / "plan.npy")]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        found.append(done.stdout)
    assert found[0] == found[1]
