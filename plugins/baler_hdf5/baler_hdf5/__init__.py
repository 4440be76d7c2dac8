"""The baler plugin for HDF5 and NetCDF files and flow metrics."""

from __future__ import annotations

from baler_core import Reader, hookimpl


@hookimpl
def baler_readers() -> list[type[Reader]]:
    """The readers `hdf5` and `netcdf`."""
    from baler_hdf5.readers import Hdf5Reader, NetcdfReader

    return [Hdf5Reader, NetcdfReader]
