"""What the formats of the fields can do themselves: tiles of FITS images by Rice's code, NetCDF's quantised variables."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from baler_core.evaluate.peers.peer import Allowed, Coded, NotTakenError, Peer
from baler_core.evaluate.peers.rounding import kept_bits, of_floats


def _fpack(values: np.ndarray, allowed: Allowed) -> Coded:
    """Of which only the heap counts, not headers; steps are twice the bound, without dithering."""
    from astropy.io import fits

    if values.ndim < 2 or min(values.shape) < 2:
        raise NotTakenError
    if allowed.kind == "exact" and (values.dtype.kind not in "iu" or values.dtype.itemsize > 4):
        raise NotTakenError
    data = values if values.dtype.kind in "iu" else of_floats(values)
    step = -2 * allowed.value * (1 - 2.0**-10) if data.dtype.kind == "f" else 0.0
    file = io.BytesIO()
    image = fits.CompImageHDU(data, compression_type="RICE_1", quantize_level=step, quantize_method=-1)
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(file)
    with fits.open(io.BytesIO(file.getvalue()), disable_image_compression=True) as hdus:
        size = int(hdus[1].header["PCOUNT"]) + int(hdus[1].header["NAXIS1"]) * int(hdus[1].header["NAXIS2"])

    def restore() -> np.ndarray:
        with fits.open(io.BytesIO(file.getvalue())) as read:
            return np.asarray(read[1].data).astype(values.dtype).reshape(values.shape)

    return Coded(size, restore)


def _netcdf(values: np.ndarray, allowed: Allowed) -> Coded:
    """BitRound with shuffle and zlib at 9; only the chunks count, not the file around them."""
    import h5py
    import netCDF4

    floats = of_floats(values)
    bits = max(1, kept_bits(floats, allowed))
    options: dict[str, Any] = {"compression": "zlib", "complevel": 9, "shuffle": True}
    if bits < np.finfo(floats.dtype).nmant:
        options |= {"significant_digits": bits, "quantize_mode": "BitRound"}
    data = netCDF4.Dataset("in-memory", "w", memory=1 << 16)
    data.createDimension("x", floats.size)
    data.createVariable("x", floats.dtype, ("x",), fill_value=False, **options)[:] = floats.ravel()
    file = bytes(data.close())
    with h5py.File(io.BytesIO(file)) as read:
        size = int(read["x"].id.get_storage_size())

    def restore() -> np.ndarray:
        with netCDF4.Dataset("in-memory", memory=file) as read:
            read.set_auto_mask(False)
            return np.asarray(read["x"][:]).reshape(values.shape)

    return Coded(size, restore)


PEERS = (
    Peer("fpack (Rice)", _fpack, ("exact", "abs"), ("astropy",)),
    Peer("NetCDF BitRound + zlib", _netcdf, ("abs", "rel"), ("netCDF4", "h5py")),
)
