"""Images that Hcompress decoded are found by their values, kept by their coefficients, and come back bit for bit."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import baler_core
from baler_core import FormatError
from baler_core.builtin.models.fields.decoded.hcompress import Bands, coefficients, values_of_cells
from baler_core.builtin.models.fields.decoded.pyramid import find_pyramid
from baler_core.builtin.models.fields.predictive.decoded_image import (
    decode_decoded,
    encode_decoded,
    find_decoded,
)
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
    plate, strips = (find_decoded(made[name]) for name in ("plate", "strips"))
    assert plate is not None
    assert strips is not None
    assert (plate.rounding, plate.steps.tolist()) == ("plain", [61])
    assert [level.first for level in plate.levels] == [(1, 1), (1, 0)]
    assert (strips.rounding, strips.steps.tolist()) == ("bits", [61] * 5)


def test_other_images_are_no_coefficients() -> None:
    rng = np.random.default_rng(2)
    flat, noise = np.zeros((90, 90), "i2"), rng.integers(0, 900, (90, 90))
    for image in (flat, noise, 2 * noise, rng.poisson(0.1, (90, 90)), flat + 7, noise[:20]):
        assert find_pyramid(image.astype("i4")) is None


def test_files_hold_coefficients(tmp_path: Path) -> None:
    path, images = tmp_path / "plates.bal", decoded()
    baler_core.compress(images, path, bounds={"*": "lossless"}, model={"effort": "balanced"})
    opened = baler_core.open(path, as_="numpy")
    for name, image in images.items():
        assert np.asarray(opened[name]).tobytes() == image.tobytes()
    assert path.stat().st_size < 0.55 * sum(len(encoded(image)) for image in images.values())


def encoded(image: np.ndarray) -> bytes:
    """By the best lossless codec that is at hand."""
    import lzma

    return lzma.compress(image.tobytes(), preset=9)


def test_damaged_coefficients_are_refused_or_restored_to_their_shape() -> None:
    image = decoded()["strips"]
    found = find_decoded(image)
    assert found is not None
    data, rng, refused = encode_decoded(found, image, "balanced"), np.random.default_rng(3), 0
    assert decode_decoded(ByteReader(data), image.shape, image.dtype).tobytes() == image.tobytes()
    for _ in range(60):
        try:
            assert decode_decoded(ByteReader(damaged(data, rng)), image.shape, image.dtype).shape == image.shape
        except FormatError:
            refused += 1
    assert refused > 40
    with pytest.raises(FormatError, match="something else"):
        decode_decoded(ByteReader(data), (3, *image.shape), image.dtype)


def test_bands_of_large_numbers_wrap_in_silence() -> None:
    large = np.full((2, 2), 2**62)
    assert values_of_cells(large, Bands(large, large, large), 0, "bits").shape == (4, 4)
