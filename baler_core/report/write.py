"""Write the files of a report, read its results back, and draw chosen variables from them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from baler_core.errors import DataError, MissingPackage, did_you_mean
from baler_core.evaluate.drawings import Drawings
from baler_core.evaluate.judgement import by_importance, recorded
from baler_core.evaluate.results import Results
from baler_core.machine.atomic_write import completed
from baler_core.machine.optional import need
from baler_core.machine.records import dataclass
from baler_core.report.draw import draw_all, draw_variables
from baler_core.report.html import render

PLOTS = 24
"""So many variables are drawn unless patterns ask for others: more are neither looked at nor quickly loaded."""
Plots = int | Literal["all"] | Sequence[str]
"""How many variables to draw, `all` that were recorded, or patterns of their names."""


@dataclass(frozen=True)
class Report:
    """What was written.

    Attributes
    ----------
    results
        report.json.
    page
        report.html; None where there is neither it nor plots.
    missing
        Why, and what to install; empty where there is a page.
    """

    results: Path
    page: Path | None
    missing: str = ""


def write_report(results: Results, folder: Path, *, plots: Plots = PLOTS, needed: Sequence[Path] = ()) -> Report:
    """Write report.html, report.json, report.npz (what figures are drawn from) and plots/*.png.

    Without matplotlib and jinja2, report.json and report.npz alone are written, and a report.html of an earlier run,
    which does not show these results, is removed.

    Parameters
    ----------
    plots
        Which variables to draw: the first so many, `all` that were recorded, or those matching patterns.
    needed
        Files that are not replaced, even where a link in the folder leads to them.

    Raises
    ------
    DataError
        If `folder` is a file, or a file in it is a needed one.
    """
    for place in (folder, folder / "plots"):
        if (place.exists() or place.is_symlink()) and not place.is_dir():
            raise DataError(f"{place} is not a folder, and the report needs one: name another output")
    for there in (*folder.glob("report.*"), *folder.glob("plots/*")):
        if any(there.exists() and path.exists() and there.samefile(path) for path in needed):
            raise DataError(f"{there} is a file that this command needs: name another folder for the report")
    folder.mkdir(parents=True, exist_ok=True)
    page, shown = folder / "report.html", chosen(results, plots)
    try:
        need("the report (report.html, plots/)", "matplotlib", "jinja2")
    except MissingPackage as error:
        old = ". The report.html of an earlier run is removed" if page.exists() else ""
        page.unlink(missing_ok=True)
        return Report(_write_results(results, folder), None, f"{error}{old}")
    figures = draw_all(results, shown, folder / "plots")
    written = _write_results(results, folder)
    with completed(page) as temporary:
        undrawn = [name for name in recorded(results) if name not in figures.variables]
        temporary.write_text(render(results, figures, undrawn=undrawn), "utf-8", "replace")
    return Report(written, page)


def _write_results(results: Results, folder: Path) -> Path:
    """Write report.npz and report.json; returns the path of the latter."""
    with completed(folder / "report.npz") as temporary:
        results.drawings.save(temporary)
    path = folder / "report.json"
    with completed(path) as temporary:
        temporary.write_text(
            json.dumps(results.to_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n",
            "utf-8",
            "replace",  # bytes of a name of a file that are no UTF-8
        )
    return path


def read_results(folder: Path) -> Results:
    """Return the results that `write_report` left in a folder.

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
    MissingPackage
        If matplotlib is not installed, which the extra `report` brings.
    """
    results = read_results(folder)
    for pattern in variables:
        if not recorded(results, [pattern]):
            raise DataError(
                f"{folder}: no results are recorded for the variable {pattern!r}. {did_you_mean(pattern, recorded(results))}"
            )
    wanted = recorded(results, variables)
    need("drawing", "matplotlib")
    return [path for paths in draw_variables(results, wanted, folder / "plots").values() for path in paths]


def chosen(results: Results, plots: Plots) -> list[str]:
    """Return names of the variables to draw, the most important first."""
    if not isinstance(plots, int | str) and list(plots) == ["*"]:
        plots = PLOTS
    if isinstance(plots, int):
        return by_importance(results, recorded(results))[:plots]
    patterns = ["*" if plots == "all" else plots] if isinstance(plots, str) else plots
    return by_importance(results, recorded(results, patterns))
