"""Trained models find their columns by names and types; what they do not know is coded apart, and nothing gets larger."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import reference

import baler_core
from baler_core import FormatError
from baler_core.builtin.models.table.model import TableModel
from baler_core.config.arguments import config_of_arguments
from baler_core.data.variables import Schema, Variable
from baler_core.format.file_info import read_info
from baler_core.pipeline.compression import compress as compress_input
from baler_core.pipeline.compression import train as train_input
from baler_core.pipeline.decode import BalFile
from baler_core.pipeline.input import Input
from baler_core.pipeline.trained_lookup import Lookup
from baler_core.plugin.array_source import ArraySource
from baler_core.plugin.registry import load_plugins

Arrays = dict[str, np.ndarray]
LEVELS = np.random.default_rng(8).lognormal(0, 1, 300)
MODEL = {"name": "table", "effort": "balanced", "network": "off"}


def rows(count: int, seed: int) -> Arrays:
    """Columns of which each tells much about the next, and one that follows from two others."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 300, count)
    level = np.round(LEVELS[kind] * 1000).astype("<i4") + rng.integers(0, 3, count).astype("<i4")
    cell = rng.integers(0, 300, count)
    depth = np.round(LEVELS[::-1][cell] * 1000).astype("<i4") + rng.integers(0, 3, count).astype("<i4")
    both = level + kind.astype("<i4")
    return {"kind": kind, "level": level, "both": both, "flag": level % 2 == 0, "cell": cell, "depth": depth}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trained") / "kind.balm"
    return baler_core.train(rows(2500, 1), path, bounds="lossless", model=MODEL)


GIVEN = rows(400, 2)
NEW = {"new": np.random.default_rng(3).integers(0, 50, 400)}
CASES = {
    "another order and one more": dict(reversed({**GIVEN, **NEW}.items())),
    "fewer": {"both": GIVEN["both"], "kind": GIVEN["kind"]},
    "without a parent and another type": {
        **{name: GIVEN[name] for name in ("level", "kind", "cell", "depth")},
        "flag": GIVEN["flag"].astype("<i2"),
    },
}


@pytest.mark.parametrize("case", CASES)
def test_columns_are_found_by_name_and_restored(
    case: str, trained: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    arrays = CASES[case]
    path = tmp_path / "a.bal"
    fresh = baler_core.compress(arrays, tmp_path / "fresh.bal", bounds="lossless", model=MODEL)
    done = baler_core.compress(arrays, path, bounds="lossless", model=MODEL, trained=trained, model_storage="reference")
    assert done.file_bytes < 0.97 * fresh.file_bytes
    assert done.trained == "kind.balm"
    apart = {"another order and one more": "new", "without a parent and another type": "flag"}.get(case)
    told = [f"group dim0: the trained models do not know {apart}: coded apart, learned anew"] if apart else []
    assert caplog.messages == told
    restored = baler_core.open(path, trained=trained)
    part = baler_core.open_file(path, trained=trained)
    theirs = reference.restore(path.read_bytes(), trained=trained.read_bytes())
    assert list(restored) == list(arrays)
    for name, values in arrays.items():
        np.testing.assert_array_equal(restored[name].values, values)
        np.testing.assert_array_equal(part[name][20:30], values[20:30])
        np.testing.assert_array_equal(theirs[name], values)


def test_another_order_needs_no_reference(trained: Path, tmp_path: Path) -> None:
    arrays = dict(reversed(rows(1500, 4).items()))
    baler_core.compress(arrays, tmp_path / "a.bal", bounds="lossless", model=MODEL, trained=trained)
    assert read_info(tmp_path / "a.bal").header.trained is None
    assert [read_info(tmp_path / "a.bal").header.groups[0].variables] == [(5, 4, 3, 2, 1, 0)]
    restored = baler_core.open(tmp_path / "a.bal")
    assert all(np.array_equal(restored[name].values, values) for name, values in arrays.items())


def test_a_reference_is_left_out_where_it_saves_nothing(
    trained: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for seed, arrays in enumerate([rows(1, 5), {name: np.zeros(400, a.dtype) for name, a in GIVEN.items()}]):
        fresh = baler_core.compress(arrays, tmp_path / f"fresh{seed}.bal", bounds="lossless", model=MODEL)
        done = baler_core.compress(
            arrays,
            tmp_path / f"a{seed}.bal",
            bounds="lossless",
            model=MODEL,
            trained=trained,
            model_storage="reference",
        )
        assert done.file_bytes <= fresh.file_bytes
        assert not done.trained
    assert "needs no trained models" in caplog.text
    assert not list(tmp_path.glob("tmp*"))


def events(count: int, seed: int) -> ArraySource:
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 4, count)
    items = rows(int(counts.sum()), seed)
    arrays = {"n": counts, **items}
    variables = tuple(Variable(n, a.dtype.str, ("event",) if n == "n" else ("item",)) for n, a in arrays.items())
    return ArraySource(Schema(variables, {"event": count, "item": int(counts.sum())}, {"item": "n"}), arrays)


def test_collections_of_events_are_primed(tmp_path: Path) -> None:
    registry = load_plugins()
    reader = registry.reader("npz")()

    def config(storage: str, path: Path):  # type: ignore[no-untyped-def]
        stated = {"bounds": "lossless", "model": MODEL, "model_storage": storage}
        return config_of_arguments("compress", stated, registry, source=None, output=path)

    def given(count: int, seed: int) -> Input:
        return Input(reader, events(count, seed), "events", 1000)

    model = train_input(
        config("inside", tmp_path / "m.balm"), registry, output=tmp_path / "m.balm", source=given(2500, 1)
    )
    done, fresh = (
        compress_input(
            config(storage, tmp_path / "a.bal"),
            registry,
            source=given(100, 2),
            output=tmp_path / f"{storage}.bal",
            model=model if storage == "reference" else None,
        )
        for storage in ("reference", "inside")
    )
    assert done.file_bytes < 0.8 * fresh.file_bytes
    path = tmp_path / "reference.bal"
    theirs = reference.restore(path.read_bytes(), trained=model.read_bytes())
    ours = baler_core.open_file(path, trained=model)
    (block,) = events(100, 2).blocks(1 << 20)
    for name in block.variables:
        np.testing.assert_array_equal(ours[name][:], block[name].values)
        np.testing.assert_array_equal(theirs[name], block[name].values)


@pytest.mark.parametrize(
    "forged",
    [
        b"x",
        b"[]",
        b'[["kind","<i8"],["kind","<i8"]]',
        b'[["a"]]',
        b'[["a","|O"]]',
        b'[["a","<i8",3]]',
        b"[" * 9000,
        b"\xff",
    ],
)
def test_forged_names_are_refused(forged: bytes, trained: Path, tmp_path: Path) -> None:
    baler_core.compress(
        GIVEN, tmp_path / "a.bal", bounds="lossless", model=MODEL, trained=trained, model_storage="reference"
    )
    with BalFile(tmp_path / "a.bal", load_plugins(), Lookup(trained)) as file:
        state, layout = file.state(0, 0), file.layout(0, 0)
        streams = dict(file.stored_block(0, whole=True).streams(0))
    for name, value in (("columns", np.frombuffer(forged, "u1")), ("primer events", np.array([-1, 3]))):
        loaded = TableModel(TableModel.Options(effort="balanced", network="off"))
        loaded.load_state({**state, name: value})
        with pytest.raises(FormatError):
            loaded.decode(streams, layout, {})
