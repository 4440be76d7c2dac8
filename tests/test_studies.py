"""Studies of tables: what they print is what was measured, on made-up jets and on tables of files."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

import baler_core

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def studies(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return runpy.run_path(str(BENCHMARKS / "studies.py"))


def test_a_study_prints_measured_numbers_and_draws(
    studies: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")

    def coarse(columns: dict[str, np.ndarray], **settings: object) -> tuple[int, dict[str, np.ndarray]]:
        step = settings["model"]["latent_ratio"] / 10  # type: ignore[index]
        return 1, {name: column + step * column.std() * (name != "m") for name, column in columns.items()}

    main = studies["main"]
    monkeypatch.setitem(main.__globals__, "compressed", coarse)  # type: ignore[attr-defined]
    x = np.random.default_rng(5).normal(size=(3, 90)).astype("f4")
    np.savez(
        tmp_path / "t.npz", Jet_pt=x[0], Jet_mass=x[0] + 5 * x[1], Jet_m=x[2], short=x[2][:9], text=np.array(["a"] * 90)
    )
    given = [
        "studies.py",
        "variables",
        "--rows",
        "60",
        "--steps",
        "4",
        "--data",
        tmp_path / "t.npz",
        "--images",
        tmp_path,
    ]
    monkeypatch.setattr(sys, "argv", [*map(str, given)])
    main()  # type: ignore[operator]
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert {row["variable"] for row in rows} == {"pt", "mass", "m"}
    for row in rows:
        lossy = row["variable"] != "m"
        assert (row["error_R1.7"], row["error_R6"]) == pytest.approx((0.17 * lossy, 0.6 * lossy), abs=1e-3)
        assert (row["share_R1.7"], row["share_R6"]) == pytest.approx((0.5 * lossy, 0.5 * lossy), abs=1e-3)
    assert "<svg" in (tmp_path / "study_variables.svg").read_text()


def test_errors_are_in_deviations_and_bytes_those_of_the_file(studies: dict[str, object], tmp_path: Path) -> None:
    before = {"a": np.array([0.0, 2.0]), "same": np.ones(2)}
    errors = studies["errors"]
    assert errors(before, {"a": np.array([0.5, 2.5]), "same": np.ones(2)}) == {"a": 0.5}  # type: ignore[operator]
    assert errors(
        before, {"a": np.array([1.0, 1.0]), "same": before["a"]}, {"a": np.array([0.0, 8.0]), "same": before["a"]}
    ) == {  # type: ignore[operator]
        "a": 0.25,
        "same": 1.0,
    }
    columns = {"a": np.arange(50.0)}
    size, again = studies["compressed"](columns, bounds={"a": {"abs": 0.1}})  # type: ignore[operator]
    assert size == baler_core.compress(columns, tmp_path / "a.bal", bounds={"a": {"abs": 0.1}}).file_bytes
    assert np.abs(again["a"] - columns["a"]).max() <= 0.1
