"""Models trained once serve other files: inside or by reference, refused where they are not the right ones."""

from __future__ import annotations

import io
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

import baler_core
from baler_core import DataError, FormatError
from baler_core.builtin.models.fields import layout as field_layout
from baler_core.builtin.models.fields.transform import chunk, shared_modes
from baler_core.builtin.models.fields.transform.block import Chunk, Recipe
from baler_core.builtin.models.fields.transform.model import TransformModel
from baler_core.builtin.models.fields.transform.shared_modes import Remainder, SharedModes, learn_modes
from baler_core.builtin.models.table.model import TableModel
from baler_core.data.part import Part
from baler_core.data.variables import Layout
from baler_core.format.arrays import decode_state
from baler_core.format.blocks import StoredBlock
from baler_core.format.container import BalReader, BalWriter
from baler_core.format.file_info import read_info
from baler_core.format.header_json import header_from_json
from baler_core.pipeline.compressed import Compressed
from baler_core.plugin.interfaces import State, Streams, Tolerances

Arrays = dict[str, np.ndarray]
BOUNDS: Mapping[str, object] = {"mass": {"rel": 1e-3}, "size": {"rel": 1e-3}, "*": "lossless"}
FAST = {"name": "table", "effort": "fast"}


def table(rows: int, seed: int, scale: float = 1.0) -> Arrays:
    """Columns that tell much about each other."""
    rng = np.random.default_rng(seed)
    mass = rng.lognormal(2, 0.6, rows) * scale
    kind = rng.integers(0, 4, rows)
    size = mass * (1 + kind) * rng.normal(1, 0.003, rows)
    return {"mass": mass.astype("<f4"), "kind": kind.astype("<i4"), "size": size.astype("<f4")}


