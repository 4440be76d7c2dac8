"""Four-momenta: recognised by their names, converted to and fro, and related by formulas that prove true on values."""

from __future__ import annotations

import numpy as np
import pytest

from baler_core import Formula, evaluate_formula
from baler_root.metrics.formulas import CONSTITUENTS, MOMENTUM_FORMULAS, offered_formulas
from baler_root.metrics.momenta import cartesian, find_momenta, split_name


@pytest.fixture
def jets() -> dict[str, np.ndarray]:
    """All components of 1,000 random four-momenta, each computed from definitions."""
    rng = np.random.default_rng(1)
    px, py, pz = rng.normal(0, 50, (3, 1000))
    mass = rng.exponential(10, 1000)
    p = np.sqrt(px**2 + py**2 + pz**2)
    components = {"px": px, "py": py, "pz": pz, "p": p, "mass": mass, "energy": np.sqrt(p**2 + mass**2)}
    pt = np.sqrt(px**2 + py**2)
    components |= {"pt": pt, "phi": np.arctan2(py, px), "eta": -np.log(np.tan(np.arctan2(pt, pz) / 2))}
    return {f"Jet_{name}": values for name, values in components.items()}


@pytest.mark.parametrize(
    ("name", "stem", "component"),
    [
        ("Jet_pt", "Jet_", "pt"),
        ("Jet_pt_", "Jet_", "pt"),
        ("jetPt", "jet", "pt"),
        ("V0s/V0s.fPt", "V0s/V0s.f", "pt"),
        ("AnalysisJetsAuxDyn.m", "AnalysisJetsAuxDyn.", "mass"),
        ("Muon_E", "Muon_", "energy"),
        ("px2", "2", "px"),
        ("jet_eta_1", "jet_1", "eta"),
        ("MET_phi", "MET_", "phi"),
        ("Muon_Charge", "Muon_Charge", ""),
        ("area", "area", ""),
        ("someE", "some", "energy"),
        ("TIME", "TIME", ""),
    ],
)
def test_names_of_components(name: str, stem: str, component: str) -> None:
    assert split_name(name) == (stem, component)


def test_momenta_among_other_variables() -> None:
    names = ["nJet", "Jet_pt", "Jet_eta", "Jet_phi", "Jet_mass", "Jet_area", "MET_pt", "MET_phi", "pt1", "eta1", "phi1"]
    jet, first = find_momenta(names)
    assert jet.name == "Jet"
    assert jet.is_complete
    assert first.variables == {"pt": "pt1", "eta": "eta1", "phi": "phi1"}
    assert not first.is_complete


def test_momenta_of_one_name_stay_apart() -> None:
    names = [f"{folder}/Jet.{part}" for folder in "ab" for part in ("pt", "eta", "phi")]
    assert [momentum.name for momentum in find_momenta(names)] == ["Jet", "b/Jet."]


@pytest.mark.parametrize(
    "parts", [("pt", "eta", "phi", "mass"), ("pt", "eta", "phi", "energy"), ("px", "py", "pz", "mass")], ids="-".join
)
def test_cartesian_from_any_components(parts: tuple[str, ...], jets: dict[str, np.ndarray]) -> None:
    vectors = cartesian({part: jets[f"Jet_{part}"].astype("f4") for part in parts})
    expected = np.stack([jets[f"Jet_{part}"] for part in ("energy", "px", "py", "pz")])
    assert vectors.dtype == np.float64
    np.testing.assert_allclose(vectors, expected, rtol=2e-6, atol=2e-4)


def evaluated(formula: Formula, table: dict[str, np.ndarray]) -> np.ndarray:
    return evaluate_formula(formula.name, [table[parent] for parent in formula.parents], formula.constants)


def test_every_formula_gives_its_target(jets: dict[str, np.ndarray]) -> None:
    found = offered_formulas(list(jets))
    assert len(found) == len(MOMENTUM_FORMULAS)
    for formula in found:
        np.testing.assert_allclose(
            evaluated(formula, jets), jets[formula.target], rtol=1e-6, atol=1e-4, err_msg=str(formula)
        )


def test_energies_of_constituents(jets: dict[str, np.ndarray]) -> None:
    shares = np.random.default_rng(2).dirichlet(np.ones(7), 1000).T
    table = {f"Jet_{part}_": jets[f"Jet_{part}"] for part in ("pt", "eta", "phi", "mass")}
    table |= {
        f"Jet_m{kind}Energy": share * jets["Jet_energy"] for kind, share in zip(CONSTITUENTS[0], shares, strict=True)
    }
    found = offered_formulas(list(table))
    energies = tuple(f"Jet_m{kind}Energy" for kind in CONSTITUENTS[0])
    assert Formula("pt_from_energy", "Jet_pt_", ("Jet_eta_", "Jet_mass_", *energies)) in found
    by_pt = next(f for f in found if f.name == "pt_from_energy" and len(f.parents) == 9)
    np.testing.assert_allclose(evaluated(by_pt, table), table["Jet_pt_"], rtol=1e-9)


def test_formulas_of_impossible_values_are_not_finite_or_zero() -> None:
    table = {"pt": np.array([np.nan, 1.0]), "eta": np.array([0.0, np.inf]), "mass": np.array([1.0, 1.0])}
    (energy,) = offered_formulas([*table, "energy"])[:1]
    assert not np.isfinite(evaluated(energy, table)).any()


def test_no_formulas_without_their_variables() -> None:
    assert offered_formulas(["Jet_pt", "Jet_eta", "Jet_phi", "Jet_mass", "MET_pt", "MET_phi"]) == []
