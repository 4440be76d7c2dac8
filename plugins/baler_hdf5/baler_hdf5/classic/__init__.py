"""Classic NetCDF files (CDF-1, CDF-2, CDF-5)."""
