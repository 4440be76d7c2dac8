"""The built-in metrics give the numbers of their definitions, block by block, in physical units."""

from __future__ import annotations

import math

import numpy as np
import pytest

from baler_core import Metric, Variable, make_block
from baler_core.builtin.metrics import Correlation, PeakSignalToNoise, Residual, Response
from baler_core.plugin.registry import load_plugins


def measured(metric: Metric, x: np.ndarray, y: np.ndarray, **about: object) -> dict[str, float]:
    """What a metric finds for one variable, fed in two blocks."""
    variable = Variable("v", x.dtype.str, ("row",), **about)  # type: ignore[arg-type]
    for part in (slice(0, x.size // 3), slice(x.size // 3, None)):
        before, after = (make_block({"v": (("row",), values[part])}) for values in (x, y))
        metric.update(before, after, {"v": variable})
    return dict(metric.result().values.get("v", {}))


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    x = rng.normal(5, 2, 3000)
    return x, x + rng.normal(0.01, 0.1, 3000)


def test_all_are_offered_through_the_hook() -> None:
    assert {"residual", "response", "psnr", "correlation"} <= set(load_plugins().names("metric"))


def test_residual_is_restored_minus_original(pair: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = pair
    found = measured(Residual(), x, y)
    r = y - x
    assert found["count"] == 3000
    assert found["mean"] == pytest.approx(r.mean())
    assert found["rms"] == pytest.approx(np.sqrt(np.mean(r**2)))
    assert (found["min"], found["max"]) == (r.min(), r.max())
    assert found["median"] == pytest.approx(np.median(r))
    assert found["p95"] == pytest.approx(np.quantile(r, 0.95))


def test_residual_of_a_packed_variable_is_in_physical_units() -> None:
    x = np.array([0, 10, 20, -1], np.int16)
    y = np.array([1, 10, 18, -1], np.int16)
    found = measured(Residual(), x, y, scale=0.5, offset=100.0, fill=(-1.0,))
    assert (found["min"], found["max"], found["count"], found["left_out"]) == (-1.0, 0.5, 3, 1)


def test_residual_of_large_integers_is_exact() -> None:
    x = np.array([2**62, -(2**62), 2**63 - 1], np.int64)
    found = measured(Residual(), x, x - np.array([1, -3, 2]))
    assert (found["min"], found["max"]) == (-2.0, 3.0)
    ids = np.array([2**64 - 1, 5], np.uint64)
    assert measured(Residual(), ids, np.array([2**64 - 3, 6], np.uint64))["min"] == -2.0


def test_residual_leaves_out_what_is_not_finite() -> None:
    x = np.array([1.0, np.nan, np.inf, 4.0], np.float32)
    found = measured(Residual(), x, np.array([1.5, np.nan, np.inf, np.nan], np.float32))
    assert (found["count"], found["left_out"], found["mean"]) == (1, 3, 0.5)


def test_response_is_residual_over_original_and_counts_what_is_undefined() -> None:
    x = np.array([2.0, -4.0, 0.0, 0.0, np.nan, 8.0])
    y = np.array([2.2, -4.4, 1.0, 0.0, np.nan, 8.0])
    found = measured(Response(), x, y)
    assert found["count"] == 3
    assert found["mean"] == pytest.approx(0.2 / 3)
    assert found["rms"] == pytest.approx(np.sqrt(0.02 / 3))
    assert (found["inf"], found["nan"]) == (1, 2)


def test_response_of_a_variable_of_zeros_has_no_mean() -> None:
    found = measured(Response(), np.zeros(5), np.zeros(5))
    assert found == {"count": 0.0, "inf": 0.0, "nan": 5.0}


def test_psnr_is_range_over_rms_in_decibel(pair: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = pair
    found = measured(PeakSignalToNoise(), x, y)
    rms, width = np.sqrt(np.mean((y - x) ** 2)), np.ptp(x)
    assert found["psnr"] == pytest.approx(20 * np.log10(width / rms))
    assert found["nrmse"] == pytest.approx(rms / width)
    assert found["max_error"] == pytest.approx(np.abs(y - x).max() / width)
    assert measured(PeakSignalToNoise(), x, x)["psnr"] == math.inf
    assert measured(PeakSignalToNoise(), np.ones(5), np.ones(5)) == {}


def test_correlation_is_pearsons(pair: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = pair
    assert measured(Correlation(), x, y)["correlation"] == pytest.approx(np.corrcoef(x, y)[0, 1], rel=1e-12)
    assert measured(Correlation(), np.ones(9), np.ones(9)) == {}


def test_lost_correlation_does_not_cancel() -> None:
    rng = np.random.default_rng(3)
    x, noise = rng.normal(size=4000) + 1e3, rng.normal(size=4000)
    loss = measured(Correlation(), x, x + 1e-9 * noise)["loss"]
    assert loss == pytest.approx(0.5e-18, rel=0.1)


def test_text_and_booleans_are_passed_over() -> None:
    block = make_block({"t": (("row",), np.array(["a", "b"], object)), "b": (("row",), np.array([True, False]))})
    variables = {"t": Variable("t", "str", ("row",)), "b": Variable("b", "|b1", ("row",))}
    for metric in (Residual(), Response(), PeakSignalToNoise(), Correlation()):
        metric.update(block, block, variables)
        assert metric.result().values == {}
