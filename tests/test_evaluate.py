"""Comparing two streams of blocks: errors against bounds, metrics, distributions and pictures, whatever the cuts."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np
import pytest

from baler_core import DataError, ErrorBound, Metric, MetricResult, Schema, Source, Variable, make_block
from baler_core.builtin.metrics import Residual, Response
from baler_core.data.variables import leading_slices
from baler_core.evaluate.compare import Wanted, compare
from baler_core.evaluate.distinct_values import DistinctValues
from baler_core.evaluate.distributions import choose_bins
from baler_core.evaluate.results import Results

if TYPE_CHECKING:
    import xarray as xr

REL = ErrorBound("rel", 1e-2)
QUICK = Wanted(others_bytes=0)


class Memory(Source):
    """Arrays as a file: `jagged` maps a dimension to the variable holding its counts."""

    def __init__(
        self,
        arrays: Mapping[str, tuple[tuple[str, ...], np.ndarray]],
        jagged: Mapping[str, str] = {},
        **about: Mapping[str, object],
    ) -> None:
        self.arrays = arrays
        variables = tuple(
            Variable(name, "str" if a.dtype.kind == "O" else a.dtype.str, dims, **about.get(name, {}))  # type: ignore[arg-type]
            for name, (dims, a) in arrays.items()
        )
        sizes = {dim: length for dims, a in arrays.values() for dim, length in zip(dims, a.shape, strict=True)}
        self.schema = Schema(variables, sizes, dict(jagged))

    def blocks(self, max_bytes: int) -> Iterator[xr.Dataset]:
        for dim, variables, rows in leading_slices(self.schema, max_bytes):
            yield make_block({v.name: (v.dims, self._part(v, dim, rows)) for v in variables})

    def _part(self, variable: Variable, dim: str | None, rows: slice) -> np.ndarray:
        values = self.arrays[variable.name][1]
        if dim is None:
            return values
        lead = variable.dims[0]
        if lead != dim:
            ends = np.concatenate([[0], np.cumsum(self.arrays[self.schema.counts[lead]][1])])
            rows = slice(int(ends[rows.start]), int(ends[rows.stop]))
        return values[rows]


def compared(
    before: Source,
    after: Source,
    wanted: Wanted | None = None,
    *,
    cuts: tuple[int, int] = (1 << 20, 1 << 20),
) -> Results:
    return compare(lambda: before.blocks(cuts[0]), lambda: after.blocks(cuts[1]), before.schema, wanted or QUICK)


def events(change: float = 0.0) -> Memory:
    """300 events with 0-4 jets each, and an event weight."""
    rng = np.random.default_rng(8)
    counts = rng.integers(0, 5, 300).astype("<u4")
    pt = rng.exponential(30, int(counts.sum())) * (1 + change * rng.uniform(-1, 1, int(counts.sum())))
    arrays = {
        "nJet": (("event",), counts),
        "Jet_pt": (("jet",), pt.astype("<f4")),
        "weight": (("event",), rng.normal(size=300)),
    }
    return Memory(arrays, {"jet": "nJet"}, Jet_pt={"units": "GeV"})


def table(**columns: np.ndarray) -> Memory:
    return Memory({name: (("row",), values) for name, values in columns.items()})


def variable(results: Results, name: str) -> object:
    return next(v for v in results.variables if v.name == name)


@pytest.mark.parametrize("cuts", [(1 << 20, 1 << 20), (700, 1900), (300, 1 << 20), (1 << 20, 64)])
def test_results_do_not_depend_on_how_the_files_are_cut(cuts: tuple[int, int]) -> None:
    bounds = {"Jet_pt": REL, "weight": ErrorBound("lossless"), "nJet": ErrorBound("lossless")}
    results = compared(events(), events(0.005), Wanted(bounds, [Residual(), Response()], others_bytes=0), cuts=cuts)
    jet = next(v for v in results.variables if v.name == "Jet_pt")
    x, y = (events(c).arrays["Jet_pt"][1].astype(float) for c in (0.0, 0.005))
    assert jet.values == x.size
    assert jet.largest_error == np.abs(y - x).max()
    assert jet.share == pytest.approx(np.max(np.abs(y - x) / x) / 1e-2, rel=1e-5)
    assert jet.violations == 0
    assert results.metric("residual")["Jet_pt"]["rms"] == pytest.approx(np.sqrt(np.mean((y - x) ** 2)))
    assert results.metric("response")["Jet_pt"]["mean"] == pytest.approx(np.mean((y - x) / x))
    assert next(v for v in results.variables if v.name == "weight").changed == 0
    shown = results.drawings.distributions["Jet_pt"]
    assert shown.before.counts.sum() == shown.after.counts.sum() == x.size
    assert results.sizes.native == sum(a.nbytes for _, a in events().arrays.values())


def test_values_outside_their_bound_are_counted() -> None:
    x = np.array([1.0, 2.0, 4.0, 0.0, np.nan, np.inf])
    y = np.array([1.005, 2.1, 4.0, 1e-9, np.nan, 7.0])
    found = compared(table(v=x), table(v=y), Wanted({"v": REL}, others_bytes=0)).variables[0]
    assert found.violations == 3
    assert found.changed == 4
    assert found.share == np.inf
    assert found.largest_error == pytest.approx(0.1)
    assert found.lossy is True


def test_bounds_are_judged_in_physical_units() -> None:
    packed = {"v": {"scale": 0.01, "offset": 5.0, "fill": (-9.0,), "units": "K"}}
    x, y = np.array([100, 200, -9, 300], "<i2"), np.array([101, 198, -9, 300], "<i2")
    before, after = Memory({"v": (("row",), x)}, **packed), Memory({"v": (("row",), y)}, **packed)
    found = compared(before, after, Wanted({"v": ErrorBound("abs", 0.02)}, others_bytes=0)).variables[0]
    assert found.largest_error == pytest.approx(0.02)
    assert found.allowed == pytest.approx(0.02)
    assert found.share == pytest.approx(1.0)
    assert found.violations == 0
    y[2] = -8
    assert compared(before, after, Wanted({"v": ErrorBound("abs", 0.02)}, others_bytes=0)).variables[0].violations == 1


def test_a_range_bound_refers_to_the_whole_variable_not_a_block() -> None:
    x = np.linspace(0, 100, 1000)
    y = x + 0.09
    found = compared(
        table(v=x), table(v=y), Wanted({"v": ErrorBound("range", 1e-3)}, others_bytes=0), cuts=(800, 800)
    ).variables[0]
    assert found.violations == 0
    assert found.share == pytest.approx(0.9, rel=1e-4)


def test_exact_variables_are_compared_bit_for_bit() -> None:
    text = np.array(["a", "b", "c"], object)
    other = np.array(["a", "b", "d"], object)
    lossless = {name: ErrorBound("lossless") for name in ("t", "z", "b", "n")}
    zero, nan = np.array([0.0, 1.0, 2.0]), np.array([np.nan, 1.0, 2.0])
    before = table(t=text, z=zero, b=np.array([True, False, True]), n=nan)
    after = table(t=other, z=-zero, b=np.array([True, True, True]), n=nan.copy())
    found = {v.name: v for v in compared(before, after, Wanted(lossless, others_bytes=0)).variables}
    assert [found[name].violations for name in "tzbn"] == [1, 3, 1, 0]


def test_without_bounds_errors_are_stated_and_not_judged() -> None:
    results = compared(table(v=np.ones(4)), table(v=np.full(4, 1.5)))
    assert results.variables[0].largest_error == 0.5
    assert results.variables[0].lossy is None
    assert results.violations == 0
    assert results.worst() is None


def test_files_of_different_length_are_refused() -> None:
    with pytest.raises(DataError, match=r"'v'.*row 10.*nothing more"):
        compared(table(v=np.ones(20)), table(v=np.ones(10)))
    with pytest.raises(DataError, match="shape"):
        compared(Memory({"v": (("a", "b"), np.ones((4, 5)))}), Memory({"v": (("a", "b"), np.ones((4, 6)))}))
    fewer = events()
    fewer.arrays["nJet"][1][7] += 1  # type: ignore[index]
    with pytest.raises(DataError, match=r"shape|goes on"):
        compared(events(), fewer, cuts=(1 << 20, 400))


class Failing(Metric):
    """Fails when fed, or when asked."""

    name = "failing"

    def __init__(self, *, early: bool) -> None:
        super().__init__()
        self.early = early

    def update(self, original: xr.Dataset, restored: xr.Dataset, variables: Mapping[str, Variable]) -> None:
        if self.early:
            raise ValueError("cannot do this")

    def result(self) -> MetricResult:
        raise KeyError("nothing")


@pytest.mark.parametrize(("early", "problem"), [(True, "ValueError: cannot do this"), (False, "KeyError: 'nothing'")])
def test_a_failing_metric_costs_its_own_numbers_only(early: bool, problem: str) -> None:
    results = compared(
        table(v=np.ones(4)), table(v=np.ones(4)), Wanted(metrics=[Failing(early=early), Residual()], others_bytes=0)
    )
    assert results.metrics[0].problem == problem
    assert results.metric("residual")["v"]["rms"] == 0


def test_other_compressors_take_all_native_bytes_or_a_stated_sample() -> None:
    x = np.tile(np.arange(50.0), 400)
    whole = compared(table(v=x), table(v=x), Wanted()).others
    assert [other.name for other in whole] == ["gzip -9", "xz -9", "zstd -19"]
    assert all(other.sampled_bytes == x.nbytes and other.ratio > 20 for other in whole)
    part = compared(table(v=x), table(v=x), Wanted(others_bytes=40_000), cuts=(16_000, 16_000)).others
    assert all(40_000 <= other.sampled_bytes < 45_000 for other in part)
    assert compared(table(v=x), table(v=x), Wanted(others_bytes=0)).others == ()


def field(noise: float, dims: tuple[str, ...] = ("time", "y", "x"), **about: object) -> Memory:
    rng = np.random.default_rng(1)
    values = np.sin(np.arange(5 * 20 * 30)).reshape(5, 20, 30) + noise * rng.normal(size=(5, 20, 30))
    arrays = {
        "u": (dims, values.astype("<f4")),
        "x": (("x",), np.linspace(10, 39, 30)),
    }
    return Memory(arrays, u={"units": "m/s", **about})


@pytest.mark.parametrize("cut", [1 << 20, 2500])
def test_a_field_is_pictured_by_its_middle_slice(cut: int) -> None:
    before, after = field(0.0), field(0.01)
    picture = compared(before, after, cuts=(cut, 1 << 20)).drawings.pictures["u"]
    x, y = before.arrays["u"][1], after.arrays["u"][1]
    np.testing.assert_array_equal(picture.original, x[2])
    np.testing.assert_allclose(picture.difference, y[2] - x[2], atol=1e-7)
    assert picture.place == "time 3 of 5"
    assert picture.dims == ("y", "x")
    assert picture.extent == (9.5, 39.5, -0.5, 19.5)


def test_axes_that_the_file_names_lie_as_on_a_map() -> None:
    axes = {"axes": {"a": "x", "b": "y"}}
    before = field(0.0, ("a", "b", "c"), **axes)
    picture = compared(before, before, cuts=(2500, 2500)).drawings.pictures.get("u")
    assert picture is None  # five columns are no picture
    wide = Memory({"u": (("a", "b"), np.arange(600.0).reshape(20, 30))}, u=axes)
    turned = compared(wide, wide, cuts=(900, 900)).drawings.pictures["u"]
    np.testing.assert_array_equal(turned.original, np.arange(600.0).reshape(20, 30).T)


def test_a_large_image_is_thinned_and_fill_values_are_blank() -> None:
    image = np.arange(1500.0 * 700).reshape(1500, 700)
    image[0, 0] = -1
    source = Memory({"im": (("y", "x"), image)}, im={"fill": (-1.0,)})
    picture = compared(source, source, cuts=(100_000, 30_000)).drawings.pictures["im"]
    assert picture.step == (3, 2)
    np.testing.assert_array_equal(picture.original.ravel()[1:], image[::3, ::2].ravel()[1:].astype("<f4"))
    assert np.isnan(picture.original[0, 0])


def test_distributions_use_bins_that_suit_the_values() -> None:
    rng = np.random.default_rng(4)
    columns = {
        "whole": rng.integers(0, 8, 2000).astype("<f4"),
        "decades": np.where(rng.random(2000) < 0.1, 0, 10 ** rng.uniform(-3, 3, 2000)),
        "outlier": np.append(rng.normal(size=1999), 1e6),
        "constant": np.full(2000, 3.0),
        "plain": rng.uniform(-1, 1, 2000),
    }
    shown = compared(table(**columns), table(**columns)).drawings.distributions
    np.testing.assert_array_equal(shown["whole"].before.edges, np.arange(9) - 0.5)
    assert shown["decades"].logarithmic
    assert shown["decades"].zeros == (np.count_nonzero(columns["decades"] == 0),) * 2
    assert shown["outlier"].before.edges[-1] < 10
    assert shown["outlier"].before.above == 1
    assert shown["constant"].before.counts.sum() == 2000
    assert len(shown["plain"].before.counts) == 100


@pytest.mark.parametrize(
    "values",
    [
        [5e-324, 1e-310, 1.0, 1e4],
        [1e18, 1e18 + 256, 1e18 + 512],
        [1e18, 1e18],
        [-1.7e308, 1.7e308, 3.5],
        [1.7976931348623157e308, 1.7976931348623157e308],
        [1e-21, 0.3, 1.0, 1.7976931348623157e308],
        [1.0, 1 + 2.3e-16],
        [2.0**62, -(2.0**62), 1.0],
    ],
)
def test_values_at_the_ends_of_their_type_are_counted(values: list[float]) -> None:
    array = np.array(values * 20)
    shown = compared(table(v=array), table(v=array)).drawings.distributions["v"]
    before, after = shown.before, shown.after
    assert before.counts.sum() + before.below + before.above + shown.zeros[0] == array.size
    np.testing.assert_array_equal(before.counts, after.counts)
    assert (np.diff(before.edges) > 0).all()


@pytest.mark.parametrize("values", [[0.5, 1.0, 2.0], [1e-20, 1e-3, 1.0], [1e307], [-1e308, 0.0], [5e-324]])
@pytest.mark.parametrize("share", [1e-6, 1e-3, 0.4])
def test_bins_of_any_range_are_finite(values: list[float], share: float) -> None:
    array = np.repeat([*values, float(np.finfo(np.float64).max)], 50)
    with np.errstate(all="ignore"):
        for allowed in (share * np.abs(array), np.full(array.size, share), np.full(array.size, np.inf)):
            edges = choose_bins(array, float(array.min()), float(array.max()), allowed).edges
            assert np.isfinite(edges).all()
            assert (np.diff(edges) > 0).all()


def test_bins_are_wider_than_the_steps_of_a_coarse_bound() -> None:
    x = np.random.default_rng(4).uniform(0, 1, 5000)
    y = np.round(x / 0.02) * 0.02
    shown = compared(
        table(v=x), table(v=y), Wanted({"v": ErrorBound("abs", 0.01)}, others_bytes=0)
    ).drawings.distributions["v"]
    before, after = shown.before.counts, shown.after.counts
    assert 20 <= before.size <= 28
    np.testing.assert_allclose(after[before > 0], before[before > 0], rtol=0.1, atol=10)


def test_only_what_may_have_changed_is_drawn_unless_asked_for() -> None:
    x = np.arange(10.0)
    source = table(a=x, b=x, c=x)
    bounds = {"a": ErrorBound("lossless"), "b": REL, "c": REL}
    assert list(compared(source, source, Wanted(bounds, others_bytes=0)).drawings.distributions) == ["b", "c"]
    assert list(compared(source, source, Wanted(bounds, drawn=["a", "c*"], others_bytes=0)).drawings.distributions) == [
        "a",
        "c",
    ]


def test_empty_variables_and_scalars_are_compared() -> None:
    arrays: dict[str, tuple[tuple[str, ...], np.ndarray]] = {
        "none": (("row",), np.empty(0, "<f4")),
        "one": ((), np.array(3.5)),
    }
    results = compared(
        Memory(arrays), Memory(arrays), Wanted({"none": REL, "one": REL}, [Residual(), Response()], others_bytes=0)
    )
    assert [v.values for v in results.variables] == [0, 1]
    assert results.violations == 0


def numbers(results: Results) -> Iterable[object]:
    return json.loads(json.dumps(results.to_json(), allow_nan=False))


def test_results_survive_json_with_numbers_that_are_not_finite() -> None:
    x = np.array([0.0, 1.0])
    results = compared(
        table(v=x), table(v=x + 1), Wanted({"v": REL}, [Residual(), Failing(early=True)], others_bytes=0)
    )
    assert results.variables[0].share == np.inf
    again = Results.from_json(numbers(results))
    assert again == results
    with pytest.raises(DataError, match="variables"):
        Results.from_json({**results.to_json(), "variables": 3})


def test_distinct_values_of_many_blocks_are_counted() -> None:
    values = np.random.default_rng(5).integers(0, 5000, (200, 100))
    distinct = DistinctValues()
    for block in values:
        distinct.add(block)
    assert distinct.at_least <= distinct.count() == np.unique(values).size
