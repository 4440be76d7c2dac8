"""Formulas give known values, say so when they are unknown, and are collected from every reader."""

from __future__ import annotations

import numpy as np
import pytest

from baler_core.data.formulas import FORMULAS, evaluate_formula
from baler_core.errors import FormatError
from baler_core.plugin.registry import load_plugins

CENTRE = (266.40499, -28.93617)  # direction of the Galactic centre


@pytest.mark.parametrize(
    ("name", "parents", "constants", "expected"),
    [
        ("sum", (1, 2, 3), (), 6),
        ("difference", (12.5, 11), (), 1.5),
        ("product", (3, 2), (), 6),
        ("ratio", (3, 2), (), 1.5),
        ("scaled", (3,), (1.5,), 4.5),
        ("norm", (3, 4), (), 5),
        ("leg", (5, 4), (), 3),
        ("pt_from_energy", (0, 4, 3, 2), (), 3),
        ("mass_from_energy", (3, 0, 3, 2), (), 4),
        ("energy", (3, 0, 4), (), 5),
        ("px", (2, np.pi / 3), (), 1),
        ("py", (2, np.pi / 6), (), 1),
        ("pz", (2, np.arcsinh(0.5)), (), 1),
        ("momentum", (3, np.arcsinh(4 / 3)), (), 5),
        ("phi", (1, 1), (), np.pi / 4),
        ("eta", (3, 4, 5 * np.sinh(1.2)), (), 1.2),
        ("absolute_magnitude", (10, 100), (), 5),
        ("absolute_magnitude_by_parallax", (10, 100), (), 10),
        ("luminosity", (-0.17,), (4.83,), 100),
        ("x", (60, 0, 4), (), 2),
        ("y", (90, 60, 4), (), 2),
        ("z", (90, 30, 4), (), 2),
        ("x_by_hours", (4, 0, 4), (), 2),
        ("y_by_hours", (6, 60, 4), (), 2),
        ("galactic_latitude", CENTRE, (), 0),
        ("galactic_longitude", (CENTRE[0] + 0.1, CENTRE[1] + 0.1), (), 0.131),
    ],
)
def test_formulas_give_known_values(
    name: str, parents: tuple[float, ...], constants: tuple[float, ...], expected: float
) -> None:
    found = evaluate_formula(name, [np.full(2, parent, "<f4") for parent in parents], constants)
    assert (found.dtype, found.shape) == (np.float64, (2,))
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=2e-3 if "galactic" in name else 1e-6)


def test_undefined_values_are_not_errors() -> None:
    one = np.ones(1)
    assert np.isnan(evaluate_formula("absolute_magnitude_by_parallax", [one, -one])).all()
    assert np.isinf(evaluate_formula("ratio", [one, 0 * one])).all()


def test_unknown_formulas_and_wrong_parents_are_named() -> None:
    with pytest.raises(FormatError, match=r"norn.*norm"):
        evaluate_formula("norn", [np.ones(1)])
    with pytest.raises(FormatError, match="ratio"):
        evaluate_formula("ratio", [np.ones(1)])


def test_readers_offer_formulas_that_exist() -> None:
    names = ["Jet_pt", "Jet_eta", "Jet_phi", "Jet_mass", "Jet_energy", "bp_rp", "phot_bp_mean_mag", "phot_rp_mean_mag"]
    found = load_plugins().formulas(names)
    assert {formula.name for formula in found} <= set(FORMULAS)
    assert len(found) == len(set(found))
