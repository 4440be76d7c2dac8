"""The baler plugin for HDF5 and NetCDF files and flow metrics."""

from __future__ import annotations

from baler_core import Metric, Reader, hookimpl


@hookimpl
def baler_readers() -> list[type[Reader]]:
    """The readers `hdf5` and `netcdf`."""
    from baler_hdf5.readers import Hdf5Reader, NetcdfReader

    return [Hdf5Reader, NetcdfReader]


@hookimpl
def baler_metrics() -> list[type[Metric]]:
    """The metrics `vorticity`, `divergence`, `gradient` and `spectrum`."""
    from baler_hdf5.flow.gradient import Gradient
    from baler_hdf5.flow.spectrum import Spectrum
    from baler_hdf5.flow.vorticity import Divergence, Vorticity

    return [Vorticity, Divergence, Gradient, Spectrum]
