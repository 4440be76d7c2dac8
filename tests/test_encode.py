"""Arrays and objects become bytes and come back; an Encoder plans once; damaged bytes are refused."""

from __future__ import annotations

import pickle
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import reference
import xarray as xr

import baler_core
from baler_core import Decoder, Encoder, FormatError, decode, encode
from baler_core.format.bare import unpack_bare


def smooth(shape: tuple[int, ...] = (40, 50), dtype: str = "<f4") -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]]
    return (100 * np.sin(x / 9) * np.cos(y / 7)).astype(dtype)


RNG = np.random.default_rng(8)
ARRAYS: list[tuple[Any, Any, float]] = [
    (smooth(), {"abs": 0.01}, 0.01),
    (smooth(), {"range": 1e-3}, 0.2),
    (smooth(dtype=">f8"), {"abs": 0.5, "sign": "keep"}, 0.5),
    (smooth(dtype=">i4"), {"abs": 2}, 2),
    (RNG.normal(size=3000), {"abs": 0.01}, 0.01),
    (RNG.normal(size=(9, 8, 7)), {"rms": 0.01, "abs": 0.05}, 0.05),
    (smooth(), None, 0),
    (RNG.integers(0, 2**63, 100, dtype="<u8"), "lossless", 0),
    (RNG.random(99) < 0.3, None, 0),
    (np.zeros((0, 4)), {"abs": 1}, 0),
    (np.zeros(1, "<f2"), None, 0),
]


@pytest.mark.parametrize(("array", "bounds", "error"), ARRAYS, ids=lambda value: getattr(value, "dtype", None))
def test_arrays_come_back_within_their_bounds(array: np.ndarray, bounds: Any, error: float) -> None:
    encoded = encode(array, bounds=bounds, effort="fast")
    assert encoded[:4] == b"\x89BA\x01"
    found = decode(encoded)
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    if error:
        assert np.abs(found.astype("f8") - array.astype("f8")).max() <= error
    else:
        assert found.tobytes() == array.tobytes()


@pytest.mark.parametrize(("array", "bounds", "_"), ARRAYS, ids=lambda value: getattr(value, "dtype", None))
@pytest.mark.parametrize("model", ["scalar", "predictive", "transform", "table"])
def test_the_page_is_enough_to_decode_an_array(array: np.ndarray, bounds: Any, _: float, model: str) -> None:
    if (array.ndim == 1) != (model == "table") and model != "scalar":
        return
    encoded = encode(array, bounds=bounds, effort="fast", model=model)
    found, wanted = reference.restore_array(encoded), decode(encoded)
    assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
    assert found.tobytes() == wanted.tobytes()


@pytest.mark.parametrize(("array", "bounds", "_"), [a for a in ARRAYS if not isinstance(a[1], dict) or len(a[1]) == 1])
def test_little_is_stored_beside_the_streams(array: np.ndarray, bounds: Any, _: float) -> None:
    encoded = encode(array, bounds=bounds, effort="fast")
    bare = unpack_bare(encoded, memory_limit=1 << 30)
    assert bare.state is not None
    assert len(encoded) <= 48 + len(bare.state) + sum(map(len, bare.streams.values()))


def test_a_bound_of_a_single_array_is_its_own_whatever_it_looks_like() -> None:
    times = np.arange(0, 1e6, 37.0)
    assert len(encode(times + RNG.normal(size=times.size), bounds={"abs": 20})) < times.nbytes / 8


