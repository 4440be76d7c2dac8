"""The commands on real files, one after the other: configuration, model, .bal file, restored file, results."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import baler_core
from baler_core.cli import main

CONFIG = """
input: jets.npz
bounds:
  energy: {abs: 1.0e-2}
  count: lossless
  "*": {rel: 1.0e-3}
model: scalar
output: out
plots: [eta]
"""


def run_main(*arguments: object) -> int:
    """The exit code of a command run in this process."""
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    assert isinstance(caught.value.code, int)
    return caught.value.code


@pytest.fixture
def arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    return {
        "energy": rng.exponential(50, 3000).astype("<f4"),
        "eta": rng.normal(size=3000),
        "count": rng.integers(0, 9, 3000),
        "field": rng.normal(size=(6, 20, 30)).cumsum(axis=0).astype("<f4"),
    }


@pytest.fixture
def folder(tmp_path: Path, arrays: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory: a data file and its configuration."""
    np.savez(tmp_path / "jets.npz", **arrays)  # type: ignore[arg-type]
    (tmp_path / "jets.yaml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def assert_within(arrays: dict[str, np.ndarray], restored: Path) -> None:
    """The bounds of the configuration hold, and what has none is exact."""
    with np.load(restored) as found:
        assert list(found) == list(arrays)
        for name, values in arrays.items():
            assert found[name].dtype == values.dtype
            allowed = 1e-2 if name == "energy" else 1e-3 * np.abs(values) if values.dtype.kind == "f" else 0
            assert np.all(np.abs(found[name].astype(float) - values) <= allowed), name


def answer(capsys: pytest.CaptureFixture[str]) -> Any:
    """What a command with --json printed."""
    return json.loads(capsys.readouterr().out)


def test_compress_then_decompress_to_the_default_places(
    folder: Path, arrays: dict[str, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main("compress", "jets.yaml", "--json") == 0
    [record] = answer(capsys)
    compressed = folder / "out" / "jets.bal"
    assert record["file_bytes"] == compressed.stat().st_size
    assert record["input_bytes"] == sum(values.nbytes for values in arrays.values())
    assert 0 < record["errors"]["energy"]["largest"] <= 1e-2
    assert run_main("decompress", compressed) == 0
    assert_within(arrays, folder / "out" / "jets.restored.npz")


def test_a_model_trained_once_serves_other_files(
    folder: Path, arrays: dict[str, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main("train", "jets.yaml") == 0
    assert (folder / "out" / "jets.balm").is_file()
    others = {name: values[::-1].copy() for name, values in arrays.items()}
    np.savez(folder / "more.npz", **others)  # type: ignore[arg-type]
    model = folder / "out" / "jets.balm"
    assert run_main("compress", "jets.yaml", "--model", model, "--input", "more.npz", "-o", "new/m.bal") == 0
    assert run_main("decompress", "new/m.bal", "-o", "m.npz") == 0
    assert_within(others, folder / "m.npz")


def test_files_refer_to_the_model_file(
    folder: Path, arrays: dict[str, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    Path("jets.yaml").write_text(CONFIG.replace("model: scalar", "model: {name: table, effort: fast}"))
    assert run_main("compress", "jets.yaml", "--reference") == 1
    assert "--model" in capsys.readouterr().err
    assert run_main("train", "jets.yaml", "-o", "kept/jets.balm") == 0
    assert run_main("compress", "jets.yaml", "--model", "kept/jets.balm", "--reference") == 0
    assert "restored only with jets.balm" in capsys.readouterr().out
    assert run_main("info", "out/jets.bal", "--json") == 0
    found = answer(capsys)["trained"]
    assert (found["name"], found["found"]) == ("jets.balm", None)
    assert run_main("decompress", "out/jets.bal") == 1
    assert "out/jets.balm (not there)" in capsys.readouterr().err
    assert run_main("info", "out/jets.bal", "--model", "kept/jets.balm") == 0
    assert "found at kept/jets.balm" in capsys.readouterr().out
    assert run_main("decompress", "out/jets.bal", "--model", "kept/jets.balm") == 0
    assert_within(arrays, folder / "out" / "jets.restored.npz")
    assert run_main("evaluate", "jets.npz", "out/jets.bal", "--model", "kept/jets.balm") == 0
    Path("kept/jets.balm").rename("jets.balm")
    assert run_main("evaluate", "jets.npz", "out/jets.bal", "--config", "jets.yaml") == 0


def test_a_run_lets_its_files_refer_to_their_model(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = CONFIG.replace("model: scalar", "model: {name: table, effort: fast}\nmodel_storage: reference")
    Path("jets.yaml").write_text(text)
    assert run_main("run", "jets.yaml", "--json") == 0
    [record] = answer(capsys)["files"]
    assert (record["refers_to"], record["violations"]) == ("jets.balm", 0)
    assert run_main("run", "jets.yaml", "--model", "out/jets.balm", "-o", "again", "--json") == 0
    assert answer(capsys)["files"][0]["file_bytes"] == record["file_bytes"]


def test_info_tells_bounds_errors_and_components(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main("compress", "jets.yaml") == 0
    capsys.readouterr()
    assert run_main("info", "out/jets.bal", "--json") == 0
    found = answer(capsys)
    assert found["file_bytes"] == Path("out/jets.bal").stat().st_size
    assert found["reader"]["name"] == "npz"
    assert {m["name"] for group in found["groups"] for m in group["models"]} == {"scalar"}
    variables = {v["name"]: v for v in found["variables"]}
    assert variables["energy"]["bound"] == "abs 0.01"
    assert variables["count"]["bound"] == "lossless"
    assert variables["field"]["shape"] == [6, 20, 30]
    assert 0.9 < variables["energy"]["share"] <= 1
    assert run_main("info", "out/jets.bal") == 0
    shown = capsys.readouterr().out
    assert "abs 0.01" in shown
    assert "jets.npz" in shown


def test_info_and_check_load_no_torch(folder: Path) -> None:
    assert run_main("compress", "jets.yaml") == 0
    for arguments in (["info", "out/jets.bal"], ["check", "jets.yaml"], ["init", "jets.npz", "-o", "new.yaml"]):
        code = f"import sys\nfrom baler_core.cli import main\ntry: main({arguments})\nexcept SystemExit as end: print(end)\n"
        code += "print('torch' in sys.modules or 'matplotlib' in sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-2:] == ["0", "False"]


def test_init_writes_what_check_finds_right_and_compress_takes(
    folder: Path, arrays: dict[str, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main("init", "jets.npz", "-o", "first/new.yaml") == 0
    assert "\ninput: ../jets.npz\n" in (folder / "first" / "new.yaml").read_text()
    capsys.readouterr()
    assert run_main("check", "first/new.yaml", "--json") == 0
    checked = answer(capsys)
    assert checked["ok"] is True
    # neighbours in the field have nothing in common: a hundredth of its spread, which is 1 in its first frame
    noise = checked["bounds"].pop("field")
    assert noise.startswith("abs ")
    assert 0.008 < float(noise.removeprefix("abs ")) < 0.012
    assert checked["bounds"] == {"energy": "rel 0.001", "eta": "abs 0.0001", "count": "lossless", "*": "lossless"}
    assert run_main("compress", "first/new.yaml") == 0
    assert (folder / "first" / "results" / "jets" / "jets.bal").is_file()


def test_init_names_the_reader_that_was_chosen_since_the_suffix_would_not(
    folder: Path, arrays: dict[str, np.ndarray]
) -> None:
    (folder / "jets.npz").rename(folder / "jets.xyz")
    assert run_main("init", "jets.xyz", "--reader", "npz", "-o", "x.yaml") == 0
    assert "\nreader: {name: npz}\n" in (folder / "x.yaml").read_text()
    assert run_main("compress", "x.yaml") == 0
    with np.load(baler_core.decompress("results/jets/jets.bal", folder / "again.npz")) as restored:
        np.testing.assert_array_equal(restored["count"], arrays["count"])


def test_init_overwrites_only_when_forced(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (folder / "jets.yaml").read_text()
    assert run_main("init", "jets.npz") == 1
    assert "--force" in capsys.readouterr().err
    assert (folder / "jets.yaml").read_text() == before
    assert run_main("init", "jets.npz", "--force") == 0
    assert (folder / "jets.yaml").read_text() != before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["init", "nothing.npz"], "nothing.npz: no such file"),
        (["init", "jets.npy"], "jets.npy: no such file. Did you mean 'jets.npz'"),
        (["init", "."], ". is a folder: name one data file in it"),
        (["init", "jets.yaml", "-o", "x.yaml"], "no reader for this suffix"),
        (["init", "jets.npz", "-o", "x.yaml", "--reader-option", "tree=1"], "--reader-option tree: unknown key"),
        (["init", "jets.npz", "-o", "x.yaml", "--reader-option", "tree"], "wanted KEY=VALUE"),
        (["init", "jets.npz", "-o", "x.yaml", "--reader", "nqz"], "Did you mean 'npz'"),
        (["compress", "jets.yaml", "--input", "jets.npy"], "--input: jets.npy: no such file. Did you mean 'jets.npz'"),
        (["compress", "jets.yaml", "-o", "jets.npz"], "would overwrite a file that this command needs"),
        (["compress", "jets.yaml", "-o", "."], "is a folder"),
        (["compress", "jets.yaml", "--model", "none.balm"], "none.balm"),
        (["decompress", "none.bal"], "none.bal"),
        (["decompress", "jets.yaml"], "jets.yaml"),
        (["info", "jets.npz"], "jets.npz"),
    ],
)
def test_what_cannot_be_done_is_one_message(
    folder: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(folder.rglob("*"))
    assert run_main(*arguments) == 1
    shown = capsys.readouterr().err
    assert [line[:13] for line in shown.splitlines() if not line.startswith("baler: warning: ")] == ["baler: error:"]
    assert message in shown
    assert "Traceback" not in shown
    assert [path for path in sorted(folder.rglob("*")) if path.is_file()] == [p for p in before if p.is_file()]


def test_a_damaged_file_is_refused_and_nothing_is_written(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main("compress", "jets.yaml") == 0
    raw = bytearray(Path("out/jets.bal").read_bytes())
    raw[len(raw) // 3] ^= 4
    Path("bad.bal").write_bytes(raw)
    assert run_main("decompress", "bad.bal") == 1
    assert not Path("bad.restored.npz").exists()
    assert "bad.bal" in capsys.readouterr().err


def test_run_does_all_and_sums_it_up(
    folder: Path, arrays: dict[str, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main("run", "jets.yaml") == 0
    shown = capsys.readouterr().out
    size = (folder / "out" / "jets.bal").stat().st_size
    native = sum(values.nbytes for values in arrays.values())
    assert f"{size:,} B, ratio {native / size:.2f}" in shown
    assert "xz -9" in shown
    assert "of what 'abs 0.01' allows" in shown or "of what 'rel 0.001' allows" in shown
    assert_within(arrays, folder / "out" / "jets.restored.npz")
    assert (folder / "out" / "report.html").stat().st_size > 1000
    assert json.loads((folder / "out" / "report.json").read_text())["sizes"]["compressed"] == size


def test_run_takes_several_files_with_one_model(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "b"):
        np.save(folder / f"{name}.npy", np.linspace(0, 1, 500, dtype="f4"))
    (folder / "c.yaml").write_text("input: '?.npy'\nplots: []\nbounds: {abs: 0.01}\n")
    assert run_main("run", "c.yaml", "--json", "-o", "there") == 0
    files = answer(capsys)["files"]
    assert [Path(record["input"]).name for record in files] == ["a.npy", "b.npy"]
    assert (folder / "there" / "a.balm").is_file()
    for name in ("a", "b"):
        restored = np.load(folder / "there" / f"{name}.restored.npy")
        assert np.abs(restored - np.linspace(0, 1, 500)).max() <= 0.01
        assert (folder / "there" / name / "report.html").is_file()


def test_evaluate_compares_with_the_restored_or_the_compressed_file(
    folder: Path, arrays: dict[str, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main("compress", "jets.yaml") == 0
    assert run_main("decompress", "out/jets.bal", "-o", "back.npz") == 0
    capsys.readouterr()
    assert run_main("evaluate", "jets.npz", "out/jets.bal", "--json", "--metric", "residual") == 0
    of_bal = answer(capsys)
    with np.load("back.npz") as back:
        largest = np.abs(back["eta"] - arrays["eta"]).max()
    eta = next(v for v in of_bal["variables"] if v["name"] == "eta")
    assert eta["largest_error"] == pytest.approx(largest)
    assert [metric["name"] for metric in of_bal["metrics"]] == ["residual"]
    assert run_main("evaluate", "jets.npz", "back.npz", "--config", "jets.yaml", "--json") == 0
    of_file = answer(capsys)
    assert [v["largest_error"] for v in of_file["variables"]] == [v["largest_error"] for v in of_bal["variables"]]
    assert run_main("evaluate", "jets.npz", "back.npz") == 0
    assert "ratio of gzip" in capsys.readouterr().out


def test_evaluate_tells_values_outside_their_bounds(
    folder: Path, arrays: dict[str, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez("bad.npz", **{**arrays, "count": arrays["count"] + 1})  # type: ignore[arg-type]
    assert run_main("evaluate", "jets.npz", "bad.npz", "--config", "jets.yaml") == 3
    shown = capsys.readouterr().err
    assert "bad.npz: 3000 values lie outside their bounds, in count: is jets.npz the file that" in shown
    assert "bug in baler" not in shown


def test_evaluate_says_that_an_original_is_another(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main("compress", "jets.yaml") == 0
    with np.load("jets.npz") as file:
        arrays = dict(file)
    np.savez("other.npz", **{**arrays, "count": arrays["count"] + 1})  # type: ignore[arg-type]
    assert run_main("evaluate", "other.npz", "out/jets.bal") == 3
    assert "other.npz, of " in (shown := capsys.readouterr().err)
    assert " is not the file that it was made from, jets.npz of " in shown
    Path("jets.npz").write_bytes(Path("other.npz").read_bytes())
    assert run_main("evaluate", "jets.npz", "out/jets.bal") == 3
    assert "either jets.npz was changed after" in capsys.readouterr().err


def test_evaluate_takes_files_of_different_formats(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x = np.linspace(0, 1, 100)
    np.savez("one.npz", x=x, y=x)
    np.savez("many.npz", x=x[:, None], y=x)
    Path("two.csv").write_text("x,y\n" + "\n".join(f"{v!r},{v!r}" for v in x.tolist()) + "\n")
    assert run_main("evaluate", "one.npz", "two.csv") == 0
    assert run_main("evaluate", "two.csv", "one.npz") == 0
    capsys.readouterr()
    assert run_main("evaluate", "many.npz", "two.csv") == 1
    assert "'x' is of shape (100, 1) in many.npz and (100,) in two.csv" in capsys.readouterr().err


def test_plot_draws_chosen_variables_from_a_report(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main("compress", "jets.yaml") == 0
    (folder / "c.yaml").write_text(CONFIG)
    assert run_main("evaluate", "jets.npz", "out/jets.bal", "--config", "c.yaml", "-o", "seen") == 0
    (folder / "seen" / "plots" / "eta.png").unlink()
    assert run_main("plot", "seen", "--variable", "e*") == 0
    assert (folder / "seen" / "plots" / "eta.png").read_bytes().startswith(b"\x89PNG")
    assert run_main("plot", "seen", "--variable", "etta") == 1
    assert "Did you mean 'eta'" in capsys.readouterr().err
    assert run_main("plot", "out") == 1


def test_patterns_that_match_nothing_are_warned_about(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "jets.yaml").write_text("input: jets.npz\nbounds: {'never*': lossless}\n")
    assert run_main("compress", "jets.yaml") == 0
    assert "baler: warning: " in (shown := capsys.readouterr().err)
    assert "'never*'" in shown


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".csv", ".csv.gz", ".txt"])
def test_an_empty_input_is_called_empty_and_kept(
    suffix: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / f"a{suffix}").touch()
    assert run_main("init", tmp_path / f"a{suffix}", "-o", tmp_path / "a.yaml") == 1
    assert capsys.readouterr().err == f"baler: error: {tmp_path / f'a{suffix}'}: the file is empty\n"
    baler_core.compress(tmp_path / f"a{suffix}", tmp_path / "a.bal")
    assert "kept byte for byte" in caplog.text
    assert "the file is empty" in caplog.text
    assert baler_core.decompress(tmp_path / "a.bal", tmp_path / f"b{suffix}").read_bytes() == b""


@pytest.mark.parametrize("command", ["decompress", "verify", "export"])
def test_a_manifest_in_place_of_a_file_is_told(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "runs.balset").write_text('{\n "baler": "0.1.0"}')
    with pytest.raises(SystemExit, match="1"):
        main([command, str(tmp_path / "runs.balset")])
    assert "runs.balset: lists many files, and one is wanted here" in "".join(capsys.readouterr())
