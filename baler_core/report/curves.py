"""Draw the curves of a training, epoch by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from baler_core.report.style import COLOURS, GRID, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_training(figure: Figure, group: str, curves: Mapping[str, Sequence[float]]) -> None:
    """Fill an empty figure, best about 6.5 by 3.6 inches; losses spanning decades get a logarithmic axis."""
    axes = figure.subplots()
    for number, (name, values) in enumerate(curves.items()):
        epochs = np.arange(1, len(values) + 1)
        colour = COLOURS[number % len(COLOURS)]
        style = "o-" if len(values) < 3 else "-"
        axes.plot(epochs, values, style, color=colour, linewidth=1.2, markersize=3, label=plain(name))
    everything = np.concatenate([np.asarray(values, np.float64) for values in curves.values()])
    finite = everything[np.isfinite(everything)]
    if finite.size and finite.min() > 0 and finite.max() > 20 * finite.min():
        axes.set_yscale("log")
    axes.grid(color=GRID, linewidth=0.6)
    axes.set_xlabel("epoch")
    axes.set_ylabel("loss")
    axes.set_title(plain(f"training of group {group}"), loc="left")
    axes.legend()
