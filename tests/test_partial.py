"""What is restored of a part of a file is, bit for bit, the same part of what is restored of the whole."""

from __future__ import annotations

import pickle
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import reference

import baler_core
from baler_core import Layout, Part, Tolerance, Training, Variable
from baler_core.builtin.models.fields.layout import read_arrangement
from baler_core.builtin.models.fields.predictive import restored_fields
from baler_core.builtin.models.fields.transform import chunk
from baler_core.builtin.models.table import restored_blocks
from baler_core.builtin.models.table.model import TableModel
from baler_core.builtin.models.table.row_blocks import split_blocks
from baler_core.data.block import make_block, values_of
from baler_core.data.variables import Schema
from baler_core.errors import FormatError
from baler_core.format.ranged import RangeReader
from baler_core.format.streams import COMMON_BYTES, PackedStreams, pack_streams, unpack_streams
from baler_core.pipeline.chunking import chunks_of
from baler_core.pipeline.decode import BalFile
from baler_core.quantise.exact_zeros import keep_zeros, keep_zeros_again
from baler_core.quantise.settle import SETTLE_STREAM, flagged

GOLDEN = [path for path in sorted((Path(__file__).parent / "golden").glob("*.bal")) if path.read_bytes()[4] == 1]
N = 1500


def waves() -> dict[str, np.ndarray]:
    """Fields that change their sign, with holes, many exact zeros, whole numbers and steps."""
    rng = np.random.default_rng(1)
    t, y, x = np.meshgrid(np.arange(24), np.linspace(0, 6, 30), np.linspace(0, 9, 26), indexing="ij")
    u = (np.sin(x - t / 5) * np.cos(y)).astype("<f4")
    hollow = u.astype("<f8") + 0.01 * rng.normal(size=u.shape)
    hollow[:, 5:9, 3:9], hollow[2, 0, 0], hollow[3, 1, 1] = np.nan, np.inf, -0.0
    rain = np.where(u > 0.2, u, 0).astype("<f4")
    noisy = (u + 0.05 * rng.normal(size=u.shape)).astype("<f4")
    return {"u": u, "hollow": hollow, "rain": rain, "noisy": noisy, "whole": np.rint(40 * u).astype("<i2")}


def columns() -> dict[str, np.ndarray]:
    """A table with columns that follow from others, special values, text, and errors of its own."""
    rng = np.random.default_rng(2)
    pt = rng.exponential(30, N).astype("<f4")
    pt[[3, 40]] = [np.nan, 0.0]
    e, y = np.exp(rng.normal(0, 1, N)), rng.normal(size=N)
    return {
        "pt": pt,
        "e": e,
        "y": y,
        "x": 3 * y + 0.1 * e * rng.normal(size=N),
        "sum": pt + y,
        "copy": pt.copy(),
        "charge": rng.integers(-1, 2, N).astype("<i1"),
        "wide": rng.integers(0, 2**63, N),
        "label": rng.choice(["signal", "background", "café"], N),
        "complex": rng.normal(size=N) + 1j,
    }


FIELDS: dict[str, Any] = {
    "scalar": {"*": {"abs": 0.01}},
    "predictive": {"rain": {"range": 1e-3}, "*": {"abs": 0.02}},
    "transform": {"noisy": {"rms": 0.02, "abs": 0.1}, "*": {"abs": 0.05}},
    "auto": {"u": {"abs": 0.03, "sign": "keep"}, "noisy": {"abs": "0.1 * hollow"}, "*": {"rel": 0.01}},
    "conv_autoencoder": "lossless",
}
TABLES: dict[str, Any] = {
    "scalar": {"x": {"abs": "0.1 * e"}, "e": {"rel": 0.05}, "y": {"abs": 0.01}, "*": "lossless"},
    "table": {"x": {"abs": "0.1 * e"}, "e": {"rel": 0.05}, "y": {"abs": 0.01}, "pt": {"rel": 1e-3}, "*": "lossless"},
    "auto": {"y": {"rms": 0.01, "abs": 0.05, "threshold": 0}, "*": {"rel": 1e-2}},
}


