"""A report: one page that stands alone, numbers for programs, pictures, and drawing again from what was written."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from baler_core import DataError, ErrorBound, Metric, MetricResult, Schema, Variable, make_block
from baler_core.builtin.metrics import Residual, Response
from baler_core.evaluate.compare import Wanted, compare
from baler_core.evaluate.drawings import Drawings
from baler_core.evaluate.results import OtherCompressor, Results
from baler_core.report.html import number, size_text
from baler_core.report.style import file_names, new_figure
from baler_core.report.write import read_results, redraw, write_report

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

PNG = b"\x89PNG\r\n"


class Pictorial(Metric):
    """Offers two plots, one of which fails."""

    name = "pictorial"

    def update(self, original: xr.Dataset, restored: xr.Dataset, variables: Mapping[str, Variable]) -> None:
        pass

    def result(self) -> MetricResult:
        return MetricResult({"mass of pairs": {"shift": 0.25}}, {"mass of pairs": "GeV"})

    def plots(self) -> Sequence[str]:
        return ["mass", "broken"]

    def plot(self, title: str, axes: Axes) -> None:
        if title == "broken":
            raise ZeroDivisionError("no pairs")
        axes.plot([1, 2], [3, 4])


class Hopeless(Pictorial):
    name = "hopeless"

    def result(self) -> MetricResult:
        raise RuntimeError("gave up")


def some_results(columns: int = 3, metrics: Sequence[Metric] = ()) -> Results:
    rng = np.random.default_rng(6)
    before = {f"x{i}<b>$": rng.normal(size=400) for i in range(columns)}
    variables = [Variable(name, "<f8", ("row",), units="GeV") for name in before]
    after = {name: values * (1 + 1e-3 * rng.uniform(-1, 1, 400)) for name, values in before.items()}
    before["id"] = after["id"] = np.arange(400.0)
    variables.append(Variable("id", "<f8", ("row",)))
    before["flow/u"], after["flow/u"] = np.zeros((10, 12)), np.full((10, 12), 0.01)
    variables.append(Variable("flow/u", "<f8", ("y", "z")))
    schema = Schema(tuple(variables), {"row": 400, "y": 10, "z": 12})

    def walk(arrays: Mapping[str, np.ndarray]) -> list[xr.Dataset]:
        rows = {v.name: (v.dims, arrays[v.name]) for v in variables if v.dims == ("row",)}
        return [make_block(rows), make_block({"flow/u": (("y", "z"), arrays["flow/u"])})]

    bounds = {v.name: ErrorBound("rel", 2e-3) for v in variables}
    bounds |= {"id": ErrorBound("lossless"), "flow/u": ErrorBound("abs", 0.1)}
    wanted = Wanted(bounds, [Residual(), Response(), *metrics])
    return compare(lambda: walk(before), lambda: walk(after), schema, wanted, names=("jets.npz", "jets.bal"))


@pytest.fixture(scope="module")
def results() -> Results:
    return some_results(metrics=[Pictorial(), Hopeless()])


@pytest.fixture(scope="module")
def written(results: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    training = {"row": {"training": (3.0, 2.0, 1.0), "validation": (3.5, 2.5, 2.0)}}
    sizes = replace(results.sizes, compressed=2000, model=500, input_file=11_000)
    write_report(replace(results, training=training, sizes=sizes), folder)
    return folder


@pytest.fixture
def page(written: Path) -> str:
    return (written / "report.html").read_text("utf-8")


def test_the_page_stands_alone_and_shows_every_picture(written: Path, page: str) -> None:
    assert not re.search(r"(src|href)=\"(?!data:|#)", page)
    assert "<script" not in page
    shown = [base64.b64decode(data) for data in re.findall(r"data:image/png;base64,([A-Za-z0-9+/=]+)", page)]
    stored = [path.read_bytes() for path in (written / "plots").iterdir()]
    assert all(picture.startswith(PNG) for picture in stored)
    assert sorted(shown) == sorted(stored)
    assert len(stored) == 3 + 2 + 1 + 1  # columns, field and its distribution, training, metric


def test_names_of_variables_are_text_on_the_page_and_safe_as_files(written: Path, page: str) -> None:
    assert "x0<b>" not in page
    assert "x0&lt;b&gt;$" in page
    assert {"x0_b.png", "x1_b.png", "flow_u.png", "flow_u.field.png"} <= {p.name for p in (written / "plots").iterdir()}


def test_the_page_states_sizes_and_bounds(results: Results, page: str) -> None:
    native = results.sizes.native
    assert f"<strong>{native / 2000:.3g}</strong>" in page
    assert f"{native / 1500:.3g} without the 500 B of learned models" in page
    assert "all hold" in page
    assert "4 lossy and 1 exact variable" in page
    assert all(name in page for name in ("gzip -9", "xz -9", "zstd -19"))


def test_broken_bounds_are_told_first(tmp_path: Path, results: Results) -> None:
    bad = [replace(v, violations=3, share=2.0) if v.name == "flow/u" else v for v in results.variables]
    page = write_report(replace(results, variables=tuple(bad)), tmp_path, plots=0).page.read_text("utf-8")
    assert ">broken<" in page
    assert "3 values lie outside their bound" in page
    assert "3 outside" in page


def test_a_failing_metric_is_named_and_the_report_is_complete(page: str) -> None:
    assert "The metric hopeless failed: RuntimeError: gave up" in page
    assert "broken could not be drawn: ZeroDivisionError: no pairs" in page
    assert "mass of pairs" in page
    assert "0.25" in page


def test_results_come_back_from_the_folder(written: Path, results: Results) -> None:
    again = read_results(written)
    assert again.variables == results.variables
    assert again.metric("pictorial") == {"mass of pairs": {"shift": 0.25}}
    before, after = results.drawings, again.drawings
    assert list(before.distributions) == list(after.distributions)
    for name, shown in before.distributions.items():
        np.testing.assert_array_equal(shown.after.counts, after.distributions[name].after.counts)
        np.testing.assert_array_equal(shown.response.edges, after.distributions[name].response.edges)
        assert after.distributions[name].undefined == shown.undefined
    np.testing.assert_array_equal(before.pictures["flow/u"].difference, after.pictures["flow/u"].difference)
    assert after.pictures["flow/u"].dims == ("y", "z")
    record = json.loads((written / "report.json").read_text("utf-8"))
    assert record["variables"][0]["bound"] == "rel 0.002"


def test_chosen_variables_are_drawn_again(written: Path) -> None:
    picture = written / "plots" / "x1_b.png"
    before = picture.read_bytes()
    picture.unlink()
    assert redraw(written, ["x1*"]) == [picture]
    assert picture.read_bytes() == before
    with pytest.raises(DataError, match=r"'flow/v'.*Did you mean 'flow/u'"):
        redraw(written, ["flow/v"])


def test_missing_or_damaged_results_are_named(tmp_path: Path, written: Path) -> None:
    with pytest.raises(DataError, match=r"report\.json: there is no such file"):
        redraw(tmp_path)
    (tmp_path / "report.json").write_text("{")
    with pytest.raises(DataError, match="cannot be read"):
        redraw(tmp_path)
    (tmp_path / "report.json").write_bytes((written / "report.json").read_bytes())
    with pytest.raises(DataError, match=r"report\.npz"):
        redraw(tmp_path)
    (tmp_path / "report.npz").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(DataError, match=r"report\.npz"):
        redraw(tmp_path)
    np.savez(tmp_path / "report.npz", index=np.array("[1]"))
    with pytest.raises(DataError, match=r"report\.npz"):
        redraw(tmp_path)


@pytest.mark.parametrize(
    ("plots", "drawn"),
    [(2, {"flow_u", "x0_b"}), (["x2*"], {"x2_b"}), ([], set()), ("all", {"x0_b", "x1_b", "x2_b", "flow_u"})],
)
def test_only_the_chosen_variables_are_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, results: Results, plots: object, drawn: set[str]
) -> None:
    bare = replace(results, metrics=())
    page = write_report(bare, tmp_path, plots=plots).page.read_text("utf-8")  # type: ignore[arg-type]
    found = {path.name.split(".")[0] for path in tmp_path.glob("plots/*.png")}
    assert found == drawn
    left_out = re.search(r"(\d+) more can be, by .*?</summary>\n<p class=\"hint\">(.*?)</p>", page, re.DOTALL)
    assert (left_out is not None) == (0 < len(drawn) < 4)
    assert left_out is None or int(left_out[1]) == 4 - len(drawn) == 1 + left_out[2].count(", ")


def test_nothing_to_draw_is_a_report_too(tmp_path: Path) -> None:
    results = Results("a.csv", "a.bal", some_results(0).sizes, ())
    assert "a.csv" in write_report(results, tmp_path).page.read_text("utf-8")
    assert read_results(tmp_path) == results


def test_a_file_without_a_single_value_is_compared_with_nothing(tmp_path: Path, results: Results) -> None:
    sizes = replace(results.sizes, native=0, compressed=100)
    empty = replace(results, sizes=sizes, others=(OtherCompressor("gzip", 0, 24),))
    assert "jets.npz" in write_report(empty, tmp_path).page.read_text("utf-8")


def test_drawing_leaves_no_trace_in_matplotlibs_settings(tmp_path: Path, results: Results) -> None:
    import matplotlib as mpl

    mpl.rcParams["font.size"] = 31.0
    before = dict(mpl.rcParams)
    try:
        write_report(results, tmp_path, plots=1)
        assert dict(mpl.rcParams) == before
        with new_figure(1, 1):
            assert mpl.rcParams["font.size"] == 9.0
    finally:
        mpl.rcdefaults()


def test_file_names_are_safe_and_distinct_on_any_disk() -> None:
    names = ["a/b", "a:b", "A/B", "..", "../../etc/passwd", "µ", "x" * 300, "a.b-c+d"]
    found = file_names(names)
    assert len({stem.casefold() for stem in found.values()}) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9+][A-Za-z0-9_.+-]{0,103}", stem) for stem in found.values())
    assert found["a.b-c+d"] == "a.b-c+d"


def test_numbers_and_sizes_are_short() -> None:
    assert number(float("nan")) == "–"
    assert number(-1.23456e-7) == "−1.23e−07"
    assert number(float("-inf")) == "−∞"
    assert [size_text(s) for s in (999, 12_345, 1_234_567, 5e9)] == ["999 B", "12.3 kB", "1.23 MB", "5 GB"]


def test_drawings_hold_no_pickled_objects(written: Path) -> None:
    with np.load(written / "report.npz", allow_pickle=False) as stored:
        assert all(stored[name].dtype.kind in "fiU" for name in stored.files)
    assert Drawings.load(written / "report.npz").pictures


def test_a_report_of_many_variables_stays_small_and_draws_those_that_changed(tmp_path: Path) -> None:
    results = some_results(45)
    same = {f"x{i}<b>$" for i in range(20)}
    still = [replace(v, changed=0) if v.name in same else v for v in results.variables]
    page = write_report(replace(results, variables=tuple(still)), tmp_path, plots=4).page
    assert (tmp_path / "plots" / "flow_u.png").exists(), "the worst verdict comes first"
    drawn = {path.name for path in tmp_path.glob("plots/x*.png")}
    assert drawn == {f"x{i}_b.png" for i in range(20, 19 + 4)}
    assert page.stat().st_size < 1_500_000
    assert (tmp_path / "report.npz").stat().st_size < 45 * 4 * 2 * 8 * 100


def test_what_is_exact_in_spite_of_a_pattern_is_told_with_the_reason(tmp_path: Path, results: Results) -> None:
    told = replace(results, kept_exact={"x0<b>$": "time: named 'x0'"})
    page = write_report(told, tmp_path, plots=0).page.read_text("utf-8")
    assert "Exact in spite of a pattern with wildcards: 1 variable." in page
    assert '<td class="text">x0&lt;b&gt;$</td><td class="text">time: named &#39;x0&#39;</td>' in page
