"""The baler plugin for HDF5 and NetCDF files and flow metrics."""

from __future__ import annotations

from baler_core import Metric, Quantity, Reader, hookimpl


@hookimpl
def baler_readers() -> list[type[Reader]]:
    """Return the readers `hdf5` and `netcdf`."""
    from baler_hdf5.reader import Hdf5Reader, NetcdfReader

    return [Hdf5Reader, NetcdfReader]


@hookimpl
def baler_metrics() -> list[type[Metric]]:
    """Return the metrics `vorticity`, `divergence`, `gradient` and `spectrum`."""
    from baler_hdf5.metrics.gradient import Gradient
    from baler_hdf5.metrics.spectrum import EnergySpectrum
    from baler_hdf5.metrics.vorticity import Divergence, Vorticity

    return [Vorticity, Divergence, Gradient, EnergySpectrum]


@hookimpl
def baler_quantities() -> list[type[Quantity]]:
    """Return derivatives, and energies."""
    from baler_hdf5.quantities.derivatives import DerivativeX, DerivativeY, DerivativeZ, DivergenceField, VorticityField
    from baler_hdf5.quantities.energies import KineticEnergy, Spectrum

    return [DerivativeX, DerivativeY, DerivativeZ, DivergenceField, KineticEnergy, Spectrum, VorticityField]
