"""Targets choose the bounds: what is asked for is reached, stated in the file, and bounds hold as they came out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import baler_core
from baler_core.cli import main
from baler_core.data.bounds import BoundRules
from baler_core.data.error_bound import ErrorBound
from baler_core.data.targets import Target, multiplied, with_psnr
from baler_core.errors import BalerError, ConfigError, DataError
from baler_core.format.file_info import read_info
from baler_core.format.header_json import header_from_json, header_to_json

RANDOM = np.random.default_rng(11)
ARRAYS = {
    "wave": (np.sin(np.linspace(0, 40, 15_000)).reshape(100, 150) + RANDOM.normal(0, 1e-3, (100, 150))).astype("f4"),
    "depth": RANDOM.normal(size=(100, 150)).cumsum(axis=1).astype("f4"),
    "flag": RANDOM.integers(0, 3, (100, 150)).astype("i1"),
}
FAST = {"name": "auto", "effort": "fast"}
BOUNDS = {"wave": {"abs": 1e-3}, "depth": {"range": 1e-3}, "*": "lossless"}


@pytest.mark.parametrize(
    ("target", "low", "high"),
    [({"ratio": 12}, 12, 12.8), ({"size": "15 kB"}, 14_250, 15_000), ({"bits": 4}, 3.8, 4.0)],
    ids=str,
)
def test_a_target_is_reached_by_one_factor_on_all_bounds(
    target: dict[str, object], low: float, high: float, tmp_path: Path
) -> None:
    path = tmp_path / "a.bal"
    done = baler_core.compress(ARRAYS, path, bounds=BOUNDS, target=target, model=FAST)
    size = path.stat().st_size
    assert done.file_bytes == size
    kind = next(iter(target))
    reached = {"ratio": sum(a.nbytes for a in ARRAYS.values()) / size, "size": size, "bits": 8 * size / 45_000}[kind]
    assert low <= reached <= high
    header = read_info(path).header
    assert header.target is not None
    factor = header.target.factor
    assert factor is not None
    assert f"multiplied by {factor:.4g}" in done.target
    back = baler_core.open(path, as_="numpy")
    assert np.abs(back["wave"].astype("f8") - ARRAYS["wave"]).max() <= 1e-3 * factor * 1.001
    assert np.abs(back["depth"].astype("f8") - ARRAYS["depth"]).max() <= 1e-3 * factor * np.ptp(ARRAYS["depth"]) * 1.001
    np.testing.assert_array_equal(back["flag"], ARRAYS["flag"])


def test_a_signal_to_noise_ratio_holds_for_every_variable(tmp_path: Path) -> None:
    done = baler_core.compress(ARRAYS, tmp_path / "a.bal", bounds=BOUNDS, target={"psnr": 50}, model=FAST)
    assert done.target.startswith("target psnr 50: reached 50")
    back = baler_core.open(tmp_path / "a.bal", as_="numpy")
    for name in ("wave", "depth"):
        error = back[name].astype("f8") - ARRAYS[name]
        found = 20 * np.log10(np.ptp(ARRAYS[name]) / np.sqrt(np.square(error).mean()))
        assert 50 <= found <= 50.5
    np.testing.assert_array_equal(back["flag"], ARRAYS["flag"])


def test_what_needs_no_loss_loses_nothing_and_what_cannot_be_reached_is_said(tmp_path: Path) -> None:
    done = baler_core.compress(ARRAYS, tmp_path / "a.bal", bounds=BOUNDS, target={"ratio": 1.05}, model=FAST)
    assert "without any loss" in done.target
    for name, values in baler_core.open(tmp_path / "a.bal", as_="numpy").items():
        np.testing.assert_array_equal(values, ARRAYS[name])
    with pytest.raises(DataError, match="the target ratio 5,000 cannot be reached") as caught:
        baler_core.compress(ARRAYS, tmp_path / "b.bal", bounds=BOUNDS, target={"ratio": 5000}, model=FAST)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "b.bal").exists()


def test_without_bounds_all_that_is_measured_shares_the_loss(tmp_path: Path) -> None:
    done = baler_core.compress(ARRAYS, tmp_path / "a.bal", target={"ratio": 8}, model=FAST)
    assert 8 <= done.ratio <= 8.5
    assert [bound.kind for bound in read_info(tmp_path / "a.bal").header.bounds] == ["range", "range", "lossless"]


def test_events_of_jagged_rows_are_sampled_whole(tmp_path: Path) -> None:
    counts = RANDOM.integers(0, 6, 3_000).astype("i4")
    x = RANDOM.normal(size=int(counts.sum())).astype("f4")
    source = tmp_path / "t.npz"
    np.savez(source, x=x, y=np.cumsum(RANDOM.normal(size=9_000)))
    done = baler_core.compress(source, tmp_path / "t.bal", bounds={"*": {"rel": 1e-3}}, target={"ratio": 5}, model=FAST)
    assert 5 <= done.ratio <= 5.3


def test_factors_multiply_what_has_a_number_and_keep_the_rest() -> None:
    rules = BoundRules(
        (("a", ErrorBound.parse({"rel": 0.2, "limits": [0, 1]})), ("b", ErrorBound.parse({"rms": 2, "abs": 5})))
    )
    (_, a), (_, b) = multiplied(rules, 10).rules
    assert str(a) == "rel 0.5, limits [0, 1]"
    assert str(b) == "rms 20 and abs 5"
    assert {bound.kind for _, bound in multiplied(rules, 0).rules} == {"lossless"}
    assert str(with_psnr(a, 100.0, 40)) == "rms 1, limits [0, 1]"
    assert with_psnr(a, 0.0, 40).kind == "lossless"


@pytest.mark.parametrize(
    ("target", "bounds", "said"),
    [
        ("20", "{x: {abs: 1}}", "c.yaml:2: target: a target is"),
        ("{ratio: 20, bits: 3}", "{x: {abs: 1}}", "c.yaml:2: target: a target is"),
        ("{ration: 20}", "{x: {abs: 1}}", "Did you mean 'ratio'"),
        ("{ratio: -1}", "{x: {abs: 1}}", "c.yaml:2: target.ratio: a target must be a positive"),
        ("{size: 2 XB}", "{x: {abs: 1}}", "wanted a size such as"),
        ("{ratio: 20}", "lossless", "all bounds are lossless"),
        ("{ratio: 20}", "{x: {bits: 3}}", "c.yaml:3: bounds.x: a target multiplies the bounds"),
    ],
)
def test_what_is_misstated_is_said_with_its_line(
    target: str, bounds: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "d.npz", x=np.zeros(3))
    (tmp_path / "c.yaml").write_text(f"input: d.npz\ntarget: {target}\nbounds: {bounds}\n")
    with pytest.raises(SystemExit) as caught:
        main(["check", str(tmp_path / "c.yaml")])
    assert caught.value.code == 1
    assert said in capsys.readouterr().err
    with pytest.raises(ConfigError):
        baler_core.compress({"x": np.zeros(3)}, tmp_path / "x.bal", target={"ratio": True})


def test_forged_targets_are_refused(tmp_path: Path) -> None:
    baler_core.compress({"x": ARRAYS["wave"]}, tmp_path / "x.bal", target={"ratio": 8}, model=FAST)
    header = read_info(tmp_path / "x.bal").header
    record = header_to_json(header)
    assert header_from_json(record).target == header.target
    for forged in ([], ["ratio", 0, 1], ["ratio", 3, -1], ["x", 1, 1], ["psnr", 1e999, None], {"a": 1}):
        with pytest.raises(BalerError):
            header_from_json({**record, "target": forged})


def test_models_for_other_files_know_no_target(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(tmp_path / "d.npz", x=np.zeros(3))
    (tmp_path / "c.yaml").write_text("input: d.npz\ntarget: {ratio: 3}\n")
    with pytest.raises(SystemExit) as caught:
        main(["train", str(tmp_path / "c.yaml")])
    assert caught.value.code == 1
    assert "a target is reached with one file" in capsys.readouterr().err
    assert str(Target("size", 2e9)) == "size 2,000,000,000 bytes"