def field(frames: int, seed: int) -> Arrays:
    """Waves whose phases differ from seed to seed."""
    rng = np.random.default_rng(seed)
    t, y, x = np.meshgrid(np.arange(frames) / 8, np.linspace(0, 2, 24), np.linspace(0, 3, 32), indexing="ij")
    waves = [np.sin(k * x + rng.uniform(0, 6) + t * (1 + k / 3)) * np.cos(k * y + rng.uniform(0, 6)) for k in (1, 2, 3)]
    return {"u": (sum(waves) + 0.002 * rng.normal(size=t.shape)).astype("<f4")}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table model trained on 4000 rows."""
    path = tmp_path_factory.mktemp("trained") / "kind.balm"
    return baler_core.train(table(4000, 1), path, bounds=BOUNDS, model=FAST)


def compress(arrays: Arrays, path: Path, **more: object) -> Compressed:
    return baler_core.compress(arrays, path, bounds=BOUNDS, model=FAST, **more)  # type: ignore[arg-type]


def assert_within(arrays: Arrays, path: Path, trained: Path | None = None) -> None:
    restored = baler_core.open(path, trained=trained)
    for name, values in arrays.items():
        found = restored[name].values
        if values.dtype.kind == "f":
            assert (np.abs(found.astype("f8") - values) <= 1e-3 * np.abs(values)).all()
        else:
            np.testing.assert_array_equal(found, values)


def test_a_reference_saves_what_was_learned(model: Path, tmp_path: Path) -> None:
    arrays = table(300, 2)
    fresh = compress(arrays, tmp_path / "fresh.bal")
    inside = compress(arrays, tmp_path / "inside.bal", trained=model)
    referring = compress(arrays, tmp_path / "referring.bal", trained=model, model_storage="reference")
    assert referring.file_bytes < 0.97 * min(fresh.file_bytes, inside.file_bytes)
    assert (referring.trained, inside.trained) == ("kind.balm", "")
    assert_within(arrays, tmp_path / "inside.bal")
    assert_within(arrays, tmp_path / "referring.bal", trained=model)


def test_the_model_file_is_found_beside_the_compressed_one(model: Path, tmp_path: Path) -> None:
    arrays = table(200, 3)
    compress(arrays, tmp_path / "a.bal", trained=model, model_storage="reference")
    with pytest.raises(FormatError) as caught:
        baler_core.open(tmp_path / "a.bal")
    for part in ("'kind.balm'", "SHA-256", str(tmp_path / "kind.balm"), "not there", "--model"):
        assert part in str(caught.value)
    shutil.copy(model, tmp_path / "kind.balm")
    assert_within(arrays, tmp_path / "a.bal")


def test_another_model_file_is_refused(model: Path, tmp_path: Path) -> None:
    compress(table(200, 3), tmp_path / "a.bal", trained=model, model_storage="reference")
    other = baler_core.train(table(2000, 9), tmp_path / "kind.balm", bounds=BOUNDS, model=FAST)
    for trained in (None, other):
        with pytest.raises(FormatError, match="another file, SHA-256"):
            baler_core.open(tmp_path / "a.bal", trained=trained)
    with pytest.raises(FormatError, match="not there"):
        baler_core.decompress(tmp_path / "a.bal", tmp_path / "out.npz", trained=tmp_path / "absent.balm")
    assert not (tmp_path / "out.npz").exists()


@pytest.mark.parametrize("name", ["../kind.balm", "/etc/passwd", "a/b.balm", "..", "", "a\\b", "C:x", "a\0b"])
def test_a_name_that_is_a_path_is_refused(model: Path, tmp_path: Path, name: str) -> None:
    compress(table(200, 3), tmp_path / "a.bal", trained=model, model_storage="reference")
    shutil.copy(model, tmp_path / "kind.balm")
    with BalReader(tmp_path / "a.bal") as stored, (tmp_path / "b.bal").open("wb") as file:
        writer = BalWriter(file)
        for number in range(len(stored.sections) - 1):
            writer.add(stored.section(number))
        writer.finish({**stored.header, "trained": [name, *stored.header["trained"][1:]]})
    with pytest.raises(FormatError, match="bare name"):
        baler_core.open(tmp_path / "b.bal", trained=model)
    with pytest.raises(FormatError, match="bare name"):
        read_info(tmp_path / "b.bal")


@pytest.mark.parametrize("trained", [["m", "0" * 63, [[0, 0]]], ["m", "0" * 64, []], ["m", "0" * 64, [[9, 0]]], "m"])
def test_an_impossible_reference_is_refused(model: Path, tmp_path: Path, trained: object) -> None:
    compress(table(200, 3), tmp_path / "a.bal", trained=model, model_storage="reference")
    with BalReader(tmp_path / "a.bal") as stored:
        header_from_json(stored.header)
        with pytest.raises(FormatError):
            header_from_json({**stored.header, "trained": trained})


def test_other_data_are_learned_anew_and_it_is_said(
    model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rng = np.random.default_rng(4)
    strange = {
        "mass": np.exp(rng.normal(40, 9, 3000)).astype("<f4"),
        "kind": rng.integers(-(10**6), 10**6, 3000, "<i4"),
    }
    strange["size"] = (strange["mass"] * 3).astype("<f4")
    with caplog.at_level(logging.WARNING):
        done = compress(strange, tmp_path / "a.bal", trained=model, model_storage="reference")
    assert "learned anew" in caplog.text
    assert done.trained == ""
    assert done.file_bytes <= compress(strange, tmp_path / "fresh.bal").file_bytes
    assert_within(strange, tmp_path / "a.bal")


def test_other_variables_are_learned_anew_and_named(
    model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    arrays = table(300, 5)
    arrays["colour"] = arrays.pop("kind")
    with caplog.at_level(logging.WARNING):
        compress(arrays, tmp_path / "a.bal", trained=model)
    assert "unknown to them: colour; missing here: kind" in caplog.text
    assert_within(arrays, tmp_path / "a.bal")


def test_values_beyond_what_was_seen_are_kept(model: Path, tmp_path: Path) -> None:
    arrays = table(2000, 6)
    arrays["mass"][:4] = [0.0, np.float32(1e-30), np.float32(1e30), -5.0]
    arrays["kind"][5] = 2**31 - 1
    compress(arrays, tmp_path / "a.bal", trained=model, model_storage="reference")
    assert_within(arrays, tmp_path / "a.bal", trained=model)


def test_a_file_that_refers_cannot_be_referred_to(model: Path, tmp_path: Path) -> None:
    shutil.copy(model, tmp_path / "kind.balm")
    compress(table(200, 3), tmp_path / "a.bal", trained=model, model_storage="reference")
    with pytest.raises(DataError, match=r"kind\.balm"):
        compress(table(200, 4), tmp_path / "b.bal", trained=tmp_path / "a.bal")


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A transform model trained on 48 frames."""
    path = tmp_path_factory.mktemp("trained") / "flow.balm"
    return baler_core.train(field(48, 1), path, bounds={"abs": 0.05}, model="transform")


