"""Draw the curves of a scan: bits per value against the error, the stated bound and the knee marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from baler_core.machine.optional import need
from baler_core.report.style import AFTER, BEFORE, GRID, INK, new_figure, plain, save
from baler_core.suggest.scan import Scan, VariableScan
from baler_core.suggest.scan_derived import DerivedScan

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_DRAWN = 24
_COLUMNS = 3
_LINES = 48


def draw_scan(scan: Scan, path: Path) -> Path:
    """Write one PNG with a panel for each variable, the first `MOST_DRAWN` of them, and one for all together.

    Raises
    ------
    MissingPackage
        If matplotlib is not installed.
    """
    need("the picture of a scan", "matplotlib")
    drawn = scan.variables[:MOST_DRAWN]
    derived = scan.derived[: MOST_DRAWN // 2]
    panels = len(drawn) + bool(scan.together) + len(derived)
    rows = -(-panels // _COLUMNS)
    with new_figure(3.4 * min(_COLUMNS, panels), 2.7 * rows) as figure:
        axes = list(figure.subplots(rows, min(_COLUMNS, panels), squeeze=False).ravel())
        for panel, variable in zip(axes, drawn, strict=False):
            _draw_variable(panel, variable)
        if scan.together:
            _draw_together(axes[len(drawn)], scan)
        for panel, quantity in zip(axes[panels - len(derived) :], derived, strict=False):
            _draw_derived(panel, quantity, scan.together)
        for panel in axes[panels:]:
            panel.set_visible(False)
        return save(figure, path, colours=_LINES)


def _draw_variable(axes: Axes, variable: VariableScan) -> None:
    # An error of nothing has no place on a logarithmic axis: the factor then stands for it.
    shown = [rung for rung in variable.rungs if rung.rms > 0]
    axes.set_title(plain(variable.name), loc="left")
    axes.set_ylabel("bits per value")
    axes.grid(color=GRID, linewidth=0.6)
    if not shown:
        axes.text(0.5, 0.5, "nothing is lost by any bound", transform=axes.transAxes, ha="center")
        return
    axes.set_xscale("log")
    axes.plot([rung.rms for rung in shown], [rung.bits for rung in shown], "o-", color=BEFORE, markersize=3.5)
    stated = next((rung for rung in shown if rung.factor == 1), None)
    if stated is not None:
        axes.axvline(stated.rms, color=INK, linewidth=0.8, linestyle="--")
        axes.annotate(
            plain(variable.stated),
            (stated.rms, 0.98),
            xycoords=("data", "axes fraction"),
            fontsize=7.5,
            va="top",
            rotation=90,
            ha="right",
        )
    knee = variable.rungs[variable.knee] if variable.knee is not None else None
    if knee is not None and knee.rms > 0:
        axes.plot([knee.rms], [knee.bits], "o", color=AFTER, markersize=8, fillstyle="none", markeredgewidth=1.6)
        axes.annotate("knee", (knee.rms, knee.bits), textcoords="offset points", xytext=(7, 5), color=AFTER)
    axes.set_ylim(bottom=0)
    axes.set_xlabel(plain(f"RMS error [{variable.units}]" if variable.units else "RMS error"))


def _draw_derived(axes: Axes, quantity: DerivedScan, together: Mapping[float, float]) -> None:
    """The ratio of the file against the error of a quantity that nothing keeps."""
    shown = [rung for rung in quantity.rungs if rung.rms > 0 and rung.factor in together]
    axes.set_title(plain(f"derived: {quantity.name}"), loc="left")
    axes.set_ylabel("ratio")
    axes.grid(color=GRID, linewidth=0.6)
    if not shown:
        axes.text(0.5, 0.5, "it does not move", transform=axes.transAxes, ha="center")
        return
    ratios = [together[rung.factor] for rung in shown]
    axes.set_xscale("log")
    _scale_ratios(axes, ratios)
    axes.plot([rung.rms for rung in shown], ratios, "o-", color=BEFORE, markersize=3.5)
    wrong = [rung for rung in shown if rung.beyond > 0]
    if wrong:
        axes.plot([r.rms for r in wrong], [together[r.factor] for r in wrong], "o", color=AFTER, markersize=5)
        axes.annotate("cells beyond its bound", (0.03, 0.9), xycoords="axes fraction", color=AFTER, fontsize=8)
    axes.set_xlabel(plain(f"RMS error [{quantity.units}]" if quantity.units else "RMS error"))


def _draw_together(axes: Axes, scan: Scan) -> None:
    axes.set_title("all together", loc="left")
    ratios = list(scan.together.values())
    axes.set_xscale("log")
    _scale_ratios(axes, ratios)
    axes.grid(color=GRID, linewidth=0.6)
    axes.plot(list(scan.together), ratios, "o-", color=BEFORE, markersize=3.5)
    axes.axvline(1, color=INK, linewidth=0.8, linestyle="--")
    axes.set_xlabel("factor on all bounds")
    axes.set_ylabel("ratio")


def _scale_ratios(axes: Axes, ratios: Sequence[float]) -> None:
    """Take a logarithmic axis where ratios differ by much."""
    if max(ratios) > 5 * min(ratios):
        axes.set_yscale("log")
