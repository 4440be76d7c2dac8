"""From a configuration file to settings: what is right is taken, what is wrong is all named at once, with its line."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import Field

from baler_core.config import Config, InvalidConfig, load_config
from baler_core.data.error_bound import LOSSLESS, UNBOUNDED, ErrorBound
from baler_core.errors import ConfigError
from baler_core.plugin.hooks import Kind
from baler_core.plugin.interfaces import Component, Options
from baler_core.plugin.published import install_for
from baler_core.plugin.registry import Offer, PluginStatus, Registry


class TreeOptions(Options):
    tree: str = ""


class DenseOptions(Options):
    ratio: float | None = Field(default=None, gt=1)
    layers: tuple[int, ...] = (200, 100, 50)


def component(name: str, options: type[Options] = Options, **attributes: Any) -> type[Component]:
    return type(name, (Component,), {"name": name, "Options": options, **attributes})


@pytest.fixture
def registry() -> Registry:
    """A registry of names and options alone: the checks look at nothing else."""

    class LogOptions(Options):
        base: ClassVar[float] = 10.0
        offset: float = 0.0

    registry = Registry()
    offered: dict[Kind, list[type[Component]]] = {
        "reader": [
            component("tree", TreeOptions, suffixes=(".tree",), folders=()),
            component("numpy", suffixes=(".npy", ".npz"), folders=()),
        ],
        "model": [component("scalar"), component("dense_autoencoder", DenseOptions)],
        "preprocessor": [component("log", LogOptions)],
        "metric": [component("residual"), component("response")],
        "loss": [component("mse")],
    }
    for kind, classes in offered.items():
        registry.offers[kind] = {c.name: [Offer(c, "baler-core", "1")] for c in classes}
    return registry


Load = Callable[[str], Config]


@pytest.fixture
def load(tmp_path: Path, registry: Registry) -> Load:
    """Check a text as `c.yaml` in a folder that holds some files."""
    for name in ("a.npy", "run2.npy", "run10.npy", "jets.tree"):
        (tmp_path / name).touch()

    def load(text: str) -> Config:
        (tmp_path / "c.yaml").write_text(text)
        return load_config(tmp_path / "c.yaml", registry)

    return load


def problems(load: Load, text: str) -> list[str]:
    with pytest.raises(InvalidConfig) as caught:
        load(text)
    return [problem.at("c") for problem in caught.value.problems]


def test_one_line_is_enough(load: Load, tmp_path: Path) -> None:
    config = load("input: a.npy")
    assert config.inputs == (tmp_path / "a.npy",)
    assert config.output == tmp_path / "results"
    assert config.reader is None
    assert config.variables is None
    assert config.model.name == "auto"
    assert config.bounds.bound_for("x", "<f4") == LOSSLESS
    assert [metric.name for metric in config.metrics] == ["residual", "response"]
    assert config.block_bytes == 64_000_000
    assert config.plots == ("*",)


def test_every_section_arrives_checked(load: Load, tmp_path: Path) -> None:
    config = load(
        """
input: jets.tree
reader: {name: tree, tree: Events, variables: ["Jet_*", MET_pt]}
bounds:
  Jet_phi: {abs: 1e-4}
  "Jet_*": {rel: 1.0e-3}
  "*": lossless
preprocess:
  - {name: log, variables: Jet_pt, offset: 1}
  - log
model: {name: dense_autoencoder, ratio: 6}
training: {epochs: 20, learning_rate: 1e-2, seed: 3}
metrics: [response]
plots: ["Jet_p*"]
block_size: 1.5 MiB
output: ../out
"""
    )
    assert config.reader is not None
    assert config.reader.options == TreeOptions(tree="Events")
    assert config.variables == ("Jet_*", "MET_pt")
    assert [config.bounds.bound_for(n, "<f4").kind for n in ("Jet_phi", "Jet_pt", "x")] == ["abs", "rel", "lossless"]
    assert [(p.name, p.variables) for p in config.preprocess] == [("log", ("Jet_pt",)), ("log", ("*",))]
    assert config.preprocess[0].options.model_dump() == {"offset": 1.0}
    assert config.model.options == DenseOptions(ratio=6)
    assert (config.training.epochs, config.training.learning_rate, config.training.seed) == (20, 0.01, 3)
    assert config.block_bytes == 1_572_864
    assert config.plots == ("Jet_p*",)
    assert config.output.resolve() == tmp_path.parent / "out"


def test_checkpoints_of_a_training_lie_beside_the_configuration_wherever_it_works(load: Load, tmp_path: Path) -> None:
    assert load("input: a.npy\ntraining: {checkpoints: saved}").training.checkpoints == str(tmp_path / "saved")


def test_all_problems_are_reported_at_once_with_their_lines(load: Load) -> None:
    found = problems(
        load,
        """input: a.npi
