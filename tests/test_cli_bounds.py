"""What the commands say of bounds: that there are none, what stays exact in spite of them, and what patterns match."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import baler_core
from baler_core.cli import main
from baler_core.data.block import values_of

N = 500
RANDOM = np.random.default_rng(4)
ARRAYS = {
    "flux": RANDOM.lognormal(3, 1, N),
    "weight": RANDOM.normal(1, 0.1, N),
    "reading": 1.6e9 + np.arange(N) * 1.5,
    "star": RANDOM.integers(0, 9, N),
    "field": RANDOM.normal(size=(20, 30)),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    np.savez("d.npz", **ARRAYS)  # type: ignore[arg-type]
    return tmp_path


def run(bounds: str, *command: str) -> int:
    Path("c.yaml").write_text(f"input: d.npz\nmodel: scalar\noutput: out\n{bounds}")
    with pytest.raises(SystemExit) as caught:
        main([*command[:1], "c.yaml", *command[1:]])
    assert isinstance(caught.value.code, int)
    return caught.value.code


def restored() -> dict[str, np.ndarray]:
    data = baler_core.open("out/d.bal")
    return {name: values_of(data, name) for name in ARRAYS}


def changed() -> set[str]:
    return {name for name, values in restored().items() if not np.array_equal(values, ARRAYS[name])}


def test_without_bounds_everything_is_exact_and_a_line_says_so(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("", "compress") == 0
    assert changed() == set()
    said = capsys.readouterr().err
    assert "no bounds are set, so every value is kept exactly" in said
    assert "baler init" in said


def test_without_bounds_python_says_so_too(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    done = baler_core.compress(ARRAYS, folder / "x.bal", model="scalar")
    assert done.errors == {}
    assert "no bounds are set, so every value is kept exactly" in caplog.text
    caplog.clear()
    baler_core.compress(ARRAYS, folder / "x.bal", model="scalar", bounds="lossless", overwrite=True)
    assert caplog.text == ""


def test_variables_that_no_pattern_matches_are_exact(folder: Path) -> None:
    assert run("bounds: {flux: {rel: 1.0e-2}}\n", "compress") == 0
    assert changed() == {"flux"}


def test_what_is_exact_in_spite_of_a_wildcard_is_told_with_its_reason(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("bounds: {abs: 0.01}\n", "compress", "--json") == 0
    assert changed() == {"flux", "field"}
    out, said = capsys.readouterr()
    assert "exact in spite of a wildcard: weight (weight: named 'weight'" in said
    assert "reading (looks like times or positions (rising, spread over 748" in said
    assert list(json.loads(out)[0]["kept_exact"]) == ["weight", "reading"]


def test_complex_numbers_under_a_wildcard_are_said_to_stay_exact(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spectrum = RANDOM.normal(size=N) + 1j * RANDOM.normal(size=N)
    np.savez("d.npz", spectrum=spectrum, **ARRAYS)  # type: ignore[arg-type]
    assert run("bounds: {'*': {abs: 0.01}}\n", "compress") == 0
    assert "bounds are not for numbers of their types: spectrum (complex128)" in capsys.readouterr().err
    assert np.array_equal(baler_core.open("out/d.bal", as_="numpy")["spectrum"], spectrum)


def test_the_report_of_a_run_lists_it(folder: Path) -> None:
    assert run("metrics: []\nplots: []\nbounds: {abs: 0.01}\n", "run") == 0
    report = json.loads(Path("out/report.json").read_text())
    assert report["kept_exact"]["weight"].startswith("weight: named 'weight'")
    assert list(report["kept_exact"]) == ["weight", "reading"]


def test_a_full_name_reaches_them(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run('bounds: {reading: {abs: 0.5}, weight: {rel: 1.0e-2}, "*": lossless}\n', "compress") == 0
    assert changed() == {"reading", "weight"}
    assert capsys.readouterr().err == ""


def test_a_python_bound_for_all_is_a_wildcard(folder: Path) -> None:
    done = baler_core.compress(ARRAYS, folder / "x.bal", bounds={"abs": 0.01}, model="scalar")
    assert set(done.errors) == {"flux", "field"}
    assert list(done.kept_exact) == ["weight", "reading"]


def test_the_decision_is_the_same_for_blocks_of_any_size(folder: Path) -> None:
    small = baler_core.compress(ARRAYS, folder / "s.bal", bounds={"abs": 0.01}, model="scalar", block_bytes=3000)
    large = baler_core.compress(ARRAYS, folder / "l.bal", bounds={"abs": 0.01}, model="scalar")
    assert small.kept_exact == large.kept_exact


def test_evaluate_with_the_configuration_judges_by_the_same_decisions(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bounds = '{"*": {abs: 0.01}}'
    assert run(f"bounds: {bounds}\n", "compress") == 0
    capsys.readouterr()
    with pytest.raises(SystemExit) as caught:
        main(["evaluate", "d.npz", "out/d.bal", "--config", "c.yaml", "--json"])
    assert caught.value.code == 0
    stated = {v["name"]: v["bound"] for v in json.loads(capsys.readouterr().out)["variables"]}
    assert (stated["weight"], stated["reading"], stated["flux"]) == ("lossless", "lossless", "abs 0.01")


def test_patterns_that_match_nothing_get_their_neighbours(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run('bounds: {"*flx*": {rel: 1.0e-2}}\n', "compress") == 0
    assert "the bound for '*flx*' matches no variable. Did you mean 'flux' or 'field'?" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["compress", "run", "train"])
def test_a_name_that_the_input_lacks_is_an_error(
    folder: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert run('bounds: {flx: lossless, "*": {rel: 1.0e-2}}\n', command) == 1
    assert "the bounds name what the input does not have: 'flx'. Did you mean 'flux' or" in capsys.readouterr().err
    assert not list(Path("out").glob("*"))
    with pytest.raises(baler_core.ConfigError, match="Did you mean 'flux' or"):
        baler_core.compress(ARRAYS, folder / "x.bal", bounds={"flx": {"rel": 1e-2}})
    with pytest.raises(baler_core.ConfigError, match="Did you mean 'flux' or"):
        baler_core.encode(ARRAYS, bounds={"flx": {"rel": 1e-2}})


def test_brackets_are_of_names_where_names_have_some(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez("d.npz", **{"pt [GeV]": np.linspace(1, 2, 50), "eta": np.linspace(1, 2, 50)})
    for command in (["compress"], ["check", "--data"]):
        assert run('bounds: {"pt [GeVV]": lossless, "*": {rel: 1.0e-2}}\n', *command) == 1
        assert "'pt [GeVV]'. Did you mean 'pt [GeV]'?" in capsys.readouterr().err
    np.savez("d.npz", pt=np.linspace(1, 2, 50))
    for command in (["compress", "--force"], ["check", "--data"]):
        assert run('bounds: {"q[12]": lossless, "*": {rel: 1.0e-2}}\n', *command) == 0


def test_files_that_share_settings_need_not_have_the_same_variables(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez("e.npz", other=np.arange(30.0))
    text = "input: [d.npz, e.npz]\nbounds: {flux: {rel: 1.0e-3}, other: {rel: 1.0e-3}}\nmodel: scalar\noutput: out\n"
    Path("two.yaml").write_text(text)
    Path("one.yaml").write_text(text.replace("[d.npz, e.npz]", "d.npz").replace(", other: {rel: 1.0e-3}", ""))
    for command in (
        ("compress", "two.yaml"),
        ("compress", "two.yaml", "--keep-going"),
        ("train", "one.yaml", "-o", "m"),
    ):
        with pytest.raises(SystemExit) as caught:
            main([*command])
        assert not caught.value.code
    assert capsys.readouterr().err.count("the bound for 'flux' matches no variable") == 2
    with pytest.raises(SystemExit) as caught:
        main(["compress", "one.yaml", "--input", "e.npz", "--model", "m", "--force"])
    assert not caught.value.code
    assert "'flux' matches no variable" in capsys.readouterr().err


def test_patterns_that_match_only_what_stays_exact_are_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run('bounds: {"st*": {rel: 1.0e-2}}\n', "compress") == 0
    assert "the bound for 'st*' loses nothing: all that it decides is exact: star" in capsys.readouterr().err


CHECKED = """bounds:
  flx: {rel: 1.0e-2}
  flux: {rel: 1.0e-3}
  "*": {abs: 1.0e-2}
