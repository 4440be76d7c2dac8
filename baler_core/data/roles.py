"""Determine the role of each variable from metadata, names and values, and which variables stay exact for it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np

from baler_core.data.bounds import usable
from baler_core.data.conventions import (
    Convention,
    base_name,
    conventions_for,
    has_form,
    names_quantity,
    run_together,
    spoken,
)
from baler_core.data.uncertainties import errors_beside
from baler_core.data.variables import Role, Schema, Variable
from baler_core.machine.records import dataclass

EXACT_ROLES: frozenset[Role] = frozenset(
    {"identifier", "time", "position", "axis", "cell_bounds", "mesh", "flag", "count", "weight", "mask", "unnamed"}
)
"""Which, when, where, how many, or nobody knows what: a lossy bound reaches these only where it names them in full."""
SINGLE = "a single value"

_STANDS_FAR = "looks like times or positions: nearly all distinct"
# Fewer values than these show nothing.
_FEW, _MANY = 10, 100
# Sorted values this many times their spread away from zero are times, or positions along a scan.
_OFFSET_SORTED = 5.0
# Values in any order, hardly two of them the same, this many times their spread away from zero.
_OFFSET_UNSORTED = 100.0
# As many different whole numbers may a flag have.
# Corners of an element: of a line, triangle, tetrahedron or quadrilateral, pyramid, prism, brick.
_CORNERS = range(2, 9)
_FLAG_VALUES = 16
_FLAG_LARGEST = 1000.0
_STEP_ROUNDING = 1e-4
# Floats so large are whole numbers whatever they measure (luminosities, densities); ids have 64 bits at most, and 32 where
# they were put into single precision. By bytes of a float.
LARGEST_NUMBER = {4: 2.0**32, 8: 2.0**64}
PIXELS = ("pix", "pixel", "pixels")
# Units in which places and times are told; whatever has other units is measured.
_PLACE_OR_TIME = re.compile(
    r"|deg(?:ree)?s?|°|rad(?:ian)?s?|arc_?(?:sec|min)s?|[mµu]?as|pix(?:el)?s?|[mµunkc]?m|[mµun]?s|sec(?:ond)?s?|"
    r"min(?:ute)?s?|h|hr|hours?|d|days?|y|yr|years?|k?pc|au|ly|1|-+|none",
    re.IGNORECASE,
)
GRID_AXIS = 8
# Rows with so many columns are those of a table; longer lists in them are series, such as spectra.
_COLUMNS, LONG_LIST = 3, 64
"""Axes shorter than this hold the parts of a vector, not cells of a grid."""


@dataclass(frozen=True)
class Finding:
    """The role of a variable, and how it was found."""

    role: Role = ""
    reason: str = ""

    @property
    def is_exact(self) -> bool:
        """Whether a lossy bound must name the variable in full."""
        return self.role in EXACT_ROLES

    def __str__(self) -> str:
        says_all = self.role == "unnamed" or self.reason.startswith("looks like")
        word = self.role.replace("_", " ")
        return self.reason if says_all and self.reason else f"{word}: {self.reason}".removesuffix(": ")

    @property
    def is_guess(self) -> bool:
        """Whether the role follows from its spread alone: a column of errors beside it overrides it."""
        return self.reason.startswith(_STANDS_FAR)


def roles_of(schema: Schema, values: Mapping[str, np.ndarray]) -> dict[str, Finding]:
    """Return the role of every numeric variable.

    Parameters
    ----------
    values
        The first values, any shape, of the variables that may be told by them (`told_by_values`); missing ones are
        told by metadata and name alone.
    """
    shared = _dims_of_fields(schema)
    beside = errors_beside(schema.names)
    paired = {errors.name for found in beside.values() for errors in found}
    found = {}
    for variable in schema.variables:
        if variable.is_numeric:
            seen = values.get(variable.name)
            numbers = None if seen is None else seen[usable(seen, variable.fill)]
            finding = _by_metadata(variable)
            if finding is None or _is_on_grid(finding):
                on_grid = finding is not None
                finding = _by_name(variable, schema, (seen, numbers), paired, on_grid=on_grid) or finding
            if finding is None and numbers is not None and _is_column(variable, schema):
                is_measured = variable.name in beside or _says_measured(variable)
                finding = _by_values(numbers, on_grid=not shared.isdisjoint(variable.dims), is_measured=is_measured)
            if finding is None and numbers is not None and _may_connect(variable, schema):
                finding = _indices(numbers)
            found[variable.name] = finding or Finding()
    return found


def _dims_of_fields(schema: Schema) -> set[str]:
    """Dimensions of variables of rank 2 or more that are fields, and no short vectors in each row."""
    return {
        dim
        for v in schema.variables
        if len(v.dims) > 1 and min(schema.sizes[dim] for dim in v.dims[1:]) >= GRID_AXIS
        for dim in v.dims
    }


def lists_in_rows(schema: Schema) -> frozenset[str]:
    """Return the variables of rank 2 that are short lists in the rows of a table, and no planes.

    Rows are those of a table if several columns have them.
    """
    columns = Counter(v.dims[0] for v in schema.variables if len(v.dims) == 1 and v.name != v.dims[0])
    return frozenset(
        v.name
        for v in schema.variables
        if len(v.dims) == 2 and columns[v.dims[0]] >= _COLUMNS and schema.sizes.get(v.dims[1], 0) < LONG_LIST
    )


def told_by_values(schema: Schema) -> list[str]:
    """Return the variables whose values `roles_of` needs: real numbers that metadata and name leave open."""
    wanted = []
    for variable in schema.variables:
        known = _by_metadata(variable)
        if variable.is_numeric and variable.numpy_dtype.kind == "f" and (known is None or _is_on_grid(known)):
            conditions = {condition for row, _ in conventions_for(variable.name) for condition in row.conditions}
            of_values = _is_column(variable, schema) or _may_connect(variable, schema) or "profile" in conditions
            if "whole" in conditions or (known is None and of_values):
                wanted.append(variable.name)
    return wanted


def _may_connect(variable: Variable, schema: Schema) -> bool:
    """Whether a variable has the shape of a mesh's connectivity: a few indices for each of many elements."""
    sizes = [schema.sizes[dim] for dim in variable.dims]
    return (
        variable.numpy_dtype.kind == "f" and len(sizes) == 2 and min(sizes) in _CORNERS and max(sizes) > max(_CORNERS)
    )


