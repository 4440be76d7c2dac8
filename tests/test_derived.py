"""Derived quantities: kept on every cell of the restored values, together with the bounds of their variables."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import baler_core
from baler_core import BalerError, ConfigError, FormatError
from baler_core.cli import cli
from baler_core.config import load_config
from baler_core.data.error_bound import ErrorBound
from baler_core.evaluate.files import Comparison, evaluate
from baler_core.format.derived_json import derived_from_json, derived_to_json
from baler_core.format.file_info import read_info
from baler_core.format.header import DerivedRecord
from baler_core.pipeline.compression import compress, train
from baler_core.pipeline.decompression import decompress
from baler_core.plugin.registry import load_plugins

FAST = "scalar"


def table(rows: int = 4000, seed: int = 1) -> dict[str, np.ndarray]:
    """Two columns that nearly cancel, and a third."""
    rng = np.random.default_rng(seed)
    a = rng.normal(10, 2, rows)
    return {
        "a": a.astype("<f4"),
        "b": (a + rng.normal(0, 0.1, rows)).astype("<f4"),
        "c": rng.exponential(3, rows).astype("<f8"),
    }


def round_trip(data: Any, tmp_path: Path, **arguments: Any) -> tuple[Any, dict[str, np.ndarray]]:
    path = tmp_path / "x.bal"
    done = baler_core.compress(data, path, model=FAST, **arguments)
    restored = baler_core.open(path, as_="numpy")
    return done, {name: np.asarray(values) for name, values in restored.items()}


def moved(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    return np.abs(after.astype(np.float64) - before.astype(np.float64))


def test_a_quantity_that_cancels_holds_where_bounds_of_its_variables_do_not_keep_it(tmp_path: Path) -> None:
    data = table()
    difference = data["a"].astype(float) - data["b"]
    bounds = {"a": {"rel": 1e-3}, "b": {"rel": 1e-3}}
    _, without = round_trip(data, tmp_path, bounds=bounds)
    lost = moved(difference, without["a"].astype(float) - without["b"]) / np.abs(difference)
    assert np.median(lost) > 0.02
    done, kept = round_trip(data, tmp_path, bounds=bounds, derived={"d": {"of": "a - b", "rel": 1e-2}})
    lost = moved(difference, kept["a"].astype(float) - kept["b"])
    assert (lost <= 1e-2 * np.abs(difference)).all()
    for name in ("a", "b"):
        assert (moved(data[name], kept[name]) <= 1e-3 * np.abs(data[name])).all()
    np.testing.assert_array_equal(kept["c"], data["c"])
    assert done.derived["d"].share <= 1
    assert done.derived["d"].largest == pytest.approx(lost.max(), rel=1e-6)
    assert done.ratio > 1.4


@pytest.mark.parametrize(
    ("formula", "bound"),
    [
        ("a - b", {"rel": 1e-3}),
        ("a * c", {"rel": 1e-4}),
        ("hypot(a, b) / c", {"abs": 1e-3}),
        ("sqrt(a * a + b * b) - min(a, c)", {"range": 1e-4}),
        ("mean(c)", {"abs": 1e-5}),
        ("sum(a) / sum(b)", {"rel": 1e-6}),
    ],
)
def test_any_formula_holds_by_numpy(tmp_path: Path, formula: str, bound: dict[str, float]) -> None:
    data = table()

    def by_numpy(v: dict[str, np.ndarray]) -> np.ndarray:
        a, b, c = (v[name].astype(np.float64) for name in "abc")
        return {
            "a - b": lambda: a - b,
            "a * c": lambda: a * c,
            "hypot(a, b) / c": lambda: np.hypot(a, b) / c,
            "sqrt(a * a + b * b) - min(a, c)": lambda: np.sqrt(a * a + b * b) - np.minimum(a, c),
            "mean(c)": c.mean,
            "sum(a) / sum(b)": lambda: a.sum() / b.sum(),
        }[formula]()

    before = by_numpy(data)
    _, kept = round_trip(data, tmp_path, derived={"q": {"of": formula, **bound}})
    ((kind, value),) = bound.items()
    allowed = value * {"rel": np.abs(before), "abs": 1.0, "range": np.ptp(before)}[kind]
    assert (np.abs(by_numpy(kept) - before) <= allowed * (1 + 1e-9)).all()
    assert any((kept[name] != data[name]).any() for name in "abc")


def test_variables_that_become_lossy_for_a_quantity_are_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        round_trip(table(), tmp_path, bounds={"a": "lossless"}, derived={"d": {"of": "a - b", "abs": 0.01}})
    assert "lossy though no bound names them" in caplog.text
    assert "b abs 0.0" in caplog.text or "b rel 0.0" in caplog.text
    assert "a abs" not in caplog.text


def test_a_variable_that_a_bound_keeps_lossless_stays_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = table()
    with caplog.at_level(logging.WARNING):
        _, kept = round_trip(data, tmp_path, bounds={"*": "lossless"}, derived={"d": {"of": "a - b", "abs": 0.01}})
    for name, values in data.items():
        np.testing.assert_array_equal(kept[name], values)
    assert "is exact, as all its variables are: a, b" in caplog.text


def test_a_quantity_keeps_its_share_of_a_variable_under_every_kind_of_bound(tmp_path: Path) -> None:
    data = table()
    for stated in ({"abs": 0.1}, {"rel": 0.01}, {"range": 0.01}, {"bits": 6}):
        bounds = {"a": stated, "b": stated}
        _, kept = round_trip(data, tmp_path, bounds=bounds, derived={"d": {"of": "a - b", "abs": 1e-3}})
        assert moved(data["a"].astype(float) - data["b"], kept["a"].astype(float) - kept["b"]).max() <= 1e-3
        tolerance = {"abs": 0.1, "rel": 0.01 * np.abs(data["a"]), "range": 0.01 * np.ptp(data["a"]), "bits": np.inf}
        assert (moved(data["a"], kept["a"]) <= tolerance[next(iter(stated))]).all()


@pytest.mark.parametrize("bound", [{"abs": "0.1 * sigma"}, {"mean_abs": 0.05}])
def test_a_quantity_holds_beside_bounds_that_follow_from_errors_or_means(tmp_path: Path, bound: dict[str, Any]) -> None:
    columns = table()
    columns["sigma"] = np.abs(columns["c"]) / 10 + 0.01
    bounds = {"a": bound, "sigma": {"rel": 0.05}, "b": {"abs": 1e-3}}
    _, restored = round_trip(columns, tmp_path, bounds=bounds, derived={"q": {"of": "a * b", "abs": 1e-3}})
    product = [arrays["a"].astype(float) * arrays["b"].astype(float) for arrays in (columns, restored)]
    assert np.abs(product[1] - product[0]).max() <= 1e-3
    error = np.abs(restored["a"].astype(float) - columns["a"].astype(float))
    if "abs" in bound:
        assert (error <= 0.1 * np.minimum(columns["sigma"], restored["sigma"])).all()
    else:
        assert error.mean() <= 0.05


def test_two_quantities_of_the_same_variables_both_hold_in_every_block(tmp_path: Path) -> None:
    data = table(rows=20_000)
    derived = {"d": {"of": "a - b", "rel": 1e-2}, "s": {"of": "a + b", "abs": 2e-3}, "r": {"of": "a / c", "rel": 1e-3}}
    done, kept = round_trip(data, tmp_path, derived=derived, block_bytes=50_000)
    assert len(read_info(tmp_path / "x.bal").header.blocks) > 3

    def each(v: dict[str, np.ndarray]) -> list[np.ndarray]:
        a, b, c = (v[name].astype(np.float64) for name in "abc")
        return [a - b, a + b, a / c]

    for before, after, allowed in zip(each(data), each(kept), (1e-2, 0.0, 1e-3), strict=True):
        limit = allowed * np.abs(before) if allowed else 2e-3
        assert (np.abs(after - before) <= limit).all()
    assert {record.cells for record in done.derived.values()} == {20_000}


def test_what_is_missing_or_not_finite_stays_as_it_is(tmp_path: Path) -> None:
    data = table()
    data["a"][::7] = np.nan
    data["b"][::11] = np.inf
    data["c"][::13] = 0.0
    _, kept = round_trip(data, tmp_path, derived={"q": {"of": "(a - b) / c", "rel": 1e-2}})
    with np.errstate(all="ignore"):
        before, after = ((v["a"].astype(float) - v["b"]) / v["c"] for v in (data, kept))
    finite = np.isfinite(before)
    np.testing.assert_array_equal(before[~finite], after[~finite])
    assert (np.abs(after[finite] - before[finite]) <= 1e-2 * np.abs(before[finite])).all()


def test_means_of_frames_hold_frame_by_frame(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    field = rng.normal(280, 10, (12, 40, 50)).astype("<f4")
    _, kept = round_trip(
        {"t": field}, tmp_path, bounds={"t": {"abs": 0.5}}, derived={"m": {"of": "mean(t)", "abs": 1e-4}}
    )
    assert (np.abs(kept["t"].mean((1, 2), dtype=float) - field.mean((1, 2), dtype=float)) <= 1e-4).all()
    assert (moved(field, kept["t"]) <= 0.5).all()
    assert moved(field, kept["t"]).max() > 0.0


def csv_case(tmp_path: Path, more: str) -> Path:
    data = table(rows=600)
    lines = [
        "a,b,c,name",
        *(f"{a!r},{b!r},{c!r},n{i}" for i, (a, b, c) in enumerate(zip(*map(list, data.values()), strict=True))),
    ]
    text = "\n".join(lines).replace("np.float32(", "").replace("np.float64(", "").replace(")", "")
    (tmp_path / "t.csv").write_text(text + "\n")
    path = tmp_path / "t.yaml"
    path.write_text(f"input: t.csv\nmodel: {{name: auto, effort: fast}}\n{more}")
    return path


def test_a_restored_text_table_shows_values_from_which_the_quantity_follows(tmp_path: Path) -> None:
    path = csv_case(tmp_path, "bounds: {a: {abs: 0.1}}\nderived:\n  d: {of: a - b, rel: 1.0e-2}\n")
    registry = load_plugins()
    config = load_config(path, registry)
    compress(config, registry, source=config.inputs[0], output=tmp_path / "t.bal")
    decompress(tmp_path / "t.bal", registry, output=tmp_path / "again.csv")
    before, after = (np.genfromtxt(tmp_path / name, delimiter=",", names=True) for name in ("t.csv", "again.csv"))
    difference = before["a"] - before["b"]
    assert (np.abs(after["a"] - after["b"] - difference) <= 1e-2 * np.abs(difference)).all()
    assert (after["a"] != before["a"]).any()
    for other in ("t.bal", "again.csv"):
        found = evaluate(
            tmp_path / "t.csv",
            tmp_path / other,
            registry,
            Comparison(bounds=config.bounds, derived=config.derived, compressed=tmp_path / "t.bal"),
        )
        assert found.derived[0].cells == 600
        assert found.derived[0].violations == found.violations == 0
        assert 0 < found.derived[0].share <= 1
        assert found.drawings.derived["d"].values == 600


def test_evaluate_finds_a_quantity_that_moved_too_far(tmp_path: Path) -> None:
    data = table()
    np.savez(tmp_path / "x.npz", **data)
    registry = load_plugins()
    (tmp_path / "x.yaml").write_text(
        "input: x.npz\nmodel: {name: auto, effort: fast}\nbounds: {a: {abs: 0.01}}\nderived:\n  d: {of: a - b, abs: 1.0}\n"
    )
    config = load_config(tmp_path / "x.yaml", registry)
    baler_core.compress(tmp_path / "x.npz", tmp_path / "x.bal", bounds={"a": {"abs": 0.01}}, model=FAST)
    strict = "input: x.npz\nbounds: {a: {abs: 0.01}}\nderived:\n  d: {of: a - b, abs: 1.0e-3}\n"
    (tmp_path / "strict.yaml").write_text(strict)
    wanted = load_config(tmp_path / "strict.yaml", registry)
    good = evaluate(tmp_path / "x.npz", tmp_path / "x.bal", registry, Comparison(derived=config.derived))
    bad = evaluate(tmp_path / "x.npz", tmp_path / "x.bal", registry, Comparison(derived=wanted.derived))
    assert good.derived[0].violations == 0
    restored = baler_core.open(tmp_path / "x.bal", as_="numpy")
    difference = data["a"].astype(float) - data["b"]
    wrong = np.abs(restored["a"].astype(float) - restored["b"] - difference) > 1e-3
    assert bad.derived[0].violations == np.count_nonzero(wrong) > 0
    assert not bad.verdict.good
    assert "'d'" not in bad.verdict.sentence
    assert "d" in bad.verdict.sentence


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        (
            'd: {of: "a - bb", rel: 0.1}',
            r"t\.yaml:4: derived\.d: 'a - bb': there is no variable 'bb'. Did you mean 'b'",
        ),
        ('d: {of: "a * name", rel: 0.1}', r"t\.yaml:4: derived\.d: .*'name' holds text"),
        ('d: {of: "sqrt(0 - 1 - c)", rel: 0.1}', r"t\.yaml:4: derived\.d: .* gives no finite value"),
        ('d: {of: "a - a", range: 0.1}', r"t\.yaml:4: derived\.d: .* is 0 everywhere, so it has no range"),
        ('d: {of: "2 * 3", rel: 0.1}', r"t\.yaml:4: derived\.d: .*holds no variable"),
    ],
)
def test_formulas_that_do_not_fit_the_data_are_refused_with_their_line(
    tmp_path: Path, stated: str, message: str
) -> None:
    path = csv_case(tmp_path, f"derived:\n  {stated}\n")
    registry = load_plugins()
    config = load_config(path, registry)
    with pytest.raises(ConfigError, match=message) as caught:
        compress(config, registry, source=config.inputs[0], output=tmp_path / "t.bal")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "t.bal").exists()


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ("[a]", r"wanted quantities by name"),
        ("{d: a - b}", r"derived\.d: wanted a formula and a bound"),
        ("{d: {of: a - b}}", r"derived\.d: wanted a bound beside 'of'"),
        ("{d: {of: 3, rel: 0.1}}", r"derived\.d\.of: wanted a formula as text"),
        ("{d: {of: a -, rel: 0.1}}", r"derived\.d\.of: the formula 'a -' is not understood"),
        ("{d: {of: summ(a), rel: 0.1}}", r"derived\.d\.of: .*calls 'summ'. Did you mean 'sum'"),
        ("{d: {of: a - b, rell: 0.1}}", r"derived\.d\.rell: unknown key. Did you mean 'rel'"),
        ("{d: {of: a - b, rel: 0.1, abs: 1}}", r"derived\.d: a bound has one"),
        ("{d: {of: a - b, rel: -1}}", r"derived\.d: a bound must be a positive"),
        ("{d: {of: a - b, rel: many}}", r"derived\.d.*needs a number"),
        ("{d: {of: a - b, rel: 0.1, units: 3}}", r"derived\.d\.units: units are text"),
        ("{d: {of: __import__('os'), rel: 0.1}}", r"derived\.d\.of: the formula"),
    ],
)
def test_misstated_quantities_are_refused_with_their_line(tmp_path: Path, stated: str, message: str) -> None:
    path = csv_case(tmp_path, f"derived: {stated}\n")
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(path, load_plugins())
    assert "t.yaml:3" in str(caught.value)


def test_from_python_a_quantity_is_refused_by_the_argument(tmp_path: Path) -> None:
    with pytest.raises(BalerError, match=r"compress\(derived=...\): d\.of: .*calls 'summ'"):
        baler_core.compress(table(), tmp_path / "x.bal", derived={"d": {"of": "summ(a)", "rel": 0.1}})


def test_variables_of_other_rows_are_refused(tmp_path: Path) -> None:
    data = {"a": np.arange(10.0), "b": np.arange(12.0)}
    with pytest.raises(ConfigError, match=r"'a' .along .* and 'b' .along .* have other rows"):
        baler_core.compress(data, tmp_path / "x.bal", derived={"d": {"of": "a - b", "rel": 0.1}})


def test_trained_models_serve_a_file_with_derived_quantities(tmp_path: Path) -> None:
    registry = load_plugins()
    for number in (1, 2):
        np.savez(tmp_path / f"x{number}.npz", **table(seed=number))
    path = tmp_path / "x.yaml"
    path.write_text(
        "input: x1.npz\nmodel: {name: auto, effort: fast}\nbounds: {a: {rel: 1.0e-3}, b: {rel: 1.0e-3}}\n"
        "derived:\n  d: {of: a - b, rel: 1.0e-2}\n"
    )
    config = load_config(path, registry)
    model = train(config, registry, output=tmp_path / "model.bal")
    compress(config, registry, source=tmp_path / "x2.npz", output=tmp_path / "x2.bal", model=model)
    kept = baler_core.open(tmp_path / "x2.bal", as_="numpy")
    data = table(seed=2)
    difference = data["a"].astype(float) - data["b"]
    assert (np.abs(kept["a"].astype(float) - kept["b"] - difference) <= 1e-2 * np.abs(difference)).all()


def test_a_header_gives_its_derived_quantities_back() -> None:
    record = DerivedRecord("m", "pair_mass(Muon)", ErrorBound("rel", 1e-3), 10, 3, 0.25, 0.5, "GeV")
    assert derived_from_json([derived_to_json(record)]) == (record,)


def test_what_a_quantity_would_be_without_corrections_is_told(tmp_path: Path) -> None:
    data = table()
    np.savez(tmp_path / "x.npz", **data)
    bounds = {"a": {"abs": 0.05}, "b": {"abs": 0.01}}
    kept = {"d": {"of": "a - b", "rel": 1e-2}}
    done = baler_core.compress(tmp_path / "x.npz", tmp_path / "x.bal", bounds=bounds, derived=kept, model=FAST)
    again = read_info(tmp_path / "x.bal").header
    record = again.derived[0].unheld
    assert record is not None
    assert record.stated is not None
    # Rounding by at most 0.05 and 0.01 moves a difference by at most their sum, and some by nearly as much.
    assert 0.05 < record.stated[0] <= 0.06
    assert record.cells > 0
    assert done.derived["d"].unheld is not None
    assert done.derived["d"].unheld.cells == record.cells
    assert record.share > 1 >= again.derived[0].share
    # A cell hangs on one value of each variable, and only those that moved are stored, each in a few bytes.
    assert record.cells <= again.derived[0].exact <= 2 * record.cells
    assert again.derived[0].exact < record.nbytes < 12 * again.derived[0].exact

    shown = CliRunner().invoke(cli, ["evaluate", str(tmp_path / "x.npz"), str(tmp_path / "x.bal"), "-o", str(tmp_path)])
    assert shown.exit_code == 0, shown.output
    (line,) = (line for line in shown.output.splitlines() if line.startswith("d ") and "about" in line)
    assert f"{record.cells:,}" in line
    assert f"{again.derived[0].exact:,}" in line
    written = json.loads((tmp_path / "report.json").read_text())["derived"][0]["unheld"]
    assert (written["cells"], written["exact_bytes"]) == (record.cells, record.nbytes)
    page = (tmp_path / "report.html").read_text()
    assert f"<td>{record.cells:,} of 4,000</td><td>{again.derived[0].exact:,}</td>" in page


def test_a_header_gives_back_what_was_before_corrections_and_older_ones_lack_it(tmp_path: Path) -> None:
    from baler_core.format.header_json import header_from_json, header_to_json

    kept = {"d": {"of": "a - b", "rel": 1e-2}, "s": {"of": "a + b", "abs": 0.5}}
    baler_core.compress(table(100), tmp_path / "x.bal", bounds={"a": {"abs": 0.1}}, derived=kept, model=FAST)
    header = read_info(tmp_path / "x.bal").header
    record = header_to_json(header)
    assert header_from_json(record).derived == header.derived
    older = header_from_json({name: value for name, value in record.items() if name != "derived_before"})
    assert [one.unheld for one in older.derived] == [None, None]
    for forged in (7, [], [[], [1]], [[], [-1, 0, 0.0, 0.0]], [[], [1, 0, float("nan"), 0.0]], [[], [1, 0, 0.0, -1.0]]):
        with pytest.raises(FormatError):
            header_from_json({**record, "derived_before": forged})


@pytest.mark.parametrize(
    "forged",
    [
        3,
        "text",
        [[]],
        [["m", "a", ["rel", 0.1], [1, 0, 0.0, 0.0]]],
        [["m", "a", ["bits", 3], [1, 0, 0.0, 0.0], ""]],
        [["m", "a", ["rel", 2.0], [1, 0, 0.0, 0.0], ""]],
        [["m", "a", ["abs", float("nan")], [1, 0, 0.0, 0.0], ""]],
        [["m", "a", ["abs", -1], [1, 0, 0.0, 0.0], ""]],
        [["m", "a\n", ["abs", 1], [1, 0, 0.0, 0.0], ""]],
        [["m", "a" * 2000, ["abs", 1], [1, 0, 0.0, 0.0], ""]],
        [["m", 7, ["abs", 1], [1, 0, 0.0, 0.0], ""]],
        [["m", "a", ["abs", 1], [-1, 0, 0.0, 0.0], ""]],
        [["m", "a", ["abs", 1], [1, 0, float("inf"), 0.0], ""]],
        [["m", "a", ["abs", 1], [1, 0, 0.0, 0.0], ""]] * 2,
    ],
)
def test_forged_derived_quantities_are_refused(tmp_path: Path, forged: Any) -> None:
    from baler_core.format.header_json import header_from_json, header_to_json

    baler_core.compress(table(100), tmp_path / "x.bal", bounds={"a": {"abs": 0.1}}, model=FAST)
    record = header_to_json(read_info(tmp_path / "x.bal").header)
    assert "derived" not in record
    with pytest.raises(FormatError):
        header_from_json({**record, "derived": forged})


def test_a_formula_in_a_file_that_cannot_be_computed_is_a_note(tmp_path: Path) -> None:
    from dataclasses import replace

    from baler_core.evaluate.derived_rules import quantities_of

    baler_core.compress(table(100), tmp_path / "x.bal", derived={"d": {"of": "a - b", "rel": 0.01}}, model=FAST)
    info = read_info(tmp_path / "x.bal")
    strange = info.header.derived[0]._replace(formula="elsewhere(a)")
    forged = info._replace(header=replace(info.header, derived=(strange,)))
    quantities, notes = quantities_of(info.header.schema, None, forged, load_plugins())
    assert quantities == ()
    assert "'d' was kept" in notes[0]
    assert "'elsewhere'" in notes[0]
