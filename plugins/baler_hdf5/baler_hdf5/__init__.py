"""The baler plugin for HDF5 and NetCDF files and flow metrics."""
