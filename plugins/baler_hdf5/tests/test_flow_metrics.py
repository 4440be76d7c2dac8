"""Flow metrics give the analytic answers on fields whose derivatives and spectra are known."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest

from baler_core import DataError, Variable, make_block
from baler_hdf5.metrics.gradient import Gradient, GradientOptions
from baler_hdf5.metrics.spectrum import EnergySpectrum, energy_spectrum
from baler_hdf5.metrics.spool import Spool
from baler_hdf5.metrics.velocity import VelocityMetric, VelocityOptions
from baler_hdf5.metrics.vorticity import Divergence, Vorticity

Arrays = Mapping[str, tuple[tuple[str, ...], np.ndarray]]


def update(
    metric: VelocityMetric | EnergySpectrum | Gradient, original: Arrays, restored: Arrays, **more: Variable
) -> None:
    """One block, float64 unless `more` describes a variable otherwise."""
    variables = {name: Variable(name, values.dtype.str, dims) for name, (dims, values) in original.items()}
    metric.update(make_block(original), make_block(restored), variables | more)


def rotation(rate: float, x: np.ndarray, y: np.ndarray, frames: int = 2) -> Arrays:
    """Solid rotation: vorticity 2 * rate everywhere, no divergence."""
    ones = np.ones((frames, 1, 1))
    dims = ("t", "y", "x")
    return {
        "u": (dims, ones * -rate * y[:, None] + 0 * x),
        "v": (dims, ones * rate * x[None, :] + 0 * y[:, None]),
    }


@pytest.mark.parametrize("coordinates_first", [True, False])
def test_vorticity_of_a_rotation_on_an_uneven_grid(coordinates_first: bool) -> None:
    x, y = np.cumsum(np.linspace(0.1, 1, 12)), np.cumsum(np.linspace(1, 2, 9))
    grid: Arrays = {"lon": (("x",), x)}
    metric = Vorticity(VelocityOptions(u="u", v="v", x="lon", y="lat"))
    blocks = [(grid, grid), ({"lat": (("y",), y)},) * 2, (rotation(3, x, y), rotation(3.3, x, y))]
    for original, restored in blocks if coordinates_first else blocks[::-1]:
        update(metric, original, restored)
    found = metric.result().values["vorticity"]
    assert found["rms"] == pytest.approx(6.0)
    assert found["rms_difference"] == pytest.approx(0.6)
    assert found["rms_relative"] == pytest.approx(0.1)
    assert found["max_relative"] == pytest.approx(0.1)
    assert found["count"] == 2 * 9 * 12
    assert metric.result().values["vorticity"] == found


def test_divergence_of_rotation_and_expansion() -> None:
    x, y = np.arange(7.0), np.arange(5.0)
    dims = ("y", "x")
    expansion = {"u": (dims, 2 * x + 0 * y[:, None]), "v": (dims, 0 * x + 3 * y[:, None])}
    metric = Divergence(VelocityOptions(u="u", v="v", x=0.5, y=2.0))
    update(metric, expansion, expansion)
    found = metric.result().values["divergence"]
    assert found["rms"] == pytest.approx(2 / 0.5 + 3 / 2)
    assert found["max_relative"] == 0
    metric = Divergence(VelocityOptions(u="u", v="v"))
    update(metric, rotation(1, x, y), rotation(1, x, y))
    assert metric.result().values["divergence"]["rms"] == pytest.approx(0, abs=1e-12)


def test_curl_and_divergence_in_three_dimensions() -> None:
    z, y, x = np.meshgrid(np.arange(4.0), np.arange(5.0), np.arange(6.0), indexing="ij")
    dims = ("z", "y", "x")
    # curl (2y, 3, -1): w = y^2 - 3x ... chosen linear: u = y, v = 2z, w = -3x + 4z
    flow = {"u": (dims, y), "v": (dims, 2 * z), "w": (dims, -3 * x + 4 * z)}
    metric = Vorticity(VelocityOptions(u="u", v="v", w="w"))
    update(metric, flow, flow)
    assert metric.result().values["vorticity"]["rms"] == pytest.approx(math.sqrt((4 + 9 + 1) / 3))
    divergence = Divergence(VelocityOptions(u="u", v="v", w="w", z=2.0))
    update(divergence, flow, flow)
    assert divergence.result().values["divergence"]["rms"] == pytest.approx(2.0)


def test_a_snapshot_cut_along_y_uses_its_part_of_the_coordinates() -> None:
    x, y = np.arange(5.0), np.arange(8.0) ** 2 + 1
    whole = {name: (("y", "x"), values[0]) for name, (_, values) in rotation(2, x, y).items()}
    metric = Vorticity(VelocityOptions(u="u", v="v", y="lat"))
    for rows in (slice(0, 4), slice(4, 8)):
        part = {name: (dims, values[rows]) for name, (dims, values) in whole.items()}
        update(metric, part, part)
    update(metric, {"lat": (("y",), y)}, {"lat": (("y",), y)})
    found = metric.result().values["vorticity"]
    assert found["rms"] == pytest.approx(4.0)
    assert found["count"] == 40


def test_packed_values_and_fill_are_taken_physically() -> None:
    dims = ("y", "x")
    stored = np.arange(20, dtype="<i2").reshape(4, 5)
    stored[0, 0] = -99
    packed = {"u": (dims, np.zeros((4, 5), "<i2")), "v": (dims, stored)}
    metric = Vorticity(VelocityOptions(u="u", v="v"))
    v = Variable("v", "<i2", dims, scale=0.5, offset=10.0, fill=(-99.0,))
    update(metric, packed, packed, v=v)
    found = metric.result().values["vorticity"]
    assert found["rms"] == pytest.approx(0.5)
    assert found["count"] == 18  # the filled cell and its neighbour


def test_unknown_names_and_shapes_are_told() -> None:
    x = np.arange(5.0)
    metric = Vorticity(VelocityOptions(u="u", v="vv"))
    flow = rotation(1, x, x)
    update(
        metric, {"u": flow["u"], "vv2": flow["v"], "vv": flow["v"]}, {"u": flow["u"], "vv2": flow["v"], "vv": flow["v"]}
    )
    metric = Vorticity(VelocityOptions(u="velocity_u", v="velocity_v"))
    update(metric, flow, flow)
    with pytest.raises(DataError, match="no variable 'velocity_u'"):
        metric.result()
    metric = Vorticity(VelocityOptions(u="u", v="v", x="lon"))
    update(metric, flow, flow)
    short: Arrays = {"lon": (("n",), np.arange(3.0))}
    with pytest.raises(DataError, match=r"'lon' has shape \(3,\), wanted \(5,\)"):
        update(metric, short, short)


def test_a_wave_has_all_its_energy_at_its_wavenumber() -> None:
    y, x = np.meshgrid(np.arange(32) / 32, np.arange(64) / 64, indexing="ij")
    wave = np.sin(2 * np.pi * 5 * y)
    energies = energy_spectrum(wave)
    assert energies.shape == (17,)
    assert energies[5] == pytest.approx(0.25)
    assert energies.sum() == pytest.approx(0.25)
    # 6 cycles along 64 points are 3 along 32
    assert energy_spectrum(np.cos(2 * np.pi * 6 * x))[3] == pytest.approx(0.25)


def test_spectrum_tells_which_scales_are_lost() -> None:
    y = np.arange(64) / 64
    line = np.sum([np.sin(2 * np.pi * k * y) / k for k in range(1, 21)], axis=0)
    damped = line - 0.5 * np.sin(2 * np.pi * 20 * y) / 20
    dims = ("t", "y", "x")
    original, restored = (np.tile(wave[:, None], (3, 1, 64)) for wave in (line, damped))
    metric = EnergySpectrum()
    for frames in (slice(0, 1), slice(1, 3)):
        update(metric, {"f": (dims, original[frames])}, {"f": (dims, restored[frames])})
    found = metric.result().values["f"]
    assert found["frames"] == 3
    assert found["max_relative"] == pytest.approx(0.75)
    assert found["good_to"] == 19
    assert found["energy_ratio"] == pytest.approx(1 - 0.75 / 400 / sum(1 / k**2 for k in range(1, 21)))


def test_spectrum_of_an_image_that_comes_in_pieces() -> None:
    image = np.random.default_rng(3).normal(size=(40, 30))
    metric, whole = EnergySpectrum(), EnergySpectrum()
    for rows in (slice(0, 7), slice(7, 40)):
        update(metric, {"f": (("y", "x"), image[rows])}, {"f": (("y", "x"), image[rows] * 1.1)})
    update(whole, {"f": (("t", "y", "x"), image[None])}, {"f": (("t", "y", "x"), image[None] * 1.1)})
    assert metric.result().values == whole.result().values
    assert metric.result().values["f"]["energy_ratio"] == pytest.approx(1.21)


def test_gradient_of_a_ramp() -> None:
    ramp = np.add.outer(3 * np.arange(6.0), 4 * np.arange(5.0))[None]
    metric = Gradient(GradientOptions(variables=("f",)))
    arrays: Arrays = {"f": (("t", "y", "x"), ramp), "g": (("t", "y", "x"), ramp)}
    update(metric, arrays, {name: (dims, values * 1.01) for name, (dims, values) in arrays.items()})
    result = metric.result().values
    assert list(result) == ["f"]
    assert result["f"]["rms"] == pytest.approx(math.sqrt(12.5))
    assert result["f"]["max_relative"] == pytest.approx(0.01)


@pytest.mark.parametrize("pattern", ["pt [GeV]", "u[m/s]"])
def test_a_pattern_that_is_a_name_means_that_field_alone(pattern: str) -> None:
    ramp = np.add.outer(3 * np.arange(6.0), 4 * np.arange(5.0))[None]
    arrays: Arrays = dict.fromkeys(("pt [GeV]", "pt G", "u[m/s]", "um", "u/"), (("t", "y", "x"), ramp))
    metric = Gradient(GradientOptions(variables=(pattern,)))
    update(metric, arrays, arrays)
    assert list(metric.result().values) == [pattern]


def test_plots_can_be_drawn() -> None:
    from matplotlib.figure import Figure

    x = np.arange(16.0)
    flow = {name: (dims, values + np.sin(x)) for name, (dims, values) in rotation(1, x, x).items()}
    for metric in (Vorticity(VelocityOptions(u="u", v="v")), EnergySpectrum()):
        update(metric, flow, flow)
        metric.result()
        assert metric.plots()
        for title in metric.plots():
            axes = Figure().subplots()
            metric.plot(title, axes)
            assert axes.get_title() == title
            assert axes.lines or axes.images


def test_the_spool_gives_back_what_it_got_more_than_memory_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("baler_hdf5.metrics.spool.IN_MEMORY", 1000)
    spool = Spool()
    arrays = [np.random.default_rng(n).normal(size=(n, 50)) for n in range(1, 6)]
    for array in arrays:
        spool.put({"a": array, "b": array + 1})
    for array, taken in zip(arrays, spool.take(), strict=True):
        np.testing.assert_array_equal(taken["a"], array)
        np.testing.assert_array_equal(taken["b"], array + 1)
    assert list(spool.take()) == []