"""


def test_check_data_says_what_patterns_match(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(CHECKED, "check", "--data") == 1
    said, wrong = capsys.readouterr()
    assert "c.yaml: bounds that match no variable: 'flx'. Did you mean 'flux' or 'field'?" in wrong
    for line in (
        "d.npz: 5 variables",
        "'flx'    rel 0.01   0                    nothing. Did you mean 'flux' or 'field'?",
        "'flux'   rel 0.001  1                    flux",
        "'*'      abs 0.01   4, of which 3 exact  field",
        "weight: weight: named 'weight' (NanoAOD",
        "    star\n",
    ):
        assert line in said
    assert not (folder / "out").exists()


def test_check_data_warns_of_bounds_in_other_units_and_of_plots_of_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez("d.npz", temp=np.tile([273.0, 306.0, 290.5, 281.0], 50), u=np.tile([0.5, 200.0, 7.0], 50))
    bounds = 'bounds: {"*": {abs: 100}}\nplots: ["zz*", "t*"]\n'
    assert run(bounds, "check", "--data") == 0
    wide = "'temp': the bound (abs 100) is wider than its first values differ, which are from 273 to 306"
    undrawn = "patterns under 'plots' that match no variable draw nothing: 'zz*'."
    said = capsys.readouterr().out
    assert said.count(wide) == said.count(undrawn) == said.count("is wider than") == 1
    assert run("bounds: {u: {range: 3}}\n", "check", "--data") == 0
    assert "'u': the bound (range 3) is 3 times the range of its values" in capsys.readouterr().out
    assert run("bounds: {u: {abs: inf}}\n", "check") == 1
    assert "a bound must be a positive, finite number, found abs: inf" in capsys.readouterr().err
    assert run(bounds, "check", "--data") == 0
    capsys.readouterr()
    assert run(bounds, "check", "--data", "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)["data"]
    assert found["wide"][0].startswith(wide)
    assert found["undrawn"][0].startswith(undrawn)
    assert run(bounds, "run") == 0
    assert capsys.readouterr().err.count(undrawn) == 1
    assert run('bounds: {"*": {abs: 0.1}}\nplots: ["*"]\n', "check", "--data", "--json") == 0
    (found,) = json.loads(capsys.readouterr().out)["data"]
    assert found["wide"] == found["undrawn"] == []


def test_check_data_for_programs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("bounds: {flx: {rel: 1.0e-2}, flux: {rel: 1.0e-3}}\n", "check", "--data", "--json") == 1
    record = json.loads(capsys.readouterr().out)
    assert not record["ok"]
    assert "'flx'" in record["message"]
    (found,) = record["data"]
    assert [p["variables"] for p in found["patterns"]] == [[], ["flux"]]
    assert found["patterns"][0]["hint"] == "Did you mean 'flux' or 'field'?"
    assert found["uncovered"] == ["weight", "reading", "star", "field"]
    assert (found["kept_exact"], found["whole"], found["variables"]) == ({}, [], 5)


def test_check_data_without_bounds_and_with_a_bad_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("", "check", "--data") == 0
    assert "no bounds are set, so every value is kept exactly" in capsys.readouterr().out
    np.savez("d.npz", flag=np.ones(5, bool))
    assert run("bounds: {flag: {rel: 1.0e-2}}\n", "check", "--data") == 1
    assert "'flag' is of type |b1, which can only be kept lossless" in capsys.readouterr().err


def test_check_claims_no_more_than_it_looked_at(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(CHECKED, "check") == 0
    said = capsys.readouterr().out
    assert "not compared with the data: 'baler check" in said
    assert "--data' shows what the patterns of the bounds match" in said
    assert run(CHECKED, "check", "--data") == 1
    said = capsys.readouterr().out
    assert "but 1 pattern of the bounds matches no variable, see below" in said
    assert "can be opened" not in said
    assert run("bounds: {flux: {rel: 1.0e-3}}\n", "check", "--data") == 0
    assert "and can be opened; every pattern of the bounds matches" in capsys.readouterr().out
    assert run(CHECKED, "check", "--json") == 0
    assert json.loads(capsys.readouterr().out)["compared_with_data"] is False


def test_a_pattern_with_wildcards_may_match_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Collections differ from file to file; a name that no input has is a mistake."""
    assert run('bounds: {"Jet_*": {rel: 1.0e-2}, flux: {rel: 1.0e-3}}\n', "check", "--data") == 0
    np.savez("e.npz", other=np.arange(30.0))
    text = "input: [d.npz, e.npz]\nbounds: {flux: {rel: 1.0e-3}, other: {rel: 1.0e-3}}\noutput: out\n"
    Path("two.yaml").write_text(text)
    with pytest.raises(SystemExit) as caught:
        main(["check", "two.yaml", "--data"])
    assert not caught.value.code


