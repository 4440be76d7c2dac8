"""Images that Hcompress or JPEG decoded are found by their values, kept by their coefficients, and come back bit for bit."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest

import baler_core
from baler_core import FormatError
from baler_core.builtin.models.fields.decoded.hcompress import Bands, coefficients, values_of_cells
from baler_core.builtin.models.fields.decoded.jpeg import PixelBlocks, pixels_of
from baler_core.builtin.models.fields.decoded.pyramid import Pyramid
from baler_core.builtin.models.fields.predictive.decoded_image import encode_image, find_decoded
from baler_core.builtin.models.fields.predictive.restored_image import decode_image
from baler_core.entropy.varint import ByteReader
from baler_core.testing.damage import damaged

sys.path.insert(0, str(Path(__file__).parent / "golden"))
from write_branches import decoded


@pytest.mark.parametrize("level", [0, 1, 3])
def test_cfitsio_restores_any_values_from_their_coefficients(level: int) -> None:
    values = np.random.default_rng(level).integers(-900, 900, (40, 60)) << (level + 1 if level else 0)
    sums, bands = coefficients(values, level)
    assert all((band % (1 << level) == 0).all() for band in bands)
    np.testing.assert_array_equal(values_of_cells(sums, bands, level, "bits"), values)


def test_steps_and_places_of_cells_are_found() -> None:
    made = decoded()
    plate, strips, grey = (find_decoded(made[name]) for name in ("plate", "strips", "grey"))
    assert isinstance(plate, Pyramid)
    assert isinstance(strips, Pyramid)
    assert isinstance(grey, PixelBlocks)
    assert grey.steps.reshape(8, 8)[2].tolist() == [5, 6, 7, 8, 9, 10, 11, 12]
    assert (plate.rounding, plate.steps.tolist()) == ("plain", [61])
    assert [level.first for level in plate.levels] == [(1, 1)]
    assert (strips.rounding, strips.steps.tolist()) == ("bits", [61] * 5)


def test_other_images_are_no_coefficients() -> None:
    rng = np.random.default_rng(2)
    flat, noise = np.zeros((90, 90), "i2"), rng.integers(0, 900, (90, 90))
    for image in (flat, noise, 2 * noise, rng.poisson(0.1, (90, 90)), flat + 7, noise[:20], noise // 4 + 8):
        assert find_decoded(image.astype("i4")) is None


def test_files_hold_coefficients(tmp_path: Path) -> None:
    path, images = tmp_path / "plates.bal", decoded()
    baler_core.compress(images, path, bounds={"*": "lossless"}, model={"effort": "balanced"})
    opened = baler_core.open(path, as_="numpy")
    for name, image in images.items():
        assert np.asarray(opened[name]).tobytes() == image.tobytes()
    assert path.stat().st_size < 0.65 * sum(len(encoded(image)) for image in images.values())


def encoded(image: np.ndarray) -> bytes:
    """By the best lossless codec that is at hand."""
    import lzma

    return lzma.compress(image.tobytes(), preset=9)


@pytest.mark.parametrize("name", ["strips", "grey"])
def test_damaged_coefficients_are_refused_or_restored_to_their_shape(name: str) -> None:
    image = decoded()[name]
    found = find_decoded(image)
    assert found is not None
    data, rng, refused = encode_image(found, image, "balanced"), np.random.default_rng(3), 0
    assert decode_image(ByteReader(data), image.shape, image.dtype).tobytes() == image.tobytes()
    for _ in range(40):
        try:
            assert decode_image(ByteReader(damaged(data, rng)), image.shape, image.dtype).shape == image.shape
        except FormatError:
            refused += 1
    assert refused > 25
    with pytest.raises(FormatError, match="something else"):
        decode_image(ByteReader(data), (3, *image.shape), image.dtype)


def test_grey_jpeg_of_a_library_is_found() -> None:
    image_library = pytest.importorskip("PIL.Image")
    y, x = np.mgrid[:96, :120]
    image = 120 + 60 * np.sin(y / 7) * np.cos(x / 9) + 8 * np.random.default_rng(1).normal(size=y.shape)
    file = io.BytesIO()
    image_library.fromarray(np.clip(image, 0, 255).astype("u1")).save(file, "JPEG", quality=80)
    restored = np.array(image_library.open(io.BytesIO(file.getvalue())))
    found = find_decoded(restored)
    assert isinstance(found, PixelBlocks)
    assert (pixels_of(found) == restored).mean() > 0.99
    assert len(encode_image(found, restored, "balanced")) < len(file.getvalue())


def test_bands_of_large_numbers_wrap_in_silence() -> None:
    large = np.full((2, 2), 2**62)
    assert values_of_cells(large, Bands(large, large, large), 0, "bits").shape == (4, 4)
