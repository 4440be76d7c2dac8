"""Comparing files: with the restored file or the .bal file the same numbers come out, and mismatches are named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from baler_core.api.calls import compress, decompress
from baler_core.config import ComponentSpec
from baler_core.data.bounds import BoundRules
from baler_core.data.error_bound import ErrorBound
from baler_core.errors import DataError, FormatError
from baler_core.evaluate.files import Comparison, evaluate
from baler_core.evaluate.provenance import training_curves
from baler_core.evaluate.results import Results
from baler_core.format.file_info import read_info
from baler_core.plugin.registry import Registry, load_plugins


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_plugins()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """data.npz, data.bal (in several blocks) and restored.npz."""
    rng = np.random.default_rng(12)
    place = tmp_path_factory.mktemp("files")
    arrays = {
        "energy": rng.exponential(20, 4000).astype("<f4"),
        "eta": rng.normal(size=4000),
        "id": np.arange(4000),
        "field": rng.normal(size=(12, 20, 30)).cumsum(axis=1).astype("<f4"),
    }
    np.savez(place / "data.npz", **arrays)
    bounds = {"energy": {"rel": 1e-3}, "eta": {"abs": 1e-3}, "field": {"range": 1e-4}}
    compress(place / "data.npz", place / "data.bal", bounds=bounds, model="scalar", block_bytes=20_000)
    decompress(place / "data.bal", place / "restored.npz")
    return place


def compared(folder: Path, restored: str, registry: Registry, **wanted: object) -> Results:
    return evaluate(folder / "data.npz", folder / restored, registry, Comparison(others_bytes=0, **wanted))  # type: ignore[arg-type]


def test_the_bal_file_and_the_restored_file_give_the_same_numbers(folder: Path, registry: Registry) -> None:
    stored = compared(folder, "data.bal", registry)
    restored = compared(folder, "restored.npz", registry, compressed=folder / "data.bal")
    assert restored.variables == stored.variables
    assert restored.sizes == stored.sizes
    assert restored.groups == stored.groups
    for name, values in stored.metric("residual")["field"].items():
        assert restored.metric("residual")["field"][name] == pytest.approx(values, rel=1e-9, abs=1e-12)


def test_bounds_sizes_and_components_come_from_the_bal_file(folder: Path, registry: Registry) -> None:
    results = compared(folder, "data.bal", registry)
    found = {v.name: v for v in results.variables}
    assert {name: v.bound for name, v in found.items()} == {
        "energy": "rel 0.001",
        "eta": "abs 0.001",
        "id": "lossless",
        "field": "range 0.0001",
    }
    assert results.violations == 0
    assert all(0.5 < found[name].share <= 1 for name in ("energy", "eta", "field"))
    assert found["id"].changed == 0
    native = 4000 * (4 + 8 + 8) + 12 * 20 * 30 * 4
    assert results.sizes.native == native
    assert results.sizes.compressed == (folder / "data.bal").stat().st_size
    assert results.sizes.ratio == pytest.approx(native / (folder / "data.bal").stat().st_size)
    assert results.sizes.input_file == (folder / "data.npz").stat().st_size
    assert {group.model for group in results.groups} == {"scalar"}
    assert results.details["reader"] == "npz"


def test_text_is_counted_in_one_way_everywhere(tmp_path: Path, registry: Registry) -> None:
    lines = [f"{'é' * (i % 7)}name{i},{i}\n" for i in range(300)]
    (tmp_path / "a.csv").write_text("word,n\n" + "".join(lines), "utf-8")
    done = compress(tmp_path / "a.csv", tmp_path / "a.bal", model="scalar")
    results = evaluate(tmp_path / "a.csv", tmp_path / "a.bal", registry, Comparison(others_bytes=0))
    text = sum(len(line.split(",")[0].encode()) + 1 for line in lines)
    assert (
        results.sizes.native == done.input_bytes == read_info(tmp_path / "a.bal").header.input_bytes == text + 8 * 300
    )
    assert results.sizes.ratio == done.ratio
    assert sum(group.native_bytes for group in results.groups) == results.sizes.native


def test_stated_bounds_are_judged_instead_of_those_of_the_file(folder: Path, registry: Registry) -> None:
    rules = BoundRules((("eta", ErrorBound("abs", 1e-5)), ("*", ErrorBound("none"))))
    results = compared(folder, "restored.npz", registry, bounds=rules)
    worst = results.worst()
    assert worst is not None
    assert worst.name == "eta"
    assert worst.share == pytest.approx(100, rel=0.05)
    assert results.violations > 3000


def test_without_any_bound_files_are_compared_all_the_same(folder: Path, registry: Registry) -> None:
    results = compared(folder, "restored.npz", registry)
    assert all(v.lossy is None and v.bound == "" for v in results.variables)
    assert results.sizes.ratio is None


def test_chosen_metrics_and_variables(folder: Path, registry: Registry) -> None:
    psnr = ComponentSpec("psnr", registry.metric("psnr").Options())
    results = compared(folder, "restored.npz", registry, metrics=[psnr], variables=["e*"])
    assert [v.name for v in results.variables] == ["energy", "eta"]
    assert [outcome.name for outcome in results.metrics] == ["psnr"]


def test_what_the_restored_file_lacks_is_noted_and_what_it_adds_refused(
    folder: Path, registry: Registry, tmp_path: Path
) -> None:
    with np.load(folder / "restored.npz") as arrays:
        np.savez(tmp_path / "fewer.npz", energy=arrays["energy"], field=arrays["field"])
        np.savez(tmp_path / "more.npz", energi=arrays["energy"])
    results = evaluate(folder / "data.npz", tmp_path / "fewer.npz", registry, Comparison(others_bytes=0))
    assert [v.name for v in results.variables] == ["energy", "field"]
    assert results.left_out == ("variables of the original that are not in the restored file: eta, id",)
    assert not results.verdict.good
    with pytest.raises(DataError, match=r"more\.npz holds a variable 'energi'.*Did you mean 'energy'"):
        evaluate(folder / "data.npz", tmp_path / "more.npz", registry)


def test_other_shapes_and_dtypes_are_named_with_both_files(folder: Path, registry: Registry, tmp_path: Path) -> None:
    with np.load(folder / "restored.npz") as arrays:
        np.savez(tmp_path / "short.npz", energy=arrays["energy"][:-1])
        np.savez(tmp_path / "wide.npz", energy=arrays["energy"].astype("<f8"))
    with pytest.raises(DataError, match=r"'energy' is of shape \(4000,\) in .*data\.npz and \(3999,\) in .*short\.npz"):
        evaluate(folder / "data.npz", tmp_path / "short.npz", registry)
    with pytest.raises(DataError, match=r"dtype float32 .* and float64"):
        evaluate(folder / "data.npz", tmp_path / "wide.npz", registry)


def test_missing_and_damaged_files_are_refused(folder: Path, registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.npz: there is no such file"):
        evaluate(tmp_path / "nowhere.npz", folder / "data.bal", registry)
    with pytest.raises(DataError, match=r"nowhere\.bal: there is no such file"):
        evaluate(folder / "data.npz", tmp_path / "nowhere.bal", registry)
    (tmp_path / "cut.bal").write_bytes((folder / "data.bal").read_bytes()[:-40])
    with pytest.raises(FormatError, match=r"cut\.bal"):
        evaluate(folder / "data.npz", tmp_path / "cut.bal", registry)


def test_training_histories_become_curves() -> None:
    histories = {"jet": {"training": [2.0, 1], "device": "cpu"}, "cells": np.array([3.0, 2.0]), "flat": {"n": 3}}
    assert training_curves(histories) == {
        "jet": {"training": (2.0, 1.0)},
        "cells": {"loss": (3.0, 2.0)},
    }


def test_results_of_files_are_the_same_every_time(folder: Path, registry: Registry) -> None:
    first, second = (compared(folder, "data.bal", registry) for _ in range(2))
    assert replace(first, drawings=second.drawings) == second
    for name, shown in first.drawings.distributions.items():
        np.testing.assert_array_equal(shown.response.counts, second.drawings.distributions[name].response.counts)
