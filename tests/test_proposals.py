"""What `baler init` proposes stays below errors and noise, and touches only what is measured."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest
import yaml

from baler_core.data.noise import noise_of
from baler_core.data.uncertainties import errors_beside
from baler_core.data.variables import Schema, Variable
from baler_core.suggest.allowed import allowed_in
from baler_core.suggest.proposal import Proposal
from baler_core.suggest.proposals import proposals_for

WAVE = np.sin(np.mgrid[0:6:200j, 0:6:200j][0])
RANDOM = np.random.default_rng(2)
N = 2000


def proposed(**columns: np.ndarray) -> dict[str, Proposal]:
    """Proposals for float columns, or fields, of one file."""
    dims = {name: ("row",) if a.ndim == 1 else ("t", "y", "x")[-a.ndim :] for name, a in columns.items()}
    variables = tuple(Variable(name, a.dtype.str, dims[name]) for name, a in columns.items())
    sizes = {dim: size for name, a in columns.items() for dim, size in zip(dims[name], a.shape, strict=True)}
    return proposals_for(Schema(variables, sizes), columns)


def absolute(proposal: Proposal) -> float:
    return float(yaml.safe_load(proposal.bound)["abs"])


def noise_in(proposal: Proposal) -> float:
    """The noise that a proposal of a quarter of it speaks of."""
    assert proposal.bound == "{noise: 0.25}"
    return float(re.search(r"about (\S+)", proposal.reason)[1])


@pytest.mark.parametrize(
    ("measured", "error"),
    [
        ("r", "err_r"), ("r", "r_err"), ("r", "e_r"), ("r", "r_error"), ("r", "sigma_r"), ("redshift", "zErr"),
        ("koi_period", "koi_period_err1"), ("SAP_FLUX", "SAP_FLUX_ERR"), ("ROWV", "ROWVERR"),
        ("Flux1000", "Unc_Flux1000"), ("Muon_dxy", "Muon_dxyErr"), ("Bmag", "e_Bmag"), ("Jet.PT", "Jet.PTError"),
        ("Track.PT", "Track.ErrorPT"), ("psfMag_r", "psfMagErr_r"), ("MAG_AUTO", "MAGERR_AUTO"), ("w1mpro", "w1sigmpro"),
        ("mass", "mass_error_max"), ("pl_orbper", "pl_orbpererr2"), ("mag", "err"),
        ("x", "x_errn"), ("x", "x_errlo"), ("x", "x_lower_err"), ("no2", "no2_precision"),
    ],
)  # fmt: skip
def test_a_column_with_errors_loses_a_tenth_of_each_values_own(measured: str, error: str) -> None:
    errors = RANDOM.lognormal(-4, 1, N)
    errors[:5] = 0, np.nan, -1, 1e-9, np.inf
    columns = {measured: RANDOM.normal(18, 1.5, N), error: errors}
    found = proposed(**columns)
    allowed = allowed_in(found[measured].bound, Variable(measured, "<f8", ("row",)), columns)
    np.testing.assert_allclose(allowed[5:], 0.1 * errors[5:])
    assert error.rpartition("/")[2] in found[measured].reason
    assert found[error].bound == "{rel: 0.05}"


def test_of_upper_and_lower_errors_the_smaller_counts() -> None:
    up, down = RANDOM.uniform(0.01, 0.05, N), -RANDOM.uniform(0.01, 0.05, N)
    columns = {"koi_prad": RANDOM.normal(18, 1.5, N), "koi_prad_err1": up, "koi_prad_err2": down}
    found = proposed(**columns)["koi_prad"]
    allowed = allowed_in(found.bound, Variable("koi_prad", "<f8", ("row",)), columns)
    np.testing.assert_allclose(allowed, 0.1 * np.minimum(up, -down))


def test_what_was_measured_is_no_better_known_than_when_it_is_adjusted() -> None:
    beside = errors_beside(["TEMP", "TEMP_ADJUSTED", "TEMP_ADJUSTED_ERROR"])
    assert [errors.name for errors in beside["TEMP"]] == ["TEMP_ADJUSTED_ERROR"]


def test_names_that_are_no_words_stand_between_backticks() -> None:
    columns = {"flux [Jy]": RANDOM.normal(5, 1, N), "e_flux [Jy]": RANDOM.uniform(0.1, 0.2, N)}
    assert proposed(**columns)["flux [Jy]"].bound == '{abs: "0.1 * `e_flux [Jy]`"}'


def test_errors_that_many_rows_share_stay_exact() -> None:
    errors = np.where(RANDOM.random(N) < 0.1, 70.0, RANDOM.uniform(50, 200, N))
    found = proposed(T=RANDOM.normal(5000, 800, N), T_err=errors)
    assert found["T"].bound == '{abs: "0.1 * T_err"}'
    assert found["T_err"].bound == "lossless"
    assert "exactly 70" in found["T_err"].reason


@pytest.mark.parametrize(("spread", "allowed"), [(0.001, 0.01 * 1.8 * 0.001), (3.0, 0.05)])
def test_errors_that_are_often_zero_keep_their_zeros_and_lose_digits(spread: float, allowed: float) -> None:
    errors = np.where(np.arange(N) % 12 == 0, 0.0, np.exp(np.linspace(-spread, spread, N)))
    bound = proposed(flux=RANDOM.normal(500, 8, N), flux_err=errors)["flux_err"].bound
    assert bound.startswith("{rel: ")
    assert float(bound[6:-1]) == pytest.approx(allowed, rel=0.06)


@pytest.mark.parametrize("share", [0.3, 0.7])
def test_errors_of_few_values_are_not_taken_for_those_of_all(share: float) -> None:
    errors = np.where(RANDOM.random(N) < share, 0.02, np.nan)
    found = proposed(r=RANDOM.normal(18, 1.5, N), err_r=errors)["r"]
    assert ("err_r" in found.bound) == (share > 0.5)


@pytest.mark.parametrize(("plane", "formula"), [("ERR", "0.25 * ERR"), ("VAR", "0.25 * sqrt(VAR)")])
def test_an_image_with_an_error_plane_loses_a_quarter_of_it(plane: str, formula: str) -> None:
    errors = RANDOM.uniform(3.5, 4.5, (200, 300)) ** (1 if plane == "ERR" else 2)
    found = proposed(SCI=RANDOM.normal(7, 4, (200, 300)), **{plane: errors})
    assert found["SCI"].bound == f'{{abs: "{formula}"}}'
    assert found[plane].bound.startswith("{abs: ")
    assert "hardly varies" in found[plane].reason


def test_inverse_variances_are_errors_too() -> None:
    found = proposed(PSFFLUX=RANDOM.normal(20, 5, N), PSFFLUX_IVAR=np.full(N, 25.0))
    assert found["PSFFLUX"].bound == '{abs: "0.1 / sqrt(PSFFLUX_IVAR)"}'


def test_an_image_of_errors_belongs_to_the_image_before_it() -> None:
    assert {
        n: [e.name for e in found] for n, found in errors_beside(["SCI,1", "ERR,1", "DQ,1", "SCI,2", "ERR,2"]).items()
    } == {
        "SCI,1": ["ERR,1"],
        "SCI,2": ["ERR,2"],
    }


def test_errors_belong_to_variables_of_their_own_group() -> None:
    names = ["a/r", "b/err_r", "Jet_pt", "Muon_ptErr", "E", "e_px", "pt", "r_err"]
    assert errors_beside(names) == {}
    assert [e.name for e in errors_beside(["pt", "e_pt", "ptErr"])["pt"]] == ["e_pt", "ptErr"]


@pytest.mark.parametrize("sigma", [0.03, 12.0])
@pytest.mark.parametrize("shape", [(200, 300), (5, 90, 110)])
def test_an_image_loses_a_quarter_of_its_noise(sigma: float, shape: tuple[int, ...]) -> None:
    image = RANDOM.normal(7, sigma, shape)
    image[..., 50:60, 50:60] += 5000 * sigma
    image[..., :4] = np.nan
    found = proposed(image=image.astype("f4"))["image"]
    assert noise_in(found) == pytest.approx(sigma, rel=0.15)


def test_noise_correlated_over_pixels_is_noise_and_no_more_than_there_is() -> None:
    white = RANDOM.normal(size=(300, 300))
    smoothed = (white + np.roll(white, 1, 0) + np.roll(white, 1, 1)) / np.sqrt(3)
    noise = noise_of(smoothed)
    assert noise.is_noise
    assert 0.5 < noise.sigma <= 1.05


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_a_smooth_simulation_is_bounded_by_its_range_and_says_so(dtype: str) -> None:
    y, x = np.mgrid[:120, :160]
    field = (np.sin(x / 17) * np.cos(y / 11) + 0.2 * np.sin(x * y / 900)).astype(dtype)
    assert proposed(u=field)["u"] == Proposal("{range: 1.0e-3}", "a smooth field, without visible noise")
    flat = proposed(u=np.zeros((50, 60)))["u"]
    assert (flat.bound, flat.reason) == ("lossless", "constant")


def test_rounding_is_no_noise() -> None:
    planes = np.stack([RANDOM.normal(0, 1e-17, (64, 64)), np.sin(np.mgrid[:64, :64].sum(0) / 20)])
    assert proposed(u=planes.astype("f4"))["u"].bound == "{range: 1.0e-3}"


def test_padding_does_not_hide_the_noise() -> None:
    image = RANDOM.normal(0, 2, (200, 200))
    image[:, :140] = np.nan
    assert noise_in(proposed(image=image + 10 * WAVE)["image"]) == pytest.approx(2, rel=0.15)


@pytest.mark.parametrize("name", ["Jet_phi", "eta1", "fEta", "DetectorEta", "DeltaPhi", "jet2_eta", "Jet_eta_"])
def test_angles_are_bounded_absolutely(name: str) -> None:
    assert proposed(**{name: RANDOM.normal(0, 1, N)})[name].bound == "{abs: 1.0e-4}"


@pytest.mark.parametrize("name", ["sigmaEtaEta1", "sigmaIetaIeta", "beta", "zeta", "metadata"])
def test_what_only_sounds_like_an_angle_is_not(name: str) -> None:
    assert proposed(**{name: RANDOM.lognormal(-4, 1, N)})[name].bound == "{rel: 1.0e-3}"


@pytest.mark.parametrize(
    ("bound", "low", "high", "names"),
    [
        ("{abs: 1.0e-2}", -900, -10, ["lnlike", "loglikelihood", "log_prob", "minuslogpost"]),
        ("{abs: 5.0e-4}", 6, 12, ["logMstar", "log10_mass", "log_g", "pH"]),
        ("{range: 1.0e-6}", -600, -40, ["U0", "energy", "E_tot", "total_energy", "H298", "formation_energy"]),
        ("{rel: 1.0e-3}", 40, 600, ["energy", "E_tot", "Jet_energy", "total_energy", "beta", "logistics_cost"]),
        ("{range: 1.0e-5}", 100, 900, ["elevation", "alt_m", "height"]),
        ("{rel: 1.0e-3}", 1, 9, ["wave_height", "allele_freq"]),
        ("{abs: 1.0e-5}", 0.1, 3, ["redshift", "z_spec", "z_phot"]),
        ("lossless", 1, 300, ["period", "P_orb", "orbital_period_days", "freq_MHz", "frequency"]),
        ("{abs: 5.0e-3}", 0, 360, ["heading", "mean_anomaly", "wind_dir", "yaw"]),
        ("{abs: 1.0e-4}", -3, 3, ["yaw", "roll"]),
        ("{abs: 1.0e-2}", 5, 900, ["chi2", "fit_chisq", "chiSquared"]),
        ("{rel: 1.0e-3}", 2, 9, ["reduced_chi2", "chi2_ndof", "normalizedChi2", "chi2_prob"]),
        ("{rel: 1.0e-3}", 0.1, 0.9, ["chi2", "nu"]),  # reduced without a word, and a viscosity
        ("lossless", 40, 9000, ["nu", "nu_obs", "wavenumber"]),
        ("{abs: 1.0e-4}", -12, 12, ["ppm", "delta_ppm", "shift_ppm", "mass_error_ppm"]),
    ],
)  # fmt: skip
def test_where_differences_count_no_share_of_the_value_is_proposed(
    bound: str, low: float, high: float, names: list[str]
) -> None:
    for name in names:
        found = proposed(**{name: RANDOM.uniform(low, high, N)})[name]
        assert re.sub(r", threshold: .*", "}", found.bound) == bound, name


@pytest.mark.parametrize(("low", "high"), [("lo", "hi"), ("lower", "upper"), ("16", "84")])
@pytest.mark.parametrize("as_errors", [False, True])
def test_values_with_their_ends_beside_them_lose_a_tenth_of_the_half_width(
    low: str, high: str, as_errors: bool
) -> None:
    x, half = RANDOM.normal(1e4, 100, N), RANDOM.uniform(1, 3, N)
    ends = (half, half * 1.1) if as_errors else (x - half, x + half)
    found = proposed(flux=x, **{f"flux_{low}": ends[0], f"flux_{high}": ends[1]})
    assert 0.1 <= absolute(found["flux"]) <= 0.12
    if not as_errors:
        assert {one.bound for one in found.values()} == {found["flux"].bound}


def test_ends_far_from_values_make_no_bound_coarser() -> None:
    x = RANDOM.normal(10, 1, N)
    assert proposed(T=x, T_lo=x - 900, T_hi=x + 900)["T"].bound == "{rel: 1.0e-3}"


def test_components_of_unit_vectors_and_rotations_are_bounded_absolutely() -> None:
    q = RANDOM.normal(size=(4, N))
    q /= np.sqrt(np.square(q).sum(axis=0))
    columns = {f"quat_{part}": values for part, values in zip("wxyz", q.round(5), strict=True)}
    found = proposed(q0=q[0], q1=q[1], q2=q[2], q3=q[3], turns=q.T, px=q[0], py=q[1], pz=q[2], **columns)
    places = {"px", "py", "pz"}
    assert {name for name, one in found.items() if one.bound == "{abs: 1.0e-4}"} == found.keys() - places


def test_energies_of_bands_are_kept_to_a_millionth_and_eigenvalues_of_tensors_are_not() -> None:
    bands = np.cos(np.linspace(0, 3, 120))[:, None] + np.arange(-12.0, 8.0)
    found = proposed(band_energies=bands, eigenvalues=bands * 2)
    assert {one.bound for one in found.values()} == {"{range: 1.0e-6}"}
    assert proposed(eigenvalues=bands + 20)["eigenvalues"].bound == "{range: 1.0e-3}"


def test_a_light_curve_loses_a_quarter_of_its_noise_beside_its_times() -> None:
    times = 2458000 + np.arange(N) / 720
    flux = 1e5 * (1 + 0.01 * np.sin(times)) + RANDOM.normal(0, 8, N)
    found = proposed(BJD=times, flux=flux)
    assert found["BJD"].bound == "lossless"
    assert absolute(found["flux"]) == pytest.approx(2, rel=0.15)
    # rows of events and of catalogues are no neighbours: what differs between them is no noise
    for others in (RANDOM.permutation(times), np.cumsum(RANDOM.exponential(1, N))):
        assert proposed(time=others, energy=RANDOM.lognormal(2, 1, N))["energy"].bound == "{rel: 1.0e-3}"


@pytest.mark.parametrize("draw", [lambda n: RANDOM.exponential(40, n), lambda n: RANDOM.uniform(0, 9, n)])
def test_quantities_of_events_at_even_times_are_no_noise(draw: Callable[[int], np.ndarray]) -> None:
    assert proposed(time=np.arange(float(N)), energy=draw(N))["energy"].bound.startswith("{rel: 1.0e-3")
    signal = 50 * np.sin(np.arange(N) / 60) + RANDOM.normal(0, 2, N)
    assert absolute(proposed(time=np.arange(float(N)), signal=signal)["signal"]) == pytest.approx(0.5, rel=0.15)


def test_independent_quantities_features_and_phases_are_no_noise() -> None:
    mass = proposed(time=np.arange(float(N)), mass=RANDOM.normal(125, 2, N))["mass"]
    assert mass.bound == "{range: 1.0e-3}" or "rel" in mass.bound
    features, dims = RANDOM.normal(size=(200, 30)), ("dim0_200", "dim1_30")
    schema = Schema((Variable("X", "<f8", dims),), dict(zip(dims, features.shape, strict=True)))
    assert absolute(proposals_for(schema, {"X": features})["X"]) < 0.02
    phases = Variable("phase", "<f8", ("y", "x"), units="rad")
    found = proposals_for(Schema((phases,), {"y": 90, "x": 90}), {"phase": RANDOM.uniform(-3, 3, (90, 90))})
    assert absolute(found["phase"]) == 1e-4


def test_a_field_of_a_swath_is_one_of_the_earth() -> None:
    dims = ("line", "pixel")
    variables = (Variable("nav/latitude", "<f4", dims), Variable("geo/chlor_a", "<f4", dims))
    values = {"nav/latitude": RANDOM.uniform(0, 9, (60, 70)), "geo/chlor_a": RANDOM.lognormal(-2, 1.5, (60, 70))}
    found = proposals_for(Schema(variables, {"line": 60, "pixel": 70}), values)
    assert found["geo/chlor_a"].bound.startswith("{rel: 1.0e-3")


def test_the_spread_of_values_far_from_zero_is_kept() -> None:
    pressure = RANDOM.normal(101325, 400, N).round(1)
    assert proposed(pressure=pressure, x=RANDOM.normal(size=N))["pressure"].bound == "{range: 1.0e-3}"


def test_nothing_that_says_which_when_or_where_loses_anything() -> None:
    found = proposed(
        objid=np.arange(N, dtype="f8") + 1e15,
        ra=RANDOM.uniform(0, 360, N),
        mjd=RANDOM.uniform(50000, 60000, N),
        weight=RANDOM.normal(size=N),
        flag=RANDOM.integers(0, 2, N).astype("f4"),
        clock=1.6e9 + np.arange(N) * 0.5,
        number=np.arange(N),
    )
    assert {proposal.bound for proposal in found.values()} == {"lossless"}
    assert all(proposal.reason for name, proposal in found.items() if name != "number")


def test_packed_values_are_bounded_as_readers_show_them() -> None:
    stored = (RANDOM.normal(0, 50, (300, 300))).round().astype("<i2")
    variable = Variable("signal", "<i2", ("y", "x"), scale=0.1, offset=280.0)
    found = proposals_for(Schema((variable,), {"y": 300, "x": 300}), {"signal": stored})["signal"]
    assert noise_in(found) == pytest.approx(50 * 0.1, rel=0.1)


def test_fill_values_are_no_noise() -> None:
    image = RANDOM.normal(0, 1, (300, 300))
    image[RANDOM.random(image.shape) < 0.05] = 1e20
    variable = Variable("i", "<f8", ("y", "x"), fill=(1e20,))
    found = proposals_for(Schema((variable,), {"y": 300, "x": 300}), {"i": image})["i"]
    assert noise_in(found) == pytest.approx(1, rel=0.1)


@pytest.mark.parametrize("name", ["flux", "v"])
def test_a_light_curve_that_hardly_varies_loses_a_quarter_of_its_noise(name: str) -> None:
    days = 2459000.5 + np.concatenate([np.arange(800), 1500 + np.arange(700)]) / 720
    found = proposed(time=days, **{name: 1 + RANDOM.normal(0, 1e-3, 1500)})
    assert not found["time"].is_lossy
    assert absolute(found[name]) == pytest.approx(2.5e-4, rel=0.15)


def test_what_never_changes_is_proposed_exact() -> None:
    assert not proposed(a=np.full(N, 7.5), b=RANDOM.normal(0, 1, N))["a"].is_lossy


def _only(values: np.ndarray, name: str = "v") -> Proposal:
    dims = tuple("abc"[: values.ndim])
    variable = Variable(name, values.dtype.str, dims)
    schema = Schema((variable,), dict(zip(dims, values.shape, strict=True)))
    return proposals_for(schema, {name: values})[name]


def test_single_values_and_indices_are_exact_whatever_their_shape() -> None:
    assert _only(np.array([[0.001]])).bound == "lossless"
    assert _only(np.random.default_rng(1).integers(1, 900, (3, 700)).astype("f8")).bound == "lossless"


def test_rain_gets_a_bound_that_leaves_drizzle_alone() -> None:
    y, x = np.mgrid[:60, :80]
    rain = np.exp(-((y - 20) ** 2 + (x - 30) ** 2) / 40.0)
    rain[rain < 1e-7] = 0
    proposal = _only(rain.astype("f4"))
    assert proposal.bound == "{rel: 1.0e-3}"
    assert _only((280 + np.sqrt(y + x)).astype("f4")).bound == "{range: 1.0e-3}"


def _proposed(values: np.ndarray) -> Proposal:
    dims = tuple(f"d{axis}" for axis in range(values.ndim))
    schema = Schema((Variable("v", values.dtype.str, dims),), dict(zip(dims, values.shape, strict=True)))
    return proposals_for(schema, {"v": values})["v"]


def test_matrices_and_coefficients_are_no_measurements() -> None:
    rng = np.random.default_rng(8)
    assert not _proposed(rng.normal(size=(3, 3))).is_lossy
    assert not _proposed(rng.normal(size=4)).is_lossy


def test_what_is_exactly_zero_in_many_places_gets_a_bound_that_keeps_zero() -> None:
    rng = np.random.default_rng(9)
    flow = np.sin(np.mgrid[0:6:80j, 0:6:100j][0]) + 0.01 * rng.normal(size=(80, 100))
    flow[20:60, 30:70] = 0.0
    assert _proposed(flow).bound.startswith("{rel")
    assert _proposed(np.diag(rng.normal(size=50))).bound.startswith("{rel")


def test_errors_finer_than_the_numbers_make_no_bound() -> None:
    found = proposed(T=RANDOM.normal(1e-9, 1e-10, N).astype("<f4"), ErrorT=np.full(N, 1.5e-23, "<f4"))
    assert found["T"].bound == "lossless"
    assert "finer than its numbers" in found["T"].reason


@pytest.mark.parametrize("name", ["bp_rp", "phot_g_mean_mag", "g_rp", "B-V", "g_r", "J-K", "b_v0", "cat/bp_rp"])
def test_colours_are_magnitudes_whatever_the_format_says_of_units(name: str) -> None:
    assert proposed(**{name: RANDOM.normal(0.7, 0.9, N)})[name].bound == "{abs: 1.0e-3}"


@pytest.mark.parametrize("name", ["q_r", "bp", "g_rate", "x_t"])
def test_what_only_looks_like_a_colour_is_none(name: str) -> None:
    assert proposed(**{name: RANDOM.normal(0.7, 0.9, N)})[name].bound == "{rel: 1.0e-3}"


def test_a_field_of_many_orders_of_magnitude_is_bounded_relative_to_its_values() -> None:
    levels = 10.0 ** (-8 + np.arange(9)[:, None, None] / 4)
    tracer = levels * (1 + 0.1 * np.sin(np.mgrid[0:6:30j, 0:6:60j].sum(0)))
    assert _proposed(tracer).bound == "{rel: 1.0e-3}"
    assert _proposed(tracer[:3]).bound == "{range: 1.0e-3}"


@pytest.mark.parametrize("name", ["HTXS_Higgs_y", "BeamSpot_z", "MET_phi", "flux", "x_err", "mag"])
@pytest.mark.parametrize(("value", "reason"), [(1.18492, "constant"), (np.nan, "no values")])
def test_nothing_is_lost_where_nothing_varies(name: str, value: float, reason: str) -> None:
    for shape in ((N,), (30, 40)):
        found = proposed(**{name: np.full(shape, value, "<f4"), "pt": RANDOM.exponential(30, N)})
        assert found[name] == Proposal("lossless", reason)
        assert found["pt"].is_lossy


def test_a_field_whose_first_rows_are_empty_is_still_a_field() -> None:
    schema = Schema((Variable("u", "<f4", ("t", "y", "x")),), {"t": 90, "y": 20, "x": 30})
    flat = proposals_for(schema, {"u": np.zeros((3, 20, 30), "<f4")})["u"]
    assert (flat.bound, flat.reason) == ("{range: 1.0e-3}", "no noise is visible in its first values")
    assert proposals_for(schema, {"u": np.full((3, 20, 30), np.nan, "<f4")})["u"].is_lossy
