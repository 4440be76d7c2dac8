"""The transform model: every bound on every value, special values, shapes, damage, and integers that never change."""

from __future__ import annotations

import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baler_core import FormatError
from baler_core.builtin.models.fields.layout import Arrangement, arrangements, tiles
from baler_core.builtin.models.fields.transform import temporal, tile, wavelet
from baler_core.builtin.models.fields.transform.basis import Basis, gram, learn_basis, read_basis, write_basis
from baler_core.builtin.models.fields.transform.block import Chunk, Recipe
from baler_core.builtin.models.fields.transform.chunk import encode_chunk, read_chunk
from baler_core.builtin.models.fields.transform.estimate import counted_size
from baler_core.builtin.models.fields.transform.quantiser import quantise
from baler_core.builtin.models.fields.transform.tile import TileIntegers
from baler_core.builtin.models.fields.transform.tile_bytes import encode_tile
from baler_core.entropy.arithmetic import code_bit, finish, new_decoder, new_encoder
from baler_core.entropy.masks import decode_classes, encode_classes
from baler_core.entropy.mixing import SQUASH, STRETCH

DIMS = ("time", "z", "y", "x")


def waves(frames: int = 24, ny: int = 40, nx: int = 48, dtype: str = "f4") -> np.ndarray:
    t, y, x = np.meshgrid(np.arange(frames), np.arange(ny), np.arange(nx), indexing="ij")
    return (np.sin(x / 7 - t / 5) * np.cos(y / 9) + 0.3 * np.sin(y / 4 + t / 3) + 2).astype(dtype)


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
    back = wavelet.inverse(wavelet.forward(values.copy(), levels), levels)
    np.testing.assert_allclose(back, values, atol=1e-9)
    covered = np.zeros(shape, int)
    for band in wavelet.bands(shape, levels):
        covered[tuple(slice(first, end) for first, end in band.box)] += 1
    assert (covered == 1).all()


def test_wavelet_along_time_is_invertible_and_links_point_back() -> None:
    frames = np.random.default_rng(3).normal(size=(37, 1, 2, 3, 4))
    slices = temporal.forward(frames, "wavelet", None)
    np.testing.assert_allclose(temporal.inverse(slices.copy(), "wavelet", None), frames, atol=1e-9)
    for number, link in enumerate(temporal.links(37, "wavelet")):
        assert link.nearest < number
        assert link.second < number


def test_basis_is_orthonormal_and_survives_coding() -> None:
    frames = waves(30).reshape(30, -1).astype("f8") * 100
    basis = learn_basis(gram(frames), [frames])
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


def test_fields_larger_than_a_tile_come_back() -> None:
    values = np.random.default_rng(5).normal(size=(1, 2100, 2100)).astype("f4")
    chunk = Chunk(np.cumsum(values, axis=2, dtype="f8")[:, None, None])
    recipe = Recipe("none", 3, 19, mixed=0)
    common, coded = encode_chunk(chunk, recipe, None)
    assert len(tiles(1, (1, 2100, 2100))) > 1
    stored = read_chunk(common + coded, chunk.field.shape)
    restored = np.empty(chunk.field.shape)
    for number, box in enumerate(stored.boxes):
        restored[(slice(None), slice(None), *box)] = stored.restore(number)
    assert np.abs(restored - chunk.field).max() <= 1 + 1e-9


@pytest.mark.parametrize("size", [0.4, 1.0, 30.0])
def test_counting_says_about_how_many_bytes_coding_takes(size: float) -> None:
    rng = np.random.default_rng(7)
    integers = np.rint(rng.laplace(scale=size, size=(12, 1, 1, 40, 50))).astype(np.int32)
    nothing = np.zeros_like(integers)
    coded = len(encode_tile(TileIntegers(integers, nothing), Recipe("none", 0, 19, mixed=0)))
    assert counted_size([integers]) == pytest.approx(coded, rel=0.1)
    assert counted_size([nothing]) < 100


def test_counting_nothing_is_possible() -> None:
    assert counted_size([np.zeros((0, 2, 1, 3, 4), np.int32)]) == 0


def test_masks_are_restored_and_cost_little_when_they_stay() -> None:
    rng = np.random.default_rng(6)
    plane = np.zeros((40, 50), np.uint8)
    plane[5:20, 10:30], plane[25:, :7] = 1, 2
    classes = np.repeat(plane[None], 12, axis=0)
    classes[3] = rng.integers(0, 4, plane.shape)
    data = encode_classes(classes, 3)
    np.testing.assert_array_equal(decode_classes(data, classes.shape, 3), classes)
    still = np.repeat(plane[None], 12, axis=0)
    assert len(encode_classes(still, 3)) < 100


def test_large_steps_up_are_spared_beside_zeros_more_than_among_large_ones() -> None:
    bands = wavelet.bands((1, 1, 9), 0)
    calm, lively = np.zeros((1, 1, 1, 1, 9)), np.full((1, 1, 1, 1, 9), 12.0)
    for size, expected in ((0.55, 0), (0.72, 0), (0.85, 1), (1.0, 1)):
        calm[..., 4], lively[..., 4] = -2.0 * size, 2.0 * (size + 8)
        assert quantise(calm, 2.0, bands)[..., 4] == -expected
        assert quantise(lively, 2.0, bands)[..., 4] == 8 + (size > 0.51)
    assert quantise(np.full((1, 1, 1, 1, 9), 1e30), 1.0, bands).max() == 2**30
    assert quantise(lively, 2.0, bands)[..., 0] == 6


def test_moved_coefficients_spare_corrections() -> None:
    field = waves().astype(np.float64)[:, None, None] * 30
    field += np.random.default_rng(7).normal(size=field.shape) * 0.3
    holes = np.zeros(field.shape, bool)
    holes[:, :, :, 3:6] = True
    recipe = Recipe("wavelet", 2, 20)
    usual = tile.analyse(field, holes, recipe, None)
    spared = tile.analyse(field, holes, replace(recipe, rounds=4), None)
    assert np.count_nonzero(spared.corrections) < 0.95 * np.count_nonzero(usual.corrections)
    restored = tile.synthesise(spared, recipe, None)
    assert np.abs(restored - field)[~holes].max() <= 1
    assert recipe.to_bytes() == replace(recipe, rounds=4).to_bytes()
