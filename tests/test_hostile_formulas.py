"""Formulas in the header of a stranger's file: refused in one sentence, quickly, and in little memory."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import baler_core
from baler_core.errors import FormatError
from baler_core.format.container import BalReader, BalWriter
from baler_core.pipeline.decode import BalFile
from baler_core.plugin.registry import load_plugins

N = 400


@pytest.fixture(scope="module")
def bal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file in which x follows from e, and the plane f from g."""
    folder = tmp_path_factory.mktemp("bal")
    rng = np.random.default_rng(0)
    arrays = {"x": rng.normal(size=N), "e": rng.uniform(1, 2, N), "y": rng.normal(size=N)}
    arrays |= {"f": rng.normal(size=(8, 9)), "g": rng.uniform(1, 2, (8, 9))}
    bounds = {"x": {"abs": "0.1 * e"}, "f": {"abs": "g"}, "e": {"rel": 0.05}, "y": {"abs": 0.1}}
    baler_core.compress(arrays, folder / "file.bal", bounds=bounds, model="scalar")
    return folder / "file.bal"


def forged(bal: Path, target: Path, change: Callable[[Any], None]) -> Path:
    """The file with another header, every checksum right."""
    with BalReader(bal) as stored, target.open("wb") as file:
        writer = BalWriter(file)
        for number in range(len(stored.sections) - 1):
            writer.add(stored.section(number))
        change(stored.header)
        writer.finish(stored.header)
    return target


def _formula(text: object) -> Callable[[Any], None]:
    def change(header: Any) -> None:
        for run in header["bounds"]:
            if run[1][1] == "0.1 * e":
                run[1][1] = text

    return change


def _tolerance(record: list[Any]) -> Callable[[Any], None]:
    def change(header: Any) -> None:
        header["tolerances"] = [[1, record], *header["tolerances"][1:]]

    return change


def _chain(header: Any) -> None:
    """More variables whose tolerances follow from each other than calls may be nested."""
    count = 1500
    header["variables"] = [{"key": f"v{n}", "form": "<f8", "dims": 0} for n in range(count)]
    header["bounds"] = [[1, ["abs", f"v{n + 1}"]] for n in range(count - 1)] + [[1, ["rel", 0.1]]]
    header["tolerances"] = [[count - 1, ["each", 1.0, 0.0]], [1, ["rel", 0.1, 0.0]]]
    header["errors"] = [[], [], []]


HOSTILE: list[Callable[[Any], None]] = [
    _formula("0.1 * q"),
    _formula("0.1 * x"),
    _formula("__import__('os').system('true')"),
    _formula("e.__class__"),
    _formula("(" * 900 + "e" + ")" * 90),
    _formula("-" * 900 + "e"),
    _formula("e" + "+e" * 100_000),
    _formula("e ** e"),
    _formula("9e999 * e"),
    _formula(["e"]),
    _formula(None),
    _formula("{}"),
    _formula("1"),
    _tolerance(["each", -1.0, 0.0]),
    _tolerance(["each", float("inf"), 0.0]),
    _tolerance(["each", "e", 0.0]),
    _tolerance(["abs", 0.1, 0.0]),
    _chain,
]


@pytest.mark.parametrize("change", HOSTILE)
def test_formulas_are_refused_in_a_sentence(bal: Path, tmp_path: Path, change: Callable[[Any], None]) -> None:
    path = forged(bal, tmp_path / "forged.bal", change)
    tracemalloc.start()
    began = time.perf_counter()
    with pytest.raises(FormatError) as caught:
        baler_core.decompress(path, tmp_path / "out.npz")
    assert "\n" not in str(caught.value)
    assert tracemalloc.get_traced_memory()[1] < 200 << 20
    tracemalloc.stop()
    assert time.perf_counter() - began < 20
    assert not (tmp_path / "out.npz").exists()


@pytest.mark.parametrize("formula", ["e", "0.1 * y", "max(e, y) * 1e300 * 1e300", "1 / y", "e - e"])
def test_other_formulas_restore_something_or_nothing(bal: Path, tmp_path: Path, formula: str) -> None:
    path = forged(bal, tmp_path / "forged.bal", _formula(formula))
    with suppress(FormatError):
        baler_core.decompress(path, tmp_path / "out.npz")
        with np.load(tmp_path / "out.npz") as restored:
            assert restored["x"].shape == (N,)


def test_a_model_that_knows_no_scales_is_refused_one(bal: Path, tmp_path: Path) -> None:
    def change(header: Any) -> None:
        for group in header["groups"]:
            group[2] = [["predictive", {}, "baler-core", "0.1.0"]]

    with pytest.raises(FormatError):
        baler_core.decompress(forged(bal, tmp_path / "forged.bal", change), tmp_path / "out.npz")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of a table with columns in steps of their own, one of them from a sum of others."""
    folder = tmp_path_factory.mktemp("table")
    rng = np.random.default_rng(0)
    y, e = rng.normal(size=N), np.exp(rng.normal(0, 1, N))
    arrays = {"x": 3 * y + 0.1 * e * rng.normal(size=N), "e": e, "y": y, "d": np.round(rng.normal(0, 3, N), 2)}
    bounds = {"x": {"abs": "0.1 * e"}, "d": {"abs": "0.1 * e"}, "e": {"rel": 0.05}, "y": {"abs": 0.01}}
    model = {"name": "table", "network": "off"}
    baler_core.compress(arrays, folder / "file.bal", bounds=bounds, model=model)
    return folder / "file.bal"


@pytest.mark.parametrize("stream", ["%", "own", "index", "~", "columns"])
def test_damaged_streams_are_refused_or_restore(bal: Path, table: Path, stream: str) -> None:
    rng = np.random.default_rng(len(stream))
    with BalFile(table if stream == "columns" else bal, load_plugins()) as file:
        record = file.header.blocks[0]
        layouts = [file.header.layout(file.header.groups[g], record.sizes) for g in record.groups]
        for _ in range(60):
            stored = file.stored_block(0)
            streams = [stored.streams(place) for place in range(len(layouts))]
            for one in streams:
                if one.get(stream):
                    data = bytearray(one[stream])
                    data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
                    one[stream] = bytes(data)[: int(rng.integers(1, len(data) + 1))]
            with suppress(FormatError):
                stored.streams = streams.__getitem__  # type: ignore[method-assign]
                restored, _ = file._groups(record, stored, layouts)
                assert restored["x"].shape == (N,)


def test_damaged_plans_of_tables_are_refused_or_restore(table: Path) -> None:
    rng = np.random.default_rng(1)
    with BalFile(table, load_plugins()) as file:
        group = file.header.groups[0]
        layout = file.header.layout(group, file.header.blocks[0].sizes)
        plan = file.state(0, 0)["plan"]
        tolerances = {name: t.for_models for name, t in file.header.tolerance_of(layout).items()}
        model = file.model(0, 0)
        for _ in range(400):
            damaged = plan.copy()
            damaged[rng.integers(len(damaged))] ^= np.uint8(1 << int(rng.integers(8)))
            streams = file.stored_block(0).streams(0)
            fresh = type(model)(model.options)
            with suppress(FormatError):
                fresh.load_state({"plan": damaged})
                fresh.decode(streams, layout, tolerances)
