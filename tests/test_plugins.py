"""Broken, clashing, misspelt and disabled plugins are named, and never stop the others."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from baler_core.errors import DataError, PluginError
from baler_core.plugin import hooks
from baler_core.plugin.hooks import KINDS
from baler_core.plugin.registry import PluginStatus, Registry, load_plugins

GOOD = """
from baler_core import Metric, MetricResult, hookimpl

class Count(Metric):
    name = "{name}"
    def update(self, original, restored, variables): pass
    def result(self): return MetricResult({{}})

@hookimpl
def baler_metrics(): return [Count]
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Puts a distribution with one module and an entry point where Python finds it."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def put(module: str, code: str, version: str = "2.0", place: str = "") -> None:
        (tmp_path / f"{module}.py").write_text(textwrap.dedent(code))
        info = tmp_path / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module.replace('_', '-')}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[baler]\n{module} = {module}{place}\n")

    return put


def status(registry: Registry, name: str) -> PluginStatus:
    return next(plugin for plugin in registry.plugins if plugin.name == name)


def test_a_third_party_component_is_found_by_name(install) -> None:  # type: ignore[no-untyped-def]
    install("plugin_good", GOOD.format(name="plugin_good_metric"))
    registry = load_plugins()
    offer = registry.offer("metric", "plugin_good_metric")
    assert (offer.package, offer.version) == ("plugin-good", "2.0")
    assert status(registry, "plugin_good").state == "loaded"


@pytest.mark.parametrize(
    ("module", "code", "problem"),
    [
        ("plugin_raising", "raise RuntimeError('no licence')", "no licence"),
        ("plugin_importing", "import package_that_is_absent", "package_that_is_absent"),
        (
            "plugin_misspelt",
            "from baler_core import hookimpl\n@hookimpl\ndef baler_modells(): return []",
            "baler_models",
        ),
        ("plugin_unmarked", "def baler_models(): return []", "hookimpl"),
        ("plugin_wrong", "from baler_core import hookimpl\n@hookimpl\ndef baler_models(): return [int]", "int"),
        (
            "plugin_partial",
            "from baler_core import Model, hookimpl\nclass M(Model):\n    name='m'\n@hookimpl\ndef baler_models(): return [M]",
            "encode",
        ),
    ],
)
def test_a_broken_plugin_is_named_and_stops_nobody(install, monkeypatch, module: str, code: str, problem: str) -> None:  # type: ignore[no-untyped-def]
    install(module, code)
    registry = load_plugins()
    broken = status(registry, module)
    assert (broken.state, broken.package, broken.version) == ("broken", module.replace("_", "-"), "2.0")
    assert problem in broken.problem
    assert "scalar" in registry.names("model")
    with pytest.raises(PluginError, match=module):
        registry.model("sorcery")
    monkeypatch.setenv("BALER_STRICT_PLUGINS", "1")
    with pytest.raises(PluginError, match=module):
        load_plugins()


OLD_MODEL = """
from baler_core import Model, hookimpl

class Old(Model):
    name = "old_half"
    def encode(self, block, layout, tolerances): return {}
    def decode(self, streams, layout, tolerances): return layout.build({})

@hookimpl
def baler_models(): return [Old]
"""


def test_a_model_whose_methods_are_of_an_earlier_version_is_told_how_to_write_them(install) -> None:  # type: ignore[no-untyped-def]
    install("plugin_old", OLD_MODEL)
    with pytest.raises(PluginError) as caught:
        load_plugins().model("old_half")
    for part in ("plugin_old", "plugin-old", "'old_half'", "encode(self, block, layout, tolerances, *, hints, plan)"):
        assert part in str(caught.value)
    install(
        "plugin_new",
        OLD_MODEL.replace("tolerances): return {}", "tolerances, **_): return {}").replace("old_half", "new_half"),
    )
    assert load_plugins().model("new_half").name == "new_half"


def test_two_of_the_same_name_are_an_error_that_names_both(install) -> None:  # type: ignore[no-untyped-def]
    install("plugin_one", GOOD.format(name="twice"))
    install("plugin_two", GOOD.format(name="twice"), version="3.1")
    registry = load_plugins()
    with pytest.raises(PluginError, match=r"plugin-one 2\.0 and plugin-two 3\.1"):
        registry.metric("twice")
    assert registry.metric("residual").name == "residual"


def test_a_disabled_plugin_offers_nothing(install, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    install("plugin_off", GOOD.format(name="off"))
    monkeypatch.setenv("BALER_DISABLE_PLUGINS", "plugin_off, fits")
    registry = load_plugins()
    assert {status(registry, name).state for name in ("plugin_off", "fits")} == {"disabled"}
    with pytest.raises(PluginError, match="disabled"):
        registry.metric("off")


def test_a_missing_reader_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BALER_DISABLE_PLUGINS", "root,hdf5,fits")
    registry = load_plugins()
    for suffix, extra in ((".root", "hep"), (".h5", "cfd"), (".nc", "cfd"), (".fits.gz", "astro")):
        with pytest.raises(DataError, match=rf"pip install 'baler-core\[{extra}\]'"):
            registry.reader_for(Path(f"x{suffix}"))
    assert registry.reader_for(Path("x.CSV")) == "csv"


def test_a_wrong_name_gets_the_nearest_right_one() -> None:
    with pytest.raises(PluginError, match="scalar"):
        load_plugins().model("scaler")


def test_hooks_are_called_once_in_a_process() -> None:
    hooks._module_offers.cache_clear()
    once = load_plugins()
    asked = hooks._module_offers.cache_info().misses
    again = load_plugins()
    assert hooks._module_offers.cache_info().misses == asked > 0
    assert {kind: once.names(kind) for kind in KINDS} == {kind: again.names(kind) for kind in KINDS}


def test_an_unhashable_object_is_a_plugin_like_a_module(install) -> None:  # type: ignore[no-untyped-def]
    code = GOOD.format(name="kept")
    code += "\nclass Held:\n    __hash__ = None\nplugin_held = Held()\nplugin_held.baler_metrics = baler_metrics\n"
    install("plugin_held", code, place=":plugin_held")
    registry = load_plugins()
    assert status(registry, "plugin_held").state == "loaded"
    assert registry.metric("kept").name == "kept"