@pytest.mark.parametrize(
    "data",
    [
        {"a": np.arange(5), "b": RNG.normal(size=(3, 4))},
        xr.Dataset({"t": (("y", "x"), smooth())}, {"x": np.arange(50)}, {"title": "waves"}),
        pd.DataFrame({"n": [1, 2, 3], "s": ["a", None, "c"]}),
        np.ma.masked_equal(np.arange(6), 3),
        np.array(["signal", "background"]),
        np.array(7.5),
    ],
    ids=lambda data: type(data).__name__,
)
def test_other_objects_come_back_as_they_were(data: Any) -> None:
    found = decode(encode(data))
    assert type(found) is type(data)
    if isinstance(data, xr.Dataset):
        xr.testing.assert_identical(found, data)
    elif isinstance(data, pd.DataFrame):
        pd.testing.assert_frame_equal(found, data)
    else:
        for one, other in zip(*(list(v.values()) if isinstance(v, dict) else [v] for v in (found, data)), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("model", ["auto", "scalar", "predictive", "transform"])
def test_an_encoder_plans_once_for_arrays_of_any_shape(model: str) -> None:
    encoder = Encoder(smooth(), bounds={"abs": 0.05}, effort="fast", model=model)
    decoder = Decoder()
    for rows in (40, 17, 1):
        chunk = np.roll(smooth(), rows, 0)[:rows]
        found = decoder.decode(encoder.encode(chunk))
        assert (found.dtype, found.shape) == (chunk.dtype, chunk.shape)
        assert np.abs(found - chunk).max() <= 0.05


def test_fields_are_not_planned_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from baler_core.builtin.models.fields.transform.model import TransformModel

    encoder = Encoder(smooth(), bounds={"abs": 0.05}, effort="fast", model="transform")
    codec = TransformModel.codec()

    def never(*_: object) -> Any:
        raise AssertionError("planned again")

    monkeypatch.setattr(TransformModel, "codec", lambda *_: replace(codec, sketch=never))
    chunk = smooth() + np.float32(3)
    assert np.abs(decode(encoder.encode(chunk)) - chunk).max() <= 0.05


def test_what_was_learned_is_in_the_bytes_or_with_the_encoder() -> None:
    sample = RNG.exponential(size=5000)
    inside = Encoder(sample, bounds={"rel": 0.01}, effort="fast", model="table")
    beside = Encoder(sample, bounds={"rel": 0.01}, effort="fast", model="table", self_contained=False)
    chunk = RNG.exponential(size=4000)
    one, other = inside.encode(chunk), beside.encode(chunk)
    assert len(other) == len(one) - len(beside.state) + 8 - 1
    assert Decoder(beside.state).decode(other).tobytes() == decode(one).tobytes()
    again = pickle.loads(pickle.dumps(Decoder(beside.state)))  # noqa: S301
    assert again.decode(other).tobytes() == decode(one).tobytes()
    for decoder in (Decoder(), Decoder(b"another")):
        with pytest.raises(FormatError, match=r"encoder\.state"):
            decoder.decode(other)


@pytest.mark.parametrize("mark", [np.nan, -999.0, 1e20])
@pytest.mark.parametrize("bound", [{"abs": 0.01}, {"range": 1e-3}])
def test_an_encoder_keeps_marks_that_its_sample_did_not_have(mark: float, bound: dict[str, float]) -> None:
    """No bound is widened by them, and they cost about what they do in an encoder of such arrays."""
    y, x = np.meshgrid(np.linspace(0, 6, 60), np.linspace(0, 9, 50), indexing="ij")
    sample = (np.sin(x) * np.cos(y)).astype("f4")
    array = sample.copy()
    array[10:25, 7:19] = mark
    encoder = baler_core.Encoder(sample, bounds=bound, effort="fast", model="predictive")
    encoded = encoder.encode(array)
    restored = baler_core.Decoder().decode(encoded)
    np.testing.assert_array_equal(restored[10:25, 7:19], array[10:25, 7:19])
    left = array[np.abs(array) < 2]
    allowed = bound.get("abs", 1e-3 * float(np.ptp(left)))
    assert np.abs(restored[np.abs(array) < 2] - left).max() <= allowed * (1 + 1e-6)
    assert len(encoded) < 1.1 * len(encoder.encode(sample)) + 100


def test_an_encoder_refuses_other_arrays() -> None:
    encoder = Encoder(smooth(), bounds={"abs": 0.05}, effort="fast", model="scalar")
    for other in (smooth(dtype="<f8"), smooth(dtype=">f4"), smooth().ravel()):
        with pytest.raises(baler_core.DataError, match="was made for <f4 of 2 dimensions"):
            encoder.encode(other)
    with pytest.raises(baler_core.DataError, match="use encode"):
        Encoder(np.array(["text"]))


def test_trained_models_are_used(tmp_path: Path) -> None:
    sample = {"pt": RNG.exponential(size=3000)}
    trained = baler_core.train(sample, tmp_path / "m.balm", bounds={"*": {"rel": 0.01}}, model="table")
    data = {"pt": RNG.exponential(size=300)}
    found = decode(encode(data, bounds={"*": {"rel": 0.01}}, model="table", trained=trained))
    np.testing.assert_allclose(found["pt"], data["pt"], rtol=0.0101)


@pytest.mark.parametrize("model", ["scalar", "transform", "table"])
def test_damaged_bytes_are_refused_or_restore_something_of_the_shape(model: str) -> None:
    array = smooth() if model != "table" else RNG.normal(size=800)
    encoded = encode(array, bounds={"abs": 0.05}, effort="fast", model=model)
    for place in range(0, len(encoded), 17):
        with pytest.raises(FormatError):
            decode(encoded[:place] + bytes([encoded[place] ^ 64]) + encoded[place + 1 :])
        with pytest.raises(FormatError):
            decode(encoded[:place])
    refused = 0
    for _ in range(120):
        forged = bytearray(encoded[:-4])
        forged[int(RNG.integers(4, len(forged)))] ^= 1 << int(RNG.integers(8))
        whole = bytes(forged) + zlib.crc32(forged).to_bytes(4, "little")
        try:
            found = decode(whole, memory=1 << 22)
        except FormatError:
            refused += 1
        else:
            assert found.nbytes <= 1 << 22
    assert refused > 40


def test_an_encoder_goes_to_other_processes_and_takes_trained_models(tmp_path: Path) -> None:
    array = smooth()
    encoder = Encoder(array, bounds={"abs": 0.01}, effort="fast", model="predictive")
    copy = pickle.loads(pickle.dumps(encoder))  # noqa: S301
    assert copy.encode(array + 1) == encoder.encode(array + 1)

    columns = np.cumsum(RNG.normal(size=(4000, 3)), axis=0)
    baler_core.train(columns, tmp_path / "m.balm", bounds={"abs": 0.01}, model="predictive")
    known = Encoder(columns, bounds={"abs": 0.01}, self_contained=False, trained=tmp_path / "m.balm")
    assert known.model == "predictive"
    copy = pickle.loads(pickle.dumps(known))  # noqa: S301
    again = Decoder(known.state).decode(copy.encode(columns[:500]))
    assert np.abs(again - columns[:500]).max() <= 0.01
    with pytest.raises(baler_core.DataError, match="do not know arrays like the sample: of another type"):
        Encoder(columns.astype("f4"), bounds={"abs": 0.01}, trained=tmp_path / "m.balm")


def test_marks_of_missing_values_belong_to_no_range() -> None:
    values = np.random.default_rng(1).normal(50, 10, 1000)
    values[::20] = -999
    valid = values != -999
    allowed = 0.02 * np.ptp(values[valid])
    encoder = Encoder(values, bounds={"range": 0.02})
    for encoded in (encode(values, bounds={"range": 0.02}), encoder.encode(values)):
        back = decode(encoded)
        assert 0 < np.abs(back - values).max() <= allowed
        assert (back[~valid] == -999).all()
