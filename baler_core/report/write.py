"""Writes a report's files, reads its results back, and draws chosen variables from them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from baler_core.data.patterns import matching_names
from baler_core.errors import DataError, did_you_mean
from baler_core.evaluate import Drawings, Results
from baler_core.machine.atomic_write import completed
from baler_core.report.draw import draw_all, draw_variables
from baler_core.report.html import render

PLOTS = 24
"""So many variables are drawn unless patterns ask for others: more are neither looked at nor quickly loaded."""
Plots = int | Literal["all"] | Sequence[str]
"""How many variables to draw, `all` that were recorded, or patterns of their names."""


def write_report(results: Results, folder: Path, *, plots: Plots = PLOTS) -> Path:
    """Write report.html, report.json, report.npz (what figures are drawn from) and plots/*.png.

    Parameters
    ----------
    plots
        Which variables to draw: the first so many, `all` that were recorded, or those matching patterns.

    Returns
    -------
    The path of report.html.

    Raises
    ------
    DataError
        If `folder` is a file.
    """
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder}: is a file; a report needs a folder, name another one")
    folder.mkdir(parents=True, exist_ok=True)
    shown = chosen(results, plots)
    figures = draw_all(results, shown, folder / "plots")
    with completed(folder / "report.npz") as temporary:
        results.drawings.save(temporary)
    with completed(folder / "report.json") as temporary:
        temporary.write_text(
            json.dumps(results.to_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n", "utf-8"
        )
    report = folder / "report.html"
    with completed(report) as temporary:
        undrawn = [name for name in _recorded(results) if name not in figures.variables]
        temporary.write_text(render(results, figures, undrawn=undrawn), "utf-8")
    return report


def read_results(folder: Path) -> Results:
    """The results that `write_report` left in a folder.

    Raises
    ------
    DataError
        If they are missing or damaged.
    """
    path = folder / "report.json"
    try:
        record = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path}: there is no such file. Run 'baler evaluate' first") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    try:
        return Results.from_json(record, Drawings.load(folder / "report.npz"))
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def redraw(folder: Path, variables: Sequence[str] = ("*",)) -> list[Path]:
    """Draw variables whose names match patterns again, from the results that `write_report` left in a folder.

    Returns
    -------
    The PNG files, in the folder's plots/.

    Raises
    ------
    DataError
        If there are no results, or nothing recorded matches a pattern.
    """
    results = read_results(folder)
    recorded = _recorded(results)
    for pattern in variables:
        if not matching_names([pattern], recorded):
            raise DataError(
                f"{folder}: nothing is recorded of a variable {pattern!r}. {did_you_mean(pattern, recorded)}"
            )
    wanted = matching_names(variables, recorded)
    return [path for paths in draw_variables(results, wanted, folder / "plots").values() for path in paths]


def chosen(results: Results, plots: Plots) -> list[str]:
    """Names of the variables to draw, in the file's order."""
    recorded = _recorded(results)
    if isinstance(plots, int):
        return _first(results, recorded, plots)
    if isinstance(plots, str):
        return recorded if plots == "all" else matching_names([plots], recorded)
    if list(plots) == ["*"]:
        return _first(results, recorded, PLOTS)
    return matching_names(plots, recorded)


def _first(results: Results, recorded: Sequence[str], most: int) -> list[str]:
    """In the file's order, the first that changed; where there is room, others too."""
    changed = {v.name for v in results.variables if v.changed}
    wanted = set(sorted(recorded, key=lambda name: name not in changed)[:most])
    return [name for name in recorded if name in wanted]


def _recorded(results: Results) -> list[str]:
    drawings = results.drawings
    return [v.name for v in results.variables if v.name in drawings.distributions or v.name in drawings.pictures]
