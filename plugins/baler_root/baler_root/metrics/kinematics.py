"""Formulas between the components of four-momenta: plain functions of float64 arrays, all in one unit, angles in radians."""

from __future__ import annotations

import numpy as np


def component_x(pt: np.ndarray, phi: np.ndarray) -> np.ndarray:
    """px = pT cos(phi)."""
    return pt * np.cos(phi)


def component_y(pt: np.ndarray, phi: np.ndarray) -> np.ndarray:
    """py = pT sin(phi)."""
    return pt * np.sin(phi)


def component_z(pt: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """pz = pT sinh(eta)."""
    return pt * np.sinh(eta)


def norm(*components: np.ndarray) -> np.ndarray:
    """p = sqrt(px^2 + py^2 + pz^2), E = sqrt(p^2 + m^2): the length of a vector."""
    return np.sqrt(np.sum(np.square(np.stack(components)), axis=0))
