"""`baler predict`: sizes and times expected from samples, and why."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import baler_core
from baler_core.cli import main
from baler_core.config.arguments import config_of_arguments
from baler_core.pipeline.brief import Brief
from baler_core.pipeline.coded_sample import CodedGroup, code_sample
from baler_core.pipeline.input import input_of
from baler_core.plugin.registry import load_plugins
from baler_core.suggest.autoencoders import expected_autoencoder, variation
from baler_core.suggest.extrapolate import extrapolated, known, usual_effort, with_effort, with_interval
from baler_core.suggest.reasons import constants, dependent, noise_bits

RANDOM = np.random.default_rng(12)
PAIRS = RANDOM.normal(size=(500, 2))


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main([*map(str, arguments)])
    assert isinstance(caught.value.code, int)
    return caught.value.code


def table(rows: int) -> dict[str, np.ndarray]:
    x, y = RANDOM.normal(size=(2, rows))
    noisy = x + RANDOM.normal(0, 0.3, rows)
    columns = {"x": x, "y": y, "total": x + y, "noisy": noisy}
    return {name: values.astype("f4") for name, values in columns.items()} | {"same": np.ones(rows, "f4")}


def test_a_small_file_is_coded_as_it_will_be(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(tmp_path / "t.npz", **table(1000))
    assert run("predict", tmp_path / "t.npz", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    lossless, fine, coarse = found["expected"]
    assert [one["bounds"] for one in found["expected"]] == ["lossless", "1e-3", "1e-2"]
    done = baler_core.compress(tmp_path / "t.npz", tmp_path / "t.bal", bounds={"*": {"rel": 1e-3}})
    assert fine["bytes"]["low"] <= done.file_bytes <= fine["bytes"]["high"]
    assert coarse["bytes"]["middle"] < fine["bytes"]["middle"] < lossless["bytes"]["middle"]
    assert sum(fine["models"].values()) == pytest.approx(1)
    assert "x follows to 100 % from total and y" in fine["reasons"]
    assert "same: all values of the sample are the same" in found["reasons"]
    assert found["coefficient_of_variation"]["same"] == 0
    assert {(one["R"], one["latents"]) for one in fine["autoencoders"]} == {(1.7, 3), (6.0, 1)}


def test_of_a_large_file_only_samples_are_coded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("baler_core.suggest.predict._LARGE_FIELD", 4_000_000)
    y, x = np.mgrid[:300, :300] / 30
    waves = np.stack([np.sin(x + t / 9) * np.cos(y) for t in range(22)]).astype("f4")
    np.savez(tmp_path / "f.npz", waves=waves + RANDOM.normal(0, 0.01, waves.shape).astype("f4"))
    (tmp_path / "c.yaml").write_text(
        "input: f.npz\nbounds: {waves: {abs: 1.0e-3}}\nmodel: {name: auto, effort: fast}\noutput: out\n"
    )
    assert run("predict", tmp_path / "c.yaml", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["sample_bytes"] < 0.6 * found["native_bytes"]
    (stated,) = found["expected"]
    assert run("compress", tmp_path / "c.yaml", "-o", tmp_path / "f.bal") == 0
    size = (tmp_path / "f.bal").stat().st_size
    assert stated["bytes"]["middle"] == pytest.approx(size, rel=0.15)
    (reason,) = stated["reasons"]
    # noise of 0.01 on a lattice of step 0.002
    assert reason.startswith(("waves: noise of 4.3", "waves: noise of 4.4"))
    capsys.readouterr()
    assert run("predict", tmp_path / "c.yaml") == 0
    assert "which nothing can compress within its bound" in capsys.readouterr().out


def coded(native: int, rate: float, whole: int = 1_000_000, model: str = "table") -> CodedGroup:
    return CodedGroup(model, native, whole, native * rate, 100)


def test_samples_of_a_table_are_extrapolated_by_what_it_still_learns() -> None:
    # bytes per value fall as 0.1 + 100 / n ** 0.75, and a little more by networks
    def rate(n: int) -> float:
        return 0.1 + 100 / n**0.75

    small, large = coded(10_000, rate(10_000)), coded(40_000, rate(40_000))
    assert extrapolated(small, large) == pytest.approx(0.97e6 * rate(1_000_000), rel=0.01)
    field = coded(40_000, 0.2, model="transform")
    assert extrapolated(coded(10_000, 0.9, model="transform"), field) == pytest.approx(0.2e6)
    assert extrapolated(small, coded(40_000, 0.2, whole=40_000)) == pytest.approx(0.2 * 40_000)


def test_what_effort_saves_is_measured_on_a_small_sample() -> None:
    small = coded(10_000, 0.4)
    assert with_effort(small, coded(10_000, 0.3)) == pytest.approx(0.75)
    assert with_effort(small, coded(10_000, 0.5)) == 1
    assert usual_effort(small) == 1
    assert usual_effort(coded(9, 1, model="predictive")) < 1


def test_intervals_widen_with_what_was_not_seen() -> None:
    near, far = with_interval(10_000, 1, 5), with_interval(10_000, 100, 5)
    brief, long = with_interval(10_000, 1, 5, briefly=True), with_interval(1_000_000, 1, 5)
    assert near.low < near.middle == far.middle == 10_005 < near.high
    assert near.low / near.middle < long.low / long.middle
    assert far.low < near.low
    assert far.high > near.high
    assert brief.high > far.high
    assert known(10_000).high < 10_100


def test_groups_count_by_what_each_is_of_the_whole(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", image=RANDOM.normal(size=(9, 40)), **table(400))  # type: ignore[arg-type]
    registry = load_plugins()
    config = config_of_arguments("predict", {}, registry, source=tmp_path / "t.npz", output=tmp_path)
    given = input_of(tmp_path / "t.npz", config, registry)
    with given.source:
        whole = code_sample(config, registry, given, given.source.schema)
    done = baler_core.compress(tmp_path / "t.npz", tmp_path / "t.bal")
    assert whole.nbytes == pytest.approx(done.file_bytes, abs=8)
    assert {group.whole for group in whole.groups.values()} == {9 * 40 * 8, 5 * 400 * 4}
    assert whole.fold == 1


@pytest.mark.parametrize("more", ["model: scalar", "derived: {d: {of: 'x * y', abs: 1.0e-5}}", "order: free"])
def test_a_configuration_is_heeded(more: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "t.csv").write_text("x,y,n\n" + "".join(f"{a:.5f},{b:.5f},{i % 7}\n" for i, (a, b) in enumerate(PAIRS)))
    (tmp_path / "c.yaml").write_text(f"input: t.csv\nbounds: {{'*': {{abs: 1.0e-3}}}}\n{more}\noutput: out\n")
    assert run("predict", tmp_path / "c.yaml", "--json") == 0
    (stated,) = json.loads(capsys.readouterr().out)["expected"]
    assert run("compress", tmp_path / "c.yaml", "-o", tmp_path / "t.bal") == 0
    assert stated["bytes"]["middle"] == pytest.approx((tmp_path / "t.bal").stat().st_size, rel=0.01)


def test_samples_are_coded_with_little_effort_and_short_trainings() -> None:
    def brief(**settings: object) -> Brief:
        config = config_of_arguments("compress", settings, load_plugins(), source=Path("t.npz"), output=Path())
        return Brief.of(config, load_plugins())

    long = brief(model={"name": "dense_autoencoder"}, training={"epochs": 9000, "seeds": 2, "keep": 2})
    assert (long.config.training.epochs, long.config.training.seeds, long.config.training.keep) == (30, 1, 1)
    assert long.quick is long.config
    assert long.seconds == 600
    assert long.told[0].startswith("dense_autoencoder was trained for 30 epochs of 9,000, once")
    assert brief(model={"name": "dense_autoencoder"}, training={"epochs": 20}).told == ()
    usual, table, plain = brief(), brief(model={"name": "table", "network": "off"}), brief(model="exact")
    assert (usual.config.model.name, usual.quick.model.options.effort) == ("auto", "fast")  # type: ignore[attr-defined]
    assert table.quick.model.options.model_dump() == {**table.config.model.options.model_dump(), "effort": "fast"}
    assert plain.quick is plain.config


def test_bits_of_noise_are_those_of_a_normal_variable_on_a_lattice() -> None:
    noise = RANDOM.normal(0, 1, (100, 200))
    assert noise_bits(noise, 0.5) == pytest.approx(2.05, abs=0.05)
    assert noise_bits(np.outer(np.arange(100.0), np.arange(200.0)), 0.5) == 0
    assert noise_bits(noise[0], 0.5) == 0


def test_columns_that_follow_from_others_are_named_once() -> None:
    x, y, z = RANDOM.normal(size=(3, 1000))
    names = ["x", "y", "sum", "z", "copy"]
    found = list(dependent(names, np.stack([x, y, x + y, z, z], axis=1)))
    assert found[0] == "x follows to 100 % from sum and y"
    assert "z is the same as copy" in found
    assert len(found) == 2
    shown = {"a": np.stack([x, -x], 1), "b": np.stack([x, 3 - 2 * x], 1), "c": np.stack([x, 0.5 * x], 1)}
    told = {key: list(dependent(["x", "y"], columns)) for key, columns in shown.items()}
    assert told == {"a": ["x is y with the other sign"], "b": ["x is -0.5 times y + 1.5"], "c": ["x is 2 times y"]}
    assert constants({"a": np.full(5, np.nan), "b": np.arange(3), "c": np.zeros(1)}) == ["a"]


def test_an_autoencoder_of_columns_that_follow_needs_few_latents() -> None:
    hidden = RANDOM.normal(size=(2000, 2))
    columns = hidden @ RANDOM.normal(size=(2, 8))
    allowed = np.full(columns.shape, 1e-3)
    four, one = (expected_autoencoder(columns, allowed, 2000, ratio) for ratio in (4.0, 8.0))
    assert (four.latents, one.latents) == (2, 1)
    assert four.explained == pytest.approx(1)
    assert one.explained < 0.99
    assert four.nbytes < one.nbytes
    assert variation(np.array([1.0, 3.0, np.nan])) == 0.5
    assert variation(np.array([-1.0, 1.0])) == np.inf


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("predict", tmp_path / "no.npz") == 1
    assert "no such file; its folder holds none" in capsys.readouterr().err