def _indices(numbers: np.ndarray) -> Finding | None:
    """Whole numbers from 0 or above, many different ones: places in another array, stored as floats."""
    whole = numbers.size > 0 and bool(((numbers == np.rint(numbers)) & (numbers >= 0)).all())
    distinct = np.unique(numbers).size if whole else 0
    if distinct <= _FLAG_VALUES or float(numbers.max()) > 2 * numbers.size:
        return None
    return Finding("mesh", f"looks like indices ({distinct:,} different whole numbers, a few in each row)")


def _is_column(variable: Variable, schema: Schema) -> bool:
    return _rank(variable, schema) == 1 and variable.numpy_dtype.kind == "f"


def _rank(variable: Variable, schema: Schema) -> int:
    """Number of dimensions, without those of length 1 beside others: MATLAB writes a series as a row or a column."""
    return min(len(variable.dims), max(1, sum(schema.sizes[dim] != 1 for dim in variable.dims)))


def _by_metadata(variable: Variable) -> Finding | None:
    """Return the reader's role, or the role by units and dimensions in any format."""
    if variable.role:
        return Finding(variable.role, variable.reason)
    units = variable.units.strip()
    if " since " in units.lower() or units.upper().startswith(("BJD", "HJD", "MJD", "JD")):
        return Finding("time", f"units {units!r}")
    if units.lower().replace("_", "").startswith(("degreesnorth", "degreeseast", "degreenorth", "degreeeast")):
        return Finding("position", f"units {units!r}")
    if units.lower() in PIXELS and spoken(variable.name) in ("x", "y"):
        return Finding("position", f"units {units!r}")
    if variable.name in variable.dims:
        return Finding("axis", "named like its dimension")
    return None


def _is_on_grid(finding: Finding) -> bool:
    """Whether a variable counts as measured since it has coordinates, as masks and map factors on the same grid have."""
    return finding.role == "measured" and finding.reason.startswith("has ")


def _by_name(
    variable: Variable,
    schema: Schema,
    values: tuple[np.ndarray | None, np.ndarray | None],
    paired: Iterable[str],
    *,
    on_grid: bool = False,
) -> Finding | None:
    """Return the role of the first convention whose conditions hold.

    Parameters
    ----------
    values
        The first values as they are stored, and the valid ones of these in one dimension; None if they are not known.
    on_grid
        Whether it has coordinates: only conventions for whole numbers and for fields count.
    """
    seen, numbers = values
    if variable.name in paired and not on_grid:
        return Finding("uncertainty", "named as the error of a variable beside it")
    for row, pattern in conventions_for(variable.name):
        if on_grid and not {"whole", "field"} & set(row.conditions):
            continue
        rank = _rank(variable, schema)
        if ("1-D" in row.conditions and rank > 1) or ("field" in row.conditions and rank < 2):
            continue
        if "profile" in row.conditions and not _sorted_in_rows(seen, variable):
            continue
        if "whole" in row.conditions and not _whole(variable, numbers):
            continue
        if "sorted" in row.conditions and not _sorted(numbers):
            continue
        if "together" in row.conditions and not _has_company(variable, schema, row, pattern):
            continue
        return Finding(row.role, _named(row, variable))
    return None


