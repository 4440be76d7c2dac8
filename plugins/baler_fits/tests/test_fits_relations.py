"""Formulas between catalogue columns: right numbers, found by name."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from baler_core import Formula, evaluate_formula
from baler_fits.metrics.formulas import suggested_formulas
from baler_fits.reader import FitsReader


def evaluated(formula: Formula, table: dict[str, np.ndarray]) -> np.ndarray:
    return evaluate_formula(formula.name, [table[parent] for parent in formula.parents], formula.constants)


def test_names_suggest_formulas_within_one_table() -> None:
    gaia = ["phot_g_mean_mag", "phot_bp_mean_mag", "phot_rp_mean_mag", "bp_rp", "bp_g", "mg", "parallax"]
    found = suggested_formulas([*gaia, "parallax_error", "parallax_over_error"])
    assert Formula("difference", "bp_rp", ("phot_bp_mean_mag", "phot_rp_mean_mag")) in found
    assert Formula("difference", "bp_g", ("phot_bp_mean_mag", "phot_g_mean_mag")) in found
    assert Formula("absolute_magnitude_by_parallax", "mg", ("phot_g_mean_mag", "parallax")) in found
    assert Formula("ratio", "parallax_over_error", ("parallax", "parallax_error")) in found
    assert len(found) == 4
    hyg = suggested_formulas(["HYG/ra", "HYG/dec", "HYG/dist", "HYG/mag", "HYG/absmag", "HYG/lum", "HYG/X", "b/ra"])
    assert Formula("absolute_magnitude", "HYG/absmag", ("HYG/mag", "HYG/dist")) in hyg
    assert Formula("x_by_hours", "HYG/X", ("HYG/ra", "HYG/dec", "HYG/dist")) in hyg
    assert Formula("luminosity", "HYG/lum", ("HYG/absmag",), (4.85,)) in hyg
    assert not any("b/ra" in relation.parents for relation in hyg)
    assert suggested_formulas(["pt", "eta", "phi", "mass"]) == []


@pytest.mark.shared
def test_suggestions_hold_in_real_catalogues(shared_data: Path) -> None:
    with (shared_data / "astro" / "gaia_hrd.csv").open() as file:
        rows = list(csv.DictReader(file))
    columns = {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}
    found = {relation.target: relation for relation in suggested_formulas(columns)}
    assert {"bp_rp", "mg"} <= set(found)
    for relation in found.values():
        predicted = evaluated(relation, columns)
        np.testing.assert_allclose(predicted, columns[relation.target], atol=2e-6)

    with FitsReader().open(shared_data / "astro" / "gll_psc_v16.fit.gz", ["LAT_*"]) as source:
        names = [v.name for v in source.schema.variables if len(v.dims) == 1 and v.is_numeric]
        block = next(source.blocks(1 << 30))
    for relation in suggested_formulas(names):
        predicted = evaluated(relation, {name: block[name].values for name in names})
        np.testing.assert_allclose(predicted, block[relation.target].values, atol=0.01)
