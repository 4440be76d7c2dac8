"""Columns that follow from norms, sums of products and powers of others are found, and restored by the same bits everywhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import reference
from reference.table_programs import evaluate_program

import baler_core
from baler_core.builtin.models.table.relations.programs import run
from baler_core.builtin.models.table.relations.relation import Relation
from baler_core.builtin.models.table.relations.search import SampledColumn, find_relations
from baler_core.builtin.models.table.relations.virtual import virtual_relations
from baler_core.data.bounds import Tolerance
from baler_core.errors import FormatError
from baler_core.quantise.circular import cosine, hyperbolic_cosine, hyperbolic_sine, sine, within_half_a_turn
from baler_core.quantise.lattice_fit import fit_lattice

Columns = dict[str, np.ndarray]
REL = Tolerance("rel", 1e-3)


def events(rows: int) -> Columns:
    """Two jets, a lepton and missing momentum by their components, with the razor variables and a transverse mass."""
    rng = np.random.default_rng(1)
    found: Columns = {}
    for name in ("j1", "j2", "lep"):
        pt, phi = 30 + rng.exponential(60, rows), rng.uniform(-np.pi, np.pi, rows)
        parts = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(rng.normal(0, 1.3, rows))
        found |= {f"{name}_p{axis}": part for axis, part in zip("xyz", parts, strict=True)}
    for axis in "xy":
        found[f"met_{axis}"] = rng.normal(0, 25, rows) - 0.3 * (found[f"j1_p{axis}"] + found[f"j2_p{axis}"])
    x, y, z = ({n: found[f"{n}_p{axis}"] for n in ("j1", "j2", "lep")} for axis in "xyz")
    across = {n: np.hypot(x[n], y[n]) for n in x}
    along = {n: np.hypot(across[n], z[n]) for n in x}
    mx, my = found["met_x"], found["met_y"]
    met = np.hypot(mx, my)
    found["MR"] = np.sqrt((along["j1"] + along["j2"]) ** 2 - (z["j1"] + z["j2"]) ** 2)
    both = met * (across["j1"] + across["j2"]) - mx * (x["j1"] + x["j2"]) - my * (y["j1"] + y["j2"])
    found["R2"] = both / 2 / found["MR"] ** 2
    found["MT"] = np.sqrt(np.maximum(2 * (across["lep"] * met - x["lep"] * mx - y["lep"] * my), 0))
    return {name: values.astype("<f4") for name, values in found.items()}


def relations_of(columns: Columns, tolerance: Tolerance = REL) -> dict[str, Relation]:
    sampled = [SampledColumn(name, v, fit_lattice(v, tolerance), tolerance) for name, v in columns.items()]
    names = list(columns)
    return {names[j]: found for j, found in find_relations(sampled, virtual=True).items() if found.name == "program"}


def test_razor_variables_and_transverse_masses_are_found() -> None:
    columns = events(1000)
    found = relations_of(columns)
    names = list(columns)
    assert found.keys() == {"MR", "R2", "MT"}
    for name, relation in found.items():
        values = run(relation.constants, [columns[names[p]].astype("f8") for p in relation.parents])
        assert np.median(np.abs(values / columns[name] - 1)) < 1e-6


def test_vectors_given_by_angles_are_seen() -> None:
    rng = np.random.default_rng(2)
    pt, eta, phi = rng.exponential(40, 900) + 5, rng.normal(0, 1, 900), rng.uniform(-np.pi, np.pi, 900)
    met, met_phi = rng.exponential(30, 900) + 5, rng.uniform(-np.pi, np.pi, 900)
    mt = np.sqrt(2 * pt * met * (1 - np.cos(phi - met_phi)))
    columns = {
        "mu_pt": pt,
        "mu_eta": eta,
        "mu_phi": phi,
        "met": met,
        "met_phi": met_phi,
        "mt": mt,
        "p": pt * np.cosh(eta),
    }
    values = list(columns.values())
    found = {}
    for j, parents, program in virtual_relations(
        list(columns), values, [1e-6 * np.abs(v) + 1e-9 for v in values], range(7)
    ):
        found.setdefault(list(columns)[j], np.abs(run(program, [values[k] for k in parents]) - values[j]).max())
    assert found["mt"] < 1e-4
    assert found["p"] < 1e-9


def test_independent_columns_follow_from_nothing() -> None:
    rng = np.random.default_rng(3)
    assert not relations_of({f"c{n}": rng.lognormal(0, 1, 700).astype("<f4") for n in range(6)})


def test_files_are_smaller_and_another_decoder_agrees_to_the_bit(tmp_path: Path) -> None:
    columns = {name: values for name, values in events(600).items() if not name.startswith("j")}
    columns = {**columns, "other": np.random.default_rng(4).normal(size=600).astype("<f4")}
    columns.pop("MR"), columns.pop("R2")
    bounds = {name: {"rel": 1e-3} for name in columns}
    sizes = {}
    for effort in ("fast", "balanced"):
        model = {"name": "table", "effort": effort, "network": "off"}
        sizes[effort] = baler_core.compress(columns, tmp_path / f"{effort}.bal", bounds=bounds, model=model).file_bytes
    assert sizes["balanced"] < 0.97 * sizes["fast"]
    ours = baler_core.open_file(tmp_path / "balanced.bal")
    theirs = reference.restore((tmp_path / "balanced.bal").read_bytes())
    for name, values in columns.items():
        assert ours[name][:].tobytes() == theirs[name].tobytes()
        assert (np.abs(ours[name][:].astype("f8") - values) <= 1e-3 * np.abs(values.astype("f8"))).all()


PROGRAMS = [
    [1, 2, 0, 1], [2, 2, 0.25, 0, 1, -3, 1, 1], [3, 0], [4, 1.5, 2, 0, -2, 1, 0.5], [5, 0], [6, 1], [7, 0], [8, 1],
    [9, 0, 1], [6, 0, 2, 1, 2.0, 2, 1, 3, 3],
]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_give_the_same_bits_in_both_decoders(program: list[float]) -> None:
    rng = np.random.default_rng(5)
    odd = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e6, 5e5, -1e300, np.pi, 800.0]
    columns = [np.concatenate([odd, rng.normal(0, scale, 200)]) for scale in (3.0, 300.0)]
    with np.errstate(all="ignore"):
        assert run(program, columns).tobytes() == evaluate_program(columns, program).tobytes()


def test_angles_are_those_of_the_library_nearly() -> None:
    x = np.concatenate([np.linspace(-40, 40, 5001), [9e5, -123456.789]])
    assert np.abs(sine(x) - np.sin(x)).max() < 1e-15 * 9e5 / 1000
    assert np.abs(cosine(x[:5001]) - np.cos(x[:5001])).max() < 3e-16
    assert np.allclose(hyperbolic_sine(x[:5001]), np.sinh(x[:5001]), rtol=1e-12, atol=1e-15)
    assert np.allclose(hyperbolic_cosine(x[:5001]), np.cosh(x[:5001]), rtol=1e-14)
    assert np.abs(within_half_a_turn(x[:5001])).max() <= np.pi + 1e-12


@pytest.mark.parametrize(
    "forged",
    [
        [],
        [0],
        [10],
        [3],
        [3, 2],
        [3, -1],
        [3, 0.5],
        [3, np.nan],
        [1, 64],
        [1, 1, 9],
        [2, 1, 1.0, 0],
        [4, 1.0, 1, 0, 3],
        [np.inf],
    ],
)
def test_forged_programs_are_refused(forged: list[float]) -> None:
    with pytest.raises(FormatError):
        run(forged, [np.ones(3), np.ones(3)])
