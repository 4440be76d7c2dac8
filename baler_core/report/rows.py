"""Arrange variables for the page: verdicts, tables, and collections that are exact."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from baler_core.evaluate.judgement import by_importance
from baler_core.evaluate.results import Results, VariableResult
from baler_core.machine.records import dataclass
from baler_core.report.draw import Figures

# Fewer exact variables than these stand in the table one by one.
_FEW = 4


@dataclass(frozen=True)
class VariableRow:
    """One variable in the tables of the page."""

    variable: VariableResult
    model: str
    residual: tuple[float, float]
    response: tuple[float, float]
    undefined: int | None
    holds: bool
    drawn: bool


@dataclass(frozen=True)
class FoldedRows:
    """Exact variables whose names begin alike (`Jet_`), folded into one; or a few of different names (empty)."""

    name: str
    rows: Sequence[VariableRow]


def rows_of(results: Results, figures: Figures) -> list[VariableRow]:
    """Return one row per variable, the most important first."""
    residual, response = results.metric("residual"), results.metric("response")
    models = {name: group.model for group in results.groups for name in group.variables}
    variables = {variable.name: variable for variable in results.variables}
    rows = []
    for variable in (variables[name] for name in by_importance(results, list(variables))):
        lost, relative = residual.get(variable.name, {}), response.get(variable.name, {})
        rows.append(
            VariableRow(
                variable,
                models.get(variable.name, ""),
                (lost.get("mean", math.nan), lost.get("rms", math.nan)),
                (relative.get("mean", math.nan), relative.get("rms", math.nan)),
                int(relative["inf"] + relative["nan"]) if "nan" in relative else None,
                variable.violations == 0,
                variable.name in figures.variables,
            )
        )
    return rows


def collections_of(rows: Sequence[VariableRow]) -> list[FoldedRows]:
    """Return rows by the collection that names tell, large ones first; what belongs to none comes last."""
    members: dict[str, list[VariableRow]] = {}
    for row in rows:
        members.setdefault(_stem(row.variable.name), []).append(row)
    folded = [FoldedRows(stem, found) for stem, found in members.items() if stem and len(found) >= _FEW]
    single = [row for stem, found in members.items() if not stem or len(found) < _FEW for row in found]
    folded.sort(key=lambda one: -len(one.rows))
    return [*folded, *([FoldedRows("", single)] if single else [])]


def _stem(name: str) -> str:
    """What stands before the first separator of the name itself: `Jet_`, `Track.`; with the group it lies in."""
    group, slash, own = name.rpartition("/")
    match = re.match(r"[A-Za-z0-9]+[_.]", own)
    return f"{group}{slash}{match.group()}" if match else f"{group}{slash}"
