"""`auto` takes the model that measured bytes show to be smallest, also where it looks at a part of the data only."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import baler_core
from baler_core import Block, Layout, Variable, make_block, values_of
from baler_core.builtin.models.scalar import ScalarModel
from baler_core.data.bounds import Tolerance
from baler_core.pipeline import task as tasks
from baler_core.pipeline.candidates import Candidates, totals, worthwhile
from baler_core.pipeline.choose import choose
from baler_core.pipeline.task import Task
from baler_core.plugin.interfaces import Effort, Estimate, Hints, Streams, Training
from baler_core.plugin.registry import load_plugins


class Wasteful(ScalarModel):
    """Works, but takes more bytes."""

    name = "wasteful"

    def encode(self, block, layout, tolerances, **more):  # type: ignore[no-untyped-def]
        streams = super().encode(block, layout, tolerances, **more)
        return {**streams, "waste": np.random.default_rng(0).bytes(5000)}


class Failing(ScalarModel):
    """Fails on everything."""

    name = "failing"

    def encode(self, block, layout, tolerances, **_):  # type: ignore[no-untyped-def]
        raise RuntimeError("never works")


def task(shape: tuple[int, ...]) -> Task:
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    dims = ("time", "y", "x")[: len(shape)]
    layout = Layout(
        "grid" if len(shape) > 1 else "table", (Variable("f", "<f4", dims),), dict(zip(dims, shape, strict=True))
    )
    block = make_block({"f": (dims, values)})
    return Task([block], block, layout, {"f": Tolerance("abs", 0.01)}, Training())


@pytest.mark.parametrize("shape", [(900,), (10, 40, 30)])
@pytest.mark.parametrize("sample", [1 << 30, 2000])
def test_the_smallest_is_taken_and_codes_the_whole_block(shape, sample, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(tasks, "SAMPLE_BYTES", sample)
    given = task(shape)
    chosen = choose([Wasteful, ScalarModel, Failing], given)
    assert chosen.model.name == "scalar"
    restored = chosen.model.decode(chosen.streams, given.layout, given.tolerances)
    assert np.abs(restored["f"].values - given.first["f"].values).max() <= 0.01


def test_a_failing_model_is_reported_and_stops_only_itself(caplog: pytest.LogCaptureFixture) -> None:
    choose([Failing, ScalarModel], task((50,)))
    assert "failing" in caplog.text
    assert "never works" in caplog.text


def test_a_model_that_estimates_in_another_way_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    class Mapping(ScalarModel):
        name = "mapping"

        def estimate(self, block, layout, tolerances, **_):  # type: ignore[no-untyped-def]
            return {("f",): 1.0}

    assert choose([Mapping, ScalarModel], task((50,))).model.name == "scalar"
    assert "'mapping' returned a dict, not an Estimate" in caplog.text


def test_without_any_working_model_the_reason_is_said() -> None:
    with pytest.raises(baler_core.BalerError, match="never works"):
        choose([Failing], task((50,))).size()
    with pytest.raises(baler_core.ConfigError, match="no model"):
        choose([], task((50,)))


def test_auto_is_never_larger_than_the_baseline(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    arrays = {
        "x": rng.normal(size=4000),
        "y": rng.integers(0, 100, 4000),
        "f": np.cumsum(rng.normal(size=(9, 20, 20)), 1),
    }
    auto = baler_core.compress(arrays, tmp_path / "a.bal", bounds={"abs": 0.01})
    baseline = baler_core.compress(arrays, tmp_path / "s.bal", bounds={"abs": 0.01}, model="scalar")
    assert auto.file_bytes <= baseline.file_bytes + 60


def test_a_named_model_gives_way_to_the_baseline_where_it_clearly_loses(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(400, 3))
    repeated = {name: np.tile(column, 10) for name, column in zip("abc", rows.T, strict=True)}
    lost = baler_core.compress(repeated, tmp_path / "a.bal", bounds="lossless", model="table")
    assert set(lost.models.values()) == {"scalar"}
    random = np.random.default_rng(0).normal(size=2000)
    related = {"a": random, "b": random * 0.5, "c": random + 1}
    won = baler_core.compress(related, tmp_path / "b.bal", bounds="lossless", model="table")
    assert set(won.models.values()) == {"table"}


def test_estimates_count_variables_left_out_and_those_that_are_better_alone() -> None:
    told = {
        ScalarModel: Estimate({("u",): 100.0, ("v",): 40.0, ("mask",): 5.0}),
        Wasteful: Estimate({("u", "v"): 90.0}),
        Failing: Estimate({("u",): 70.0, ("v",): 80.0, ("mask",): 9.0}),
    }
    assert totals(told, ["u", "v", "mask"]) == {ScalarModel: 100 + 40 + 5, Wasteful: 90 + 5, Failing: 70 + 40 + 5}
    assert totals({Wasteful: Estimate({("u", "v"): 90.0})}, ["u", "v", "mask"]) == {Wasteful: 90}
    assert totals({}, ["u"]) == {}


def short_columns(count: int, rows: int, steps: int) -> Task:
    """A table of integers of so many steps."""
    rng = np.random.default_rng(2)
    layout = Layout("table", tuple(Variable(f"c{n}", "<i4", ("row",)) for n in range(count)), {"row": rows})
    block = make_block({v.name: (("row",), rng.integers(0, steps, rows).astype(np.int32)) for v in layout.variables})
    return Task([block], block, layout, {v.name: Tolerance("exact") for v in layout.variables}, Training())


@pytest.mark.parametrize(
    ("count", "rows", "effort", "expected"),
    [
        (12, 1999, "max", "balanced"),
        (12, 2000, "max", "max"),
        (11, 1999, "max", "max"),
        (12, 1999, "balanced", "balanced"),
        (12, 1999, "fast", "fast"),
    ],
)
def test_tables_of_many_short_columns_are_given_at_most_the_effort_balanced(
    count: int, rows: int, effort: Effort, expected: Effort
) -> None:
    assert worthwhile(effort, short_columns(count, rows, 5)) == expected
    trained = replace(short_columns(count, rows, 5), hints=Hints(for_other_files=True))
    assert worthwhile(effort, trained) == effort


def test_short_columns_of_which_the_baseline_makes_nearly_nothing_are_left_to_it() -> None:
    kinds = load_plugins().automatic_models()

    def tried(given: Task) -> set[str]:
        return {kind.name for kind in Candidates(given, "max").shortlist(kinds) if "table" in kind.kinds}

    assert tried(short_columns(12, 200, 2)) == {"scalar"}
    assert tried(short_columns(12, 200, 1 << 20)) >= {"scalar", "table"}
    assert tried(short_columns(3, 200, 2)) >= {"scalar", "table"}


def test_some_columns_of_very_many_tell_which_models_save_nothing() -> None:
    asked: list[tuple[str, int]] = []

    class Counted(ScalarModel):
        def encode(self, block, layout, tolerances, **more):  # type: ignore[no-untyped-def]
            asked.append((self.name, len(layout.variables)))
            return super().encode(block, layout, tolerances, **more)

        def estimate(self, block, layout, tolerances, **more):  # type: ignore[no-untyped-def]
            return super().estimate(block, layout, tolerances, **more) if self.name == "scalar" else None

    class Plain(Counted):
        name = "scalar"

    class Longer(Counted, Wasteful):
        name = "longer"

    given = short_columns(600, 20, 1 << 20)
    chosen = choose([Longer, Plain], given)
    assert chosen.model.name == "scalar"
    assert set(asked) == {("longer", 144), ("scalar", 144)}  # others may be encoded meanwhile
    assert chosen.size()
    assert set(asked) == {("longer", 144), ("scalar", 144), ("scalar", 600)}
    asked.clear()
    choose([Longer, Plain], replace(given, hints=Hints(for_other_files=True))).size()
    assert ("longer", 600) in asked


def test_the_first_block_tells_whether_the_baseline_is_worth_trying_on_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    y, x = np.meshgrid(np.linspace(0, 9, 64), np.linspace(0, 9, 64), indexing="ij")
    noise = np.random.default_rng(3).normal(size=(48, 64, 64))
    frames = (np.sin(x + y) + 0.025 * noise).astype("f4")
    asked: list[int] = []
    encode = ScalarModel.encode

    def counted(self: ScalarModel, block: Block, *rest: Any, **more: Any) -> Streams:
        asked.append(values_of(block, "u").shape[0])
        return encode(self, block, *rest, **more)

    monkeypatch.setattr(ScalarModel, "encode", counted)
    done = baler_core.compress(
        {"u": frames},
        tmp_path / "u.bal",
        bounds={"abs": 1e-4},
        block_bytes=100_000,
        model={"name": "auto", "effort": "fast"},
    )
    restored = baler_core.open(tmp_path / "u.bal", as_="numpy")["u"]
    assert np.abs(restored - frames).max() <= 1e-4
    assert next(iter(done.models.values())) != "scalar"
    assert asked == [6]


@pytest.mark.parametrize(("times", "asks"), [(1.4, True), (1.6, False)])
def test_a_rough_estimate_is_made_closer_only_where_it_may_be_the_least(times: float, asks: bool) -> None:
    """By its leeway; then what is closer counts."""
    given = task((900,))
    alone = ScalarModel().estimate(given.first, given.layout, given.tolerances).total
    asked: list[float] = []

    class Rough(ScalarModel):
        name = "rough"

        def estimate(self, block, layout, tolerances, **_):  # type: ignore[no-untyped-def]
            def closer(rival: float) -> Estimate:
                asked.append(rival)
                return Estimate({("f",): alone / 2})

            return Estimate({("f",): times * alone}, refined=closer, leeway=1.5)

    found = Candidates(given, "fast").shortlist([ScalarModel, Rough])
    assert asked == ([alone] if asks else [])
    assert found == ([Rough] if asks else [ScalarModel])
