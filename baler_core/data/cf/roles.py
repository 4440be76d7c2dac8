"""Determine the role of each variable (measured, uncertainty, time, position, ...) from metadata alone.

Source: CF conventions 1.11 (chapters 3 to 9 and appendix C), UGRID 1.0, SGRID 0.3; the names of groups by the layouts of
XDMF, VTKHDF, CGNS and MED files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import field
from typing import Any

from baler_core.data.cf.attributes import DESCRIPTION, EAST, NORTH, text_of
from baler_core.data.cf.special_values import SPECIAL
from baler_core.data.variables import Role
from baler_core.machine.records import dataclass

# Attributes that name other variables, and what those are to the one that names them.
POINTERS: dict[str, tuple[Role, str]] = {
    "bounds": ("cell_bounds", "bounds of {}"),
    "climatology": ("cell_bounds", "climatological bounds of {}"),
    "node_coordinates": ("mesh", "nodes of the mesh {}"),
    "edge_coordinates": ("mesh", "edges of the mesh {}"),
    "face_coordinates": ("mesh", "faces of the mesh {}"),
    "volume_coordinates": ("mesh", "volumes of the mesh {}"),
    "edge1_coordinates": ("mesh", "edges of the grid {}"),
    "edge2_coordinates": ("mesh", "edges of the grid {}"),
    "edge_node_connectivity": ("mesh", "connectivity of the mesh {}"),
    "face_node_connectivity": ("mesh", "connectivity of the mesh {}"),
    "face_edge_connectivity": ("mesh", "connectivity of the mesh {}"),
    "face_face_connectivity": ("mesh", "connectivity of the mesh {}"),
    "edge_face_connectivity": ("mesh", "connectivity of the mesh {}"),
    "boundary_node_connectivity": ("mesh", "connectivity of the mesh {}"),
    "volume_node_connectivity": ("mesh", "connectivity of the mesh {}"),
    "volume_edge_connectivity": ("mesh", "connectivity of the mesh {}"),
    "volume_face_connectivity": ("mesh", "connectivity of the mesh {}"),
    "volume_volume_connectivity": ("mesh", "connectivity of the mesh {}"),
    "mesh": ("mesh", "the mesh of {}"),
    "grid": ("mesh", "the grid of {}"),
    "geometry": ("mesh", "the geometry of {}"),
    "node_count": ("count", "nodes per cell of {}"),
    "part_node_count": ("count", "nodes per part of {}"),
    "interior_ring": ("flag", "interior rings of {}"),
    "nodes": ("mesh", "nodes of {}"),
    "grid_mapping": ("position", "grid mapping of {}"),
    "formula_terms": ("position", "formula term of {}"),
    "cell_measures": ("weight", "cell measure of {}"),
    "coordinates": ("position", "coordinate of {}"),
}
# These say more than units or a standard name do.
STRONG: tuple[Role, ...] = ("cell_bounds", "mesh", "count", "weight")
STANDARD_NAMES: dict[str, Role] = {
    "time": "time",
    "forecast_reference_time": "time",
    "forecast_period": "time",
    "latitude": "position",
    "longitude": "position",
    "grid_latitude": "position",
    "grid_longitude": "position",
    "projection_x_coordinate": "position",
    "projection_y_coordinate": "position",
    "projection_x_angular_coordinate": "position",
    "projection_y_angular_coordinate": "position",
    "projection_range_coordinate": "position",
    "ray_azimuth_angle": "position",
    "ray_elevation_angle": "position",
    "target_fixed_angle": "position",
    "realization": "identifier",
    "region": "identifier",
    "platform_id": "identifier",
    "platform_name": "identifier",
    "station_wmo_id": "identifier",
    "cell_area": "weight",
    "land_binary_mask": "mask",
    "sea_binary_mask": "mask",
    "quality_flag": "flag",
}
MODIFIERS: dict[str, Role] = {"standard_error": "uncertainty", "status_flag": "flag", "number_of_observations": "count"}
CF_ROLES: dict[str, Role] = {
    "timeseries_id": "identifier",
    "profile_id": "identifier",
    "trajectory_id": "identifier",
    "mesh_topology": "mesh",
    "grid_topology": "mesh",
    "face_node_connectivity": "mesh",
    "edge_node_connectivity": "mesh",
    "face_face_connectivity": "mesh",
}
MEASURED = ("cell_methods", "coordinates", "grid_mapping", "mesh", "location", "cell_measures")
UNCERTAIN = ("standard error", "standard_error", "uncertainty", "standard deviation", "error of", "error in")
MESH_GROUPS = frozenset(
    {"geometry", "topology", "mesh", "connectivity", "gridcoordinates", "elementconnectivity", "elementrange", "noe"}
)
# Where MATLAB keeps what cells, structures and objects refer to, under names of its own making.
HIDDEN_GROUPS = frozenset({"#refs#", "#subsystem#"})
# Where openPMD and others keep where particles are, part by part.
PLACES = frozenset({"position", "positions", "positionoffset", "coordinates", "pos"})
# What pandas' HDFStore writes: all columns of one type in one array, ids and positions beside what was measured.
BLOCKS = re.compile(r"values_block_\d+|block\d+_values")
MESH_NAMES = frozenset({"connectivity", "topology", "geometry", "points", "offsets", "coordx", "coordy", "coordz"})
POINTING = frozenset(POINTERS) | {"ancillary_variables"}
TELLING = POINTING | frozenset(
    {"cf_role", "sample_dimension", "instance_dimension", "compress", "flag_meanings", "cell_methods", "location"}
)


@dataclass(frozen=True)
class Described:
    """What is known of one variable besides values.

    Attributes
    ----------
    path
        Of its dataset.
    dtype, dims
        As of a variable of that name.
    attributes
        Simple ones: text as `str`, numbers as arrays.
    is_scale
        Whether it is a dimension scale, or named like its only dimension.
    fits
        Name of a variable of higher rank along whose axis its rising or falling values fit; empty if there is none.
    """

    path: str
    dtype: str
    dims: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    is_scale: bool = False
    fits: str = ""


def conventional_attributes() -> frozenset[str]:
    """Return the names of all attributes that are looked at."""
    return DESCRIPTION | SPECIAL | TELLING


def cf_roles(variables: Mapping[str, Described]) -> dict[str, tuple[Role, str]]:
    """Return role and reason of every variable by name; variables without a role are left out."""
    pointed = _pointed(variables)
    parts = _parts_of_complex(variables)
    scales = {name for name, variable in variables.items() if variable.is_scale}
    found: dict[str, tuple[Role, str]] = {}
    for name, variable in variables.items():
        if name in parts:
            found[name] = "unnamed", "part of complex numbers"
            continue
        if BLOCKS.fullmatch(name.rpartition("/")[2]):
            found[name] = "unnamed", "holds several columns of a table of pandas, whose names it does not have"
            continue
        first = pointed.get(name)
        if first is None or first[0] not in STRONG:
            first = _from_itself(variable) or first
        said = first or _from_place(variable) or _measured(variable, scales)
        if said is not None:
            found[name] = said
    return found


def _parts_of_complex(variables: Mapping[str, Described]) -> set[str]:
    """Find the members of compounds that are the real and the imaginary part of one number, as MATLAB stores it."""
    of_path: dict[str, list[str]] = {}
    for name, variable in variables.items():
        of_path.setdefault(variable.path, []).append(name)
    return {
        name
        for path, names in of_path.items()
        for name in names
        if sorted(each.removeprefix(f"{path}/").lower() for each in names)
        in (["imag", "real"], ["i", "r"], ["im", "re"])
    }


def _from_itself(variable: Described) -> tuple[Role, str] | None:
    """Return the role by its own attributes, unless another variable determines it better."""
    attributes = variable.attributes
    units, standard, modifier = text_of(attributes, "units"), *_standard_name(attributes)
    axis, cf_role = text_of(attributes, "axis").upper(), text_of(attributes, "cf_role")
    if cf_role in CF_ROLES:
        return CF_ROLES[cf_role], f"cf_role {cf_role!r}"
    if modifier in MODIFIERS:
        return MODIFIERS[modifier], f"standard_name '{standard} {modifier}'"
    if " since " in units.lower():
        return "time", f"units {units!r}"
    if standard in STANDARD_NAMES:
        return STANDARD_NAMES[standard], f"standard_name {standard!r}"
    if units.lower() in (*NORTH, *EAST):
        return "position", f"units {units!r}"
    if axis in ("T", "X", "Y", "Z", "E"):
        return ("time" if axis == "T" else "axis"), f"axis {axis!r}"
    for name in ("flag_meanings", "flag_values", "flag_masks"):
        if name in attributes:
            return "flag", f"has {name}"
    if "sample_dimension" in attributes:
        return "count", f"counts the rows along {text_of(attributes, 'sample_dimension')!r}"
    for name in ("instance_dimension", "compress"):
        if name in attributes:
            return "identifier", f"index into {text_of(attributes, name)!r}"
    return None


def _pointed(variables: Mapping[str, Described]) -> dict[str, tuple[Role, str]]:
    """What variables are to others that name them, the most telling attribute first."""
    found: dict[str, tuple[Role, str]] = {}
    for pointer, (role, reason) in POINTERS.items():
        for name, variable in variables.items():
            for target in _targets(name, text_of(variable.attributes, pointer), variables):
                # a surface pressure in a formula is a field like others
                if target != name and not (pointer == "formula_terms" and len(variables[target].dims) > 2):
                    found.setdefault(target, (role, reason.format(repr(name))))
    for name, variable in variables.items():
        for target in _targets(name, text_of(variable.attributes, "ancillary_variables"), variables):
            label = text_of(variables[target].attributes, "long_name").lower()
            if any(word in label for word in UNCERTAIN):
                found.setdefault(target, ("uncertainty", f"ancillary variable of {name!r}, {label!r}"))
            elif variables[target].dtype[1:2] in "iub":
                found.setdefault(target, ("flag", f"ancillary variable of {name!r}"))
    return found


def _targets(name: str, said: str, variables: Mapping[str, Described]) -> Iterator[str]:
    """The variables that an attribute names (`a: x b: y`, or `x y`), looked for from the variable's group upwards."""
    group = variables[name].path.rpartition("/")[0]
    for word in said.split():
        parts = group.split("/") if group else []
        places = ["/".join((*parts[:depth], word)) for depth in range(len(parts), -1, -1)]
        target = next((p for p in ([word[1:]] if word.startswith("/") else places) if p in variables), None)
        if target is not None:
            yield target


