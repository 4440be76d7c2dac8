"""No input and no result of other data is replaced in silence, on the command line or from Python."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import baler_core
from baler_core.cli import main


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with two inputs of one name and size."""
    for number in (1, 2):
        (tmp_path / f"r{number}").mkdir()
        np.savez(tmp_path / f"r{number}" / "a.npz", x=np.linspace(0, number, 500))
        (tmp_path / f"r{number}.yaml").write_text(
            f"input: r{number}/a.npz\nbounds: {{x: {{abs: 1e-3}}}}\nmodel: scalar\noutput: out\n"
        )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_main(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    assert isinstance(caught.value.code, int)
    return caught.value.code


def test_python_never_replaces_what_it_reads(folder: Path) -> None:
    shutil.copy("r1/a.npz", "self.npz")
    original = Path("self.npz").read_bytes()
    os.link("self.npz", "hard.npz")
    Path("soft.npz").symlink_to("self.npz")
    baler_core.compress("self.npz", "self.bal", model="scalar")
    stored = Path("self.bal").read_bytes()
    for output in ("self.npz", "hard.npz", "soft.npz"):
        calls: list[Callable[[], object]] = [
            lambda output=output: baler_core.compress("self.npz", output, overwrite=True),
            lambda output=output: baler_core.train("self.npz", output, overwrite=True),
        ]
        for call in calls:
            with pytest.raises(baler_core.BalerError, match="would overwrite a file that this command needs"):
                call()
    with pytest.raises(baler_core.BalerError, match="would overwrite"):
        baler_core.decompress("self.bal", "self.bal", overwrite=True)
    shutil.copy("self.npz", "deep.bal")  # an input that has the name of its own output
    with pytest.raises(baler_core.BalerError, match="would overwrite"):
        baler_core.compress_many(["deep.bal"], ".", reader="npz", overwrite=True)
    assert Path("self.npz").read_bytes() == original
    assert Path("self.bal").read_bytes() == stored
    assert Path("deep.bal").read_bytes() == original


def test_python_replaces_files_of_others_only_when_told(folder: Path) -> None:
    Path("mine.npz").write_text("precious")
    Path("a.bal").write_text("precious")
    baler_core.compress("r1/a.npz", "one.bal", model="scalar")
    calls: dict[str, Callable[[bool], object]] = {
        "compress": lambda force: baler_core.compress("r1/a.npz", "mine.x", model="scalar", overwrite=force),
        "object": lambda force: baler_core.compress(np.arange(9.0), "mine.x", model="scalar", overwrite=force),
        "train": lambda force: baler_core.train("r1/a.npz", "mine.x", model="scalar", overwrite=force),
        "decompress": lambda force: baler_core.decompress("one.bal", "mine.npz", overwrite=force),
        "part": lambda force: baler_core.decompress("one.bal", "mine.npz", rows=(0, 5), overwrite=force),
        "many": lambda force: baler_core.compress_many(["r1/a.npz"], ".", model="scalar", overwrite=force),
    }
    for name, call in calls.items():
        target = Path({"many": "a.bal", "decompress": "mine.npz", "part": "mine.npz"}.get(name, "mine.x"))
        target.write_text("precious")
        with pytest.raises(baler_core.ConfigError, match=r"already exists.*overwrite=True"):
            call(False)
        assert target.read_text() == "precious", name
        call(True)
        assert target.read_bytes() != b"precious", name


def test_python_replaces_its_own_results_of_the_same_data(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    baler_core.compress("r1/a.npz", "one.bal", model="scalar")
    baler_core.compress("r1/a.npz", "one.bal", bounds={"x": {"abs": 0.1}}, model="scalar")
    baler_core.train("r1/a.npz", "one.balm", model="scalar")
    baler_core.train("r2/a.npz", "one.balm", model="scalar")
    with pytest.raises(baler_core.ConfigError, match="holds no trained models"):
        baler_core.train("r1/a.npz", "one.bal", model="scalar")
    with pytest.raises(baler_core.ConfigError, match="holds trained models"):
        baler_core.compress("r1/a.npz", "one.balm", model="scalar")
    with pytest.raises(baler_core.ConfigError, match=r"made from the file a\.npz"):
        baler_core.compress(np.arange(9.0), "one.bal", model="scalar")
    with pytest.raises(baler_core.ConfigError, match="other values"):
        baler_core.compress("r2/a.npz", "one.bal", model="scalar")
    baler_core.compress({"u": np.arange(9.0)}, "u.bal", model="scalar")
    baler_core.compress({"u": np.arange(12.0)}, "u.bal", model="scalar")
    assert "u.bal is replaced, which was made from an object with variables of the same names" in caplog.text
    with pytest.raises(baler_core.ConfigError, match=r"an object with other variables \(u\).*overwrite=True"):
        baler_core.compress({"v": np.arange(5.0)}, "u.bal", model="scalar")
    baler_core.compress({"v": np.arange(5.0)}, "u.bal", model="scalar", overwrite=True)
    assert list(baler_core.open_file("u.bal")) == ["v"]
    with pytest.raises(baler_core.ConfigError, match="made from an object"):
        baler_core.compress("r1/a.npz", "u.bal", model="scalar")


@pytest.mark.parametrize("command", ["compress", "run"])
def test_results_of_another_input_are_replaced_only_when_forced(
    folder: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main(command, "r1.yaml") == 0
    first = Path("out/a.bal").read_bytes()
    if command == "compress":
        assert run_main(command, "r1.yaml") == 0  # the same again
    capsys.readouterr()
    np.save("r1/a.npy", np.linspace(0, 1, 400))
    Path("npy.yaml").write_text('input: r1/a.npy\nbounds: {"*": lossless}\nmodel: scalar\noutput: out\n')
    np.savez("r1/longer.npz", x=np.linspace(0, 1, 600))
    Path("longer").mkdir()
    shutil.move("r1/longer.npz", "longer/a.npz")
    Path("longer.yaml").write_text(Path("r1.yaml").read_text().replace("r1/a.npz", "longer/a.npz"))
    for other in ("r2.yaml", "npy.yaml", "longer.yaml"):
        assert run_main(command, other) == 1
        error = capsys.readouterr().err
        assert "out/a.bal already exists, made from" in error
        assert "--force" in error
        assert Path("out/a.bal").read_bytes() == first
    assert run_main(command, "r2.yaml", "--force") == 0
    assert abs(baler_core.open_file("out/a.bal")["x"][-1] - 2) <= 1e-3


@pytest.mark.parametrize("row", [0, 250, 499])
@pytest.mark.parametrize("bound", ["lossless", "{abs: 1e-3}"])
def test_one_value_tells_inputs_apart(folder: Path, row: int, bound: str, capsys: pytest.CaptureFixture[str]) -> None:
    values = np.linspace(0, 1, 500)
    np.savez("r2/a.npz", x=values + 0.01 * (np.arange(500) == row))
    for number in (1, 2):
        config = f"input: r{number}/a.npz\nbounds: {{x: {bound}}}\nblock_size: 1 kB\nmodel: scalar\noutput: out\n"
        Path(f"r{number}.yaml").write_text(config)
    assert [run_main("compress", f"r{number}.yaml") for number in (1, 1, 2)] == [0, 0, 1]
    assert "with other values than r2/a.npz" in capsys.readouterr().err
    baler_core.compress("r1/a.npz", "x.bal", bounds={"x": {"abs": 1e-3}}, model="scalar")
    with pytest.raises(baler_core.ConfigError, match="with other values than"):
        baler_core.compress("r2/a.npz", "x.bal", bounds={"x": {"abs": 1e-3}}, model="scalar")


def test_runs_of_many_files_replace_no_results_of_other_names(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_main("compress", "r1.yaml") == 0
    np.save("r1/a.npy", np.linspace(0, 1, 400))
    Path("npy.yaml").write_text('input: r1/a.npy\nbounds: {"*": lossless}\nmodel: scalar\noutput: out\n')
    assert run_main("compress", "npy.yaml", "--keep-going") == 1
    assert "made from a.npz" in capsys.readouterr().err
    assert run_main("compress", "npy.yaml", "--keep-going", "--force") == 0


def test_the_report_of_another_input_is_replaced_only_when_forced(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main("run", "r1.yaml") == 0
    assert run_main("run", "r1.yaml") == 0
    first = Path("out/report.json").read_bytes()
    shutil.copy("r2/a.npz", "b.npz")
    Path("b.yaml").write_text(Path("r1.yaml").read_text().replace("r1/a.npz", "b.npz"))
    capsys.readouterr()
    assert run_main("run", "b.yaml") == 1
    error = capsys.readouterr().err
    assert "out/report.json already exists, made from a.npz and not from b.npz" in error
    assert "--force" in error
    assert Path("out/report.json").read_bytes() == first
    assert not Path("out/b.bal").exists()
    assert run_main("evaluate", "b.npz", "b.npz", "-o", "out") == 1
    assert "out/report.json already exists, made from a.npz" in capsys.readouterr().err
    assert Path("out/report.json").read_bytes() == first
    assert run_main("run", "b.yaml", "--force") == 0
    assert b'"b.npz"' in Path("out/report.json").read_bytes()
    assert run_main("evaluate", "r1/a.npz", "r1/a.npz", "-o", "out", "--force") == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("command", ["compress", "run", "train", "scan", "compare"])
def test_a_folder_that_may_not_be_written_is_refused_before_anything_is_computed(
    folder: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("shut").mkdir()
    Path("shut.yaml").write_text(Path("r1.yaml").read_text().replace("output: out", "output: shut/out"))
    Path("shut").chmod(0o500)
    assert run_main(command, "shut.yaml") == 1
    assert "no permission to write in" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["q.npz", "q.csv.gz", "new/Q.NPY"])
def test_what_baler_writes_is_never_named_as_a_data_file(
    folder: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for call, wanted in ((baler_core.compress, "bal"), (baler_core.train, "balm")):
        for data in (np.arange(9.0), "r1/a.npz"):
            with pytest.raises(baler_core.ConfigError, match=rf"{name} would be taken for .*: wanted [qQ]\.{wanted}$"):
                call(data, name, model="scalar", overwrite=True)
    for command, wanted in (("compress", "bal"), ("train", "balm")):
        assert run_main(command, "r1.yaml", "-o", name, "--force") == 1
        assert f": wanted {Path(name).name[0]}.{wanted}\n" in capsys.readouterr().err
    assert not list(folder.rglob("[qQ]*"))
    for other in ("q.bal", "q", "q.packed", "q.npz.bal"):
        baler_core.compress("r1/a.npz", other, model="scalar")
        assert run_main("compress", "r1.yaml", "-o", other, "--force") == 0
