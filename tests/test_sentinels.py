"""One value repeated far outside the rest may stand for missing ones: users are told before a bound changes it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from baler_core import api, decode, encode
from baler_core.cli import main
from baler_core.data.bound_syntax import numbers_text
from baler_core.data.sentinels import Sentinel, sentinels_in
from baler_core.data.variables import Schema, Variable
from baler_core.errors import PluginError
from baler_core.format import header_json
from baler_core.suggest.proposals import proposals_for

RANDOM = np.random.default_rng(5)


def found(values: np.ndarray, **about: object) -> Sentinel | None:
    variable = Variable("v", values.dtype.str, ("row",), **about)  # type: ignore[arg-type]
    return sentinels_in(Schema((variable,), {"row": values.size}), {"v": values}).get("v")


def with_some(ordinary: np.ndarray, sentinel: float, count: int) -> np.ndarray:
    values = ordinary.copy()
    values[RANDOM.choice(values.size, count, replace=False)] = sentinel
    return values


@pytest.mark.parametrize("dtype", ["<f4", ">f8"])
@pytest.mark.parametrize("sentinel", [-999.0, -9999.0, 1e20, 9.969209968386869e36, -99.0, 99.99, -123.0, -1e30])
@pytest.mark.parametrize("low", [0.0, 12.0])
def test_repeated_values_far_outside_are_found(dtype: str, sentinel: float, low: float) -> None:
    values = with_some(RANDOM.uniform(low, low + 12, 2000).astype(dtype), sentinel, 60)
    said = found(values)
    assert said is not None
    assert said.value == pytest.approx(sentinel, rel=1e-6)
    assert said.count == 60
    assert low <= said.low < said.high <= low + 12.001


@pytest.mark.parametrize("sentinel", [2**63 - 1, -(2**63), 2**53 + 1])
def test_integers_that_no_float_equals_are_found_and_kept(sentinel: int) -> None:
    values = RANDOM.integers(0, 500, 2000)
    values[::9] = sentinel
    said = found(values)
    assert said is not None
    assert (said.value, said.count) == (sentinel, 223)
    back = decode(encode({"v": values}, bounds={"v": {"abs": 9}}))["v"]
    np.testing.assert_array_equal(back == sentinel, values == sentinel)
    assert 0 < np.abs(back - values).max() <= 9


@pytest.mark.parametrize(
    "values",
    [
        RANDOM.normal(size=2000),
        RANDOM.exponential(20, 2000),
        with_some(RANDOM.normal(500, 1, 2000), 0.0, 900),
        with_some(RANDOM.uniform(0, 300, 2000), -999.0, 1),
        with_some(RANDOM.uniform(0, 10, 2000), 12.0, 100),
        np.concatenate([RANDOM.normal(size=2000), [1e6]]),
        np.where(RANDOM.uniform(size=2000) < 0.5, 1.0, -999.0),
        RANDOM.integers(-999, 5000, 2000),
        np.full(50, -999.0),
    ],
)
def test_ordinary_values_are_not(values: np.ndarray) -> None:
    assert found(np.asarray(values)) is None


def test_declared_values_are_not_and_packing_is_undone() -> None:
    values = with_some(RANDOM.uniform(0, 10, 500), -999.0, 20)
    assert found(values, fill=(-999.0,)) is None
    assert found(values, flags=(-999.0,)) is None
    assert found(values, limits=(0.0, 10.0)) is None
    packed = with_some(RANDOM.integers(0, 900, 500).astype("<i2"), -32768, 20)
    said = found(packed, scale=0.01, offset=5.0)
    assert said is not None
    assert said.value == pytest.approx(-322.68)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    np.savez("a.npz", flux=with_some(RANDOM.uniform(3, 30, 2000), -999.0, 50), mass=RANDOM.uniform(3, 30, 2000))
    return tmp_path


@pytest.mark.parametrize("bound", [{"rel": 1e-3}, {"range": 1e-3}, {"abs": 0.1}])
def test_compression_names_variable_and_value(
    folder: Path, bound: dict[str, float], caplog: pytest.LogCaptureFixture
) -> None:
    api.compress("a.npz", "a.bal", bounds=bound, model="scalar")
    assert "'flux' (-999 occurs 50 times, far outside the other values (3.0" in caplog.text
    assert "'mass'" not in caplog.text
    caplog.clear()
    api.compress("a.npz", "a.bal", bounds={"flux": "lossless", "*": bound}, model="scalar")
    assert "occurs" not in caplog.text


def test_init_proposes_exact_and_check_says_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["init", "a.npz"])
    text = Path("a.yaml").read_text()
    assert "  flux: lossless" in text
    assert "-999 occurs 50 times, far outside the other values" in text
    assert "  mass: lossless" not in text
    Path("b.yaml").write_text('input: a.npz\nbounds: {"*": {range: 1.0e-3}}\n')
    with pytest.raises(SystemExit):
        main(["check", "b.yaml", "--data"])
    assert "flux: -999 occurs 50 times" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["check", "b.yaml", "--data", "--json"])
    told = json.loads(capsys.readouterr().out)["data"][0]["sentinels"]
    assert told == {"flux": {"value": -999.0, "count": 50}}


def test_what_is_exact_anyway_keeps_its_own_reason() -> None:
    times = Variable("time", "<f8", ("row",))
    values = with_some(np.sort(RANDOM.uniform(0, 10, 500)), -999.0, 20)
    proposal = proposals_for(Schema((times,), {"row": 500}), {"time": values})["time"]
    assert proposal.bound == "lossless"
    assert proposal.reason.startswith("time")


@pytest.mark.parametrize(("mark", "low"), [(-1.0, 0.0), (-2.0, -0.9), (-5.0, -4.0)])
def test_a_whole_number_below_floats_that_hardly_repeat_is_found_however_near(mark: float, low: float) -> None:
    values = with_some(RANDOM.uniform(low, low + 5, 400).astype("f4"), mark, 120)
    said = found(values)
    assert said is not None
    assert (said.value, said.near) == (mark, True)
    assert "below the other values" in str(said)


def test_the_lowest_of_repeating_numbers_is_none() -> None:
    assert found(np.repeat(np.arange(-1.0, 4.0, 0.5), 40)) is None
    assert found(np.append(RANDOM.uniform(0, 1, 400), -1.0)) is None


@pytest.mark.parametrize(
    "bound", [{"rel": 1e-2}, {"range": 1e-3}, {"abs": 0.1}, {"bits": 5}, {"mean_abs": 0.05}], ids=str
)
@pytest.mark.parametrize("mark", [-999.0, 99.99, -1.6375e30])
@pytest.mark.parametrize("shape", [(2000,), (40, 50)])
def test_what_marks_missing_values_stays_and_widens_no_range(
    bound: dict[str, float], mark: float, shape: tuple[int, ...], tmp_path: Path
) -> None:
    """The mask that a reader makes of such a value is the same afterwards, though nothing in the file declares it."""
    x = with_some(RANDOM.uniform(3, 30, 2000).astype("f4"), mark, 150).reshape(shape)
    api.compress({"x": x}, tmp_path / "x.bal", bounds={"*": bound}, model="scalar")
    y = np.asarray(api.open(tmp_path / "x.bal", as_="numpy")["x"])
    missing = x == np.float32(mark)
    np.testing.assert_array_equal(y == np.float32(mark), missing)
    if "range" in bound:
        assert np.abs(y - x)[~missing].max() <= 1e-3 * 27
    assert (y != x)[~missing].any()


def test_several_marks_of_one_variable_are_found_and_kept(tmp_path: Path) -> None:
    values = with_some(RANDOM.uniform(15, 22, 600), 99.0, 40)
    values[::7], values[::31] = -99.0, -9999.0
    said = found(values)
    assert said is not None
    assert {mark.value for mark in said.all} == {99.0, -99.0, -9999.0}
    assert 15 <= said.low < said.high <= 22
    api.compress({"mag": values}, tmp_path / "a.bal", bounds={"mag": {"rel": 0.01}}, model="scalar")
    again = api.open(tmp_path / "a.bal")["mag"].values
    for mark in (99.0, -99.0, -9999.0):
        assert ((again == mark) == (values == mark)).all()


@pytest.mark.parametrize("block_bytes", [64_000_000, 200_000], ids=["one block", "several"])
def test_marks_behind_the_first_values_and_blocks_are_kept(
    block_bytes: int, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    x = RANDOM.normal(10, 2, 40_000).astype("f4")
    x[30_000:][RANDOM.random(10_000) < 0.01] = -999
    z = RANDOM.normal(10, 2, 40_000)
    z[25_000:25_300] = -1234.5  # nobody's custom, but far outside
    path, bounds = tmp_path / "x.bal", {"x": {"abs": 0.1}, "z": {"range": 1e-3}}
    api.compress({"x": x, "z": z}, path, bounds=bounds, model="scalar", block_bytes=block_bytes)
    assert "'x' (-999 occurs" in caplog.text
    assert ("compressed twice" in caplog.text) == (block_bytes < 1e6)
    restored = api.open(path, as_="numpy")
    for before, mark in ((x, np.float32(-999)), (z, z[25_000])):
        after = np.asarray(restored["x" if before is x else "z"])
        np.testing.assert_array_equal(after == mark, before == mark)
        assert 0 < np.abs(after - before)[before != mark].max() <= 0.1


def test_zeros_and_common_values_within_a_long_tail_are_no_marks(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    mass, energy = RANDOM.normal(91, 2, 30_000), RANDOM.uniform(0, 20, 30_000)
    mass[-9000:][::3] = 0
    energy[-9000:][::3], energy[-5] = 1e4, 3e5
    data, bounds = {"mass": mass, "energy": energy}, {"*": {"abs": 0.1}}
    api.compress(data, tmp_path / "x.bal", bounds=bounds, model="scalar", block_bytes=100_000)
    assert "compressed twice" not in caplog.text


def test_customary_numbers_among_the_others_of_any_block_are_no_marks(tmp_path: Path) -> None:
    x = RANDOM.uniform(0, 90, 30_000)
    x[-50:] = 99.0
    x[:100] = RANDOM.uniform(90, 120, 100)
    done = api.compress({"x": x}, tmp_path / "x.bal", bounds={"x": {"abs": 0.1}}, model="scalar", block_bytes=50_000)
    assert done.ratio > 3
    assert (np.asarray(api.open(tmp_path / "x.bal", as_="numpy")["x"])[-50:] != 99).any()


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("stated", [False, True])
def test_the_largest_float_marks_missing_values_and_the_file_opens(sign: int, stated: bool, tmp_path: Path) -> None:
    mark = sign * float(np.finfo(np.float64).max)
    values = with_some(RANDOM.normal(size=2000), mark, 60)
    np.save(tmp_path / "v.npy", values)
    bound = {"abs": 0.01, **({"exact_at": mark} if stated else {})}
    api.compress(tmp_path / "v.npy", tmp_path / "v.bal", bounds={"*": bound})
    (restored,) = api.open(tmp_path / "v.bal", as_="numpy").values()
    assert ((restored == mark) == (values == mark)).all()
    assert np.abs(restored - values)[values != mark].max() <= 0.01
    assert float(numbers_text([mark])) == mark


def test_nothing_is_written_under_bounds_that_a_header_cannot_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "v.npy", RANDOM.normal(size=2000))
    before = header_json.bound_to_json
    monkeypatch.setattr(header_json, "bound_to_json", lambda bound: [*before(bound)[:1], 2.0 * bound.value])
    with pytest.raises(
        PluginError, match="nothing is written, since it could not be restored: its bounds would be read"
    ):
        api.compress(tmp_path / "v.npy", tmp_path / "v.bal", bounds={"*": {"abs": 0.01}})
    assert not (tmp_path / "v.bal").exists()