def _has_company(variable: Variable, schema: Schema, row: Convention, pattern: re.Pattern[str]) -> bool:
    """Whether another variable along the same dimensions is called by the same convention."""
    return any(
        other is not variable
        and other.dims == variable.dims
        and base_name(other.name) != base_name(variable.name)
        and has_form(other.name, (spoken(other.name), run_together(other.name)), row, pattern)
        for other in schema.variables
    )


def _named(row: Convention, variable: Variable) -> str:
    return f"named {base_name(variable.name)!r} ({row.source})"


def _whole(variable: Variable, numbers: np.ndarray | None) -> bool:
    """Whether the values are whole numbers, as far as they were seen."""
    if variable.numpy_dtype.kind in "biu":
        return (variable.scale, variable.offset) == (1.0, 0.0) or variable.scale == 1.0
    return numbers is not None and numbers.size > 0 and bool((numbers == np.rint(numbers)).all())


def _sorted(numbers: np.ndarray | None) -> bool:
    """Whether the values rise or fall throughout, as far as they were seen."""
    if numbers is None or numbers.ndim != 1 or numbers.size < _FEW:
        return False
    steps = np.diff(numbers.astype(np.float64))
    return bool((steps > 0).all() or (steps < 0).all())


def _sorted_in_rows(seen: np.ndarray | None, variable: Variable) -> bool:
    """Whether the valid values of each row of a variable of two dimensions rise or fall, as levels of profiles do."""
    if seen is None or seen.ndim != 2 or seen.shape[1] < _FEW:
        return False
    valid = usable(seen, variable.fill)
    steps = np.diff(np.where(valid, seen.astype(np.float64), np.nan), axis=1)
    with np.errstate(invalid="ignore"):
        falls, rises = (steps < 0).any(), (steps > 0).any()
    return bool(valid.any() and falls != rises)


def _says_measured(variable: Variable) -> bool:
    """Return whether name or units are those of a measured quantity, whose spread may be small."""
    return names_quantity(variable.name) or _PLACE_OR_TIME.fullmatch(variable.units.strip()) is None


def _by_values(numbers: np.ndarray, *, on_grid: bool, is_measured: bool) -> Finding | None:
    """What the first values (1-D, finite) of a column of floats look like."""
    x = numbers.astype(np.float64)
    if x.size < _FEW:
        return None
    low, high = float(x.min()), float(x.max())
    spread = high - low
    if spread == 0 or not np.isfinite(spread):
        return None
    steps = np.diff(x)
    is_sorted = _sorted(x)
    if is_sorted and on_grid:
        return Finding("axis", f"looks like an axis ({_order(steps)}, along a dimension of fields)")
    distinct = np.unique(x).size
    if bool((x == np.rint(x)).all()) and max(abs(low), abs(high)) < LARGEST_NUMBER.get(numbers.itemsize, 2.0**64):
        return _whole_numbers(x, distinct, low, high)
    nearest = min(abs(low), abs(high)) if low * high > 0 else 0.0
    if is_sorted and nearest >= _OFFSET_SORTED * spread:
        far = f"{_order(steps)}, spread over {spread:.3g} beside {nearest:.6g}"
        return Finding("time", f"looks like times or positions ({far})")
    if is_sorted and float(np.ptp(steps)) <= _STEP_ROUNDING * abs(float(np.median(steps))):
        return Finding("axis", f"looks like an axis ({_order(steps)} in even steps)")
    if not is_measured and distinct > 0.9 * x.size and nearest >= _OFFSET_UNSORTED * spread:
        return Finding("position", f"{_STANDS_FAR}, spread over {spread:.3g} beside {nearest:.6g}")
    return None


def _whole_numbers(x: np.ndarray, distinct: int, low: float, high: float) -> Finding | None:
    """Ids, counters and flags that are stored as floats."""
    if distinct == x.size and x.size >= _MANY:
        return Finding("identifier", f"looks like an identifier ({distinct:,} whole numbers, all distinct)")
    steps = np.diff(x)
    in_order = x.size >= 2 * _FEW and bool((steps >= 0).all() or (steps <= 0).all())
    # one by one, as events, profiles and trials are numbered beside all rows of each
    if in_order and (distinct > x.size / 2 or (distinct > _FLAG_VALUES and np.abs(steps).max() <= 1)):
        return Finding(
            "identifier", f"looks like a counter (whole numbers, {_order(steps)} from {low:.15g} to {high:.15g})"
        )
    if distinct <= _FLAG_VALUES and x.size >= _MANY and max(abs(low), abs(high)) <= _FLAG_LARGEST:
        return Finding("flag", f"looks like a flag or count (only {distinct} whole numbers, from {low:g} to {high:g})")
    return None


def _order(steps: np.ndarray) -> str:
    return "rising" if steps[0] > 0 or (steps > 0).any() else "falling"