def written(folder: Path, data: Any, model: str, bounds: Any, **options: Any) -> Path:
    path = folder / f"{model}.bal"
    stated: Any = {"name": model, "effort": "fast"} if model in ("predictive", "transform", "table", "auto") else model
    baler_core.compress(data, path, bounds=bounds, model=stated, overwrite=True, **options)
    return path


def whole(path: Path) -> dict[str, np.ndarray]:
    """All values as a whole read restores them."""
    pieces: dict[str, list[np.ndarray]] = {}
    with BalFile(path, None) as file:
        for block in file.blocks():
            for name in block:
                pieces.setdefault(name, []).append(values_of(block, name))
    return {name: np.concatenate(parts) if parts[0].ndim else parts[0] for name, parts in pieces.items()}


def same(found: Any, wanted: Any) -> None:
    found, wanted = np.asarray(found), np.asarray(wanted)
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    assert found.tolist() == wanted.tolist() if wanted.dtype.kind == "O" else found.tobytes() == wanted.tobytes()


def some_key(rng: np.random.Generator, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """What a user may put in square brackets."""
    key: list[Any] = []
    for length in shape:
        low, high = sorted(int(n) for n in rng.integers(0, length + 1, 2))
        ways = [slice(low, high), slice(None), slice(high, low, -2), int(rng.integers(-length, length))]
        key.append(ways[int(rng.integers(len(ways)))])
    return tuple(key)


def compare(path: Path, tries: int = 25) -> None:
    everything, rng = whole(path), np.random.default_rng(3)
    for cache in (0, 30_000, "256 MB"):
        file = baler_core.open_file(path, cache=cache)
        assert set(file) == set(everything)
        for _ in range(tries):
            name = str(rng.choice(list(everything)))
            key = some_key(rng, everything[name].shape)
            same(file[name][key], everything[name][key])
    with baler_core.open_file(path) as file:
        for name, values in everything.items():
            same(file[name], values)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_parts_of_files_of_version_1(path: Path) -> None:
    compare(path, tries=12)


@pytest.mark.parametrize("model", [name for name in FIELDS if name != "conv_autoencoder"])
def test_parts_of_fields(model: str, tmp_path: Path) -> None:
    path = written(tmp_path, waves(), model, FIELDS[model], block_bytes=200_000)
    assert path.read_bytes()[4] == 2
    compare(path)


@pytest.mark.parametrize("model", list(TABLES))
@pytest.mark.parametrize("blocks", [1, 3])
def test_parts_of_tables(model: str, blocks: int, tmp_path: Path) -> None:
    data = columns()
    size = sum(values.nbytes for values in data.values())
    compare(written(tmp_path, data, model, TABLES[model], block_bytes=size // blocks + 1000))


def test_parts_where_preprocessors_and_noise_stand_between(tmp_path: Path) -> None:
    preprocess = [{"name": "log", "variables": ["pt"]}]
    data = {"pt": np.abs(columns()["y"]) + 1, "y": columns()["y"]}
    compare(written(tmp_path, data, "table", {"*": {"rel": 0.01}}, preprocess=preprocess), tries=8)
    compare(written(tmp_path, waves(), "scalar", {"noisy": {"noise": 0.5}, "*": {"abs": 0.1}}), tries=8)


def test_parts_of_what_is_settled_by_all_values_together(tmp_path: Path) -> None:
    bounds = {"u": {"abs": 0.05, "sign": "keep"}, "rain": {"abs": 0.01}}
    data = waves()
    path = written(tmp_path, {"u": data["u"], "rain": data["rain"]}, "predictive", bounds)
    compare(path, tries=8)
    with BalFile(path, None) as file:
        streams, layout = file.stored_block(0).streams(0), file.layout(0, 0)
        assert "u" in flagged(streams[SETTLE_STREAM], layout)


@pytest.mark.parametrize("kind", ["land", "rain", "hits"])
def test_zeros_of_a_part_are_those_of_the_whole(kind: str) -> None:
    rng = np.random.default_rng(3)
    t, y, x = np.mgrid[:8, :40, :50]
    field = 100 * (np.sin(0.31 * x + 0.2 * t) + np.cos(0.25 * y))
    values = {
        "land": np.where(field[0] > 20, 0, field + 1000),
        "rain": np.maximum(field - 50, 0),
        "hits": np.where(rng.random(field.shape) < 0.98, 0, rng.exponential(300, field.shape)),
    }[kind]
    noisy = values + rng.uniform(-2.9, 2.9, values.shape)
    dims = ("t", "y", "x")
    layout = Layout("grid", (Variable("v", "<f8", dims),), dict(zip(dims, values.shape, strict=True)))
    tolerances, whole_of = {"v": Tolerance("abs", 3.0, sign="auto")}, {"v": noisy.copy()}
    stored, _ = keep_zeros(make_block({"v": (dims, values)}), whole_of, layout, tolerances, lambda: 10**9)
    assert stored
    for region in ({"t": slice(2, 5), "x": slice(7, 31)}, {"y": slice(39, 40)}, {"x": slice(4, 4)}):
        part = Part(frozenset("v"), region)
        box = part.box(layout.variables[0])
        found = {"v": noisy[box].copy()}
        keep_zeros_again(stored, found, layout, tolerances, part)
        np.testing.assert_array_equal(found["v"], whole_of["v"][box])


def test_rows_of_events_bring_their_jagged_values(tmp_path: Path) -> None:
    ak = pytest.importorskip("awkward")
    rng = np.random.default_rng(4)
    counts = rng.integers(0, 5, 900)
    flat = rng.exponential(30, counts.sum()).astype("<f4")
    events = ak.Array({"met": rng.normal(size=900), "jet": ak.unflatten(flat, counts)})
    path = written(tmp_path, events, "auto", {"*": {"rel": 1e-3}}, block_bytes=6000)
    everything = whole(path)
    file = baler_core.open_file(path)
    assert len(file.header.blocks) > 2
    (jagged,) = [name for name in file if file[name].dims[0] in file.counts]
    starts = np.concatenate([[0], np.cumsum(everything[file.counts[file[jagged].dims[0]]])])
    for start, stop in [(0, 900), (0, 0), (899, 900), (250, 610), (899, 899), (900, 900)]:
        found = file.rows(start, stop)
        same(found["met"], everything["met"][start:stop])
        same(found[jagged], everything[jagged][starts[start] : starts[stop]])
    with pytest.raises(IndexError, match="900 rows"):
        file.rows(890, 901)


@pytest.mark.parametrize("cache", [0, "1 MB"])
def test_rows_of_many_variables_are_restored_together(cache: Any, tmp_path: Path) -> None:
    data = columns()
    path = written(tmp_path, data, "table", TABLES["table"], block_bytes=40_000)
    everything, file = whole(path), baler_core.open_file(path, cache=cache)
    assert len(file.header.blocks) > 2
    for start, stop in [(0, N), (N, N), (5, 9), (300, 1450), (0, 40)]:
        found = file.rows(start, stop)
        assert list(found) == list(file)
        for name, values in found.items():
            same(values, everything[name][start:stop])
            values[:] = values[:1] if len(values) else values
    same(file.rows(3, 8, names=["x", "label"])["x"], everything["x"][3:8])


def test_a_copy_in_another_process_opens_the_file_again(tmp_path: Path) -> None:
    path = written(tmp_path, columns(), "scalar", "lossless")
    file = baler_core.open_file(path, cache="1 MB")
    again = pickle.loads(pickle.dumps(file))  # noqa: S301
    same(again["pt"], file["pt"])
    array = pickle.loads(pickle.dumps(file["y"]))  # noqa: S301
    same(array[5:9], file["y"][5:9])
    assert len(pickle.dumps(file)) < 1000
    stored = pickle.dumps(file)
    written(tmp_path, {"pt": columns()["pt"][:-1]}, "scalar", "lossless")
    same(file["pt"], columns()["pt"])
    with pytest.raises(OSError, match="has changed since"):
        pickle.loads(stored)  # noqa: S301


def test_several_threads_get_the_same(tmp_path: Path) -> None:
    path = written(tmp_path, {**waves()}, "predictive", {"*": {"abs": 0.02}}, block_bytes=150_000)
    everything, file, wrong = whole(path), baler_core.open_file(path, cache="1 MB"), []

    def ask(seed: int) -> None:
        rng = np.random.default_rng(seed)
        for _ in range(15):
            name = str(rng.choice(list(everything)))
            key = some_key(rng, everything[name].shape)
            if np.asarray(file[name][key]).tobytes() != np.asarray(everything[name][key]).tobytes():
                wrong.append((name, key))

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_what_is_returned_may_be_changed(tmp_path: Path) -> None:
    file = baler_core.open_file(written(tmp_path, columns(), "table", TABLES["table"]))
    first = file["pt"][:]
    first[:] = 0
    assert np.nanmax(file["pt"][:]) > 0
    part = file["pt"][4:9]
    part[:] = 0
    assert np.nanmax(file["pt"][4:9]) > 0


@pytest.mark.parametrize("lengths", [[5, 70], [COMMON_BYTES, 1, COMMON_BYTES + 7, 300_000, 9], [0, 0, 3], []])
def test_streams_of_any_lengths_are_found_again(lengths: list[int]) -> None:
    rng = np.random.default_rng(5)
    groups = [
        {"plain": bytes(length), "random": rng.bytes(length), "text": b"compressible " * (length // 13)}
        for length in lengths
    ]
    packed = pack_streams(groups)
    assert unpack_streams(packed, memory_limit=1 << 30) == groups
    for number, group in enumerate(groups):
        assert PackedStreams(packed, 1 << 30).whole(number) == group


@pytest.mark.parametrize("model", ["transform", "predictive"])
@pytest.mark.parametrize("chunks", [{"dim0": 5}, {"dim0": 9, "dim1": 16, "dim2": 13}])
def test_chunks_are_restored_by_themselves(
    tmp_path: Path, model: str, chunks: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their values hold the bound, are the same in any part, and as a decoder of the format page finds them."""
    u, path = waves()["u"] + 10, tmp_path / "a.bal"
    stated: dict[str, Any] = {"bounds": {"*": {"abs": 2e-3}}, "model": {"name": model, "effort": "fast"}}
    baler_core.compress({"u": u, "v": u[:, ::-1]}, path, chunks=chunks, **stated)
    whole = baler_core.open(path, as_="numpy")
    assert np.abs(whole["u"] - u).max() <= 2e-3
    for name, values in reference.restore(path.read_bytes()).items():
        np.testing.assert_array_equal(values, whole[name])
    places = {"transform": (chunk, "decode_tile"), "predictive": (restored_fields, "decode_integers")}
    decoded, (module, name) = [], places[model]
    decode = getattr(module, name)
    monkeypatch.setattr(module, name, lambda *given: decoded.append(1) or decode(*given))
    with baler_core.open_file(path) as file:
        lengths = tuple(chunks.get(f"dim{axis}", length) for axis, length in enumerate(u.shape))
        assert file["u"].chunks == lengths
        one = tuple(slice(0, n // 2) for n in lengths)
        np.testing.assert_array_equal(file["u"][one], whole["u"][one])
        assert len(decoded) == 1
        np.testing.assert_array_equal(file["u"][3:11, 5, ::4], whole["u"][3:11, 5, ::4])


@pytest.mark.parametrize("effort", ["fast", "balanced"])
@pytest.mark.parametrize("model", ["transform", "predictive"])
def test_frames_after_the_last_one_wanted_are_not_decoded(
    tmp_path: Path, model: str, effort: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Along whichever axis a model takes for that of frames."""
    u, path = waves()["noisy"] + 10, tmp_path / "a.bal"
    baler_core.compress({"u": u}, path, bounds={"*": {"abs": 2e-2}}, model={"name": model, "effort": effort})
    whole, decoded = baler_core.open(path, as_="numpy")["u"], list[int]()
    module, name = {"transform": (chunk, "decode_tile"), "predictive": (restored_fields, "decode_integers")}[model]
    decode = getattr(module, name)

    def counted(*given: Any) -> Any:
        found = decode(*given)
        decoded.append(len(getattr(found, "corrections", found)))
        return found

    monkeypatch.setattr(module, name, counted)
    for axis in range(3):
        some = tuple(slice(2, 7) if axis == number else slice(None) for number in range(3))
        with baler_core.open_file(path) as file:
            np.testing.assert_array_equal(file["u"][some], whole[some])
    assert min(decoded) == 7


def test_chunks_of_rows_are_restored_by_themselves(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rng, path = np.random.default_rng(4), tmp_path / "a.bal"
    data = {"pt": rng.exponential(30, 2000), "n": rng.poisson(3, 2000)}
    stated: dict[str, Any] = {"bounds": {"pt": {"rel": 1e-3}}, "model": {"name": "table", "effort": "fast"}}
    baler_core.compress(data, path, chunks={"dim0": 300}, **stated)
    with BalFile(path, None) as stored:
        streams = stored.stored_block(0).streams(0)
        assert [(b.rows.start, b.rows.stop) for b in split_blocks(streams, 2000)][1:3] == [(300, 600), (600, 900)]
    with baler_core.open_file(path) as file:
        assert file["pt"].chunks == (300,)
        assert (np.abs(file["pt"][580:620] / data["pt"][580:620] - 1) <= 1e-3).all()
        np.testing.assert_array_equal(file["n"][:], data["n"])
    with pytest.raises(
        baler_core.ConfigError, match=r"chunks: the input has no dimension 'dim1'\. Did you mean 'dim0'\?"
    ):
        baler_core.compress(data, path, chunks={"dim1": 300}, **stated)
    baler_core.compress(data, path, chunks={"dim0": 300}, bounds="lossless", model="scalar", overwrite=True)
    assert "the model scalar does not cut it into 'chunks': it is restored as a whole" in caplog.text


@pytest.mark.parametrize("outside", [3, 400])
def test_rows_after_the_last_one_wanted_are_not_decoded(outside: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever lies outside the ranges of a plan; where a compressor has gone over that, columns before it are decoded whole."""
    rng = np.random.default_rng(7)
    names = [f"c{number}" for number in range(8)]
    variables = tuple(Variable(name, "<i4", ("row",)) for name in names)
    walks = np.cumsum(rng.poisson(2, (8, 3000)), axis=0).astype("<i4")
    known = dict(zip(names, walks, strict=True))
    given = {name: values.copy() for name, values in known.items()}
    given["c3"][rng.choice(3000, outside, replace=False)] = rng.integers(2**20, 2**22, outside)
    given["c5"][[10, 20, 2900]] = 10_000
    model, layout = TableModel(TableModel.Options(effort="fast")), Layout("table", variables, {"row": 3000})
    tolerances = {name: Tolerance("exact") for name in names}
    fitted, block = (layout.build(values) for values in (known, given))
    model.fit([fitted], layout=layout, tolerances=tolerances, training=Training())
    streams = model.encode(block, layout, tolerances)
    decoded, decode = [], restored_blocks.decode_symbols
    monkeypatch.setattr(
        restored_blocks, "decode_symbols", lambda data, rows, *more: decoded.append(rows) or decode(data, rows, *more)
    )
    found = model.decode_part(streams, layout, tolerances, Part(frozenset(names), {"row": slice(15, 40)}))
    for name in names:
        np.testing.assert_array_equal(found[name], given[name][15:40])
    assert set(decoded) == ({40} if outside == 3 else {40, 3000})
    assert decoded.count(3000) <= len(names) // 2


def test_chunks_of_events_count_their_rows() -> None:
    variables = Variable("n", "<i4", ("event",)), Variable("pt", "<f4", ("jet",))
    schema = Schema(variables, {"event": 1000, "jet": 2500}, {"jet": "n"}, {})
    layout = Layout("table", variables[1:], {"jet": 700}, "n")
    assert chunks_of({"event": 100}, schema, layout) == {"jet": 250}
    assert chunks_of({"other": 100}, schema, layout) == {}


def test_a_few_bytes_do_not_speak_of_many_chunks() -> None:
    forged = bytes([64, 1, 1, 1, 1]) + bytes(40)
    with pytest.raises(FormatError, match="more chunks than there are"):
        read_arrangement(RangeReader(forged), (100, 100, 100))
