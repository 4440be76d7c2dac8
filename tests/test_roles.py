"""What variables are found to be, by metadata, names and values; and that wildcards leave exact what says which or where."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baler_core.data.block import make_block, values_of
from baler_core.data.bounds import BoundRules
from baler_core.data.error_bound import ErrorBound
from baler_core.data.roles import EXACT_ROLES, Finding, roles_of, told_by_values
from baler_core.data.variables import Role, Schema, Variable
from baler_core.pipeline.input import bounds_of, first_values, kept_exact, roles_in
from baler_core.plugin.registry import load_plugins

RANDOM = np.random.default_rng(1)
LOSSY = BoundRules((("*", ErrorBound("rel", 1e-3)),))


def found(name: str, values: np.ndarray | None = None, *, dims: int = 1, units: str = "", role: Role = "") -> Finding:
    """What one variable of floats is found to be."""
    variable = Variable(
        name, "<f8", ("row", "y", "x")[:dims], units=units, role=role, reason="metadata" if role else ""
    )
    schema = Schema((variable,), {"row": 500, "y": 20, "x": 30})
    return roles_of(schema, {} if values is None else {name: values})[name]


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("time", "time"), ("Time [s]", "time"), ("BJD", "time"), ("BJD - 2457000 [d]", "time"), ("LIGHTCURVE/TIME", "time"),
        ("obs_mjd", "time"), ("t", "time"), ("ref_epoch", "time"), ("koi_time0bk", "time"), ("time_counter", "time"),
        ("ra", "position"), ("RAJ2000", "position"), ("DEJ2000", "position"), ("RA_ICRS", "position"), ("RAdeg", "position"),
        ("STARS/DEC", "position"), ("GLON", "position"), ("lonCell", "position"), ("nav_lat", "position"), ("XLONG", "position"),
        ("latitude (deg)", "position"), ("Points:0", "mesh"), ("CoordinateX", "mesh"), ("x-coordinate", "mesh"),
        ("raMean", "position"), ("decStack", "position"), ("RightAscension", "position"), ("declination", "position"),
        ("ra_epoch2000", "position"), ("ra_gaia", "position"), ("dec_2", "position"), ("obsmjd", "time"), ("hmjd", "time"),
        ("entry/bank1_events/event_time_offset", "time"), ("event_time_zero", "time"), ("time_of_flight", "time"),
        ("x_pixel_offset", "position"), ("polar_angle", "position"), ("distance", ""),
        ("sclk", "time"), ("unix", "time"), ("gps", "time"), ("ut1", "time"), ("sec", "time"), ("slat", "position"),
        ("olon", "position"), ("hypo_depth", "position"), ("flat", ""), ("beta", ""), ("dist", ""), ("LST", ""),
        ("sst_dtime", "time"), ("pmt_time_ns", "time"), ("drift_time_ns", ""), ("spatial", "mesh"), ("bbox", "mesh"),
        ("precursor_mz", "position"), ("m/z", "position"), ("restfreq", "position"), ("wavenumber", "position"),
        ("pseudorange", "position"), ("easting", "position"), ("UTM_X", "position"), ("L1C", ""), ("doppler", ""), ("age_BP", ""),
        ("time/s", "time"), ("Zeit / ms", "time"), ("gps_tow", "time"), ("MJDstart", "time"), ("t_ms", "time"), ("decyear", "time"),
        ("epoch_obs", "time"), ("epochPeri", "time"), ("T_peri", "time"), ("pl_orbtper", "time"), ("first_mjd", "time"), ("epoch_loss", ""),
        ("TRIGTIME", "time"), ("BARYTIME", "time"), ("dayofyear", "time"), ("created_at", "time"), ("lat_center", "position"), ("elevation", ""),
        ("ra_j2000", "position"), ("DEC_TARG", "position"), ("lat_wgs84", "position"), ("Latitude_degN", "position"), ("mlat", "position"),
        ("stla", "position"), ("GLON_deg", "position"), ("T_s", ""), ("ts", ""), ("ra_error", "uncertainty"), ("layer_thickness", ""),
        ("station_pressure", ""), ("elapsed_energy", ""), ("az", ""), ("flow/h", ""), ("U/V", ""),
        ("weighting", "weight"), ("x_errn", "uncertainty"), ("DETX", ""), ("cx", ""), ("posX", ""),
        ("RAJ2000_b", "position"), ("pos_err_b", "uncertainty"), ("grid_area", "weight"), ("areaCell", "weight"), ("TAREA", "weight"), ("remap_matrix", "weight"), ("ZNU", "axis"), ("Cs_r", "axis"), ("dcEdge", "position"),
        ("OI_VIS2/UCOORD", "position"), ("OI_T3/U1COORD", "position"), ("STAXYZ", "position"),
        ("hus", ""), ("h", ""), ("angle", ""), ("f", ""), ("area", ""), ("Jet_area", ""), ("pn", ""),
        ("time_bnds", "cell_bounds"), ("nav_lat_bnds", "cell_bounds"), ("lon_vertices", "cell_bounds"),
        ("genWeight", "weight"), ("LHEPdfWeight", "weight"), ("Event.Weight", "weight"), ("wgt", "weight"),
        ("btagWeight_CSVV2", "weight"), ("EventWeight", "weight"),
        ("scaleFactor_PILEUP", "weight"), ("WHT,1", "weight"), ("XSection", "weight"),
        ("pt_err", "uncertainty"), ("koi_period_err1", "uncertainty"), ("zErr", "uncertainty"), ("Unc_Flux1000", "uncertainty"),
        ("parallax_error", "uncertainty"), ("PSFFLUX_IVAR", "uncertainty"),
        # measured, whatever they begin or end with
        ("pt", ""), ("Jet_pt", ""), ("px", ""), ("x", ""), ("z", ""), ("T", ""), ("lum", ""), ("flux", ""), ("pmra", ""), ("pm_dec", ""),
        ("radial_velocity", ""), ("ra_dec_corr", ""), ("alpha", ""), ("decline", ""), ("rate", ""), ("des", ""),
        ("Jet_phi", ""), ("sd-prof", ""), ("Jet_E", ""), ("sigmaEtaEta1", ""), ("parallax_over_error", ""), ("proper_time", ""),
        ("lifetime", ""), ("vorticity", ""), ("PV_x", ""), ("TkrRmsLong", ""), ("CalLATEdge", ""), ("radius", ""), ("decay", ""),
        ("Spectral_Index", ""), ("Photon_mvaID", ""), ("lambda", ""), ("plates_thickness", ""), ("momentum_x", ""),
    ],
)  # fmt: skip
def test_names_tell_in_the_words_of_their_fields(name: str, role: str) -> None:
    assert found(name, RANDOM.normal(3, 1, 500)).role == role


@pytest.mark.parametrize(
    "names",
    [
        ("DETX", "DETY"),
        ("cx", "cy"),
        ("posX", "posY"),
        ("UU--", "VV--"),
        ("C1C", "L1C"),
        ("az", "el"),
        ("azim", "za"),
        ("loc_x", "loc_y"),
        ("xcoord", "ycoord"),
        ("lambda", "beta"),
        ("x0", "y0"),
        ("kx", "ky"),
        ("x_kpc", "y_kpc"),
    ],
)
def test_places_are_told_by_the_other_part_beside_them(names: tuple[str, str]) -> None:
    schema = Schema(tuple(Variable(name, "<f4", ("row",)) for name in names), {"row": 9})
    assert {finding.role for finding in roles_of(schema, {}).values()} <= {"position", "mesh"}


def test_a_row_of_a_matrix_is_a_column_and_masks_on_a_grid_are_masks() -> None:
    # MATLAB writes a series as a matrix of one row
    schema = Schema((Variable("t", "<f8", ("one", "n")),), {"one": 1, "n": 100})
    assert roles_of(schema, {})["t"].role == "time"
    # WRF gives masks, categories and map factors coordinates, as it does with what is measured
    about = {"role": "measured", "reason": "has coordinates"}
    names = ("LANDMASK", "LU_INDEX", "MAPFAC_M", "height")
    grid = Schema(tuple(Variable(name, "<f4", ("y", "x"), **about) for name in names), {"y": 20, "x": 30})  # type: ignore[arg-type]
    values = {name: RANDOM.integers(0, 2, (20, 30)).astype("f4") for name in told_by_values(grid)}
    told = {name: finding.role for name, finding in roles_of(grid, values).items()}
    assert told == {"LANDMASK": "mask", "LU_INDEX": "identifier", "MAPFAC_M": "position", "height": "measured"}


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("objid", "identifier"), ("Muon_jetIdx", "identifier"), ("event", "identifier"), ("source_id", "identifier"),
        ("station", "identifier"), ("module", "identifier"), ("ParticleIDs", "identifier"), ("zip", "identifier"), ("layer", "identifier"),
        ("sample", "identifier"), ("residue", "identifier"), ("crossline", "identifier"), ("start", "position"), ("frame", "time"),
        ("quality", "flag"), ("T_qc", "flag"), ("sst_qf", "flag"), ("DQF", "flag"), ("quality_level", "flag"), ("landcover", "flag"), ("basin", "flag"), ("kmt", "count"), ("count_obs", "count"), ("charge", "flag"), ("mask", "mask"), ("nHits", "count"), ("Jet_mChargedMultiplicity", "count"),
    ],
)  # fmt: skip
def test_some_names_tell_only_of_whole_numbers(name: str, role: str) -> None:
    whole = RANDOM.integers(0, 40, 500).astype(float)
    assert found(name, whole).role == role
    assert found(name, whole + 0.5).role == ""
    assert found(name).role == ""


@pytest.mark.parametrize("name", ["MAPFAC_M", "SINALPHA", "e1t", "dxt", "HTE", "angleEdge"])
def test_factors_of_grids_are_places_where_they_are_fields(name: str) -> None:
    assert found(name, dims=2).role == "position"


def test_the_metric_of_roms_is_known_by_what_stands_beside_it() -> None:
    names = ("pm", "angle", "f", "zeta")
    together = Schema(tuple(Variable(name, "<f8", ("y", "x")) for name in names), {"y": 20, "x": 30})
    assert [roles_of(together, {})[name].role for name in names] == ["position", "position", "position", ""]


def test_levels_of_profiles_rise_in_every_row() -> None:
    levels = np.cumsum(RANDOM.uniform(1, 20, (20, 30)), axis=1)
    levels[4:, 25:] = np.nan
    variable = Variable("PRES_ADJUSTED", "<f8", ("profile", "level"), units="dbar")
    schema = Schema((variable,), {"profile": 20, "level": 30})
    assert roles_of(schema, {variable.name: levels})[variable.name].role == "axis"
    levels[7, 3] = 0
    assert roles_of(schema, {variable.name: levels})[variable.name].role == ""


@pytest.mark.parametrize("name", ["SEG", "segmentation", "labels"])
def test_whole_numbers_that_name_parts_of_an_image_are_identifiers(name: str) -> None:
    assert found(name, RANDOM.integers(0, 90, 500).astype(float), dims=2).role == "identifier"
    assert found(name, RANDOM.normal(size=500), dims=2).role == ""


@pytest.mark.parametrize("name", ["wavelength", "loglam", "freq", "depth", "x", "energy", "radius [m]"])
def test_axes_are_told_by_their_name_and_order(name: str) -> None:
    grid = np.geomspace(3800, 9200, 300)
    assert found(name, grid).role == "axis"
    assert found(name, grid[::-1]).role == "axis"
    assert found(name, RANDOM.permutation(grid)).role == ""


def test_a_field_called_t_or_height_is_no_time_and_no_axis() -> None:
    assert found("t", dims=3).role == ""
    assert found("height", dims=3).role == ""
    assert found("time", dims=3).role == "time"


def test_what_the_file_says_comes_first() -> None:
    assert found("weight", role="measured").role == "measured"
    assert found("u", role="mesh") == Finding("mesh", "metadata")
    assert found("x", units="days since 1850-01-01") == Finding("time", "units 'days since 1850-01-01'")
    assert found("y", units="degrees_north", dims=3).role == "position"
    assert [found(name, units="pix").role for name in ("STARS/X", "FWHM")] == ["position", ""]
    coordinate = Schema((Variable("depth", "<f4", ("depth",)),), {"depth": 5})
    assert roles_of(coordinate, {})["depth"].role == "axis"


@pytest.mark.parametrize("unit", ["m", "mm"])
def test_positions_with_a_unit_in_their_name_need_each_other(unit: str) -> None:
    alone = Schema((Variable(f"X_{unit}", "<f8", ("n",)),), {"n": 9})
    assert roles_of(alone, {})[f"X_{unit}"].role == ""
    both = Schema((Variable(f"X_{unit}", "<f8", ("n",)), Variable(f"Y_{unit}", "<f8", ("n",))), {"n": 9})
    assert {finding.role for finding in roles_of(both, {}).values()} == {"mesh"}


@pytest.mark.parametrize(
    ("values", "role"),
    [
        (2458000 + np.arange(1000) / 720, "time"),
        (1.6e9 + np.cumsum(RANDOM.exponential(5, 500)), "time"),
        (2455000 + RANDOM.uniform(0, 3000, 500), "position"),
        (10.684 + np.arange(500) * 1e-5, "time"),
        (np.linspace(-1, 1, 200), "axis"),
        (np.arange(500.0), "identifier"),
        (RANDOM.permutation(5000)[:2000].astype(float), "identifier"),
        (np.sort(RANDOM.integers(10**9, 10**10, 500)).astype(float), "identifier"),
        (np.repeat(np.arange(300.0), RANDOM.integers(1, 9, 300)), "identifier"),
        (RANDOM.integers(0, 2, 500).astype(float), "flag"),
        (RANDOM.choice([-1.0, 1.0], 500), "flag"),
        # measured
        (RANDOM.normal(0, 1, 500), ""),
        (RANDOM.lognormal(3, 1, 500), ""),
        (RANDOM.normal(5500, 800, 500).round(), ""),
        (RANDOM.normal(300, 10, 500), ""),
        (np.zeros(500), ""),
        (np.full(500, 3.7), ""),
        (np.sort(RANDOM.lognormal(0, 1, 500)), ""),
        (1 + np.arange(500) % 7 * 0.001, ""),
        (np.full(500, np.nan), ""),
        (np.array([1.0, 2.0, 3.0]), ""),
    ],
)
def test_values_tell_where_names_do_not(values: np.ndarray, role: str) -> None:
    finding = found("v", values)
    assert finding.role == role, finding
    assert finding.is_exact == (role in EXACT_ROLES)
    assert not finding.is_exact or str(finding).startswith("looks like")


@pytest.mark.parametrize(
    ("name", "units", "exact"),
    [
        ("v", "", True), ("v", "pixel", True), ("v", "km", True), ("v", "mas", True), ("centroid", "days", True),
        ("v", "e-/s", False), ("v", "hPa", False), ("v", "km/s", False), ("surface_pressure", "", False), ("PDCSAP_FLUX", "", False),
        ("temp_2m", "", False), ("Teff", "", False),
    ],
)  # fmt: skip
def test_quantities_that_stand_far_from_zero_are_measured_all_the_same(name: str, units: str, exact: bool) -> None:
    assert found(name, RANDOM.normal(100_000, 50, 500), units=units).is_exact is exact


def test_what_has_a_column_of_errors_is_measured() -> None:
    values = {"v": RANDOM.normal(100_000, 50, 500), "v_err": RANDOM.uniform(1, 2, 500)}
    alone, both = (
        Schema(tuple(Variable(name, "<f8", ("row",)) for name in names), {"row": 500}) for names in (["v"], [*values])
    )
    assert roles_of(alone, values)["v"].is_exact
    assert not roles_of(both, values)["v"].is_exact


@pytest.mark.parametrize("names", [("alpha", "delta"), ("RAh", "RAm"), ("DEd", "DEs"), ("ra_h", "dec_m")])
def test_parts_of_positions_need_each_other(names: tuple[str, str]) -> None:
    schema = Schema(tuple(Variable(name, "<f8", ("row",)) for name in names), {"row": 9})
    assert {finding.role for finding in roles_of(schema, {}).values()} <= {"position", "mesh"}


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=40))
def test_no_values_are_too_odd(values: list[float]) -> None:
    assert isinstance(found("v", np.array(values)), Finding)


def test_a_rising_column_is_an_axis_only_along_fields() -> None:
    rising = np.cumsum(RANDOM.exponential(1, 60))
    column = Variable("v", "<f8", ("row",))
    field = Variable("u", "<f4", ("row", "x"))
    vector = Variable("p", "<f4", ("row", "part"))
    sizes = {"row": 60, "x": 30, "part": 3}
    assert roles_of(Schema((column, field), sizes), {"v": rising})["v"].role == "axis"
    assert roles_of(Schema((column, vector), sizes), {"v": rising})["v"].role == ""


def opened(folder: Path, **arrays: np.ndarray) -> Path:
    np.savez(folder / "d.npz", **arrays)
    return folder / "d.npz"


@pytest.mark.parametrize("block_bytes", [2000, 40_000, 10**8])
def test_the_first_values_are_the_same_however_a_file_is_cut(tmp_path: Path, block_bytes: int) -> None:
    arrays = {"a": RANDOM.normal(size=30_000), "b": RANDOM.normal(size=(300, 90)), "c": RANDOM.normal(size=20)}
    with load_plugins().reader("npz")().open(opened(tmp_path, **arrays), None) as source:
        first = first_values(lambda: source.blocks(block_bytes), ["a", "b", "c"])
    np.testing.assert_array_equal(first["a"], arrays["a"][:16384])
    np.testing.assert_array_equal(first["b"], arrays["b"][: -(-16384 // 90)])
    np.testing.assert_array_equal(first["c"], arrays["c"])


def test_reading_ends_with_the_first_values() -> None:
    read = []

    def blocks():  # type: ignore[no-untyped-def]
        for start in range(10):
            read.append(start)
            yield make_block({"a": (("row",), np.arange(start * 10_000, (start + 1) * 10_000))})

    assert first_values(blocks, ["a"])["a"].tolist() == list(range(16384))
    assert read == [0, 1]
    assert values_of(next(iter(blocks())), "a").size == 10_000


def test_wildcards_reach_what_is_measured_and_nothing_else(tmp_path: Path) -> None:
    n = 400
    path = opened(
        tmp_path,
        pt=RANDOM.lognormal(3, 1, n),
        weight=RANDOM.normal(1, 0.1, n),
        counter=np.arange(n, dtype="f8"),
        clock=1.6e9 + np.arange(n) * 1.5,
        run=np.full(n, 7),
        energy=RANDOM.lognormal(100, 1, n),
        mass=RANDOM.lognormal(60, 1, n).astype("f4"),
    )
    with load_plugins().reader("npz")().open(path, None) as source:
        schema = source.schema
        for rules in (LOSSY, BoundRules((("*", ErrorBound("abs", 0.1)),)), BoundRules((("*", ErrorBound("none")),))):
            roles = roles_in(schema, lambda: source.blocks(10**7), rules)
            bounds = dict(zip(schema.names, bounds_of(schema, rules, roles), strict=True))
            assert [name for name, bound in bounds.items() if bound.kind != "lossless"] == ["pt", "energy", "mass"]
            exact = kept_exact(schema, rules, roles)
            assert list(exact) == ["weight", "counter", "clock"]
            assert exact["counter"] == "looks like an identifier (400 whole numbers, all distinct)"
        named = BoundRules((("clock", ErrorBound("abs", 0.1)), ("*", ErrorBound("rel", 1e-3))))
        roles = roles_in(schema, lambda: source.blocks(10**7), named)
        assert "clock" not in kept_exact(schema, named, roles)
        assert str(dict(zip(schema.names, bounds_of(schema, named, roles), strict=True))["clock"]) == "abs 0.1"


def test_the_only_variable_is_what_a_bound_is_meant_for(tmp_path: Path) -> None:
    with load_plugins().reader("npz")().open(opened(tmp_path, v=np.linspace(0, 1, 500)), None) as source:
        roles = roles_in(source.schema, lambda: source.blocks(10**7), LOSSY)
        assert [bound.kind for bound in bounds_of(source.schema, LOSSY, roles)] == ["rel"]
        assert kept_exact(source.schema, LOSSY, roles) == {}


def test_packed_positions_are_exact_and_packed_fields_are_not() -> None:
    packed = Variable("latitude", "<i2", ("y", "x"), scale=0.01, offset=10.0)
    field = Variable("t2m", "<i2", ("y", "x"), scale=0.01, offset=270.0)
    schema = Schema((packed, field), {"y": 9, "x": 9})
    roles = roles_in(schema, lambda: iter(()), LOSSY)
    assert [bound.kind for bound in bounds_of(schema, LOSSY, roles)] == ["lossless", "rel"]
    assert list(kept_exact(schema, LOSSY, roles)) == ["latitude"]


@pytest.mark.parametrize("name", ["T", "p", "rho", "salinity", "air_temperature", "pressure_2"])
def test_a_narrow_spread_of_what_is_known_to_be_measured_is_no_position(name: str) -> None:
    assert found(name, RANDOM.normal(1013, 0.3, 500)).role == ""
    assert found("q_17_b", RANDOM.normal(1013, 0.3, 500)).role == "position"


def test_what_is_named_like_one_of_its_dimensions_is_an_axis() -> None:
    variable = Variable("y", "<f8", ("t", "y"))
    schema = Schema((variable,), {"t": 5, "y": 30})
    assert roles_of(schema, {"y": RANDOM.normal(size=(5, 30))})["y"].role == "axis"


def test_where_a_radar_looks_is_a_position() -> None:
    assert found("fixed_angle", np.array([0.5, 1.5])).role == "position"
    assert found("ray_azimuths", RANDOM.uniform(0, 360, 500)).role == "position"


@pytest.mark.parametrize("shape", [(900, 3), (4, 700)])
def test_corners_of_elements_stored_as_floats_are_indices(shape: tuple[int, ...]) -> None:
    dims = ("a", "b")
    schema = Schema((Variable("p1", "<f8", dims), Variable("p2", "<f8", dims)), dict(zip(dims, shape, strict=True)))
    corners = RANDOM.integers(1, 500, shape).astype("f8")
    found = roles_of(schema, {"p1": corners, "p2": corners + 0.25})
    assert found["p1"].role == "mesh"
    assert found["p2"].role == ""
    assert set(told_by_values(schema)) == {"p1", "p2"}


@pytest.mark.parametrize("kind", ["rel", "abs", "range", "none"])
def test_single_values_lose_nothing_under_wildcards(kind: str) -> None:
    variables = (
        Variable("viscosity", "<f4", ()),
        Variable("mass", "<f8", ("a", "b")),
        Variable("u", "<f8", ("a", "n")),
    )
    schema = Schema(variables, {"a": 1, "b": 1, "n": 50})
    bound = ErrorBound(kind, 0.0 if kind == "none" else 0.1)  # type: ignore[arg-type]
    rules = BoundRules((("mass", bound), ("*", bound)))
    roles = roles_in(schema, lambda: iter(()), rules)
    assert [b.kind for b in bounds_of(schema, rules, roles)] == ["lossless", kind, kind]
    assert kept_exact(schema, rules, roles) == {"viscosity": "a single value"}
