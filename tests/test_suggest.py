"""`baler suggest`: what values say against a proposal, what is stored coarsely, what communities recommend, what is kept."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from baler_core.cli import cli
from baler_core.cli.options import Session
from baler_core.data.noise import Noise
from baler_core.data.variables import Schema, Variable
from baler_core.suggest.coarse import stored_coarsely
from baler_core.suggest.objections import objection
from baler_core.suggest.proposal import Proposal
from baler_core.suggest.proposals import proposals_for

RANDOM = np.random.default_rng(4)
N = 2000
COLUMN = Variable("v", "<f4", ("row",))


def only(variable: Variable, values: np.ndarray, *others: str) -> Proposal:
    """The proposal for one variable, beside integers of other names."""
    beside = tuple(Variable(name, "<i4", ("event",)) for name in others)
    sizes = {**dict(zip(variable.dims, values.shape, strict=True)), **({"event": 5} if others else {})}
    return proposals_for(Schema((variable, *beside), sizes), {variable.name: values})[variable.name]


def suggest(*arguments: str) -> str:
    result = CliRunner().invoke(cli, ["suggest", *arguments], obj=Session(), catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


@pytest.fixture
def stars(tmp_path: Path) -> Path:
    g = RANDOM.normal(18, 1, N)
    np.savez(tmp_path / "stars.npz", g=g, r=g - RANDOM.normal(0.5, 0.1, N), e_g=RANDOM.lognormal(-4, 1, N))
    return tmp_path / "stars.npz"


def test_lower_and_upper_errors_in_one_column_are_found_and_values_without_any_are_told() -> None:
    flux = RANDOM.lognormal(0, 1, N).astype("<f4")
    errors = np.stack([-0.2 * flux, 0.3 * flux], axis=1).astype("<f4")
    errors[: N // 4, 0] = np.nan
    variables = (
        Variable("s/Flux", "<f4", ("row",)),
        Variable("s/Unc_Flux", "<f4", ("row", "side")),
        Variable("s/Other", "<f4", ("row",)),
        Variable("s/Unc_Other", "<f4", ("row", "channel")),
    )
    schema = Schema(variables, {"row": N, "side": 2, "channel": 8})
    many = np.repeat(errors, 4, axis=1)
    # Of variables with more values per row, fewer rows are read.
    values = {"s/Flux": flux, "s/Unc_Flux": errors[: N // 2], "s/Other": flux, "s/Unc_Other": many[: N // 8]}
    found = proposals_for(schema, values)
    assert yaml.safe_load(found["s/Flux"].bound) == {"abs": "0.1 * `s/Unc_Flux`", "else": {"rel": 1e-3}}
    assert found["s/Flux"].reason.endswith("50% have none")
    assert "smaller" in found["s/Flux"].reason
    # Eight numbers per row are no lower and upper error.
    assert "Unc_Other" not in found["s/Other"].bound


def test_variables_of_a_group_share_a_line_whatever_signs_its_name_holds(tmp_path: Path) -> None:
    columns = {f"LAT_Point_Catalog/q{number}": RANDOM.lognormal(0, 1, 300) for number in range(41)}
    np.savez(tmp_path / "c.npz", **columns)
    bounds = yaml.safe_load(suggest(str(tmp_path / "c.npz")))["bounds"]
    assert bounds == {"LAT_Point_Catalog/*": {"rel": 1e-3}, "*": "lossless"}


def test_no_pattern_takes_the_variables_of_a_longer_one(tmp_path: Path) -> None:
    names = [f"Jets_{i}" for i in range(20)] + [f"Jets_sub/Jets_sub.{i}" for i in range(20)]
    columns = {name: RANDOM.lognormal(0, 1, 300) for name in [*names, "Jets_sub/Jets_sub.fEta", "METPhiDown"]}
    np.savez(tmp_path / "j.npz", **columns)
    (tmp_path / "c.yaml").write_text(suggest(str(tmp_path / "j.npz")))
    checked = CliRunner().invoke(cli, ["check", str(tmp_path / "c.yaml")], obj=Session(), catch_exceptions=False)
    assert checked.exit_code == 0, checked.output
    bounds = yaml.safe_load((tmp_path / "c.yaml").read_text())["bounds"]
    assert bounds["METPhiDown"] == {"abs": 1e-4}
    assert list(bounds).index("Jets_sub/*") < list(bounds).index("Jets_*")


def test_bounds_of_energies_and_momenta_keep_the_masses_that_follow() -> None:
    momentum = RANDOM.normal(0, 50, (3, N))
    mass = RANDOM.uniform(8, 20, N)
    named = dict(zip(("Px", "Py", "Pz"), momentum, strict=True))

    def found(masses: np.ndarray, *others: str) -> tuple[dict[str, str], float]:
        columns = {f"Jet_{name}": values.astype("f4") for name, values in named.items()}
        columns["Jet_E"] = np.sqrt((momentum**2).sum(0) + masses**2).astype("f4")
        columns |= {name: masses.astype("f4") for name in others}
        schema = Schema(tuple(Variable(name, "<f4", ("jet",)) for name in columns), {"jet": N})
        bounds = {name: one.bound for name, one in proposals_for(schema, columns).items()}
        moved = {
            name: columns[name] * (1 + yaml.safe_load(bounds[name])["rel"] * RANDOM.uniform(-1, 1, N))
            for name in ("Jet_E", "Jet_Px", "Jet_Py", "Jet_Pz")
        }
        squared = moved["Jet_E"] ** 2 - sum(moved[f"Jet_{name}"] ** 2 for name in named)
        return bounds, float(np.median(np.abs(np.sqrt(np.maximum(squared, 0)) - masses) / masses))

    bounds, lost = found(mass)
    assert yaml.safe_load(bounds["Jet_E"])["rel"] < 1e-3
    assert lost < 0.012
    # A mass that is a column of its own needs no help; that of every electron none either, but masses of pairs do.
    assert found(mass, "Jet_M")[0]["Jet_E"] == "{rel: 1.0e-3}"
    assert yaml.safe_load(found(np.full(N, 0.1))[0]["Jet_E"])["rel"] <= 3e-4


def test_masses_of_few_particles_and_of_pairs_of_light_ones_are_kept() -> None:
    few = RANDOM.normal(0, 300, (3, 24))
    masses = RANDOM.uniform(20, 120, 24)
    values = {"Fat_E": np.sqrt((few**2).sum(0) + masses**2), "Fat_Px": few[0], "Fat_Py": few[1], "Fat_Pz": few[2]}
    schema = Schema(tuple(Variable(name, "<f8", ("jet",)) for name in values), {"jet": 24})
    found = proposals_for(schema, values)["Fat_E"]
    assert yaml.safe_load(found.bound)["rel"] <= 3e-4
    assert "would move masses by" in found.reason
    z = RANDOM.normal(0, 100, (3, N))
    values = {"mu_E": np.sqrt((z**2).sum(0) + 0.106**2), "mu_Px": z[0], "mu_Py": z[1], "mu_Pz": z[2]}
    schema = Schema(tuple(Variable(name, "<f8", ("mu",)) for name in values), {"mu": N})
    found = proposals_for(schema, values)["mu_Pz"]
    assert "would move masses of pairs by" in found.reason
    rel = yaml.safe_load(found.bound)["rel"]
    moved = {name: some * (1 + rel * RANDOM.uniform(-1, 1, N)) for name, some in values.items()}

    def pairs(of: dict[str, np.ndarray]) -> np.ndarray:
        e, x, y, z = (of[f"mu_{name}"][::2] + of[f"mu_{name}"][1::2] for name in ("E", "Px", "Py", "Pz"))
        return np.sqrt(np.maximum(e**2 - x**2 - y**2 - z**2, 0))

    assert np.percentile(np.abs(pairs(moved) / pairs(values) - 1), 97) < 0.012


@pytest.mark.parametrize(
    ("name", "units", "values", "bound"),
    [
        ("PrimaryVertices.fCoordinates.fZ", "", RANDOM.normal(0, 4, N), "{range: 1.0e-5}"),
        ("Tracks_referencePoint/Tracks_referencePoint.fCoordinates.fX", "", RANDOM.normal(0, 4, N), "{range: 1.0e-5}"),
        ("vtx", "cm", RANDOM.normal(0, 4, N), "{range: 1.0e-5}"),
        ("Jets.fCoordinates.fX", "", RANDOM.normal(0, 40, N), "{rel: 1.0e-3}"),
        ("theta", "degC", np.abs(RANDOM.normal(4, 6, N)), "{range: 1.0e-3}"),
        ("Model_SemiMajor", "deg", RANDOM.lognormal(-2, 0.5, N), "{rel: 1.0e-3}"),
        ("btag", "", RANDOM.choice([0, 1.0002, 1.9998], N), "lossless"),
    ],
)
def test_the_kind_of_quantity_decides_how_its_bound_is_stated(
    name: str, units: str, values: np.ndarray, bound: str
) -> None:
    assert only(Variable(name, "<f4", ("row",), units=units), values.astype("f4")).bound == bound


def test_what_people_compute_from_such_variables_can_be_switched_on(tmp_path: Path) -> None:
    pytest.importorskip("baler_hdf5")
    np.savez(tmp_path / "f.npz", u=RANDOM.normal(size=(60, 80)), v=RANDOM.normal(size=(60, 80)))
    text = suggest(str(tmp_path / "f.npz"))
    assert "derived" not in yaml.safe_load(text)
    (place,) = (n for n, line in enumerate(text.splitlines()) if line == "# derived:")
    switched = [line[2:] if place <= n <= place + 1 else line for n, line in enumerate(text.splitlines())]
    assert yaml.safe_load("\n".join(switched))["derived"] == {"vorticity_u_v": {"of": "vorticity(u, v)", "range": 1e-2}}


def test_ids_that_would_become_equal_are_objected_to() -> None:
    ids = np.arange(1e6, 1e6 + N)
    assert "equal" in objection(ids, np.full(N, 5.0), Noise(), is_below_noise=False)
    assert not objection(ids, np.full(N, 0.4), Noise(), is_below_noise=False)


def test_signs_that_would_turn_are_objected_to_unless_they_are_noise() -> None:
    velocity = np.where(RANDOM.random(N) < 0.5, -1, 1) * RANDOM.uniform(0.5, 9, N)
    velocity[:20] = 0.01
    assert "sign" in objection(velocity, np.full(N, 0.1), Noise(), is_below_noise=False)
    assert not objection(velocity, np.full(N, 0.1), Noise(), is_below_noise=True)
    assert not objection(velocity, np.full(N, 0.005), Noise(), is_below_noise=False)
    assert not objection(np.abs(velocity), np.full(N, 0.1), Noise(), is_below_noise=False)


def test_moving_values_by_more_than_their_noise_is_objected_to() -> None:
    values = RANDOM.normal(100, 30, N)
    assert "noise" in objection(values, np.full(N, 3.0), Noise(1.0, is_noise=True), is_below_noise=False)
    assert not objection(values, np.full(N, 0.9), Noise(1.0, is_noise=True), is_below_noise=False)


def test_a_field_whose_signs_would_turn_gets_a_finer_bound_and_says_why() -> None:
    y, x = np.mgrid[:150, :200]
    field = (np.sin(x / 17) * np.cos(y / 11)) ** 3
    found = only(Variable("u", "<f8", ("y", "x")), field)
    assert found.bound in ("{range: 1.0e-4}", "{rel: 1.0e-3}")
    assert "{range: 1.0e-3} could turn the sign of" in found.reason


def test_values_without_an_error_lose_no_more_than_the_others_commonly_do() -> None:
    flux = RANDOM.normal(9000, 1000, N)
    errors = np.where(np.arange(N) % 8, 10.0, 0.0) * RANDOM.uniform(0.9, 1.1, N)
    schema = Schema((Variable("f", "<f8", ("row",)), Variable("f_err", "<f8", ("row",))), {"row": N})
    bound = yaml.safe_load(proposals_for(schema, {"f": flux, "f_err": errors})["f"].bound)
    assert bound["abs"] == "0.1 * f_err"
    # A thousandth of 9000 would be nearly the error of the others.
    assert 0.9 < bound["else"]["abs"] <= 1.1


def test_what_has_no_units_is_known_by_name_and_values_together() -> None:
    y, x = np.mgrid[:60, :80]
    pressure = Variable("surface_pressure", "<f4", ("y", "x"))
    field = (80000 + 20000 * np.sin(x / 13) * np.cos(y / 17)).astype("f4")
    assert only(pressure, field).bound == "{abs: 1.0}"
    assert only(pressure, field / 100).bound.startswith("{range")
    warm = Variable("t2m", "<f4", ("y", "x"), units="degC")
    assert only(warm, field / 5000).bound == "{abs: 0.01}"


def test_neighbours_that_are_other_realizations_or_clouds_tell_no_noise() -> None:
    draws = RANDOM.normal(280, 2, (60, 300)).astype("f4")
    assert only(Variable("v", "<f4", ("y", "x")), draws).bound == "{noise: 0.25}"
    assert not only(Variable("v", "<f4", ("region", "sample")), draws).bound.startswith("{noise")
    cloud = Variable("v", "<f4", ("y", "x"), standard_name="cloud_top_altitude")
    found = only(cloud, draws)
    assert found.bound.startswith("{abs")
    assert yaml.safe_load(found.bound)["abs"] <= 1e-3 * np.ptp(draws)


def test_rain_is_bounded_relative_to_itself_whatever_its_neighbours_say() -> None:
    rain = (RANDOM.lognormal(0, 2, (60, 300)) * 1e-6).astype("f4")
    wet = Variable("pr", "<f4", ("y", "x"), units="kg m-2 s-1", standard_name="precipitation_flux")
    assert only(wet, rain).bound == "{rel: 1.0e-3}"


def test_zeros_of_land_get_a_bound_that_keeps_them_though_the_first_rows_hold_few() -> None:
    y, x = np.mgrid[:60, :320]
    field = (9 * np.sin(x / 13) * np.cos(y / 17) + 0.01).astype("f4")
    field[:, :10] = 0
    assert only(Variable("u", "<f4", ("y", "x")), field).bound == "{rel: 1.0e-3}"


@pytest.mark.parametrize(("mixed", "bound"), [(0.0, "{noise: 0.25}"), (0.3, "{abs: ")])
def test_fine_structure_that_may_be_noise_is_bounded_as_a_field_too(mixed: float, bound: str) -> None:
    white = RANDOM.normal(40, 2, (150, 200))
    for axis in (0, 1):
        white = white + mixed * (np.roll(white, 1, axis) + np.roll(white, -1, axis))
    assert only(Variable("w", "<f8", ("y", "x")), white).bound.startswith(bound)


@pytest.mark.parametrize("step", [0.01, 0.25])
def test_what_is_stored_in_steps_is_not_asked_to_be_finer(step: float) -> None:
    values = np.rint(RANDOM.normal(50, 10, N)) * step
    found = only(COLUMN, values.astype("f4"))
    assert found.bound == "lossless"
    assert "stored in steps of" in found.reason


@pytest.mark.parametrize("bits", [6, 8, 10])
def test_a_rounded_mantissa_is_seen_and_stays(bits: int) -> None:
    drop = np.uint32(0xFFFFFFFF << (23 - bits) & 0xFFFFFFFF)
    values = (RANDOM.lognormal(3, 1, N).astype("<f4").view("<u4") & drop).view("<f4")
    found = only(COLUMN, values)
    assert found.bound == "lossless"
    assert f"stored with {bits} bits of the mantissa" in found.reason


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_what_nobody_rounded_is_not_coarse(dtype: str) -> None:
    values = RANDOM.normal(280, 9, N).astype(dtype)
    assert stored_coarsely(Variable("v", values.dtype.str, ("row",)), values, values.astype("f8")) is None


def test_the_steps_of_grib_are_seen_beside_their_offset() -> None:
    values = (231.37219 + RANDOM.integers(0, 5000, 9000) * 2.0**-6).astype("f4")
    coarse = stored_coarsely(COLUMN, values, values.astype("f8"))
    assert coarse is not None
    assert coarse.step == pytest.approx(2.0**-6, rel=1e-3)


@pytest.mark.parametrize(
    ("variable", "bound"),
    [
        (Variable("ta", "<f4", ("y", "x"), units="K", standard_name="air_temperature"), "{abs: 0.01}"),
        (Variable("msl", "<f4", ("y", "x"), units="Pa"), "{abs: 1.0}"),
        (Variable("z", "<f4", ("y", "x"), units="m**2 s**-2"), "{abs: 10.0}"),
    ],
)
def test_recommendations_are_found_by_standard_name_or_short_name_with_units(variable: Variable, bound: str) -> None:
    y, x = np.mgrid[:60, :80]
    field = (90000 + 500 * np.sin(x / 13) * np.cos(y / 17)).astype("f4")
    assert only(variable, field).bound == bound
    assert "compression-recommendations" in only(variable, field).reason
    other = Variable(variable.name, "<f4", ("y", "x"), units="GeV")
    assert "recommend" not in only(other, field).reason


def test_branches_get_the_precision_of_nanoaod_in_such_files_alone() -> None:
    phi = RANDOM.uniform(-3, 3, N).astype("f4")
    variable = Variable("Muon_phi", "<f4", ("muon",))
    assert only(variable, phi, "run", "luminosityBlock", "event").bound == "{bits: 12}"
    assert only(variable, phi).bound == "{abs: 1.0e-4}"


def test_an_image_whose_errors_are_far_above_its_noise_loses_a_quarter_of_the_noise() -> None:
    schema = Schema(tuple(Variable(name, "<f4", ("y", "x")) for name in ("SCI", "ERR")), {"y": 64, "x": 64})
    image = 1000 + RANDOM.normal(0, 5, (64, 64))
    for error, bound in ((6.0, '{abs: "0.25 * ERR"}'), (30.0, "{noise: 0.25}")):
        values = {"SCI": image.astype("f4"), "ERR": RANDOM.normal(error, 0.1, (64, 64)).astype("f4")}
        assert proposals_for(schema, values)["SCI"].bound == bound


@pytest.mark.parametrize(
    "name", ["Generator_x1", "Generator_scalePDF", "Events/LHE_AlphaS", "Event.X2", "TruthEventsAuxDyn.XF1", "pdf_x1"]
)
def test_what_weights_of_events_are_computed_from_is_exact(name: str) -> None:
    proposal = only(Variable(name, "<f4", ("event",)), RANDOM.uniform(0, 1, N).astype("f4"))
    assert (proposal.bound, proposal.reason) == ("lossless", "weights of events are computed from it")


def test_a_parallax_loses_a_tenth_of_the_error_that_its_significance_tells() -> None:
    parallax, error = RANDOM.lognormal(1, 1, N), 0.02
    variables = (Variable("parallax", "<f8", ("star",)), Variable("parallax_over_error", "<f8", ("star",)))
    values = {"parallax": parallax, "parallax_over_error": parallax / error}
    share = yaml.safe_load(proposals_for(Schema(variables, {"star": N}), values)["parallax"].bound)["rel"]
    assert np.quantile(share * parallax, 0.999) <= 0.1 * error * 1.001
    assert share * parallax.max() > 0.05 * error


def test_a_configuration_is_printed_and_can_be_run(stars: Path, tmp_path: Path) -> None:
    text = suggest(str(stars), "--keep", "g - r")
    stated = yaml.safe_load(text)
    assert stated["bounds"]["g"] == {"abs": "0.1 * e_g"}
    assert stated["derived"] == {"g_r": {"of": "g - r", "range": 1e-3}}
    (tmp_path / "c.yaml").write_text(text)
    result = CliRunner().invoke(cli, ["check", str(tmp_path / "c.yaml"), "--data"], obj=Session())
    assert result.exit_code == 0, result.output


def test_a_table_and_json_name_all_variables_and_reasons(stars: Path) -> None:
    table = suggest(str(stars), "--for", "table")
    assert [line.split()[0] for line in table.splitlines()] == ["variable", "g", "r", "e_g"]
    assert "a tenth of each value's error" in table
    record = json.loads(suggest(str(stars), "--json"))
    assert [one["bound"] for one in record["bounds"]][2] == "{rel: 0.05}"


@pytest.mark.parametrize(("formula", "said"), [("g - q", "'q'"), ("g -", "g -"), ("nothing(g)", "nothing")])
def test_a_quantity_that_cannot_be_kept_is_refused_in_a_sentence(stars: Path, formula: str, said: str) -> None:
    result = CliRunner().invoke(cli, ["suggest", str(stars), "--keep", formula], obj=Session())
    assert result.exit_code != 0
    assert said in str(result.exception)


def test_the_configuration_of_a_wide_file_has_no_problems(tmp_path: Path) -> None:
    """Own errors, uncertainties, angles and momenta of one collection: no line may hide another, no key come twice."""
    columns = {}
    for part in ("dxy", "dz", "ip"):
        columns |= {f"Muon_{part}": RANDOM.normal(0, 1, N), f"Muon_{part}Err": RANDOM.lognormal(-4, 1, N)}
    columns |= {f"Muon_v{number}": RANDOM.lognormal(0, 1, N) for number in range(45)}
    columns |= {f"{name}_phi": RANDOM.uniform(-3, 3, N) for name in ("Muon", "Jet", "MET")}
    np.savez(tmp_path / "wide.npz", **columns)
    (tmp_path / "c.yaml").write_text(suggest(str(tmp_path / "wide.npz")))
    stated = yaml.safe_load((tmp_path / "c.yaml").read_text())["bounds"]
    assert stated["Muon_dxy"] == {"abs": "0.1 * Muon_dxyErr"}
    assert stated["*_phi"] == {"abs": 1e-4}
    assert len(stated) < 15
    result = CliRunner().invoke(cli, ["check", str(tmp_path / "c.yaml"), "--data"], obj=Session())
    assert result.exit_code == 0, result.exception


def test_what_would_change_a_distribution_is_made_finer() -> None:
    peaked = np.where(RANDOM.random(N) < 0.8, RANDOM.uniform(0.999, 1, N), RANDOM.uniform(0.8, 1, N))
    found = only(Variable("cosPA", "<f8", ("row",)), peaked)
    assert "would change how values are distributed" in found.reason
    bound = yaml.safe_load(found.bound)
    assert min(bound.get("range", 1), bound.get("rel", 1)) <= 3e-4


@pytest.mark.parametrize("columns", [0, 4])
def test_short_lists_in_the_rows_of_a_table_are_no_image(columns: int) -> None:
    lists = np.where(RANDOM.random((300, 40)) < 0.02, 1000.0, 0.0) + RANDOM.normal(50, 1, (300, 40))
    beside = tuple(Variable(f"c{number}", "<f8", ("event",)) for number in range(columns))
    schema = Schema((Variable("hits", "<f8", ("event", "list")), *beside), {"event": 300, "list": 40})
    proposed = proposals_for(schema, {"hits": lists})["hits"]
    assert ("noise" in proposed.reason) == (columns == 0)


def test_errors_that_stay_exact_are_named_where_bounds_follow_from_them(tmp_path: Path) -> None:
    columns = {f"Jet_{n}": RANDOM.normal(50, 3, N) for n in range(45)}
    np.savez(tmp_path / "w.npz", **columns, Spot_z=RANDOM.normal(0, 1, N), Spot_zErr=np.full(N, 0.25))
    text = suggest(str(tmp_path / "w.npz"))
    assert yaml.safe_load(text)["bounds"]["Spot_zErr"] == "lossless"


def test_values_that_end_at_a_cut_a_circle_or_one_get_a_threshold_and_tails_none(tmp_path: Path) -> None:
    columns = {
        "Jet_pt": 22 + RANDOM.exponential(30, 9000),
        "mva": 1 - RANDOM.beta(0.4, 3, 9000),
        "track_phi": RANDOM.uniform(-np.pi, np.pi, 9000),
        "track_eta": RANDOM.normal(0, 1.2, 9000),
        "chi2": RANDOM.chisquare(6, 9000),
        "length": RANDOM.normal(8, 0.7, 9000),
    }
    np.savez(tmp_path / "c.npz", **{name: values.astype("f4") for name, values in columns.items()})
    bounds = yaml.safe_load(suggest(str(tmp_path / "c.npz")))["bounds"]
    assert bounds["Jet_pt"] == {"rel": 1e-3, "threshold": 22}
    assert bounds["mva"]["threshold"] == 1
    assert bounds["track_phi"] == {"abs": 1e-4, "threshold": [-np.pi, np.pi]}
    assert all(set(bounds[name]) <= {"abs", "rel", "range"} for name in ("track_eta", "chi2", "length"))
    (tmp_path / "own.yaml").write_text("input: c.npz\nbounds: {Jet_pt: {rel: 0.01}, mva: {abs: 0.01, threshold: 1}}\n")
    arguments = ["check", str(tmp_path / "own.yaml"), "--data"]
    said = CliRunner().invoke(cli, arguments, obj=Session(), catch_exceptions=False).output
    assert "'Jet_pt': values end at 22" in said
    assert "threshold: 22 keeps them" in said
    assert "'mva': values end" not in said


def test_a_fraction_on_a_grid_keeps_its_limit() -> None:
    y, x = np.mgrid[:60, :80]
    cover = np.clip(1.2 * np.sin(x / 13 + RANDOM.normal(0, 0.02, x.shape)) * np.cos(y / 17), 0.01, 1).astype("f4")
    found = only(Variable("cover", "<f4", ("y", "x")), cover)
    assert yaml.safe_load(found.bound).get("limits") == {"max": 1}
