"""Training from several seeds: what a run reports of it, what is refused, and the option that was called `ratio`."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from baler_core.builtin.models.autoencoder.convolutional import ConvOptions
from baler_core.builtin.models.autoencoder.dense import DenseOptions
from baler_core.cli import main
from baler_core.config import InvalidConfig, load_config
from baler_core.data.seeds import MeanOverSeeds, SeedSpread, VariableSpread
from baler_core.evaluate.results import Results
from baler_core.plugin.registry import load_plugins

RUN = """
input: d.npz
bounds: {a: none, b: none, c: lossless}
model: {name: dense_autoencoder, latent_ratio: 2, hidden: [6]}
training: {epochs: 2, seeds: 3, keep: 2}
output: out
"""


def called(*arguments):
    """The exit code of a command."""
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code


@pytest.fixture
def folder(tmp_path):
    a = np.random.default_rng(3).normal(size=500).astype("<f4")
    np.savez(tmp_path / "d.npz", a=a, b=(2 * a + 1).astype("<f4"), c=np.arange(500))
    return tmp_path


def test_a_run_reports_the_spread_over_the_kept_seeds(folder):
    (folder / "c.yaml").write_text(RUN)
    assert called("run", folder / "c.yaml") == 0
    record = json.loads((folder / "out" / "report.json").read_text())
    (found,) = (record.get("results") or record)["seeds"].values()
    assert len(found["losses"]) == 3
    assert len(found["kept"]) == 2
    assert set(found["variables"]) == {"a", "b"}
    for variable in found["variables"].values():
        assert set(variable) == {"residual_mean", "residual_rms", "response_mean", "response_rms"}
        assert all(np.isfinite([one["mean"], one["two_sd"]]).all() for one in variable.values())
    page = (folder / "out" / "report.html").read_text(encoding="utf-8")
    assert "2 best of 3 seeds" in page
    assert " ± " in page
    assert called("tables", folder / "out") == 0
    tables = {path.name: path.read_text(encoding="utf-8") for path in (folder / "out" / "tables").iterdir()}
    assert set(tables) == {f"{name}.{form}" for name in ("errors", "sizes", "seeds") for form in ("csv", "tex")}
    (spread,) = [row for row in csv.DictReader(tables["seeds.csv"].splitlines()) if row["variable"] == "a"]
    assert float(spread["residual rms"]) == found["variables"]["a"]["residual_rms"]["mean"]
    assert float(spread["residual rms 2 sd"]) == found["variables"]["a"]["residual_rms"]["two_sd"]
    assert re.search(r"^a &( \S+ ± \S+ &){3} \S+ ± \S+ \\\\$", tables["seeds.tex"], re.M)
    sizes = {row["form"]: row for row in csv.DictReader(tables["sizes.csv"].splitlines())}
    assert int(sizes["baler"]["bytes"]) == (folder / "out" / "d.bal").stat().st_size


def test_seeds_without_an_autoencoder_are_told_to_have_no_effect(folder, capsys):
    (folder / "c.yaml").write_text(
        RUN.replace("none", "{abs: 0.1}").replace("dense_autoencoder, latent_ratio: 2, hidden: [6]", "scalar")
    )
    assert called("compress", folder / "c.yaml") == 0
    assert "'training.seeds' had no effect" in capsys.readouterr().err


def test_results_with_seeds_survive_json(folder):
    one = VariableSpread(
        MeanOverSeeds(1.0, 0.5), MeanOverSeeds.of([2.0]), MeanOverSeeds.of([1.0, 3.0]), MeanOverSeeds.of([np.inf, 1.0])
    )
    spread = SeedSpread({3: 0.5, 4: np.inf}, (3,), MeanOverSeeds.of([0.5]), {"x": one})
    results = replace(
        Results.from_json({"original": "a", "restored": "b", "sizes": {"native": 8}, "variables": []}),
        seeds={"g": spread},
    )
    back = Results.from_json(json.loads(json.dumps(results.to_json(), allow_nan=False))).seeds["g"]
    assert back.losses == spread.losses
    assert back.kept == (3,)
    assert back.variables["x"].response_mean == MeanOverSeeds(2.0, 2 * 2**0.5)
    assert np.isnan(back.variables["x"].residual_rms.two_sd)


@pytest.mark.parametrize("name", ["dense_autoencoder", "conv_autoencoder"])
def test_the_former_name_of_latent_ratio_is_refused_with_the_new_one(folder, name):
    (folder / "c.yaml").write_text(f"input: d.npz\nmodel:\n  name: {name}\n  ratio: 6\n")
    with pytest.raises(InvalidConfig) as told:
        load_config(folder / "c.yaml", load_plugins())
    (problem,) = told.value.problems
    assert problem.line == 4
    assert "latent_ratio" in problem.message
    assert "target" in problem.message


def test_files_that_state_the_former_name_are_read():
    assert [kind(ratio=3).latent_ratio for kind in (DenseOptions, ConvOptions)] == [3, 3]


def test_more_kept_than_trained_is_refused(folder):
    (folder / "c.yaml").write_text("input: d.npz\ntraining: {seeds: 2, keep: 3}\n")
    with pytest.raises(InvalidConfig, match="at most 'seeds', which is 2, found 3"):
        load_config(folder / "c.yaml", load_plugins())
