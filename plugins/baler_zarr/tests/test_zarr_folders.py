"""A folder as input and output of commands: what is one, what may be replaced, and that it appears complete or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

import baler_core
from baler_core.cli import main
from baler_zarr.values.writing import ArrayOutput

from .zarr_stores import dataset, files_of, quiet


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    return int(ended.value.code or 0)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    with quiet():
        dataset().to_zarr("a.zarr", consolidated=False)
    return tmp_path


def test_a_run_goes_from_a_store_to_a_report_and_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("a.yaml").write_text(
        "input: a.zarr\nbounds:\n  tas: {abs: 0.05}\nmodel: scalar\nmetrics: [residual]\nplots: []\noutput: results/\n"
    )
    assert run("check", "a.yaml", "--data") == 0
    assert run("run", "a.yaml") == 0
    assert run("run", "a.yaml") == 0
    size = sum(map(len, files_of(folder / "a.zarr").values()))
    assert f"file of {size:,} B" in capsys.readouterr().out
    with quiet():
        before, after = xr.open_zarr("a.zarr"), xr.open_zarr("results/a.restored.zarr")
    assert 0 < float(abs(before.tas - after.tas).max()) <= 0.05
    xr.testing.assert_identical(before.drop_vars("tas"), after.drop_vars("tas"))
    assert {path.name for path in Path("results").iterdir()} >= {"a.bal", "a.restored.zarr", "report.json"}
    assert not list(Path("results").glob(".partial*"))
    assert run("evaluate", "a.zarr", "results/a.bal") == 0


def test_init_proposes_bounds_for_a_store(folder: Path) -> None:
    assert run("init", "a.zarr") == 0
    text = Path("a.yaml").read_text()
    assert "input: a.zarr" in text
    assert "tas: {abs: 0.01}" in text
    assert run("suggest", "a.zarr") == 0


def test_only_stores_are_replaced_and_only_when_forced(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    baler_core.compress("a.zarr", "a.bal", bounds="lossless", model="scalar")
    assert run("decompress", "a.bal", "-o", "b.zarr") == 0
    first = files_of(folder / "b.zarr")
    assert run("decompress", "a.bal", "-o", "b.zarr") == 1
    assert "already exists" in capsys.readouterr().err
    (folder / "b.zarr" / "tas" / "zarr.json").write_text("spoiled")
    assert run("decompress", "a.bal", "-o", "b.zarr", "--force") == 0
    assert files_of(folder / "b.zarr") == first
    Path("mine.zarr").mkdir()
    Path("mine.zarr/letter").write_text("mine")
    assert run("decompress", "a.bal", "-o", "mine.zarr", "--force") == 1
    assert "is a folder" in capsys.readouterr().err
    assert Path("mine.zarr/letter").read_text() == "mine"
    assert run("decompress", "a.bal", "-o", "a.bal/x.zarr") == 1
    with pytest.raises(baler_core.BalerError, match="not a file that can be replaced"):
        baler_core.decompress("a.bal", "mine.zarr")
    with pytest.raises(baler_core.ConfigError, match="overwrite=True"):
        baler_core.decompress("a.bal", "b.zarr")
    with pytest.raises(baler_core.BalerError, match="name it"):
        baler_core.decompress("a.bal", "b.nc")
    assert not [p for p in folder.iterdir() if p.name.startswith(".partial")]


def test_standard_output_takes_no_folder(folder: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    baler_core.compress("a.zarr", "a.bal", bounds="lossless", model="scalar")
    assert run("decompress", "a.bal", "-o", "-") == 1
    done = capfdbinary.readouterr()
    assert b"which standard output cannot take" in done.err
    assert done.out == b""


def test_a_store_that_cannot_be_completed_does_not_appear(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    baler_core.compress("a.zarr", "a.bal", bounds="lossless", model="scalar")
    baler_core.decompress("a.bal", "b.zarr")
    before = files_of(folder / "b.zarr")

    def fails(self: ArrayOutput, values: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(ArrayOutput, "write", fails)
    for target in ("b.zarr", "c.zarr", "d.zarr.zip"):
        with pytest.raises(baler_core.BalerError):
            baler_core.decompress("a.bal", target, overwrite=True)
    assert files_of(folder / "b.zarr") == before
    assert sorted(p.name for p in folder.iterdir()) == ["a.bal", "a.zarr", "b.zarr"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["init", "empty.zarr"], "is no Zarr store"),
        (["init", "plain"], "is a folder: name one data file in it"),
        (["check", "plain.yaml"], "is a folder: name files"),
    ],
)
def test_other_folders_are_refused_in_one_sentence(
    arguments: Sequence[str], said: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("empty.zarr").mkdir()
    Path("plain").mkdir()
    Path("plain.yaml").write_text("input: plain\n")
    assert run(*arguments) == 1
    assert said in capsys.readouterr().err


def test_patterns_name_stores_and_one_that_is_not_called_so_is_known_by_its_content(folder: Path) -> None:
    zarr.create_array("b.zarr", shape=(4,), dtype="f4")[:] = np.arange(4)
    Path("b.zarr").rename("output of a model")
    Path("all.yaml").write_text("input: ['*.zarr', output of a model]\nmodel: scalar\noutput: out/\n")
    assert run("run", "all.yaml") == 0
    with quiet():
        assert zarr.open_array("out/output of a model.restored", mode="r")[...].tolist() == [0, 1, 2, 3]
