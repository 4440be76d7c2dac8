"""The example of the Baler paper: made-up jets, recipes that are right, and tables with their exports."""

from __future__ import annotations

import csv
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from baler_core.config import load_config
from baler_core.plugin.registry import load_plugins

ROOT = Path(__file__).resolve().parents[1]
PAPER = ROOT / "examples" / "paper"


def made_jets(rows: int) -> dict[str, np.ndarray]:
    return runpy.run_path(str(PAPER / "make_jets.py"))["jets"](rows)


def test_jets_have_the_shape_of_the_papers_table():
    jets = made_jets(2000)
    assert len(jets) == 24
    assert {values.dtype.str for values in jets.values()} == {"<f4"}
    assert all(np.isfinite(values).all() and values.shape == (2000,) for values in jets.values())
    assert np.abs(jets["phi"]).max() <= np.float32(np.pi)
    counts = jets["mChargedHadronMultiplicity"]
    assert np.array_equal(counts, np.rint(counts))
    assert np.array_equal(counts == 0, jets["mChargedHadronEnergy"] == 0)
    assert (jets["mMuonEnergy"] == 0).mean() > 0.9
    rows = np.stack(list(jets.values()), axis=1)
    assert len(np.unique(rows, axis=0)) < len(rows)
    assert np.corrcoef(jets["pt"], jets["mass"])[0, 1] > 0.5
    again = made_jets(2000)
    assert all(np.array_equal(jets[name], again[name]) for name in jets)


@pytest.mark.parametrize("config", sorted(PAPER.glob("*.yaml")), ids=lambda path: path.stem)
def test_recipes_are_right(config, tmp_path):
    text = config.read_text(encoding="utf-8").replace("../flow/wake.nc", "jets.npz")
    (tmp_path / config.name).write_text(text, encoding="utf-8")
    np.savez(tmp_path / "jets.npz", **made_jets(50))
    found = load_config(tmp_path / config.name, load_plugins())
    assert found.training.seeds > found.training.keep > 1
    if config.stem == "jets_full":
        training = found.training
        assert (training.epochs, training.batch_size, training.learning_rate) == (1000, 512, 1e-3)
        assert (training.patience, training.early_stopping) == (50, 100)
        assert training.loss == {"name": "mse_sparse", "beta": 1e-7}
        assert (training.seeds, training.keep, found.model.options.hidden) == (10, 5, (200, 100, 50))


def test_tables_are_printed_and_exported(tmp_path, monkeypatch, capsys):
    np.savez(tmp_path / "jets.npz", **{name: made_jets(300)[name] for name in ("pt", "mass", "mJetArea")})
    (tmp_path / "c.yaml").write_text(
        "input: jets.npz\nbounds: none\nmodel: {name: dense_autoencoder, latent_ratio: 2, hidden: [4]}\n"
        "training: {epochs: 1, seeds: 2, keep: 2}\n"
    )
    tables = [str(tmp_path / "t.csv"), str(tmp_path / "t.tex")]
    monkeypatch.setattr(
        sys,
        "argv",
        [
            "paper.py",
            str(tmp_path / "c.yaml"),
            "--ratios",
            "6",
            "--csv",
            tables[0],
            "--latex",
            tables[1],
            "--figure9",
            "100",
            "300",
            "--seeds",
            "2",
        ],
    )
    runpy.run_path(str(ROOT / "benchmarks" / "paper.py"), run_name="__main__")
    out = capsys.readouterr().out
    assert "paper" in out
    assert "11.7 +- 3.1" in out
    with Path(tables[0]).open(encoding="utf-8") as file:
        rows = list(csv.reader(file))
    header, sizes = rows[1], rows[2]
    size = dict(zip(header, sizes, strict=True))
    assert int(size["values"]) == 3 * 300 * 4
    assert float(size["R_actual"]) == pytest.approx(3600 / int(size["file"]), rel=0.01)
    few, many = rows[[row[0].startswith("Figure 9") for row in rows].index(True) + 2 :][:2]
    assert (few[:2], many[:2]) == (["100", "1200"], ["300", "3600"])
    assert float(few[3]) == pytest.approx(1200 / int(few[2]), rel=0.01)
    assert float(many[5]) == pytest.approx(3600 / int(many[4]), rel=0.01)
    errors = [row for row in rows[4:] if row[0] in ("variable", "pt", "mass", "mJetArea")]
    assert [row[0] for row in errors] == ["variable", "pt", "mass", "mJetArea"]
    assert all(np.isfinite([float(cell) for cell in row[1:]]).all() and len(row) == 9 for row in errors[1:])
    tex = Path(tables[1]).read_text(encoding="utf-8")
    assert tex.count(r"\begin{tabular}") == 3
    assert r"residual\_rms" in tex
    assert r"11.7 $\pm$ 3.1" in tex
