"""Formulas between catalogue columns: right numbers, found by name."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from baler_fits.reader import FitsReader
from baler_fits.relation_names import suggested_relations
from baler_fits.relations import AbsoluteMagnitude, Cartesian, Colour, Galactic, Luminosity, Ratio


def test_formulas_give_known_values() -> None:
    one = np.ones(1)
    np.testing.assert_allclose(Colour("c", "b", "r").predict(12.5 * one, 11 * one), 1.5)
    np.testing.assert_allclose(Ratio("r", "a", "b").predict(3 * one, 2 * one), 1.5)
    np.testing.assert_allclose(AbsoluteMagnitude("m", "a", "p", "parallax").predict(10 * one, 100 * one), 10)
    np.testing.assert_allclose(AbsoluteMagnitude("m", "a", "d", "distance").predict(10 * one, 100 * one), 5)
    np.testing.assert_allclose(Luminosity("l", "m", 4.83).predict(-0.17 * one), 100)
    np.testing.assert_allclose(Cartesian("y", "a", "d", "r", 1).predict(90 * one, 60 * one, 4 * one), 2)
    np.testing.assert_allclose(Cartesian("y", "a", "d", "r", 1, hours=True).predict(6 * one, 60 * one, 4 * one), 2)
    centre = [np.array([266.40499]), np.array([-28.93617])]  # direction of the Galactic centre
    longitude = Galactic("l", "ra", "dec", "longitude").predict(*centre)
    np.testing.assert_allclose((longitude + 180) % 360, 180, atol=1e-4)
    np.testing.assert_allclose(Galactic("b", "ra", "dec", "latitude").predict(*centre), 0, atol=1e-4)


def test_undefined_values_are_not_errors() -> None:
    assert np.isnan(AbsoluteMagnitude("m", "a", "p", "parallax").predict(np.ones(1), -np.ones(1))).all()
    assert np.isinf(Ratio("r", "a", "b").predict(np.ones(1), np.zeros(1))).all()


def test_names_suggest_formulas_within_one_table() -> None:
    gaia = ["phot_g_mean_mag", "phot_bp_mean_mag", "phot_rp_mean_mag", "bp_rp", "bp_g", "mg", "parallax"]
    found = suggested_relations([*gaia, "parallax_error", "parallax_over_error"])
    assert Colour("bp_rp", "phot_bp_mean_mag", "phot_rp_mean_mag") in found
    assert Colour("bp_g", "phot_bp_mean_mag", "phot_g_mean_mag") in found
    assert AbsoluteMagnitude("mg", "phot_g_mean_mag", "parallax", "parallax") in found
    assert Ratio("parallax_over_error", "parallax", "parallax_error") in found
    assert len(found) == 4
    hyg = suggested_relations(["HYG/ra", "HYG/dec", "HYG/dist", "HYG/mag", "HYG/absmag", "HYG/lum", "HYG/X", "b/ra"])
    assert AbsoluteMagnitude("HYG/absmag", "HYG/mag", "HYG/dist", "distance") in hyg
    assert Cartesian("HYG/X", "HYG/ra", "HYG/dec", "HYG/dist", 0, hours=True) in hyg
    assert Luminosity("HYG/lum", "HYG/absmag", 4.85) in hyg
    assert not any("b/ra" in relation.parents for relation in hyg)
    assert suggested_relations(["pt", "eta", "phi", "mass"]) == []


@pytest.mark.shared
def test_suggestions_hold_in_real_catalogues(shared_data: Path) -> None:
    with (shared_data / "astro" / "gaia_hrd.csv").open() as file:
        rows = list(csv.DictReader(file))
    columns = {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}
    found = {relation.target: relation for relation in suggested_relations(columns)}
    assert {"bp_rp", "mg"} <= set(found)
    for relation in found.values():
        predicted = relation.predict(*(columns[name] for name in relation.parents))
        np.testing.assert_allclose(predicted, columns[relation.target], atol=2e-6)

    with FitsReader().open(shared_data / "astro" / "gll_psc_v16.fit.gz", ["LAT_*"]) as source:
        names = [v.name for v in source.schema.variables if len(v.dims) == 1 and v.is_numeric]
        block = next(source.blocks(1 << 30))
    for relation in suggested_relations(names):
        predicted = relation.predict(*(block[name].values for name in relation.parents))
        np.testing.assert_allclose(predicted, block[relation.target].values, atol=0.01)
