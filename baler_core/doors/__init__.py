"""The doors of other libraries: xarray's engine `baler`, the codec `baler` of numcodecs and Zarr."""
