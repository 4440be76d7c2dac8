"""Fields in blocks and tiles: any number of threads gives the same bits, and a region needs only the tiles it touches."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baler_core import FormatError, Layout, Tolerance, Variable, make_block, values_of
from baler_core.builtin.models.fields import layout as field_layout
from baler_core.builtin.models.fields.layout import Arrangement, arrangements
from baler_core.builtin.models.fields.model import FieldModel
from baler_core.builtin.models.fields.predictive import joint_fields as predictive_fields
from baler_core.builtin.models.fields.predictive import plan as predictive_plan
from baler_core.builtin.models.fields.predictive import restored_fields
from baler_core.builtin.models.fields.predictive.model import PredictiveModel
from baler_core.builtin.models.fields.transform import chunk as transform_chunk
from baler_core.builtin.models.fields.transform.model import TransformModel
from baler_core.builtin.models.fields.window import window_of
from baler_core.data.part import Part
from baler_core.machine import threads as parallel
from baler_core.plugin.interfaces import Effort

DIMS = ("time", "y", "x")
Kind = type[FieldModel]
TOLERANCES = {"u": Tolerance("abs", 1e-2), "v": Tolerance("abs", 1e-2)}


@pytest.fixture(params=[TransformModel, PredictiveModel], ids=["transform", "predictive"])
def kind(request: pytest.FixtureRequest) -> Kind:
    return request.param


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks of 12 frames in time and tiles of about 8000 values."""
    monkeypatch.setattr(field_layout, "LONGEST_BLOCK", 12)
    tiles = field_layout.tiles
    monkeypatch.setattr(field_layout, "tiles", lambda frames, space, most: tiles(frames, space, min(most, 8000)))
    monkeypatch.setattr(predictive_plan, "arrangements_of", lambda *given: [field_layout.Arrangement(0, 1)])
    monkeypatch.setattr(restored_fields, "_FEWEST_FRAMES", 6)
    monkeypatch.setattr(predictive_fields, "_CHUNK_BITS", {"fast": 12, "balanced": 12, "max": 12})


def waves(frames: int = 24, ny: int = 40, nx: int = 48) -> np.ndarray:
    t, y, x = np.meshgrid(np.arange(frames), np.arange(ny), np.arange(nx), indexing="ij")
    smooth = np.sin(x / 7 - t / 5) * np.cos(y / 9) + 0.3 * np.sin(y / 4 + t / 3) + 2
    return (smooth + 0.01 * np.random.default_rng(4).normal(size=smooth.shape)).astype("f4")


def group(values: np.ndarray) -> tuple[object, Layout]:
    variables = tuple(Variable(name, "<f4", DIMS) for name in TOLERANCES)
    layout = Layout("grid", variables, dict(zip(DIMS, values.shape, strict=True)))
    return make_block({"u": (DIMS, values), "v": (DIMS, np.roll(values, 3, axis=2))}), layout


def encoded(kind: Kind, values: np.ndarray, effort: Effort) -> bytes:
    block, layout = group(values)
    return kind(kind.Options(effort=effort)).encode(block, layout, TOLERANCES)["fields"]


def decoded(kind: Kind, data: bytes, layout: Layout) -> dict[str, np.ndarray]:
    restored = kind().decode({"fields": data}, layout, TOLERANCES)
    return {name: values_of(restored, name) for name in TOLERANCES}


@pytest.mark.parametrize("effort", ["fast", "balanced", "max"])
@pytest.mark.usefixtures("small_parts")
def test_threads_change_neither_bytes_nor_bits(kind: Kind, effort: Effort, monkeypatch: pytest.MonkeyPatch) -> None:
    values = waves(24, 24, 36)
    results = []
    for count in (1, 2):
        monkeypatch.setattr(parallel, "workers", lambda count=count: count)
        data = encoded(kind, values, effort)
        results.append((data, decoded(kind, data, group(values)[1])["u"].tobytes()))
    assert results[0] == results[1]


@pytest.mark.parametrize("effort", ["fast", "max"])
@pytest.mark.usefixtures("small_parts")
def test_every_effort_keeps_the_bound_in_many_tiles(kind: Kind, effort: Effort) -> None:
    values = waves(24, 24, 36)
    restored = decoded(kind, encoded(kind, values, effort), group(values)[1])
    assert not TOLERANCES["u"].violations(values, restored["u"]).any()


def test_more_effort_makes_fewer_bytes(kind: Kind) -> None:
    sizes = [len(encoded(kind, waves(), effort)) for effort in ("fast", "balanced", "max")]
    assert sizes[2] <= sizes[1] * 1.01
    assert sizes[1] <= sizes[0] * 1.01


