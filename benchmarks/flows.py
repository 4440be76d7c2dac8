"""Measures what local fits of `predictive` buy on chaotic flows of other solvers and seeds than those that they were made on.

Each flow is made here: decaying turbulence by a spectral method and by finite differences, a scalar stirred by turbulence,
thermal convection between plates, and eddies of a rotating shallow layer. Whole `.bal` files at effort `max` are counted,
with local fits and without, and every restored value is compared with its bound. Speeds are of processor time.

    python benchmarks/flows.py [--size 192] [--frames 8] [--seed 1] [--bounds 1e-2 1e-3 1e-4] [NAME ...]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext

import numpy as np
import scipy.fft as fft
from ablation_rooms import ROOMS

import baler_core

Array = np.ndarray
_ROOM = ROOMS["local fits of predictive"]


def _waves(size: int) -> tuple[Array, Array, Array, Array]:
    """Return wave numbers along both axes, their square, and its inverse without the mean."""
    kx, ky = np.meshgrid(fft.fftfreq(size, 1 / size), fft.rfftfreq(size, 1 / size), indexing="ij")
    square = kx**2 + ky**2
    inverse = 1 / np.where(square > 0, square, 1)
    inverse[0, 0] = 0
    return kx, ky, square, inverse


def _random_vorticity(size: int, seed: int, peak: float = 6.0) -> Array:
    """Return a random field of vorticity whose energy is at waves of number `peak`."""
    kx, _, square, _ = _waves(size)
    rng = np.random.default_rng(seed)
    spectrum = square**2 * np.exp(-square / peak**2)
    field = fft.irfft2(spectrum * (rng.standard_normal(kx.shape) + 1j * rng.standard_normal(kx.shape)), s=(size, size))
    return np.asarray(6 * (field - field.mean()) / field.std())


def _velocity(vorticity: Array) -> tuple[Array, Array]:
    """Return the velocities along both axes of a periodic field of vorticity."""
    size = len(vorticity)
    kx, ky, _, inverse = _waves(size)
    stream = fft.rfft2(vorticity) * inverse
    return fft.irfft2(1j * ky * stream, s=(size, size)), fft.irfft2(-1j * kx * stream, s=(size, size))


def _frames(step: Callable[[Array], Array], state: Array, frames: int, every: int, spin: int) -> Iterator[Array]:
    for number in range(spin + every * (frames - 1) + 1):
        if number >= spin and (number - spin) % every == 0:
            yield state
        state = step(state)


def spectral_turbulence(size: int, frames: int, seed: int) -> Array:
    """Return vorticity of decaying turbulence, by a spectral method and Runge-Kutta steps of second order."""
    kx, ky, square, _ = _waves(size)
    kept = (np.abs(kx) < size / 3) & (np.abs(ky) < size / 3)

    def slope(vorticity: Array) -> Array:
        u, v = _velocity(vorticity)
        hat = fft.rfft2(vorticity)
        along, across = (fft.irfft2(1j * k * hat, s=(size, size)) for k in (kx, ky))
        return fft.irfft2(-fft.rfft2(u * along + v * across) * kept - 4e-4 * square * hat, s=(size, size))

    def step(vorticity: Array) -> Array:
        return vorticity + 5e-3 * slope(vorticity + 2.5e-3 * slope(vorticity))

    return np.stack(list(_frames(step, _random_vorticity(size, seed), frames, 16, 200)))


def _carried(field: Array, u: Array, v: Array, spacing: float) -> Array:
    """Return minus the divergence of the flux of a field, upwind of third order, as finite volumes have it."""
    total = np.zeros_like(field)
    for axis, speed in enumerate((u, v)):
        face = (speed + np.roll(speed, -1, axis)) / 2
        before, after, beyond = (np.roll(field, shift, axis) for shift in (1, -1, -2))
        left = (-before + 5 * field + 2 * after) / 6
        right = (2 * field + 5 * after - beyond) / 6
        flux = np.where(face > 0, face * left, face * right)
        total -= (flux - np.roll(flux, 1, axis)) / spacing
    return total


def _diffused(field: Array, spacing: float) -> Array:
    shifted = sum(np.roll(field, shift, axis) for shift in (1, -1) for axis in (0, 1))
    return np.asarray((shifted - 4 * field) / spacing**2)


def finite_difference_turbulence(size: int, frames: int, seed: int) -> Array:
    """Return vorticity of turbulence stirred at large scales, by finite volumes on the same square."""
    spacing = 2 * np.pi / size
    place = np.arange(size) * spacing
    stirring = 2 * np.sin(4 * place)[:, None] * np.ones(size) + 2 * np.cos(4 * place)

    def step(vorticity: Array) -> Array:
        u, v = _velocity(vorticity)
        change = _carried(vorticity, u, v, spacing) + 3e-4 * _diffused(vorticity, spacing)
        return vorticity + 3e-3 * (change + stirring - 0.1 * vorticity)

    return np.stack(list(_frames(step, _random_vorticity(size, seed, 9.0), frames, 30, 500)))


def stirred_scalar(size: int, frames: int, seed: int) -> Array:
    """Return a scalar with a mean gradient that turbulence stirs."""
    spacing = 2 * np.pi / size

    def step(state: Array) -> Array:
        vorticity, scalar = state
        u, v = _velocity(vorticity)
        moved = [_carried(field, u, v, spacing) + 3e-4 * _diffused(field, spacing) for field in (vorticity, scalar)]
        return state + 3e-3 * np.stack([moved[0], moved[1] - u])

    start = np.stack([_random_vorticity(size, seed), np.zeros((size, size))])
    return np.stack([state[1] for state in _frames(step, start, frames, 30, 500)])


def convection(size: int, frames: int, seed: int) -> Array:
    """Return the temperature of convection above a warm stripe and below a cold one, periodic along both axes."""
    spacing = 2 * np.pi / size
    height = np.arange(size) * spacing
    heating = (np.exp(-((height - 1) ** 2) * 40) - np.exp(-((height - 5) ** 2) * 40))[:, None]

    def step(state: Array) -> Array:
        vorticity, heat = state
        u, v = _velocity(vorticity)
        buoyancy = -3 * (np.roll(heat, -1, 1) - np.roll(heat, 1, 1)) / (2 * spacing)
        moved = [_carried(field, u, v, spacing) + 4e-4 * _diffused(field, spacing) for field in (vorticity, heat)]
        return state + 2e-3 * np.stack([moved[0] + buoyancy - 0.2 * vorticity, moved[1] + heating - 0.2 * heat])

    noise = 0.3 * np.random.default_rng(seed).standard_normal((2, size, size))
    return np.stack([state[1] for state in _frames(step, noise, frames, 40, 2000)])


def shallow_water(size: int, frames: int, seed: int) -> Array:
    """Return the height of a rotating shallow layer with eddies, by centred differences with some friction."""
    spacing = 2 * np.pi / size
    u, v = _velocity(_random_vorticity(size, seed))
    _, _, _, inverse = _waves(size)
    balanced = fft.irfft2(fft.rfft2(_random_vorticity(size, seed)) * -inverse, s=(size, size))

    def slope(field: Array, axis: int) -> Array:
        return np.asarray((np.roll(field, -1, axis) - np.roll(field, 1, axis)) / (2 * spacing))

    def step(state: Array) -> Array:
        u, v, height = state
        carried = [u * slope(field, 0) + v * slope(field, 1) for field in (u, v)]
        change = np.stack(
            [
                6 * v - 20 * slope(height, 0) - carried[0],
                -6 * u - 20 * slope(height, 1) - carried[1],
                -slope(u * (1 + 0.2 * height), 0) - slope(v * (1 + 0.2 * height), 1),
            ]
        )
        smoothed = np.stack([_diffused(field, spacing) for field in state])
        return np.asarray(state + 1e-3 * (change + 4e-3 * smoothed))

    def twice(state: Array) -> Array:
        middle = (state + step(state)) / 2
        return np.asarray(state + step(middle) - middle)

    start = np.stack([u, v, balanced])
    return np.stack([state[2] for state in _frames(twice, start, frames, 60, 300)])


FLOWS = (spectral_turbulence, finite_difference_turbulence, stirred_scalar, convection, shallow_water)


def coded(field: Array, bound: float, *, local: bool) -> tuple[int, float, float]:
    """Return the bytes of a file and the processor seconds of encoding and decoding, its bound checked."""
    allowed = bound * float(field.max() - field.min())
    with nullcontext() if local else _ROOM.switched_off():
        start = time.process_time()
        data = baler_core.encode(field, bounds={"abs": allowed}, effort="max")
        middle = time.process_time()
        restored = np.asarray(baler_core.decode(data))
        end = time.process_time()
    assert np.abs(restored.astype("f8") - field.astype("f8")).max() <= allowed
    return len(data), middle - start, end - middle


def main() -> None:
    """Make each flow, measure it with and without, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="of " + ", ".join(flow.__name__ for flow in FLOWS))
    parser.add_argument("--size", type=int, default=192)
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--bounds", type=float, nargs="+", default=[1e-2, 1e-3, 1e-4])
    given = parser.parse_args()
    print("| flow | bound | without | with | change | MB/s in | MB/s out |\n|---|--:|--:|--:|--:|--:|--:|")
    for flow in FLOWS:
        if given.names and flow.__name__ not in given.names:
            continue
        field = flow(given.size, given.frames, given.seed).astype("<f4")
        assert np.isfinite(field).all(), f"{flow.__name__} did not stay finite"
        for bound in given.bounds:
            without, *_ = coded(field, bound, local=False)
            size, encoding, decoding = coded(field, bound, local=True)
            speeds = f"{field.nbytes / 1e6 / encoding:.2f} | {field.nbytes / 1e6 / decoding:.2f}"
            change = 100 * (size / without - 1)
            print(f"| {flow.__name__} | {bound:g} | {without:,} | {size:,} | {change:+.1f} % | {speeds} |", flush=True)


if __name__ == "__main__":
    main()
