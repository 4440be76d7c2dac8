"""Draw one field: a slice of the original, the restored slice and their difference, with colour bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from baler_core.evaluate.drawings import Picture
from baler_core.evaluate.results import VariableResult
from baler_core.report.style import number, plain, with_units

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

# Slices that are wider than this many times their height get a wider figure.
_WIDE = 1.9
# A field of which a few values stand so many times its ordinary spread above the middle hides the rest on a linear scale.
_STEEP = 15.0


def figure_size(picture: Picture) -> tuple[float, float]:
    """Return width and height in inches that suit three panels of the slice's shape, side by side."""
    shape = _proportion(picture)
    width = 15.0 if shape > _WIDE else 11.5
    return width, min(7.0, max(2.4, 0.25 * width / shape + 1.05))


def _proportion(picture: Picture) -> float:
    """Width / height as it will be drawn."""
    if not _equal_aspect(picture):
        return 1.25
    left, right, bottom, top = picture.extent
    return abs(right - left) / abs(top - bottom)


def _equal_aspect(picture: Picture) -> bool:
    """Whether both axes count the same thing and neither is much the longer."""
    left, right, bottom, top = picture.extent
    ratio = abs(right - left) / abs(top - bottom)
    same = _stem(picture.axis_units[0]) == _stem(picture.axis_units[1])
    return same and 1 / 5 < ratio < 5


def _stem(units: str) -> str:
    """degrees_north and degrees_east are both degrees."""
    return units.split("_")[0]


def draw_field(figure: Figure, variable: VariableResult, picture: Picture) -> None:
    """Fill an empty figure of `figure_size` inches."""
    axes = figure.subplots(1, 3, sharey=True)
    original = picture.original
    restored = original + picture.difference
    low, high, extend = _limits(original)
    stretch = _stretch(original, low, high)
    for panel, values, title in ((axes[0], original, "original"), (axes[1], restored, "restored")):
        image = _panel(panel, picture, values, title, stretch or (low, high))
        if title == "restored":
            _colour_bar(panel, image, extend, variable.units, stretch)
    _difference(axes[2], picture, variable)
    for place, panel in enumerate(axes):
        panel.set_xlabel(_axis_label(picture, 1))
        panel.set_ylabel(_axis_label(picture, 0) if place == 0 else "")
    scale = "    colours by asinh" if stretch is not None else ""
    figure.suptitle(_title(variable, picture) + scale, fontsize=10.5, x=0.01, ha="left")


def _title(variable: VariableResult, picture: Picture) -> str:
    parts = [with_units(variable.label or variable.name, variable.units)]
    if picture.place:
        parts.append(plain(picture.place))
    if picture.step != (1, 1):
        parts.append(f"one point in {max(picture.step)} shown")
    if variable.bound:
        parts.append(f"bound: {variable.bound}")
    return "    ".join(parts)


def _axis_label(picture: Picture, axis: int) -> str:
    dim = picture.dims[axis].rsplit("/", 1)[-1]
    return with_units(dim, picture.axis_units[axis])


def _panel(
    axes: Axes,
    picture: Picture,
    values: np.ndarray,
    title: str,
    limits: tuple[float, float] | Normalize,
    cmap: str = "viridis",
) -> AxesImage:
    """One image; missing values are grey."""
    from matplotlib.colors import Normalize as Linear

    left, right, bottom, top = picture.extent
    image = axes.imshow(
        np.ma.masked_invalid(values),
        origin="lower",
        extent=(left, right, bottom, top),
        aspect="equal" if _equal_aspect(picture) else "auto",
        norm=Linear(*limits) if isinstance(limits, tuple) else limits,
        cmap=cmap,
    )
    axes.set_xlim(min(left, right), max(left, right))
    axes.set_ylim(min(bottom, top), max(bottom, top))
    axes.set_facecolor("#e0e0e0")
    axes.tick_params(which="both", direction="out", top=False, right=False)
    axes.set_title(title)
    return image


def _colour_bar(axes: Axes, image: AxesImage, extend: str, units: str, stretch: Normalize | None = None) -> None:
    """A colour bar as high as the image."""
    bar = axes.figure.colorbar(image, cax=axes.inset_axes((1.03, 0.0, 0.045, 1.0)), extend=extend)
    if stretch is not None:
        # Evenly spaced colours: the ticks of a linear scale would crowd.
        places = np.asarray(stretch.inverse(np.linspace(0.05, 0.95, 6)))
        bar.set_ticks(list(dict.fromkeys(float(f"{place:.2g}") for place in places)))
    bar.ax.minorticks_off()
    bar.set_label(plain(units))


def _limits(values: np.ndarray) -> tuple[float, float, str]:
    """Colour limits that show the bulk, and whether values lie beyond them."""
    finite = values[np.isfinite(values)]
    if not finite.size:
        return 0.0, 1.0, "neither"
    low, high = float(finite.min()), float(finite.max())
    inner = np.quantile(finite, [0.005, 0.995])
    if high - low > 2.5 * (inner[1] - inner[0]) > 0:
        return float(inner[0]), float(inner[1]), "both"
    return (low, high, "neither") if high > low else (low - 0.5, high + 0.5, "neither")


def _stretch(values: np.ndarray, low: float, high: float) -> Normalize | None:
    """A scale that shows the sky as well as the sources on it; None where a linear one shows all."""
    from matplotlib.colors import FuncNorm

    finite = values[np.isfinite(values)].astype(np.float64)
    if not finite.size:
        return None
    lower, middle, upper = np.quantile(finite, [0.16, 0.5, 0.995])
    width = float(middle - lower)
    if not upper - middle > _STEEP * width > 0:
        return None
    forward = lambda v: np.arcsinh((np.asarray(v) - middle) / (2 * width))  # noqa: E731
    inverse = lambda v: np.sinh(np.asarray(v)) * 2 * width + middle  # noqa: E731
    return FuncNorm((forward, inverse), vmin=low, vmax=high)


def _difference(axes: Axes, picture: Picture, variable: VariableResult) -> None:
    finite = picture.difference[np.isfinite(picture.difference)].astype(np.float64)
    largest = float(np.abs(finite).max(initial=0.0))
    bulk = float(np.quantile(np.abs(finite), 0.999)) if finite.size else 0.0
    end, extend = (bulk, "both") if largest > 3 * bulk > 0 else (largest, "neither")
    end = end or 1.0
    title = "difference (identical)"
    if largest:
        title = f"difference (RMS {number(float(np.sqrt(np.mean(finite**2))))}, max {number(largest)})"
    image = _panel(axes, picture, picture.difference, title, (-end, end), cmap="RdBu_r")
    _colour_bar(axes, image, extend, variable.units)
