"""The transform model: every bound on every value, special values, shapes, damage, and integers that never change."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from baler_core import FormatError, Layout, Tolerance, Variable, make_block, values_of
from baler_core.arithmetic import code_bit, finish, new_decoder, new_encoder
from baler_core.builtin.models.scalar import ScalarModel
from baler_core.builtin.models.transform import temporal, wavelet
from baler_core.builtin.models.transform.basis import Basis, gram, learn_basis, read_basis, write_basis
from baler_core.builtin.models.transform.layout import Arrangement, arrangements, tiles
from baler_core.builtin.models.transform.model import TransformModel
from baler_core.interfaces import Streams
from baler_core.mixing import SQUASH, STRETCH

DIMS = ("time", "z", "y", "x")


def group(arrays: dict[str, np.ndarray], fill: tuple[float, ...] = ()) -> tuple[Any, Layout]:
    first = next(iter(arrays.values()))
    dims = DIMS[: first.ndim]
    variables = tuple(Variable(name, values.dtype.str, dims, fill=fill) for name, values in arrays.items())
    layout = Layout("grid", variables, dict(zip(dims, first.shape, strict=True)))
    return make_block({name: (dims, values) for name, values in arrays.items()}), layout


def round_trip(
    arrays: dict[str, np.ndarray], tolerance: Tolerance, effort: str = "fast"
) -> tuple[Streams, dict[str, np.ndarray]]:
    block, layout = group(arrays, tolerance.fill)
    tolerances = dict.fromkeys(arrays, tolerance)
    model = TransformModel(TransformModel.Options(effort=effort))
    streams = model.encode(block, layout, tolerances)
    restored = TransformModel().decode(streams, layout, tolerances)
    return streams, {name: values_of(restored, name) for name in arrays}


def size(streams: Streams) -> int:
    return sum(len(data) for data in streams.values())


def waves(frames: int = 24, ny: int = 40, nx: int = 48, dtype: str = "f4") -> np.ndarray:
    t, y, x = np.meshgrid(np.arange(frames), np.arange(ny), np.arange(nx), indexing="ij")
    return (np.sin(x / 7 - t / 5) * np.cos(y / 9) + 0.3 * np.sin(y / 4 + t / 3) + 2).astype(dtype)


@pytest.mark.parametrize("dtype", ["<f4", "<f8", ">f4", "<i2", "<u2", "<i8"])
@pytest.mark.parametrize("value", [3.0, 0.02])
def test_smooth_series_stay_within_their_bound(dtype: str, value: float) -> None:
    values = (waves() * 100).astype(dtype)
    tolerance = Tolerance("abs", value)
    streams, restored = round_trip({"u": values}, tolerance)
    assert not tolerance.violations(values, restored["u"]).any()
    assert size(streams) < values.nbytes / 4


def test_smooth_series_are_far_smaller_than_scalar() -> None:
    arrays = {"u": waves(), "v": np.roll(waves(), 5, axis=2)}
    tolerance = Tolerance("abs", 3e-3)
    block, layout = group(arrays)
    plain = ScalarModel().encode(block, layout, dict.fromkeys(arrays, tolerance))
    assert size(round_trip(arrays, tolerance, "balanced")[0]) * 10 < size(plain)


def test_whole_numbers_come_back_exactly() -> None:
    values = (waves() * 50).astype("<i2")
    _, restored = round_trip({"u": values}, Tolerance("exact"))
    np.testing.assert_array_equal(restored["u"], values)


def test_decimals_come_back_on_their_lattice() -> None:
    values = np.round(waves(dtype="f8") * 20) / 10
    tolerance = Tolerance("abs", 0.06)
    streams, restored = round_trip({"u": values}, tolerance)
    assert not tolerance.violations(values, restored["u"]).any()
    assert "own" not in streams


def test_relative_bound_of_positive_data() -> None:
    values = np.exp(3 * waves())
    tolerance = Tolerance("rel", 1e-3)
    streams, restored = round_trip({"u": values}, tolerance)
    assert not tolerance.violations(values, restored["u"]).any()
    assert size(streams) < values.nbytes / 8


def test_masks_nan_and_infinities_come_back() -> None:
    values = waves()
    values[:, 10:20, 5:30] = 1e20
    values[3] = np.nan
    values[5, 0, 0], values[6, 1, 1] = np.inf, -np.inf
    tolerance = Tolerance("abs", 1e-3, fill=(1e20,))
    streams, restored = round_trip({"u": values}, tolerance)
    assert not tolerance.violations(values, restored["u"]).any()
    assert size(streams) < values.nbytes / 20


@pytest.mark.parametrize(
    "shape", [(0, 3), (3, 0), (1, 1), (1, 5), (5, 1), (2, 2, 2), (1, 1, 1, 1), (3, 1, 9, 1), (2, 3, 17, 9), (9, 2, 1)]
)
def test_any_shape(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(1).normal(size=shape).astype("f4")
    tolerance = Tolerance("abs", 0.1)
    _, restored = round_trip({"u": values}, tolerance)
    assert restored["u"].shape == shape
    assert not tolerance.violations(values, restored["u"]).any()


@pytest.mark.parametrize(
    "tolerance",
    [Tolerance("exact"), Tolerance("free"), Tolerance("bits", 6), Tolerance("abs", 1e-30), Tolerance("abs", 1e30)],
)
def test_every_kind_of_tolerance(tolerance: Tolerance) -> None:
    values = waves(4)
    _, restored = round_trip({"u": values}, tolerance)
    assert not tolerance.violations(values, restored["u"]).any()


@pytest.mark.parametrize("value", [0.0, 7.25, np.nan])
def test_constant_fields_cost_nothing(value: float) -> None:
    values = np.full((6, 30, 30), value, "f4")
    tolerance = Tolerance("abs", 1e-3)
    streams, restored = round_trip({"u": values}, tolerance)
    assert size(streams) < 100
    assert not tolerance.violations(values, restored["u"]).any()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=4, max_side=6),
        elements=st.floats(-1e6, 1e6, width=32) | st.sampled_from([np.nan, np.inf, -np.inf, 0.0, -0.0]),
    ),
    st.sampled_from([1e-3, 1.0, 1e4]),
)
def test_any_values(values: np.ndarray, allowed: float) -> None:
    tolerance = Tolerance("abs", allowed)
    block, layout = group({"u": values})
    model = TransformModel(TransformModel.Options(effort="fast"))
    restored = values_of(model.decode(model.encode(block, layout, {"u": tolerance}), layout, {"u": tolerance}), "u")
    # what rounding to float32 pushes over the bound is the core's to store exactly, and must be rare
    assert tolerance.violations(values, restored).mean() <= 0.1


def test_damage_is_found() -> None:
    arrays = {"u": waves(8)}
    tolerances = {"u": Tolerance("abs", 1e-2)}
    block, layout = group(arrays)
    model = TransformModel(TransformModel.Options(effort="fast"))
    good = model.encode(block, layout, tolerances)["fields"]
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(30):
        bad = bytearray(good)
        bad[rng.integers(60, len(bad))] ^= 1 << rng.integers(8)
        try:
            model.decode({"fields": bytes(bad)}, layout, tolerances)
        except FormatError:
            found += 1
    for length in range(0, len(good), 97):
        with pytest.raises(FormatError):
            model.decode({"fields": good[:length]}, layout, tolerances)
    assert found == 30


def test_same_bytes_every_time() -> None:
    arrays = {"u": waves(8)}
    assert round_trip(arrays, Tolerance("abs", 1e-2))[0] == round_trip(arrays, Tolerance("abs", 1e-2))[0]


def test_tables_of_integers_never_change() -> None:
    assert zlib.crc32(SQUASH.astype("<i4").tobytes()) == 1314331451
    assert zlib.crc32(STRETCH.astype("<i4").tobytes()) == 3303036465


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 65535)), max_size=300))
@settings(max_examples=40, deadline=None)
def test_arithmetic_coder_returns_the_bits(bits: list[tuple[bool, int]]) -> None:
    encoder = new_encoder(4096)
    for bit, probability in bits:
        code_bit(*encoder, int(bit), probability)
    decoder = new_decoder(finish(encoder))
    assert [bool(code_bit(*decoder, 0, probability)) for _, probability in bits] == [bit for bit, _ in bits]


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 17, 8), (9, 31, 64), (1, 1, 100)])
def test_wavelet_is_invertible_and_its_bands_tile_space(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(2).normal(size=(2, *shape))
    levels = wavelet.useful_levels(shape)
    back = wavelet.inverse(wavelet.forward(values, levels, 3), levels, 3)
    np.testing.assert_allclose(back, values, atol=1e-9)
    covered = np.zeros(shape, int)
    for band in wavelet.bands(shape, levels):
        covered[tuple(slice(first, end) for first, end in band.box)] += 1
    assert (covered == 1).all()


def test_wavelet_along_time_is_invertible_and_links_point_back() -> None:
    frames = np.random.default_rng(3).normal(size=(37, 1, 2, 3, 4))
    slices = temporal.forward(frames, "wavelet", None)
    np.testing.assert_allclose(temporal.inverse(slices, "wavelet", None), frames, atol=1e-9)
    for number, link in enumerate(temporal.links(37, "wavelet")):
        assert link.nearest < number
        assert link.second < number


def test_basis_is_orthonormal_and_survives_coding() -> None:
    frames = waves(30).reshape(30, -1).astype("f8") * 100
    basis = learn_basis(gram(frames), frames)
    coder = new_encoder(1 << 16)
    write_basis(basis, coder)
    stored = finish(coder)
    again = read_basis(new_decoder(stored), 30)
    np.testing.assert_array_equal(again.entries, basis.entries)
    matrix = again.matrix()
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(matrix.shape[1]), atol=1e-9)
    assert len(stored) < basis.entries.size


def test_a_basis_of_too_many_modes_is_refused() -> None:
    coder = new_encoder(1 << 12)
    write_basis(Basis(np.zeros((4, 4), np.int64), np.full(4, 5)), coder)
    with pytest.raises(FormatError, match="modes"):
        read_basis(new_decoder(finish(coder)), 3)


@pytest.mark.parametrize("shape", [(5, 6), (1, 7), (4, 5, 6), (2, 3, 4, 5), (2, 2, 3, 4, 5)])
def test_arrangements_are_reversible(shape: tuple[int, ...]) -> None:
    values = np.arange(np.prod(shape)).reshape(shape)
    choices = arrangements(shape, tuple("abcde"[: len(shape)]), {})
    assert choices
    for choice in choices:
        np.testing.assert_array_equal(choice.backward(choice.forward(values), shape), values)
    assert Arrangement(0, 1).shape(shape)[0] == shape[0]


def test_tiles_cover_space_once() -> None:
    space = (3, 700, 900)
    covered = np.zeros(space, int)
    for box in tiles(100, space):
        covered[box] += 1
        assert 100 * covered[box].size <= 1 << 22
    assert (covered == 1).all()
