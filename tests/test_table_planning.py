"""What planning a table spends its time on: sums sought for many columns at once, networks only where they can pay."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import baler_core
from baler_core.builtin.models.table import mixing_plan, schedule
from baler_core.builtin.models.table.network.inference import Network
from baler_core.builtin.models.table.network.training import Schedule, TrainingData
from baler_core.builtin.models.table.plan import plan_to_bytes
from baler_core.builtin.models.table.planning import make_plan
from baler_core.builtin.models.table.relations.order import Candidate, choose_parents, shared_information
from baler_core.builtin.models.table.relations.pursuit import SoughtSum, pursued
from baler_core.builtin.models.table.relations.scales import NO_SCALES
from baler_core.builtin.models.table.relations.search import SampledColumn
from baler_core.builtin.models.table.sample import MOST_ROWS, TableSample, gather, rows_within
from baler_core.builtin.models.table.trials import TableEffort
from baler_core.cli import main
from baler_core.data.bounds import Tolerance
from baler_core.data.variables import Layout, Variable
from baler_core.format.file_info import read_info
from baler_core.machine import threads
from baler_core.pipeline import narrow_tables
from baler_core.quantise.lattice_fit import fit_lattice

ROWS, CANDIDATES = 120, 60


def test_sums_of_many_targets_are_found_at_once_each_in_its_own_noise() -> None:
    rng = np.random.default_rng(3)
    candidates = rng.normal(0, rng.choice([1, 50], CANDIDATES), (ROWS, CANDIDATES))
    targets, terms = [], []
    for number in range(45):
        chosen = np.sort(rng.choice(CANDIDATES, 1 + number % 3, replace=False))
        factors = rng.choice([-2.0, -1.0, 0.5, 1.0], len(chosen))
        noise = rng.uniform(1e-4, 1e-2, ROWS)
        exact = candidates[:, chosen] @ factors
        targets.append(SoughtSum(exact + noise * rng.uniform(-0.3, 0.3, ROWS), noise, np.ones(CANDIDATES, bool)))
        terms.append(dict(zip(chosen.tolist(), factors.tolist(), strict=True)))
    found = pursued(targets, candidates, candidates * candidates)
    assert [dict(each or ()) for each in found] == terms
    assert pursued(targets[7:8], candidates, candidates * candidates) == found[7:8]


def test_what_is_no_sum_is_not_found_nor_what_is_not_allowed() -> None:
    rng = np.random.default_rng(4)
    candidates = rng.normal(0, 1, (ROWS, CANDIDATES))
    without = np.arange(CANDIDATES) != 5
    noise = np.full(ROWS, 1e-3)
    targets = [
        SoughtSum(rng.normal(0, 1, ROWS), noise, np.ones(CANDIDATES, bool)),
        SoughtSum(candidates[:, 5], noise, without),
    ]
    assert not any(pursued(targets, candidates, candidates * candidates))
    assert not any(pursued([SoughtSum(noise, noise, np.zeros(CANDIDATES, bool))], candidates, candidates * candidates))


def a_table(rows: int) -> TableSample:
    """Flags that follow from a number, that number, and another that resembles it."""
    rng = np.random.default_rng(5)
    number = rng.normal(0, 3000, rows).astype(np.int64)
    flags = [(number > least).astype(np.int64) for least in (3000, 4000)]
    values = [*flags, number, number // 3 + rng.integers(0, 200, rows)]
    exact = Tolerance("exact")
    columns = [SampledColumn(f"c{k}", v, fit_lattice(v, exact), exact) for k, v in enumerate(values)]
    return TableSample(columns, None, True, NO_SCALES)


@pytest.mark.parametrize("keep", [False, True])
def test_networks_are_trained_for_columns_of_some_size_or_for_all_where_asked(
    keep: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[int] = []

    def train(data: TrainingData, columns: tuple[int, ...], how: Schedule, goes_on: object) -> Network | None:
        trained.append(how.seed)
        return None

    monkeypatch.setattr(schedule, "train_network", train)
    monkeypatch.setattr(schedule, "_FEWEST_BITS", 0.0)
    monkeypatch.setattr(mixing_plan, "_MEASURED", 1 << 10)
    make_plan(a_table(4000), (), TableEffort(5, 2, True, 1 << 16, network_seconds=30, keep_networks=keep))
    # of the rarer flag, the first in the order of coding, nothing is known before
    assert sorted(trained) in ([[0, 2], [0, 3], [0, 2, 3]] if keep else [[2], [3], [2, 3]])


def test_a_plan_does_not_depend_on_the_number_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    sample, effort = a_table(2500), TableEffort(5, 2, True, 1 << 16, worth_of_reference=0.01)
    plans = []
    for count in (1, 2, 16):
        monkeypatch.setattr(threads, "workers", lambda count=count: count)
        plans.append(plan_to_bytes(make_plan(sample, (), effort)))
    assert plans[0] == plans[1] == plans[2]


def test_the_sample_of_a_wide_table_is_as_short_as_memory_asks_and_from_everywhere() -> None:
    columns = tuple(Variable(f"c{n}", "<f4", ("row",)) for n in range(40))
    layout = Layout("table", columns, {"row": 4000})
    blocks = [layout.build({c.name: np.arange(4000.0 * k, 4000.0 * (k + 1)) for c in columns}) for k in range(3)]
    tolerances = {c.name: Tolerance("abs", 0.5) for c in columns}
    assert rows_within(np.inf, columns) == rows_within(800e6, columns) == MOST_ROWS
    assert MOST_ROWS > rows_within(300e6, columns) > 2 * rows_within(100e6, columns)
    assert rows_within(1.0, columns) == 512  # there is nothing to learn from less
    most = rows_within(4e6, columns)
    sample = gather(blocks, layout, tolerances, 4e6)
    values = sample.columns[7].values
    assert most / 2 < len(values) <= most
    assert (sample.total, sample.whole) == (12_000, False)
    assert values[0] == 0
    assert values[-1] > 8000 + most
    assert all(len(np.unique(values // 4000)) == 3 for values in [c.values for c in sample.columns])
    assert gather(blocks, layout, tolerances).whole


def test_a_table_too_wide_for_the_memory_that_is_stated_is_planned_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("_PER_COLUMN", 3_000_000), ("_FEWEST", 5)):  # 8 columns
        monkeypatch.setattr(narrow_tables, name, value)
    rng, rows = np.random.default_rng(6), 40
    columns = {f"c{number}": rng.normal(size=rows).astype("f4") for number in range(17)}
    columns["c7"] = columns["c6"] * 2  # follows from its neighbour
    np.savez(tmp_path / "wide.npz", **columns)  # type: ignore[arg-type]
    (tmp_path / "wide.yaml").write_text(
        "input: wide.npz\nbounds: {'*': {abs: 0.01}}\nmodel: {name: table, effort: fast, network: off}\n"
    )
    groups = {}
    for name, memory in (("whole", []), ("parts", ["--memory", "350 MB"])):
        path = tmp_path / f"{name}.bal"
        with pytest.raises(SystemExit, match="0"):
            main(["compress", str(tmp_path / "wide.yaml"), "-o", str(path), *memory])
        groups[name] = read_info(path).header.groups
        baler_core.decompress(path, path.with_suffix(".npz"))
        with np.load(path.with_suffix(".npz")) as file:
            assert file.files == list(columns)
            assert all(np.abs(file[column] - values).max() <= 0.01 for column, values in columns.items())
    assert [len(groups[name]) for name in ("whole", "parts")] == [1, 3]


@pytest.mark.parametrize(("rows", "expected"), [(40, []), (4000, [0])])
def test_a_parent_must_tell_more_than_naming_it_takes(rows: int, expected: list[int]) -> None:
    bins = (np.arange(rows) % 40 == 7).astype(np.int64)
    candidates = [Candidate(1, lambda picked: bins[picked]), Candidate(2, lambda picked: bins[picked])]
    shared = shared_information(2, candidates, rows)
    assert choose_parents({1: bins}, candidates, 2, shared) == {1: expected}
