"""How the libraries of each field write and read the files of the fuzzing target `bounds`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

Columns = dict[str, np.ndarray]


@dataclass(frozen=True)
class FileKind:
    """How a format's own library writes and reads variables.

    Attributes
    ----------
    write
        A path, variables, and the fill value of `x` (None for none).
    read
        `x` as it is stored.
    masked
        Which values of `x` the library shows as missing; None if it shows none.
    packed
        Whether 16-bit integers stand for the values, with a scale and an offset.
    """

    suffix: str
    write: Callable[[Path, Columns, float | None], None]
    read: Callable[[Path], np.ndarray]
    dtypes: tuple[str, ...] = ("<f8", "<f4", "<i4", "<i8", "<i2", "u1")
    ranks: int = 3
    fills: bool = False
    masked: Callable[[Path], np.ndarray] | None = None
    packed: bool = False


def _csv_write(path: Path, columns: Columns, fill: float | None) -> None:
    names = list(columns)
    cells = [[repr(v) if v == v else "nan" for v in columns[n].tolist()] for n in names]
    path.write_text("\n".join([",".join(names), *(",".join(row) for row in zip(*cells, strict=True))]) + "\n")


def _csv_read(path: Path) -> np.ndarray:
    import pandas as pd

    return np.asarray(pd.read_csv(path, float_precision="round_trip")["x"], np.float64)


def _netcdf_write(path: Path, columns: Columns, fill: float | None) -> None:
    import netCDF4

    with netCDF4.Dataset(path, "w") as file:
        for axis, length in enumerate(next(iter(columns.values())).shape):
            file.createDimension(f"d{axis}", length)
        for name, values in columns.items():
            given = {"fill_value": values.dtype.type(fill)} if fill is not None and name == "x" else {}
            variable = file.createVariable(name, values.dtype, [f"d{a}" for a in range(values.ndim)], **given)
            variable.set_auto_maskandscale(False)
            variable[...] = values


def _netcdf_read(path: Path) -> np.ndarray:
    import netCDF4

    with netCDF4.Dataset(path) as file:
        file.set_auto_maskandscale(False)
        return np.asarray(file["x"][...])


def _netcdf_masked(path: Path) -> np.ndarray:
    import netCDF4

    with netCDF4.Dataset(path) as file:
        return np.ma.getmaskarray(file["x"][...])


def _hdf5_write(path: Path, columns: Columns, fill: float | None) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        for name, values in columns.items():
            file[name] = values


def _hdf5_read(path: Path) -> np.ndarray:
    import h5py

    with h5py.File(path) as file:
        return np.asarray(file["x"][...])


def _fits_write(path: Path, columns: Columns, fill: float | None) -> None:
    from astropy.io import fits

    if columns["x"].ndim == 1:
        letters = {"f8": "D", "f4": "E", "i4": "J", "i8": "K", "i2": "I", "u1": "B"}
        made = []
        for name, values in columns.items():
            null = {"null": int(fill)} if fill is not None and name == "x" and values.dtype.kind in "iu" else {}
            made.append(fits.Column(name, letters[values.dtype.str[1:]], array=values, **null))
        fits.BinTableHDU.from_columns(made).writeto(path)
        return
    with fits.conf.set_temp("extension_name_case_sensitive", True):
        fits.HDUList([fits.PrimaryHDU(), *(fits.ImageHDU(v, name=n) for n, v in columns.items())]).writeto(path)


def _fits_read(path: Path) -> np.ndarray:
    from astropy.io import fits

    with fits.open(path) as file:
        found = file[1].data["x"] if isinstance(file[1], fits.BinTableHDU) else file[1].data
        return np.array(found).astype(np.asarray(found).dtype.newbyteorder("="))


def _npz_read(path: Path) -> np.ndarray:
    with np.load(path) as file:
        return np.asarray(file["x"])


def _parquet_write(path: Path, columns: Columns, fill: float | None) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table(dict(columns)), path)


def _parquet_read(path: Path) -> np.ndarray:
    import pyarrow.parquet as pq

    return np.asarray(pq.read_table(path)["x"].to_numpy())


def _root_write(path: Path, columns: Columns, fill: float | None) -> None:
    import uproot

    with uproot.recreate(path) as file:
        file.mktree("Events", {name: values.dtype for name, values in columns.items()}).extend(dict(columns))


def _root_read(path: Path) -> np.ndarray:
    import uproot

    with uproot.open(path) as file:
        return np.asarray(file["Events"]["x"].array(library="np"))


def _zarr_write(path: Path, columns: Columns, fill: float | None) -> None:
    import zarr

    group = zarr.open_group(str(path), mode="w")
    for name, values in columns.items():
        group.create_array(name, data=values, chunks=tuple(max(1, n // 2) for n in values.shape))


def _zarr_read(path: Path) -> np.ndarray:
    import zarr

    found: Any = zarr.open_group(str(path), mode="r")["x"]
    return np.asarray(found[...])


def usual_values(values: np.ndarray) -> np.ndarray:
    """Return the finite values that are no marks of missing ones, 1-D float64."""
    found = values.astype(np.float64).ravel()
    return found[np.isfinite(found) & (np.abs(found) < 1e30)]


def _packing(values: np.ndarray) -> tuple[float, float]:
    """Return scale and offset with which finite values fill three quarters of what 16 bits hold."""
    usual = usual_values(values)
    low, high = (float(usual.min()), float(usual.max())) if usual.size else (0.0, 1.0)
    return max(high - low, 1e-3) / 49_152 / 0.9, (low + high) / 2


def _stored(values: np.ndarray, scale: float, offset: float) -> np.ndarray:
    """Return values packed in 16 bits, -32768 for what is missing or too large."""
    with np.errstate(all="ignore"):
        packed = np.rint((values.astype(np.float64) - offset) / scale)
    return np.where(np.abs(packed) < 32_000, packed, -32_768).astype("<i2")


def _packed_netcdf_write(path: Path, columns: Columns, fill: float | None) -> None:
    import netCDF4

    scale, offset = _packing(columns["x"])
    _netcdf_write(path, {"other" if n == "x" else n: v for n, v in columns.items()}, None)
    with netCDF4.Dataset(path, "a") as file:
        axes = [f"d{a}" for a in range(columns["x"].ndim)]
        variable = file.createVariable("x", "<i2", axes, fill_value=np.int16(-32_768))
        variable.setncatts({"scale_factor": scale, "add_offset": offset})
        variable.set_auto_maskandscale(False)
        variable[...] = _stored(columns["x"], scale, offset)


def _packed_netcdf_read(path: Path) -> np.ndarray:
    import netCDF4

    with netCDF4.Dataset(path) as file:
        return np.ma.filled(file["x"][...].astype(np.float64), np.nan)


def _packed_fits_write(path: Path, columns: Columns, fill: float | None) -> None:
    from astropy.io import fits

    scale, offset = _packing(columns["x"])
    packed = _stored(columns["x"], scale, offset)
    with fits.conf.set_temp("extension_name_case_sensitive", True):
        image = fits.ImageHDU(packed, name="x")
        image.header.update({"BSCALE": scale, "BZERO": offset, "BLANK": -32_768})
        others = [fits.ImageHDU(v, name=n) for n, v in columns.items() if n != "x"]
        fits.HDUList([fits.PrimaryHDU(), image, *others]).writeto(path)


def _packed_fits_read(path: Path) -> np.ndarray:
    from astropy.io import fits

    with fits.open(path, do_not_scale_image_data=True) as file:  # astropy scales to float32
        header, stored = file[1].header, np.asarray(file[1].data)
        found = stored * float(header["BSCALE"]) + float(header["BZERO"])
        return np.where(stored == header["BLANK"], np.nan, found)


FILE_KINDS = {
    "packed netCDF": FileKind(
        ".nc", _packed_netcdf_write, _packed_netcdf_read, ("<f8",), masked=_netcdf_masked, packed=True
    ),
    "packed FITS": FileKind(".fits", _packed_fits_write, _packed_fits_read, ("<f8",), packed=True),
    "csv": FileKind(".csv", _csv_write, _csv_read, ("<f8", "<f8", "<i8"), ranks=1),
    "nc": FileKind(".nc", _netcdf_write, _netcdf_read, fills=True, masked=_netcdf_masked),
    "hdf5": FileKind(".h5", _hdf5_write, _hdf5_read),
    "fits": FileKind(".fits", _fits_write, _fits_read, fills=True),
    "npz": FileKind(".npz", lambda path, columns, _: np.savez(path, **columns), _npz_read),
    "parquet": FileKind(".parquet", _parquet_write, _parquet_read, ranks=1),
    "root": FileKind(".root", _root_write, _root_read, ranks=1),
    "zarr": FileKind(".zarr", _zarr_write, _zarr_read),
}
