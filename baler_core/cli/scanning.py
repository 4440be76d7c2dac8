"""Implement `baler scan`: a table and a picture of bytes against errors, from a sample."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from baler_core.cli.options import FilePath, common_options, gathered
from baler_core.cli.outputs import ChosenOutput, force_option, ready, refuse_stream
from baler_core.cli.text import bytes_text, print_box, print_json, print_table
from baler_core.config import load_config
from baler_core.config.target import WITHOUT_BOUNDS
from baler_core.errors import MissingPackage
from baler_core.plugin.registry import load_plugins

if TYPE_CHECKING:
    from baler_core.suggest.scan import Scan, VariableScan


@click.command()
@click.argument("config", type=FilePath())
@click.option("--input", "inputs", multiple=True, metavar="FILE", help="Scan this file instead of the first input.")
@click.option(
    "--variable", "patterns", multiple=True, metavar="PATTERN", help="Scan only these variables; may be repeated."
)
@click.option(
    "--seconds", type=click.FloatRange(min=1), default=90.0, show_default=True, help="About how long to take."
)
@click.option("-o", "--output", type=FilePath(), help="The picture to write [OUTPUT/scan.png].")
@force_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@common_options
@gathered(ChosenOutput, "chosen")
def scan(
    config: Path, inputs: tuple[str, ...], patterns: tuple[str, ...], seconds: float, chosen: ChosenOutput
) -> None:
    """Code a sample of the first input of CONFIG with its bounds times 0.01 to 100, and show bytes and errors."""
    from dataclasses import replace

    from baler_core.pipeline.input import input_of
    from baler_core.suggest.scan import scan as measure

    registry = load_plugins()
    checked = load_config(config, registry, inputs=inputs)
    if not checked.bounds.rules:
        checked = replace(checked, bounds=WITHOUT_BOUNDS)
    refuse_stream(chosen.output, "a picture")
    target = chosen.output or checked.output / "scan.png"
    target = ready(target, [config, *checked.inputs], replace=chosen.replaces)
    given = input_of(checked.inputs[0], checked, registry)
    with given.source:
        found = measure(checked, registry, given, patterns=patterns or ("*",), seconds=seconds)
    picture, why = _drawn(found, target)
    if chosen.as_json:
        print_json({**_record(found), "picture": str(picture) if picture else None})
    else:
        _show(found)
        if picture:
            click.echo(f"\nwrote {picture}")
    if why:
        print_box("NO PICTURE", [why], err=chosen.as_json)
    if found.left_out:
        text = f"{len(found.left_out):,} variables for lack of time: choose with --variable, or give more --seconds"
        print_box("NOT SCANNED", [text], err=chosen.as_json)


def _drawn(found: Scan, path: Path) -> tuple[Path | None, str]:
    """Return the picture, or why there is none."""
    from baler_core.report.scan import draw_scan

    try:
        return draw_scan(found, path), ""
    except MissingPackage as error:
        return None, str(error)


def _show(found: Scan) -> None:
    sample = f"a sample of {bytes_text(found.sample_bytes)} of {bytes_text(found.native_bytes)}"
    click.echo(f"{found.source}: {sample}, coded with little effort: a file is usually somewhat smaller")
    for variable in found.variables:
        _show_variable(variable)
    click.echo("\nall variables together, all bounds multiplied by one factor ('target' chooses it)")
    print_table(
        [(f"{factor:.3g}", f"{ratio:.2f}") for factor, ratio in found.together.items()],
        header=("factor", "ratio"),
        indent="  ",
    )
    for quantity in found.derived:
        units = f" [{quantity.units}]" if quantity.units else ""
        click.echo(f"\nderived {quantity.stated}{units}; if nothing kept it, with all bounds multiplied by one factor")
        rows = [(f"{r.factor:.3g}", f"{r.largest:.3g}", f"{r.rms:.3g}", f"{r.beyond:.2%}") for r in quantity.rungs]
        print_table(rows, header=("factor", "largest error", "RMS error", "beyond its bound"), indent="  ")


def _show_variable(variable: VariableScan) -> None:
    units = f" [{variable.units}]" if variable.units else ""
    click.echo(f"\n{variable.name}{units}, {variable.native_bits:g} bits per value; stated: {variable.stated}")
    rows = []
    for number, rung in enumerate(variable.rungs):
        marks = ["stated"] * (rung.factor == 1) + ["knee"] * (number == variable.knee)
        errors = (f"{rung.largest:.3g}", f"{rung.rms:.3g}", f"{rung.psnr:.1f}")
        rows.append((f"{rung.factor:.3g}", rung.bound, *errors, f"{rung.bits:.2f}", ", ".join(marks)))
    header = ("factor", "bound", "largest error", "RMS error", "PSNR", "bits", "")
    print_table(rows, header=header, indent="  ")


def _record(found: Scan) -> dict[str, Any]:
    return {
        "input": found.source,
        "sample_bytes": found.sample_bytes,
        "native_bytes": found.native_bytes,
        "variables": [{**vars(one), "rungs": [vars(rung) for rung in one.rungs]} for one in found.variables],
        "together": [{"factor": factor, "ratio": ratio} for factor, ratio in found.together.items()],
        "derived": [{**vars(one), "rungs": [vars(rung) for rung in one.rungs]} for one in found.derived],
        "left_out": list(found.left_out),
    }
