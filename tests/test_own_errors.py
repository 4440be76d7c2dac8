"""Bounds in units of each value's own error hold by the original errors and by the restored ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import xarray as xr

import baler_core
from baler_core import ConfigError
from baler_core.cli import main
from baler_core.data.bounds import LOSSLESS, BoundRules
from baler_core.data.error_bound import ErrorBound
from baler_core.data.variables import Schema, Variable
from baler_core.pipeline.matching import told_of

N = 3000
BOUNDS: dict[str, Any] = {
    "x": {"abs": "0.1 * e", "else": {"rel": 1e-3}},
    "d": {"abs": "0.25 * e2"},
    "f": {"abs": "0.2 * hypot(e, e2)", "sign": "keep"},
    "count": {"abs": "e3", "limits": [0, 100]},
    "e": {"rel": 0.05},
    "e2": {"rel": 0.05},
}


def messy() -> dict[str, np.ndarray]:
    """Values and errors as they are in catalogues: NaN, 0, negative, infinite, marks, and short decimals."""
    rng = np.random.default_rng(7)
    e, e2 = np.exp(rng.normal(-2, 1, N)), np.round(np.exp(rng.normal(-1, 1, N)), 4)
    x, f = rng.normal(3, 1, N), rng.normal(0, 0.2, N).astype(np.float32)
    e[:40], e[40:50], e[60:70], e[70:75], e[75:90] = np.nan, 0, -e[60:70], -np.inf, 1e5
    x[80:82] = x[200] = np.nan
    x[300] = np.inf
    return {
        "x": x,
        "d": np.round(rng.normal(0, 4, N), 3),
        "f": f,
        "count": rng.integers(0, 100, N),
        "e": e,
        "e2": e2,
        "e3": np.exp(rng.normal(1, 1, N)),
        "other": 2 * x + rng.normal(0, 0.1, N),
    }


def assert_within(before: Mapping[str, np.ndarray], after: Mapping[str, np.ndarray]) -> None:
    """Check every value by errors of the original and by errors of the restored file."""
    for errors in (before, after):
        e, e2, e3 = (np.asarray(errors[name], np.float64) for name in ("e", "e2", "e3"))
        allowed = {"x": 0.1 * np.abs(e), "d": 0.25 * e2, "f": 0.2 * np.hypot(e, e2), "count": e3}
        for name, most in allowed.items():
            x, y = np.asarray(before[name], np.float64), np.asarray(after[name], np.float64)
            known = np.isfinite(most) & (most > 0) & np.isfinite(x)
            assert (np.abs(y[known] - x[known]) <= most[known]).all(), name
            x, y = x[~known], y[~known]
            with np.errstate(invalid="ignore"):
                near = np.abs(y - x) <= (1e-3 * np.abs(x) if name == "x" else 0)
            assert (near | (x == y) | (np.isnan(x) & np.isnan(y))).all(), name
    # A mark of 100,000 is no error, although it is a number.
    marked = slice(75, 90)
    np.testing.assert_allclose(after["x"][marked], before["x"][marked], rtol=1e-3)
    np.testing.assert_array_equal(after["e3"], before["e3"])
    assert (np.asarray(before["f"]) * np.asarray(after["f"]) >= 0).all()
    assert (np.asarray(after["count"]) >= 0).all()


@pytest.mark.parametrize("model", ["auto", "scalar", "table", {"name": "dense_autoencoder", "latent_ratio": 4}])
def test_every_model_holds_them(tmp_path: Path, model: Any) -> None:
    arrays = messy()
    training = {"epochs": 1} if isinstance(model, dict) else None
    baler_core.compress(arrays, tmp_path / "t.bal", bounds=BOUNDS, model=model, training=training, block_bytes=100_000)
    restored = {name: values.values for name, values in baler_core.open(tmp_path / "t.bal").items()}
    assert_within(arrays, restored)
    assert np.unique(restored["x"]).size < N  # something was lost


@pytest.mark.parametrize("model", ["auto", "scalar", "predictive", "transform"])
def test_planes_of_images_hold_them(tmp_path: Path, model: str) -> None:
    rng = np.random.default_rng(1)
    error = np.exp(rng.normal(0, 1, (50, 40))).astype(np.float32)
    image = (np.hypot(*np.mgrid[-5:5:50j, -5:5:40j]) + rng.normal(0, 1, (50, 40)) * error).astype(np.float32)  # type: ignore[misc]
    counts = rng.integers(-300, 300, (50, 40)).astype(np.int16)
    image[3, 4:9], error[7, :5], error[8, 8] = np.nan, np.nan, 0
    bounds = {"image": {"abs": "0.25 * error"}, "counts": {"abs": "3 * error"}, "error": {"rel": 0.05}}
    arrays = {"image": image, "error": error, "counts": counts}
    baler_core.compress(arrays, tmp_path / "i.bal", bounds=bounds, model=model)
    restored = {name: values.values for name, values in baler_core.open(tmp_path / "i.bal").items()}
    for errors in (error, restored["error"]):
        for name, share in (("image", 0.25), ("counts", 3.0)):
            x, y = (np.asarray(one[name], np.float64) for one in (arrays, restored))
            known = np.isfinite(errors) & (errors > 0) & np.isfinite(x)
            assert (np.abs(y[known] - x[known]) <= share * np.asarray(errors, np.float64)[known]).all()
            np.testing.assert_array_equal(y[~known], x[~known])


def test_errors_may_have_errors_of_their_own(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    c = np.exp(rng.normal(0, 1, 2000))
    b, a = rng.normal(0, 3, 2000) * c, rng.normal(0, 10, 2000)
    bounds = {"a": {"abs": "0.1 * abs(b)"}, "b": {"abs": "0.01 * c"}, "c": {"rel": 0.02}}
    baler_core.compress({"a": a, "b": b, "c": c}, tmp_path / "c.bal", bounds=bounds)
    restored = baler_core.open(tmp_path / "c.bal")
    for side in ({"b": b, "c": c}, restored):
        assert (np.abs(restored["a"] - a) <= 0.1 * np.abs(side["b"])).all()
        assert (np.abs(restored["b"] - b) <= 0.01 * side["c"]).all()


def test_one_formula_serves_many_variables() -> None:
    rules = BoundRules(
        (("*Err", ErrorBound.parse({"rel": 0.05})), ("Muon_*", ErrorBound.parse({"abs": "0.1 * {}Err"})))
    ).among(["Muon_dxy", "Muon_dxyErr", "Muon_dz", "Muon_dzErr", "Muon_eta"])
    assert rules.bound_for("Muon_dxy", "<f4").formula == "0.1 * Muon_dxyErr"
    assert rules.bound_for("Muon_dz", "<f4").formula == "0.1 * Muon_dzErr"
    assert rules.bound_for("Muon_eta", "<f4").kind == "lossless"
    assert str(rules.bound_for("Muon_dzErr", "<f4")) == "rel 0.05"


def test_a_wildcard_passes_by_what_its_formula_needs(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    arrays = {"x": rng.normal(0, 9, 500), "y": rng.normal(0, 9, 500), "sigma": rng.uniform(1, 2, 500)}
    baler_core.compress(arrays, tmp_path / "w.bal", bounds={"*": {"abs": "sigma"}})
    restored = baler_core.open(tmp_path / "w.bal")
    np.testing.assert_array_equal(restored["sigma"], arrays["sigma"])
    assert all(0 < np.abs(restored[name] - arrays[name]).max() < 2 for name in ("x", "y"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    np.savez("d.npz", x=np.linspace(1, 9, 50), xErr=np.ones(50), yErr=np.ones(50), e=np.ones(7), m=np.ones((5, 4)))
    return tmp_path


@pytest.mark.parametrize(
    ("bounds", "said"),
    [
        ('  x: {abs: "0.1 * xEr"}', "c.yaml:3: the bound of 'x', '0.1 * xEr', needs 'xEr', which is not in this file"),
        ('  x: {abs: "0.1 * xEr"}', "'xErr'"),
        ('  x: {abs: "0.1 * e"}', "lies along other rows"),
        ('  x: {abs: "0.1 * m"}', "lies along other rows"),
        ('  x: {abs: "0.1 * x"}', "c.yaml:3: the bound of 'x' depends on itself"),
        ('  x: {abs: "xErr"}\n  xErr: {abs: "yErr"}\n  yErr: {abs: "0.1 * x"}', "x needs xErr needs yErr needs x"),
        ('  x: {abs: "0.1 *"}', "c.yaml:3: bounds.x"),
        ('  x: {abs: "open(xErr)"}', "c.yaml:3: bounds.x"),
        ('  x: {abs: "0.1"}', "names no variable"),
        ("  x: {abs: 0.1, else: lossless}", "'else' is for values without an error of their own"),
        ('  x: {abs: "xErr", else: {range: 0.1}}', "else is lossless, or"),
        ('  x: {rel: "xErr"}', "needs a number"),
    ],
)
def test_mistakes_are_told_in_a_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str], bounds: str, said: str
) -> None:
    (folder / "c.yaml").write_text(f"input: d.npz\nbounds:\n{bounds}\n")
    with pytest.raises(SystemExit) as caught:
        main(["compress", "c.yaml"])
    assert caught.value.code == 1
    assert said in capsys.readouterr().err
    assert not list(folder.glob("**/*.bal"))


def test_text_is_no_error(tmp_path: Path) -> None:
    arrays = {"x": np.ones(3), "name": np.array(["a", "b", "c"])}
    with pytest.raises(ConfigError, match="holds text, not numbers"):
        baler_core.compress(arrays, tmp_path / "x.bal", bounds={"x": {"abs": "name"}})


def test_results_tell_the_share_of_each_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(5)
    np.savez("d.npz", x=rng.normal(0, 9, 900), xErr=np.exp(rng.normal(0, 1, 900)))
    (folder / "c.yaml").write_text('input: d.npz\nbounds:\n  x: {abs: "0.1 * xErr"}\nplots: []\noutput: out\n')
    for command in (["run", "c.yaml"], ["info", "out/d.bal"], ["evaluate", "d.npz", "out/d.bal"]):
        with pytest.raises(SystemExit) as caught:
            main(command)
        assert caught.value.code == 0
    said = capsys.readouterr().out
    assert "abs 0.1 * xErr" in said
    assert said.count("100%") + said.count("99%") + said.count("99.") >= 2
    with np.load("d.npz") as arrays:  # a value that is off by half of what is allowed more than it may be
        broken = {**arrays, "x": arrays["x"] + 0.15 * arrays["xErr"]}
    np.savez("broken.npz", **broken)  # type: ignore[arg-type]
    with pytest.raises(SystemExit) as caught:
        main(["evaluate", "d.npz", "broken.npz", "--config", "c.yaml"])
    assert caught.value.code == 3


@pytest.mark.parametrize("model", ["auto", "scalar"])
def test_lower_and_upper_errors_count_by_the_smaller(tmp_path: Path, model: str) -> None:
    rng = np.random.default_rng(6)
    sides = np.exp(rng.normal(0, 1, (2500, 2))) * [-1, 1]
    sides[:50, 0] = -np.inf  # upper limits
    flux = rng.normal(0, 3, 2500)
    curve, errors = rng.normal(0, 3, (2500, 4)), np.exp(rng.normal(0, 1, (2500, 4, 2)))
    data = xr.Dataset(
        {
            "flux": ("row", flux),
            "other": ("row", flux + rng.normal(0, 0.1, 2500)),
            "curve": (("row", "bin"), curve),
            "e_flux": (("row", "side"), sides),
            "e_curve": (("row", "bin", "side"), errors),
        }
    )
    bounds = {
        "flux": {"abs": "0.1 * e_flux", "else": {"rel": 1e-3}},
        "curve": {"abs": "0.1 * e_curve"},
        "e_flux": {"rel": 0.05},
        "e_curve": {"abs": 0.1},
    }
    baler_core.compress(data, tmp_path / "s.bal", bounds=bounds, model=model, block_bytes=100_000)
    restored = baler_core.open(tmp_path / "s.bal")
    for side in (data, restored):
        least = np.abs(side["e_flux"].values).min(axis=1)
        off = np.abs(restored["flux"].values - flux)
        assert (off <= np.where(np.isfinite(sides[:, 0]), 0.1 * least, 1e-3 * np.abs(flux))).all()
        least = np.abs(side["e_curve"].values).min(axis=2)
        assert (np.abs(restored["curve"].values - curve) <= 0.1 * least).all()
    assert np.abs(restored["flux"].values - flux)[50:].max() > 0.01


def test_what_init_proposes_holds(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(8)
    pt, error = rng.exponential(30, 700), rng.uniform(0.5, 3, 700)
    np.savez("d.npz", pt=pt, ptErr=error, sci=rng.normal(5, 1, (40, 50)), sci_err=rng.uniform(0.5, 2, (40, 50)))
    for command in (["init", "d.npz", "-o", "i.yaml"], ["compress", "i.yaml"], ["decompress", "results/d/d.bal"]):
        with pytest.raises(SystemExit) as caught:
            main(command)
        assert caught.value.code == 0
    assert 'pt: {abs: "0.1 * ptErr"}' in (folder / "i.yaml").read_text()
    with np.load("d.npz") as before, np.load("results/d/d.restored.npz") as after:
        for value, side, share in (("pt", "ptErr", 0.1), ("sci", "sci_err", 0.25)):
            off = np.abs(after[value] - before[value])
            assert (off <= share * before[side]).all()
            assert (off <= share * after[side]).all()
            assert (off > 0).mean() > 0.5
            assert 0.01 < np.abs(after[side] / before[side] - 1).max() <= 0.05


def test_errors_may_be_preprocessed(tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    arrays = {"x": rng.normal(0, 5, 2000), "e": np.exp(rng.normal(0, 1, 2000)), "y": rng.exponential(9, 2000)}
    bounds = {"x": {"abs": "0.1 * e"}, "e": {"rel": 0.05}, "y": {"rel": 1e-3}}
    baler_core.compress(arrays, tmp_path / "plain.bal", bounds=bounds)
    done = baler_core.compress(
        arrays, tmp_path / "p.bal", bounds=bounds, preprocess=[{"name": "log", "variables": ["x", "e", "y"]}]
    )
    restored = baler_core.open(tmp_path / "p.bal")
    for errors in (arrays["e"], restored["e"].values):
        assert (np.abs(restored["x"].values - arrays["x"]) <= 0.1 * errors).all()
    assert done.file_bytes < 1.3 * (tmp_path / "plain.bal").stat().st_size


@pytest.mark.parametrize("storage", ["inside", "reference"])
def test_trained_models_know_own_errors(tmp_path: Path, storage: str) -> None:
    def some(seed: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(seed)
        e = np.exp(rng.normal(0, 1, 1000))
        return {"x": rng.normal(0, 5, 1000), "e": e, "y": rng.exponential(9, 1000) * e}

    bounds = {"x": {"abs": "0.1 * e"}, "e": {"rel": 0.05}, "y": {"rel": 1e-2}}
    baler_core.train(some(1), tmp_path / "m.bal", bounds=bounds)
    arrays = some(2)
    baler_core.compress(
        arrays,
        tmp_path / "t.bal",
        bounds=bounds,
        trained=tmp_path / "m.bal",
        model_storage=storage,  # type: ignore[arg-type]
    )
    restored = baler_core.open(tmp_path / "t.bal")
    for errors in (arrays["e"], restored["e"].values):
        assert (np.abs(restored["x"].values - arrays["x"]) <= 0.1 * errors).all()


def test_trained_models_know_groups_that_were_set_apart(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def some(seed: int) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(seed)
        shape = (40, 50)
        return {"sci": rng.normal(0, 5, shape).astype("f4"), "err": rng.uniform(1, 2, shape).astype("f4")}

    own = {"sci": {"abs": "0.1 * err"}, "err": {"rel": 0.05}}
    plain = {"sci": {"abs": 0.1}, "err": {"rel": 0.05}}
    trained = {"own": own, "plain": plain}
    for name, bounds in trained.items():
        baler_core.train(some(1), tmp_path / f"{name}.balm", bounds=bounds, model="predictive")
    arrays = some(2)
    for name, says in (("own", ""), ("plain", "they hold none for a grid whose bounds follow from errors or noise")):
        caplog.clear()
        baler_core.compress(arrays, tmp_path / "t.bal", bounds=own, trained=tmp_path / f"{name}.balm")
        told = [record.getMessage() for record in caplog.records if "do not know" in record.getMessage()]
        assert bool(told) == bool(says)
        assert "of another type" not in "".join(told)
        assert not says or any(says in one for one in told)
        restored = baler_core.open(tmp_path / "t.bal")
        assert (np.abs(restored["sci"].values - arrays["sci"]) <= 0.1 * np.abs(restored["err"].values)).all()


@pytest.mark.parametrize(("last", "is_told"), [({"e": "lossless"}, False), ({"*": "lossless"}, True), ({}, True)])
def test_errors_are_said_to_stay_exact_where_nobody_asked_for_that(last: dict[str, str], is_told: bool) -> None:
    schema = Schema((Variable("x", "<f8", ("row",)), Variable("e", "<f8", ("row",))), {"row": 9})
    stated = {"x": {"abs": "0.1 * e"}, **last}
    rules = BoundRules(tuple((name, ErrorBound.parse(bound)) for name, bound in stated.items()))
    sentences = told_of(schema, rules, [ErrorBound.parse({"abs": "0.1 * e"}), LOSSLESS], {})
    assert any("stay exact" in one for one in sentences) == is_told


def test_large_shares_of_errors_are_no_marks(tmp_path: Path) -> None:
    rng = np.random.default_rng(10)
    arrays = {"x": rng.normal(0, 1, 2000), "e": rng.uniform(1, 2, 2000)}
    arrays["e"][:20] = 99999
    sizes = []
    for share in (1, 10, 100):
        bounds = {"x": {"abs": f"{share} * e"}, "e": {"rel": 0.05}}
        sizes.append(baler_core.compress(arrays, tmp_path / f"{share}.bal", bounds=bounds, model="scalar").file_bytes)
        restored = baler_core.open(tmp_path / f"{share}.bal")["x"].values
        np.testing.assert_array_equal(restored[:20], arrays["x"][:20])
        assert (np.abs(restored - arrays["x"]) <= share * arrays["e"]).all()
    assert sizes[0] >= sizes[1] >= sizes[2]


def test_a_table_of_text_keeps_bounds_by_its_own_errors_in_every_cell(tmp_path: Path) -> None:
    """Cells are written with few digits: bounds hold by the errors as they stand in either file."""
    rng = np.random.default_rng(12)
    rows = []
    for number in range(1500):
        e = float(np.exp(rng.normal(-2, 1)))
        error = {0: "", 1: "0", 2: "-inf"}.get(number % 50, f"{e:.{int(rng.integers(2, 6))}g}")
        rows.append(f"s{number},{rng.normal(30, 9):.{int(rng.integers(2, 7))}f},{error},{rng.integers(3, 99)}")
    (tmp_path / "t.csv").write_text("name,flux,e_flux,n\n" + "\n".join(rows) + "\n")
    bounds = {"flux": {"abs": "0.2 * e_flux", "else": {"rel": 1e-3}}, "e_flux": {"rel": 0.05}}
    baler_core.compress(tmp_path / "t.csv", tmp_path / "t.bal", bounds=bounds, block_bytes=20_000)
    baler_core.decompress(tmp_path / "t.bal", tmp_path / "r.csv")
    before, after = (pd.read_csv(tmp_path / name) for name in ("t.csv", "r.csv"))
    for name in ("name", "n"):
        assert (before[name] == after[name]).all()
    off = np.abs(after["flux"] - before["flux"])
    for table in (before, after):
        known = np.isfinite(table["e_flux"]) & (table["e_flux"] != 0)
        assert (off[known] <= 0.2 * np.abs(table["e_flux"][known]) * (1 + 1e-9)).all()
        assert (off[~known] <= 1e-3 * np.abs(before["flux"][~known]) * (1 + 1e-9)).all()
    assert (before["e_flux"].isna() == after["e_flux"].isna()).all()
    assert (before["e_flux"][2::50] == after["e_flux"][2::50]).all()
    assert (off > 0).mean() > 0.8
    assert (tmp_path / "r.csv").stat().st_size <= 1.25 * (tmp_path / "t.csv").stat().st_size


def test_integers_without_room_for_a_whole_step_stay_exact_and_do_not_take_the_other_bound(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    counts, error = rng.integers(50_000, 90_000, 500), rng.uniform(100, 4000, 500)
    bounds = {"n": {"abs": "0.0005 * e", "else": {"rel": 1e-3}}}
    baler_core.compress({"n": counts, "e": error}, tmp_path / "n.bal", bounds=bounds)
    after = baler_core.open(tmp_path / "n.bal")["n"].values
    assert (np.abs(after - counts) <= 0.0005 * error).all()
