"""Work from the compressed file with xarray alone: `python analyse.py wake.bal` (any .bal file of fields u and v)."""

import sys

import xarray as xr

# %% open: nothing is restored yet; chunks are the blocks of the file, which dask reads in parallel
wake = xr.open_dataset(sys.argv[1], chunks={})
print(wake)

# %% one frame: only its part of the file is read
frame = wake.isel(time=7)
print("fastest at t =", float(frame.time), ":", float(frame.u.max()))

# %% mean flow and turbulent kinetic energy of a window
window = wake.sel(x=slice(1, 3))
energy = 0.5 * (window.u.var("time") + window.v.var("time"))
print("turbulent kinetic energy:", float(energy.mean()))

# %% vorticity of one frame
vorticity = frame.v.differentiate("x") - frame.u.differentiate("y")
print("strongest vorticity:", float(abs(vorticity).max()))
