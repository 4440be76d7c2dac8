"""Implement `baler predict`: how small a file will become, by which model, in what time, and why, from a sample."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from baler_core.cli.options import FilePath, common_options
from baler_core.cli.text import bytes_text, print_json, print_table
from baler_core.machine.addresses import here
from baler_core.plugin.registry import Registry, load_plugins

if TYPE_CHECKING:
    from baler_core.config import Config
    from baler_core.suggest.extrapolate import Range
    from baler_core.suggest.predict import Expected, FilePrediction

_SHOWN = 12


@click.command()
@click.argument("file", type=FilePath())
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@common_options
def predict(file: Path, as_json: bool) -> None:
    """Predict from a sample what compressing FILE gives: a data file, or a configuration with its own bounds."""
    from baler_core.config.inputs import refuse_no_data
    from baler_core.pipeline.input import input_of
    from baler_core.suggest.predict import Ladder, usual_bounds
    from baler_core.suggest.predict import predict as measure

    file = here(file)
    registry = load_plugins()
    refuse_no_data(file, registry)
    config, path, is_stated = _configured(file, registry)
    given = input_of(path, config, registry)
    with given.source:
        ladder = [Ladder("as stated", config.bounds)] if is_stated else usual_bounds(given.source.schema)
        found = measure(config, registry, given, ladder)
    if as_json:
        print_json(_record(found))
    else:
        _show(found)


def _configured(file: Path, registry: Registry) -> tuple[Config, Path, bool]:
    """Return a configuration, its first input, and whether it is the user's own."""
    from baler_core.config import load_config
    from baler_core.config.arguments import config_of_arguments

    if file.suffix.lower() in (".yaml", ".yml"):
        config = load_config(file, registry)
        return config, config.inputs[0], True
    return config_of_arguments("predict", {}, registry, source=file, output=Path()), file, False


def _show(found: FilePrediction) -> None:
    part = "all of them" if found.sample >= found.native else f"{bytes_text(found.sample)} in pieces"
    click.echo(
        f"{found.source}: {bytes_text(found.native)} of values in {found.variables:,} variables; coded for this: {part}\n"
    )
    rows = [_row(found, one) for one in found.expected]
    print_table(rows, header=("bounds", "file, expected", "between", "ratio", "processor time", "models"))
    click.echo("\nFour of five files lie between the two sizes. Times are for this machine, one core.")
    for one in found.expected:
        _show_autoencoders(one)
    _show_reasons(found)


def _row(found: FilePrediction, one: Expected) -> tuple[str, ...]:
    ratio = found.native / max(1.0, one.nbytes.middle)
    models = ", ".join(
        f"{name} {share:.0%}" if share < 0.995 else name
        for name, share in sorted(one.models.items(), key=lambda m: -m[1])
    )
    between = f"{_size(one.nbytes.low)} .. {_size(one.nbytes.high)}"
    return (one.label, _size(one.nbytes.middle), between, f"{ratio:.3g}", _time(one.seconds), models)


def _size(nbytes: float) -> str:
    return bytes_text(round(float(f"{nbytes:.3g}")))


def _time(seconds: Range) -> str:
    low, high = (f"{one:.2g}" if one < 100 else f"{round(one, -1):,.0f}" for one in (seconds.low, seconds.high))
    return f"{low} .. {high} s"


def _show_autoencoders(one: Expected) -> None:
    for (table, ratio), found in one.autoencoders.items():
        click.echo(
            f"{one.label}: an autoencoder of {found.latents} latents for {table!r} (R = {ratio:g}) explains "
            f"{found.explained:.2%} of the variance; within the bounds its file would take about {_size(found.nbytes)}"
        )


def _show_reasons(found: FilePrediction) -> None:
    reasons = list(dict.fromkeys((*(reason for one in found.expected for reason in one.reasons), *found.reasons)))
    if reasons:
        click.echo("\nwhy")
        for reason in reasons[:_SHOWN]:
            click.echo(f"  - {reason}")
        if len(reasons) > _SHOWN:
            click.echo(f"  - and {len(reasons) - _SHOWN:,} more: --json prints all")
    finite = sorted(value for value in found.variation.values() if math.isfinite(value))
    if finite:
        click.echo(
            f"\ncoefficient of variation (deviation / |mean|): {finite[0]:.3g} to {finite[-1]:.3g}, median "
            f"{finite[len(finite) // 2]:.3g}. It says how values spread, not how far they can be predicted"
        )


def _record(found: FilePrediction) -> dict[str, Any]:
    expected = []
    for one in found.expected:
        autoencoders = [
            {"group": table, "R": ratio, **vars(known)} for (table, ratio), known in one.autoencoders.items()
        ]
        sizes = {"bytes": vars(one.nbytes), "seconds": vars(one.seconds)}
        expected.append(
            {"bounds": one.label, **sizes, "models": dict(one.models), "autoencoders": autoencoders,
             "reasons": list(one.reasons)}
        )  # fmt: skip
    return {
        "file": found.source,
        "native_bytes": found.native,
        "sample_bytes": found.sample,
        "expected": expected,
        "reasons": list(found.reasons),
        "coefficient_of_variation": dict(found.variation),
    }