def counted(monkeypatch: pytest.MonkeyPatch, module: object, name: str) -> list[int]:
    """Counts the calls of a function."""
    calls: list[int] = []
    function: Callable[..., object] = getattr(module, name)

    def counting(*arguments: object) -> object:
        calls.append(1)
        return function(*arguments)

    monkeypatch.setattr(module, name, counting)
    return calls


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize(
    "region",
    [
        {"time": slice(3, 5)},
        {"y": slice(30, 38), "x": slice(1, 9)},
        {"time": slice(20, 24, 2), "y": slice(0, 7), "x": slice(40, 48)},
        {"x": slice(5, 5)},
    ],
)
def test_a_region_is_decoded_from_the_tiles_it_touches(
    kind: Kind, region: dict[str, slice], monkeypatch: pytest.MonkeyPatch
) -> None:
    values = waves()
    _, layout = group(values)
    data = encoded(kind, values, "fast")
    places = {"transform": (transform_chunk, "decode_tile"), "predictive": (restored_fields, "decode_integers")}
    calls = counted(monkeypatch, *places[kind.name])
    whole = decoded(kind, data, layout)
    total = len(calls)
    found = kind().decode_part({"fields": data}, layout, TOLERANCES, Part(frozenset(TOLERANCES), region))
    box = tuple(region.get(dim, slice(None)) for dim in DIMS)
    for name in TOLERANCES:
        np.testing.assert_array_equal(found[name], whole[name][box])
    assert total >= 4
    assert len(calls) - total <= total // 2


@pytest.mark.usefixtures("small_parts")
def test_damage_elsewhere_does_not_matter_to_a_region(kind: Kind) -> None:
    values = waves()
    _, layout = group(values)
    data = bytearray(encoded(kind, values, "fast"))
    data[-20] ^= 16
    with pytest.raises(FormatError):
        decoded(kind, bytes(data), layout)
    region = {"time": slice(0, 6), "y": slice(0, 5), "x": slice(0, 5)}
    found = kind().decode_part({"fields": bytes(data)}, layout, TOLERANCES, Part(frozenset(TOLERANCES), region))
    assert not TOLERANCES["u"].violations(values[:6, :5, :5], found["u"]).any()


@given(st.data())
def test_windows_cut_what_slices_cut(data: st.DataObject) -> None:
    shape = tuple(data.draw(st.lists(st.integers(1, 6), min_size=2, max_size=5)))
    choices = [*arrangements(shape, tuple("abcde"[: len(shape)]), {}), Arrangement(len(shape) - 1, 1)]
    arrangement = data.draw(st.sampled_from(choices))
    box = []
    for n in shape:
        first = data.draw(st.integers(0, n))
        box.append(slice(first, data.draw(st.integers(first, n)), data.draw(st.integers(1, 3))))
    values = np.arange(np.prod(shape)).reshape(shape)
    found = window_of(arrangement, shape, tuple(box)).cut(arrangement.forward(values))
    wanted = values[tuple(box)]
    np.testing.assert_array_equal(arrangement.backward(found, wanted.shape), wanted)


BITS = """
import hashlib, sys
import numpy as np
from baler_core.builtin.models.fields.transform.block import Chunk
from baler_core.builtin.models.fields.transform.chunk import encode_chunk, learn, read_chunk
from baler_core.builtin.models.fields.transform.block import Recipe
t, x = np.meshgrid(np.arange(130), np.arange(6000), indexing="ij")
field = (300 * np.sin(x / 70 - t / 5) + 40 * np.cos(x / 9 + t))[:, None, None, None]
block = Chunk(field)
stored = sys.stdin.buffer.read()
if not stored:
    sys.stdout.buffer.write(b"".join(encode_chunk(block, Recipe("basis", 3, 19), learn(block))))
else:
    chunk = read_chunk(stored, field.shape)
    tiles = [chunk.restore(number).tobytes() for number in range(len(chunk.boxes))]
    print(hashlib.sha256(b"".join(tiles)).hexdigest())
"""


def run_with_blas_threads(count: int, stored: bytes) -> bytes:
    threads = {name: str(count) for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")}
    done = subprocess.run(
        [sys.executable, "-c", BITS], input=stored, env={**os.environ, **threads}, capture_output=True, check=True
    )
    return done.stdout


def test_blas_threads_do_not_change_restored_bits() -> None:
    stored = run_with_blas_threads(1, b"")
    assert run_with_blas_threads(1, stored) == run_with_blas_threads(2, stored)
