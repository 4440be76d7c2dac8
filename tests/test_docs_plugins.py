"""The plugin of the documentation, as written there, is found, used by name in a configuration, and keeps its bound."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from baler_core import Layout, Tolerance, Training, Variable, make_block, values_of
from baler_core.testing import (
    check_edges,
    check_hostile_model,
    check_hostile_reader,
    check_metric,
    check_model,
    check_preprocessor,
    check_reader,
    check_threads,
)

TEXT = (Path(__file__).resolve().parents[1] / "docs" / "plugins.md").read_text(encoding="utf-8")


def snippets(language: str) -> str:
    """All code blocks of one language, joined."""
    return "\n\n".join(re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the documented package the way an installer leaves it."""
    folder = tmp_path_factory.mktemp("site")
    project = tomllib.loads(snippets("toml"))["project"]
    (folder / "baler_raw.py").write_text(snippets("python"))
    info = folder / f"baler_raw-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    entries = "".join(f"{name} = {value}\n" for name, value in project["entry-points"]["baler"].items())
    (info / "entry_points.txt").write_text(f"[baler]\n{entries}")
    return folder


def baler(installed: Path, folder: Path, *arguments: str) -> str:
    """Standard output of a command that succeeds, with the package installed."""
    command = [sys.executable, "-c", "from baler_core.cli import main; main()", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_is_listed_with_its_components(installed: Path, tmp_path: Path) -> None:
    listing = json.loads(baler(installed, tmp_path, "plugins", "--json"))
    status = {"name": "raw", "package": "baler-raw", "version": "1.0.0", "state": "loaded", "problem": ""}
    assert status in listing["plugins"]
    found = [(c["kind"], c["name"]) for c in listing["components"] if c["package"] == "baler-raw"]
    assert sorted(found) == sorted(
        [
            ("reader", "raw"), ("model", "half"), ("model", "linear_autoencoder"), ("model", "event_autoencoder"),
            ("preprocessor", "roots"),
            ("loss", "fourth_power"), ("metric", "energy"), ("quantity", "speed_of_sound"),
        ]
    )  # fmt: skip
    assert "shape" in baler(installed, tmp_path, "plugins", "raw")


@pytest.fixture(scope="module")
def page() -> ModuleType:
    """The module of the page, imported here."""
    made = ModuleType("baler_raw")
    exec(compile(snippets("python"), "baler_raw.py", "exec"), vars(made))  # noqa: S102
    return made


def test_reader_and_model_pass_the_checks(page: ModuleType, tmp_path: Path) -> None:
    np.random.default_rng(1).normal(size=(5, 8, 8)).astype("<f4").tofile(tmp_path / "flow.f32")
    reader = page.RawReader(page.RawOptions(shape=(5, 8, 8)))
    check_reader(reader, tmp_path / "flow.f32", tmp_path)
    assert check_hostile_reader(reader, tmp_path / "flow.f32", tmp_path, cases=20) == 20
    for check in (check_model, check_edges, check_threads):
        check(page.HalfModel())
    check_hostile_model(page.HalfModel(), cases=20)


def test_preprocessor_and_metric_keep_their_promises(page: ModuleType) -> None:
    values = np.array([-4.0, 0.0, 1e-3, 9.0, 1e10])
    check_preprocessor(page.RootPreprocessor(), values, Tolerance("rel", 1e-3))
    original, variable = make_block({"x": (("r",), values)}), Variable("x", "<f8", ("r",))
    check_metric(page.EnergyMetric(), original, {"x": variable})
    metric = page.EnergyMetric()
    metric.update(original, make_block({"x": (("r",), 2 * values)}), {"x": variable})
    assert metric.result().values["x"]["after"] == 4 * metric.result().values["x"]["before"]
    figure = pytest.importorskip("matplotlib.figure").Figure()
    axes = figure.add_subplot()
    metric.plot(metric.plots()[0], axes)
    assert axes.collections[0].get_offsets().tolist() == [[*metric.result().values["x"].values()]]


def test_autoencoder_and_loss_train(page: ModuleType) -> None:
    torch = pytest.importorskip("torch")
    assert page.FourthPower()(torch.full((2, 2), 3.0), torch.ones(2, 2), torch.nn.Identity()) == 16
    line = np.linspace(0, 1, 300)
    block = make_block({"x": (("r",), line), "y": (("r",), 1 - line), "z": (("r",), 3 * line)})
    layout = Layout("table", tuple(Variable(name, "<f8", ("r",)) for name in "xyz"), {"r": 300})
    tolerances = {name: Tolerance("abs", 0.01) for name in "xyz"}
    model = page.LinearAutoencoder()
    model.fit([block], layout=layout, tolerances=tolerances, training=Training(epochs=2, batch_size=50))
    streams = model.encode(block, layout, tolerances)
    assert {"latents", "residual"} == streams.keys()
    restored = model.decode(streams, layout, tolerances)
    for name in "xyz":
        assert np.abs(values_of(restored, name) - values_of(block, name)).max() <= 0.01


def test_an_autoencoder_of_events_counts_errors_in_units_of_bounds(page: ModuleType) -> None:
    torch = pytest.importorskip("torch")
    loss = page.InBounds(page.FourthPower(), page.InBoundsOptions(weights=(2.0, 10.0)))
    target, missed = torch.zeros(1, 4), torch.tensor([[9.0, 9.0, 0.5, 0.2]])
    assert loss(missed, target, torch.nn.Identity()).item() == pytest.approx((1 + 16) / 2)
    lengths = np.array([2, 3, 0, 1] * 20)
    place = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    block = make_block({"pt": (("r",), 9.0 - place), "n": (("e",), lengths)})
    layout = Layout("table", (Variable("pt", "<f8", ("r",)),), {"r": len(place)}, counts="n", lengths=lengths)
    tolerances = {"pt": Tolerance("abs", 0.01)}
    model = page.EventAutoencoder(page.EventOptions(latents=1))
    model.fit([block], layout=layout, tolerances=tolerances, training=Training(epochs=2, batch_size=50))
    assert model.options.decoder_bytes == 50_000
    restored = model.decode(model.encode(block, layout, tolerances), layout, tolerances)
    assert np.abs(values_of(restored, "pt") - (9.0 - place)).max() <= 0.01


def test_it_runs_by_name_and_keeps_the_bound(installed: Path, tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(size=(20, 32, 32)).astype("<f4")
    values[3, 4, 5] = 1e30
    values.tofile(tmp_path / "flow.f32")
    (tmp_path / "flow.yaml").write_text(snippets("yaml"))
    summary = json.loads(baler(installed, tmp_path, "run", "flow.yaml", "--json"))
    restored = np.fromfile(tmp_path / "results" / "flow.restored.f32", "<f4").reshape(values.shape)
    assert np.abs(restored.astype(float) - values).max() <= 1e-3
    assert not np.array_equal(restored, values)
    assert summary["files"][0]["input_bytes"] == values.nbytes
