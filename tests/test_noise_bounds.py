"""Bounds in units of the noise: of rows, planes, series and error planes; dithered; found again by independent readers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import baler_core
from baler_core.cli import main
from baler_core.data.bounds import Tolerance
from baler_core.data.error_bound import ErrorBound
from baler_core.data.noise_steps import NoiseShare
from baler_core.data.variables import Layout, Variable
from baler_core.errors import BalerError, ConfigError, FormatError
from baler_core.format.file_info import read_info
from baler_core.format.header_json import header_from_json, header_to_json
from baler_core.pipeline.step_stream import decode_steps, encode_steps

FAST = {"name": "auto", "effort": "fast"}
RANDOM = np.random.default_rng(6)


def restored(values: np.ndarray, bound: object, folder: Path, **more: object) -> np.ndarray:
    baler_core.compress({"x": values}, folder / "x.bal", bounds={"x": bound}, model=FAST, **more)
    return np.asarray(baler_core.open(folder / "x.bal", as_="numpy")["x"])


def image() -> np.ndarray:
    """Rows whose noise grows from 1 to 10, on a sky of 500 with a star and missing pixels."""
    sky = 500 + 2000 * np.exp(-((np.mgrid[:120, :200][0] - 60) ** 2 + (np.mgrid[:120, :200][1] - 90) ** 2) / 40)
    values = (sky + RANDOM.normal(size=(120, 200)) * np.linspace(1, 10, 120)[:, None]).astype("f4")
    values[30:34, 50:60] = np.nan
    return values


def second_differences(rows: np.ndarray) -> np.ndarray:
    """The noise of rows as the documentation defines it, computed anew."""
    return 1.482602 * np.nanmedian(np.abs(np.diff(rows.astype("f8"), 2, axis=-1)), axis=-1) / np.sqrt(6)


@pytest.mark.parametrize("dither", [False, True])
def test_each_row_of_an_image_may_lose_a_share_of_its_noise(dither: bool, tmp_path: Path) -> None:
    x = image()
    y = restored(x, {"noise": 0.25, "dither": dither}, tmp_path, block_bytes=x.nbytes // 3)
    allowed = 0.25 * second_differences(x)
    worst = np.nanmax(np.abs(y.astype("f8") - x), axis=1)
    assert (worst <= allowed).all()
    assert (worst[np.isfinite(x).all(axis=1)] > 0.8 * allowed[np.isfinite(x).all(axis=1)]).all()
    np.testing.assert_array_equal(np.isnan(x), np.isnan(y))
    assert len(read_info(tmp_path / "x.bal").header.blocks) > 1
    single = (tmp_path / "x.bal").stat().st_size
    # One bound for all rows, that of the quietest, takes far more.
    restored(x, {"abs": float(allowed.min())}, tmp_path, block_bytes=x.nbytes // 3)
    assert single < 0.75 * (tmp_path / "x.bal").stat().st_size


@pytest.mark.parametrize("dtype", ["f4", "f8", ">f4", "i2", "u2"])
def test_each_channel_of_a_cube_may_lose_a_share_of_its_noise(dtype: str, tmp_path: Path) -> None:
    sigmas = np.array([8.0, 20.0, 4.0, 60.0])
    x = (3000 + RANDOM.normal(size=(2, 2, 50, 60)) * sigmas.reshape(2, 2, 1, 1)).astype(dtype)
    y = restored(x, {"noise": 0.25}, tmp_path)
    worst = np.abs(y.astype("f8") - x.astype("f8")).max(axis=(2, 3)).ravel()
    assert (worst <= 0.27 * sigmas).all()
    assert (worst >= np.floor(0.2 * sigmas)).all()


def test_dithering_leaves_no_bias_and_keeps_zeros(tmp_path: Path) -> None:
    x = RANDOM.normal(0.3, 1, (300, 400)).astype("f4")
    x[:, ::10] = 0
    y = restored(x, {"noise": 2, "dither": True}, tmp_path)
    np.testing.assert_array_equal(x == 0, y == 0)
    lossy = x != 0
    error = (y.astype("f8") - x)[lossy]
    assert error.std() > 1
    assert abs(error.mean()) < 4 * error.std() / np.sqrt(error.size)
    # The error does not depend on the value: plain rounding in steps of four sigma would make them opposite.
    assert abs(np.corrcoef(error, x[lossy])[0, 1]) < 0.05
    again = tmp_path / "again.bal"
    baler_core.compress({"x": x}, again, bounds={"x": {"noise": 2, "dither": True}}, model=FAST)
    assert again.read_bytes() == (tmp_path / "x.bal").read_bytes()


def test_a_column_has_one_noise_and_one_with_errors_beside_it_theirs(tmp_path: Path) -> None:
    x = 50 + RANDOM.normal(0, 2, 5000)
    error = RANDOM.lognormal(0, 1, 5000)
    arrays = {"v": x, "flux": x * 2, "flux_err": error}
    bounds = {"v": {"noise": 0.25}, "flux": {"noise": 0.1}}
    baler_core.compress(arrays, tmp_path / "t.bal", bounds=bounds, model=FAST)
    back = baler_core.open(tmp_path / "t.bal", as_="numpy")
    assert 0.4 < np.abs(back["v"] - x).max() < 0.6
    assert (np.abs(back["flux"] - 2 * x) <= 0.1 * error).all()
    assert np.abs(back["flux"] - 2 * x).max() > 0.5
    stated = [str(bound) for bound in read_info(tmp_path / "t.bal").header.bounds]
    assert stated[0].startswith("abs 0.")
    assert stated[1] == "abs 0.1 * `flux_err`"


def test_planes_of_errors_are_taken_and_weights_that_are_none_are_not(tmp_path: Path) -> None:
    sigma = RANDOM.lognormal(0, 0.5, (80, 90))
    sci = 100 + RANDOM.normal(size=(80, 90)) * sigma
    for planes, used in (
        ({"ERR": sigma}, "ERR"),
        ({"VAR": sigma**2}, "VAR"),
        ({"WHT": 1 / sigma**2}, "WHT"),
        ({"WHT": np.full((80, 90), 1200.0)}, ""),
    ):
        baler_core.compress(
            {"SCI": sci, **planes}, tmp_path / "p.bal", bounds={"SCI": {"noise": 0.25}}, model=FAST, overwrite=True
        )
        (bound, _) = read_info(tmp_path / "p.bal").header.bounds
        assert (used in str(bound)) if used else str(bound) == "noise 0.25"
        error = np.abs(baler_core.open(tmp_path / "p.bal", as_="numpy")["SCI"] - sci)
        if used:
            assert (error <= 0.25 * sigma * (1 + 1e-9)).all()
        assert error.max() > 0.2


def test_tiles_without_noise_stay_exact(tmp_path: Path) -> None:
    x = image()
    x[10:20] = 7.25
    x[:8] = x[40] = np.nan
    y = restored(np.concatenate([np.zeros((100, 200), "f4"), x]), {"noise": 0.25, "exact_at": 0}, tmp_path)
    assert not y[:100].any()
    y = y[100:]
    np.testing.assert_array_equal(x[10:20], y[10:20])
    assert 0.2 < np.nanmax(np.abs(y - x)) < 5
    assert np.isnan(y[40]).all()


def test_under_a_wildcard_what_has_no_noise_stays_exact(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    arrays = {"a": image(), "flat": np.full((90, 90), 2.5), "none": np.zeros((0, 90)), "nan": np.full((70, 80), np.nan)}
    baler_core.compress(arrays, tmp_path / "x.bal", bounds={"noise": 0.25}, model=FAST)
    back = baler_core.open(tmp_path / "x.bal", as_="numpy")
    for name in ("flat", "none", "nan"):
        np.testing.assert_array_equal(back[name], arrays[name])
    assert np.nanmax(np.abs(back["a"] - arrays["a"])) > 0.3
    assert "the noise of 'flat' cannot be estimated: its first values are all the same" in caplog.text
    assert "It stays exact" in caplog.text


def command(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main([*map(str, arguments)])
    assert isinstance(caught.value.code, int)
    return caught.value.code


@pytest.mark.parametrize(
    ("values", "bound", "said"),
    [
        (
            np.full((90, 90), 3.0),
            "{noise: 0.25}",
            "c.yaml:3: the noise of 'x' cannot be estimated: its first values are all",
        ),
        (
            np.full((90, 90), np.nan),
            "{noise: 0.25}",
            "c.yaml:3: the noise of 'x' cannot be estimated: there are no values",
        ),
        (np.arange(500.0) ** 1.5 % 7, "{noise: 0.25, dither: true}", "only images and cubes are dithered"),
        (np.zeros(4), "{abs: 1, dither: true}", "c.yaml:3: bounds.x.dither: dither is true or false, beside a share"),
        (np.zeros(4), "{noise: 1, dither: 3}", "dither is true or false"),
        (np.zeros(4), "{noise: -1}", "a bound must be a positive, finite number"),
    ],
)
def test_a_noise_that_cannot_be_estimated_is_said_with_its_line(
    values: np.ndarray, bound: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "d.npz", x=values)
    (tmp_path / "c.yaml").write_text(f"input: d.npz\nbounds:\n  x: {bound}\n")
    assert command("compress", tmp_path / "c.yaml") == 1
    err = capsys.readouterr().err
    assert said in err
    assert not (tmp_path / "results" / "d.bal").exists()


def test_a_run_and_an_evaluation_by_the_original_agree(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x = image()
    np.savez(tmp_path / "d.npz", x=x, s=RANDOM.normal(size=2000))
    text = "input: d.npz\nbounds: {x: {noise: 0.25}, s: {noise: 0.5}}\nmodel: {name: auto, effort: fast}\noutput: out\nplots: []\n"
    (tmp_path / "c.yaml").write_text(text)
    assert command("run", tmp_path / "c.yaml") == 0
    capsys.readouterr()
    restored_file = tmp_path / "out" / "d.restored.npz"
    assert command("evaluate", tmp_path / "d.npz", restored_file, "--config", tmp_path / "c.yaml") == 0
    shown = capsys.readouterr().out
    assert "noise 0.25" in shown
    with np.load(restored_file) as restored:
        np.savez(tmp_path / "worse.npz", x=x + np.float32(0.4), s=restored["s"])
    assert command("evaluate", tmp_path / "d.npz", tmp_path / "worse.npz", "--config", tmp_path / "c.yaml") == 3
    assert command("info", tmp_path / "out" / "d.bal") == 0


def test_forged_tiles_are_refused(tmp_path: Path) -> None:
    layout = Layout("grid", (Variable("x", "<f4", ("y", "x")),), {"y": 4, "x": 80})
    tolerance = Tolerance("each", noise=NoiseShare(0.25, True))
    known = tolerance.in_tiles(image()[:4, :80])
    good = encode_steps({}, {"x": known})
    found = decode_steps(good, layout, {"x": tolerance})["x"]
    np.testing.assert_array_equal(found.each, known.each)
    for bad in (b"", good[:-1], good + b"\0", b"\x03abc", good[:1] + b"\xff" * 8 + good[9:]):
        with pytest.raises(FormatError):
            decode_steps(bad, layout, {"x": tolerance})
    restored(image(), {"noise": 0.25}, tmp_path)
    header = read_info(tmp_path / "x.bal").header
    record = header_to_json(header)
    assert header_from_json(record).bounds == header.bounds
    for bounds in ([[1, ["abs", 0.25]]], [[1, ["noise", "x"]]], [[1, ["noise", -1]]]):
        with pytest.raises(BalerError):
            header_from_json({**record, "bounds": bounds})
    with pytest.raises(ConfigError):
        ErrorBound.parse({"noise": 0.25, "abs": 1})
