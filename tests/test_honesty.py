"""Nothing says that all is well where something was left out, merged, masked, or never bounded; faults name who is at fault."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from baler_core import PluginError, Source, Variable
from baler_core.api import calls as api
from baler_core.builtin.readers.numpy.files import NpzReader
from baler_core.builtin.readers.whole_file import WholeFileReader
from baler_core.cli import main
from baler_core.data.comparison import is_missing, measured
from baler_core.data.error_bound import ErrorBound
from baler_core.data.tolerance import make_tolerance
from baler_core.evaluate.bound_check import BoundCheck
from baler_core.pipeline.choice import choice_sentence
from baler_core.pipeline.compressed import Compressed


def run_main(*arguments: object) -> int:
    """The exit code of a command run in this process."""
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    assert isinstance(caught.value.code, int)
    return caught.value.code


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with a file of ids and floats."""
    rng = np.random.default_rng(3)
    np.savez(tmp_path / "a.npz", id=np.arange(10**9, 10**9 + 500), x=rng.normal(size=500))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def configure(bounds: str) -> None:
    Path("a.yaml").write_text(f"input: a.npz\nbounds: {bounds}\nmodel: scalar\noutput: out\nplots: []\n")


def test_what_is_left_out_stands_in_a_box_everywhere(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with zipfile.ZipFile("a.npz", "a") as archive:
        archive.writestr("read_me.txt", "not an array")
    configure('{x: {abs: 0.01}, "*": lossless}')
    assert run_main("run", "a.yaml") == 0
    shown = capsys.readouterr().out
    assert "NOT AS IN THE ORIGINAL" in shown
    assert "read_me.txt" in shown
    report = json.loads(Path("out/report.json").read_text())
    assert any("read_me.txt" in sentence for sentence in report["left_out"])
    page = Path("out/report.html").read_text()
    assert "Not in the restored file" in page
    assert "all hold" not in page
    assert run_main("info", "out/a.bal") == 0
    assert "NOT IN THIS FILE" in capsys.readouterr().out
    assert run_main("info", "out/a.bal", "--json") == 0
    assert "read_me.txt" in json.loads(capsys.readouterr().out)["left_out"][0]


@pytest.mark.parametrize(
    ("bounds", "word", "sentence"),
    [
        ('{"*": lossless}', "all hold", "every value is exact"),
        ('{x: {abs: 0.01}, "*": lossless}', "all hold", "1 lossy and 1 exact variables, every value checked"),
    ],
)
def test_all_hold_is_said_where_it_is_so(folder: Path, bounds: str, word: str, sentence: str) -> None:
    configure(bounds)
    assert run_main("run", "a.yaml") == 0
    page = Path("out/report.html").read_text()
    assert f'<strong class="good">{word}</strong><span>{sentence}</span>' in page


def test_ids_that_were_merged_are_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure('{id: {abs: 1000}, "*": lossless}')
    assert run_main("run", "a.yaml") == 0
    assert "id: 500 distinct whole numbers became 1" in capsys.readouterr().out
    assert "500 distinct values became 1" in Path("out/report.html").read_text()


def test_large_floats_are_no_ids(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez("a.npz", mass=np.random.default_rng(4).normal(2e33, 1e32, 500))
    configure('{mass: {rel: 0.01}, "*": lossless}')
    assert run_main("run", "a.yaml") == 0
    assert "distinct" not in capsys.readouterr().out


def test_nan_that_are_meant_to_signal_warn_nobody(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x = np.random.default_rng(5).normal(5, 1, (30, 40)).cumsum(0)
    x.view("u8")[::5, ::7] = 0x7FF0000000000001
    np.savez("a.npz", x=x)
    configure("{x: {noise: 0.2}}")
    assert run_main("init", "a.npz", "-o", "proposed.yaml") == 0
    assert run_main("run", "a.yaml") == 0
    assert "encountered" not in capsys.readouterr().err
    with np.load("out/a.restored.npz") as restored:
        assert np.array_equal(np.isnan(restored["x"]), np.isnan(x))


def test_values_that_became_missing_are_counted() -> None:
    variable = Variable("rain", "<f4", ("x",), fill=(-1.0,), limits=(0.0, 100.0))
    check = BoundCheck(variable, make_tolerance(ErrorBound("abs", 0.5), variable))
    before = np.array([0.2, 50, 99.9, -1, 120, np.nan], "f4")
    after = np.array([-0.1, 50, 100.2, -1, 99.9, np.nan], "f4")
    check.update(before, after)
    assert check.mask_changed == 3


def test_what_some_readers_take_for_missing_is_counted_infinities_and_flags_are_not() -> None:
    variable = Variable("t", "<f4", ("x",), fill=(-1.0,), flags=(7.0,), stated_limits=(0.0, 100.0))
    check = BoundCheck(variable, make_tolerance(ErrorBound("none"), variable))
    before = np.array([0.2, 50, 99.9, np.inf, 7, 3, np.nan], "f4")
    after = np.array([-0.1, 50, 100.2, np.inf, 7, -1, 5], "f4")
    check.update(before, after)
    assert check.mask_changed == 4
    assert is_missing(variable, before).tolist() == [False] * 6 + [True]
    assert measured(variable, before).tolist() == [True, True, True, False, False, True, False]


def test_what_is_exact_in_spite_of_a_pattern_is_shown_with_the_reason(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(
        "a.npz", time=np.linspace(5e4, 5.1e4, 500), flux=np.random.default_rng(1).normal(size=500), mass=np.ones(1)
    )
    configure('{"*": {abs: 0.1}}')
    assert run_main("run", "a.yaml") == 0
    page = Path("out/report.html").read_text()
    assert re.search(r">time</td><td class=.text.>time: named &#39;time&#39; \(", page)
    assert '>mass</td><td class="text">a single value<' in page
    capsys.readouterr()
    assert run_main("info", "out/a.bal") == 0
    said = capsys.readouterr().out
    assert "exact in spite of a pattern with wildcards" in said
    assert re.search(r"^  time  time$", said, re.MULTILINE)
    assert re.search(r"^  mass  a single value$", said, re.MULTILINE)
    assert run_main("info", "out/a.bal", "--json") == 0
    found = {v["name"]: v["kept_exact"] for v in json.loads(capsys.readouterr().out)["variables"]}
    assert found == {"time": "time", "flux": None, "mass": "a single value"}
    assert run_main("evaluate", "a.npz", "out/a.bal") == 0
    assert re.search(r"^  time  time$", capsys.readouterr().out, re.MULTILINE)


def test_a_variable_without_a_bound_is_not_said_to_hold(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    configure('{"*": lossless}')
    assert run_main("run", "a.yaml") == 0
    assert run_main("evaluate", "a.npz", "out/a.restored.npz", "-o", "alone") == 0
    page = Path("alone/report.html").read_text()
    assert "the allowed errors are not known: errors are stated, not judged" in page
    assert "all hold" not in page
    assert "compare with the .bal file instead of the restored one" in page
    said = capsys.readouterr().out
    assert "note: neither file states the allowed errors, so no bound is shown" in said
    assert "not known" in said


@pytest.mark.parametrize("size", [0, 1, 5000])
def test_any_file_can_be_kept_byte_for_byte(tmp_path: Path, size: int) -> None:
    data = np.random.default_rng(1).bytes(size)
    (tmp_path / "some.thing").write_bytes(data)
    api.compress(tmp_path / "some.thing", tmp_path / "x.bal", reader="whole_file", block_bytes=2000)
    api.decompress(tmp_path / "x.bal", tmp_path / "again.thing")
    assert (tmp_path / "again.thing").read_bytes() == data


def test_bytes_are_never_lossy(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(bytes(range(256)))
    with WholeFileReader().open(tmp_path / "a.bin") as source:
        assert not source.schema["bytes"].is_numeric


PLUGIN = """
from baler_core import {base}, hookimpl

class Mine({base}):
    name = "{name}"
    suffixes = (".odd",)
    def open(self, path, variables=None):
        return 1 / 0
    def create(self, path, schema):
        raise NotImplementedError
    def update(self, original, restored, variables):
        return 1 / 0
    def result(self):
        raise NotImplementedError

@hookimpl
def baler_{base_lower}s():
    return [Mine]
"""


def with_plugin(folder: Path, base: str, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command where a plugin of somebody else's is installed."""
    site = folder / "site" / "baler_odd-2.5.dist-info"
    site.mkdir(parents=True, exist_ok=True)
    (site.parent / "baler_odd.py").write_text(PLUGIN.format(base=base, base_lower=base.lower(), name=name))
    (site / "METADATA").write_text("Metadata-Version: 2.1\nName: baler-odd\nVersion: 2.5\n")
    (site / "entry_points.txt").write_text("[baler]\nodd = baler_odd\n")
    return subprocess.run(
        [sys.executable, "-m", "baler_core", *arguments],
        env={**os.environ, "PYTHONPATH": str(site.parent)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_fault_in_a_plugin_names_the_plugin(folder: Path) -> None:
    Path("b.odd").write_text("?")
    Path("b.yaml").write_text("input: b.odd\noutput: out\n")
    done = with_plugin(folder, "Reader", "odd", "compress", "b.yaml")
    assert done.returncode == 70
    assert "a fault of the plugin baler-odd 2.5 (reader 'odd')" in done.stderr
    assert "bug in baler" not in done.stderr


def test_a_failing_metric_is_told_on_the_terminal_and_costs_nothing_else(folder: Path) -> None:
    configure('{"*": lossless}')
    Path("a.yaml").write_text(Path("a.yaml").read_text() + "metrics: [odd, residual]\n")
    done = with_plugin(folder, "Metric", "odd", "run", "a.yaml")
    assert done.returncode == 0
    assert "warning: the metric 'odd' failed and is left out of the report: ZeroDivisionError" in done.stderr


def test_a_plugin_cannot_take_a_name_of_the_core(folder: Path) -> None:
    configure('{"*": lossless}')
    done = with_plugin(folder, "Metric", "residual", "run", "a.yaml")
    assert done.returncode == 0
    assert "the metric 'residual' of baler-odd 2.5 is not used: baler-core has one of that name" in done.stderr
    assert "residual" in json.loads(Path("out/report.json").read_text())["metrics"][0]["name"]


def test_names_from_files_cannot_command_the_terminal(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evil = "x\x1b]0;owned\x07\nbaler: all hold"
    np.savez("evil.npz", **{evil: np.arange(5.0)})
    api.compress("evil.npz", "evil.bal", bounds="lossless")
    assert run_main("info", "evil.bal") == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "\\x1b]0;owned\\x07\\nbaler: all hold" in shown


def chosen_of(done: Compressed) -> list[str]:
    return [sentence for sentence in done.left_out if sentence.startswith("chosen: ")]


def test_variables_that_were_not_chosen_are_told_by_whatever_shows_the_file(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez("a.npz", t=np.arange(50.0), **{name: np.arange(50.0) for name in "abcd"})
    said = "chosen: 1 of 5 variables; not in this file: a, b, c, d"
    Path("a.yaml").write_text(
        "input: a.npz\nreader: {variables: [t]}\nbounds: {t: {abs: 0.01}}\nmodel: scalar\noutput: out\nplots: []\n"
    )
    assert run_main("run", "a.yaml") == 0
    shown = capsys.readouterr().out
    assert said in shown
    assert "all hold" not in shown
    assert said in json.loads(Path("out/report.json").read_text())["left_out"]
    assert said in Path("out/report.html").read_text()
    for arguments in (["info", "out/a.bal"], ["verify", "out/a.bal"], ["compress", "a.yaml", "-o", "b.bal"]):
        assert run_main(*arguments) == 0
        captured = capsys.readouterr()
        assert said in captured.out + captured.err
    with np.load("out/a.restored.npz") as restored:
        assert list(restored) == ["t"]


def test_of_many_variables_not_chosen_the_first_are_listed_and_none_where_all_are(folder: Path) -> None:
    Path("wide.csv").write_text(",".join(f"c{n}" for n in range(40)) + "\n" + ",".join("1" * 40) + "\n")
    for given in ("wide.csv", pd.read_csv("wide.csv"), {f"c{n}": np.ones(3) for n in range(40)}):
        (said,) = chosen_of(api.compress(given, "w.bal", variables="c0", overwrite=True))
        assert said == "chosen: 1 of 40 variables; not in this file: c1, c2, c3, c4, c5, c6 and 33 more"
        assert not chosen_of(api.compress(given, "w.bal", variables="c*", overwrite=True))
        assert not chosen_of(api.compress(given, "w.bal", overwrite=True))


def test_fields_of_a_structured_array_are_told_apart_by_choice(folder: Path) -> None:
    table = np.zeros(4, [("x", "f8"), ("y", "f8")])
    given = {"table": table, "other": np.zeros(4)}
    (said,) = chosen_of(api.compress(given, "t.bal", variables="table/x"))
    assert said == "chosen: 1 of 3 variables; not in this file: table/y, other"
    (said,) = chosen_of(api.compress(given, "t.bal", variables="table", overwrite=True))
    assert said == "chosen: 2 of 3 variables; not in this file: other"


def test_a_choice_is_told_where_the_others_are_not_known() -> None:
    assert "what other variables the input had is not known" in choice_sentence(["x"], None)


def test_coordinates_that_come_along_are_not_told_as_missing(folder: Path) -> None:
    given = xr.Dataset(
        {"u": ("x", np.ones(3)), "v": ("x", np.ones(3))}, {"x": pd.RangeIndex(3), "y": ("x", np.ones(3))}
    )
    (said,) = chosen_of(api.compress(given, "x.bal", variables="u"))
    assert said.endswith("not in this file: v")
    assert set(api.open("x.bal").variables) == {"u", "x", "y"}


def test_variables_of_one_name_are_refused_before_a_file_that_nobody_could_restore(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = NpzReader.open

    def twice(self: NpzReader, path: Path, variables: Sequence[str] | None = None) -> Source:
        source = opened(self, path, variables)
        source.schema = replace(source.schema, variables=(*source.schema.variables, source.schema["x"]))
        return source

    monkeypatch.setattr(NpzReader, "open", twice)
    with pytest.raises(PluginError, match="the reader 'npz' calls several variables 'x'"):
        api.compress("a.npz", "a.bal", model="scalar")
    monkeypatch.setattr("baler_core.pipeline.input.Counter", lambda _: {})  # as if that had not been seen
    with pytest.raises(PluginError, match="nothing is written, since it could not be restored"):
        api.compress("a.npz", "a.bal", model="scalar")
    assert not Path("a.bal").exists()
