"""Draw one variable: distribution before and after, their ratio, responses and residuals."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import numpy as np

from baler_core.evaluate.drawings import Distribution, Histogram
from baler_core.evaluate.results import VariableResult
from baler_core.report.style import AFTER, BEFORE, GRID, LOSS, number, plain, with_units

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


DISTRIBUTION_SIZE = (10.0, 5.0)


def draw_distribution(figure: Figure, variable: VariableResult, shown: Distribution) -> None:
    """Fill an empty figure of `DISTRIBUTION_SIZE` inches; margins are fixed, so that many are drawn quickly."""
    grid = figure.add_gridspec(1, 2, width_ratios=[1.3, 1], left=0.075, right=0.985, bottom=0.1, top=0.935, wspace=0.17)
    left = grid[0].subgridspec(2, 1, height_ratios=[3.2, 1], hspace=0.04)
    right = grid[1].subgridspec(2, 1, hspace=0.42)
    top = figure.add_subplot(left[0])
    ratio = figure.add_subplot(left[1], sharex=top)
    _before_and_after(top, shown)
    _ratio(ratio, shown)
    ratio.set_xlabel(with_units(variable.name, variable.units))
    top.tick_params(labelbottom=False)
    top.set_title(_title(variable), loc="left")
    _response(figure.add_subplot(right[0]), variable, shown)
    _residual(figure.add_subplot(right[1]), variable, shown)


def _title(variable: VariableResult) -> str:
    name = variable.label or variable.name
    if len(name) > 60:
        name = name[:57] + "..."
    return plain(f"{name}    bound: {variable.bound}" if variable.bound else name)


def _before_and_after(axes: Axes, shown: Distribution) -> None:
    before, after = shown.before, shown.after
    axes.stairs(before.counts, before.edges, fill=True, color=BEFORE, alpha=0.45, label="original")
    axes.stairs(before.counts, before.edges, color=BEFORE, linewidth=1.0)
    axes.stairs(after.counts, after.edges, color=AFTER, linewidth=1.1, linestyle=(0, (3, 1.5)), label="restored")
    if shown.logarithmic:
        axes.set_xscale("log")
    axes.set_xlim(before.edges[0], before.edges[-1])
    _count_axis(axes, before.counts, steep=30, room=1.25)
    axes.set_ylabel("values per bin")
    axes.legend(loc="upper right", ncols=2)
    remarks = [f"{shown.values:,} values", *_remarks(shown)]
    axes.text(0.02, 0.965, "\n".join(remarks), transform=axes.transAxes, va="top", fontsize=8)


def _remarks(shown: Distribution) -> list[str]:
    """What the axis does not show."""
    remarks = []
    if any(shown.zeros):
        remarks.append(f"zero: {shown.zeros[0]:,} before, {shown.zeros[1]:,} after")
    outside = [h.below + h.above for h in (shown.before, shown.after)]
    if any(outside):
        remarks.append(f"outside: {outside[0]:,} before, {outside[1]:,} after")
    return remarks


def _ratio(axes: Axes, shown: Distribution) -> None:
    before, after = shown.before.counts, shown.after.counts
    edges = shown.before.edges
    centres = np.sqrt(edges[1:] * edges[:-1]) if shown.logarithmic else (edges[1:] + edges[:-1]) / 2
    filled = before > 0
    values = after[filled] / before[filled]
    trusted = np.abs(values[before[filled] >= 20] - 1)
    spread = next(step for step in (0.02, 0.05, 0.1, 0.2, 0.5, 1.0) if step >= min(1.0, trusted.max(initial=0.0)))
    axes.axhline(1.0, color=BEFORE, linewidth=0.9)
    inside = np.abs(values - 1) <= 1.2 * spread
    axes.plot(centres[filled][inside], values[inside], ".", markersize=3.2, color=AFTER)
    for places, marker, height in ((values > 1 + 1.2 * spread, "^", 0.93), (values < 1 - 1.2 * spread, "v", 0.07)):
        x = centres[filled][places]
        axes.plot(x, np.full(x.shape, height), marker, markersize=3, color=AFTER, transform=axes.get_xaxis_transform())
    axes.set_ylim(1 - 1.3 * spread, 1 + 1.3 * spread)
    axes.set_yticks([1 - spread, 1, 1 + spread])
    axes.grid(axis="y", color=GRID, linewidth=0.6)
    axes.set_ylabel("restored /\noriginal")


def _response(axes: Axes, variable: VariableResult, shown: Distribution) -> None:
    kind, value = _bound(variable)
    undefined = f"undefined: {shown.undefined[0]:,} inf, {shown.undefined[1]:,} NaN"
    _loss(axes, shown.response, shown.response_moments, limit=value if kind == "rel" else None, remark=undefined)
    axes.set_xlabel("response = residual / original")


def _residual(axes: Axes, variable: VariableResult, shown: Distribution) -> None:
    kind, _ = _bound(variable)
    limit = variable.allowed if kind in ("abs", "range") else None
    sampled = f"random sample of {shown.sampled:,}" if shown.sampled < shown.values else ""
    _loss(axes, shown.residual, shown.residual_moments, limit=limit, remark=sampled)
    axes.set_xlabel(with_units("residual = restored \N{MINUS SIGN} original", variable.units))


def _bound(variable: VariableResult) -> tuple[str, float]:
    """Return kind and number of a bound; no number, and no kind that draws one, where a formula stands for it."""
    kind, _, rest = variable.bound.partition(" ")
    stated = re.match(r"[-+.\de]+(?=,| and |$)", rest)
    if stated is None:
        return ("formula" if rest else kind), math.nan
    return kind, float(stated[0])


def _loss(axes: Axes, histogram: Histogram, moments: tuple[float, float], *, limit: float | None, remark: str) -> None:
    """A histogram of responses or residuals, with its mean and RMS and, where it is one number, the bound."""
    outside = histogram.below + histogram.above
    defined = outside or histogram.counts.any()
    stated = f"mean {number(moments[0])}, RMS {number(moments[1])}" if defined else "no defined value"
    axes.stairs(histogram.counts, histogram.edges, fill=True, color=LOSS, alpha=0.45)
    axes.stairs(histogram.counts, histogram.edges, color=LOSS, linewidth=0.9)
    axes.set_xlim(histogram.edges[0], histogram.edges[-1])
    _count_axis(axes, histogram.counts, steep=200, room=1.35)
    axes.locator_params(axis="x", nbins=6)
    if limit is not None and limit > 0:
        _mark_limit(axes, limit, float(histogram.edges[-1]))
    axes.set_title(stated, loc="left", fontsize=8.5)
    remarks = [text for text in (remark, f"outside: {outside:,}" if outside else "") if text]
    axes.text(0.08, 0.95, "\n".join(remarks), transform=axes.transAxes, va="top", fontsize=8)
    axes.set_ylabel("values per bin")


def _count_axis(axes: Axes, counts: np.ndarray, *, steep: float, room: float) -> None:
    """A linear axis, or a logarithmic one where a linear one would hide most of the histogram."""
    from matplotlib.ticker import EngFormatter, MaxNLocator

    filled = counts[counts > 0]
    top = max(1.0, float(counts.max(initial=0)))
    if filled.size > 3 and top > steep * float(np.median(filled)):
        axes.set_yscale("log")
        axes.set_ylim(0.5, 0.5 * (2 * top) ** room)
    else:
        axes.set_ylim(0, top * room)
        axes.yaxis.set_major_locator(MaxNLocator(6, integer=True))
        axes.yaxis.set_major_formatter(EngFormatter(sep=""))


def _mark_limit(axes: Axes, limit: float, end: float) -> None:
    """Dashed lines at the bound, if it is not far outside of what there is."""
    if limit > 4 * end:
        return
    axes.set_xlim(-max(end, 1.1 * limit), max(end, 1.1 * limit))
    for sign in (-1, 1):
        axes.axvline(sign * limit, color=AFTER, linestyle="--", linewidth=0.9)
    place = axes.get_xaxis_transform()
    axes.text(0.985 * limit, 0.9, "bound", transform=place, ha="right", va="top", rotation=90, color=AFTER, fontsize=8)