def test_a_configuration_for_another_file_is_one_sentence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    many = "".join(f"  Jet_{n}*: {{rel: 1.0e-2}}\n" for n in range(100, 119))
    assert run(f"bounds:\n{many}", "compress") == 0
    (warning,) = [line for line in capsys.readouterr().err.splitlines() if "warning" in line]
    assert "none of the 19 patterns of the bounds matches a variable of this file" in warning
    assert "flux" in warning
    assert run(f"bounds:\n{many}  flux: {{rel: 1.0e-2}}\n", "compress") == 0
    (warning,) = [line for line in capsys.readouterr().err.splitlines() if "warning" in line]
    assert "19 of the 20 patterns of the bounds match no variable: Jet_100*, Jet_101*" in warning
    assert run(f"bounds:\n{many}".replace("*", ""), "compress") == 1
    assert "19 variables that the input lacks: Jet_100, Jet_101" in capsys.readouterr().err


def test_a_bound_wider_than_all_values_differ_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    kelvin = np.linspace(275, 290, 600)
    bounds = {"t2m": {"abs": 500}, "u": {"abs": 1}}
    baler_core.compress({"t2m": kelvin, "u": kelvin - 280}, tmp_path / "a.bal", bounds=bounds)
    (warning,) = [record.getMessage() for record in caplog.records if "wider" in record.getMessage()]
    assert warning.startswith(
        "'t2m': the bound (abs 500) is wider than all its values differ, which are from 275 to 290:"
    )
    caplog.clear()
    baler_core.compress({"t2m": np.full(600, 275.0)}, tmp_path / "b.bal", bounds={"t2m": {"abs": 500}})
    assert not caplog.records


def test_a_relative_bound_under_which_a_column_becomes_one_number_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Places on an image near 500 that differ by 0.01; a thousandth of 500 is wider."""
    near = 500 + RANDOM.normal(0, 0.003, 300)
    data = {**{f"pos{n}": near + n for n in range(5)}, "flux": RANDOM.exponential(5, 300)}
    baler_core.compress(data, tmp_path / "x.bal", bounds={name: {"rel": 1e-3} for name in data}, model="scalar")
    assert "'pos0': the bound (rel 0.001) is wider than all its values differ, which are from 499.99" in caplog.text
    assert "Name it with an absolute bound, as 'pos0': {abs: " in caplog.text
    assert "the same holds of 2 more variables: 'pos3', 'pos4'" in caplog.text
    assert "'flux'" not in caplog.text