def _from_place(variable: Described) -> tuple[Role, str] | None:
    """Return the role by its place in the file: scales, axes, and groups of meshes or contents of cells."""
    *groups, last = [part.lower() for part in variable.path.split("/")]
    hidden = next((group for group in groups if group in HIDDEN_GROUPS), None)
    if hidden is not None:
        return "unnamed", f"lies in {hidden!r}, where MATLAB keeps the contents of cells and objects"
    telling = [group for group in groups if group in MESH_GROUPS]
    if telling:
        return "mesh", f"lies in a group {telling[-1]!r}"
    if last in MESH_NAMES and (groups or last.startswith("coord")):
        return "mesh", f"is called {last!r}"
    if groups and groups[-1] in PLACES and last in ("x", "y", "z", "r", "theta", "phi", "0", "1", "2"):
        return "position", f"lies in a group {groups[-1]!r}"
    if variable.is_scale:
        return "axis", "is the scale of a dimension"
    if variable.fits:
        return "axis", f"fits an axis of {variable.fits!r}"
    return None


def _measured(variable: Described, scales: Set[str]) -> tuple[Role, str] | None:
    """Whether it is data on a grid: its attributes say where or how it was measured, or its dimensions have coordinates."""
    if variable.dtype[1:2] != "f" and not {"scale_factor", "add_offset"} & variable.attributes.keys():
        return None
    telling = next((name for name in MEASURED if name in variable.attributes), None)
    if telling is None and len(variable.dims) > 1 and "units" in variable.attributes and scales >= set(variable.dims):
        return "measured", "has units, and coordinates along each dimension"
    if telling is None or not variable.dims:
        return None
    label = (text_of(variable.attributes, "long_name") + text_of(variable.attributes, "standard_name")).lower()
    if any(word in label for word in UNCERTAIN):
        return "uncertainty", f"has {telling}, and is called {label!r}"
    return "measured", f"has {telling}"


def _standard_name(attributes: Mapping[str, Any]) -> tuple[str, str]:
    """Standard name and modifier."""
    words = text_of(attributes, "standard_name").split()
    return (words[0] if words else ""), (words[1] if len(words) > 1 else "")


def fitting_axes(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, str]:
    """One-dimensional datasets that may be axes of others, by path: those are of higher rank, in the same group or below,
    and have an axis of the same length.

    Rows and columns of length n, as MATLAB writes vectors, count as one-dimensional.
    """

    def is_line(shape: tuple[int, ...]) -> bool:
        return sum(n != 1 for n in shape) == 1

    fields = [
        (path, shape) for path, shape in shapes.items() if len(shape) > 1 and not is_line(shape) and 0 not in shape
    ]
    found: dict[str, str] = {}
    for path, shape in shapes.items():
        group, length = path.rpartition("/")[0], max(shape, default=0)
        if not is_line(shape) or length < 2:
            continue
        inside = f"{group}/" if group else ""
        partner = next((other for other, sizes in fields if other.startswith(inside) and length in sizes), None)
        if partner is not None:
            found[path] = partner
    return found