def compress_field(arrays: Arrays, path: Path, **more: object) -> Compressed:
    done = baler_core.compress(arrays, path, bounds={"abs": 0.05}, model="transform", **more)  # type: ignore[arg-type]
    restored = baler_core.open(path, trained=more.get("trained"))  # type: ignore[arg-type]
    assert np.abs(restored["u"].values.astype("f8") - arrays["u"]).max() <= 0.05
    return done


@pytest.mark.parametrize("frames", [48, 31])
def test_modes_of_another_series_foretell_this_one(flow: Path, tmp_path: Path, frames: int) -> None:
    arrays = {"u": field(80, 1)["u"][-frames:]}
    fresh = compress_field(arrays, tmp_path / "fresh.bal")
    inside = compress_field(arrays, tmp_path / "inside.bal", trained=flow)
    referring = compress_field(arrays, tmp_path / "referring.bal", trained=flow, model_storage="reference")
    assert referring.trained == "flow.balm"
    assert referring.file_bytes < 0.7 * fresh.file_bytes
    assert inside.file_bytes < 1.04 * fresh.file_bytes


def test_fields_on_another_grid_do_without_modes(flow: Path, tmp_path: Path) -> None:
    arrays = {"u": field(20, 1)["u"][:, :17, :].copy()}
    fresh = compress_field(arrays, tmp_path / "fresh.bal")
    done = compress_field(arrays, tmp_path / "referring.bal", trained=flow, model_storage="reference")
    assert done.file_bytes < 1.04 * fresh.file_bytes + 100


def stored_parts(trained: Path, bal: Path) -> tuple[State, Streams, Layout, Tolerances]:
    """What a model file and a file that refers to it hold of their first group."""
    with BalReader(trained) as stored:
        header = header_from_json(stored.header)
        state = decode_state(stored.section(header.groups[0].state_sections[0]), memory_limit=1 << 30)
    with BalReader(bal) as stored:
        coded = header_from_json(stored.header)
        streams = StoredBlock(stored, 0, 0, len(coded.groups), memory_limit=1 << 30).streams(0)
    layout = coded.layout(coded.groups[0], coded.schema.sizes)
    return state, dict(streams), layout, coded.tolerance_of(layout)


def test_damaged_modes_are_refused(flow: Path, tmp_path: Path) -> None:
    arrays = {"u": field(80, 1)["u"][48:]}
    compress_field(arrays, tmp_path / "a.bal", trained=flow, model_storage="reference")
    state, streams, layout, tolerances = stored_parts(flow, tmp_path / "a.bal")
    modes = next(name for name in state if name.endswith("modes"))
    for broken in (np.zeros(5), state[modes][:, :, :, :, :7], state[modes].astype("f4"), np.zeros(0, np.int16)):
        model = TransformModel()
        model.load_state({**state, modes: broken})
        with pytest.raises(FormatError):
            model.decode(streams, layout, tolerances)


