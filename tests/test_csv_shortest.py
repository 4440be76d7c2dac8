"""Numbers of a lossy column are written with as few decimals as their originals had, where that stays inside the bound."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import baler_core
from baler_core.builtin.readers.csv.columns import ColumnForm
from baler_core.builtin.readers.csv.numbers import FORMAT
from baler_core.builtin.readers.csv.rounding import cut, shortened
from baler_core.builtin.readers.csv.shortest import Grid, power_of_ten
from baler_core.data.bounds import SAFETY, Tolerance
from baler_core.data.variables import Variable
from baler_core.errors import FormatError


def restored(values: np.ndarray, tolerance: Tolerance, share: np.ndarray) -> np.ndarray:
    """What a model may make of values, at a share (-1 to 1) of what is allowed."""
    width = np.abs(values) if tolerance.kind == "rel" else np.ones(len(values))
    return np.asarray(values + share * width * tolerance.value * SAFETY)


@given(
    st.lists(st.integers(-(10**7), 10**7), min_size=1, max_size=50),
    st.one_of(st.integers(0, 6), st.integers(-200, 200)),
    st.sampled_from(["abs", "rel"]),
    st.sampled_from([0.6, 1.0, 1.7, 2.0, 5.0, 10.0, 33.3, 50.0, 400.0]),
    st.integers(0, 2**32),
)
def test_the_text_stays_inside_the_bound_and_no_cell_becomes_longer(
    whole: list[int], decimals: int, kind: str, steps: float, seed: int
) -> None:
    values = np.array([float(f"{number}e{-decimals}") for number in whole])
    size = steps * power_of_ten(-decimals) if kind == "abs" else steps / 1000
    if kind == "rel" and size >= 1:
        return
    tolerance = Tolerance(kind, size)  # type: ignore[arg-type]
    how, inner = shortened(tolerance, decimals)
    assert FORMAT.fullmatch(f"r{how}")
    share = np.random.default_rng(seed).uniform(-1, 1, len(values))
    share[:2] = (-1, 1)[: len(share)]
    near = restored(values, inner, share)
    short = cut(near, how)
    allowed = size * (np.abs(values) if kind == "rel" else 1.0)
    assert (np.abs(short - values) <= allowed).all()
    plain = cut(near, how.partition("a")[0].partition("r")[0])
    assert all(len(repr(a)) <= len(repr(b)) for a, b in zip(short.tolist(), plain.tolist(), strict=True))


@given(
    st.lists(st.integers(-(10**7), 10**7), min_size=1, max_size=50),
    st.integers(0, 6),
    st.integers(1, 30),
    st.integers(0, 2**32),
)
def test_under_bits_the_text_stays_inside_the_bound_and_no_cell_becomes_longer(
    whole: list[int], decimals: int, bits: int, seed: int
) -> None:
    numbers = np.random.default_rng(seed)
    powers = 2.0 ** np.arange(-6, 7) * numbers.choice([-1, 1], 13)  # where the last bit changes its size
    values = np.round(np.concatenate([np.array(whole) / 10.0**decimals, powers]), decimals)
    tolerance = Tolerance("bits", bits)
    how, inner = shortened(tolerance, decimals)
    assert inner == tolerance
    assert FORMAT.fullmatch(f"r{how}")
    allowed = np.where(values == 0, 0, tolerance.allowed(values))
    share = numbers.uniform(-1, 1, len(values))
    share[:2] = (-1, 1)[: len(share)]
    near = values + share * allowed * SAFETY
    short = cut(near, how)
    assert (np.abs(short - values) <= allowed).all()
    assert all(len(repr(a)) <= len(repr(b)) for a, b in zip(short.tolist(), (near + 0.0).tolist(), strict=True))


@pytest.mark.parametrize("bits", [5, 7, 9])
def test_a_table_under_bits_hardly_becomes_longer(bits: int, tmp_path: Path) -> None:
    numbers = np.random.default_rng(1)
    source, again = tmp_path / "a.csv", tmp_path / "b.csv"
    source.write_text("x\n" + "".join(f"{value:.2f}\n" for value in numbers.normal(12, 4, 3000)))
    baler_core.compress(source, tmp_path / "a.bal", bounds={"x": {"bits": bits}})
    baler_core.decompress(tmp_path / "a.bal", again, overwrite=True)
    before, after = (np.loadtxt(path, skiprows=1) for path in (source, again))
    assert (np.abs(before - after) <= Tolerance("bits", bits).allowed(before)).all()
    assert (before != after).any()
    assert again.stat().st_size <= 1.1 * source.stat().st_size


@pytest.mark.parametrize(("kind", "size"), [("rel", 1e-3), ("abs", 0.0123)])
def test_most_cells_keep_the_decimals_of_the_originals(kind: str, size: float) -> None:
    numbers = np.random.default_rng(1)
    values = np.round(numbers.normal(12, 4, 4000), 3)
    how, inner = shortened(Tolerance(kind, size), 3)  # type: ignore[arg-type]
    short = cut(restored(values, inner, numbers.uniform(-1, 1, 4000)), how)
    kept = np.mean(np.round(short, 3) == short)
    assert kept > 0.6
    assert (np.round(short, 4) == short).all()


def test_a_table_of_few_digits_hardly_becomes_longer(tmp_path: Path) -> None:
    numbers = np.random.default_rng(1)
    rows = "".join(
        f"{a:.4f},{b:.3f}\n" for a, b in zip(numbers.normal(0, 1, 2000), numbers.normal(12, 4, 2000), strict=True)
    )
    source, again = tmp_path / "a.csv", tmp_path / "b.csv"
    source.write_text("pt,mass\n" + rows)
    baler_core.compress(source, tmp_path / "a.bal", bounds={"pt": {"rel": 1e-3}, "mass": {"rel": 1e-3}})
    baler_core.decompress(tmp_path / "a.bal", again, overwrite=True)
    before, after = (np.loadtxt(path, delimiter=",", skiprows=1) for path in (source, again))
    assert (np.abs(before - after) <= 1e-3 * np.abs(before)).all()
    assert (before != after).any()
    assert again.stat().st_size <= 1.05 * source.stat().st_size


@pytest.mark.parametrize("power", [-200, -20, 20, 200])
@pytest.mark.parametrize("bound", [{"range": 1e-3}, {"range": 1e-2}, {"mean_abs": 1e-2}, {"rms": 1e-2}])
def test_numbers_with_exponents_stay_short(power: int, bound: dict[str, float], tmp_path: Path) -> None:
    values = np.random.default_rng(2).lognormal(0, 0.3, 1000)
    source, again = tmp_path / "a.csv", tmp_path / "b.csv"
    source.write_text("x\n" + "".join(f"{value * float(f'1e{power}'):.4g}\n" for value in values))
    (kind, size), *_ = bound.items()
    size = size if kind == "range" else size * float(f"1e{power}")
    baler_core.compress(source, tmp_path / "a.bal", bounds={"x": {kind: size}})
    baler_core.decompress(tmp_path / "a.bal", again)
    before, after = (np.loadtxt(path, skiprows=1) / float(f"1e{power}") for path in (source, again))
    error = np.abs(before - after)
    found = {"range": error.max() / np.ptp(before), "mean_abs": error.mean(), "rms": np.sqrt(np.mean(error**2))}[kind]
    assert 0 < found <= (size if kind == "range" else size / float(f"1e{power}")) * (1 + 1e-9)
    assert again.stat().st_size <= 1.12 * source.stat().st_size


@pytest.mark.parametrize("beside", [{"exact_at": [0, 0.5]}, {"threshold": [0.25, 0.5]}])
def test_short_cells_keep_special_values_and_thresholds(beside: dict[str, list[float]], tmp_path: Path) -> None:
    values = np.round(np.random.default_rng(3).normal(0, 1, 3000), 4)
    values[::50], values[1::50] = 0, 0.5
    source, again = tmp_path / "a.csv", tmp_path / "b.csv"
    source.write_text("x\n" + "".join(f"{value:.4f}\n" for value in values))
    baler_core.compress(source, tmp_path / "a.bal", bounds={"x": {"abs": 0.03, **beside}})
    baler_core.decompress(tmp_path / "a.bal", again)
    before, after = (np.loadtxt(path, skiprows=1) for path in (source, again))
    assert 0 < np.abs(before - after).max() <= 0.03
    for number in beside.get("exact_at", []):
        assert ((before == number) == (after == number)).all()
    for number in beside.get("threshold", []):
        assert ((before > number) == (after > number)).all()
        assert ((before >= number) == (after >= number)).all()
    assert again.stat().st_size <= 1.1 * source.stat().st_size


def test_odd_values_and_forged_grids_are_written_somehow() -> None:
    odd = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e300, 5e-324, 2.0**60])
    for how in (
        "~g6r3:0.001",
        "~3a1:0.5",
        "~99a99:1e300",
        "~g1r99:99.5",
        "~0r0:0",
        "~g17b3:7",
        "~g17b99:1e300",
        "~g1b0:0",
        "~-3",
        "~-308a-308:1e308",
        "~-999a-999:1e300",
        "~999!0;1e300",
    ):
        assert FORMAT.fullmatch(f"r{how}")
        assert len(ColumnForm("float64", f"r{how}").cells(odd)) == len(odd)
    for forged in ("~3!-", "~3!", "~3!1;;2", "~3!1.", "~3!nan", "~3a1:nan"):
        with pytest.raises(FormatError, match="damaged"):
            ColumnForm.from_json(f"r{forged}", Variable("x", "<f8", ("row",)))
    for kind in "arb":
        assert Grid.parse(str(Grid(3, kind, 1e-05))) == Grid(3, kind, 1e-05)


@pytest.mark.parametrize("text", ["x\n1.5\n2.25\n3.125\n", "   x    y\n 1.5    1\n 2.25   2\n 3.125  3\n"])
@pytest.mark.parametrize("size", [1e300, 1e-300])
def test_bounds_beyond_all_numbers_are_only_bounds(tmp_path: Path, text: str, size: float) -> None:
    (tmp_path / "a.txt").write_text(text)
    baler_core.compress(tmp_path / "a.txt", tmp_path / "a.bal", bounds={"x": {"abs": size}})
    baler_core.decompress(tmp_path / "a.bal", tmp_path / "b.txt")
    after = np.loadtxt(tmp_path / "b.txt", skiprows=1, ndmin=2)[:, 0]
    assert np.isfinite(after).all()
    assert size > 1 or after.tolist() == [1.5, 2.25, 3.125]


@pytest.mark.parametrize("form", ["%.18e", "%.17g", "%.16g", "%.17E", "%.15g"])
@pytest.mark.parametrize("bound", [{"rel": 1e-3}, {"abs": 1e-3}])
def test_a_table_that_wrote_all_digits_of_its_floats_comes_back_short(
    form: str, bound: dict[str, float], tmp_path: Path
) -> None:
    """As numpy.savetxt writes it: what is left after the bound is 7.22445, not 7.224450000000000216e+00."""
    x = np.random.default_rng(2).normal(0, 40, (400, 2))
    np.savetxt(tmp_path / "a.csv", x, form, ",", header="a,b", comments="")
    baler_core.compress(tmp_path / "a.csv", tmp_path / "a.bal", bounds={"*": bound}, model="scalar")
    baler_core.decompress(tmp_path / "a.bal", tmp_path / "b.csv")
    y = np.loadtxt(tmp_path / "b.csv", delimiter=",", skiprows=1)
    allowed = 1e-3 * np.abs(x) if "rel" in bound else np.full(x.shape, 1e-3)
    assert (np.abs(x - y) <= allowed * (1 + 1e-12)).all()
    assert (tmp_path / "b.csv").stat().st_size < 10 * x.size


@pytest.mark.parametrize(
    ("bound", "kept"),
    [
        ({"rel": 0.01}, True),
        ({"abs": 0.3, "threshold": 0}, True),
        ({"abs": 0.3, "exact_at": [0]}, True),
        ({"abs": 0.3}, False),
    ],
)
def test_a_zero_that_has_no_leeway_keeps_its_sign_in_the_text(
    tmp_path: Path, bound: dict[str, object], kept: bool
) -> None:
    file, packed, back = tmp_path / "t.csv", tmp_path / "t.bal", tmp_path / "back.csv"
    cells = ["-0.000", "0.000", *(f"{x:.3f}" for x in np.random.default_rng(1).normal(0, 5, 60)), "-0.000"]
    file.write_text("\n".join(["a", *cells]) + "\n")
    baler_core.compress(file, packed, bounds={"a": bound})
    baler_core.decompress(packed, back)
    written = back.read_text().split()[1:]
    assert [written[k] for k in (0, 1, -1)] == (["-0.000", "0.000", "-0.000"] if kept else ["0.000"] * 3)


def test_the_text_stays_within_limits(tmp_path: Path) -> None:
    file, packed, back = tmp_path / "t.csv", tmp_path / "t.bal", tmp_path / "back.csv"
    values = np.random.default_rng(1).normal(0, 5, 400)
    file.write_text("\n".join(["a", *map(repr, values.tolist())]) + "\n")
    limits = [float(np.quantile(values, 0.1)), float(np.quantile(values, 0.9))]
    baler_core.compress(file, packed, bounds={"a": {"abs": 0.3, "limits": limits}})
    baler_core.decompress(packed, back)
    written = np.array(back.read_text().split()[1:], np.float64)
    assert (written[values >= limits[0]] >= limits[0]).all()
    assert (written[values <= limits[1]] <= limits[1]).all()
    assert np.abs(written - values).max() <= 0.3
