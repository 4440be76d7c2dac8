"""Verdicts on variables: good only where nothing speaks against it, worst ones first, in words that say why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from baler_core import ErrorBound, Schema, Variable, make_block
from baler_core.data.arithmetic import parse_arithmetic
from baler_core.data.derived import DerivedRule
from baler_core.evaluate.compare import Wanted, compare
from baler_core.evaluate.judgement import by_importance, summary
from baler_core.evaluate.peaks import lost_sources
from baler_core.evaluate.results import Results
from baler_core.pipeline.derived.quantities import bind_rules
from baler_core.plugin.registry import load_plugins
from baler_core.report.rows import VariableRow, collections_of

ROWS = 5000


def evaluated(
    arrays: Mapping[str, tuple[np.ndarray, np.ndarray, ErrorBound]],
    derived: Mapping[str, tuple[str, ErrorBound]] | None = None,
) -> Results:
    """Compare arrays before and after; those of one length share their dimension."""
    dims = {name: tuple(f"{'xy'[i]}{size}" for i, size in enumerate(v[0].shape)) for name, v in arrays.items()}
    sizes = {dim: int(dim[1:]) for each in dims.values() for dim in each}
    variables = tuple(Variable(name, before.dtype.str, dims[name]) for name, (before, _, _) in arrays.items())
    schema = Schema(variables, sizes)
    leading = list(dict.fromkeys(each[0] for each in dims.values()))

    def walk(side: int) -> list[object]:
        return [
            make_block({name: (dims[name], arrays[name][side]) for name in arrays if dims[name][0] == dim})
            for dim in leading
        ]

    registry = load_plugins()
    rules = [
        DerivedRule(name, parse_arithmetic(text, registry.functions()), bound, f"derived.{name}")
        for name, (text, bound) in (derived or {}).items()
    ]
    wanted = Wanted(
        {name: bound for name, (_, _, bound) in arrays.items()},
        others_bytes=0,
        derived=bind_rules(rules, schema, registry),
    )
    return compare(lambda: walk(0), lambda: walk(1), schema, wanted)  # type: ignore[arg-type,return-value]


def verdict(before: np.ndarray, after: np.ndarray, bound: ErrorBound) -> tuple[str, str]:
    result = evaluated({"v": (before, after, bound)}).variables[0]
    return result.level, result.words


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(8)


def test_exact_and_well_kept_variables_are_good(rng: np.random.Generator) -> None:
    x = rng.normal(size=ROWS)
    assert verdict(x, x, ErrorBound("lossless")) == ("good", "exact")
    level, words = verdict(x, np.round(x / 0.02) * 0.02, ErrorBound("abs", 0.01))
    assert level == "good"
    assert "distributions agree" in words
    y = 10 ** rng.normal(size=ROWS) * np.sign(x)
    assert verdict(y, y * (1 + rng.uniform(-0.01, 0.01, ROWS)), ErrorBound("rel", 0.01))[0] == "good"


@pytest.mark.parametrize("step", [0.25, 0.5])
def test_steps_of_a_lattice_well_below_the_noise_are_no_other_distribution(
    rng: np.random.Generator, step: float
) -> None:
    x = rng.normal(100, 1, (80, 90))
    level, words = verdict(x, np.round(x / step) * step, ErrorBound("abs", step / 2))
    assert level == "good", words
    assert "of the noise" in words


@pytest.mark.parametrize(("times", "level"), [(0.1, "good"), (1.1, "fair"), (3.0, "bad")])
def test_errors_beyond_the_noise_of_an_image_are_not_good(rng: np.random.Generator, times: float, level: str) -> None:
    x = rng.normal(100, 1, (80, 90))
    found, words = verdict(x, x + rng.uniform(-times, times, x.shape), ErrorBound("abs", times))
    assert found == level, words
    assert ("the noise" in words) == (times != 0.1) or "of the noise" in words


def test_errors_beyond_a_column_of_errors_are_bad(rng: np.random.Generator) -> None:
    x, sigma = rng.normal(10, 1, ROWS), np.full(ROWS, 0.01)
    good = evaluated({
        "flux": (x, x + rng.uniform(-0.002, 0.002, ROWS), ErrorBound("abs", 0.002)),
        "flux_err": (sigma, sigma, ErrorBound("lossless")),
    })  # fmt: skip
    bad = evaluated({
        "flux": (x, x + rng.uniform(-0.03, 0.03, ROWS), ErrorBound("abs", 0.03)),
        "flux_err": (sigma, sigma, ErrorBound("lossless")),
    })  # fmt: skip
    assert good.variables[0].level == "good"
    assert "errors are 0.1" in good.variables[0].words
    assert bad.variables[0].level == "bad"
    assert "errors exceed the noise" in bad.variables[0].words


def test_another_distribution_is_not_good(rng: np.random.Generator) -> None:
    x = rng.exponential(size=ROWS)
    level, words = verdict(x, np.minimum(x, 1.0), ErrorBound("abs", 20.0))
    assert level == "bad"
    assert "distributions differ (KS" in words
    zeros = np.where(rng.random(ROWS) < 0.3, 0.0, 5 + rng.normal(size=ROWS))
    level, words = verdict(zeros, zeros + rng.uniform(-1e-3, 1e-3, ROWS), ErrorBound("abs", 1e-3))
    assert level == "fair"
    assert "exact zeros became other numbers" in words


def test_a_bias_in_parts_of_the_range_or_of_the_plane_is_not_good(rng: np.random.Generator) -> None:
    x = 10 + rng.normal(size=ROWS)
    level, words = verdict(x, x + np.where(x > 11, 5e-3, rng.uniform(-1e-2, 1e-2, ROWS)), ErrorBound("abs", 1e-2))
    assert level == "fair"
    assert "restored values lie above the originals by 50% of the bound" in words
    assert words.partition("from ")[2].startswith("11")
    plane = np.add.outer(np.arange(64.0), np.arange(64.0) ** 1.5)
    error = rng.uniform(-1e-2, 1e-2, plane.shape)
    error[:16, :16] = -4e-3
    level, words = verdict(plane, plane + error, ErrorBound("abs", 1e-2))
    assert level == "fair"
    assert "bias of 40% of the bound in parts of the plane" in words


def stars(rng: np.random.Generator) -> np.ndarray:
    """60 sources of 8 sigma and more on noise of deviation 1."""
    image = rng.normal(100, 1, (128, 128))
    for row in range(8, 128, 16):
        for column in range(8, 128, 16):
            image[row, column] += 12
    return image


def test_lost_sources_are_bad_and_counted(rng: np.random.Generator) -> None:
    image = stars(rng)
    assert lost_sources(image, image, 1.0) == (64, 0)
    smooth = np.where(image > 106, 101.0, image)
    smooth[:16] = image[:16]
    assert lost_sources(image, smooth, 1.0) == (64, 56)
    level, words = verdict(image, smooth, ErrorBound("abs", 20.0))
    assert level == "bad"
    assert "56 of 64 sources above 5 sigma are lost" in words
    kept = image + rng.uniform(-0.25, 0.25, image.shape)
    assert verdict(image, kept, ErrorBound("abs", 0.25))[0] == "good"


def test_nothing_is_judged_good_without_a_bound_or_with_values_outside(rng: np.random.Generator) -> None:
    x = rng.normal(size=ROWS)
    assert verdict(x, x + 1e-3, ErrorBound("none"))[0] != "good"
    level, words = verdict(x, x + 1e-3, ErrorBound("abs", 1e-4))
    assert level == "bad"
    assert words.startswith("5,000 values lie outside the bound")


def test_little_that_became_nothing_is_to_be_looked_at(rng: np.random.Generator) -> None:
    rain = rng.lognormal(0, 1.5, ROWS)
    after = np.where(rain < 0.08, 0.0, rain)
    level, words = verdict(rain, after, ErrorBound("abs", 0.1))
    assert level == "fair"
    assert f"{np.count_nonzero(after == 0):,} of 5,000 values, all above 0, became exactly 0" in words
    # Where there are values on both sides of 0, or zeros already, one more means nothing.
    for other in (np.where(rain > 3, -rain, rain), np.where(rain > 20, 0.0, rain)):
        assert "exactly 0" not in verdict(other, np.where(np.abs(other) < 0.08, 0.0, other), ErrorBound("abs", 0.1))[1]


def test_lower_and_upper_errors_in_one_column_judge_their_values(rng: np.random.Generator) -> None:
    flux = rng.normal(100, 5, ROWS)
    errors = np.stack([np.full(ROWS, -1.0), np.full(ROWS, 9.0)], axis=1)
    moved = flux + rng.uniform(-3, 3, ROWS)
    arrays = {"f": (flux, moved, ErrorBound("abs", 3.0)), "f_err": (errors, errors, ErrorBound("lossless"))}
    result = evaluated(arrays).variables[0]
    assert result.level == "bad"
    assert "errors exceed the noise" in result.words


def some(rng: np.random.Generator, derived: Mapping[str, tuple[str, ErrorBound]]) -> Results:
    x, y, z = rng.normal(50, 1, (3, ROWS))
    noise = rng.uniform(-1e-2, 1e-2, (3, ROWS))
    bound = ErrorBound("abs", 1e-2)
    return evaluated(
        {
            "id": (x, x, ErrorBound("lossless")),
            "a": (x, x + noise[0], bound),
            "b": (y, np.maximum(y + noise[1], 50), ErrorBound("abs", 10)),
            "c": (z, z + noise[2], bound),
            "d": (z + x, z + x + noise[1], bound),
        },
        derived,
    )


def test_a_derived_quantity_that_fails_makes_its_variables_bad(rng: np.random.Generator) -> None:
    results = some(rng, {"m": ("c - d", ErrorBound("abs", 1e-3))})
    level = {v.name: v.level for v in results.variables}
    assert (level["c"], level["d"], level["a"]) == ("bad", "bad", "good")
    assert "the derived quantity m moved too far" in results.variables[3].words
    assert "m moved too far" in summary(results)
    assert not results.verdict.good


def test_the_most_important_variables_come_first_and_one_line_says_it_all(rng: np.random.Generator) -> None:
    results = some(rng, {"m": ("c + d", ErrorBound("abs", 1.0))})
    assert by_importance(results, [v.name for v in results.variables]) == ["c", "d", "b", "a", "id"]
    line = summary(results)
    assert line.startswith("1 bad (b: ")
    assert line.endswith("3 good, 1 exact, m holds")
    record = results.to_json()
    assert [v["level"] for v in record["variables"]] == ["good", "good", "bad", "good", "good"]
    assert record["derived"][0]["formula"] == "c + d"
    assert Results.from_json(record).variables == results.variables


def test_exact_collections_are_folded_into_one() -> None:
    from baler_core.evaluate.results import VariableResult

    def rows(names: Sequence[str]) -> list[VariableRow]:
        results = [VariableResult(name, "<f4", ("row",), (3,)) for name in names]
        return [VariableRow(v, "", (0.0, 0.0), (0.0, 0.0), None, True, False) for v in results]

    names = (
        [f"Pileup_{i}" for i in range(40)] + ["event", "run"] + [f"t/Jet_{i}" for i in range(5)] + ["Tau_a", "Tau_b"]
    )
    found = [(one.name, len(one.rows)) for one in collections_of(rows(names))]
    assert found == [("Pileup_", 40), ("t/Jet_", 5), ("", 4)]


def test_errors_at_the_edge_of_a_distribution_do_not_move_all_of_it() -> None:
    before = np.exp(np.random.default_rng(5).normal(0, 0.5, ROWS))
    step = 2 * np.arctanh(0.05)
    for phase in (0.0, 0.3, 0.6):
        after = np.exp(step * (np.rint(np.log(before) / step - phase) + phase))
        found = evaluated({"e": (before, after, ErrorBound("rel", 0.0501))}).variables[0]
        assert "distributions" not in found.words.replace("distributions agree", "")
    shifted = evaluated({"e": (before, before * 1.049, ErrorBound("rel", 0.05))}).variables[0]
    assert "distributions differ" in shifted.words


def test_short_lists_in_the_rows_of_a_table_have_no_parts_of_a_plane() -> None:
    before = np.random.default_rng(7).normal(50, 1, (3000, 40))
    after = before + np.where(np.arange(40) < 20, 0.09, -0.09)
    column = before[:, 0].copy()
    judged = {}
    for columns in (0, 3):
        arrays = {"hits": (before, after, ErrorBound("abs", 0.1))}
        arrays |= {f"c{n}": (column, column, ErrorBound("lossless", 0.0)) for n in range(columns)}
        judged[columns] = next(v for v in evaluated(arrays).variables if v.name == "hits").words
    assert "parts of the plane" in judged[0]
    assert "parts of the plane" not in judged[3]


def test_values_that_many_rows_share_tell_no_bias(rng: np.random.Generator) -> None:
    shared = rng.integers(1, 12, ROWS) / 1000
    before = np.where(rng.random(ROWS) < 0.9, shared, rng.uniform(0.001, 0.011, ROWS))
    spread = rng.uniform(0.001, 0.011, ROWS)
    for values, is_told in ((before, False), (spread, True)):
        words = verdict(values, values * 1.035, ErrorBound("rel", 0.05))[1]
        assert ("lie above the originals" in words) == is_told
