"""Metadata say what a variable is to its field: CF, UGRID, discrete sampling, dimension scales, axes and mesh groups."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np
import pytest

import baler_core
from baler_core.data.bounds import BoundRules
from baler_core.data.error_bound import ErrorBound
from baler_core.pipeline.input import bounds_of, first_values, kept_exact, roles_in
from baler_core.suggest.proposals import proposals_for
from baler_hdf5.reader import Hdf5Reader, NetcdfReader

SIZES = {"time": 4, "y": 3, "x": 5, "bnds": 2, "lev": 6, "node": 7, "face": 3, "three": 3, "station": 2, "obs": 9}
Spec = tuple[str, tuple[str, ...], dict[str, Any]]


def roles(tmp_path: Path, kind: Any, variables: Mapping[str, Spec]) -> dict[str, tuple[str, str]]:
    path = tmp_path / "data.nc"
    with netCDF4.Dataset(path, "w", format=kind) as file:
        for dim in {dim for _, dims, _ in variables.values() for dim in dims}:
            file.createDimension(dim, SIZES[dim])
        for name, (code, dims, attributes) in variables.items():
            file.createVariable(name, code, dims).setncatts(attributes)
    with NetcdfReader().open(path) as source:
        return {variable.name: (variable.role, variable.reason) for variable in source.schema.variables}


@pytest.mark.parametrize("kind", ["NETCDF4", "NETCDF3_CLASSIC"])
def test_fields_of_cf(tmp_path: Path, kind: Any) -> None:
    found = roles(
        tmp_path,
        kind,
        {
            "time": ("f8", ("time",), {"units": "days since 1850-01-01", "bounds": "time_bnds"}),
            "time_bnds": ("f8", ("time", "bnds"), {}),
            "y": ("f8", ("y",), {"standard_name": "projection_y_coordinate"}),
            "x": ("f8", ("x",), {}),
            "lat": ("f8", ("y", "x"), {"units": "degrees_north"}),
            "station_name": ("S1", ("y", "x"), {}),
            "lev": ("f8", ("lev",), {"axis": "Z", "formula_terms": "a: hyam b: hybm ps: ps"}),
            "hyam": ("f8", ("lev",), {}),
            "hybm": ("f8", ("lev",), {}),
            "ps": ("f4", ("time", "y", "x"), {"cell_methods": "time: mean"}),
            "crs": ("i4", (), {"grid_mapping_name": "lambert_conformal_conic"}),
            "area": ("f4", ("y", "x"), {}),
            "t": (
                "f4",
                ("time", "y", "x"),
                {
                    "coordinates": "lat station_name",
                    "grid_mapping": "crs",
                    "cell_measures": "area: area",
                    "ancillary_variables": "t_error t_quality t_sigma t_count",
                },
            ),
            "t_error": ("f4", ("time", "y", "x"), {"standard_name": "air_temperature standard_error"}),
            "t_sigma": ("f4", ("time", "y", "x"), {"long_name": "Uncertainty of t"}),
            "t_quality": (
                "i4",
                ("time", "y", "x"),
                {"flag_meanings": "good bad", "flag_values": np.array([0, 1], "i4")},
            ),
            "t_count": ("i4", ("time", "y", "x"), {"standard_name": "air_temperature number_of_observations"}),
            "land": ("f4", ("y", "x"), {"standard_name": "land_binary_mask"}),
            "packed": ("i2", ("time", "y", "x"), {"scale_factor": 0.1, "coordinates": "lat"}),
            "z": ("f4", ("lev", "y", "x"), {"units": "m"}),
            "silent": ("f4", ("y", "x"), {}),
            "odd": ("f4", ("y", "station"), {"units": "K"}),
        },
    )
    assert {name: role for name, (role, _) in found.items()} == {
        "time": "time",
        "time_bnds": "cell_bounds",
        "y": "position",
        "x": "axis",
        "lat": "position",
        "station_name": "position",
        "lev": "axis",
        "hyam": "position",
        "hybm": "position",
        "ps": "measured",
        "crs": "position",
        "area": "weight",
        "t": "measured",
        "t_error": "uncertainty",
        "t_sigma": "uncertainty",
        "t_quality": "flag",
        "t_count": "count",
        "land": "mask",
        "packed": "measured",
        "z": "measured",
        "silent": "",
        "odd": "",
    }
    assert found["time"][1] == "units 'days since 1850-01-01'"
    assert found["time_bnds"][1] == "bounds of 'time'"
    assert found["hyam"][1] == "formula term of 'lev'"


def test_meshes_of_ugrid_and_rows_of_stations(tmp_path: Path) -> None:
    found = roles(
        tmp_path,
        "NETCDF4",
        {
            "mesh": (
                "i4",
                (),
                {
                    "cf_role": "mesh_topology",
                    "node_coordinates": "node_x node_y",
                    "face_node_connectivity": "face_nodes",
                },
            ),
            "node_x": ("f8", ("node",), {"units": "degrees_east"}),
            "node_y": ("f8", ("node",), {"units": "m"}),
            "face_nodes": ("i4", ("face", "three"), {}),
            "wind": ("f4", ("face",), {"mesh": "mesh", "location": "face"}),
            "rows": ("i4", ("station",), {"sample_dimension": "obs"}),
            "station": ("i4", ("station",), {"cf_role": "timeseries_id"}),
            "index": ("i4", ("obs",), {"instance_dimension": "station"}),
        },
    )
    assert {name: role for name, (role, _) in found.items()} == {
        "mesh": "mesh",
        "node_x": "mesh",
        "node_y": "mesh",
        "face_nodes": "mesh",
        "wind": "measured",
        "rows": "count",
        "station": "identifier",
        "index": "identifier",
    }
    assert found["face_nodes"][1] == "connectivity of the mesh 'mesh'"


def test_names_are_looked_for_from_the_group_upwards(tmp_path: Path) -> None:
    path = tmp_path / "data.nc"
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("x", 3)
        file.createVariable("lon", "f8", ("x",))
        file.createVariable("lat", "f8", ("x",))
        group = file.createGroup("sat")
        group.createVariable("lat", "f8", ("x",))
        group.createVariable("t", "f4", ("x",)).coordinates = "lat lon"
        group.createVariable("u", "f4", ("x",)).coordinates = "/lat"
    with NetcdfReader().open(path) as source:
        reasons = {variable.name: variable.reason for variable in source.schema.variables}
    assert reasons["sat/lat"] == "coordinate of 'sat/t'"
    assert reasons["lon"] == "coordinate of 'sat/t'"
    assert reasons["lat"] == "coordinate of 'sat/u'"


def test_axes_of_plain_hdf5_are_those_that_fit(tmp_path: Path) -> None:
    path = tmp_path / "data.h5"
    with h5py.File(path, "w") as file:
        file["u"] = np.zeros((4, 30, 20))
        file["x"], file["y"], file["t"] = np.linspace(0, 1, 20), np.linspace(3, 0, 30), np.arange(4)
        file["energy"] = [1.0, 3.0, 2.0, 5.0]
        file["other"] = np.arange(7.0)
        file["deep/v"] = np.zeros((11, 2))
        file["deep/row"] = np.arange(11.0).reshape(11, 1)
        file["apart/z"] = np.arange(11.0)
    with Hdf5Reader().open(path) as source:
        found = {variable.name: (variable.role, variable.reason) for variable in source.schema.variables}
    assert found["x"] == ("axis", "fits an axis of 'u'")
    assert {name for name, (role, _) in found.items() if role == "axis"} == {"x", "y", "t", "deep/row"}


def test_scales_and_mesh_groups_of_hdf5(tmp_path: Path) -> None:
    path = tmp_path / "data.h5"
    with h5py.File(path, "w") as file:
        file["u"], file["s"] = np.zeros((4, 3)), [3.0, 1.0, 2.0]
        file["s"].make_scale()
        file["u"].dims[1].attach_scale(file["s"])
        file["Mesh/0/mesh/geometry"] = np.zeros((9, 3))
        file["Mesh/0/mesh/topology"] = np.zeros((5, 4), "i8")
        file["VTKHDF/Points"] = np.zeros((9, 3))
        file["VTKHDF/PointData/pressure"] = np.zeros(9)
        file["electrons/position/x"], file["electrons/momentum/x"] = np.zeros(7), np.zeros(7)  # openPMD
        file["df/block0_values"] = np.zeros((7, 2))  # pandas
    with Hdf5Reader().open(path) as source:
        found = {variable.name: variable.role for variable in source.schema.variables}
    assert found == {
        "u": "",
        "s": "axis",
        "Mesh/0/mesh/geometry": "mesh",
        "Mesh/0/mesh/topology": "mesh",
        "VTKHDF/Points": "mesh",
        "VTKHDF/PointData/pressure": "",
        "electrons/position/x": "position",
        "electrons/momentum/x": "",
        "df/block0_values": "unnamed",
    }


def test_contents_of_matlab_cells_have_no_name_that_tells(tmp_path: Path) -> None:
    path = tmp_path / "run.mat"
    rng = np.random.default_rng(1)
    with h5py.File(path, "w") as file:
        file["#refs#/b"], file["#refs#/c/x"] = rng.normal(size=(40, 30)), rng.normal(size=(1, 50))
        file["#subsystem#/MCOS"] = rng.normal(size=(1, 20))
        file["speed"] = np.hypot(*np.mgrid[0:4:40j, 0:3:30j]) + 0.01 * rng.normal(size=(40, 30))
        file.create_dataset("cells", data=np.array([[file["#refs#/b"].ref]]), dtype=h5py.ref_dtype)
    rules = BoundRules((("*", ErrorBound("abs", 0.1)),))
    with Hdf5Reader().open(path) as source:
        schema = source.schema
        values = first_values(lambda: source.blocks(10**7), [v.name for v in schema.variables if v.is_numeric])
        proposed = {name: p.is_lossy for name, p in proposals_for(schema, values).items()}
        roles = roles_in(schema, lambda: source.blocks(10**7), rules)
    assert {name for name, lossy in proposed.items() if lossy} == {"speed"}
    bounds = dict(zip(schema.names, bounds_of(schema, rules, roles), strict=True))
    assert {name for name, bound in bounds.items() if bound.kind == "abs"} == {"speed"}
    assert "where MATLAB keeps the contents of cells" in kept_exact(schema, rules, roles)["#refs#/b"]


@pytest.mark.parametrize("names", [("real", "imag"), ("r", "i")])
def test_parts_of_complex_numbers_stay_exact_under_wildcards(names: tuple[str, str], tmp_path: Path) -> None:
    path = tmp_path / "c.h5"
    with h5py.File(path, "w") as file:
        values = np.zeros(200, [(names[0], "f8"), (names[1], "f8")])
        values[names[0]] = np.random.default_rng(1).normal(size=200)
        values[names[1]] = 2.5
        file.create_dataset("cplx", data=values)
    baler_core.compress(path, tmp_path / "c.bal", bounds={"*": {"rel": 0.01}})
    with h5py.File(baler_core.decompress(tmp_path / "c.bal", tmp_path / "back.h5")) as file:
        assert file["cplx"][...].tobytes() == values.tobytes()
