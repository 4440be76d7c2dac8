"""Store the lossy images of a finished FITS file in compressed tiles: RICE where pixels are multiples of a step, else GZIP_2."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from baler_core import Exported, Rounded, Schema
from baler_fits.schema.skeleton import Bones
from baler_fits.values.packing import ENDINGS, write_packed

if TYPE_CHECKING:
    from astropy.io import fits

_PACKED = {"gz": "gzip", "bz2": "bz2", "xz": "xz", "z": "Z16"}
# Smaller images stay as they are: the table around tiles takes two blocks of a header.
_SMALL = 1 << 14


def exported_file(schema: Schema, lossy: Collection[str]) -> Exported:
    """Return the schema of a file that is not compressed as a whole: its images will be."""
    moved = 0 in _images(schema, lossy)
    warning = "the image of the first HDU is in an extension behind it, as fpack has it, and other HDUs move by one"
    skeleton = {key: value for key, value in schema.skeleton.items() if key not in ("packed", "gzip")}
    return Exported(
        replace(schema, skeleton=skeleton),
        "tiles, by RICE_1 with ZSCALE where values are multiples of a step, else by GZIP_2",
        (warning,) if moved else (),
    )


def _images(schema: Schema, names: Collection[str]) -> dict[int, str]:
    """Return the HDUs that are large images of one of the variables, by number."""
    found = {}
    for number, record in enumerate(schema.skeleton["hdus"]):
        held = Bones.from_json(record).variables
        if len(held) == 1 and held[0] in names and "/" not in held[0]:
            shape = [schema.sizes[dim] for dim in schema[held[0]].dims]
            if np.prod(shape, dtype=object) >= _SMALL and len(shape) > 1:
                found[number] = held[0]
    return found


def store_in_tiles(path: Path, schema: Schema, lossy: Mapping[str, Rounded]) -> None:
    """Replace a finished file by one with its lossy images in tiles; pixels stay, bit for bit."""
    from astropy.io import fits

    images = _images(schema, lossy)
    if not images:
        return
    handle, made = tempfile.mkstemp(suffix=".fits", dir=path.parent)
    os.close(handle)
    try:
        with (
            warnings.catch_warnings(),
            fits.open(path, mode="readonly", memmap=True, do_not_scale_image_data=True) as hdus,
        ):
            warnings.simplefilter("ignore")
            parts: list[Any] = []
            for number, hdu in enumerate(hdus):
                step = lossy[images[number]].step if number in images else 0.0
                tiles = _tiles(hdu, step) if number in images else None
                if number == 0 and tiles is not None:
                    parts.append(fits.PrimaryHDU())
                parts.append(hdu if tiles is None else tiles)
            fits.HDUList(parts).writeto(made, overwrite=True, output_verify="ignore")
        ending = path.name.lower().rpartition(".")[2]
        if ending in ENDINGS:
            with open(made, "rb") as plain, path.open("wb") as packed:
                write_packed(packed, _PACKED[ending], iter(lambda: plain.read(1 << 20), b""))
        else:
            os.replace(made, path)
    finally:
        Path(made).unlink(missing_ok=True)


def _tiles(hdu: Any, step: float) -> fits.CompImageHDU | None:
    """Return an image in tiles that decode to the same pixels; None where neither compression gives them back."""
    pixels = hdu.data
    if pixels is None or pixels.dtype.kind != "f":
        return None
    ways: list[dict[str, Any]] = []
    if step and np.isfinite(pixels).any():
        ways.append({"compression_type": "RICE_1", "quantize_level": -step, "quantize_method": -1})
    ways.append({"compression_type": "GZIP_2", "quantize_level": 0.0})
    for way in ways:
        made = _decoding_to_the_same(pixels, hdu.header, way)
        if made is not None:
            return made
    return None


def _decoding_to_the_same(pixels: np.ndarray, header: fits.Header, way: Mapping[str, Any]) -> fits.CompImageHDU | None:
    from io import BytesIO

    from astropy.io import fits

    cards = header.copy()
    for key in ("CHECKSUM", "DATASUM", "SIMPLE", "EXTEND"):
        cards.remove(key, ignore_missing=True)
    made = fits.CompImageHDU(pixels, cards, **way)
    with BytesIO() as memory:
        fits.HDUList([fits.PrimaryHDU(), made]).writeto(memory, output_verify="ignore")
        memory.seek(0)
        with fits.open(memory, do_not_scale_image_data=True) as hdus:
            same = np.array_equal(hdus[1].data, pixels, equal_nan=True)
    return fits.CompImageHDU(pixels, cards, **way) if same else None
