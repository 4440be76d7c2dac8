"""Define the style of all figures (fonts, lines, colours, labels), set for one figure at a time, never globally."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from baler_core.machine.atomic_write import completed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BEFORE = "#6b8cae"
AFTER = "#c8501e"
LOSS = "#4a7c59"
GRID = "#d9dee3"
INK = "#1f2933"

COLOURS = (BEFORE, AFTER, LOSS, "#7a5195", "#b08800")
"""Original, restored, what was lost, and more: what metrics of plugins get as C0, C1, C2 ..."""

_SETTINGS: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.labelsize": 9.5,
    "axes.linewidth": 0.8,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "axes.formatter.limits": (-3, 4),
    "axes.formatter.use_mathtext": True,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "axes.titlelocation": "left",
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "image.cmap": "viridis",
    "image.interpolation": "nearest",
    "figure.dpi": 100,
    "savefig.dpi": 150,
}


@contextmanager
def new_figure(width: float, height: float, *, fitted: bool = True) -> Iterator[Figure]:
    """A figure of the given size in inches, in the house style while the body runs; outside of pyplot's state.

    `fitted` lets matplotlib find the margins, which takes longer than drawing.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.rcsetup import cycler

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update({**_SETTINGS, "axes.prop_cycle": cycler(color=COLOURS)})
        yield Figure(figsize=(width, height), layout="constrained" if fitted else None)


def save(figure: Figure, path: Path, *, colours: int = 256) -> Path:
    """Write a figure as a PNG with a palette, a third of the size of one without; line drawings need few colours."""
    import io

    from PIL import Image

    drawn = io.BytesIO()
    figure.savefig(drawn, format="png")
    with Image.open(drawn) as image, completed(path) as temporary:
        # Median cuts would give most colours to noise, and leave steps in smooth fields.
        kind = Image.Quantize.MAXCOVERAGE
        flat = image.convert("RGB").quantize(colours, method=kind, dither=Image.Dither.NONE)
        flat.save(temporary, format="png", optimize=True, dpi=image.info.get("dpi"))
    return path


def plain(text: str) -> str:
    """Return text that matplotlib must not read as mathematics."""
    return text.replace("$", r"\$")


def with_units(text: str, units: str) -> str:
    """`text [units]`, or `text` alone."""
    return plain(f"{text} [{units}]" if units else text)


def number(value: float) -> str:
    """Return three significant digits, with a true minus sign."""
    return f"{value:.3g}".replace("-", "\N{MINUS SIGN}")


def file_names(names: list[str]) -> dict[str, str]:
    """A file name (without suffix) for every variable: letters, digits, dot, plus, dash; no two the same on any disk."""
    taken: set[str] = set()
    found: dict[str, str] = {}
    for name in names:
        safe = re.sub(r"[^A-Za-z0-9.+-]+", "_", name).strip("._")[:100] or "variable"
        candidate, count = safe, 1
        while candidate.casefold() in taken:
            count += 1
            candidate = f"{safe}-{count}"
        taken.add(candidate.casefold())
        found[name] = candidate
    return found
