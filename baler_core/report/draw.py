"""Draw results to PNG files: variables, trainings, and the figures of metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from baler_core.evaluate.results import MetricOutcome, Results, VariableResult
from baler_core.machine.records import dataclass
from baler_core.report.distribution import DISTRIBUTION_SIZE, draw_distribution
from baler_core.report.field import draw_field, figure_size
from baler_core.report.style import COLOURS, GRID, file_names, new_figure, plain, save

if TYPE_CHECKING:
    from matplotlib.figure import Figure


# Enough for a handful of colours and the greys of letters.
LINES = 48


@dataclass(frozen=True)
class Figures:
    """Paths of the PNG files.

    Attributes
    ----------
    variables
        By variable: its field if there is one, and its distribution.
    derived
        By derived quantity: its distribution.
    training
        By group.
    metrics
        By metric and title; a text in place of a path says why it could not be drawn.
    """

    variables: Mapping[str, Sequence[Path]]
    derived: Mapping[str, Path]
    training: Mapping[str, Path]
    metrics: Mapping[str, Mapping[str, Path | str]]


def draw_all(results: Results, names: Sequence[str], folder: Path) -> Figures:
    """Draw the named variables, and everything else there is to draw."""
    return Figures(
        draw_variables(results, names, folder),
        _draw_derived(results, folder),
        _draw_training(results, folder),
        {outcome.name: _draw_metric(outcome, folder) for outcome in results.metrics},
    )


def draw_variables(results: Results, names: Sequence[str], folder: Path) -> dict[str, list[Path]]:
    """Draw the named variables, of which something is recorded."""
    variables = {variable.name: variable for variable in results.variables}
    stems = file_names(list(variables))
    shown = tqdm(names, desc="draw", unit="variable", disable=None)
    return {name: _draw_variable(results, variables[name], folder / stems[name]) for name in shown}


def _draw_variable(results: Results, variable: VariableResult, stem: Path) -> list[Path]:
    paths = []
    picture = results.drawings.pictures.get(variable.name)
    if picture is not None:
        with new_figure(*figure_size(picture)) as figure:
            draw_field(figure, variable, picture)
            paths.append(save(figure, stem.with_name(f"{stem.name}.field.png")))
    distribution = results.drawings.distributions.get(variable.name)
    if distribution is not None:
        with new_figure(*DISTRIBUTION_SIZE, fitted=False) as figure:
            draw_distribution(figure, variable, distribution)
            paths.append(save(figure, stem.with_name(f"{stem.name}.png"), colours=LINES))
    return paths


def _draw_derived(results: Results, folder: Path) -> dict[str, Path]:
    """The distributions of derived quantities, under their formulas."""
    stems = file_names([one.name for one in results.derived])
    paths = {}
    for one in results.derived:
        distribution = results.drawings.derived.get(one.name)
        if distribution is None:
            continue
        shown = VariableResult(
            name=one.name,
            dtype="<f8",
            dims=(),
            shape=(),
            units=one.units,
            label=f"{one.name} = {one.formula}",
            bound=one.bound,
            allowed=one.allowed,
        )
        with new_figure(*DISTRIBUTION_SIZE, fitted=False) as figure:
            draw_distribution(figure, shown, distribution)
            paths[one.name] = save(figure, folder / f"derived.{stems[one.name]}.png", colours=LINES)
    return paths


def _draw_training(results: Results, folder: Path) -> dict[str, Path]:
    stems = file_names(list(results.training))
    paths = {}
    for group, curves in results.training.items():
        with new_figure(6.5, 3.6) as figure:
            draw_training(figure, group, curves)
            paths[group] = save(figure, folder / f"training.{stems[group]}.png", colours=LINES)
    return paths


def _draw_metric(outcome: MetricOutcome, folder: Path) -> dict[str, Path | str]:
    """A metric's own plots; what it raises is shown in place of the plot, since a plugin must not cost the report."""
    drawn: dict[str, Path | str] = {}
    if outcome.metric is None:
        return drawn
    stems = file_names(list(outcome.plots))
    for title in outcome.plots:
        try:
            with new_figure(6.5, 4.2) as figure:
                outcome.metric.plot(title, figure.subplots())
                drawn[title] = save(figure, folder / f"metric.{outcome.name}.{stems[title]}.png")
        except Exception as error:
            drawn[title] = f"{type(error).__name__}: {error}"
    return drawn


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