def test_a_region_is_decoded_with_modes(flow: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(field_layout, "LONGEST_BLOCK", 12)
    for module in (shared_modes, chunk):
        monkeypatch.setattr(module, "tiles", lambda frames, space: field_layout.tiles(frames, space, 3000))
    arrays = {"u": field(80, 1)["u"][48:]}
    done = compress_field(arrays, tmp_path / "a.bal", trained=flow, model_storage="reference")
    assert done.trained == "flow.balm"
    state, streams, layout, tolerances = stored_parts(flow, tmp_path / "a.bal")
    model = TransformModel()
    model.load_state(state)
    whole = model.decode(streams, layout, tolerances)["u"].values
    region = dict(zip(layout.variables[0].dims, (slice(9, 15), slice(2, 20, 3), slice(30, 32)), strict=True))
    found = model.decode_part(streams, layout, tolerances, Part(frozenset(["u"]), region))["u"]
    np.testing.assert_array_equal(found, whole[9:15, 2:20:3, 30:32])


def test_what_was_explained_is_checked() -> None:
    t, _, _, y, x = np.meshgrid(np.arange(20), [0], [0], np.arange(9), np.arange(11), indexing="ij")
    block = Chunk(90 * np.sin(x / 3 - t) * np.cos(y / 4) + 200.0)
    modes = SharedModes.of(learn_modes(block), block.shape[1:])
    assert modes is not None
    left = Remainder(block, modes.find(block, 0))
    explained = left.explained.to_bytes()
    np.testing.assert_array_equal(modes.read(explained, 20).coefficients, left.explained.coefficients)
    data = b"".join(chunk.encode_chunk(left, Recipe("none", 1, 8, shared_modes=True), None, explained))
    restored = chunk.read_chunk(data, block.shape, modes).restore(0)
    assert np.abs(restored - block.field).max() <= 1 + 1e-9
    with pytest.raises(FormatError, match="modes"):
        chunk.read_chunk(data, block.shape)
    place = data.index(explained)
    for number in range(1, len(explained), 5):
        damaged = bytearray(data)
        damaged[place + number] ^= 4
        with pytest.raises(FormatError):
            chunk.read_chunk(bytes(damaged), block.shape, modes).restore(0)


def test_predicted_fields_are_planned_once(tmp_path: Path) -> None:
    bounds = {"abs": 1e-3}
    model = baler_core.train(field(24, 1), tmp_path / "p.balm", bounds=bounds, model="predictive")
    arrays = field(31, 2)
    fresh = baler_core.compress(arrays, tmp_path / "fresh.bal", bounds=bounds, model="predictive")
    done = baler_core.compress(
        arrays, tmp_path / "a.bal", bounds=bounds, model="predictive", trained=model, model_storage="reference"
    )
    assert done.trained == ""
    assert done.file_bytes < 1.03 * fresh.file_bytes
    restored = baler_core.open(tmp_path / "a.bal")["u"].values
    assert np.abs(restored.astype("f8") - arrays["u"]).max() <= 1e-3


@pytest.mark.parametrize("name", ["auto", "table", "transform", "predictive"])
def test_the_same_seed_gives_the_same_bytes(name: str, tmp_path: Path) -> None:
    arrays = {**table(300, 1), **field(6, 1)}
    for number in (1, 2):
        baler_core.compress(arrays, tmp_path / f"{number}.bal", bounds={"u": {"abs": 1e-3}}, model=name)
    assert (tmp_path / "1.bal").read_bytes() == (tmp_path / "2.bal").read_bytes()


class Terminal(io.StringIO):
    """Standard error that claims to be watched."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("name", "arrays", "unit"),
    [
        ("table", table(400, 1), "bits/row"),
        ("transform", field(9, 1), "bits/value"),
        ("predictive", field(9, 1), "bits/value"),
    ],
)
def test_learning_shows_its_rate_on_terminals_only(
    name: str, arrays: Arrays, unit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for stream, wanted in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr("sys.stderr", stream)
        baler_core.compress(arrays, tmp_path / "x.bal", bounds={"abs": 1e-2}, model=name)
        assert (unit in stream.getvalue()) == wanted
        assert bool(stream.getvalue()) == wanted


def test_rows_of_the_other_table_prime_the_counters(tmp_path: Path) -> None:
    rng = np.random.default_rng(8)
    levels = rng.lognormal(0, 1, 400)

    def rows(count: int, seed: int) -> Arrays:
        drawn = np.random.default_rng(seed)
        kind = drawn.integers(0, 400, count)
        return {"kind": kind, "level": np.round(levels[kind] * 1000).astype("<i4") + drawn.integers(0, 3, count)}

    model = baler_core.train(rows(6000, 1), tmp_path / "m.balm", bounds="lossless", model="table")
    arrays = rows(300, 2)
    done = baler_core.compress(
        arrays, tmp_path / "a.bal", bounds="lossless", model="table", trained=model, model_storage="reference"
    )
    fresh = baler_core.compress(arrays, tmp_path / "b.bal", bounds="lossless", model="table")
    assert done.file_bytes < 0.8 * fresh.file_bytes
    restored = baler_core.open(tmp_path / "a.bal", trained=model)
    for name, values in arrays.items():
        np.testing.assert_array_equal(restored[name].values, values)


def test_damaged_primers_are_refused(model: Path, tmp_path: Path) -> None:
    compress(table(300, 2), tmp_path / "a.bal", trained=model, model_storage="reference")
    state, streams, layout, tolerances = stored_parts(model, tmp_path / "a.bal")
    good = state["primer 1"]
    for broken in (good[:-1], good + 10**6, good.astype("f8"), good[:, None], None):
        damaged = {name: array for name, array in state.items() if name != "primer 1"}
        loaded = TableModel(TableModel.Options(effort="fast"))
        loaded.load_state(damaged if broken is None else {**damaged, "primer 1": broken})
        with pytest.raises(FormatError):
            loaded.decode(streams, layout, tolerances)
