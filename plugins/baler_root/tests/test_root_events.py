"""Jagged collections through the table model: whole files with empty events come back, counts are never believed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

import baler_core
from baler_core.format.container import BalReader, BalWriter
from baler_core.format.header_json import header_from_json, header_to_json


def write(path: Path, counts: np.ndarray) -> dict[str, np.ndarray]:
    """A tree of jets, sorted in each event, and of their parts beside it; returns the values."""
    rng = np.random.default_rng(3)
    jets = int(counts.sum())
    event = np.repeat(np.arange(len(counts)), counts)
    pt = np.sort(rng.exponential(40, jets).astype("<f4"))[::-1]
    pt = pt[np.argsort(event[rng.permutation(jets)], kind="stable")] if jets else pt
    values = {"pt": pt, "eta": rng.normal(0, 2, jets).astype("<f4"), "tag": rng.integers(0, 4, jets).astype("<i4")}
    with uproot.recreate(path) as file:
        tree = file.mktree("Events", {"Jet": "var * {pt: float32, eta: float32, tag: int32}", "run": "int64"})
        jagged = ak.zip({name: ak.unflatten(column, counts) for name, column in values.items()})
        tree.extend({"Jet": jagged, "run": np.arange(len(counts))})
    return values


@pytest.mark.parametrize("effort", ["fast", "max"])
@pytest.mark.parametrize("events", ["many", "single rows", "some", "one", "empty"])
def test_collections_come_back_within_their_bounds(tmp_path: Path, events: str, effort: str) -> None:
    counts = {
        "many": np.random.default_rng(1).poisson(2.5, 1500),
        "single rows": np.ones(300, int),
        "some": np.array([0, 3, 0, 0, 1, 70, 0]),
        "one": np.array([120]),
        "empty": np.zeros(5, int),
    }[events]
    values = write(tmp_path / "a.root", counts)
    bounds = {"Jet_tag": "lossless", "Jet_*": {"rel": 1e-3}, "*": "lossless"}
    model = {"name": "table", "effort": effort}
    baler_core.compress(tmp_path / "a.root", tmp_path / "a.bal", bounds=bounds, model=model, block_bytes=6000)
    baler_core.decompress(tmp_path / "a.bal", tmp_path / "b.root")
    restored = uproot.open(tmp_path / "b.root")["Events"].arrays()
    assert ak.num(restored["Jet_pt"]).tolist() == counts.tolist()
    for name, before in values.items():
        after = ak.to_numpy(ak.flatten(restored[f"Jet_{name}"]))
        if name == "tag":
            np.testing.assert_array_equal(after, before)
        else:
            assert (np.abs(after.astype(float) - before) <= 1e-3 * np.abs(before.astype(float))).all()


def other_counts(header: dict) -> None:
    header["counts"] = dict.fromkeys(header["counts"], "run")


def circle(header: dict) -> None:
    header["counts"] = dict.fromkeys(header["counts"], "Jet_tag")


@pytest.mark.parametrize("change", [other_counts, circle], ids=lambda c: c.__name__)
def test_counts_that_do_not_fit_are_damage(tmp_path: Path, change: Callable[[dict], None]) -> None:
    write(tmp_path / "a.root", np.array([3, 0, 4, 5]))
    baler_core.compress(tmp_path / "a.root", tmp_path / "a.bal", model="table")
    with BalReader(tmp_path / "a.bal") as reader:
        header = header_to_json(header_from_json(reader.header))
        sections = [reader.section(number) for number in range(len(reader.sections) - 1)]
    change(header)
    with (tmp_path / "b.bal").open("wb") as file:
        writer = BalWriter(file)
        for section in sections:
            writer.add(section)
        writer.finish(header)
    with pytest.raises(baler_core.FormatError, match=r"b\.bal"):
        baler_core.open(tmp_path / "b.bal").load()
