"""Render results and figures as one self-contained HTML page."""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from baler_core.evaluate.judgement import overall, summary
from baler_core.evaluate.results import MetricOutcome, Results
from baler_core.machine.records import dataclass
from baler_core.report.draw import Figures
from baler_core.report.rows import collections_of, rows_of

SHOWN_ABOVE = ("residual", "response")
VERDICTS = {"good": "good", "fair": "look at it", "bad": "bad"}


@dataclass(frozen=True)
class Bar:
    """A compressor in the comparison: its ratio, and the length of its bar in percent."""

    name: str
    ratio: float
    size: int
    width: float
    ours: bool = False


def render(results: Results, figures: Figures, *, undrawn: Sequence[str] = ()) -> str:
    """Return the page; `undrawn` variables could have been drawn and were not."""
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(number=number, size=size_text, integer=lambda value: f"{value:,}", image=_image)
    text = files("baler_core.report").joinpath("report.html.j2").read_text("utf-8")
    rows = rows_of(results, figures)
    exact = [row for row in rows if row.variable.lossy is False and row.holds]
    return environment.from_string(text).render(
        results=results,
        sizes=results.sizes,
        worst=results.worst(),
        verdict=results.verdict,
        merged=[variable for variable in results.variables if variable.merged],
        masked=[variable for variable in results.variables if variable.mask_changed],
        unzeroed=[variable for variable in results.variables if variable.zeros_changed],
        turned=[variable for variable in results.variables if variable.unexpected_signs],
        lossy=[row for row in rows if row.variable.lossy is not False or not row.holds],
        exact=exact,
        collections=collections_of(exact),
        judged=[row for row in rows if row.variable.changed],
        words=VERDICTS,
        levels={variable.name: variable for variable in results.variables},
        unheld=[one for one in results.derived if one.unheld is not None],
        summary=summary(results),
        overall=overall(results),
        bars=_bars(results),
        sampled=next((o.sampled_bytes for o in results.others if o.sampled_bytes < results.sizes.native), None),
        figures=figures,
        undrawn=undrawn,
        listed=[_changed_alone(outcome, results) for outcome in results.metrics if outcome.name not in SHOWN_ABOVE],
        failed=[outcome for outcome in results.metrics if outcome.problem],
    )


def _changed_alone(outcome: MetricOutcome, results: Results) -> MetricOutcome:
    """What a metric found, without the variables that did not change, if any did."""
    exact = {variable.name for variable in results.variables if not variable.changed}
    left = {name: values for name, values in outcome.values.items() if name not in exact}
    return replace(outcome, values=left) if left else outcome


def _bars(results: Results) -> list[Bar]:
    """This file beside what general-purpose compressors make of the same values; nothing where there are none."""
    native = results.sizes.native
    if not native:
        return []
    found = [(other.name, other.ratio, round(native / other.ratio), False) for other in results.others]
    if results.sizes.ratio is not None and results.sizes.compressed is not None:
        found.insert(0, ("baler", results.sizes.ratio, results.sizes.compressed, True))
    longest = max((ratio for _, ratio, _, _ in found), default=1.0)
    return [Bar(name, ratio, size, 100 * ratio / longest, ours) for name, ratio, size, ours in found]


def number(value: float) -> str:
    """Return three significant digits; an en dash for what is not known."""
    if math.isnan(value):
        return "\N{EN DASH}"
    return f"{value:.3g}".replace("-", "\N{MINUS SIGN}").replace("inf", "\N{INFINITY}")


def size_text(size: float) -> str:
    """`1,234 B`, `1.23 MB`: powers of 1000."""
    if size < 10_000:
        return f"{size:,.0f} B"
    for unit, factor in (("kB", 1e3), ("MB", 1e6), ("GB", 1e9)):
        if size < 1000 * factor:
            return f"{size / factor:.3g} {unit}"
    return f"{size / 1e12:,.3g} TB"


def _image(path: Path) -> str:
    """A PNG as a data address."""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")
