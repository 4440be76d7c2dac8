"""Formulas between the components of four-momenta: plain functions of float64 arrays, all in one unit, angles in radians."""

from __future__ import annotations

import numpy as np


def transverse(px: np.ndarray, py: np.ndarray) -> np.ndarray:
    """pT = sqrt(px^2 + py^2)."""
    return np.hypot(px, py)


def azimuth(px: np.ndarray, py: np.ndarray) -> np.ndarray:
    """phi = atan2(py, px), from -pi to pi."""
    return np.arctan2(py, px)


def pseudorapidity(px: np.ndarray, py: np.ndarray, pz: np.ndarray) -> np.ndarray:
    """eta = asinh(pz / pT); infinite along the beam."""
    return np.arcsinh(pz / np.hypot(px, py))


def component_x(pt: np.ndarray, phi: np.ndarray) -> np.ndarray:
    """px = pT cos(phi)."""
    return pt * np.cos(phi)


def component_y(pt: np.ndarray, phi: np.ndarray) -> np.ndarray:
    """py = pT sin(phi)."""
    return pt * np.sin(phi)


def component_z(pt: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """pz = pT sinh(eta)."""
    return pt * np.sinh(eta)


def momentum(pt: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """p = pT cosh(eta)."""
    return pt * np.cosh(eta)


def energy(pt: np.ndarray, eta: np.ndarray, mass: np.ndarray) -> np.ndarray:
    """E = sqrt(p^2 + m^2)."""
    return np.hypot(momentum(pt, eta), mass)


def total(*energies: np.ndarray) -> np.ndarray:
    """E = the sum of the energies of all constituents."""
    return np.sum(np.stack(energies), axis=0)


def transverse_from_energy(eta: np.ndarray, mass: np.ndarray, *energies: np.ndarray) -> np.ndarray:
    """pT = sqrt(E^2 - m^2) / cosh(eta), where E is the sum of the energies."""
    whole = total(*energies)
    return np.sqrt(np.maximum(whole * whole - mass * mass, 0)) / np.cosh(eta)


def mass_from_energy(pt: np.ndarray, eta: np.ndarray, *energies: np.ndarray) -> np.ndarray:
    """m = sqrt(E^2 - p^2), where E is the sum of the energies; 0 where rounding makes it imaginary."""
    whole, length = total(*energies), momentum(pt, eta)
    return np.sqrt(np.maximum((whole - length) * (whole + length), 0))


def norm(*components: np.ndarray) -> np.ndarray:
    """p = sqrt(px^2 + py^2 + pz^2), E = sqrt(p^2 + m^2): the length of a vector."""
    return np.sqrt(np.sum(np.square(np.stack(components)), axis=0))


def leg(longest: np.ndarray, *others: np.ndarray) -> np.ndarray:
    """m = sqrt(E^2 - px^2 - py^2 - pz^2): what a length leaves for one component; 0 where that is imaginary."""
    return np.sqrt(np.maximum(longest * longest - np.sum(np.square(np.stack(others)), axis=0), 0))