modle: scalar
bounds:
  pt: {rel: -1}
  eta: {rle: 1e-3}
  phi: {abs: .nan}
  z: {abs: .inf}
  pt: lossless
  w: {rel: 1e-3, abs: 2}
training:
  epoch: 3
  batch_size: 0
  loss: msse
metrics: [residual, respnse]
preprocess:
  - {name: log, ofset: 1, variable: x}
epochs: 5
block_size: lots
""",
    )
    expected = [
        ("c:1: input:", "Did you mean 'a.npy'"),
        ("c:2: modle:", "unknown key. Did you mean 'model'"),
        ("c:4: bounds.pt:", "found rel: -1.0"),
        ("c:5: bounds.eta:", "unknown bound 'rle'. Did you mean 'rel'"),
        ("c:6: bounds.phi:", "nan"),
        ("c:7: bounds.z:", "inf"),
        ("c:8: bounds.pt:", "is in line 4 already"),
        ("c:9: bounds.w:", "{kind: value}"),
        ("c:11: training.epoch:", "unknown key. Did you mean 'epochs'"),
        ("c:12: training.batch_size:", "wanted greater than or equal to 1, found 0"),
        ("c:13: training.loss:", "Did you mean 'mse'"),
        ("c:14: metrics[1].name:", "Did you mean 'response'"),
        ("c:16: preprocess[0].ofset:", "Did you mean 'offset'"),
        ("c:16: preprocess[0].variable:", "Did you mean 'variables'"),
        ("c:17: epochs:", "belongs under 'training:'"),
        ("c:18: block_size:", "wanted a size such as 64 MB, found 'lots'"),
    ]
    assert len(found) == len(expected)
    for message, (place, part) in zip(found, expected, strict=True):
        assert message.startswith(place)
        assert part in message


def test_one_message_holds_them_all(load: Load) -> None:
    with pytest.raises(ConfigError, match=r"c\.yaml: 2 problems\n  .*c\.yaml:1: inputs: .*\n  .*c\.yaml:2: model"):
        load("inputs: a.npy\nmodel: scaler\ninput: a.npy")


def test_patterns_of_inputs_are_sorted_and_taken_once(load: Load, tmp_path: Path) -> None:
    config = load("input: [run10.npy, 'run*.npy']")
    assert [path.name for path in config.inputs] == ["run10.npy", "run2.npy"]
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "x.npz").touch()
    assert [path.name for path in load("input: 'deep/**/*.npz'").inputs] == ["x.npz"]


def test_names_that_begin_with_a_tilde_are_names_unless_it_is_a_home(
    load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    for name in ("~draft.npy", "home/a.npy"):
        (tmp_path / name).touch()
    assert load("input: [~draft.npy, ~/a.npy]").inputs == (tmp_path / "~draft.npy", tmp_path / "home" / "a.npy")
    assert "~drafts.npy: no such file. Did you mean '~draft.npy'" in problems(load, "input: ~drafts.npy")[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model: auto", "c:1: input: missing"),
        ("", "c: input: missing"),
        ("input:", "c:1: input: missing"),
        ("input: []", "c:1: input: missing"),
        ("- a", "wanted keys and values"),
        ("input: 3", "c:1: input: wanted a valid list, found 3"),
        ("input: ['*.csv']", "c:1: input[0]: no file matches"),
        ("input: nowhere/a.npy", "there is no folder"),
        ("input: .", "is a folder: name files"),
        ("input: sorcery://x.org/a.npy", "cannot be opened"),
        ("input: c.yaml", "no reader for this suffix"),
        ("input: a.npy\nreader: {variables: 3}", "c:2: reader.variables: wanted a pattern"),
        ("input: a.npy\nreader: {name: root}", "pip install 'baler-core[hep]'"),
        ("input: a.npy\nvariables: [x]", "c:2: variables: unknown key here: it belongs under 'reader:'"),
        ("input: a.npy\nreader: {tre: x}", "c:2: reader.tre: unknown key"),
        ("input: a.npy\noutput: a.npy/x", "is a file"),
        ("input: a.npy\nmodel: {ratio: 2}", "wanted the name of a model (auto, dense_autoencoder, scalar)"),
        ("input: a.npy\nmodel: [auto]", "c:2: model: wanted a name"),
        ("input: a.npy\nmodel:\n  name: dense_autoencoder\n  layers: [1, x]", "c:4: model.layers[1]: wanted"),
        ("input: a.npy\nmodel: {name: auto, ratio: 2}", "c:2: model.ratio: unknown key"),
        ("input: a.npy\nmodel: atuo", "Did you mean 'auto'"),
        ("input: a.npy\nbounds: 3", "wanted a bound"),
        ("input: a.npy\nbounds: {}", "wanted a bound"),
        ("input: a.npy\nbounds: rel", "needs a value"),
        ("input: a.npy\nbounds: {x: {rel: '1e-3'}}", "needs a number"),
        ("input: a.npy\nbounds: {x: {rel: true}}", "needs a number"),
        ("input: a.npy\nbounds: none", "needs a model with a ratio"),
        ("input: a.npy\nbounds: {x: none}", "c:2: bounds.x: 'none' needs a model with a ratio"),
        ("input: a.npy\nbounds: none\nmodel: dense_autoencoder", "has none set"),
        ("input: a.npy\nbounds: {'*': lossless, x: {rel: 1e-3}}", "never used: '*' comes before it"),
        ("input: a.npy\nbounds: {'J_*': lossless, 'J_p*': {rel: 1e-3}}", "never used"),
    ],
)
def test_what_one_mistake_gets(load: Load, text: str, message: str) -> None:
    found = problems(load, text)
    assert len(found) == 1
    assert message in found[0]


def test_inputs_that_would_share_a_result_are_refused(load: Load, tmp_path: Path) -> None:
    (tmp_path / "a.npz").touch()
    assert "would both become a.bal" in problems(load, "input: ['a.*']")[0]


def test_bounds_for_all_floats_leave_integers_alone(load: Load) -> None:
    bounds = load("input: a.npy\nbounds: {abs: 1e-3}").bounds
    assert bounds.bound_for("x", "<f8") == ErrorBound("abs", 1e-3)
    assert bounds.bound_for("x", "<i8") == LOSSLESS


def test_lossless_and_no_bound_at_all(load: Load) -> None:
    bounds = load("input: a.npy\nbounds: lossless").bounds
    assert bounds.bound_for("x", "<f8") == LOSSLESS
    bounds = load("input: a.npy\nbounds: none\nmodel: {name: dense_autoencoder, ratio: 6}").bounds
    assert bounds.bound_for("x", "<f8") == UNBOUNDED
    assert bounds.bound_for("x", "<i8") == LOSSLESS


def test_a_variable_may_be_called_like_a_bound(load: Load) -> None:
    bounds = load("input: a.npy\nbounds: {abs: {rel: 1e-2}, range: lossless}").bounds
    assert bounds.bound_for("abs", "<f8") == ErrorBound("rel", 1e-2)
    assert bounds.bound_for("range", "<f8") == LOSSLESS


def test_options_without_a_name_go_to_the_reader_of_the_suffix(load: Load) -> None:
    reader = load("input: jets.tree\nreader: {tree: Events}").reader
    assert reader is not None
    assert (reader.name, reader.options) == ("tree", TreeOptions(tree="Events"))
    config = load("input: a.npy\nreader: {variables: ['x*']}")
    assert (config.reader, config.variables) == (None, ("x*",))


def test_inputs_of_the_command_line_replace_those_of_the_file(
    tmp_path: Path, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "c.yaml").write_text("input: gone.npy")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "b.npy").touch()
    monkeypatch.chdir(tmp_path / "other")
    assert load_config(tmp_path / "c.yaml", registry, inputs=["b.npy"]).inputs == (Path("b.npy"),)
    with pytest.raises(ConfigError, match=r"--input: .*Did you mean 'b.npy'"):
        load_config(tmp_path / "c.yaml", registry, inputs=["bb.npy"])


def test_broken_plugins_are_named_when_a_component_is_missing(load: Load, registry: Registry) -> None:
    registry.plugins.append(PluginStatus("fancy", "baler-fancy", "0.3", "broken", "ImportError: no jax"))
    assert "fancy of baler-fancy, broken ImportError: no jax" in problems(load, "input: a.npy\nmodel: fancy")[0]
    assert install_for("readers", "root") == "baler-core[hep]"


def test_paths_are_told_without_detours(load: Load, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    config = load("input: [deep/../a.npy, 'deep/../run*.npy']\noutput: deep/../out")
    assert config.inputs == (tmp_path / "a.npy", tmp_path / "run10.npy", tmp_path / "run2.npy")
    assert config.output == tmp_path / "out"


def test_a_symbolic_link_is_followed_before_going_up(load: Load, tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "deep").mkdir(parents=True)
    (tmp_path / "elsewhere" / "a.npy").touch()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere" / "deep")
    (found,) = load("input: link/../a.npy").inputs
    assert found.resolve() == tmp_path / "elsewhere" / "a.npy"


def test_limits_and_sign_stand_beside_a_bound(load: Load) -> None:
    text = """\
