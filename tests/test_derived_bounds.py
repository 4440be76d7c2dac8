"""Derived quantities beside every kind of bound: both hold, and decoders find the same values."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import baler_core
from baler_core.config import load_config
from baler_core.format.file_info import read_info
from baler_core.pipeline.compression import compress
from baler_core.pipeline.decompression import decompress
from baler_core.plugin.registry import load_plugins

FAST: dict[str, Any] = {"name": "auto", "effort": "fast"}


def stars(rows: int = 3000) -> dict[str, np.ndarray]:
    """Fluxes in two bands with their errors, some of which are missing."""
    rng = np.random.default_rng(3)
    flux = 10 ** rng.normal(2, 0.5, rows)
    other = flux * 10 ** rng.normal(0, 0.05, rows)
    errors = [0.02 * flux * rng.lognormal(0, 0.3, rows), 0.02 * other * rng.lognormal(0, 0.3, rows)]
    errors[0][::50] = np.nan
    return {"g": flux, "g_err": errors[0], "r": other, "r_err": errors[1]}


def kept(data: dict[str, np.ndarray], tmp_path: Path, **arguments: Any) -> tuple[Any, dict[str, np.ndarray]]:
    done = baler_core.compress(data, tmp_path / "x.bal", model=FAST, **arguments)
    restored = baler_core.open(tmp_path / "x.bal", as_="numpy")
    return done, {name: np.asarray(values) for name, values in restored.items()}


def test_bounds_in_units_of_errors_hold_beside_a_quantity(tmp_path: Path) -> None:
    data = stars()
    bounds = {"g": {"abs": "0.25 * g_err"}, "r": {"abs": "0.25 * r_err"}, "*_err": {"rel": 0.05}}
    done, found = kept(data, tmp_path, bounds=bounds, derived={"c": {"of": "g - r", "abs": 0.5}}, block_bytes=40_000)
    assert np.abs((found["g"] - found["r"]) - (data["g"] - data["r"])).max() <= 0.5
    known = np.isfinite(data["g_err"])
    assert (np.abs(found["g"] - data["g"])[known] <= 0.25 * data["g_err"][known] * 1.0001).all()
    assert (found["g"] != data["g"]).mean() > 0.1
    assert done.derived["c"].exact > 0


@pytest.mark.parametrize(
    ("bounds", "name"),
    [
        ({"g": {"abs": "0.25 * g_err", "else": {"rel": 1e-4}}, "*_err": {"rel": 0.05}}, "g"),
        ({"i": {"noise": 0.5}}, "i"),
        ({"i": {"mean_abs": 2.0}}, "i"),
        ({"i": {"rms": 2.0, "abs": 9.0}}, "i"),
    ],
)
def test_bounds_of_each_value_become_finer_where_a_quantity_needs_it(
    bounds: dict[str, Any], name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    image = np.random.default_rng(4).normal(100, 5, (80, 90)).astype("f4")
    data = {n: v for n, v in {**stars(), "i": image}.items() if (n == "i") == (name == "i")}
    of = {"g": {"of": "g / r", "rel": 1e-3}, "i": {"of": "i * 2", "abs": 0.5}}[name]
    with caplog.at_level(logging.WARNING):
        done, found = kept(data, tmp_path, bounds=bounds, derived={"q": of})
    assert "derived quantities need more than the bounds of their variables allow" in caplog.text
    assert done.derived["q"].exact < 0.1 * data[name].size
    assert (found[name] != data[name]).mean() > 0.9
    before, after = ((d["g"] / d["r"] if name == "g" else 2.0 * d["i"].astype(float)) for d in (data, found))
    assert (np.abs(after - before) <= (1e-3 * np.abs(before) if name == "g" else 0.5)).all()


def test_a_bound_that_is_fine_enough_for_a_quantity_stays_as_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        done, _ = kept(stars(), tmp_path, bounds={"g": {"rel": 2.2e-5}}, derived={"m": {"of": "2 * g", "rel": 1e-2}})
    assert "need more" not in caplog.text
    assert done.errors["g"].share > 0.99


def test_a_variable_from_which_both_a_bound_and_a_quantity_follow_is_exact(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = stars()
    bounds = {"g": {"abs": "0.25 * g_err"}, "*_err": {"rel": 0.05}}
    with caplog.at_level(logging.WARNING):
        _, found = kept(data, tmp_path, bounds=bounds, derived={"snr": {"of": "g / g_err", "rel": 1e-3}})
    np.testing.assert_array_equal(found["g_err"], data["g_err"])
    known = np.isfinite(data["g_err"])
    before, after = (v["g"][known] / v["g_err"][known] for v in (data, found))
    assert (np.abs(after - before) <= 1e-3 * before).all()
    assert "'g_err' is exact: a bound follows from it, and so does the derived quantity 'snr'" in caplog.text
    assert "all its variables are" not in caplog.text


@pytest.mark.parametrize(
    "bound",
    [
        {"mean_abs": 0.5},
        {"rms": 0.5, "abs": 2.0},
        {"mean_rel": 1e-2},
        {"ulp": 64},
        {"decimals": 1},
        {"abs": 0.3, "threshold": 100},
        {"noise": 0.25},
        {"noise": 0.25, "dither": True},
        {"abs": 0.3, "exact_at": 0},
    ],
)
def test_fields_under_other_bounds_keep_a_quantity_too(tmp_path: Path, bound: dict[str, Any]) -> None:
    rng = np.random.default_rng(4)
    field = (
        100
        + 10 * np.sin(np.arange(40.0))[:, None]
        + rng.normal(0, 2, (6, 30, 40)).reshape(6, 30, 40).transpose(0, 2, 1)
    ).transpose(0, 2, 1)
    data = {"t": np.ascontiguousarray(field), "s": np.ascontiguousarray(field[::-1])}
    _, found = kept(data, tmp_path, bounds={"*": bound}, derived={"d": {"of": "t - s", "abs": 0.05}})
    before, after = (v["t"] - v["s"] for v in (data, found))
    assert np.abs(after - before).max() <= 0.05
    error = np.abs(found["t"] - data["t"])
    if "mean_abs" in bound:
        assert error.mean() <= 0.5
    if "threshold" in bound:
        assert ((found["t"] > 100) == (data["t"] > 100)).all()
    if "decimals" in bound:
        assert error.max() <= 0.05


def test_a_target_keeps_its_quantities(tmp_path: Path) -> None:
    data = stars()
    np.savez(tmp_path / "x.npz", **data)
    (tmp_path / "x.yaml").write_text(
        "input: x.npz\nmodel: {name: auto, effort: fast}\nbounds: {g: {rel: 1.0e-4}, r: {rel: 1.0e-4}, '*_err': {rel: 0.01}}\n"
        "target: {ratio: 2.5}\nderived:\n  c: {of: g - r, abs: 0.05}\n"
    )
    registry = load_plugins()
    config = load_config(tmp_path / "x.yaml", registry)
    done = compress(config, registry, source=config.inputs[0], output=tmp_path / "x.bal")
    decompress(tmp_path / "x.bal", registry, output=tmp_path / "y.npz")
    with np.load(tmp_path / "y.npz") as restored:
        found = dict(restored)
    assert done.ratio >= 2.5
    assert np.abs((found["g"] - found["r"]) - (data["g"] - data["r"])).max() <= 0.05
    assert read_info(tmp_path / "x.bal").header.derived[0].share <= 1


def test_packed_fields_keep_a_quantity_of_the_numbers_that_readers_show(tmp_path: Path) -> None:
    netcdf = pytest.importorskip("netCDF4")
    rng = np.random.default_rng(1)
    with netcdf.Dataset(tmp_path / "x.nc", "w") as file:
        for dim, size in (("time", 6), ("y", 30), ("x", 40)):
            file.createDimension(dim, size)
        for name in "ab":
            variable = file.createVariable(name, "i2", ("time", "y", "x"), fill_value=-32767)
            variable.scale_factor, variable.add_offset = 0.01, 280.0
            values = np.ma.array(280 + rng.normal(size=(6, 30, 40)).cumsum(1))
            values[:, 3, 4] = np.ma.masked
            variable[:] = values
    done = baler_core.compress(
        tmp_path / "x.nc", tmp_path / "x.bal", bounds={"a": {"abs": 0.5}}, derived={"d": {"of": "a - b", "abs": 0.2}}
    )
    restored = baler_core.decompress(tmp_path / "x.bal", tmp_path / "y.nc")
    with netcdf.Dataset(tmp_path / "x.nc") as one, netcdf.Dataset(restored) as other:
        before, after = (file["a"][:] - file["b"][:] for file in (one, other))
        np.testing.assert_array_equal(before.mask, after.mask)
        assert np.abs(after - before).max() <= 0.2 + 1e-9
        assert all((one[name][:] != other[name][:]).any() for name in "ab")
    assert done.derived["d"].cells == before.size


def test_a_scan_leaves_derived_quantities_aside(tmp_path: Path) -> None:
    from click.testing import CliRunner

    from baler_core.cli import cli

    np.savez(tmp_path / "x.npz", **stars(500))
    (tmp_path / "x.yaml").write_text(
        "input: x.npz\nbounds: {g: {rel: 1.0e-3}}\nderived:\n  c: {of: g - r, abs: 0.05}\noutput: out\n"
    )
    done = CliRunner().invoke(cli, ["scan", str(tmp_path / "x.yaml")])
    assert done.exit_code == 0, done.output
    assert "ratio" in done.output
