"""Bytes of images that were decoded from a lossy compression, kept exactly, beside those of other lossless codecs.

Takes the images of FITS files, compresses them with astropy as FITS tiles with losses (floats by RICE_1, with each kind of
dither; integers by HCOMPRESS_1), and decodes them; `--as-they-are` takes them as they are instead, as for cut-outs of the
Digitized Sky Survey. One line per image: its bytes as an array, the FITS file with its tiles, the whole `.bal` file of the
values, which are compared bit for bit, xz of their bytes (shuffled too), and JPEG XL, where they are pixels of 16 bits; and
seconds of processor time to encode and decode.

    python benchmarks/decoded.py FILE [FILE ...] [--as-they-are] [--effort max] [--level 4] [--scale 20]
"""

from __future__ import annotations

import argparse
import io
import lzma
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from astropy.io import fits
from field_speed import clocked

import baler_core.api.calls as baler

DITHERS = {"no dither": -1, "dither 1": 1, "dither 2": 2}
_LARGEST_PIXEL = 65535


def images(path: Path) -> Iterator[np.ndarray]:
    """Yield the images of two axes of a FITS file, in the order of bytes of this machine."""
    with fits.open(path) as hdus:
        for hdu in hdus:
            if hdu.is_image and hdu.data is not None and np.squeeze(hdu.data).ndim == 2:
                values = np.squeeze(hdu.data)
                yield values.astype(values.dtype.newbyteorder("="))


def decoded(values: np.ndarray, level: float, scale: float) -> Iterator[tuple[str, np.ndarray, int]]:
    """Yield how an image is compressed with losses, what is decoded, and the bytes of the FITS file."""
    if values.dtype.kind == "f":
        kinds = [
            (name, {"compression_type": "RICE_1", "quantize_level": level, "quantize_method": method, "dither_seed": 1})
            for name, method in DITHERS.items()
        ]
    else:
        values = values.astype("i4")
        kinds = [("Hcompress", {"compression_type": "HCOMPRESS_1", "hcomp_scale": scale})]
    for name, options in kinds:
        file = io.BytesIO()
        fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(values, **options)]).writeto(file)
        with fits.open(io.BytesIO(file.getvalue())) as hdus:
            yield name, np.ascontiguousarray(hdus[1].data).astype(values.dtype), len(file.getvalue())


def xz(values: np.ndarray) -> int:
    """Bytes of xz, as the values lie and with their bytes shuffled."""
    raw = np.frombuffer(values.tobytes(), "u1").reshape(-1, values.itemsize)
    return min(len(lzma.compress(part.tobytes(), preset=9)) for part in (raw, np.ascontiguousarray(raw.T)))


def jpeg_xl(values: np.ndarray) -> int:
    """Bytes of JPEG XL without losses; none of what it does not hold."""
    if values.dtype.kind == "f" or np.ptp(values.astype("i8")) > _LARGEST_PIXEL:
        return 0
    import imagecodecs

    return len(imagecodecs.jpegxl_encode((values - values.min()).astype("u2"), lossless=True, effort=9))


def line_of(label: str, values: np.ndarray, tiles: int, effort: str) -> str:
    """Measure one image."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "image.bal"
        settings = {"bounds": {"image": "lossless"}, "model": {"effort": effort}}
        encode = clocked(lambda: baler.compress({"image": values}, path, **settings))
        decode = clocked(lambda: baler.open(path, as_="numpy"))
        same = np.asarray(baler.open(path, as_="numpy")["image"]).tobytes() == values.tobytes()
        size = path.stat().st_size
    others = f"{tiles or '':>9} {size:>9} {xz(values):>9} {jpeg_xl(values) or '':>9}"
    return f"{label:40.40} {values.nbytes:>9} {others} {encode:7.2f} {decode:7.2f}{'' if same else ' NOT THE SAME'}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--as-they-are", action="store_true")
    parser.add_argument("--effort", default="max")
    parser.add_argument("--level", type=float, default=4)
    parser.add_argument("--scale", type=float, default=20)
    given = parser.parse_args()
    print(f"{'image':40} {'array':>9} {'tiles':>9} {'bal':>9} {'xz':>9} {'JPEG XL':>9} seconds in and out")
    for path in given.files:
        for values in images(path):
            if given.as_they_are:
                print(line_of(path.stem, values, 0, given.effort), flush=True)
                continue
            for name, found, tiles in decoded(values, given.level, given.scale):
                print(line_of(f"{path.stem}, {name}", found, tiles, given.effort), flush=True)


if __name__ == "__main__":
    main()