input: a.npy
bounds:
  a: {abs: 0.01, limits: [0, 100]}
  b: {rel: 1e-3, limits: {min: 0}, sign: keep}
  c: {range: 1e-3, limits: [null, 5], sign: free}
"""
    rules = dict(load(text).bounds.rules)
    assert rules["a"] == ErrorBound("abs", 0.01, limits=(0.0, 100.0))
    assert rules["b"] == ErrorBound("rel", 1e-3, limits=(0.0, math.inf), sign="keep")
    assert rules["c"] == ErrorBound("range", 1e-3, limits=(-math.inf, 5.0), sign="free")
    assert [str(bound) for bound in rules.values()] == [
        "abs 0.01, limits [0, 100]",
        "rel 0.001, limits [0, inf], sign keep",
        "range 0.001, limits [-inf, 5], sign free",
    ]
    assert all(ErrorBound.parse(bound) is bound for bound in rules.values())
    alone = load("input: a.npy\nbounds: {abs: 0.01, limits: {max: 3}}\n")
    assert alone.bounds.rules == (("*", ErrorBound("abs", 0.01, limits=(-math.inf, 3.0))),)


@pytest.mark.parametrize(
    ("bound", "key", "part"),
    [
        ("limts: [0, 1]", ".limts", "Did you mean 'limits'"),
        ("limits: [1, 0]", ".limits", "smallest and the largest"),
        ("limits: [1, 1]", ".limits", "smallest and the largest"),
        ("limits: 3", ".limits", "two numbers"),
        ("limits: [0, 1, 2]", ".limits", "two numbers"),
        ("limits: [0, x]", ".limits", "'x'"),
        ("limits: [0, .nan]", ".limits", "nan"),
        ("limits: [null, null]", ".limits", "limits nothing"),
        ("limits: {}", ".limits", "limits nothing"),
        ("limits: {low: 0}", ".limits", "unknown key 'low'"),
        ("sign: kept", ".sign", "'keep' or 'free'"),
        ("rel: 0.1", "", "one {kind: value}"),
    ],
)
def test_what_is_wrong_in_limits_and_sign_is_named_with_its_line(load: Load, bound: str, key: str, part: str) -> None:
    (found,) = problems(load, f"input: a.npy\nbounds:\n  pt:\n    abs: 0.01\n    {bound}\n")
    assert found.startswith(f"c:{5 if key else 3}: bounds.pt{key}: ")
    assert part in found
