"""The reference decoder restores what bounds of each value, noise, preprocessors and trained models made, bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference
from reference.container import header, sections
from test_reference_decoder import refused_of

import baler_core

ROWS = 150


def compare(path: Path, trained: Path | None = None) -> Any:
    """Both decoders restore the same; return the header."""
    data = path.read_bytes()
    ours = baler_core.open(path, trained=trained)
    theirs = reference.restore(data, trained=b"" if trained is None else trained.read_bytes())
    assert set(theirs) == {str(name) for name in ours.variables}
    for name, values in theirs.items():
        expected = np.asarray(ours[name].values)
        assert (values.dtype, values.tobytes()) == (expected.dtype, expected.tobytes()), name
    return header(sections(data)[-1])


def measured() -> dict[str, np.ndarray]:
    """Values with errors of their own, some of which are missing, infinite or 0."""
    rng = np.random.default_rng(11)
    error = rng.lognormal(-2, 1, ROWS).astype("<f4")
    error[[3, 4, 5]] = [np.nan, 0.0, np.inf]
    value = (10 + rng.normal(size=ROWS)).astype("<f8")
    value[[7, 9]] = [np.nan, -999.0]
    return {
        "value": value,
        "error": error,
        "count": rng.integers(0, 5000, ROWS).astype("<i4"),
        "spread": rng.integers(1, 40, ROWS).astype("<i2"),
        "decimal": np.round(rng.normal(size=ROWS), 3),
        "second error": rng.lognormal(-3, 1, ROWS),
    }


FORMULAS: dict[str, Any] = {
    "value": {"abs": "0.5 * hypot(error, `second error`) - 0.01", "else": {"rel": 1e-3}},
    "count": {"abs": "max(spread, 2) / 4"},
    "decimal": {"abs": "sqrt(abs(error)) * 0.1"},
    "error": {"rel": 0.1},
    "second error": {"abs": "0.2 * error"},
    "spread": {"abs": 1},
}


@pytest.mark.parametrize("model", ["scalar", "table"])
def test_steps_of_each_value(model: str, tmp_path: Path) -> None:
    options = {"name": model, "effort": "fast"} if model == "table" else model
    baler_core.compress(measured(), tmp_path / "a.bal", bounds=FORMULAS, model=options, block_bytes=2000)
    head = compare(tmp_path / "a.bal")
    assert sum(times for times, (kind, *_) in head["tolerances"] if kind == "each") == 4
    assert head["groups"][0][2][0][0] == model


@pytest.mark.parametrize("model", ["scalar", "table"])
def test_damaged_steps_and_formulas_are_refused_or_restored_as_the_product_does(model: str, tmp_path: Path) -> None:
    options = {"name": model, "effort": "fast"} if model == "table" else model
    baler_core.compress(measured(), tmp_path / "a.bal", bounds=FORMULAS, model=options)
    assert refused_of(tmp_path / "a.bal", 80, tmp_path) > 0.8 * 80


def test_groups_set_apart(tmp_path: Path) -> None:
    """A field whose errors lie beside it is seen by models as quotients."""
    rng, shape = np.random.default_rng(12), (5, 9, 11)
    field = np.sin(np.linspace(0, 9, 495)).reshape(shape) + 0.02 * rng.normal(size=shape)
    arrays = {"flux": field.astype("<f4"), "err": rng.lognormal(-3, 0.3, shape).astype("<f4")}
    arrays["flux"][1, 2, 3] = np.nan
    bounds = {"flux": {"abs": "0.3 * err"}, "err": {"rel": 0.05}}
    baler_core.compress(arrays, tmp_path / "a.bal", bounds=bounds, model={"name": "predictive", "effort": "fast"})
    assert len(compare(tmp_path / "a.bal")["groups"]) == 2


@pytest.mark.parametrize("dtype", ["<f4", "<i2"])
@pytest.mark.parametrize("dither", [False, True])
def test_steps_of_noise(dtype: str, dither: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(13)
    image = (1000 + 30 * rng.normal(size=(12, 80)) * np.linspace(1, 3, 12)[:, None]).astype(dtype)
    image[2, :5] = 0
    image[4] = 7
    bounds = {"image": {"noise": 0.3, "dither": dither}}
    baler_core.compress({"image": image}, tmp_path / "a.bal", bounds=bounds, model="scalar")
    assert compare(tmp_path / "a.bal")["bounds"][0][1][0] == "noise"


def test_preprocessors(tmp_path: Path) -> None:
    rng = np.random.default_rng(14)
    arrays = {
        "positive": rng.lognormal(0, 2, ROWS),
        "signed": (rng.normal(size=ROWS) ** 3).astype("<f4"),
        "whole": rng.integers(0, 9000, ROWS),
        "exact": rng.normal(size=ROWS),
    }
    steps: list[Any] = [
        {"name": "standardise", "variables": ["whole"]},
        {"name": "log", "variables": ["pos*"]},
        {"name": "asinh", "variables": ["signed"]},
        {"name": "min_max", "variables": ["*"]},
    ]
    bounds = {"whole": {"abs": 3}, "exact": "lossless", "*": {"rel": 1e-2}}
    baler_core.compress(arrays, tmp_path / "a.bal", bounds=bounds, model="scalar", preprocess=steps)
    assert len(compare(tmp_path / "a.bal")["preprocess"]) == 4


def table(rows: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    mass = rng.lognormal(2, 0.6, rows)
    return {"mass": mass.astype("<f4"), "size": (mass * rng.normal(1, 0.01, rows)).astype("<f4")}


@pytest.mark.parametrize("effort", ["fast", "balanced"])
def test_tables_that_begin_with_rows_of_another_file(effort: str, tmp_path: Path) -> None:
    bounds, model = {"rel": 1e-2}, {"name": "table", "effort": effort}
    trained = baler_core.train(table(150, 1), tmp_path / "m.balm", bounds=bounds, model=model)
    more: Any = {"trained": trained, "model_storage": "reference"}
    baler_core.compress(table(60, 2), tmp_path / "a.bal", bounds=bounds, model=model, **more)
    assert compare(tmp_path / "a.bal", trained)["trained"][0] == "m.balm"
    with pytest.raises(reference.Damaged, match=r"needs the trained models of 'm\.balm'"):
        reference.restore((tmp_path / "a.bal").read_bytes())


def test_fields_with_modes_of_another_file(tmp_path: Path) -> None:
    t, y, x = np.meshgrid(np.arange(72) / 8, np.linspace(0, 2, 24), np.linspace(0, 3, 32), indexing="ij")
    waves = sum(np.sin(k * x + t * (1 + k / 3)) * np.cos(k * y + k) for k in (1, 2, 3))
    field = (waves + 0.002 * np.random.default_rng(15).normal(size=t.shape)).astype("<f4")
    bounds, model = {"abs": 0.05}, {"name": "transform", "effort": "fast"}
    trained = baler_core.train({"u": field[:48]}, tmp_path / "m.balm", bounds=bounds, model=model)
    more: Any = {"trained": trained, "model_storage": "reference"}
    baler_core.compress({"u": field[48:]}, tmp_path / "a.bal", bounds=bounds, model=model, **more)
    assert compare(tmp_path / "a.bal", trained)["trained"][0] == "m.balm"
