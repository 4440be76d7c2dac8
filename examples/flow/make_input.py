"""Writes wake.nc: velocity and pressure of a row of vortices carried along a channel, as a CF NetCDF file."""

from pathlib import Path

import numpy as np
import xarray as xr

FRAMES, NY, NX = 80, 48, 96
t, y, x = np.linspace(0, 8, FRAMES), np.linspace(-1, 1, NY), np.linspace(0, 4, NX)
T, Y, X = np.meshgrid(t, y, x, indexing="ij")
stream = np.zeros_like(X)
for number in range(-4, 5):
    sign = 1 if number % 2 else -1
    distance = (X - 0.8 * number - 0.5 * T) ** 2 + (Y - 0.25 * sign) ** 2
    stream += sign * np.exp(-distance / (0.08 + 0.01 * T))
u = 1 - Y**2 + np.gradient(stream, y, axis=1) * 0.2
v = -np.gradient(stream, x, axis=2) * 0.2
pressure = -0.5 * (u**2 + v**2)
dims = ("time", "y", "x")
dataset = xr.Dataset(
    {
        "u": (dims, u.astype(np.float32), {"units": "m s-1", "long_name": "velocity along the channel"}),
        "v": (dims, v.astype(np.float32), {"units": "m s-1", "long_name": "velocity across the channel"}),
        "p": (dims, pressure.astype(np.float32), {"units": "Pa", "long_name": "pressure"}),
    },
    coords={"time": ("time", t, {"units": "s"}), "y": ("y", y, {"units": "m"}), "x": ("x", x, {"units": "m"})},
    attrs={"title": "toy vortex street", "Conventions": "CF-1.8"},
)
dataset.to_netcdf(Path(__file__).with_name("wake.nc"), engine="netcdf4")
