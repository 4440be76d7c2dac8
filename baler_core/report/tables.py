"""Write the numbers of a report as tables, in CSV for programs and in LaTeX for papers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

from baler_core.evaluate.results import Results, VariableResult
from baler_core.machine.atomic_write import completed
from baler_core.machine.optional import need

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, str | float | None]
_ERRORS = ("residual", "response")
_STATISTICS = ("mean", "rms")


def write_tables(results: Results, folder: Path) -> list[Path]:
    """Write errors.csv, sizes.csv, errors.tex and sizes.tex, and seeds.csv and seeds.tex where several seeds were trained.

    Returns
    -------
    The files.

    Raises
    ------
    MissingPackage
        If Jinja2 is not installed, which writes LaTeX and which the extra `report` brings.
    """
    need("the tables in LaTeX", "jinja2")
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, rows in (("errors", errors(results)), ("sizes", sizes(results)), ("seeds", seeds(results))):
        if not rows:
            continue
        for path, text in ((folder / f"{name}.csv", as_csv(rows)), (folder / f"{name}.tex", as_latex(rows))):
            with completed(path) as temporary:
                temporary.write_text(text, "utf-8", "replace")
            written.append(path)
    return written


def errors(results: Results) -> list[Row]:
    """Return a row per variable: its bound, its largest error, and means and RMS of residuals and responses."""
    metrics = {name: results.metric(name) for name in _ERRORS}
    return [_errors_of(variable, metrics) for variable in results.variables]


def _errors_of(variable: VariableResult, metrics: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Row:
    row: Row = {
        "variable": variable.name,
        "units": variable.units,
        "bound": variable.bound,
        "largest error": variable.largest_error,
        "of allowed": variable.share if variable.lossy else None,
    }
    for metric, found in metrics.items():
        row |= {f"{metric} {which}": found.get(variable.name, {}).get(which) for which in _STATISTICS}
    return row


def sizes(results: Results) -> list[Row]:
    """Return a row per form of the values: bytes, and ratio of the values to them."""
    stated = results.sizes
    rows = (
        ("values", stated.native, 1.0),
        ("input file", stated.input_file, stated.native / stated.input_file if stated.input_file else None),
        ("baler", stated.compressed, stated.ratio),
        ("of which learned", stated.model, None),
    )
    found: list[Row] = [{"form": form, "bytes": size, "ratio": ratio} for form, size, ratio in rows if size is not None]
    # Of those, only a part of the values may have been compressed.
    found += [
        {"form": other.name, "bytes": round(stated.native / other.ratio), "ratio": other.ratio}
        for other in results.others
        if other.ratio > 0
    ]
    return found


def seeds(results: Results) -> list[Row]:
    """Return a row per variable with means over the kept seeds, and two standard deviations; none without several seeds."""
    rows: list[Row] = []
    for name, one in [pair for spread in results.seeds.values() for pair in spread.variables.items()]:
        row: Row = {"variable": name}
        for metric, which in product(_ERRORS, _STATISTICS):
            found = getattr(one, f"{metric}_{which}")
            row |= {f"{metric} {which}": found.mean, f"{metric} {which} 2 sd": found.two_sd}
        rows.append(row)
    return rows


def _frame(rows: Sequence[Row]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame.from_records(list(rows))


def as_csv(rows: Sequence[Row]) -> str:
    """Write rows as CSV, with all digits."""
    return str(_frame(rows).to_csv(index=False, lineterminator="\n"))


def as_latex(rows: Sequence[Row]) -> str:
    """Write rows as a `tabular`, with three digits; each number with its two standard deviations in one cell."""
    shown = [_shown(row) for row in rows]
    return str(_frame(shown).to_latex(index=False, escape=True, na_rep="", column_format=_columns(shown[0])))


def _columns(row: Row) -> str:
    return "".join("l" if name in ("variable", "units", "bound", "form") else "r" for name in row)


def _shown(row: Row) -> Row:
    found: Row = {}
    for name, value in row.items():
        spread = row.get(f"{name} 2 sd")
        if name.endswith(" 2 sd"):
            continue
        found[name] = _number(value) if spread is None else f"{_number(value)} ± {_number(spread, 2)}"
    return found


def _number(value: str | float | None, digits: int = 3) -> str:
    """Counts in full, others with a few digits; text as it is."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.{digits}g}" if math.isfinite(value) else "–"
